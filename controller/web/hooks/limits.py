"""How much one source may send: a bucket of requests that fills up again, for each of a bounded number of sources.

A source that nobody heard of for a while is forgotten, so that a million addresses cost no more than the bound.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

_SOURCES = 4096


class RateLimit:
    """`burst` requests at once, `per_second` in the long run. `clock` in seconds."""

    def __init__(self, per_second: float, burst: int, clock: Callable[[], float], sources: int = _SOURCES) -> None:
        self._per_second = per_second
        self._burst = float(burst)
        self._clock = clock
        self._sources = sources
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()  # source → (what is left, when)

    def take(self, source: str) -> float:
        """Take one request of this source; 0 if it may, else the seconds until it may."""
        now = self._clock()
        left, then = self._buckets.pop(source, (self._burst, now))
        left = min(self._burst, left + (now - then) * self._per_second)
        wait = 0.0 if left >= 1.0 else (1.0 - left) / self._per_second
        self._buckets[source] = (left - 1.0 if wait == 0.0 else left, now)
        if len(self._buckets) > self._sources:
            self._buckets.popitem(last=False)
        return wait


class Deliveries:
    """The messages that were taken in the last `window` seconds, as far as there is room: one may come again."""

    def __init__(self, window: float, clock: Callable[[], float], most: int = _SOURCES) -> None:
        self._window = window
        self._clock = clock
        self._most = most
        self._taken: OrderedDict[str, float] = OrderedDict()

    def knows(self, delivery: str) -> bool:
        """Whether it was taken within the window."""
        return self._clock() - self._taken.get(delivery, float("-inf")) <= self._window

    def note(self, delivery: str) -> None:
        """It was taken. "" is noted by nobody: nothing tells it from another."""
        if delivery:
            self._taken[delivery] = self._clock()
            self._taken.move_to_end(delivery)
        while len(self._taken) > self._most:
            self._taken.popitem(last=False)
