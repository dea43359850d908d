"""What to work on next: the deciding half of the work queue, as plain values with the time as an argument.

A key is in at most two places: *active* (somebody works on it) and *pending* (it is to be worked on, at `due`).
Adding a pending key merges: the earliest due time, the most urgent priority and the greatest age win. An active key
that is added stays pending until it is done, so it is never given out twice at once, and the addition is never lost.
"""

from __future__ import annotations

import heapq
from collections.abc import Hashable
from dataclasses import dataclass
from itertools import count
from typing import Generic, NamedTuple, TypeVar

K = TypeVar("K", bound=Hashable)

FIRST_BACKOFF = 0.75
"""Seconds before the first retry: short enough for a hiccup, long enough not to be one."""

_SLACK = 64
"""Outdated heap entries that are tolerated beyond the live ones before a heap is built anew."""


def backoff(failures: int, cap: float) -> float:
    """Seconds to wait after the `failures`th failure in a row (from 1): 0.75, doubling, at most `cap`."""
    return min(cap, FIRST_BACKOFF * 2.0 ** min(failures - 1, 60))


class Turn(NamedTuple, Generic[K]):
    """A key given out for work: how urgent it was, and since when it has been due."""

    key: K
    priority: int
    due: float


@dataclass(slots=True)
class _Pending:
    """A key that is to be worked on; `age` is a running number, smaller is older."""

    priority: int
    due: float
    age: int


@dataclass(slots=True)
class _Failures:
    """How often a key failed in a row, until when additions wait for it, and whether this turn asked for a retry."""

    count: int = 0
    held_until: float = float("-inf")
    fresh: bool = False


_Slot = tuple[float, float, int, int, K]  # (…, …, age, tick, key): tick is unique, so keys are never compared


class Agenda(Generic[K]):
    """Pending and active keys, ordered by (priority, due, age). Every method takes the time; none reads a clock."""

    def __init__(self) -> None:
        self._pending: dict[K, _Pending] = {}
        self._active: dict[K, Turn[K]] = {}
        self._failures: dict[K, _Failures] = {}
        self._timers: list[_Slot[K]] = []  # pending, not due: (due, priority, age, tick, key)
        self._ready: list[_Slot[K]] = []  # pending, due: (priority, due, age, tick, key)
        self._live: dict[K, int] = {}  # the tick of a pending key's only valid heap entry
        self._numbers = count()

    def add(self, key: K, now: float, *, delay: float = 0.0, priority: int = 0) -> None:
        """Have `key` worked on at `now + delay` at the latest. A lower priority comes first."""
        due = now + delay
        pending = self._pending.get(key)
        if pending is None:
            self._pending[key] = _Pending(priority, due, next(self._numbers))
        elif due < pending.due or priority < pending.priority:
            pending.due, pending.priority = min(due, pending.due), min(priority, pending.priority)
        else:
            return
        self._place(key, now)

    def retry(self, key: K, now: float, cap: float, *, hold: bool = True) -> float:
        """Count a failure and have `key` worked on again after the back-off; its length in seconds is returned.

        With `hold`, additions made until then wait as well (a busy cluster must not hammer a remote that is down);
        without it they are worked on at once, and only the retry waits.
        """
        failures = self._failures.setdefault(key, _Failures())
        failures.count += 1
        failures.fresh = key in self._active
        delay = backoff(failures.count, cap)
        failures.held_until = now + delay if hold else float("-inf")
        turn = self._active.get(key)
        self.add(key, now, delay=delay, priority=turn.priority if turn else 0)
        self._place(key, now)  # even if the addition changed nothing: the hold did
        return delay

    def forget(self, key: K, now: float) -> None:
        """Forget `key`'s failures: the next back-off is the first again, and held additions are held no longer."""
        if self._failures.pop(key, None) and key in self._pending:
            self._place(key, now)

    def take(self, now: float) -> Turn[K] | None:
        """The key to work on now, active from here on; None when nothing is due."""
        self._promote(now)
        while self._ready:
            _, due, _, tick, key = heapq.heappop(self._ready)
            if self._live.get(key) != tick:
                continue
            del self._live[key]
            turn = Turn(key, self._pending.pop(key).priority, due)
            self._active[key] = turn
            return turn
        return None

    def done(self, key: K, now: float) -> None:
        """End `key`'s turn. A turn that asked for no retry was a success: its failures are forgotten."""
        del self._active[key]
        failures = self._failures.get(key)
        if failures is not None:
            if failures.fresh:
                failures.fresh = False
            else:
                del self._failures[key]
        if key in self._pending:
            self._place(key, now)

    def discard(self, key: K) -> None:
        """Take `key` off the agenda with its failures; a turn under way goes on and is not repeated."""
        self._pending.pop(key, None)
        self._live.pop(key, None)
        self._failures.pop(key, None)

    def next_due(self) -> float | None:
        """When the earliest key that waits becomes due; None when none waits."""
        while self._timers and self._live.get(self._timers[0][4]) != self._timers[0][3]:
            heapq.heappop(self._timers)
        return self._timers[0][0] if self._timers else None

    def oldest_unfinished_age(self, now: float) -> float:
        """Seconds since the longest-due key became due, whether it is worked on or not; 0 when nothing is due."""
        ready = (slot[1] for slot in self._ready if self._live.get(slot[4]) == slot[3])
        timed = (slot[0] for slot in self._timers if self._live.get(slot[4]) == slot[3])
        active = (turn.due for turn in self._active.values())
        oldest = min((*ready, *timed, *active), default=now)
        return max(0.0, now - oldest)

    def failures(self, key: K) -> int:
        """How often `key` failed in a row."""
        return self._failures[key].count if key in self._failures else 0

    def is_active(self, key: K) -> bool:
        """Whether somebody works on `key`."""
        return key in self._active

    def counts(self, now: float) -> tuple[int, int, int]:
        """How many keys are due, wait for their time, and are active. An active key that was added counts twice."""
        self._promote(now)
        due = sum(self._live.get(slot[4]) == slot[3] for slot in self._ready)
        return due, len(self._pending) - due, len(self._active)

    def _place(self, key: K, now: float) -> None:
        """Put a pending key into the heap it belongs to; what an older entry of it said no longer counts."""
        self._live.pop(key, None)
        if key in self._active:
            return
        pending = self._pending[key]
        failures = self._failures.get(key)
        due = max(pending.due, failures.held_until) if failures else pending.due
        tick = self._live[key] = next(self._numbers)
        if due > now:
            heapq.heappush(self._timers, (due, pending.priority, pending.age, tick, key))
        else:
            heapq.heappush(self._ready, (pending.priority, due, pending.age, tick, key))
        self._compact()

    def _promote(self, now: float) -> None:
        """Move what has become due from the timers to the ready heap."""
        while self._timers and self._timers[0][0] <= now:
            due, priority, age, tick, key = heapq.heappop(self._timers)
            if self._live.get(key) == tick:
                heapq.heappush(self._ready, (priority, due, age, tick, key))

    def _compact(self) -> None:
        """Drop outdated entries once they outnumber the live ones: long timers, replaced often, would pile up."""
        if len(self._timers) + len(self._ready) <= 2 * len(self._live) + _SLACK:
            return
        for heap in (self._timers, self._ready):
            heap[:] = [slot for slot in heap if self._live.get(slot[4]) == slot[3]]
            heapq.heapify(heap)
