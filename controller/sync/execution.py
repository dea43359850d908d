"""The cluster's half of a plan: changes in phases, many in flight, and what came of each into the fabric's memory."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from controller.errors import Reason
from controller.kube.errors import UnreachableError
from controller.objects import Base, ObjectKey, Provenance
from controller.store.refusals import Refusal
from controller.sync.apply import Applied, Outcome
from controller.sync.ledger import Ledger
from controller.sync.plan.fieldpath import render_path
from controller.sync.plan.model import Action, Change
from controller.sync.plan.order import DEFINITIONS, NAMESPACES, REST, phase_of
from controller.sync.planning import live_digest
from controller.sync.state import Exceptional, FabricState

IN_FLIGHT = 64  # applies of one fabric at once: 32 is 5–15 % slower, more brings nothing


@dataclass(slots=True)
class Results:
    """What came of a plan's changes: counts by action, who has to be planned again, and what is still to be tried."""

    counts: dict[Action, int] = field(default_factory=dict)
    done: set[ObjectKey] = field(default_factory=set)
    failed: dict[ObjectKey, Exceptional] = field(default_factory=dict)
    applied: dict[ObjectKey, Applied] = field(default_factory=dict)
    unseen: set[ObjectKey] = field(default_factory=set)  # changed by somebody, and no watch has shown it yet
    retry: bool = False

    def count(self, action: Action) -> None:
        """One more change of this kind was carried out."""
        self.counts[action] = self.counts.get(action, 0) + 1

    def begin_again(self, key: ObjectKey) -> None:
        """The object is planned once more in the same run: what came of it before does not count for this plan."""
        self.done.discard(key)
        self.failed.pop(key, None)
        self.applied.pop(key, None)


class Executor:
    """Carries out the cluster's half of one fabric's plans."""

    def __init__(self, state: FabricState, ledger: Ledger, now: Callable[[], float]) -> None:
        self._state = state
        self._ledger = ledger
        self._applier = state.reach.applier
        self._schemas = state.reach.cluster.schemas
        self._now = now

    async def execute(self, changes: Sequence[Change], results: Results) -> None:
        """Apply and delete, phase after phase. Raises UnreachableError; what was done by then is recorded."""
        refused: dict[ObjectKey, Refusal] = {}
        for phase in phases(changes):
            try:
                await self._run_phase(phase, results, refused)
            finally:
                await self._ledger.refuse(refused, results.done)
                refused.clear()

    async def _run_phase(self, phase: Sequence[Change], results: Results, refused: dict[ObjectKey, Refusal]) -> None:
        waiting = iter(phase)
        unreachable: BaseException | None = None
        self._state.writing.update(change.key for change in phase)
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(IN_FLIGHT, len(phase))):
                    group.create_task(self._work(waiting, results, refused))
        except* UnreachableError as errors:
            self._state.dirty.update(change.key for change in phase if change.key not in results.done)
            unreachable = errors.exceptions[0]
        finally:
            self._state.writing.clear()
        if unreachable is not None:  # not raised above: some Pythons 3.11 wrap in a group what is raised in `except*`
            raise unreachable

    async def _work(self, waiting: Iterator[Change], results: Results, refused: dict[ObjectKey, Refusal]) -> None:
        """One of the workers over a shared iterator."""
        for change in waiting:
            resource = self._state.view.resource(change.key, change.api_version)
            if resource is None:
                self._state.dirty.add(change.key)
                continue
            schema = self._schemas.get(resource.api_version, resource.kind)
            applied = await self._applier.execute(change, resource, self._state.profile.rules.manager, schema)
            released = self._state.released.pop(change.key, ())
            if released and applied.outcome is Outcome.DONE and change.intended is not None:
                applied = await self._applier.release(change.key, resource, applied, released)
            await self._settle(change, applied, results, refused)

    async def _settle(
        self, change: Change, applied: Applied, results: Results, refused: dict[ObjectKey, Refusal]
    ) -> None:
        state, key = self._state, change.key
        match applied.outcome:
            case Outcome.DONE:
                results.done.add(key)
                results.count(change.action)
                self._note_corrections(change)
                results.applied[key] = applied
                if not touches_git(change):
                    self.record(change, applied)
            case Outcome.CHANGED:
                state.dirty.add(key)
                if self._is_as_planned(change):
                    results.unseen.add(key)
            case Outcome.REFUSED:
                reason = applied.reason or Reason.FIELD_REFUSED
                found = exceptional(change, reason, applied.message, applied.field)
                state.exceptions[key] = results.failed[key] = found
                blob = change.origin.blob if change.origin else ""
                live = live_digest(change.actual or b"") if change.uid else ""
                refused[key] = Refusal(blob, live, reason, applied.field, applied.message)
            case Outcome.DENIED:
                found = exceptional(change, applied.reason or Reason.FORBIDDEN, applied.message)
                state.exceptions[key] = results.failed[key] = found
                state.retry.add(key)
                results.retry = True
            case Outcome.REPLACE:
                await self._replace(change)

    def _is_as_planned(self, change: Change) -> bool:
        """Whether the watch still shows what the plan was made from: planning again would bring the same again."""
        actual = self._state.view.actual(change.key, change.api_version)
        return (actual.uid, actual.resource_version) == (change.uid, change.resource_version)

    async def _replace(self, change: Change) -> None:
        """Immutable fields and a document that allows it: the object is deleted, and the next plan creates it."""
        resource = self._state.view.resource(change.key, change.api_version)
        if resource is not None:
            await self._ledger.forget_first(change.key)
            await self._applier.delete(change, resource)
        self._state.dirty.add(change.key)

    def record(self, change: Change, applied: Applied | None) -> None:
        """Both sides hold what the change wanted: the new base, or none."""
        state, key = self._state, change.key
        if change.action in {Action.PRUNE, Action.REMOVE_DOCUMENT, Action.FORGET}:
            # A deletion cannot be taken back: from here on the object is not ours, even while a finalizer holds it.
            self._ledger.forget(key)
            if applied is not None and applied.live is not None:
                message = "deleted; a finalizer still holds it"
                state.exceptions[key] = exceptional(change, Reason.TERMINATING, message)
            return
        base = self.agreed(change, applied)
        if base is not None:
            self._ledger.agree(key, base)

    def agreed(self, change: Change, applied: Applied | None) -> Base | None:
        """The base that a change makes true: what the apply answered, else what the plan saw; never a later state."""
        if change.record is None:
            return None
        live = applied.live if applied else None
        return Base(
            declared=change.record,
            actual=live.content if live else change.actual or b"",
            uid=live.uid if live else change.uid,
            resource_version=live.resource_version if live else change.resource_version,
            epoch=self._state.profile.rules.epoch,
            api_version=change.api_version,
            origin=change.origin or Provenance(""),
        )

    def _note_corrections(self, change: Change) -> None:
        now = self._now()
        for edit in change.corrections:
            self._state.fights.note_correction(change.key, render_path(edit.path), edit.manager, now)


def phases(changes: Sequence[Change]) -> list[list[Change]]:
    """The changes that touch the cluster, in groups that must not overlap: made in order, deleted the other way."""
    found: dict[tuple[bool, int], list[Change]] = {}
    for change in changes:
        if touches_cluster(change):
            place = (change.action is Action.PRUNE, phase_of(change.key.group_kind))
            found.setdefault(place, []).append(change)
    order = [(False, phase) for phase in (NAMESPACES, DEFINITIONS, REST)]
    order += [(True, phase) for phase in (REST, DEFINITIONS, NAMESPACES)]
    return [found[place] for place in order if place in found]


def touches_cluster(change: Change) -> bool:
    """Whether the change applies or deletes."""
    return change.intended is not None or change.action is Action.PRUNE


def touches_git(change: Change) -> bool:
    """Whether the change writes or removes a document."""
    return change.document is not None or change.action is Action.REMOVE_DOCUMENT


def exceptional(change: Change, reason: Reason, message: str, field: str = "") -> Exceptional:
    """An exception with the place of the change's document."""
    origin = change.origin
    return Exceptional(reason, message, origin.path if origin else "", origin.line if origin else 0, field)


def by_effect(changes: Iterable[Change]) -> tuple[list[Change], list[Change]]:
    """(changes without any effect outside the database, changes that write to Git)."""
    quiet, written = [], []
    for change in changes:
        if touches_git(change):
            written.append(change)
        elif not touches_cluster(change):
            quiet.append(change)
    return quiet, written
