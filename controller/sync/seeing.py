"""Both sides as they are now: the branch fetched and read, and a watch on every kind that it names.

Only what moved is looked at. What was seen lies in the fabric's memory, and every object it may concern is dirty.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from controller.api.v1alpha1.repository import VerifyMode
from controller.errors import Reason, TandemError, WaitingError
from controller.git.errors import ObjectMissingError, SignatureInvalidError
from controller.git.mirror import Mirror
from controller.objects import Kind, group_of
from controller.runtime.logging import bind_revision
from controller.sync.declared import Blob
from controller.sync.ledger import Ledger
from controller.sync.run import Run
from controller.sync.sealing import Key
from controller.sync.source import Diff, Sight
from controller.sync.state import FabricState
from controller.sync.target import Version
from controller.sync.tools import Tools

# What another content of the Secret may put right: it is read again at once, not only at the next try.
OF_THE_SECRET = frozenset(
    {
        Reason.AUTHENTICATION_FAILED,
        Reason.CERTIFICATE_INVALID,
        Reason.HOST_KEY_MISMATCH,
        Reason.HOST_KEY_UNKNOWN,
        Reason.SIGNATURE_INVALID,
    }
)
LIST_PATIENCE = 30.0  # seconds to wait for the first complete lists; what is missing then is unknown


class Lookout:
    """Sees for one fabric. `stale`: the branch has to be looked at again; `troubled`: its Secret has to be read again,
    because the last run did not go its whole way; `mirror`: the local copy, None before the first fetch."""

    def __init__(self, tools: Tools, state: FabricState, ledger: Ledger) -> None:
        self._tools = tools
        self._state = state
        self._ledger = ledger
        self.mirror: Mirror | None = None
        self.stale = True
        self._told: tuple[str, float] | None = None  # why it is stale, if only somebody's word
        self._asked = self.answered = 0.0  # when somebody last said that it moved, and before the last look
        self.troubled = False
        self._key = Key()

    def look_again(self) -> None:
        """The branch may have moved: the next run asks the remote."""
        self.stale, self._told = True, None

    def tell(self, commit: str, since: float) -> None:
        """Somebody said at `since` that the branch moved, to `commit` ("": somewhere)."""
        self._asked = since
        if not self.stale or self._told is not None:
            self.stale, self._told = True, (commit, since)

    def knows(self, commit: str, *, passed: bool = False) -> bool:
        """Whether the branch was last seen at this commit, or we pushed it; `passed`: or at a later one.

        An earlier commit is only known by somebody who has looked since: the branch may have been set back to it.
        """
        seen = self._state.seen_commit
        if not commit or not seen or self.mirror is None:
            return False
        if commit in {seen, self._ledger.row.pushed_commit}:
            return True
        snapshot = self.mirror.snapshot
        return passed and snapshot.has(commit) and snapshot.is_ancestor(commit, seen)

    async def see(self, run: Run) -> None:
        """Fetch, read what changed, and watch what it names. A remote that fails does not stop drift correction."""
        try:
            if self._told is not None and self.knows(self._told[0]):
                self.stale, self._told = False, None
            if self.stale:
                await self.fetch(run)
        except WaitingError as error:
            if not self._state.seen_commit:
                raise
            run.problem = error
        await self.watch()

    async def fetch(self, run: Run) -> None:
        """Look where the branch is, and read what changed. A refused credential is read again once."""
        source = self._state.profile.source
        asked, since = self._asked, None if self._told is None else self._told[1]
        self._told = None
        self.stale = False  # whoever says from now on that it moved is heard: this look may have been too early
        try:
            mirror, sight = await self._seen(since)
            bind_revision(sight.commit)
            run.fetched = f"{source.branch}@{sight.commit[:12]}" if sight.commit else f"{source.branch}, not made yet"
            await self._read(mirror, sight)
            await self._reopen(mirror)
            self.answered = asked
        except BaseException:
            self.look_again()
            raise

    async def _seen(self, since: float | None) -> tuple[Mirror, Sight]:
        """A look; a second one with the Secret as it is now, where another content may help."""
        try:
            return await self._look(reread=self.troubled, since=since)
        except TandemError as error:
            if self.troubled or error.reason not in OF_THE_SECRET:
                raise
            return await self._look(reread=True)

    async def _look(self, *, reread: bool, since: float | None = None) -> tuple[Mirror, Sight]:
        """Ask the remote, with the credentials that are known or (`reread`) as their Secret holds them now."""
        state, source = self._state, self._tools.source
        keyring = await self._tools.trust.keyring(state.profile, reread=reread)
        self._key = await self._tools.sealing.key(state.profile, reread=reread or state.declared.is_shut)
        mirror = self.mirror = await source.mirror(state.profile, reread=reread)
        direction = state.profile.rules.direction
        try:
            return mirror, await source.look(mirror, state.profile.source, direction, keyring, since)
        except SignatureInvalidError:
            is_head = state.profile.source.verify is VerifyMode.HEAD
            if is_head and not state.seen_commit and mirror.snapshot.has(state.planned_commit):
                last = source.sight(mirror, state.profile.source, direction, state.planned_commit, keyring)
                await self._read(mirror, last)
            raise

    async def _read(self, mirror: Mirror, sight: Sight) -> None:
        """Take over what changed in the directory; the same tree is no work at all."""
        state = self._state
        state.dirty |= await self._ledger.recover_pushes(mirror, sight.commit)
        if sight.commit != state.seen_commit:
            known = state.planned_commit
            rewritten = bool(known) and not mirror.snapshot.is_ancestor(known, sight.commit) if sight.commit else False
            state.rewritten = rewritten and mirror.snapshot.merge_base(known, sight.commit) is None
        state.moved_source = bool(self._ledger.row.url) and self._ledger.fingerprint != state.profile.source.fingerprint
        if sight.tree != state.seen_tree or not state.seen_commit:
            first = not state.seen_commit
            if first:
                state.key = self._key
            diff = await self._diff(mirror, sight)
            brought = None if not first else self._changed_since_planned(mirror, sight)
            state.kinds |= await state.view.resolve(versions_of(diff.files.values()))
            state.dirty |= state.declared.update(diff.files, state.profile.scope, state.kinds, state.bases, brought)
            state.path_rules = diff.rules
            state.watches_stale = state.watches_stale or bool(diff.files)
        state.seen_commit, state.seen_tree, state.git_changed_at = sight.commit, sight.tree, sight.time or None

    async def _reopen(self, mirror: Mirror) -> None:
        """Try encrypted files again: all of them with other identities, else those that could not be opened."""
        state = self._state
        if self._key == state.key and not state.declared.is_shut:
            return
        sealed = {path: state.declared.files[path] for path in sorted(state.declared.sealed)}
        files = await self._tools.source.reopened(mirror, sealed, self._key)
        state.kinds |= await state.view.resolve(versions_of(files.values()) - state.kinds.keys())
        state.dirty |= state.declared.update(files, state.profile.scope, state.kinds, state.bases, ())
        state.watches_stale = state.watches_stale or bool(files)
        state.key = self._key

    async def _diff(self, mirror: Mirror, sight: Sight) -> Diff:
        """What changed since the tree that was seen last."""
        state, source = self._state, self._tools.source
        try:
            return await source.diff(mirror, state.profile.source, state.seen_tree, sight.tree, self._key)
        except ObjectMissingError:  # rewritten history, in a copy that was made anew: the old tree is nowhere any more
            whole = await source.diff(mirror, state.profile.source, "", sight.tree, self._key)
            gone = dict.fromkeys(state.declared.files.keys() - whole.files.keys())
            return replace(whole, files=gone | whole.files)

    def _changed_since_planned(self, mirror: Mirror, sight: Sight) -> frozenset[str] | None:
        """The paths that changed since the tree that was planned before the restart; None if that is not known."""
        planned = self._state.planned_tree
        if not planned or not self._ledger.row.url:
            return None
        try:
            changes = mirror.snapshot.changes(planned, sight.tree or None, self._state.profile.source.directory)
        except WaitingError:  # rewritten history: the planned tree was never fetched into this mirror
            return None
        return frozenset(change.path for change in changes)

    async def watch(self) -> None:
        """Have a watch with its first list on every kind that documents, bases or imports name, if it may be seen."""
        state, target = self._state, self._state.reach.cluster
        if not state.watches_stale:
            await self.review()
            return
        versions = state.declared.versions() | state.base_versions
        named = {kind for _, kind in versions}
        for kind in state.profile.scope.kinds:
            preferred = await target.discovery.preferred(kind.group, kind.kind)
            if preferred is not None and kind.kind not in named:
                versions.add((preferred.api_version, kind.kind))
        unserved = {version for version in versions if state.kinds.get(version) is None}
        fresh = await state.view.resolve(unserved)
        state.kinds |= fresh
        if any(namespaced is not None for namespaced in fresh.values()):
            state.dirty |= state.declared.resolve_again(state.profile.scope, state.kinds)
        # A document that nobody lets in must not have the whole cluster's Secrets or Events listed on its behalf.
        watched = {version for version in versions if version in state.base_versions or self._is_admitted(version)}
        covered = await state.view.cover(watched, state.known_keys())
        await target.schemas.load(version for version in watched if state.kinds.get(version) is not None)
        await self._take_in(covered)
        state.watches_stale = False

    async def review(self) -> None:
        """Where it is time to ask again what may be seen: ask, and plan anew what is or is no longer to be seen."""
        if self._state.view.sight.is_due:
            await self._take_in(await self._state.view.look())

    async def _take_in(self, kinds: set[Kind]) -> None:
        """What these kinds show is another than before: wait for their lists, and look at each object."""
        state = self._state
        await state.view.wait_synced(LIST_PATIENCE)
        if kinds:
            state.note_sight(kinds)
            imported = state.profile.rules.imports & kinds
            state.dirty.update(key for key, _ in state.view.importable(imported))

    def _is_admitted(self, version: Version) -> bool:
        api_version, kind = version
        namespaced = self._state.kinds.get(version)
        scope = self._state.profile.scope
        return namespaced is not None and scope.admits(Kind(group_of(api_version), kind), namespaced=namespaced)


def versions_of(blobs: Iterable[Blob | None]) -> set[Version]:
    """(apiVersion, kind) of every document in these files."""
    return {(document.api_version, document.kind) for blob in blobs if blob for document in blob.result.documents}
