"""What is news: tables of single steps, and what holds over every sequence of them."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.api.v1alpha1.receivers import NotifyEvent
from controller.objects import ObjectKey
from controller.store.told import Told
from controller.sync.notices import (
    BURST,
    FAILURE,
    WINDOW,
    Closing,
    Decision,
    Findings,
    Matter,
    News,
    Waiting,
    conflict_key,
    conflict_topic,
    decide,
    grouped,
    guard_topic,
    request_topic,
)

KEY = ObjectKey("", "Secret", "shop", "pay")
CONFLICT, GUARD = conflict_topic(KEY), guard_topic("DeletionGuard")
REQUEST = request_topic("https://git.example/shop/pulls/3")
ASKED = Matter("RequestOpened")
TRIPPED = Matter("DeletionGuard")
BROKEN, GONE = Matter("InvalidSpec"), Matter("Unreachable", patient=True)
PATIENCE = 30.0
NOW = 10_000.0


def whole(**topics: Matter) -> Findings:
    """A run that looked at everything."""
    return Findings({name_of(name): matter for name, matter in topics.items()}, Closing.KNOWN, Closing.KNOWN)


def blind(**topics: Matter) -> Findings:
    """A run that was broken off."""
    return Findings({name_of(name): matter for name, matter in topics.items()})


def name_of(word: str) -> str:
    return {"conflict": CONFLICT, "guard": GUARD, "failure": FAILURE, "request": REQUEST}[word]


def opened(detail: str, *times: float) -> Told:
    return Told(True, detail, times)


STEPS: dict[str, tuple[dict[str, Told], Findings, list[tuple[str, NotifyEvent, str]]]] = {
    "nothing was, nothing is": ({}, whole(), []),
    "a conflict opens": (
        {},
        whole(conflict=Matter("ConflictsOpen")),
        [(CONFLICT, NotifyEvent.CONFLICT_OPENED, "ConflictsOpen")],
    ),
    "a conflict is still open": ({CONFLICT: opened("ConflictsOpen")}, whole(conflict=Matter("ConflictsOpen")), []),
    "a conflict is over": (
        {CONFLICT: opened("ConflictsOpen")},
        whole(),
        [(CONFLICT, NotifyEvent.CONFLICT_RESOLVED, "ConflictsOpen")],
    ),
    "a conflict was over": ({CONFLICT: Told(False, "", (NOW - 1,))}, whole(), []),
    "a run that was broken off says nothing about a conflict": ({CONFLICT: opened("ConflictsOpen")}, blind(), []),
    "a guard trips": ({}, whole(guard=TRIPPED), [(GUARD, NotifyEvent.GUARD_TRIPPED, "DeletionGuard")]),
    "a guard trips in a run that was broken off": (
        {},
        blind(guard=TRIPPED),
        [(GUARD, NotifyEvent.GUARD_TRIPPED, "DeletionGuard")],
    ),
    "a request is opened": ({}, whole(request=ASKED), [(REQUEST, NotifyEvent.REQUEST_OPENED, "RequestOpened")]),
    "a request is still open": ({REQUEST: opened("RequestOpened")}, whole(request=ASKED), []),
    "a guard still stops": ({GUARD: opened("DeletionGuard")}, whole(guard=TRIPPED), []),
    "a guard that was not seen after a start": ({GUARD: opened("DeletionGuard")}, blind(), []),
    "a plan passed": (
        {GUARD: opened("DeletionGuard")},
        whole(),
        [(GUARD, NotifyEvent.RECOVERED, "DeletionGuard")],
    ),
    "what needs a person is told at once": (
        {},
        blind(failure=BROKEN),
        [(FAILURE, NotifyEvent.FAILED, "InvalidSpec")],
    ),
    "what may pass by itself is not": ({}, blind(failure=GONE), []),
    "it fails for another reason": (
        {FAILURE: opened("Unreachable")},
        blind(failure=BROKEN),
        [(FAILURE, NotifyEvent.FAILED, "InvalidSpec")],
    ),
    "it recovers": (
        {FAILURE: opened("Unreachable")},
        whole(),
        [(FAILURE, NotifyEvent.RECOVERED, "Unreachable")],
    ),
    "a run that was broken off is no recovery": ({FAILURE: opened("Unreachable")}, blind(), []),
}


@pytest.mark.parametrize("name", STEPS)
def test_a_step(name: str) -> None:
    last, found, expected = STEPS[name]
    decision = decide(last, {}, found, NOW, PATIENCE)
    assert [(one.topic, one.event, one.detail) for one in decision.news] == expected
    assert set(decision.told) == {topic for topic, _, _ in expected}
    after = decide({**last, **decision.told}, decision.waiting, found, NOW + 1, PATIENCE)
    assert after.news == (), "the same finding is told once"


def test_a_request_that_is_over_is_no_news() -> None:
    decision = decide({REQUEST: opened("RequestOpened")}, {}, whole(), NOW, PATIENCE)
    assert (decision.news, decision.told) == ((), {REQUEST: Told(False, "", (NOW,))})
    assert decide({REQUEST: Told(False, "", (NOW,))}, {}, whole(), NOW + WINDOW, PATIENCE).forgotten == (REQUEST,)


def test_what_may_pass_is_told_when_it_has_lasted() -> None:
    first = decide({}, {}, blind(failure=GONE), NOW, PATIENCE)
    assert (first.news, first.again) == ((), NOW + PATIENCE)
    assert first.waiting == {FAILURE: Waiting(True, "Unreachable", NOW)}
    second = decide({}, first.waiting, blind(failure=GONE), NOW + PATIENCE - 0.1, PATIENCE)
    assert (second.news, second.again) == ((), NOW + PATIENCE)
    third = decide({}, second.waiting, blind(failure=GONE), NOW + PATIENCE, PATIENCE)
    assert [one.event for one in third.news] == [NotifyEvent.FAILED]
    assert (third.waiting, third.again) == ({}, None)


def test_what_passed_before_it_was_told_is_never_told() -> None:
    first = decide({}, {}, blind(failure=GONE), NOW, PATIENCE)
    second = decide({}, first.waiting, whole(), NOW + 5, PATIENCE)
    assert second == Decision()
    third = decide({}, second.waiting, blind(failure=GONE), NOW + 40, PATIENCE)
    assert third.again == NOW + 40 + PATIENCE, "it lasts anew"


def test_a_reason_that_changes_lasts_anew() -> None:
    first = decide({}, {}, blind(failure=GONE), NOW, PATIENCE)
    other = Matter("AuthenticationFailed", patient=True)
    second = decide({}, first.waiting, blind(failure=other), NOW + 20, PATIENCE)
    assert second.again == NOW + 20 + PATIENCE


def test_what_comes_and_goes_is_told_as_often_as_the_window_has_room() -> None:
    full = tuple(NOW - 10 * number for number in range(BURST, 0, -1))
    decision = decide({GUARD: Told(False, "", full)}, {}, whole(guard=TRIPPED), NOW, PATIENCE)
    assert (decision.news, decision.again) == ((), full[0] + WINDOW)
    decision = decide(
        {GUARD: Told(False, "", full)}, decision.waiting, whole(guard=TRIPPED), full[0] + WINDOW, PATIENCE
    )
    assert [one.event for one in decision.news] == [NotifyEvent.GUARD_TRIPPED]


def test_what_is_long_over_is_forgotten() -> None:
    last = {GUARD: Told(False, "", (NOW - WINDOW,)), CONFLICT: Told(False, "", (NOW - WINDOW + 1,))}
    decision = decide(last, {}, whole(), NOW, PATIENCE)
    assert (decision.forgotten, decision.told) == ((GUARD,), {})


def test_a_conflict_names_its_object() -> None:
    for key in (KEY, ObjectKey("apps", "Deployment", "shop", "web"), ObjectKey("rbac", "ClusterRole", "", "a:b@<c>")):
        assert conflict_key(conflict_topic(key)) == key


def test_conflicts_of_a_run_are_one_message_and_so_are_recoveries() -> None:
    other = conflict_topic(ObjectKey("", "Secret", "shop", "other"))
    news = [
        News(CONFLICT, NotifyEvent.CONFLICT_OPENED, "ConflictsOpen"),
        News(other, NotifyEvent.CONFLICT_OPENED, "ConflictsOpen"),
        News(FAILURE, NotifyEvent.RECOVERED, "Unreachable"),
        News(GUARD, NotifyEvent.RECOVERED, "DeletionGuard"),
        News(guard_topic("EditGuard"), NotifyEvent.GUARD_TRIPPED, "EditGuard"),
    ]
    assert grouped(news) == {
        (NotifyEvent.CONFLICT_OPENED, "ConflictsOpen"): (CONFLICT, other),
        (NotifyEvent.RECOVERED, ""): (FAILURE, GUARD),
        (NotifyEvent.GUARD_TRIPPED, "EditGuard"): (guard_topic("EditGuard"),),
    }


# --- over every sequence ---------------------------------------------------------------------------------------------

MATTERS = {
    CONFLICT: st.just(Matter("ConflictsOpen")),
    GUARD: st.just(TRIPPED),
    FAILURE: st.sampled_from([BROKEN, GONE, Matter("AuthenticationFailed", patient=True)]),
}
FOUND = st.builds(
    Findings,
    st.fixed_dictionaries({}, optional=MATTERS),
    st.sampled_from(Closing),
    st.sampled_from(Closing),
)
STEP = st.tuples(st.floats(0.0, 400.0), FOUND, st.booleans())


@dataclass
class Life:
    """A fabric's controller, with its restarts: what was told outlives them, what waited does not."""

    told: dict[str, Told] = field(default_factory=dict)
    waiting: dict[str, Waiting] = field(default_factory=dict)
    heard: list[tuple[float, News]] = field(default_factory=list)

    def step(self, now: float, found: Findings, *, restarts: bool = False) -> Decision:
        waiting = {} if restarts else self.waiting
        decision = decide(self.told, waiting, found, now, PATIENCE)
        self.told.update(decision.told)
        for topic in decision.forgotten:
            del self.told[topic]
        self.waiting = dict(decision.waiting)
        self.heard += [(now, one) for one in decision.news]
        return decision


@given(st.lists(STEP, max_size=25))
def test_what_is_heard_makes_sense_and_is_not_too_much(steps: list[tuple[float, Findings, bool]]) -> None:
    life, now = Life(), NOW
    for pause, found, restarts in steps:
        now += pause
        life.step(now, found, restarts=restarts)
        again = life.step(now, found)
        assert again.news == (), "finding it again is no news"
    heard = defaultdict(list)
    for time, one in life.heard:
        heard[one.topic].append((time, one))
    for topic, messages in heard.items():
        closing = {NotifyEvent.CONFLICT_RESOLVED, NotifyEvent.RECOVERED}
        states = [one.event in closing for _, one in messages]
        assert states[0] is False, "nothing is over that was never open"
        details = [one.detail for _, one in messages]
        for number in range(1, len(messages)):
            assert (states[number], details[number]) != (states[number - 1], details[number - 1])
            assert not (states[number] and states[number - 1])
            if topic != FAILURE:
                assert states[number] is not states[number - 1]
        times = [time for time, _ in messages]
        for number in range(BURST, len(times)):
            assert times[number] - times[number - BURST] >= WINDOW - 1e-6


@given(st.lists(STEP, max_size=12), FOUND)
def test_who_listens_ends_up_knowing(steps: list[tuple[float, Findings, bool]], last: Findings) -> None:
    """When nothing moves any more, following `again` tells what is so, and then ends."""
    life, now = Life(), NOW
    for pause, found, restarts in steps:
        now += pause
        life.step(now, found, restarts=restarts)
    found = Findings(last.open, Closing.KNOWN, Closing.KNOWN)
    for _ in range(10):
        decision = life.step(now, found)
        if decision.again is None:
            break
        assert decision.again > now
        now = decision.again
    else:
        raise AssertionError("it never ends")
    known = {topic: Matter(told.detail) for topic, told in life.told.items() if told.is_open}
    assert known == {topic: Matter(matter.detail) for topic, matter in found.open.items()}
