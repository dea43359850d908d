"""A coroutine with a thread and a loop of its own, for a library that takes over the loop it runs in."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

import structlog

Work = Callable[[asyncio.Event], Coroutine[Any, Any, None]]
"""What runs in the thread; it is to end when the event, which belongs to its own loop, is set."""

log = structlog.get_logger(__name__)


class ThreadEndedError(Exception):
    """The work in a thread was torn down by something that is no ordinary error."""


async def run_in_thread(name: str, work: Work, grace: float = 5.0) -> None:
    """Run `work` in a new thread with a new loop until it ends; its error is raised here.

    When this is cancelled, `work` is asked to stop and waited for, `grace` seconds at most. The thread does not keep
    the process alive.
    """
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[BaseException | None] = loop.create_future()
    life = _Life(work)

    def main() -> None:
        error = life.run()
        with suppress(RuntimeError):  # our loop may be closed by now: then nobody waits
            loop.call_soon_threadsafe(_settle, ended, error)

    threading.Thread(target=main, name=name, daemon=True).start()
    try:
        error = await asyncio.shield(ended)
    except asyncio.CancelledError:
        life.stop()
        _, late = await asyncio.wait({ended}, timeout=grace)
        if late:
            log.warning("a thread did not end when it was asked to", thread=name)
        raise
    if isinstance(error, Exception):
        raise error
    if error is not None:  # a cancellation in there is none of ours
        raise ThreadEndedError(f"the thread {name} ended with {error!r}") from error


def _settle(ended: asyncio.Future[BaseException | None], error: BaseException | None) -> None:
    if not ended.done():
        ended.set_result(error)


class _Life:
    """One run of the work in its thread, and the way to stop it from another."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._lock = threading.Lock()
        self._stopped = False
        self._wake: Callable[[], object] = lambda: None

    def run(self) -> BaseException | None:
        """Run to the end, in the thread; the error it ended with."""
        try:
            asyncio.run(self._live())
        except BaseException as error:  # noqa: BLE001 - handed over to the loop that waits for it
            return error
        return None

    def stop(self) -> None:
        """Ask the work to end, from another thread; it may not have begun yet, or be over."""
        with self._lock:
            self._stopped = True
            self._wake()

    async def _live(self) -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        with self._lock:
            if self._stopped:
                stop.set()
            self._wake = lambda: loop.call_soon_threadsafe(stop.set)
        try:
            await self._work(stop)
        finally:
            with self._lock:
                self._wake = lambda: None
