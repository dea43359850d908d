"""From what a run found to the letters about what is news in it: decided, written down, and left to the courier.

What was told and the letters that tell it are written in one transaction: a crash in between tells nothing twice and
forgets nothing. What a run finds is compared every time, which costs nothing while nothing is news.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import structlog

from controller.api.conditions import Finding
from controller.api.v1alpha1.fabric import Fabric
from controller.api.v1alpha1.fabricstatus import ErrorEntry
from controller.api.v1alpha1.receivers import NotifyEvent, Receiver
from controller.errors import Reason, TandemError
from controller.notify.letters import Notice, bounded
from controller.objects import Json
from controller.store.errors import StoreError
from controller.store.outbox import Letter
from controller.store.told import Told
from controller.sync.announcing import REQUEST_OPENED
from controller.sync.notices import (
    FAILURE,
    Closing,
    Decision,
    Findings,
    Matter,
    Waiting,
    conflict_key,
    conflict_topic,
    decide,
    grouped,
    guard_topic,
    is_request,
    request_place,
    request_topic,
)
from controller.sync.receivers import receivers_of, wants
from controller.sync.report import errors_of, untold
from controller.sync.run import Run
from controller.sync.service import FabricService
from controller.sync.state import FabricState
from controller.sync.tools import Tools

log = structlog.get_logger(__name__)

Names = Callable[[str], Sequence[str]]
"""Topic → the names of what it is about."""

_REASONS = {
    NotifyEvent.CONFLICT_RESOLVED: Reason.NO_CONFLICTS.value,
    NotifyEvent.RECOVERED: Reason.SYNCED.value,
}
"""What is over has the reason of the state that it led to."""


@dataclass(slots=True)
class _Memory:
    """What the database holds of one fabric, and what was found but not told yet."""

    told: dict[str, Told]
    waiting: Mapping[str, Waiting] = field(default_factory=dict)
    again: float | None = None


class NoticeDesk:
    """The news of all fabrics of this process."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._memories: dict[str, _Memory] = {}

    async def tell_run(self, fabric: Fabric, service: FabricService, run: Run, findings: Sequence[Finding]) -> None:
        """Tell what is news after a run. What cannot be written down is told by a later one."""
        state = service.state
        row_id, revision = service.ledger.row.id, state.seen_commit
        await self._tell(fabric, row_id, findings_of_run(service, run, findings), revision, lambda t: _names(state, t))

    async def tell_stall(self, body: Json, error: TandemError) -> None:
        """Tell that a Fabric cannot run at all, and why. Of what it held, nothing can be told."""
        finding = Finding.of(error)
        found = Findings({FAILURE: Matter(finding.reason.value, patient=not finding.stalled)})
        try:
            fabric = Fabric.from_object(body)
            metadata = fabric.metadata
            if not fabric.spec.notify and metadata.uid not in self._memories:
                return
            row = await self._tools.store.fabrics.register(metadata.uid, metadata.namespace, metadata.name)
        except TandemError as problem:  # a spec that cannot be read names no receivers either
            log.warning("receivers are not told", problem=problem.message)
            return
        await self._tell(fabric, row.id, found, "", lambda _: ())

    def due_in(self, uid: str) -> float | None:
        """Seconds until something is told although nothing happens; None if nothing waits."""
        memory = self._memories.get(uid)
        return None if memory is None or memory.again is None else max(0.0, memory.again - self._tools.wall())

    def forget(self, uid: str) -> None:
        """The Fabric is gone."""
        self._memories.pop(uid, None)

    async def _tell(self, fabric: Fabric, row_id: int, found: Findings, revision: str, names: Names) -> None:
        uid, tools = fabric.metadata.uid, self._tools
        receivers = receivers_of(fabric.spec.notify)
        try:
            memory = self._memories.get(uid) or _Memory(await tools.store.told.load_all(row_id))
            self._memories[uid] = memory
            if not receivers:
                await self._withdraw(row_id, memory)
                return
            now = tools.wall()
            decision = decide(memory.told, memory.waiting, found, now, tools.mailroom.patience)
            memory.waiting, memory.again = decision.waiting, decision.again
            if decision.told or decision.forgotten:
                notices = _notices(fabric, decision, revision, now, tools.installation.id, names)
                await self._write(row_id, memory, decision, list(_letters(notices, receivers, now)))
        except StoreError as error:
            self._memories.pop(uid, None)  # whether it was written is known to the database alone
            log.warning("receivers are not told", problem=error.message)

    async def _write(self, row_id: int, memory: _Memory, decision: Decision, letters: list[Letter]) -> None:
        store = self._tools.store
        async with store.transaction():
            await store.told.save(row_id, decision.told)
            await store.told.drop(row_id, decision.forgotten)
            await store.outbox.put(row_id, letters)
        memory.told.update(decision.told)
        for topic in decision.forgotten:
            del memory.told[topic]
        if letters:
            self._tools.mailroom.posted.set()

    async def _withdraw(self, row_id: int, memory: _Memory) -> None:
        """Nobody is to be told any more: who is named later begins anew."""
        memory.waiting, memory.again = {}, None
        if memory.told:
            await self._tools.store.told.drop(row_id, list(memory.told))
            memory.told.clear()


def findings_of_run(service: FabricService, run: Run, findings: Sequence[Finding]) -> Findings:
    """What the run found open, and whether what it did not find is over.

    After a start, and after a run that something broke off, not everything has been looked at: silence proves nothing.
    """
    state = service.state
    guards = {guard.reason for guard in state.guards}
    matters = {guard_topic(reason): Matter(reason) for reason in guards}
    failures = [one for one in findings if one.reason is not Reason.CONFLICTS_OPEN and one.reason not in guards]
    worst = min(failures, key=lambda finding: finding.rank, default=None)
    if worst is not None:
        matters[FAILURE] = Matter(worst.reason.value, patient=not worst.stalled)
    if state.request is not None and state.request.opened:
        matters[request_topic(state.request.link or state.request.branch)] = Matter(REQUEST_OPENED)
    for key in {*service.desk.open_keys, *state.conflicts}:
        matters[conflict_topic(key)] = Matter(Reason.CONFLICTS_OPEN.value)
    whole = run.problem is None and not run.guarded and not state.dirty and run.request.wanted is None
    return Findings(
        matters,
        conflicts=Closing.KNOWN if service.is_loaded else Closing.UNKNOWN,
        others=Closing.KNOWN if whole else Closing.UNKNOWN,
    )


def _names(state: FabricState, topic: str) -> Sequence[str]:
    """Objects, files and requests, never what they hold."""
    if is_request(topic):
        return [request_place(topic)]
    if topic == FAILURE:
        errors = [_place(error) for error in errors_of(state)]
        return [*errors, *(str(key) for key in sorted(untold(state)))]
    return [
        f"{action} {key}"
        for guard in state.guards
        if guard_topic(guard.reason) == topic
        for key, action in guard.entries
    ]


def _place(error: ErrorEntry) -> str:
    """`<object> in <file>:<line>`, as far as it is known."""
    where = f"{error.file}:{error.line}" if error.file and error.line else error.file
    return " in ".join(part for part in (error.object, where) if part)


def _notices(
    fabric: Fabric, decision: Decision, revision: str, now: float, install: str, names: Names
) -> Iterator[Notice]:
    for (event, reason), topics in grouped(decision.news).items():
        if event in {NotifyEvent.CONFLICT_OPENED, NotifyEvent.CONFLICT_RESOLVED}:
            about: Sequence[str] = [str(conflict_key(topic)) for topic in topics]
        elif event is NotifyEvent.RECOVERED:
            about = ()
        else:
            about = [name for topic in topics for name in names(topic)]
        yield Notice(
            event=event.value,
            reason=_REASONS.get(event, reason),
            namespace=fabric.metadata.namespace,
            name=fabric.metadata.name,
            revision=revision,
            time=now,
            install=install,
            objects=bounded(about),
            count=len(about),
        )


def _letters(notices: Iterator[Notice], receivers: Mapping[str, Receiver], now: float) -> Iterator[Letter]:
    for notice in notices:
        for name, receiver in receivers.items():
            if wants(receiver, NotifyEvent(notice.event)):
                yield Letter(name, str(uuid.uuid4()), notice.to_json(), made=now, due=now)
