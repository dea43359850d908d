"""What Git servers told: every fabric of the branch looks at it at once, and again for a while if it is not true yet.

A server may tell of a push before it shows it to everybody, so a hint that names a commit is looked for some times; one
that never comes true ends. A hint for what a fabric has seen, or has pushed itself, costs nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import aclosing

import structlog

from controller.objects import ObjectKey
from controller.runtime.configs import ConfigCache
from controller.runtime.queue import WorkQueue
from controller.store.hints import Hint
from controller.sync.fabrics import Fabrics
from controller.sync.overlap import Place, place_of
from controller.sync.service import FabricService
from controller.sync.tools import Tools

LAPSE = 60.0  # seconds after which nobody waits for it any more, whatever keeps them from looking
PAUSES = (0.5, 1.0, 2.0, 4.0, 8.0)  # seconds between looks for a commit that a server told of but does not show

log = structlog.get_logger(__name__)


class HintDesk:
    """Takes hints out of the store and wakes the fabrics they are about."""

    def __init__(
        self,
        tools: Tools,
        cache: ConfigCache,
        fabrics: Fabrics,
        queue: WorkQueue[ObjectKey],
        clock: Callable[[], float],
    ) -> None:
        self._tools = tools
        self._cache = cache
        self._fabrics = fabrics
        self._queue = queue
        self._clock = clock
        self._open: dict[Place, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Take hints as they come, for ever."""
        try:
            async with aclosing(self._tools.store.hints.follow()) as coming:
                async for hints in coming:
                    for hint in hints:
                        self._take(hint)
        finally:
            for task in self._open.values():
                task.cancel()

    def _take(self, hint: Hint) -> None:
        """Begin to look for what the hint says, in place of what an earlier one of the branch said."""
        place = (hint.url, hint.branch)
        if (earlier := self._open.pop(place, None)) is not None:
            earlier.cancel()
        task = self._open[place] = asyncio.create_task(self._look_for(place, hint.commit), name=f"hint {place}")
        task.add_done_callback(lambda done: self._end(place, done))

    def _end(self, place: Place, task: asyncio.Task[None]) -> None:
        if self._open.get(place) is task:
            del self._open[place]
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a hint was lost", exc_info=error)

    async def _look_for(self, place: Place, commit: str) -> None:
        waiting = self._waiting(place, commit)
        if not waiting:
            self._tools.metrics.hint("known")
            return
        told = self._wake(waiting, commit)
        self._tools.metrics.hint(await self._outcome(place, commit, told) if commit else "taken")

    async def _outcome(self, place: Place, commit: str, told: float) -> str:
        """Have those look again that looked in vain, a few times; `met` when nobody waits for the commit any more."""
        tries, end = 0, told + LAPSE
        while tries < len(PAUSES) and self._clock() < end:
            await asyncio.sleep(PAUSES[tries])
            waiting = self._waiting(place, commit, told)
            if not waiting:
                return "met"
            if any(service is not None and service.answered < told for service in waiting.values()):
                continue  # somebody has not looked at all yet: many share the branch, or a run takes long
            told = self._wake(waiting, commit)
            tries += 1
        log.warning("a server told of a commit that it does not show", branch=place[1], commit=commit[:12])
        return "lapsed"

    def _wake(self, waiting: Mapping[ObjectKey, FabricService | None], commit: str) -> float:
        """Have these fabrics look as soon as possible, whatever they were put off for; the time that they are told."""
        now = self._clock()
        for key, service in waiting.items():
            if service is not None:
                service.tell(commit, now)
            self._queue.forget(key)
            self._queue.add(key)
        return now

    def _waiting(self, place: Place, commit: str, told: float = float("inf")) -> dict[ObjectKey, FabricService | None]:
        """The fabrics of the branch that do not know the commit; None for one that was not looked at yet.

        Who looked since it was `told`, and saw a later commit, has passed it.
        """
        found = {}
        for key in self._cache:
            body = self._cache.get(key)
            if body is None or body["spec"].get("suspend") or place_of(body) != place:
                continue
            service = self._fabrics.service(key)
            if service is None or not service.knows(commit, passed=service.answered >= told):
                found[key] = service
        return found
