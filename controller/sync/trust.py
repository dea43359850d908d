"""Whom a fabric trusts, and with which key its own commits are signed, out of its Secrets."""

from __future__ import annotations

from contextlib import suppress

from controller.api.v1alpha1.repository import VerifyMode
from controller.errors import Reason, WaitingError
from controller.git.errors import SignatureInvalidError
from controller.git.heads import Head
from controller.git.signatures import Keyring, Signed, keyring_of
from controller.git.signing import Signer, signer_from
from controller.git.snapshot import Snapshot
from controller.kube.secrets import SecretReader
from controller.sync.gitside import Source
from controller.sync.profile import Profile

KEYS = "spec.repository.verify.keysSecretRef"
SIGNING = "spec.repository.signWithSecretRef"


class Trust:
    """The keys of all fabrics. A Secret that is missing or holds no usable key is SignatureInvalid."""

    def __init__(self, secrets: SecretReader) -> None:
        self._secrets = secrets

    async def keyring(self, profile: Profile, *, reread: bool = False) -> Keyring | None:
        """The keys that must have signed what is applied; None where no signature is asked for.

        Raises SignatureInvalidError, and WaitingError(InvalidSpec) where commits of our own would not be trusted: the
        Secrets may be put right without a new spec, so it is tried again.
        """
        source = profile.source
        if source.verify is VerifyMode.NONE or source.keys is None:
            return None
        place = (profile.namespace, source.keys.name)
        keyring = await self._secrets.made(*place, KEYS, Reason.SIGNATURE_INVALID, keyring_of, reread=reread)
        if source.signing is None:
            return keyring
        signer = await self.signer(profile, reread=reread)
        if signer is not None and not keyring.holds(signer.public_key):
            raise WaitingError(
                Reason.INVALID_SPEC,
                f"{SIGNING}: the public key of this Secret is not among those of {KEYS}, so that Tandem's own commits "
                f"would not be applied; add this line to Secret {'/'.join(place)}: {signer.public_key}",
            )
        return keyring

    async def signer(self, profile: Profile, *, reread: bool = False) -> Signer | None:
        """What signs the fabric's commits; None where they are not signed. Raises SignatureInvalidError."""
        source = profile.source
        if source.signing is None:
            if source.verify is VerifyMode.HEAD:
                raise SignatureInvalidError(
                    f"a commit of Tandem's would not be applied without a signature; set {SIGNING}"
                )
            return None
        place = (profile.namespace, source.signing.name)
        return await self._secrets.made(*place, SIGNING, Reason.SIGNATURE_INVALID, signer_from, reread=reread)


def check_signature(signed: Signed, keyring: Keyring, what: str) -> None:
    """Raise SignatureInvalidError, naming `what` it was, unless one of the keys vouches for it."""
    try:
        keyring.signer(signed)
    except SignatureInvalidError as error:
        raise SignatureInvalidError(
            f"{what} {error.message}; it is not applied: push one that is signed by a key of "
            f"{KEYS}, or add its signer's public key there"
        ) from None


def newest_tag(snapshot: Snapshot, source: Source, head: Head, keyring: Keyring) -> str:
    """The commit of the newest tag that a trusted key signed, under the name it has, and that the branch holds."""
    named = [(name, tag) for name, at in head.tags.items() if (tag := snapshot.tag(at)) is not None]
    for name, tag in sorted(named, key=lambda one: (one[1].time, one[0]), reverse=True):
        if tag.name != name or not snapshot.is_ancestor(tag.commit, head.commit):
            continue
        with suppress(SignatureInvalidError):
            keyring.signer(tag.signed)
            return tag.commit
    raise SignatureInvalidError(
        f"none of the {len(head.tags)} tags of {source.url} is signed by a key of {KEYS} and on branch "
        f"{source.branch}; make one: git tag --sign NAME, and push it"
    )
