"""Time as an argument: what waits asks a clock, so that a test can turn its hands.

The real one is the event loop's own monotonic time; the other real one is the tests' `ManualClock`.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Protocol


class Timer(Protocol):
    """A call that will be made at its time unless it is cancelled before."""

    def cancel(self) -> None:
        """Let the call not be made. Harmless when it was made already."""


class Clock(Protocol):
    """Monotonic seconds, and calls made at a point of them."""

    def now(self) -> float:
        """Seconds since some fixed moment; never goes back."""

    def call_at(self, when: float, callback: Callable[[], object]) -> Timer:
        """Call `callback` once, when `now()` has reached `when`; never from within this call."""


class LoopClock:
    """The clock of the running event loop."""

    def now(self) -> float:
        """Seconds of the loop's monotonic clock."""
        return asyncio.get_running_loop().time()

    def call_at(self, when: float, callback: Callable[[], object]) -> Timer:
        """Call `callback` from the running loop at `when`."""
        return asyncio.get_running_loop().call_at(when, callback)


def jittered(seconds: float, share: float = 0.1, roll: Callable[[], float] = random.random) -> float:
    """`seconds` moved by up to ±`share` of it, so that what was started together does not stay together."""
    return seconds * (1 + share * (2 * roll() - 1))
