"""Who keeps undoing whom: pure counters of corrections, alternating write-backs and commits per object.

A *fight* is one path corrected more than 3 times in 10 minutes, or written to Git with values that come back
(A, B, A) three times. A *flood* is more commits for one object in an hour than the fabric allows. Times are
seconds, given by the caller.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from controller.objects import ObjectKey

WINDOW = 600.0
CORRECTIONS = 3  # more than this many in the window is a fight
RETURNS = 3  # a value that came back this often in the window is a fight
HOUR = 3600.0


@dataclass(slots=True)
class _PathHistory:
    corrections: deque[float] = field(default_factory=deque)
    written: deque[tuple[float, bytes]] = field(default_factory=deque)
    returns: deque[float] = field(default_factory=deque)
    opponent: str = ""
    quiet_since: float = 0.0
    fighting: bool = False


class FightLog:
    """The recent past of one fabric's paths and objects. Kept in memory: a restart gives everybody a new chance."""

    def __init__(self) -> None:
        self._paths: dict[ObjectKey, dict[str, _PathHistory]] = {}
        self._commits: dict[ObjectKey, deque[float]] = {}
        self._floods: dict[ObjectKey, float] = {}  # object with no commits left → when it may have the next one

    def note_correction(self, key: ObjectKey, path: str, opponent: str, now: float) -> None:
        """The cluster's value at `path` was put back to Git's; `opponent` is who had changed it."""
        history = self._history(key, path, opponent, now)
        history.corrections.append(now)
        if len(_recent(history.corrections, now, WINDOW)) > CORRECTIONS:
            history.fighting = True

    def note_write_back(self, key: ObjectKey, path: str, value: bytes, opponent: str, now: float) -> None:
        """`value` of `path` was written to Git; a value that had been there before in the window counts."""
        history = self._history(key, path, opponent, now)
        while history.written and history.written[0][0] < now - WINDOW:
            history.written.popleft()
        earlier = [seen for _, seen in history.written]
        if value in earlier[:-1] and earlier[-1] != value:
            history.returns.append(now)
        history.written.append((now, value))
        if len(_recent(history.returns, now, WINDOW)) >= RETURNS:
            history.fighting = True

    def note_disturbance(self, key: ObjectKey, now: float) -> None:
        """The object was looked at while it was left alone, so somebody changed it: the quiet time starts anew."""
        for history in self._paths.get(key, {}).values():
            if history.fighting:
                history.quiet_since = now

    def note_commit(self, key: ObjectKey, now: float) -> None:
        """One commit held an edit of this object."""
        self._commits.setdefault(key, deque()).append(now)

    def fighting(self, key: ObjectKey, now: float) -> dict[str, str]:
        """Paths of the object that are left as they are → the other manager's name."""
        found = {}
        for path, history in self._paths.get(key, {}).items():
            if history.fighting and now - history.quiet_since >= WINDOW:
                history.fighting = False
                history.corrections.clear()
                history.returns.clear()
            if history.fighting:
                found[path] = history.opponent
        return found

    def flooded(self, key: ObjectKey, limit: int, now: float) -> bool:
        """Whether the object had its commits of this hour; a limit of 0 is none."""
        commits = self._commits.get(key)
        if not limit or not commits or len(_recent(commits, now, HOUR)) < limit:
            self._floods.pop(key, None)
            return False
        self._floods[key] = commits[len(commits) - limit] + HOUR
        return True

    def ended(self, now: float) -> set[ObjectKey]:
        """Objects that were left alone for a fight or a flood and need not be any longer: to be planned again."""
        return {key for key, end in self._ends() if end <= now}

    def next_end(self, now: float) -> float | None:
        """Seconds until the first fight or flood ends by quiet, None when there is none."""
        end = min((end for _, end in self._ends()), default=None)
        return None if end is None else max(0.0, end - now)

    def _ends(self) -> Iterator[tuple[ObjectKey, float]]:
        for key, paths in self._paths.items():
            yield from ((key, history.quiet_since + WINDOW) for history in paths.values() if history.fighting)
        yield from self._floods.items()

    def reset(self, keys: Iterable[ObjectKey] | None = None) -> None:
        """A person asked for a run: every path (of the keys) gets a new chance."""
        for key in list(self._paths) if keys is None else keys:
            self._paths.pop(key, None)

    def _history(self, key: ObjectKey, path: str, opponent: str, now: float) -> _PathHistory:
        history = self._paths.setdefault(key, {}).setdefault(path, _PathHistory())
        history.opponent = opponent or history.opponent
        history.quiet_since = now
        return history


def _recent(times: deque[float], now: float, window: float) -> deque[float]:
    while times and times[0] < now - window:
        times.popleft()
    return times
