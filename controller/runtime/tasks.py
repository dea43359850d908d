"""Background tasks that cannot die unnoticed: every one has a name, an owner, and a callback for its end.

asyncio keeps an exception to itself until somebody asks for it, which nobody does for a task in the background; the
program then goes on without it, silently. Here an end is logged at once, and that of an essential task ends the
process in good order.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import structlog

from controller.errors import TandemError
from controller.runtime.agenda import backoff

log = structlog.get_logger(__name__)

Work = Coroutine[Any, Any, None]

STEADY = 60.0
"""Seconds after which a task that is kept up counts as well: its next failure is a first one again."""


class TaskEndedError(Exception):
    """An essential background task ended while the process still needs it."""


class Supervisor:
    """Owns background tasks: logs how they end, tells when an essential one is gone, stops them all."""

    def __init__(self, *, restarted: Callable[[str], None] = lambda _: None) -> None:
        """`restarted` is told the name of a kept-up task each time it failed and is started again."""
        self._tasks: dict[asyncio.Task[None], bool] = {}  # in the order they were started; whether it is essential
        self._restarted = restarted
        self._stopping = False
        self._gone = asyncio.Event()
        self._loss: tuple[str, BaseException | None] = ("", None)

    def start(self, name: str, work: Work, *, essential: bool = False) -> asyncio.Task[None]:
        """Run `work` in the background. An essential one may not end, by an error or without one, before `stop`."""
        task = asyncio.create_task(work, name=name)
        self._tasks[task] = essential
        task.add_done_callback(self._on_end)
        return task

    def keep_up(self, name: str, work: Callable[[], Work], *, cap: float = 60.0) -> asyncio.Task[None]:
        """Run `work()` in the background, and again whenever it fails, after a back-off of at most `cap` seconds."""
        return self.start(name, self._keep_up(name, work, cap))

    async def lost(self) -> None:
        """Return never, but raise TaskEndedError as soon as an essential task has ended."""
        await self._gone.wait()
        name, error = self._loss
        raise TaskEndedError(f"{name} ended unexpectedly: {error or 'without an error'}") from error

    async def stop(self, grace: float = 5.0) -> None:
        """Cancel every task, the last started first, and wait until they have ended, at most `grace` seconds."""
        self._stopping = True
        tasks = list(self._tasks)
        for task in reversed(tasks):
            task.cancel()
        if tasks:
            _, stuck = await asyncio.wait(tasks, timeout=grace)
            for task in stuck:
                log.warning("a background task did not end when it was cancelled", task=task.get_name())

    def _on_end(self, task: asyncio.Task[None]) -> None:
        essential = self._tasks.pop(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            log.error("a background task failed", task=task.get_name(), **_told(error))
        if essential and not self._stopping and not self._gone.is_set():
            self._loss = (task.get_name(), error)
            self._gone.set()

    async def _keep_up(self, name: str, work: Callable[[], Work], cap: float) -> None:
        loop = asyncio.get_running_loop()
        failures = 0
        while True:
            begun = loop.time()
            try:
                await work()
            except Exception as error:  # noqa: BLE001 - whatever it was, the next attempt may do better
                failures = 1 if loop.time() - begun > STEADY else failures + 1
                pause = backoff(failures, cap)
                log.warning("a background task failed and is started again", task=name, pause=pause, **_told(error))
                self._restarted(name)
                await asyncio.sleep(pause)
            else:
                return


def _told(error: BaseException) -> dict[str, Any]:
    """What a log line says of an error: one of ours explains itself, any other needs its traceback."""
    return {"error": str(error)} if isinstance(error, TandemError) else {"exc_info": error}
