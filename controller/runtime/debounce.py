"""Waiting until it is quiet: what comes in bursts is handed on once, when a burst is over or has lasted long enough.

This is how a batch window works: the queue's own timers keep the *earliest* time of a key, a burst wants the latest.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeVar

from controller.runtime.clock import Clock, LoopClock, Timer

K = TypeVar("K", bound=Hashable)


@dataclass(slots=True)
class _Burst:
    quiet_at: float
    longest_at: float
    timer: Timer | None = None

    @property
    def ends_at(self) -> float:
        return min(self.quiet_at, self.longest_at)


class Debounce(Generic[K]):
    """Calls `fire(key)` once per burst of `touch(key)`. For one event loop."""

    def __init__(self, fire: Callable[[K], None], *, clock: Clock | None = None) -> None:
        self._fire = fire
        self._clock = clock or LoopClock()
        self._bursts: dict[K, _Burst] = {}

    def touch(self, key: K, quiet: float, longest: float) -> None:
        """Fire `quiet` seconds after the last touch, but at most `longest` seconds after the first; 0: at once."""
        if quiet <= 0 or longest <= 0:
            self.cancel(key)
            self._fire(key)
            return
        now = self._clock.now()
        burst = self._bursts.get(key)
        if burst is None:
            burst = self._bursts[key] = _Burst(now + quiet, now + longest)
            self._set_timer(key, burst)
            return
        ends_at = burst.ends_at
        burst.quiet_at = now + quiet
        burst.longest_at = min(burst.longest_at, now + longest)
        if burst.ends_at < ends_at:  # a later end is seen when the timer rings: a touch then costs no timer
            self._set_timer(key, burst)

    def cancel(self, key: K) -> None:
        """Forget `key`'s burst without firing."""
        burst = self._bursts.pop(key, None)
        if burst is not None and burst.timer is not None:
            burst.timer.cancel()

    def close(self) -> None:
        """Forget every burst."""
        for key in list(self._bursts):
            self.cancel(key)

    def pending(self, key: K) -> bool:
        """Whether a burst of `key` has not been fired yet."""
        return key in self._bursts

    def _set_timer(self, key: K, burst: _Burst) -> None:
        if burst.timer is not None:
            burst.timer.cancel()
        burst.timer = self._clock.call_at(burst.ends_at, partial(self._ring, key))

    def _ring(self, key: K) -> None:
        burst = self._bursts[key]
        if burst.ends_at > self._clock.now():
            self._set_timer(key, burst)
            return
        del self._bursts[key]
        self._fire(key)
