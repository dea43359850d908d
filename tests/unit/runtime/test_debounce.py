"""Bursts are handed on once: after the quiet, or when they have lasted long enough."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.runtime.debounce import Debounce
from tests.support.clock import ManualClock


class Fired:
    """What was fired, and when."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.times: list[tuple[str, float]] = []
        self.debounce: Debounce[str] = Debounce(self.note, clock=self.clock)

    def note(self, key: str) -> None:
        self.times.append((key, self.clock.now()))


@pytest.fixture
def fired() -> Fired:
    return Fired()


async def test_one_touch_fires_after_the_quiet(fired: Fired) -> None:
    fired.debounce.touch("a", quiet=0.5, longest=5)
    assert fired.debounce.pending("a")
    await fired.clock.advance(10)
    assert fired.times == [("a", 0.5)]
    assert not fired.debounce.pending("a")


async def test_a_burst_fires_once_after_its_last_touch(fired: Fired) -> None:
    for _ in range(5):
        fired.debounce.touch("a", quiet=0.5, longest=5)
        await fired.clock.advance(0.25)
    await fired.clock.advance(10)
    assert fired.times == [("a", 1.5)]


async def test_a_burst_that_does_not_end_fires_after_the_longest_time(fired: Fired) -> None:
    for _ in range(50):
        fired.debounce.touch("a", quiet=0.5, longest=5)
        await fired.clock.advance(0.25)
    assert fired.times == [("a", 5), ("a", 10)]


async def test_no_window_fires_at_once(fired: Fired) -> None:
    fired.debounce.touch("a", quiet=0, longest=5)
    assert fired.times == [("a", 0)]
    await fired.clock.advance(10)
    assert fired.times == [("a", 0)]


async def test_no_window_ends_a_burst_under_way(fired: Fired) -> None:
    fired.debounce.touch("a", quiet=3, longest=5)
    fired.debounce.touch("a", quiet=0, longest=5)
    await fired.clock.advance(10)
    assert fired.times == [("a", 0)]


async def test_a_shorter_window_counts_from_its_touch(fired: Fired) -> None:
    fired.debounce.touch("a", quiet=3, longest=30)
    await fired.clock.advance(1)
    fired.debounce.touch("a", quiet=0.5, longest=30)
    await fired.clock.advance(10)
    assert fired.times == [("a", 1.5)]


async def test_keys_do_not_disturb_each_other(fired: Fired) -> None:
    fired.debounce.touch("a", quiet=1, longest=5)
    await fired.clock.advance(0.75)
    fired.debounce.touch("b", quiet=1, longest=5)
    await fired.clock.advance(10)
    assert fired.times == [("a", 1), ("b", 1.75)]


async def test_a_cancelled_burst_is_not_fired(fired: Fired) -> None:
    fired.debounce.touch("a", quiet=1, longest=5)
    fired.debounce.touch("b", quiet=1, longest=5)
    fired.debounce.cancel("a")
    fired.debounce.cancel("unknown")
    await fired.clock.advance(10)
    assert fired.times == [("b", 1)]


async def test_closing_fires_nothing(fired: Fired) -> None:
    fired.debounce.touch("a", quiet=1, longest=5)
    fired.debounce.touch("b", quiet=1, longest=5)
    fired.debounce.close()
    await fired.clock.advance(10)
    assert fired.times == []


async def test_touching_from_within_begins_a_new_burst() -> None:
    clock = ManualClock()
    times: list[float] = []

    def again(key: str) -> None:
        times.append(clock.now())
        if len(times) < 3:
            debounce.touch(key, quiet=1, longest=5)

    debounce: Debounce[str] = Debounce(again, clock=clock)
    debounce.touch("a", quiet=1, longest=5)
    await clock.advance(10)
    assert times == [1, 2, 3]


async def test_with_the_loops_own_clock() -> None:
    done = asyncio.Event()
    debounce: Debounce[str] = Debounce(lambda _: done.set())
    debounce.touch("a", quiet=0.01, longest=1)
    await asyncio.wait_for(done.wait(), timeout=10)


@given(gaps=st.lists(st.integers(0, 12), min_size=1, max_size=30))
def test_every_touch_is_followed_by_a_fire_in_time(gaps: list[int]) -> None:
    """Times in quarters: quiet 4, longest 20. No touch waits longer than `longest`, none is forgotten."""

    async def play() -> None:
        fired = Fired()
        touches = []
        for gap in gaps:
            await fired.clock.advance(gap)
            touches.append(fired.clock.now())
            fired.debounce.touch("a", quiet=4, longest=20)
        await fired.clock.advance(100)
        fires = [time for _, time in fired.times]
        for touch in touches:
            assert any(touch < fire <= touch + 20 for fire in fires)
        for fire in fires:
            before = [touch for touch in touches if touch < fire]
            assert fire - before[-1] >= 4 or any(fire - touch == 20 for touch in before)

    asyncio.run(play())
