"""A clock whose hands the test turns."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count


@dataclass(order=True)
class ManualTimer:
    """A call that waits for the hands to reach `when`."""

    when: float
    number: int
    callback: Callable[[], object] = field(compare=False)
    cancelled: bool = field(default=False, compare=False)

    def cancel(self) -> None:
        self.cancelled = True


class ManualClock:
    """Stands still until `advance` is called."""

    def __init__(self) -> None:
        self._now = 0.0
        self._timers: list[ManualTimer] = []
        self._numbers = count()

    def now(self) -> float:
        return self._now

    def call_at(self, when: float, callback: Callable[[], object]) -> ManualTimer:
        timer = ManualTimer(when, next(self._numbers), callback)
        heapq.heappush(self._timers, timer)
        return timer

    async def advance(self, seconds: float) -> None:
        """Turn the hands, making each call at its own time; the loop gets to run what each sets off."""
        end = self._now + seconds
        await settle()
        while self._timers and self._timers[0].when <= end:
            timer = heapq.heappop(self._timers)
            self._now = max(self._now, timer.when)
            if not timer.cancelled:
                timer.callback()
            await settle()
        self._now = end
        await settle()


async def settle(rounds: int = 20) -> None:
    """Let the loop run what is ready, and what that makes ready."""
    for _ in range(rounds):
        await asyncio.sleep(0)
