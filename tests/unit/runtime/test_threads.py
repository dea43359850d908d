"""Work in a thread of its own: it ends when it is told to, and how it ended is known here."""

from __future__ import annotations

import asyncio
import threading

import pytest
from structlog.testing import capture_logs

from controller.runtime.threads import ThreadEndedError, run_in_thread
from tests.support.wait import eventually


async def test_it_runs_elsewhere_and_ends() -> None:
    seen: list[object] = []

    async def work(_: asyncio.Event) -> None:
        seen.extend([threading.current_thread().name, asyncio.get_running_loop()])

    await run_in_thread("elsewhere", work)
    assert seen[0] == "elsewhere"
    assert seen[1] is not asyncio.get_running_loop()


async def test_its_error_is_raised_here() -> None:
    async def work(_: asyncio.Event) -> None:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        await run_in_thread("elsewhere", work)


@pytest.mark.parametrize("error", [asyncio.CancelledError(), SystemExit(3), KeyboardInterrupt()])
async def test_what_tears_a_thread_down_does_not_tear_us_down(error: BaseException) -> None:
    async def work(_: asyncio.Event) -> None:
        raise error

    with pytest.raises(ThreadEndedError, match="elsewhere ended with"):
        await run_in_thread("elsewhere", work)


async def test_cancelled_it_is_asked_to_stop_and_waited_for() -> None:
    begun, ended = threading.Event(), threading.Event()

    async def work(stop: asyncio.Event) -> None:
        begun.set()
        await stop.wait()
        ended.set()

    task = asyncio.create_task(run_in_thread("elsewhere", work))
    await eventually(begun.is_set)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended.is_set()


async def test_cancelled_before_it_began() -> None:
    ended = threading.Event()

    async def work(stop: asyncio.Event) -> None:
        await stop.wait()
        ended.set()

    task = asyncio.create_task(run_in_thread("elsewhere", work))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended.is_set()


async def test_work_that_does_not_stop_is_named_and_left() -> None:
    begun, release = threading.Event(), threading.Event()

    async def work(_: asyncio.Event) -> None:
        begun.set()
        while not release.is_set():
            await asyncio.sleep(0.01)

    task = asyncio.create_task(run_in_thread("deaf", work, grace=0.05))
    await eventually(begun.is_set)
    task.cancel()
    with capture_logs() as logs, pytest.raises(asyncio.CancelledError):
        await task
    assert [line["thread"] for line in logs] == ["deaf"]
    release.set()
    await eventually(lambda: "deaf" not in {thread.name for thread in threading.enumerate()})


async def test_the_works_own_tasks_do_not_touch_ours() -> None:
    """What kopf does when it ends: cancel every task of its loop."""
    ours = asyncio.create_task(asyncio.Event().wait())

    async def work(_: asyncio.Event) -> None:
        for task in asyncio.all_tasks():
            if task is not asyncio.current_task():
                task.cancel()

    await run_in_thread("elsewhere", work)
    assert not ours.cancelling()
    ours.cancel()


def test_a_loop_that_is_gone_is_not_missed() -> None:
    release = threading.Event()

    async def work(_: asyncio.Event) -> None:
        while not release.is_set():
            await asyncio.sleep(0.01)

    async def leave() -> None:
        task = asyncio.create_task(run_in_thread("left", work, grace=0.0))
        await asyncio.sleep(0.02)
        task.cancel()

    with capture_logs():
        asyncio.run(leave())
    threads = [thread for thread in threading.enumerate() if thread.name == "left"]
    release.set()
    for thread in threads:
        thread.join(timeout=10)
        assert not thread.is_alive()
