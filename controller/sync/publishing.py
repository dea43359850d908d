"""A run's edits published: drafted, logged, pushed, and recorded; and what the remote had to say about it."""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from controller.api.conditions import Finding
from controller.errors import Reason, WaitingError
from controller.git.amend import Amendment
from controller.git.mirror import Mirror
from controller.git.push import LeaseLost, Pushed, Refused
from controller.objects import Base, ObjectKey, Provenance, canonical, decoded
from controller.sync.declared import Blob
from controller.sync.execution import Executor, Results, touches_cluster
from controller.sync.ledger import Ledger
from controller.sync.plan.conflicts import is_secret
from controller.sync.plan.fieldpath import render_path
from controller.sync.plan.model import Action, Change, FieldEdit
from controller.sync.plan.tree import ABSENT, lookup
from controller.sync.state import Exceptional, FabricState
from controller.sync.tools import Tools
from controller.sync.writeback import Draft, Occasion, push


class Publication(Protocol):
    """What publishing needs to know of a run."""

    id: str
    results: Results
    commits: list[str]
    commit_subject: str


@dataclass(frozen=True, slots=True)
class Published:
    """`lost`: somebody pushed in between; fetch, and plan these objects again. `refused`: what is to be proposed, since
    the branch does not take it."""

    lost: bool = False
    refused: tuple[Change, ...] = ()


async def drafted(
    tools: Tools,
    state: FabricState,
    mirror: Mirror,
    changes: Sequence[Change],
    run: Publication,
    place: Amendment | None = None,
) -> tuple[Draft | None, frozenset[ObjectKey]]:
    """The run's commit of these changes, and the objects that could not be written, which are told.

    `place`: what it follows, for a pull request. None if nothing is left to commit. Raises WaitingError.
    """
    signer = await tools.trust.signer(state.profile)
    sign = None if signer is None else signer.sign
    occasion = Occasion(run.id, int(tools.wall()), run.commit_subject, sign, place)
    draft, failed = await tools.writeback.draft(state, mirror, changes, occasion)
    state.exceptions.update(failed)
    run.results.failed.update(failed)
    return draft, frozenset(failed)


class Publisher:
    """Publishes the edits of one fabric. `finding` is what the last push had to say, None when it went well."""

    def __init__(self, tools: Tools, state: FabricState, ledger: Ledger, executor: Executor) -> None:
        self._tools = tools
        self._state = state
        self._ledger = ledger
        self._executor = executor
        self.finding: Finding | None = None

    def ready(self, changes: Sequence[Change], run: Publication) -> list[Change]:
        """The changes whose cluster half is done: only what both sides will hold may go to Git."""
        return [change for change in changes if not touches_cluster(change) or change.key in run.results.applied]

    async def publish(self, mirror: Mirror, changes: Sequence[Change], run: Publication) -> Published:
        """Write the changes to the branch, or say why not. Raises WaitingError when the remote cannot be reached."""
        state, now = self._state, self._tools.wall()
        draft, _ = await drafted(self._tools, state, mirror, changes, run)
        if draft is None:
            return Published()
        if draft.commit == state.seen_commit:  # the documents hold it already: there is nothing to push
            for key, base in self._agreed(draft, run).items():
                self._record(key, base)
            return Published()
        agreed = self._agreed(draft, run)
        branch = state.profile.source.branch
        await self._ledger.prepare_push(draft.commit, branch, run.id, now, agreed)
        try:
            outcome = await push(mirror, draft.commit, branch, state.seen_commit or None)
        except WaitingError as error:
            self._postpone(draft, Finding.of(error), run)
            raise
        match outcome:
            case Pushed():
                await self._finish(mirror, draft, agreed, run)
            case LeaseLost():
                return Published(lost=True)
            case Refused(message):
                await self._ledger.refuse_push(draft.commit)
                if state.profile.source.falls_back:
                    return Published(refused=draft.changes)
                text = (
                    f"{state.profile.source.url} does not take commits on {branch}: {message}; the edits stay live and "
                    f"are tried again: let Tandem push to {branch}, or take them back"
                )
                self._postpone(draft, Finding(Reason.PUSH_REJECTED, text), run)
        return Published()

    async def _finish(
        self, mirror: Mirror, draft: Draft, agreed: dict[ObjectKey, Base | None], run: Publication
    ) -> None:
        state, directory = self._state, self._state.profile.source.directory
        tree = mirror.snapshot.tree_of(draft.commit, directory) or ""
        await self._ledger.record_push(draft.commit, tree, agreed)
        await self._take_over_files(mirror, draft, tree)
        state.seen_commit, state.seen_tree = draft.commit, tree
        run.commits += draft.commits
        self.finding = None
        self.note_written(draft.changes, run)

    def note_written(self, changes: Iterable[Change], run: Publication) -> None:
        """These edits are in a commit: count them, and remember their values in case they come back."""
        state, now = self._state, self._tools.wall()
        for change in changes:
            run.results.done.add(change.key)
            if change.key not in run.results.applied:
                run.results.count(change.action)
            state.fights.note_commit(change.key, now)
            for edit in change.edits:
                value = self._written(change, edit)
                state.fights.note_write_back(change.key, render_path(edit.path), value, edit.manager, now)

    def _written(self, change: Change, edit: FieldEdit) -> bytes:
        """What tells the value that was written from others; b"" if it was removed. A Secret's is not kept itself."""
        if not edit.new_present:
            return b""
        if not is_secret(change.key):
            return canonical(edit.new)
        schema = self._state.reach.cluster.schemas.get(change.api_version, change.key.kind)
        value = lookup(decoded(change.document or b"{}"), edit.path, schema)
        return b"" if value is ABSENT else hmac.digest(self._state.profile.rules.salt, canonical(value), "sha256")

    async def _take_over_files(self, mirror: Mirror, draft: Draft, tree: str) -> None:
        """The written files are what Git declares now; nobody has to be told, because their bases say the same."""
        state = self._state
        files: dict[str, Blob | None] = {}
        for path, content in draft.files.items():
            if content is None:
                files[path] = None
                continue
            entry = mirror.snapshot.entry(tree, path.removeprefix(f"{state.profile.source.directory}/"))
            if entry is not None:
                files[path] = await self._tools.source.reread(entry.blob, content, state.key)
        versions = {
            (document.api_version, document.kind)
            for blob in files.values()
            if blob
            for document in blob.result.documents
        }
        state.kinds |= await state.view.resolve(versions - state.kinds.keys())
        state.declared.update(files, state.profile.scope, state.kinds, ())

    def _agreed(self, draft: Draft, run: Publication) -> dict[ObjectKey, Base | None]:
        agreed: dict[ObjectKey, Base | None] = {}
        for change in draft.changes:
            if change.action is Action.REMOVE_DOCUMENT:
                agreed[change.key] = None
                continue
            base = self._executor.agreed(change, run.results.applied.get(change.key))
            if base is not None:
                agreed[change.key] = replace(base, origin=Provenance(draft.paths[change.key]))
        return agreed

    def _record(self, key: ObjectKey, base: Base | None) -> None:
        if base is None:
            self._ledger.forget(key)
        else:
            self._ledger.agree(key, base)

    def _postpone(self, draft: Draft, finding: Finding, run: Publication) -> None:
        """The edits stay live, are reverted by nobody, and are tried again at the back-off."""
        keys = {change.key for change in draft.changes}
        run.results.failed |= {key: Exceptional(finding.reason, finding.message, draft.paths[key]) for key in keys}
        self._state.unpushed |= keys
        self._state.retry |= keys
        self.finding = finding
