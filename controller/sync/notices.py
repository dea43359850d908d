"""What is news of a fabric: a comparison of what receivers were told last with what is so now. Pure.

A *topic* is what can be open or over: one conflict, one guard, the failing of the fabric as a whole. Each change of a
topic is told once, however many runs find it again. What comes and goes is damped: see `BURST` and `patient`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum

from controller.api.v1alpha1.receivers import NotifyEvent
from controller.objects import ObjectKey
from controller.store.told import Told

FAILURE = "failure"
_GUARD = "guard/"
_CONFLICT = "conflict/"
_REQUEST = "request/"

BURST = 4
"""Messages about one topic within `WINDOW`: it opened, was over, opened again, was over again. What changes more often
is told when the window has room again, if it is still another state than the one that was told."""

WINDOW = 600.0  # seconds


class Closing(Enum):
    """What the absence of a topic means, as far as the run that looked can tell."""

    KNOWN = "known"  # what was not found is over
    UNKNOWN = "unknown"  # nothing can be told of it: everything stays as it was told


@dataclass(frozen=True, slots=True)
class Matter:
    """An open topic: why, and whether it may pass by itself and so has to last before it is told."""

    detail: str = ""
    patient: bool = False


@dataclass(frozen=True, slots=True)
class Findings:
    """What a run found open. `conflicts` and `others` (guards, the failure): whether what is missing here is over."""

    open: Mapping[str, Matter] = field(default_factory=dict)
    conflicts: Closing = Closing.UNKNOWN
    others: Closing = Closing.UNKNOWN


@dataclass(frozen=True, slots=True)
class News:
    """One thing to tell of one topic. `detail`: the reason, of what opened now or of what is over."""

    topic: str
    event: NotifyEvent
    detail: str


@dataclass(frozen=True, slots=True)
class Waiting:
    """A state that was not told yet, and since when it holds."""

    is_open: bool
    detail: str
    since: float


@dataclass(frozen=True, slots=True)
class Decision:
    """What to tell, what to remember of it, and when to look again although nothing happened (None: never)."""

    news: tuple[News, ...] = ()
    told: Mapping[str, Told] = field(default_factory=dict)
    forgotten: tuple[str, ...] = ()
    waiting: Mapping[str, Waiting] = field(default_factory=dict)
    again: float | None = None


def conflict_topic(key: ObjectKey) -> str:
    """The topic of an object's conflict. No part of a key can hold a slash."""
    return f"{_CONFLICT}{key.group}/{key.kind}/{key.namespace}/{key.name}"


def conflict_key(topic: str) -> ObjectKey:
    """The object of a conflict's topic."""
    return ObjectKey(*topic.removeprefix(_CONFLICT).split("/", 3))


def request_topic(where: str) -> str:
    """The topic of a pull request, which is known by its page, or its branch."""
    return f"{_REQUEST}{where}"


def request_place(topic: str) -> str:
    """The page or branch of a pull request's topic."""
    return topic.removeprefix(_REQUEST)


def is_request(topic: str) -> bool:
    """Whether the topic is a pull request. Of one that is over nobody is told: who ended it knows."""
    return topic.startswith(_REQUEST)


def guard_topic(reason: str) -> str:
    """The topic of a guard."""
    return f"{_GUARD}{reason}"


def decide(
    last: Mapping[str, Told], waiting: Mapping[str, Waiting], found: Findings, now: float, patience: float
) -> Decision:
    """Compare. `patience`: seconds that what may pass by itself must last before it is told."""
    news: list[News] = []
    told: dict[str, Told] = {}
    still: dict[str, Waiting] = {}
    due: list[float] = []
    for topic in sorted(last.keys() | found.open.keys()):
        before, matter = last.get(topic, Told()), found.open.get(topic)
        if matter is None and _closing(topic, found) is Closing.UNKNOWN:
            continue
        state = Waiting(matter is not None, "" if matter is None else matter.detail, now)
        if (before.is_open, before.detail) == (state.is_open, state.detail):
            continue
        known = waiting.get(topic)
        if known is not None and (known.is_open, known.detail) == (state.is_open, state.detail):
            state = known
        ready = _ready(before, state, patience if matter is not None and matter.patient else 0.0)
        if ready > now:
            still[topic] = state
            due.append(ready)
            continue
        if state.is_open or not is_request(topic):
            news.append(_news(topic, before, state))
        times = (*before.times, now)[-BURST:]
        told[topic] = Told(state.is_open, state.detail, times)
    gone = tuple(topic for topic, before in last.items() if topic not in told and _is_stale(before, topic, found, now))
    return Decision(tuple(news), told, gone, still, min(due, default=None))


def _closing(topic: str, found: Findings) -> Closing:
    return found.conflicts if topic.startswith(_CONFLICT) else found.others


def _ready(before: Told, state: Waiting, patience: float) -> float:
    """When a state may be told: it has lasted, and the last messages are far enough apart."""
    ready = state.since + patience
    if len(before.times) >= BURST:
        ready = max(ready, before.times[-BURST] + WINDOW)
    return ready


def _is_stale(before: Told, topic: str, found: Findings, now: float) -> bool:
    """Whether a topic is over, and so long that no window remembers it."""
    return not before.is_open and topic not in found.open and all(time + WINDOW <= now for time in before.times)


def _news(topic: str, before: Told, state: Waiting) -> News:
    """The event of a change."""
    if topic.startswith(_CONFLICT):
        event = NotifyEvent.CONFLICT_OPENED if state.is_open else NotifyEvent.CONFLICT_RESOLVED
    elif is_request(topic):
        event = NotifyEvent.REQUEST_OPENED
    elif not state.is_open:
        event = NotifyEvent.RECOVERED
    else:
        event = NotifyEvent.FAILED if topic == FAILURE else NotifyEvent.GUARD_TRIPPED
    return News(topic, event, state.detail if state.is_open else before.detail)


def grouped(news: Iterable[News]) -> dict[tuple[NotifyEvent, str], tuple[str, ...]]:
    """The messages to send: (event, reason) → topics. All conflicts of a run are one message, and all recoveries."""
    found: dict[tuple[NotifyEvent, str], tuple[str, ...]] = {}
    for one in news:
        key = (one.event, "" if one.event is NotifyEvent.RECOVERED else one.detail)
        found[key] = (*found.get(key, ()), one.topic)
    return found
