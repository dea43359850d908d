"""The Git side of a run: where the branch is, and what changed in the fabric's directory since the planned tree.

Work is proportional to change: the same tree id is no work at all, otherwise only the blobs of changed paths are read,
and parsed once per blob id in the child processes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial

from controller.api.v1alpha1.repository import VerifyMode
from controller.bounds import Bounds
from controller.errors import Reason, WaitingError
from controller.git.credentials import ANONYMOUS, Credentials, credentials_from
from controller.git.disk import Usage
from controller.git.errors import BranchNotFoundError, EmptyRepositoryError
from controller.git.mirror import Mirror
from controller.git.mirrors import Mirrors
from controller.git.remote import is_ssh
from controller.git.signatures import Keyring
from controller.git.trees import SUBMODULE, Entry
from controller.kube.secrets import SecretReader
from controller.sync.declared import Blob
from controller.sync.gitside import Source
from controller.sync.parse.documents import Fault, FileResult, Seal
from controller.sync.parse.ignore import TooManyPatternsError
from controller.sync.parse.scope import IGNORE_FILE, PathRules
from controller.sync.parsing import ParserPool
from controller.sync.plan.model import Direction
from controller.sync.profile import Profile
from controller.sync.sealing import Key, Sealing
from controller.sync.trust import check_signature, newest_tag

CREDENTIALS = "spec.repository.credentialsSecretRef"
_OVER_SSH = partial(credentials_from, ssh=True)
BATCH_BYTES = 8 << 20  # blobs in memory at once while a large diff is parsed
BATCH_FILES = 512
IGNORE_BYTES = 64 << 10  # of a .tandemignore


@dataclass(frozen=True, slots=True)
class Sight:
    """What the branch shows: the commit and the tree of the fabric's directory; "" where there is none (yet)."""

    commit: str = ""
    tree: str = ""
    time: int = 0


@dataclass(frozen=True, slots=True)
class Diff:
    """What is new in a directory: changed files (None: gone, or no longer counted), and the rules they were read by."""

    files: dict[str, Blob | None]
    rules: PathRules


class SourceReader:
    """Fetches and reads the directories of fabrics. One per process; mirrors and parsed files are shared."""

    def __init__(
        self, secrets: SecretReader, mirrors: Mirrors, parser: ParserPool, sealing: Sealing, bounds: Bounds
    ) -> None:
        self._secrets = secrets
        self._mirrors = mirrors
        self._parser = parser
        self._sealing = sealing
        self._bounds = bounds
        self._used: dict[tuple[str, str], Mirror] = {}  # (uid of a fabric, purpose) → the mirror it reads from

    async def mirror(self, profile: Profile, purpose: str = "", *, reread: bool = False) -> Mirror:
        """The mirror of the fabric's repository. `reread`: look at the Secret again, because something went wrong.

        `purpose`: one apart from the mirror that the fabric reads its branch from and pushes from.
        """
        credentials = await self._credentials_of(profile, reread=reread)
        mirror = self._mirrors.get(profile.source.url, credentials, purpose)
        if self._used.get((profile.uid, purpose)) is not mirror:
            self._drop(profile.uid, purpose, self._mirrors.forget)
            self._used[profile.uid, purpose] = mirror
        return mirror

    def release(self, fabric: str) -> None:
        """The fabric of this uid needs its mirrors no longer; what nobody else uses goes from the disk."""
        for purpose in self._purposes(fabric):
            self._drop(fabric, purpose, self._mirrors.forget)

    def rest(self, fabric: str) -> None:
        """The fabric of this uid is suspended: its mirrors stay as long as there is room for them."""
        for purpose in self._purposes(fabric):
            self._drop(fabric, purpose, self._mirrors.let_go)

    def _purposes(self, fabric: str) -> list[str]:
        return [purpose for uid, purpose in self._used if uid == fabric]

    def _drop(self, fabric: str, purpose: str, end: Callable[[Mirror], None]) -> None:
        mirror = self._used.pop((fabric, purpose), None)
        if mirror is not None and mirror not in self._used.values():
            end(mirror)

    async def evict(self, quota: int) -> Usage:
        """Keep the mirrors within `quota` bytes of disk, as far as nobody uses them."""
        return await self._mirrors.evict(quota)

    async def look(
        self,
        mirror: Mirror,
        source: Source,
        direction: Direction,
        keyring: Keyring | None = None,
        since: float | None = None,
    ) -> Sight:
        """Where the branch is now: one request when it has not moved. With a keyring, its commit must be signed by it.

        `since`: what somebody else found from this time on will do (see Mirror.fetch).

        Where the cluster is the source, a repository, branch or directory that is not there yet is made by the first
        commit; elsewhere it is an error with its own reason.
        """
        makes = direction is Direction.CLUSTER_TO_GIT
        try:
            tags = source.verify is VerifyMode.TAG
            head = await mirror.fetch(source.branch, source.max_bytes, tags=tags, since=since)
        except (EmptyRepositoryError, BranchNotFoundError):
            if makes:
                return Sight()
            raise
        if keyring is not None and source.verify is VerifyMode.TAG:
            return self.sight(mirror, source, direction, newest_tag(mirror.snapshot, source, head, keyring), None)
        return self.sight(mirror, source, direction, head.commit, keyring)

    def sight(
        self, mirror: Mirror, source: Source, direction: Direction, commit: str, keyring: Keyring | None
    ) -> Sight:
        """What one commit of the mirror shows. Raises SignatureInvalidError, WaitingError(DirectoryNotFound)."""
        if keyring is not None:
            check_signature(mirror.snapshot.signed_commit(commit), keyring, f"commit {commit[:12]} of {source.branch}")
        tree = mirror.snapshot.tree_of(commit, source.directory)
        if tree is None and direction is not Direction.CLUSTER_TO_GIT:
            raise WaitingError(
                Reason.DIRECTORY_NOT_FOUND,
                f"{source.url} has no directory {source.directory!r} on branch {source.branch} "
                f"(commit {commit[:12]}); push one, or correct spec.repository.directory",
            )
        if tree is not None and (count := mirror.snapshot.count(tree)) > source.max_files:
            raise WaitingError(
                Reason.REPOSITORY_TOO_LARGE,
                f"{source.directory or 'the repository'} holds {count} files, more than the {source.max_files} that "
                "this Fabric takes; raise spec.repository.maxFiles, point spec.repository.directory at a smaller one, "
                "or divide it among several Fabrics",
            )
        return Sight(commit, tree or "", mirror.snapshot.commit(commit).time)

    async def diff(self, mirror: Mirror, source: Source, old_tree: str, new_tree: str, key: Key) -> Diff:
        """What changed between two trees of the directory, parsed. An `old_tree` of "" is everything.

        Encrypted files are opened with `key`.
        """
        rules = self._rules(mirror, source, new_tree)
        if old_tree and self._rules(mirror, source, old_tree) != rules:
            return await self._after_new_rules(mirror, source, old_tree, new_tree, rules, key)
        changes = mirror.snapshot.changes(old_tree or None, new_tree or None, source.directory)
        gone: dict[str, Blob | None] = {change.path: None for change in changes if change.new is None}
        added = [change.new for change in changes if change.new is not None]
        return Diff(gone | await self._read(mirror, source, added, rules, key), rules)

    async def reread(self, blob: str, content: bytes, key: Key) -> Blob:
        """A file that was just written, parsed like any other."""
        results = await self._parser.parse([(blob, content)])
        return Blob(blob, await self._opened(key, blob, lambda: content, results[blob]))

    async def reopened(self, mirror: Mirror, files: Mapping[str, Blob], key: Key) -> dict[str, Blob | None]:
        """Encrypted files, tried again: those that say something else now."""
        results = await asyncio.gather(*(self._reopened(mirror, file.blob, key) for file in files.values()))
        return {
            path: Blob(file.blob, result)
            for (path, file), result in zip(files.items(), results, strict=True)
            if result != file.result
        }

    async def _reopened(self, mirror: Mirror, blob: str, key: Key) -> FileResult:
        closed = self._parser.cached(blob)
        if closed is None:
            closed = (await self._parser.parse([(blob, mirror.snapshot.read_blob(blob))]))[blob]
        return await self._opened(key, blob, partial(mirror.snapshot.read_blob, blob), closed)

    async def _opened(self, key: Key, blob: str, read: Callable[[], bytes], result: FileResult) -> FileResult:
        """What a file declares once it is opened, if it is one that has to be."""
        if result.seal is not Seal.CLOSED:
            return result
        return self._sealing.opened(key, blob) or await self._sealing.open(key, blob, read(), result)

    async def _after_new_rules(
        self, mirror: Mirror, source: Source, old_tree: str, new_tree: str, rules: PathRules, key: Key
    ) -> Diff:
        """Another .tandemignore: every path of either tree is looked at, since none of them need have changed."""
        old = {entry.path for entry in mirror.snapshot.walk(old_tree, source.directory)}
        entries = mirror.snapshot.walk(new_tree, source.directory) if new_tree else []
        files = await self._read(mirror, source, entries, rules, key)
        return Diff(dict.fromkeys(old - files.keys()) | files, rules)

    def _rules(self, mirror: Mirror, source: Source, tree: str) -> PathRules:
        if not tree:
            return PathRules.of(None)
        roots = {name for name in PathRules.RENDERED if mirror.snapshot.entry(tree, name) is not None}
        if roots:
            raise WaitingError(
                Reason.NEEDS_RENDERING,
                f"{source.directory or 'the repository'} holds a {min(roots)}: its files are templates, not objects; "
                "point spec.repository.directory at rendered manifests",
            )
        entry = mirror.snapshot.entry(tree, IGNORE_FILE)
        if entry is None or not entry.is_regular:
            return PathRules.of(None)
        try:
            if (size := mirror.snapshot.size(entry.blob)) > IGNORE_BYTES:
                raise TooManyPatternsError(f"{size} bytes")
            return PathRules.of(mirror.snapshot.read_blob(entry.blob))
        except TooManyPatternsError as error:
            raise WaitingError(
                Reason.REPOSITORY_TOO_LARGE,
                f"{IGNORE_FILE} has {error}, and every file is held against each line; write fewer and wider ones",
            ) from None

    async def _read(
        self, mirror: Mirror, source: Source, entries: Iterable[Entry], rules: PathRules, key: Key
    ) -> dict[str, Blob | None]:
        """The parsed files among the entries. Links and submodules are named, never followed."""
        files: dict[str, Blob | None] = {}
        wanted: list[Entry] = []
        for entry in entries:
            if not _counts(entry, rules, source.directory):
                continue
            if not entry.is_regular:
                files[entry.path] = Blob(entry.blob, _not_a_file(entry))
            elif (known := self._parser.cached(entry.blob)) is not None:
                files[entry.path] = Blob(entry.blob, known)
            else:
                wanted.append(entry)
        for batch in self._batches(mirror, wanted, files):
            contents = await asyncio.to_thread(mirror.snapshot.read_blobs, {entry.blob for entry in batch})
            results = await self._parser.parse(contents.items())
            for entry in batch:
                files[entry.path] = Blob(entry.blob, results[entry.blob])
        sealed = {path: file for path, file in files.items() if file is not None and file.result.seal is Seal.CLOSED}
        opened = await asyncio.gather(
            *(
                self._opened(key, file.blob, partial(mirror.snapshot.read_blob, file.blob), file.result)
                for file in sealed.values()
            )
        )
        files |= {path: Blob(file.blob, result) for (path, file), result in zip(sealed.items(), opened, strict=True)}
        return files

    def _batches(self, mirror: Mirror, wanted: list[Entry], files: dict[str, Blob | None]) -> Iterable[list[Entry]]:
        """What to read, in pieces that fit into memory; what is too large is a fault before it is read."""
        batch: list[Entry] = []
        size = 0
        for entry in wanted:
            length = mirror.snapshot.size(entry.blob)
            if length > self._bounds.file_bytes:
                files[entry.path] = Blob(entry.blob, _too_large(length, self._bounds.file_bytes))
                continue
            batch.append(entry)
            size += length
            if size >= BATCH_BYTES or len(batch) >= BATCH_FILES:
                yield batch
                batch, size = [], 0
        if batch:
            yield batch

    async def _credentials_of(self, profile: Profile, *, reread: bool) -> Credentials:
        reference = profile.source.credentials
        if reference is None:
            return ANONYMOUS
        make = _OVER_SSH if is_ssh(profile.source.url) else credentials_from
        return await self._secrets.made(
            profile.namespace, reference.name, CREDENTIALS, Reason.AUTHENTICATION_FAILED, make, reread=reread
        )


def _counts(entry: Entry, rules: PathRules, directory: str) -> bool:
    """Whether an entry is looked at. A submodule is a whole folder: it may stand where documents were."""
    path = _below(entry.path, directory)
    return rules.holds(path, folder=True) if entry.mode == SUBMODULE else rules.counts(path)


def _below(path: str, directory: str) -> str:
    return path[len(directory) + 1 :] if directory else path


def _not_a_file(entry: Entry) -> FileResult:
    what, itself = ("a submodule", "files") if entry.mode == SUBMODULE else ("a symbolic link", "file")
    message = f"{entry.path} is {what}, which is not followed; put the {itself} here, or list it in {IGNORE_FILE}"
    return FileResult(faults=(Fault(1, Reason.FIELD_REFUSED, message),))


def _too_large(size: int, limit: int) -> FileResult:
    message = f"the file has {size} bytes, more than the {limit} that one file may have; split it"
    return FileResult(faults=(Fault(1, Reason.FIELD_REFUSED, message),))
