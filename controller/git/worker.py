"""One thread for all network calls of one mirror, and the guard that keeps a hanging server from holding its caller.

A thread cannot be killed. libgit2's own time-outs end most hangs; what they miss (a server that drips a byte at a time)
is given up by the caller here, and the thread is told at its next sign of life. Not a ThreadPoolExecutor: that would be
joined when the process ends, and a hanging server would hold the process too.
"""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, TypeVar

from controller.git.errors import UnreachableError

T = TypeVar("T")

IDLE = 30.0  # seconds until a thread without work ends, and gives back its open pack files
LONGEST = 3600.0  # seconds for one job, however lively: the clone of a very large repository


class AbandonedError(Exception):
    """Raised inside a job whose caller has stopped waiting."""


@dataclass(eq=False)
class Job:
    """One call on its way through the thread."""

    call: Callable[[], Any]
    future: Future[Any] = field(default_factory=Future)
    abandoned: bool = False

    def do(self) -> None:
        """Make the call; whatever it raises belongs to the caller."""
        try:
            result = self.call()
        except BaseException as error:  # noqa: BLE001  # the thread must go on
            self.future.set_exception(error)
        else:
            self.future.set_result(result)


class Worker:
    """Makes calls one after the other in a thread that exists only while there is work.

    `patience`: seconds without a sign of life (`beat`) until the caller gets UnreachableError. `on_idle` runs in the
    thread before it ends.
    """

    def __init__(self, name: str, patience: float, on_idle: Callable[[], None], idle: float = IDLE) -> None:
        self._name = name
        self._patience = patience
        self._on_idle = on_idle
        self._idle = idle
        self._jobs: queue.SimpleQueue[Job] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._current: Job | None = None
        self._last_beat = 0.0

    async def run(self, call: Callable[[], T], what: str) -> T:
        """The call's result. UnreachableError ("`what` …") when nothing moved for the worker's patience."""
        job = Job(call)
        self._enqueue(job)
        waiting: asyncio.Future[T] = asyncio.wrap_future(job.future)
        try:
            await self._wait(waiting)
            if waiting.done():
                return waiting.result()
            raise UnreachableError(f"{what} got no answer for {self._patience:.0f} s; it is tried again")
        finally:
            if not waiting.done():
                job.abandoned = True
                job.future.cancel()  # at once: cancelling `waiting` reaches it only in the loop's next turn
                waiting.cancel()

    def post(self, call: Callable[[], Any]) -> None:
        """Make a call after those that are under way; nobody hears what came of it."""
        self._enqueue(Job(call))

    def beat(self) -> None:
        """Called from inside a call: something moved. Raises AbandonedError if nobody waits for it any more."""
        self._last_beat = time.monotonic()
        self.check()

    def check(self) -> None:
        """Called from inside a call while it waits. Raises AbandonedError if nobody waits for it any more."""
        if self._current is not None and self._current.abandoned:
            raise AbandonedError(self._name)

    async def _wait(self, waiting: asyncio.Future[T]) -> None:
        """Return when it is done, or when it is to be given up. A lively call before ours is waited for."""
        started = time.monotonic()
        while not waiting.done():
            end = min(max(self._last_beat, started) + self._patience, started + LONGEST)
            if (left := end - time.monotonic()) <= 0:
                return
            await asyncio.wait({waiting}, timeout=left)

    def _enqueue(self, job: Job) -> None:
        """Hand a job to the thread, which is started unless it runs."""
        with self._lock:
            self._jobs.put(job)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name=self._name, daemon=True)
                self._thread.start()

    def _work(self) -> None:
        """The thread: take jobs until none came for a while."""
        while True:
            try:
                job = self._jobs.get(timeout=self._idle)
            except queue.Empty:
                if self._ended():
                    return
                continue
            if job.future.set_running_or_notify_cancel():
                self._current, self._last_beat = job, time.monotonic()
                job.do()
                self._current = None

    def _ended(self) -> bool:
        """End the thread, unless a job came at the last moment."""
        with self._lock:
            if not self._jobs.empty():
                return False
            self._on_idle()
            self._thread = None
            return True
