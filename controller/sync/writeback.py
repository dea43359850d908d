"""The Git half of a plan: all edits of a run into commits, pushed at once with a lease, logged before they are pushed.

edit     each touched file once, in the child process; every other byte is kept; Secrets by way of sops
build    one commit for each person on the planned commit, in memory on the bare mirror
log      the last commit's id and the bases it makes true, before anybody can see it
push     with a lease: never forced; somebody was faster → the caller fetches and plans again
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from controller.errors import Reason, RejectedError
from controller.git.amend import Amendment, build_amendment
from controller.git.commit import Person, Sign, Stamp
from controller.git.mirror import Mirror
from controller.git.push import LeaseLost, Outcome, Pushed
from controller.git.trailers import EDITED_BY, FABRIC, INSTALL, MANAGER, RUN, Trailer, commit_message, object_trailer
from controller.objects import Kind, ObjectKey
from controller.sync.authorship import Part, Sides, author_of, parts_of, together
from controller.sync.fileedits import FileEdits, content_of
from controller.sync.naming import import_path, write_back_title
from controller.sync.parse.documents import DocRef, ParsedDocument, Seal
from controller.sync.parsing import ParserPool
from controller.sync.plan.conflicts import NEVER_IN_CLEAR
from controller.sync.plan.model import Change
from controller.sync.profile import Profile
from controller.sync.sealing import Sealing
from controller.sync.state import Exceptional, FabricState

COMMITTER = Person("Tandem", "tandem@localhost")
SECRET = Kind("", "Secret")
PUSH_TRIES = 5  # a hook may refuse for a moment (a lock, a mirror that lags); after these the server means it


@dataclass(frozen=True, slots=True)
class Draft:
    """Commits that are built and not pushed, `commit` the last of them, and what they do together.

    Whoever has `commit` has all of them: they go in one push, and only this one is logged. `commits`: in order, none if
    the documents hold the edits already.
    """

    commit: str
    files: Mapping[str, bytes | None]
    changes: tuple[Change, ...]
    paths: Mapping[ObjectKey, str]
    commits: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Occasion:
    """What a commit is made for. `run`: the operation; `time`: seconds since 1970; `subject`: "" for the usual one.

    It follows the commit that was seen last, or, for a pull request, what `place` says.
    """

    run: str
    time: int
    subject: str = ""
    sign: Sign | None = None
    place: Amendment | None = None


async def push(mirror: Mirror, commit: str, branch: str, expected: str | None) -> Outcome:
    """Push a commit; a refusal is tried a few times, a lost lease is the caller's to plan again."""
    outcome = await mirror.push(commit, branch, expected)
    for _ in range(PUSH_TRIES - 1):
        if isinstance(outcome, Pushed | LeaseLost):
            break
        outcome = await mirror.push(commit, branch, expected)
    return outcome


class WriteBack:
    """Writes one fabric's edits to its branch."""

    def __init__(self, parser: ParserPool, sealing: Sealing, install_id: str) -> None:
        self._parser = parser
        self._sealing = sealing
        self._install_id = install_id

    async def draft(
        self,
        state: FabricState,
        mirror: Mirror,
        changes: Iterable[Change],
        occasion: Occasion,
    ) -> tuple[Draft | None, dict[ObjectKey, Exceptional]]:
        """The commits that hold the changes, and the objects whose edits could not be written, with the reason.

        None if nothing is left to commit. Raises AmendmentRefusedError.
        """
        failed: dict[ObjectKey, Exceptional] = {}
        files: dict[str, bytes | None] = {}
        edited: dict[str, FileEdits] = {}
        for path, edits in self._by_file(state, mirror, changes, failed).items():
            try:
                files[path] = await self._edited(state, mirror, path, edits)
            except RejectedError as error:
                for change in edits.changes:
                    failed[change.key] = Exceptional(error.reason, f"the edit stays live: {error.message}", path)
                continue
            edited[path] = edits
        if not files:
            return None, failed
        commits = await self._commits(state, mirror, edited, files, occasion)
        written = tuple(change for edits in edited.values() for change in edits.changes)
        paths = {change.key: path for path, edits in edited.items() for change in edits.changes}
        return Draft(commits[-1] if commits else state.seen_commit, files, written, paths, tuple(commits)), failed

    async def _commits(
        self,
        state: FabricState,
        mirror: Mirror,
        edited: Mapping[str, FileEdits],
        files: Mapping[str, bytes | None],
        occasion: Occasion,
    ) -> list[str]:
        """Build a commit for each part on the one that was seen last; in order.

        What amends a request is one commit: it says anew all that the request proposes, whoever proposed it when.
        """
        profile, place, sign = state.profile, occasion.place, occasion.sign
        directory = profile.source.directory
        parts = [] if place is not None and place.head else await self._parted(state, mirror, edited, files)
        if place is not None and len(parts) <= 1:
            part = together([change for edits in edited.values() for change in edits.changes])
            message, stamp = self._message(profile, part, occasion), _stamp(profile, part, occasion.time)
            amended = await mirror.build(
                lambda repository: build_amendment(repository, place, directory, files, message, stamp, sign)
            )
            return [amended]
        commits: list[str] = []
        for part, contents in parts:
            head = commits[-1] if commits else state.seen_commit
            message, stamp = self._message(profile, part, occasion), _stamp(profile, part, occasion.time)
            commit = await mirror.build_commit(head or None, directory, contents, message, stamp, sign)
            if commit != head:
                commits.append(commit)
        return commits

    async def _parted(
        self, state: FabricState, mirror: Mirror, edited: Mapping[str, FileEdits], files: Mapping[str, bytes | None]
    ) -> list[tuple[Part, dict[str, bytes | None]]]:
        """Each part with the files as they are after it. A file that cannot be edited piece by piece is written at
        once, in a part of all who had a hand in it."""
        joined = {path for path, edits in edited.items() if self._is_encrypted(state, path) or edits.writes_secret}
        changes = {path: edits.changes for path, edits in edited.items()}
        while True:
            parts = parts_of(changes, lambda change: _sides(state, change), joined)
            steps = [(part, dict[str, bytes | None]()) for part in parts]
            for path, edits in edited.items():
                touching = [place for place, part in enumerate(parts) if edits.is_touched_by(part)]
                try:
                    for place in touching[:-1]:
                        steps[place][1][path] = await self._edited(state, mirror, path, edits.up_to(parts[: place + 1]))
                except RejectedError:
                    joined.add(path)
                    break
                steps[touching[-1]][1][path] = files[path]
            else:
                return steps

    @staticmethod
    def _is_taken(state: FabricState, mirror: Mirror, path: str) -> bool:
        """Whether a file stands there, be it one that does not count."""
        below = path.removeprefix(f"{state.profile.source.directory}/")
        return bool(state.seen_tree) and mirror.snapshot.entry(state.seen_tree, below) is not None

    def _by_file(
        self, state: FabricState, mirror: Mirror, changes: Iterable[Change], failed: dict[ObjectKey, Exceptional]
    ) -> dict[str, FileEdits]:
        files: dict[str, FileEdits] = {}
        for change in changes:
            content, origin = content_of(change), change.origin
            if origin is not None and origin.blob and state.declared.knows(change.key):
                if state.declared.files[origin.path].blob != origin.blob:
                    continue  # planned against another version of the file: it is planned again
                files.setdefault(origin.path, FileEdits()).placed.append((change, DocRef(origin.index, origin.item)))
            elif content is not None:
                path = self._new_path(state, change)
                if origin is None and self._is_taken(state, mirror, path):
                    message = (
                        f"{path} exists and does not hold {change.key}; rename it, so that the object can be imported"
                    )
                    failed[change.key] = Exceptional(Reason.FIELD_REFUSED, message, path)
                    continue
                files.setdefault(path, FileEdits()).placed.append((change, None))
        return files

    def _new_path(self, state: FabricState, change: Change) -> str:
        """Where a document goes that Git does not hold: where it was, else into its kind's directory."""
        if change.origin is not None:
            return change.origin.path
        scope = state.profile.scope
        kind = scope.kinds.get(change.key.group_kind)
        resource = state.view.resource(change.key, change.api_version)
        plural = resource.plural if resource else f"{change.key.kind.lower()}s"
        directory = (kind.directory if kind else "") or plural
        path = import_path(directory, change.key, many_namespaces=scope.many_namespaces)
        root = state.profile.source.directory
        return f"{root}/{path}" if root else path

    async def _edited(self, state: FabricState, mirror: Mirror, path: str, edits: FileEdits) -> bytes | None:
        """The file's new bytes; None when its last document goes."""
        blob = state.declared.files.get(path)
        documents = () if blob is None else blob.result.documents
        if blob is not None and not edits.appended and edits.removed >= {document.ref for document in documents}:
            return None
        if blob is not None and blob.result.seal in (Seal.CLOSED, Seal.REFUSED):
            raise RejectedError(Reason.DECRYPTION_FAILED, f"{path}: {blob.result.faults[0].message}")
        old = b"" if blob is None else mirror.snapshot.read_blob(blob.blob)
        if blob is not None and blob.result.seal is Seal.OPEN:
            return await self._sealing.edited(state.key, old, edits.intended, edits.appended)
        new = await self._parser.edit(old, edits.intended, edits.appended)
        if not edits.writes_secret:
            return new
        _check_encryptable(state.profile, path, documents, edits)
        return await self._sealing.sealed(state.key, new, state.profile.encryption.recipients)

    @staticmethod
    def _is_encrypted(state: FabricState, path: str) -> bool:
        """Whether the file is an encrypted one: each time it is written, what changed is encrypted differently."""
        blob = state.declared.files.get(path)
        return blob is not None and blob.result.seal is Seal.OPEN

    def _message(self, profile: Profile, part: Part, occasion: Occasion) -> str:
        changes = part.changes.values()
        trailers = [Trailer(FABRIC, (profile.fabric,))]
        for change in changes:
            name = f"{change.key.namespace}/{change.key.name}" if change.key.namespace else change.key.name
            trailers.append(
                object_trailer(change.api_version, change.key.kind, name, change.uid, change.resource_version)
            )
        managers = sorted({edit.manager for change in changes for edit in change.edits if edit.manager})
        trailers += [Trailer(MANAGER, (manager,)) for manager in managers]
        trailers += [Trailer(EDITED_BY, (user,)) for user in part.users if user]
        trailers += [Trailer(RUN, (occasion.run,)), Trailer(INSTALL, (self._install_id,))]
        return commit_message(occasion.subject or write_back_title(len(changes), profile.fabric), trailers)


def _sides(state: FabricState, change: Change) -> Sides:
    declared = state.declared.declared(change.key, state.bases.get(change.key))
    return Sides(declared.content, state.reach.cluster.schemas.get(change.api_version, change.key.kind))


def _stamp(profile: Profile, part: Part, time: int) -> Stamp:
    return Stamp(author_of(profile, part.users), COMMITTER, time, int(part.time) or None)


def _check_encryptable(profile: Profile, path: str, documents: Iterable[ParsedDocument], edits: FileEdits) -> None:
    """Raise RejectedError(EncryptionRequired) unless the file may be encrypted as a whole, as sops does it."""
    if not profile.encryption.recipients:
        raise RejectedError(Reason.ENCRYPTION_REQUIRED, f"{path} is not encrypted; {NEVER_IN_CLEAR}")
    stays = [document.key.group_kind for document in documents if document.ref not in edits.removed]
    if any(kind != SECRET for kind in (*stays, *(change.key.group_kind for change in edits.changes))):
        raise RejectedError(
            Reason.ENCRYPTION_REQUIRED,
            f"{path} also holds objects that are no Secrets, and sops encrypts a file as a whole; give the Secret a "
            "file of its own, so that it can be encrypted",
        )
