"""The acting half of the queue: tasks, timers, and a good end."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

import pytest
from structlog.testing import capture_logs

from controller.runtime.queue import QueueHooks, WorkQueue
from tests.support.clock import ManualClock, settle


class Work:
    """A handler that notes what it does, and holds a key's turn open while the test wants it to."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.ended: list[str] = []
        self.now: Counter[str] = Counter()
        self.most = 0
        self.gates: dict[str, asyncio.Event] = {}
        self.errors: dict[str, BaseException] = {}

    def hold(self, key: str) -> asyncio.Event:
        self.gates[key] = asyncio.Event()
        return self.gates[key]

    async def __call__(self, key: str) -> None:
        self.begun.append(key)
        self.now[key] += 1
        assert self.now[key] == 1, "one key twice at once"
        self.most = max(self.most, self.now.total())
        try:
            if key in self.gates:
                await self.gates[key].wait()
            if key in self.errors:
                raise self.errors[key]
        finally:
            self.now[key] -= 1
            self.ended.append(key)


class Notes(QueueHooks):
    def __init__(self) -> None:
        self.waited: list[float] = []
        self.took: list[float] = []
        self.retries = 0

    def started(self, waited: float) -> None:
        self.waited.append(waited)

    def finished(self, took: float) -> None:
        self.took.append(took)

    def retried(self) -> None:
        self.retries += 1


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def notes() -> Notes:
    return Notes()


@pytest.fixture
def work() -> Work:
    return Work()


@pytest.fixture
async def queue(clock: ManualClock, notes: Notes, work: Work) -> AsyncIterator[WorkQueue[str]]:
    """A queue with two workers, running."""
    queue: WorkQueue[str] = WorkQueue(clock=clock, hooks=notes)
    task = asyncio.create_task(queue.run(2, work))
    await settle()
    yield queue
    await queue.stop(drain=0)
    await task


async def test_what_is_added_is_worked_on(queue: WorkQueue[str], work: Work) -> None:
    queue.add("a")
    await settle()
    assert work.ended == ["a"]


async def test_what_was_added_before_the_start_is_worked_on(clock: ManualClock, work: Work) -> None:
    queue: WorkQueue[str] = WorkQueue(clock=clock)
    queue.add("a")
    queue.add_after("b", 5)
    task = asyncio.create_task(queue.run(1, work))
    await settle()
    assert work.ended == ["a"]
    await clock.advance(5)
    assert work.ended == ["a", "b"]
    await queue.stop(drain=0)
    await task


async def test_a_burst_is_one_turn(queue: WorkQueue[str], work: Work) -> None:
    for _ in range(100):
        queue.add("a")
    await settle()
    assert work.ended == ["a"]


async def test_a_burst_is_ordered_as_a_whole(queue: WorkQueue[str], work: Work) -> None:
    for key in "abcd":
        queue.add(key)
    queue.add("urgent", priority=-1)
    await settle()
    assert work.begun == ["urgent", "a", "b", "c", "d"]


async def test_no_more_at_once_than_there_are_workers(queue: WorkQueue[str], work: Work) -> None:
    gates = [work.hold(key) for key in "abc"]
    for key in "abc":
        queue.add(key)
    await settle()
    assert work.begun == ["a", "b"]
    assert queue.counts() == (1, 0, 2)
    gates[1].set()
    await settle()
    assert work.begun == ["a", "b", "c"]
    assert work.most == 2


async def test_an_addition_during_a_turn_makes_one_more(queue: WorkQueue[str], work: Work) -> None:
    gate = work.hold("a")
    queue.add("a")
    await settle()
    for _ in range(10):
        queue.add("a")
    await settle()
    assert work.begun == ["a"]
    gate.set()
    await settle()
    assert work.ended == ["a", "a"]


async def test_a_busy_key_keeps_nobody_waiting(queue: WorkQueue[str], work: Work) -> None:
    work.hold("a")
    queue.add("a")
    await settle()
    queue.add("a")
    queue.add("b")
    await settle()
    assert work.ended == ["b"]


async def test_timers(queue: WorkQueue[str], work: Work, clock: ManualClock) -> None:
    queue.add_after("b", 2)
    queue.add_after("a", 1)
    await clock.advance(0.9)
    assert work.ended == []
    await clock.advance(0.1)
    assert work.ended == ["a"]
    await clock.advance(1)
    assert work.ended == ["a", "b"]


async def test_a_timer_set_later_for_an_earlier_moment(queue: WorkQueue[str], work: Work, clock: ManualClock) -> None:
    queue.add_after("late", 100)
    await clock.advance(1)
    queue.add_after("early", 1)
    await clock.advance(1)
    assert work.ended == ["early"]
    await clock.advance(98)
    assert work.ended == ["early", "late"]


async def test_a_handler_asks_for_its_next_turn(clock: ManualClock) -> None:
    turns: list[float] = []
    queue: WorkQueue[str] = WorkQueue(clock=clock)

    async def poll(key: str) -> None:
        turns.append(clock.now())
        queue.add_after(key, 60)

    task = asyncio.create_task(queue.run(1, poll))
    queue.add("a")
    await clock.advance(185)
    assert turns == [0, 60, 120, 180]
    await queue.stop(drain=0)
    await task


async def test_an_error_is_logged_and_retried_with_back_off(
    queue: WorkQueue[str], work: Work, clock: ManualClock, notes: Notes
) -> None:
    work.errors["a"] = ValueError("broken")
    with capture_logs() as logs:
        queue.add("a")
        await clock.advance(0.75 + 1.5 + 3)
    assert work.ended == ["a"] * 4
    assert notes.retries == 4
    assert [(line["event"], line["key"], line["retry_in"]) for line in logs] == [
        ("the handler failed", "a", 0.75),
        ("the handler failed", "a", 1.5),
        ("the handler failed", "a", 3),
        ("the handler failed", "a", 6),
    ]
    assert logs[0]["exc_info"] is work.errors["a"]
    del work.errors["a"]
    await clock.advance(6)
    assert queue.failures("a") == 0
    assert queue.counts() == (0, 0, 0)


async def test_an_error_in_one_key_holds_up_no_other(queue: WorkQueue[str], work: Work) -> None:
    work.errors["a"] = ValueError("broken")
    for key in "abc":
        queue.add(key)
    with capture_logs():
        await settle()
    assert work.ended == ["a", "b", "c"]


async def test_a_handler_that_cancels_itself_is_retried(
    queue: WorkQueue[str], work: Work, clock: ManualClock, notes: Notes
) -> None:
    work.errors["a"] = asyncio.CancelledError()
    queue.add("a")
    await clock.advance(0.75)
    assert work.ended == ["a", "a"]
    assert notes.retries == 2


async def test_a_retry_with_a_cap_of_its_own(queue: WorkQueue[str], clock: ManualClock) -> None:
    assert [queue.retry("a", cap=2) for _ in range(3)] == [0.75, 1.5, 2]


async def test_forgetting_lets_what_waited_through(queue: WorkQueue[str], work: Work) -> None:
    queue.retry("a")
    queue.add("a")
    await settle()
    assert work.ended == []
    queue.forget("a")
    await settle()
    assert work.ended == ["a"]


async def test_discarded_is_not_worked_on(queue: WorkQueue[str], work: Work, clock: ManualClock) -> None:
    queue.add_after("a", 1)
    queue.discard("a")
    await clock.advance(10)
    assert work.ended == []


async def test_age_of_the_oldest_unfinished(queue: WorkQueue[str], work: Work, clock: ManualClock) -> None:
    gate = work.hold("a")
    queue.add("a")
    queue.add_after("b", 5)
    await clock.advance(100)
    assert queue.oldest_unfinished_age() == 100
    gate.set()
    await settle()
    assert queue.oldest_unfinished_age() == 0


async def test_hooks_are_told_how_long_it_waited_and_took(
    queue: WorkQueue[str], work: Work, clock: ManualClock, notes: Notes
) -> None:
    gates = [work.hold(key) for key in "abc"]
    for key in "abc":
        queue.add(key)
    await clock.advance(3)
    gates[0].set()
    await clock.advance(4)
    gates[2].set()
    await settle()
    assert notes.waited == [0, 0, 3]
    assert notes.took == [3, 4]


async def test_each_turn_has_a_context_of_its_own(clock: ManualClock) -> None:
    tasks: list[asyncio.Task[None] | None] = []
    queue: WorkQueue[str] = WorkQueue(clock=clock)

    async def note(_: str) -> None:
        tasks.append(asyncio.current_task())

    running = asyncio.create_task(queue.run(1, note))
    queue.add("a")
    queue.add("b")
    await settle()
    assert len(set(tasks)) == 2
    await queue.stop(drain=0)
    await running


class TestStop:
    async def test_what_is_under_way_may_finish(self, queue: WorkQueue[str], work: Work) -> None:
        gate = work.hold("a")
        queue.add("a")
        await settle()
        stopping = asyncio.create_task(queue.stop(drain=60))
        await settle()
        assert not stopping.done()
        gate.set()
        assert await stopping == 0
        assert work.ended == ["a"]

    async def test_nothing_new_is_started(self, queue: WorkQueue[str], work: Work, clock: ManualClock) -> None:
        gate = work.hold("a")
        queue.add("a")
        queue.add_after("timer", 1)
        await settle()
        stopping = asyncio.create_task(queue.stop(drain=60))
        await settle()
        queue.add("b")
        await clock.advance(5)
        gate.set()
        await stopping
        await settle()
        assert work.ended == ["a"]

    async def test_what_does_not_finish_in_time_is_cancelled(self, queue: WorkQueue[str], work: Work) -> None:
        work.hold("a")
        work.hold("b")
        queue.add("a")
        queue.add("b")
        await settle()
        assert await queue.stop(drain=0.01) == 2
        assert sorted(work.ended) == ["a", "b"]
        assert queue.failures("a") == 0, "being stopped is no failure"

    async def test_a_turn_that_had_not_begun_is_cancelled_too(self, queue: WorkQueue[str], work: Work) -> None:
        queue.add("a")
        await asyncio.sleep(0)
        assert await queue.stop(drain=0) in {0, 1}
        assert work.now.total() == 0
        assert queue.counts().active == 0

    async def test_the_queue_ends_when_it_is_cancelled(self, clock: ManualClock, work: Work) -> None:
        queue: WorkQueue[str] = WorkQueue(clock=clock)
        task = asyncio.create_task(queue.run(1, work))
        work.hold("a")
        queue.add("a")
        await settle()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert work.ended == ["a"]

    async def test_stopped_before_it_ran(self, clock: ManualClock, work: Work) -> None:
        queue: WorkQueue[str] = WorkQueue(clock=clock)
        queue.add("a")
        await queue.stop(drain=0)
        await queue.run(1, work)
        assert work.begun == []

    async def test_a_handler_that_will_not_end_is_named(
        self, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("controller.runtime.queue._CANCEL_GRACE", 0.01)
        release = asyncio.Event()
        queue: WorkQueue[str] = WorkQueue(clock=clock)

        async def deaf(_: str) -> None:
            while not release.is_set():
                try:
                    await release.wait()
                except asyncio.CancelledError:
                    continue

        task = asyncio.create_task(queue.run(1, deaf))
        queue.add("a")
        await settle()
        with capture_logs() as logs:
            assert await queue.stop(drain=0) == 1
            await task
        assert {line["task"] for line in logs} == {"work on a"}
        release.set()
        await settle()


async def test_with_the_loops_own_clock(work: Work) -> None:
    queue: WorkQueue[str] = WorkQueue()
    task = asyncio.create_task(queue.run(1, work))
    done = work.hold("a")
    done.set()
    queue.add_after("a", 0.02)
    queue.add("b")
    while work.ended != ["b", "a"]:
        await asyncio.sleep(0.005)
    await queue.stop(drain=0)
    await task
