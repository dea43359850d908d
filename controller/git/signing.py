"""Signing our own commits with an SSH key, as `ssh-keygen -Y sign -n git` would: `git verify-commit` takes them.

In this process, by OpenSSH's PROTOCOL.sshsig: the private key of a tenant never lies in a file.
"""

from __future__ import annotations

import hashlib
import textwrap
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_ssh_private_key

from controller.git.errors import SignatureInvalidError
from controller.git.signatures import NAMESPACE

MAGIC = b"SSHSIG"
VERSION = 1
HASH = b"sha512"
ARMOR_WIDTH = 70

PrivateKey = ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey


@dataclass(frozen=True, slots=True)
class Signer:
    """One private key. Its public one as a line of OpenSSH's form: `ssh-ed25519 AAAA…`."""

    public_key: str
    _key: PrivateKey = field(repr=False)

    def sign(self, payload: bytes) -> str:
        """The signature of a commit, in its armor."""
        digest = hashlib.sha512(payload).digest()
        meant = MAGIC + b"".join(map(_string, (NAMESPACE.encode(), b"", HASH, digest)))
        if isinstance(self._key, rsa.RSAPrivateKey):
            made = _string(b"rsa-sha2-512") + _string(self._key.sign(meant, padding.PKCS1v15(), SHA512()))
        else:
            made = _string(b"ssh-ed25519") + _string(self._key.sign(meant))
        parts = (_public_blob(self._key), NAMESPACE.encode(), b"", HASH, made)
        blob = MAGIC + VERSION.to_bytes(4) + b"".join(map(_string, parts))
        lines = textwrap.wrap(b64encode(blob).decode(), ARMOR_WIDTH)
        return "\n".join(("-----BEGIN SSH SIGNATURE-----", *lines, "-----END SSH SIGNATURE-----"))


def signer_from(data: Mapping[str, bytes], where: str) -> Signer:
    """The signer of a Secret with `identity` and, for a key with a passphrase, `password`. SignatureInvalidError."""
    identity = data.get("identity")
    if not identity:
        raise SignatureInvalidError(f"{where} holds no identity; put an SSH private key there, ed25519 or RSA")
    try:
        key = load_ssh_private_key(identity.strip() + b"\n", data.get("password") or None)
    except TypeError:
        raise SignatureInvalidError(
            f"{where}: identity has a passphrase and password is missing, or password is there for none"
        ) from None
    except (ValueError, UnsupportedAlgorithm):
        raise SignatureInvalidError(
            f"{where}: identity is no SSH private key in OpenSSH's form, or password is not its passphrase"
        ) from None
    if not isinstance(key, ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey):
        raise SignatureInvalidError(f"{where}: identity is neither an ed25519 nor an RSA key, which alone are used")
    return Signer(key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode(), key)


def _public_blob(key: PrivateKey) -> bytes:
    line = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    return b64decode(line.split()[1])


def _string(content: bytes) -> bytes:
    """A string of the SSH wire format: its length in four bytes, then itself."""
    return len(content).to_bytes(4) + content
