"""Signatures that gpg, ssh-keygen and git really made, and what is not one of them."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pysequoia
import pytest

from controller.errors import Reason
from controller.git.errors import SignatureInvalidError
from controller.git.signatures import Keyring, Signed, keyring_of, signed_commit, signed_tag
from controller.git.signing import signer_from

DATA = Path(__file__).parents[2] / "data" / "signatures"
ADA = (DATA / "ada.asc").read_bytes()
COMMIT = (DATA / "commit.txt").read_bytes()
TAG = (DATA / "tag.txt").read_bytes()
FINGERPRINT = "c138e32c7b0db4af68179bd2e368273eaa40d947"

Sign = Callable[..., bytes]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """SSH keys: ed, rsa, ecdsa, locked (its passphrase: correct horse), and stranger."""
    folder = tmp_path_factory.mktemp("keys")
    for name, kind, passphrase in (
        ("ed", "ed25519", ""),
        ("rsa", "rsa", ""),
        ("ecdsa", "ecdsa", ""),
        ("locked", "ed25519", "correct horse"),
        ("stranger", "ed25519", ""),
    ):
        keygen("-q", "-t", kind, "-N", passphrase, "-C", f"{name}@example.org", "-f", str(folder / name))
    return folder


def keygen(*arguments: str, stdin: bytes = b"") -> bytes:
    assert shutil.which("ssh-keygen"), "please install: openssh-client"
    return subprocess.run(["ssh-keygen", *arguments], input=stdin, capture_output=True, check=True).stdout


def public(folder: Path, *names: str) -> Keyring:
    return keyring_of({name: (folder / f"{name}.pub").read_bytes() for name in names}, "Secret shop/keys")


def by_keygen(folder: Path, name: str, payload: bytes, namespace: str = "git") -> bytes:
    return keygen("-q", "-Y", "sign", "-n", namespace, "-f", str(folder / name), stdin=payload)


def refused(keyring: Keyring, signed: Signed) -> str:
    with pytest.raises(SignatureInvalidError) as caught:
        keyring.signer(signed)
    assert caught.value.reason is Reason.SIGNATURE_INVALID
    return caught.value.message


def unusable(**data: bytes) -> str:
    with pytest.raises(SignatureInvalidError) as caught:
        keyring_of(data, "Secret shop/keys")
    return caught.value.message


# --- OpenPGP


@pytest.mark.parametrize("signed", [signed_commit(COMMIT), signed_tag(TAG)], ids=["a commit", "a tag"])
def test_what_gpg_signed_is_trusted_by_who_has_the_key(signed: Signed) -> None:
    assert keyring_of({"ada.asc": ADA}, "keys").signer(signed) == FINGERPRINT


@pytest.mark.parametrize("raw", [COMMIT, TAG], ids=["a commit", "a tag"])
def test_a_changed_letter_is_noticed(raw: bytes) -> None:
    changed = raw.replace(b"igned by gpg", b"igned by GPG")
    assert changed != raw
    signed = signed_commit(changed) if raw is COMMIT else signed_tag(changed)
    assert "no trusted key made" in refused(keyring_of({"ada.asc": ADA}, "keys"), signed)


def test_a_key_that_nobody_trusts_vouches_for_nothing() -> None:
    other = pysequoia.Tsk.generate("Eve <eve@example.org>").extract_certificate()
    assert "no trusted key made" in refused(keyring_of({"eve.asc": str(other).encode()}, "keys"), signed_commit(COMMIT))


def test_a_revoked_key_vouches_for_nothing() -> None:
    key = pysequoia.Tsk.generate("Bob <bob@example.org>")
    signature = pysequoia.sign(key.signer(), b"payload", mode=pysequoia.SignatureMode.DETACHED)
    certificate = key.extract_certificate()
    assert Keyring((certificate,)).signer(Signed(b"payload", signature)) == certificate.fingerprint
    revoked = pysequoia.Cert.from_bytes(bytes(certificate) + bytes(certificate.revoke(key.certifier())))
    assert "no trusted key made" in refused(Keyring((revoked,)), Signed(b"payload", signature))


def test_several_certificates_may_lie_in_one_entry() -> None:
    other = str(pysequoia.Tsk.generate("Eve <eve@example.org>").extract_certificate()).encode()
    keyring = keyring_of({"all.asc": other + b"\n" + ADA}, "keys")
    assert len(keyring.certificates) == 2
    assert keyring.signer(signed_commit(COMMIT)) == FINGERPRINT


# --- SSH


@pytest.mark.parametrize("name", ["ed", "rsa"])
def test_what_ssh_keygen_signed_is_trusted_by_who_has_the_key(folder: Path, name: str) -> None:
    signature = by_keygen(folder, name, b"payload")
    shown = keygen("-l", "-f", str(folder / f"{name}.pub")).decode().split()[1]
    assert public(folder, "ed", "rsa").signer(Signed(b"payload", signature)) == shown


def test_a_signature_of_something_else_is_none(folder: Path) -> None:
    ours = public(folder, "ed")
    assert "no trusted key made" in refused(ours, Signed(b"other", by_keygen(folder, "ed", b"payload")))
    assert "no trusted key made" in refused(ours, Signed(b"payload", by_keygen(folder, "stranger", b"payload")))
    assert "no trusted key made" in refused(ours, Signed(b"payload", by_keygen(folder, "ed", b"payload", "file")))
    assert "no trusted key made" in refused(ours, Signed(b"payload", by_keygen(folder, "ecdsa", b"payload")))


@pytest.mark.parametrize(
    ("signature", "said"),
    [
        (b"", "is not signed"),
        (b"hello", "neither OpenPGP's nor SSH's"),
        (b"-----BEGIN PGP SIGNATURE-----\n\nAAAA\n-----END PGP SIGNATURE-----\n", "no trusted key made"),
        (b"-----BEGIN SSH SIGNATURE-----\nAAAA\n-----END SSH SIGNATURE-----\n", "no trusted key made"),
        (b"-----BEGIN SSH SIGNATURE-----\n\xff\n-----END SSH SIGNATURE-----\n", "no trusted key made"),
        (b"-----BEGIN SIGNED MESSAGE-----\nMIIB\n-----END SIGNED MESSAGE-----\n", "neither OpenPGP's nor SSH's"),
    ],
)
def test_what_is_no_signature_is_said_to_be_none(folder: Path, signature: bytes, said: str) -> None:
    assert said in refused(public(folder, "ed"), Signed(b"payload", signature))


def test_any_cut_of_a_signature_is_refused(folder: Path) -> None:
    whole = by_keygen(folder, "ed", b"payload")
    for length in range(len(whole) - 40):
        refused(public(folder, "ed"), Signed(b"payload", whole[:length]))


# --- keys


def test_lines_of_allowed_signers_and_comments_are_read(folder: Path) -> None:
    line = (folder / "ed.pub").read_text()
    text = f"# the team\n\n  {line}\nada@example.org,bob@example.org {line}"
    assert len(keyring_of({"allowed_signers": text.encode()}, "keys").ssh_keys) == 2


def test_what_is_no_key_is_named_with_its_place(folder: Path) -> None:
    line = (folder / "ed.pub").read_bytes()
    assert unusable(a=line, b=b"\nhello\n").startswith("Secret shop/keys, entry b, line 2: is no public key")
    assert "has options" in unusable(a=b'ada namespaces="file" ' + line)
    assert "has options" in unusable(a=b'restrict,command="x y" ' + line)
    assert "ecdsa-sha2-nistp256 are not read" in unusable(a=(folder / "ecdsa.pub").read_bytes())
    assert "the key is damaged" in unusable(a=line[:40])
    assert "is no OpenPGP public key" in unusable(a=b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nAAAA\n")
    assert "holds no public key" in unusable(a=b"# later\n")
    assert "more than 200" in unusable(a=line * 201)


def test_a_private_key_among_the_public_ones_is_not_shown(folder: Path) -> None:
    secret = (folder / "ed").read_bytes()
    said = unusable(identity=secret)
    assert not any(line.decode() in said for line in secret.splitlines() if b"-----" not in line)


# --- signing


def signer_of(folder: Path, name: str, **more: bytes) -> Callable[[bytes], bytes]:
    signer = signer_from({"identity": (folder / name).read_bytes(), **more}, "Secret shop/signer")
    return lambda payload: signer.sign(payload).encode()


@pytest.mark.parametrize(("name", "more"), [("ed", {}), ("rsa", {}), ("locked", {"password": b"correct horse"})])
def test_ssh_keygen_takes_our_signatures(folder: Path, tmp_path: Path, name: str, more: dict[str, bytes]) -> None:
    made = tmp_path / "made"
    made.write_bytes(signer_of(folder, name, **more)(b"payload"))
    signers = tmp_path / "signers"
    signers.write_text(f"tandem {(folder / f'{name}.pub').read_text()}")
    verify = ("-Y", "verify", "-n", "git", "-I", "tandem", "-f", str(signers), "-s", str(made))
    assert b"Good" in keygen(*verify, stdin=b"payload")
    with pytest.raises(subprocess.CalledProcessError):
        keygen(*verify, stdin=b"other")


def test_our_signatures_are_our_own(folder: Path) -> None:
    sign = signer_of(folder, "ed")
    public(folder, "ed").signer(Signed(b"payload", sign(b"payload")))
    refused(public(folder, "rsa"), Signed(b"payload", sign(b"payload")))
    assert sign(b"payload") == sign(b"payload") == by_keygen(folder, "ed", b"payload").rstrip(b"\n")


def test_a_signer_knows_its_public_key(folder: Path) -> None:
    signer = signer_from({"identity": (folder / "ed").read_bytes()}, "Secret shop/signer")
    assert (folder / "ed.pub").read_text().startswith(signer.public_key)
    assert public(folder, "ed").holds(signer.public_key)
    assert not public(folder, "rsa").holds(signer.public_key)
    assert "PRIVATE" not in repr(signer) and "Ed25519PrivateKey" not in repr(signer)


def test_what_cannot_sign_says_why(folder: Path) -> None:
    def said(**data: bytes) -> str:
        with pytest.raises(SignatureInvalidError) as caught:
            signer_from(data, "Secret shop/signer")
        assert caught.value.message.startswith("Secret shop/signer")
        return caught.value.message

    locked = (folder / "locked").read_bytes()
    assert "holds no identity" in said()
    assert "password is missing" in said(identity=locked)
    assert "not its passphrase" in said(identity=locked, password=b"wrong")
    assert "no SSH private key" in said(identity=b"hello")
    assert "no SSH private key" in said(identity=(folder / "ed.pub").read_bytes())
    assert "neither an ed25519 nor an RSA key" in said(identity=(folder / "ecdsa").read_bytes())


# --- objects


def test_an_object_without_a_signature_has_none() -> None:
    unsigned = b"tree 1\nauthor a\n\ngpgsig in the text is no header\n"
    assert signed_commit(unsigned) == Signed(unsigned)
    assert signed_tag(b"object 1\ntag v1\n\ntext\n") == Signed(b"object 1\ntag v1\n\ntext\n")


def test_two_signatures_of_one_commit_are_none() -> None:
    raw = b"tree 1\ngpgsig A\n a\ngpgsig B\n b\nauthor a\n\ntext\n"
    assert signed_commit(raw).signature == b""


def test_the_last_signature_of_a_tag_counts() -> None:
    first = b"object 1\n\ntext\n-----BEGIN SSH SIGNATURE-----\nquoted\n"
    last = b"-----BEGIN PGP SIGNATURE-----\nmade\n"
    assert signed_tag(first + last) == Signed(first, last)
