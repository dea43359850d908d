"""Whose signature a commit or a tag carries: OpenPGP or SSH, held against the public keys of a Secret.

Fails closed: what is unsigned, signed by a stranger, or in a form that is not read, is not trusted, and says why.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pysequoia
import sshsig
from cryptography.exceptions import UnsupportedAlgorithm

from controller.git.errors import SignatureInvalidError

NAMESPACE = "git"  # of SSH signatures: one that was made of a mail or a file must not do for a commit
HASHES = {b"sha256", b"sha512"}  # those of OpenSSH; the library would take any that Python has
MOST_KEYS = 200
PGP_ARMOR = b"-----BEGIN PGP PUBLIC KEY BLOCK-----"
PGP_SIGNATURE = b"-----BEGIN PGP SIGNATURE-----"
SSH_SIGNATURE = b"-----BEGIN SSH SIGNATURE-----"
SSH_TYPES = ("ssh-ed25519", "ssh-rsa")
SSH_LINE = re.compile(
    r"(?:(?P<options>.*?)\s)?(?P<type>(?:ssh|ecdsa|sk-ssh|sk-ecdsa)-[a-z0-9@.\-]+)\s+(?P<key>[A-Za-z0-9+/=]+)"
)
PRINCIPALS = re.compile(r"[^\s\"=]+")
FIRST_SIGNATURE_LINE = re.compile(rb"^-----BEGIN (?:PGP|SSH) SIGNATURE-----", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Signed:
    """What a signature is of, and the signature in its armor; b"" where there is none."""

    payload: bytes
    signature: bytes = b""


@dataclass(frozen=True, slots=True)
class Keyring:
    """The public keys that are trusted: OpenPGP certificates, and SSH keys."""

    certificates: tuple[pysequoia.Cert, ...] = ()
    ssh_keys: tuple[sshsig.PublicKey, ...] = ()

    def holds(self, public_key: str) -> bool:
        """Whether an SSH key, as a line of OpenSSH's form, is among them."""
        return sshsig.PublicKey.from_openssh_str(public_key) in self.ssh_keys

    def signer(self, signed: Signed) -> str:
        """The fingerprint of the key that vouches for it. Raises SignatureInvalidError, which says what is wrong."""
        signature = signed.signature.lstrip()
        if not signature:
            raise SignatureInvalidError("is not signed")
        if signature.startswith(PGP_SIGNATURE):
            return self._pgp_signer(signed.payload, signature)
        if signature.startswith(SSH_SIGNATURE):
            return self._ssh_signer(signed.payload, signature)
        raise SignatureInvalidError("has a signature that is neither OpenPGP's nor SSH's")

    def _pgp_signer(self, payload: bytes, armor: bytes) -> str:
        try:
            signature = pysequoia.Sig.from_bytes(armor)
            found = pysequoia.verify(
                bytes=payload, store=lambda _: list(self.certificates), signature=signature
            ).valid_sigs
        except RuntimeError:  # all that the library raises; its words are its own stack
            found = []
        if not found:
            raise SignatureInvalidError("has an OpenPGP signature that no trusted key made, or not of this content")
        return str(found[0].certificate)

    def _ssh_signer(self, payload: bytes, armor: bytes) -> str:
        try:
            outer = sshsig.sshsig.SshsigSignature.from_armored(armor)
            if outer.hash_algo not in HASHES:
                raise SignatureInvalidError("has an SSH signature over a hash that OpenSSH does not use")
            key = sshsig.verify(payload, armor, self.ssh_keys, NAMESPACE)
        except (sshsig.InvalidSignature, NotImplementedError, ValueError, AssertionError, UnsupportedAlgorithm):
            raise SignatureInvalidError(
                "has an SSH signature that no trusted key made, or not of this content"
            ) from None
        return str(key.sha256_str())


def signed_commit(raw: bytes) -> Signed:
    """What a commit object's signature is of: the object without its `gpgsig` header."""
    head, separator, message = raw.partition(b"\n\n")
    kept: list[bytes] = []
    signature: list[bytes] = []
    inside = False
    for line in head.split(b"\n"):
        if line.startswith(b"gpgsig "):
            if signature:
                return Signed(raw)  # two of them: which one is meant is anybody's guess
            inside = True
            signature.append(line.removeprefix(b"gpgsig "))
        elif inside and line.startswith(b" "):
            signature.append(line[1:])
        else:
            inside = False
            kept.append(line)
    return Signed(b"\n".join(kept) + separator + message, b"\n".join(signature) + b"\n" if signature else b"")


def signed_tag(raw: bytes) -> Signed:
    """What a tag object's signature is of: everything before the last signature in it."""
    begins = [found.start() for found in FIRST_SIGNATURE_LINE.finditer(raw)]
    return Signed(raw[: begins[-1]], raw[begins[-1] :]) if begins else Signed(raw)


def keyring_of(data: Mapping[str, bytes], where: str) -> Keyring:
    """The keys of a Secret, whatever its entries are called. Raises SignatureInvalidError for one that is none.

    An entry is an OpenPGP public key, or lines as in `authorized_keys` or `allowed_signers`. Options of such lines
    would narrow what a key may sign; they are refused rather than overlooked.
    """
    certificates: list[pysequoia.Cert] = []
    keys: list[sshsig.PublicKey] = []
    for name, content in sorted(data.items()):
        place = f"{where}, entry {name}"
        if PGP_ARMOR in content:
            certificates += _certificates(content, place)
        else:
            keys += _ssh_keys(content, place)
    if not certificates and not keys:
        raise SignatureInvalidError(f"{where} holds no public key; add those of the people whose commits are applied")
    if len(certificates) + len(keys) > MOST_KEYS:
        raise SignatureInvalidError(f"{where} holds more than {MOST_KEYS} public keys; keep those that still sign")
    return Keyring(tuple(certificates), tuple(keys))


def _certificates(content: bytes, place: str) -> list[pysequoia.Cert]:
    try:
        return list(pysequoia.Cert.split_bytes(content))
    except RuntimeError:
        raise SignatureInvalidError(
            f"{place}: is no OpenPGP public key; export it anew: gpg --armor --export ADDRESS"
        ) from None


def _ssh_keys(content: bytes, place: str) -> Iterator[sshsig.PublicKey]:
    for number, line in enumerate(content.decode("utf-8", "replace").splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        at = f"{place}, line {number}"
        found = SSH_LINE.fullmatch(line.strip()) or SSH_LINE.match(line.strip())
        if found is None:
            raise SignatureInvalidError(f"{at}: is no public key; write one as in a .pub file: ssh-ed25519 AAAA…")
        if found["options"] and not PRINCIPALS.fullmatch(found["options"]):
            raise SignatureInvalidError(f"{at}: has options, which are not read; write the key alone")
        if found["type"] not in SSH_TYPES:
            raise SignatureInvalidError(
                f"{at}: keys of type {found['type']} are not read; use {' or '.join(SSH_TYPES)}"
            )
        try:
            yield sshsig.PublicKey.from_openssh_str(f"{found['type']} {found['key']}")
        except (ValueError, NotImplementedError):
            raise SignatureInvalidError(f"{at}: the key is damaged; copy the .pub file anew") from None
