"""The thread of a mirror: order, patience, what happens to a call that nobody waits for."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import pytest

from controller.git.errors import UnreachableError
from controller.git.worker import AbandonedError, Worker
from tests.support.wait import eventually

LONG = 60.0  # seconds of patience where none is tried


def worker(patience: float = LONG, idle: float = LONG, on_idle: Callable[[], None] = lambda: None) -> Worker:
    """A worker for one test."""
    return Worker("test", patience, on_idle, idle)


def running(made: Worker) -> bool:
    """Whether its thread is there."""
    return made._thread is not None


async def test_results_and_errors_belong_to_the_caller() -> None:
    made = worker()
    assert await made.run(lambda: 7, "it") == 7
    with pytest.raises(ZeroDivisionError):
        await made.run(lambda: 1 // 0, "it")
    assert await made.run(lambda: 8, "it") == 8


async def test_calls_run_one_after_the_other_in_one_thread() -> None:
    made = worker()
    order: list[int] = []
    threads: set[int] = set()

    def call(number: int) -> None:
        threads.add(threading.get_ident())
        order.append(number)

    await asyncio.gather(*(made.run(lambda number=number: call(number), "it") for number in range(20)))  # type: ignore[misc]
    assert order == list(range(20))
    assert len(threads) == 1
    assert threading.get_ident() not in threads


async def test_the_thread_ends_without_work_and_comes_back() -> None:
    closed: list[int] = []
    made = worker(idle=0.01, on_idle=lambda: closed.append(1))
    for rounds in (1, 2):
        assert await made.run(lambda: "done", "it") == "done"
        await eventually(lambda: not running(made))
        assert len(closed) == rounds


async def test_a_silent_call_is_given_up() -> None:
    made, go_on = worker(patience=0.05), threading.Event()
    with pytest.raises(UnreachableError, match="the fetch got no answer"):
        await made.run(go_on.wait, "the fetch")
    go_on.set()
    assert await made.run(lambda: 1, "it") == 1


async def test_a_lively_call_is_waited_for() -> None:
    """Longer than the patience, but never silent for so long."""
    made, rounds = worker(patience=0.2), threading.Semaphore(0)

    def call() -> str:
        for _ in range(10):
            assert rounds.acquire(timeout=10)
            made.beat()
        return "cloned"

    waiting = asyncio.create_task(made.run(call, "the clone"))
    for _ in range(10):
        await asyncio.sleep(0.05)
        rounds.release()
    assert await waiting == "cloned"


async def test_an_abandoned_call_ends_at_its_next_beat() -> None:
    made, go_on, ended = worker(patience=0.5), threading.Event(), threading.Event()

    def call() -> None:
        go_on.wait(10)
        try:
            made.beat()
        except AbandonedError:
            ended.set()
            raise

    with pytest.raises(UnreachableError):
        await made.run(call, "it")
    go_on.set()
    assert await asyncio.to_thread(ended.wait, 10)
    assert await made.run(lambda: 2, "it") == 2


async def test_a_call_behind_a_hanging_one_is_given_up_and_never_made() -> None:
    made, go_on = worker(patience=0.5), threading.Event()
    calls: list[str] = []
    with pytest.raises(UnreachableError):
        await made.run(go_on.wait, "the first")
    with pytest.raises(UnreachableError):
        await made.run(lambda: calls.append("second"), "the second")
    go_on.set()
    await made.run(lambda: calls.append("third"), "the third")
    assert calls == ["third"]


async def test_a_cancelled_caller_abandons_its_call() -> None:
    made, begun, go_on, ended = worker(), threading.Event(), threading.Event(), threading.Event()

    def call() -> None:
        begun.set()
        go_on.wait(10)
        try:
            made.beat()
        finally:
            ended.set()

    waiting = asyncio.create_task(made.run(call, "it"))
    assert await asyncio.to_thread(begun.wait, 10)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    go_on.set()
    assert await asyncio.to_thread(ended.wait, 10)
    assert await made.run(lambda: 3, "it") == 3


async def test_beating_for_a_caller_who_waits_is_no_error() -> None:
    made = worker()
    await made.run(made.beat, "it")
    made.beat()  # from outside a call: nothing to end


async def test_a_posted_call_runs_after_those_before_it() -> None:
    made, order = worker(), list[int]()
    made.post(lambda: order.append(1))
    made.post(lambda: 1 // 0)
    await made.run(lambda: order.append(2), "it")
    assert order == [1, 2]
