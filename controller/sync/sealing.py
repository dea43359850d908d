"""Encrypted files between Git and everything else: opened with a fabric's identities, and written so that they stay so.

What a file decrypts to is kept by blob id *and* by the identities that opened it: two fabrics of one repository share
nothing that both could not open, and who loses its identities loses what they opened. An unchanged file is never
decrypted again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

from controller.errors import Reason, WaitingError
from controller.kube.secrets import SecretReader
from controller.sops.errors import DecryptionFailedError
from controller.sops.keys import Identities, identities_from
from controller.sops.program import Abandoned, Sops
from controller.sync.parse.documents import DocRef, FileResult, is_json
from controller.sync.parse.edit import EditRefusedError
from controller.sync.parse.respell import Text
from controller.sync.parsing import ParserPool, ResultCache
from controller.sync.profile import Profile

T = TypeVar("T")

IDENTITY = "spec.encryption.identitySecretRef"
RECIPIENTS = "spec.encryption.recipients"
AT_ONCE = 2  # runs of sops; each is a process of 50 MB for a twentieth of a second
CACHE_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class Key:
    """What a fabric opens files with. `trouble`: why it has no identities, with what to do."""

    identities: Identities | None = None
    trouble: str = f"it is encrypted, and the Fabric names no identities; set {IDENTITY}"

    @property
    def digest(self) -> str:
        """Tells two contents apart; "" without identities."""
        return self.identities.digest if self.identities else ""


class Sealing:
    """Opens and writes the encrypted files of all fabrics. One per process."""

    def __init__(self, secrets: SecretReader, sops: Sops, parser: ParserPool) -> None:
        self._secrets = secrets
        self._sops = sops
        self._parser = parser
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._cache = ResultCache(CACHE_BYTES)
        self._used: dict[str, str] = {}  # uid of a fabric → digest of its identities

    async def key(self, profile: Profile, *, reread: bool = False) -> Key:
        """The fabric's identities, or why there are none: that is no reason to leave everything else alone.

        Raises WaitingError(InvalidSpec) where the fabric could not read what it writes itself.
        """
        key = await self._read(profile, reread=reread)
        self._use(profile.uid, key.digest)
        recipients = profile.encryption.recipients
        if recipients and profile.writes and key.identities and not {*recipients} & {*key.identities.recipients}:
            raise WaitingError(
                Reason.INVALID_SPEC,
                f"{RECIPIENTS}: none of them belongs to an identity of {key.identities.where}, so that what Tandem "
                f"encrypts could not be read again; add one of {_some(key.identities.recipients)}, or put the "
                "identity of a recipient into the Secret",
            )
        return key

    def release(self, fabric: str) -> None:
        """The fabric of this uid opens nothing any more; what only it could open is forgotten."""
        self._use(fabric, "")
        self._used.pop(fabric, None)

    def trouble(self, key: Key) -> str:
        """Why no encrypted file at all can be opened with this key; "" if it is not so."""
        if key.identities is None:
            return key.trouble
        try:
            self._sops.program()
        except DecryptionFailedError as error:
            return error.message
        return ""

    async def open(self, key: Key, blob: str, data: bytes, closed: FileResult) -> FileResult:
        """What an encrypted file declares; `closed`, with why, if it cannot be opened."""
        identities = key.identities
        if identities is None:
            return _unopened(closed, key.trouble)
        try:
            text = await self._run(partial(self._sops.decrypt, data, kind_of(data), identities))
        except DecryptionFailedError as error:
            result = _unopened(closed, error.message)
            if error.passing:
                return result
        else:
            result = await self._parser.parse_opened(text)
        if key.digest in self._used.values():  # nobody lost it meanwhile
            self._cache.put(_place(key, blob), result)
        return result

    def opened(self, key: Key, blob: str) -> FileResult | None:
        """What came of opening the file, if that is still known."""
        return self._cache.get(_place(key, blob)) if key.identities else None

    async def edited(
        self, key: Key, old: bytes, intended: Mapping[DocRef, bytes | None], appended: Sequence[bytes]
    ) -> bytes:
        """An encrypted file with its objects changed, as `ParserPool.edit` does it with others.

        Values that did not change stay encrypted as they were, and its own keys and rules are kept. Raises
        RejectedError.
        """
        identities, kind = _needed(key), kind_of(old)
        text = await self._run(partial(self._sops.decrypt, old, kind, identities))
        edited = await self._parser.edit(text, intended, appended)
        if edited == text:
            return old
        wanted = await self._contents(edited)
        written = await self._run(partial(self._sops.edit, old, edited, kind, identities))
        gone = {ref.index for ref, content in intended.items() if content is None and ref.item is None}
        respelled = await self._parser.respell(Text(old, text), Text(written, edited), gone)
        for data in dict.fromkeys((respelled, written)):
            if await self._says(data, wanted, identities):
                return data
        raise EditRefusedError("what sops writes would not say what is intended; edit the file with sops")

    async def sealed(self, key: Key, text: bytes, recipients: Sequence[str]) -> bytes:
        """A file encrypted for the recipients: the data of its Secrets. Raises RejectedError."""
        identities, wanted = _needed(key), await self._contents(text)
        written = await self._run(partial(self._sops.encrypt, text, kind_of(text), recipients))
        written = await self._parser.respell(Text(), Text(written, text))
        if not await self._says(written, wanted, identities):
            raise EditRefusedError("what sops writes would not say what is intended; encrypt the file with sops")
        return written

    async def _read(self, profile: Profile, *, reread: bool) -> Key:
        reference = profile.encryption.identity
        if reference is None:
            return Key()
        try:
            return Key(
                await self._secrets.made(
                    profile.namespace,
                    reference.name,
                    IDENTITY,
                    Reason.DECRYPTION_FAILED,
                    identities_from,
                    reread=reread,
                )
            )
        except WaitingError as error:
            if error.reason is not Reason.DECRYPTION_FAILED:
                raise
            return Key(trouble=error.message)

    def _use(self, fabric: str, digest: str) -> None:
        before = self._used.get(fabric, "")
        self._used[fabric] = digest
        if before and before not in self._used.values():
            self._cache.forget(before)

    async def _contents(self, text: bytes) -> list[bytes]:
        return [document.content for document in (await self._parser.parse_opened(text)).documents]

    async def _says(self, data: bytes, wanted: list[bytes], identities: Identities) -> bool:
        """Whether a file that was written decrypts to these objects, all of them."""
        try:
            text = await self._run(partial(self._sops.decrypt, data, kind_of(data), identities))
        except DecryptionFailedError as error:
            if error.passing:
                raise
            return False
        result = await self._parser.parse_opened(text)
        return result.complete and [document.content for document in result.documents] == wanted

    async def _run(self, call: Callable[[Abandoned], T]) -> T:
        """A call of sops, in a thread; whoever stops waiting for it ends it."""
        pulse = Abandoned()
        async with self._slots:
            try:
                return await asyncio.to_thread(call, pulse)
            finally:
                pulse.leave()


def kind_of(data: bytes) -> str:
    """Which of its formats sops has to read a file as."""
    return "json" if is_json(data.decode(errors="replace")) else "yaml"


def _place(key: Key, blob: str) -> str:
    return f"{key.digest}:{blob}"


def _needed(key: Key) -> Identities:
    if key.identities is None:
        raise DecryptionFailedError(key.trouble)
    return key.identities


def _unopened(closed: FileResult, message: str) -> FileResult:
    return replace(closed, faults=tuple(fault._replace(message=message) for fault in closed.faults))


def _some(recipients: Sequence[str]) -> str:
    return ", ".join(recipients[:3])
