"""The deciding half of the queue: what is next, by tables first, then by any sequence of calls."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from controller.runtime.agenda import Agenda, Turn, backoff


@pytest.fixture
def agenda() -> Agenda[str]:
    return Agenda()


def taken(agenda: Agenda[str], now: float) -> list[str]:
    """Every key that is due, in the order it is given out; each is done at once."""
    keys = []
    while turn := agenda.take(now):
        keys.append(turn.key)
        agenda.done(turn.key, now)
    return keys


@pytest.mark.parametrize(
    ("failures", "cap", "seconds"),
    [
        (1, 60, 0.75),
        (2, 60, 1.5),
        (3, 60, 3),
        (6, 60, 24),
        (7, 60, 48),
        (8, 60, 60),
        (9, 60, 60),
        (10**9, 60, 60),
        (1, 0.5, 0.5),
        (2, 30, 1.5),
    ],
)
def test_back_off_doubles_up_to_its_cap(failures: int, cap: float, seconds: float) -> None:
    assert backoff(failures, cap) == seconds


class TestOrder:
    def test_nothing_is_due_at_first(self, agenda: Agenda[str]) -> None:
        assert agenda.take(0) is None
        assert agenda.next_due() is None

    def test_first_come_first_served(self, agenda: Agenda[str]) -> None:
        for key in "cab":
            agenda.add(key, 0)
        assert taken(agenda, 0) == ["c", "a", "b"]

    def test_priority_before_due_before_age(self, agenda: Agenda[str]) -> None:
        agenda.add("late", 3)
        agenda.add("idle", 0, priority=9)
        agenda.add("early", 1)
        agenda.add("early too", 1)
        agenda.add("urgent", 4, priority=-1)
        assert taken(agenda, 5) == ["urgent", "early", "early too", "late", "idle"]

    def test_timers_come_in_by_their_due_time(self, agenda: Agenda[str]) -> None:
        agenda.add("b", 0, delay=2)
        agenda.add("a", 0, delay=1)
        agenda.add("now", 1.5)
        assert taken(agenda, 1.5) == ["a", "now"]
        assert agenda.next_due() == 2
        assert taken(agenda, 2) == ["b"]

    def test_a_more_urgent_addition_moves_a_key_ahead(self, agenda: Agenda[str]) -> None:
        agenda.add("a", 0)
        agenda.add("b", 0)
        agenda.add("b", 0, priority=-5)
        assert taken(agenda, 0) == ["b", "a"]

    def test_a_less_urgent_addition_does_not_move_it_back(self, agenda: Agenda[str]) -> None:
        agenda.add("a", 0)
        agenda.add("b", 0)
        agenda.add("a", 0, priority=5)
        assert taken(agenda, 0) == ["a", "b"]

    def test_a_turn_says_how_urgent_it_was_and_since_when(self, agenda: Agenda[str]) -> None:
        agenda.add("a", 0, delay=2, priority=3)
        assert agenda.take(10) == Turn("a", 3, 2)

    def test_keys_need_no_order_of_their_own(self) -> None:
        mixed: Agenda[object] = Agenda()
        mixed.add(("a", 1), 0)
        mixed.add("b", 0)
        mixed.add(3, 0)
        assert [turn.key for _ in range(3) if (turn := mixed.take(0))] == [("a", 1), "b", 3]


class TestCollapsing:
    def test_a_burst_is_one_turn(self, agenda: Agenda[str]) -> None:
        for _ in range(100):
            agenda.add("a", 0)
        assert taken(agenda, 0) == ["a"]

    def test_the_earliest_time_wins(self, agenda: Agenda[str]) -> None:
        agenda.add("a", 0, delay=10)
        agenda.add("a", 0, delay=60)
        agenda.add("a", 0, delay=5)
        assert agenda.next_due() == 5
        assert taken(agenda, 5) == ["a"]
        assert taken(agenda, 100) == [], "the timers it replaced are gone"

    def test_an_active_key_is_not_given_out_again(self, agenda: Agenda[str]) -> None:
        agenda.add("a", 0)
        assert agenda.take(0)
        agenda.add("a", 1)
        assert agenda.take(1) is None
        assert agenda.next_due() is None, "no timer may wake anybody for it either"

    def test_an_addition_during_a_turn_makes_one_more(self, agenda: Agenda[str]) -> None:
        agenda.add("a", 0)
        agenda.take(0)
        agenda.add("a", 1)
        agenda.add("a", 2)
        agenda.done("a", 3)
        assert agenda.take(3) == Turn("a", 0, 1)
        agenda.done("a", 4)
        assert agenda.take(100) is None

    def test_a_timer_set_during_a_turn_starts_after_it(self, agenda: Agenda[str]) -> None:
        agenda.add("a", 0)
        agenda.take(0)
        agenda.add("a", 0, delay=60)
        agenda.done("a", 5)
        assert agenda.next_due() == 60
        assert taken(agenda, 59) == []
        assert taken(agenda, 60) == ["a"]

    def test_a_timer_that_ran_out_during_a_turn_is_due_when_it_ends(self, agenda: Agenda[str]) -> None:
        agenda.add("a", 0)
        agenda.take(0)
        agenda.add("a", 0, delay=1)
        agenda.done("a", 5)
        assert agenda.take(5) == Turn("a", 0, 1)


class TestBackOff:
    def test_a_retry_waits_and_doubles(self, agenda: Agenda[str]) -> None:
        now, waits = 0.0, []
        agenda.add("a", now)
        for _ in range(5):
            assert agenda.take(now)
            waits.append(agenda.retry("a", now, cap=5))
            agenda.done("a", now)
            assert agenda.next_due() == now + waits[-1]
            now += waits[-1]
        assert waits == [0.75, 1.5, 3, 5, 5]
        assert agenda.failures("a") == 5

    def test_a_turn_without_a_retry_forgets(self, agenda: Agenda[str]) -> None:
        agenda.add("a", 0)
        agenda.take(0)
        agenda.retry("a", 0, cap=60)
        agenda.done("a", 0)
        assert taken(agenda, 1) == ["a"]
        assert agenda.failures("a") == 0
        assert agenda.retry("a", 1, cap=60) == 0.75

    def test_additions_wait_for_the_back_off(self, agenda: Agenda[str]) -> None:
        agenda.add("a", 0)
        agenda.take(0)
        agenda.add("a", 0)
        agenda.retry("a", 0, cap=60)
        agenda.done("a", 0)
        agenda.add("a", 0.5)
        assert taken(agenda, 0.7) == []
        assert taken(agenda, 0.75) == ["a"]

    def test_additions_pass_a_retry_that_does_not_hold(self, agenda: Agenda[str]) -> None:
        agenda.add("a", 0)
        agenda.take(0)
        agenda.retry("a", 0, cap=60, hold=False)
        agenda.done("a", 0)
        assert taken(agenda, 0.1) == []
        agenda.add("a", 0.2)
        assert taken(agenda, 0.2) == ["a"]

    def test_a_retry_that_does_not_hold_ends_an_earlier_hold(self, agenda: Agenda[str]) -> None:
        agenda.retry("a", 0, cap=60)
        agenda.retry("a", 0, cap=60, hold=False)
        agenda.add("a", 0)
        assert taken(agenda, 0) == ["a"]

    def test_forgetting_lets_held_additions_through(self, agenda: Agenda[str]) -> None:
        agenda.retry("a", 0, cap=60)
        agenda.add("a", 0.1)
        agenda.forget("a", 0.2)
        assert taken(agenda, 0.2) == ["a"]

    def test_forgetting_without_an_addition_leaves_the_retry_where_it_was(self, agenda: Agenda[str]) -> None:
        agenda.retry("a", 0, cap=60)
        agenda.forget("a", 0.2)
        assert taken(agenda, 0.2) == []
        assert taken(agenda, 0.75) == ["a"]

    def test_forgetting_during_a_turn_starts_the_count_anew(self, agenda: Agenda[str]) -> None:
        agenda.retry("a", 0, cap=60)
        agenda.take(1)
        agenda.forget("a", 1)
        assert agenda.retry("a", 1, cap=60) == 0.75

    def test_a_key_nobody_knows_can_be_forgotten(self, agenda: Agenda[str]) -> None:
        agenda.forget("a", 0)
        assert agenda.failures("a") == 0

    def test_a_retry_keeps_the_priority_of_its_turn(self, agenda: Agenda[str]) -> None:
        agenda.add("a", 0, priority=-3)
        agenda.take(0)
        agenda.retry("a", 0, cap=60)
        agenda.done("a", 0)
        assert agenda.take(1) == Turn("a", -3, 0.75)

    def test_one_keys_back_off_is_not_anothers(self, agenda: Agenda[str]) -> None:
        agenda.retry("a", 0, cap=60)
        agenda.add("b", 0)
        assert taken(agenda, 0) == ["b"]


class TestDiscard:
    def test_a_pending_key_is_gone(self, agenda: Agenda[str]) -> None:
        agenda.add("a", 0)
        agenda.add("b", 0, delay=5)
        agenda.discard("a")
        agenda.discard("b")
        assert taken(agenda, 100) == []
        assert agenda.next_due() is None

    def test_a_turn_under_way_is_not_repeated(self, agenda: Agenda[str]) -> None:
        agenda.add("a", 0)
        agenda.take(0)
        agenda.add("a", 0)
        agenda.discard("a")
        agenda.done("a", 0)
        assert agenda.take(100) is None

    def test_it_may_come_again(self, agenda: Agenda[str]) -> None:
        agenda.add("a", 0)
        agenda.discard("a")
        agenda.add("a", 1)
        assert taken(agenda, 1) == ["a"]


class TestWhatItTells:
    def test_idle_has_no_age(self, agenda: Agenda[str]) -> None:
        assert agenda.oldest_unfinished_age(100) == 0

    def test_what_waits_for_its_time_has_no_age(self, agenda: Agenda[str]) -> None:
        agenda.add("a", 0, delay=50)
        assert agenda.oldest_unfinished_age(40) == 0

    def test_what_is_due_ages_even_if_nobody_looks(self, agenda: Agenda[str]) -> None:
        agenda.add("a", 0, delay=50)
        assert agenda.oldest_unfinished_age(60) == 10

    def test_what_is_worked_on_ages_since_it_was_due(self, agenda: Agenda[str]) -> None:
        agenda.add("a", 0)
        agenda.take(5)
        assert agenda.oldest_unfinished_age(60) == 60
        agenda.done("a", 60)
        assert agenda.oldest_unfinished_age(60) == 0

    def test_a_replaced_timer_does_not_age(self, agenda: Agenda[str]) -> None:
        agenda.add("a", 0, delay=50)
        agenda.add("a", 0)
        assert taken(agenda, 0) == ["a"]
        assert agenda.oldest_unfinished_age(100) == 0

    def test_counts(self, agenda: Agenda[str]) -> None:
        for key in "abc":
            agenda.add(key, 0)
        agenda.add("later", 0, delay=9)
        agenda.take(0)
        assert agenda.counts(0) == (2, 1, 1)
        assert agenda.counts(9) == (3, 0, 1)
        assert agenda.is_active("a")
        assert not agenda.is_active("b")


def test_long_timers_that_are_replaced_often_do_not_pile_up(agenda: Agenda[str]) -> None:
    for turn in range(5_000):
        agenda.add("a", turn, delay=86_400)
        agenda.add("a", turn)
        assert taken(agenda, turn) == ["a"]
    assert len(agenda._timers) + len(agenda._ready) < 100


class AnySequence(RuleBasedStateMachine):
    """Any order of calls: never two turns of one key at once, never an addition lost, never a wrong order."""

    keys = st.sampled_from(["a", "b", "c", "d"])

    def __init__(self) -> None:
        super().__init__()
        self.agenda: Agenda[str] = Agenda()
        self.now = 0.0
        self.active: dict[str, bool] = {}  # key → whether its turn asked for a retry
        self.wanted: dict[str, float] = {}  # key → the latest moment at which it must be given out
        self.held: dict[str, float] = {}
        self.priority: dict[str, int] = {}
        self.turn_priority: dict[str, int] = {}

    def want(self, key: str, due: float, priority: int) -> None:
        self.wanted[key] = min(due, self.wanted.get(key, due))
        self.priority[key] = min(priority, self.priority.get(key, priority))

    def due(self, key: str) -> float:
        return max(self.wanted[key], self.held.get(key, 0.0))

    def ready(self) -> list[str]:
        return [key for key in self.wanted if key not in self.active and self.due(key) <= self.now]

    @rule(key=keys, delay=st.sampled_from([0.0, 0.5, 3.0, 1000.0]), priority=st.integers(-1, 1))
    def add(self, key: str, delay: float, priority: int) -> None:
        self.agenda.add(key, self.now, delay=delay, priority=priority)
        self.want(key, self.now + delay, priority)

    @rule(seconds=st.sampled_from([0.25, 1.0, 10.0, 2000.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def take(self) -> None:
        ready = self.ready()
        turn = self.agenda.take(self.now)
        if turn is None:
            assert not ready, "something was due and not given out"
            return
        assert turn.key in ready, "given out twice, too early, or without being wanted"
        best = min((self.priority[key], self.due(key)) for key in ready)
        assert (self.priority[turn.key], self.due(turn.key)) == best == (turn.priority, turn.due)
        self.active[turn.key] = False
        self.turn_priority[turn.key] = turn.priority
        del self.wanted[turn.key], self.priority[turn.key]

    @precondition(lambda self: self.active)
    @rule(data=st.data())
    def done(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(sorted(self.active)))
        self.agenda.done(key, self.now)
        if not self.active.pop(key):
            self.held.pop(key, None)
            assert self.agenda.failures(key) == 0

    @rule(key=keys, hold=st.booleans())
    def retry(self, key: str, *, hold: bool) -> None:
        failures = self.agenda.failures(key)
        delay = self.agenda.retry(key, self.now, 20.0, hold=hold)
        assert delay == backoff(failures + 1, 20.0)
        self.held.pop(key, None)
        if hold:
            self.held[key] = self.now + delay
        self.want(key, self.now + delay, self.turn_priority[key] if key in self.active else 0)
        if key in self.active:
            self.active[key] = True

    @rule(key=keys)
    def forget(self, key: str) -> None:
        self.agenda.forget(key, self.now)
        self.held.pop(key, None)
        if key in self.active:
            self.active[key] = False

    @rule(key=keys)
    def discard(self, key: str) -> None:
        self.agenda.discard(key)
        for of in (self.wanted, self.priority, self.held):
            of.pop(key, None)
        if key in self.active:
            self.active[key] = False

    @invariant()
    def it_knows_what_it_holds(self) -> None:
        due, waiting, active = self.agenda.counts(self.now)
        assert due == len(self.ready())
        assert due + waiting == len(self.wanted)
        assert active == len(self.active)

    @invariant()
    def it_wakes_up_in_time(self) -> None:
        later = [self.due(key) for key in self.wanted if key not in self.active and self.due(key) > self.now]
        assert self.agenda.next_due() == min(later, default=None)

    def teardown(self) -> None:
        """Whatever happened: with enough time every key that was wanted is given out exactly once more."""
        for key in list(self.active):
            self.agenda.done(key, self.now)
        self.now += 10_000
        assert sorted(taken(self.agenda, self.now)) == sorted(self.wanted)


AnySequence.TestCase.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)
TestAnySequence = AnySequence.TestCase
