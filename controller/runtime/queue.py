"""The one keyed work queue: everything that makes a fabric run puts its key in here, and nothing else calls a handler.

`Agenda` decides what is next; this half starts a task per key, at most `workers` at once, wakes up when a timer is
due, and ends in good order. A task per key gives every run its own context, so what one run binds to its logs is
never seen in another's. Everything here belongs to one event loop; other threads come in by `call_soon_threadsafe`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from functools import partial
from typing import Any, Generic, NamedTuple, TypeVar

import structlog

from controller.runtime.agenda import Agenda, Turn
from controller.runtime.clock import Clock, LoopClock, Timer

K = TypeVar("K", bound=Hashable)

DEFAULT_CAP = 60.0
"""Seconds between retries at most when nobody said otherwise: the default interval of a fabric."""

_CANCEL_GRACE = 1.0
"""Seconds a cancelled handler has for its own clean-up before it is left behind."""

log = structlog.get_logger(__name__)


Handler = Callable[[K], Coroutine[Any, Any, None]]
"""Works on one key. What it raises is logged and retried; to be called again it asks the queue itself."""


class QueueHooks:
    """What the queue tells others about itself; each method does nothing until it is overridden."""

    def started(self, waited: float) -> None:
        """A key's turn began `waited` seconds after it was due."""

    def finished(self, took: float) -> None:
        """A key's turn ended after `took` seconds."""

    def retried(self) -> None:
        """A key was put back with back-off."""


class QueueCounts(NamedTuple):
    """How many keys are due, wait for their time, and are being worked on."""

    due: int
    waiting: int
    active: int


class WorkQueue(Generic[K]):
    """Keys to be worked on: never one key twice at once, bursts collapsed, ordered by (priority, due, age)."""

    def __init__(self, *, clock: Clock | None = None, hooks: QueueHooks | None = None) -> None:
        self._agenda: Agenda[K] = Agenda()
        self._clock = clock or LoopClock()
        self._hooks = hooks or QueueHooks()
        self._handler: Handler[K] | None = None
        self._workers = 0
        self._tasks: dict[K, asyncio.Task[None]] = {}
        self._timer: Timer | None = None
        self._timer_due = float("inf")
        self._dispatching = False
        self._stopping = False
        self._stopped = asyncio.Event()

    def add(self, key: K, priority: int = 0) -> None:
        """Have `key` worked on as soon as possible; again, if it is being worked on now. Lower priority comes first."""
        self._agenda.add(key, self._clock.now(), priority=priority)
        self._wake()

    def add_after(self, key: K, delay: float, priority: int = 0) -> None:
        """Have `key` worked on in `delay` seconds at the latest; what is planned earlier stays."""
        self._agenda.add(key, self._clock.now(), delay=delay, priority=priority)
        self._wake()

    def retry(self, key: K, *, cap: float = DEFAULT_CAP, hold: bool = True) -> float:
        """Have `key` worked on again after the back-off: 0.75 s, doubled with every failure, at most `cap` seconds.

        Until then additions wait too, unless `hold` is false (use that when only a part of the key's work failed) or
        `forget` is called. A turn that ends without a retry forgets the failures by itself. Returns the seconds.
        """
        delay = self._agenda.retry(key, self._clock.now(), cap, hold=hold)
        self._hooks.retried()
        self._wake()
        return delay

    def forget(self, key: K) -> None:
        """Start the back-off of `key` anew, and let additions that waited for it through."""
        self._agenda.forget(key, self._clock.now())
        self._wake()

    def discard(self, key: K) -> None:
        """Take `key` off the queue: what it stood for is gone. A turn under way goes on."""
        self._agenda.discard(key)

    def failures(self, key: K) -> int:
        """How often `key` failed in a row."""
        return self._agenda.failures(key)

    def counts(self) -> QueueCounts:
        """How many keys are due, waiting, and active."""
        return QueueCounts(*self._agenda.counts(self._clock.now()))

    def oldest_unfinished_age(self) -> float:
        """Seconds since the longest-due key became due and has not been finished; 0 when nothing is due."""
        return self._agenda.oldest_unfinished_age(self._clock.now())

    async def run(self, workers: int, handler: Handler[K]) -> None:
        """Work on keys, at most `workers` at once, until `stop` was called and has finished."""
        self._handler, self._workers = handler, workers
        self._wake()
        try:
            await self._stopped.wait()
        finally:
            self._stopping = True
            await self._cancel_tasks()

    async def stop(self, drain: float) -> int:
        """Start nothing new, wait `drain` seconds for what is under way, cancel the rest; returns how many were."""
        self._stopping = True
        if self._timer:
            self._timer.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks.values(), timeout=drain)
        cancelled = await self._cancel_tasks()
        self._stopped.set()
        return cancelled

    def _wake(self) -> None:
        """Look for work after the current callback: a burst is seen as a whole, and in its right order."""
        if not self._dispatching and self._handler and not self._stopping:
            self._dispatching = True
            asyncio.get_running_loop().call_soon(self._dispatch)

    def _dispatch(self) -> None:
        """Start as many due keys as there are free workers, then set the alarm for the next."""
        self._dispatching = False
        if self._handler is None or self._stopping:
            return
        while len(self._tasks) < self._workers:
            turn = self._agenda.take(self._clock.now())
            if turn is None:
                break
            self._start(turn, self._handler)
        self._set_timer()

    def _set_timer(self) -> None:
        due = self._agenda.next_due()
        if due is None or due == self._timer_due:
            return
        if self._timer:
            self._timer.cancel()
        self._timer_due = due
        self._timer = self._clock.call_at(due, self._on_timer)

    def _on_timer(self) -> None:
        self._timer, self._timer_due = None, float("inf")
        self._wake()

    def _start(self, turn: Turn[K], handler: Handler[K]) -> None:
        begun = self._clock.now()
        self._hooks.started(begun - turn.due)
        task = asyncio.create_task(handler(turn.key), name=f"work on {turn.key}")
        self._tasks[turn.key] = task
        task.add_done_callback(partial(self._end, turn.key, begun))

    def _end(self, key: K, begun: float, task: asyncio.Task[None]) -> None:
        """Whatever happened in a turn, its key comes free again; a failure that the handler let out is retried."""
        if task.cancelled():
            if not self._stopping:
                self.retry(key)
        elif error := task.exception():
            log.error("the handler failed", key=str(key), retry_in=self.retry(key), exc_info=error)
        now = self._clock.now()
        del self._tasks[key]
        self._agenda.done(key, now)
        self._hooks.finished(now - begun)
        self._wake()

    async def _cancel_tasks(self) -> int:
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        if tasks:
            _, stuck = await asyncio.wait(tasks, timeout=_CANCEL_GRACE)
            for task in stuck:
                log.warning("a handler did not end when it was cancelled", task=task.get_name())
        return len(tasks)
