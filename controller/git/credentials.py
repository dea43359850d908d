"""What opens a repository, read from a Secret's keys as Flux names them. It never shows in a repr or a message.

Everything that can be said about a Secret without asking the server is said here: a passphrase that does not fit, a
certificate that is none. ssh keys are opened here, too, because ssh asks for a passphrase only at a terminal.
"""

from __future__ import annotations

import base64
import hashlib
import ssl
from collections.abc import Mapping
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization

from controller.git.errors import AuthenticationFailedError, CertificateInvalidError, HostKeyUnknownError

OPENSSH = b"-----BEGIN OPENSSH PRIVATE KEY-----"


@dataclass(frozen=True, slots=True, repr=False)
class Credentials:
    """What one remote is shown, and what it is known by; all empty for a repository that everybody may read.

    `authorization` is a header. It is sent with the first request already: waiting for the server's 401 would cost a
    request each time. `identity` is an ssh key without its passphrase, `known_hosts` the only host keys that are
    trusted, `authority` the only certificates; `certificate` and `key` are a client's. All PEM or as OpenSSH has them.
    """

    authorization: str = ""
    secrets: tuple[str, ...] = ()
    identity: str = ""
    known_hosts: str = ""
    authority: str = ""
    certificate: str = ""
    key: str = ""

    @property
    def headers(self) -> list[str]:
        """Header lines for every request to the remote."""
        return [f"Authorization: {self.authorization}"] if self.authorization else []

    @property
    def is_plain(self) -> bool:
        """Whether a header is all there is to show, and the system's authorities are trusted."""
        return not (self.authority or self.certificate or self.identity)

    @property
    def digest(self) -> str:
        """Tells two credentials apart without giving either away."""
        parts = (self.authorization, self.identity, self.known_hosts, self.authority, self.certificate, self.key)
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()

    def redacted(self, text: str) -> str:
        """The text without any secret that a server may have sent back."""
        for secret in self.secrets:
            text = text.replace(secret, "***")
        return text

    def __repr__(self) -> str:
        shown = self.authorization.partition(" ")[0] or ("ssh" if self.identity else "")
        return f"Credentials({shown or ('none' if self.is_plain else 'TLS')})"


ANONYMOUS = Credentials()


def credentials_from(secret: Mapping[str, bytes], where: str, *, ssh: bool = False) -> Credentials:
    """The credentials of a Secret's decoded data, for a URL of https or of `ssh`. `where` names it in messages.

    ssh: `identity`, `known_hosts`, and `password` where the key has a passphrase. https: `username` and `password`, or
    `bearerToken`; `ca.crt`; `tls.crt` and `tls.key`. AuthenticationFailedError, HostKeyUnknownError or
    CertificateInvalidError if they cannot be used: people mend a Secret without touching the Fabric, so it is read
    again. A line break at the end (`echo … | base64`) is not part of a value.
    """
    return ssh_credentials(secret, where) if ssh else https_credentials(secret, where)


def https_credentials(secret: Mapping[str, bytes], where: str) -> Credentials:
    """What a Secret holds for a https URL."""
    authority = text_of(secret, "ca.crt", where)
    certificate, key = client_certificate(secret, where)
    if authority:
        check_authority(authority, where)
    authorization, secrets = header(secret, where)
    if not (authorization or authority or certificate):
        hint = " (identity is for ssh:// URLs)" if "identity" in secret else ""
        raise AuthenticationFailedError(
            f"{where} holds neither username and password nor bearerToken, ca.crt, or tls.crt and tls.key{hint}; add "
            "the keys that the Git server asks for"
        )
    return Credentials(authorization, secrets, authority=authority, certificate=certificate, key=key)


def header(secret: Mapping[str, bytes], where: str) -> tuple[str, tuple[str, ...]]:
    """The Authorization header, "" where there is none, and what must not show of it."""
    if token := line_of(secret, "bearerToken", where):
        return f"Bearer {token}", (token,)
    username, password = line_of(secret, "username", where), line_of(secret, "password", where)
    if not (username and password):
        return "", ()
    pair = base64.b64encode(f"{username}:{password}".encode()).decode()
    return f"Basic {pair}", (pair, password)


def check_authority(text: str, where: str) -> None:
    """Raise CertificateInvalidError unless `ca.crt` holds certificates."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=text)
    except (ssl.SSLError, ValueError):
        raise CertificateInvalidError(
            f"{where}: ca.crt holds no certificate in PEM form (-----BEGIN CERTIFICATE-----); store the authority's"
        ) from None


def client_certificate(secret: Mapping[str, bytes], where: str) -> tuple[str, str]:
    """`tls.crt` and `tls.key`, which must belong together; "" twice where there are none."""
    certificate, key = text_of(secret, "tls.crt", where), text_of(secret, "tls.key", where)
    if not certificate and not key:
        return "", ""
    try:
        public = x509.load_pem_x509_certificate(certificate.encode()).public_key()
        private = serialization.load_pem_private_key(key.encode(), password=None)
        belongs = private.public_key() == public
    except (ValueError, TypeError, UnsupportedAlgorithm):
        belongs = False
    if not belongs:
        raise AuthenticationFailedError(
            f"{where}: tls.crt and tls.key are not a certificate and its key in PEM form without a passphrase; "
            "store both, of one pair"
        )
    return certificate, key


def ssh_credentials(secret: Mapping[str, bytes], where: str) -> Credentials:
    """What a Secret holds for an ssh URL. Without known_hosts nobody is spoken to."""
    known_hosts = text_of(secret, "known_hosts", where)
    if not known_hosts.strip():
        raise HostKeyUnknownError(
            f"{where} holds no known_hosts, and a server that nobody vouches for is not spoken to; add the line that "
            "`ssh-keyscan HOST` prints, after comparing it with what the server's owner publishes"
        )
    identity, password = text_of(secret, "identity", where), line_of(secret, "password", where)
    if not identity.strip():
        raise AuthenticationFailedError(f"{where} holds no identity; add the private key that the Git server knows")
    opened = opened_identity(identity, password, where)
    return Credentials(secrets=(password,) if password else (), identity=opened, known_hosts=known_hosts + "\n")


def opened_identity(identity: str, password: str, where: str) -> str:
    """A private key in OpenSSH's form without its passphrase."""
    data = identity.strip().encode() + b"\n"
    load = serialization.load_ssh_private_key if data.startswith(OPENSSH) else serialization.load_pem_private_key
    try:
        try:
            key = load(data, password=password.encode() or None)
        except TypeError:  # no passphrase where one is needed, or one where none is: username's password, say
            if not password:
                raise AuthenticationFailedError(
                    f"{where}: identity is locked by a passphrase; store it under password"
                ) from None
            key = load(data, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        problem = "is not a private key that password opens" if password else "is not a private key that can be read"
        raise AuthenticationFailedError(
            f"{where}: identity {problem}; store the file as ssh-keygen wrote it, and its passphrase if it has one"
        ) from None
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    ).decode()


def line_of(secret: Mapping[str, bytes], key: str, where: str) -> str:
    """One value that must be one line: it goes into a header, or is a passphrase. "" where there is none."""
    text = text_of(secret, key, where).rstrip("\r\n")
    if any(ord(character) < 0x20 or ord(character) == 0x7F for character in text):
        raise AuthenticationFailedError(f"{where}: {key} holds control characters; store the value on one line")
    return text


def text_of(secret: Mapping[str, bytes], key: str, where: str) -> str:
    """One value as text; "" where there is none."""
    try:
        return secret.get(key, b"").decode()
    except UnicodeDecodeError:
        raise AuthenticationFailedError(f"{where}: {key} is not UTF-8 text; store the value itself") from None
