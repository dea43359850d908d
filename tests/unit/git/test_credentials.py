"""Secrets as they are found in clusters, and that nothing of them shows."""

from __future__ import annotations

import base64
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from controller.dev.certificates import Authority, KeyPair
from controller.errors import Reason, WaitingError
from controller.git.credentials import ANONYMOUS, Credentials, credentials_from
from controller.git.errors import AuthenticationFailedError, CertificateInvalidError, HostKeyUnknownError

WHERE = "Secret default/git"
HOSTS = b"git.example.com ssh-ed25519 AAAA"

with tempfile.TemporaryDirectory() as _folder:
    _authority = Authority(Path(_folder))
    AUTHORITY = _authority.certificate.read_bytes()

    def _pair(issued: KeyPair) -> dict[str, bytes]:
        return {"tls.crt": issued.certificate.read_bytes(), "tls.key": issued.key.read_bytes()}

    PAIR, OTHER = _pair(_authority.issue("one")), _pair(_authority.issue("other"))


def private_key(passphrase: str = "") -> bytes:
    """A new key as ssh-keygen writes it."""
    locked = serialization.BestAvailableEncryption(passphrase.encode()) if passphrase else serialization.NoEncryption()
    openssh = serialization.PrivateFormat.OpenSSH
    return ed25519.Ed25519PrivateKey.generate().private_bytes(serialization.Encoding.PEM, openssh, locked)


def pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey, form: serialization.PrivateFormat) -> bytes:
    """A key as older programs write it."""
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())


KEYS = {
    "OpenSSH": {"identity": private_key()},
    "without its last line break": {"identity": private_key().rstrip()},
    "PKCS 8": {"identity": pem(ec.generate_private_key(ec.SECP256R1()), serialization.PrivateFormat.PKCS8)},
    "RSA": {"identity": pem(rsa.generate_private_key(65537, 2048), serialization.PrivateFormat.TraditionalOpenSSL)},
}


def decoded(credentials: Credentials) -> str:
    """User and password of a Basic header."""
    return base64.b64decode(credentials.authorization.removeprefix("Basic ")).decode()


@pytest.mark.parametrize(
    ("secret", "pair"),
    [
        ({"username": b"ada", "password": b"pw"}, "ada:pw"),
        ({"username": b"ada\n", "password": b"pw\r\n"}, "ada:pw"),
        ({"username": b"ada", "password": b"p:w w"}, "ada:p:w w"),
        ({"username": "løk".encode(), "password": "wø".encode()}, "løk:wø"),
        ({"username": b"ada", "password": b"pw", "known_hosts": b"x"}, "ada:pw"),
        ({"username": b"ada", "password": b"pw", "bearerToken": b""}, "ada:pw"),
    ],
)
def test_basic(secret: dict[str, bytes], pair: str) -> None:
    assert decoded(credentials_from(secret, WHERE)) == pair


def test_bearer() -> None:
    secret = {"bearerToken": b"abc\n", "username": b"ada", "password": b"pw"}
    assert credentials_from(secret, WHERE).headers == ["Authorization: Bearer abc"]


def test_none_at_all() -> None:
    assert ANONYMOUS.headers == []


@pytest.mark.parametrize(
    ("secret", "why"),
    [
        ({}, "holds neither username and password nor bearerToken, ca.crt, or tls.crt and tls.key;"),
        ({"username": b"ada"}, "holds neither"),
        ({"password": b"pw"}, "holds neither"),
        ({"username": b"ada", "password": b""}, "holds neither"),
        ({"identity": b"key", "known_hosts": b"x"}, r"\(identity is for ssh:// URLs\)"),
        ({"tls.crt": b"c", "tls.key": b"k"}, "not a certificate and its key"),
        ({"tls.crt": PAIR["tls.crt"]}, "not a certificate and its key"),
        ({"tls.key": PAIR["tls.key"]}, "not a certificate and its key"),
        (PAIR | {"tls.key": OTHER["tls.key"]}, "of one pair"),
        ({"ca.crt": b"hush\xff"}, "ca.crt is not UTF-8"),
        ({"bearerToken": b"hush\xff"}, "bearerToken is not UTF-8"),
        ({"bearerToken": b"hush\r\nX-Evil: 1"}, "bearerToken holds control characters"),
        ({"username": b"ada\n\nx", "password": b"hush"}, "username holds control characters"),
    ],
)
def test_secrets_that_open_nothing(secret: dict[str, bytes], why: str) -> None:
    with pytest.raises(AuthenticationFailedError, match=why) as caught:
        credentials_from(secret, WHERE)
    assert caught.value.reason is Reason.AUTHENTICATION_FAILED
    assert isinstance(caught.value, WaitingError)  # people mend a Secret without touching the Fabric
    assert caught.value.message.startswith(WHERE)
    assert "hush" not in caught.value.message


@pytest.mark.parametrize("authority", [b"hush", PAIR["tls.key"], b"-----BEGIN CERTIFICATE-----\nhush\n"])
def test_an_authority_that_is_none(authority: bytes) -> None:
    with pytest.raises(CertificateInvalidError, match=r"ca\.crt holds no certificate") as caught:
        credentials_from({"ca.crt": authority, "username": b"ada", "password": b"pw"}, WHERE)
    assert "hush" not in caught.value.message


def test_certificates() -> None:
    alone = credentials_from({"ca.crt": AUTHORITY}, WHERE)
    assert (alone.authority, alone.authorization, alone.is_plain) == (AUTHORITY.decode(), "", False)
    all_of_it = credentials_from(PAIR | {"ca.crt": AUTHORITY, "bearerToken": b"abc"}, WHERE)
    assert all_of_it.headers == ["Authorization: Bearer abc"]
    assert all_of_it.certificate.encode() == PAIR["tls.crt"]
    assert not credentials_from(PAIR, WHERE).is_plain
    assert credentials_from({"bearerToken": b"abc"}, WHERE).is_plain


# ---- ssh ----


@pytest.mark.parametrize("kind", KEYS)
def test_a_key_is_opened(kind: str) -> None:
    for secret in (KEYS[kind], KEYS[kind] | {"password": b"not asked for"}):
        opened = credentials_from(secret | {"known_hosts": HOSTS}, WHERE, ssh=True)
        assert opened.identity.startswith("-----BEGIN OPENSSH PRIVATE KEY-----\n")
        assert opened.known_hosts == HOSTS.decode() + "\n"
        assert opened.authorization == ""


def test_a_key_with_a_passphrase_is_opened_by_it_alone() -> None:
    secret = {"identity": private_key("open sesame"), "known_hosts": HOSTS}
    opened = credentials_from(secret | {"password": b"open sesame\n"}, WHERE, ssh=True)
    again = serialization.load_ssh_private_key(opened.identity.encode(), password=None)
    assert isinstance(again, ed25519.Ed25519PrivateKey)
    assert opened.redacted("not open sesame") == "not ***"
    for password, why in ((b"", "locked by a passphrase"), (b"hush-hush", "not a private key that password opens")):
        with pytest.raises(AuthenticationFailedError, match=why) as caught:
            credentials_from(secret | {"password": password}, WHERE, ssh=True)
        assert "hush" not in caught.value.message


@pytest.mark.parametrize(
    "secret",
    [
        pytest.param({"identity": b""}, id="empty"),
        pytest.param({"username": b"ada", "password": b"hush"}, id="none"),
        pytest.param({"identity": b"hush-hush"}, id="no key"),
        pytest.param({"identity": b"-----BEGIN OPENSSH PRIVATE KEY-----\nhush\n"}, id="half a key"),
        pytest.param({"identity": b"ssh-ed25519 AAAAhush ada@example"}, id="the public half"),
    ],
)
def test_identities_that_are_none(secret: dict[str, bytes]) -> None:
    with pytest.raises(AuthenticationFailedError, match="identity") as caught:
        credentials_from(secret | {"known_hosts": HOSTS}, WHERE, ssh=True)
    assert "hush" not in caught.value.message


@pytest.mark.parametrize("hosts", [{}, {"known_hosts": b""}, {"known_hosts": b" \n"}])
def test_nobody_is_spoken_to_without_known_hosts(hosts: dict[str, bytes]) -> None:
    with pytest.raises(HostKeyUnknownError, match="holds no known_hosts"):
        credentials_from({"identity": private_key()} | hosts, WHERE, ssh=True)


def test_nothing_of_a_credential_shows() -> None:
    ssh = credentials_from({"identity": private_key(), "known_hosts": HOSTS}, WHERE, ssh=True)
    assert repr(ssh) == "Credentials(ssh)"
    assert repr(credentials_from(PAIR, WHERE)) == "Credentials(TLS)"
    for secret in ({"username": b"ada", "password": b"hush-hush"}, {"bearerToken": b"hush-hush"}):
        credentials = credentials_from(secret, WHERE)
        shown = repr(credentials) + str(credentials) + f"{[credentials]}"
        assert "hush" not in shown
        assert base64.b64encode(b"ada:hush-hush").decode() not in shown
    assert repr(ANONYMOUS) == "Credentials(none)"
    assert repr(Credentials("Bearer x")) == "Credentials(Bearer)"


def test_what_a_server_repeats_is_struck_out() -> None:
    credentials = credentials_from({"username": b"ada", "password": b"hush-hush"}, WHERE)
    encoded = base64.b64encode(b"ada:hush-hush").decode()
    assert credentials.redacted(f"no hush-hush, no {encoded} for ada") == "no ***, no *** for ada"
    assert ANONYMOUS.redacted("plain") == "plain"


def test_the_digest_tells_two_apart() -> None:
    one, same, other = (
        credentials_from({"bearerToken": token}, where) for token, where in ((b"a", "x"), (b"a", "y"), (b"b", "x"))
    )
    assert one.digest == same.digest
    assert len({one.digest, other.digest, ANONYMOUS.digest}) == 3
    parts = ("authorization", "identity", "known_hosts", "authority", "certificate", "key")
    assert len({replace(ANONYMOUS, **{part: "x"}).digest for part in parts}) == len(parts)  # type: ignore[arg-type]
