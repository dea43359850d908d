"""The authority: what it issues is trusted for the names asked for, and for nothing else."""

from __future__ import annotations

import socket
import ssl
import stat
import threading
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from controller.dev.certificates import Authority, KeyPair, create_key, write_private


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "pki")


def connect(served: KeyPair, trusted: Path, host: str) -> str:
    """One TLS connection over a pair of sockets. Returns the name in the server's certificate."""
    ours, theirs = socket.socketpair()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(served.certificate, served.key)

    def serve() -> None:
        try:
            context.wrap_socket(theirs, server_side=True).close()
        except (ssl.SSLError, OSError):  # the client refused; it is the client that is asked
            theirs.close()

    server = threading.Thread(target=serve)
    server.start()
    try:
        with ssl.create_default_context(cafile=trusted).wrap_socket(ours, server_hostname=host) as connection:
            certificate = connection.getpeercert()
            assert certificate is not None
            return str(certificate["subject"][0][0][1])
    finally:
        ours.close()
        server.join()


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_a_server_is_trusted_for_its_names_and_addresses(authority: Authority, host: str) -> None:
    pair = authority.issue("server", ["localhost", "127.0.0.1"])
    assert connect(pair, authority.certificate, host) == "server"


def test_a_server_is_not_trusted_for_another_name(authority: Authority) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match=r"(?i)hostname mismatch"):
        connect(authority.issue("server", ["localhost"]), authority.certificate, "example.com")


def test_another_authority_is_not_trusted(authority: Authority, tmp_path: Path) -> None:
    other = Authority(tmp_path / "other")
    with pytest.raises(ssl.SSLCertVerificationError):
        connect(authority.issue("server", ["localhost"]), other.certificate, "localhost")


def test_an_authority_stays_the_same(authority: Authority, tmp_path: Path) -> None:
    again = Authority(tmp_path / "pki")
    assert connect(again.issue("server", ["localhost"]), authority.certificate, "localhost") == "server"


def test_a_foreign_key_is_not_taken_for_ours(authority: Authority, tmp_path: Path) -> None:
    foreign = ed25519.Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (tmp_path / "pki" / "ca.key").write_bytes(foreign)
    with pytest.raises(TypeError, match=r"ca\.key is not a key of this authority"):
        Authority(tmp_path / "pki")


def test_keys_are_for_their_owner_only(authority: Authority, tmp_path: Path) -> None:
    pair = authority.issue("server", ["localhost"])
    for path in (pair.key, tmp_path / "pki" / "ca.key", create_key(tmp_path / "pki" / "tokens.key")):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "pki").stat().st_mode) == 0o700


def test_a_key_is_created_once(tmp_path: Path) -> None:
    first = create_key(tmp_path / "tokens.key").read_bytes()
    assert create_key(tmp_path / "tokens.key").read_bytes() == first
    assert first.startswith(b"-----BEGIN EC PRIVATE KEY-----")


def test_a_private_file_is_replaced_whole(tmp_path: Path) -> None:
    for content in (b"one", b"two"):
        write_private(tmp_path / "file", content)
        assert (tmp_path / "file").read_bytes() == content
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
