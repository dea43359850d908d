"""Background tasks do not die unnoticed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from structlog.testing import capture_logs

from controller.errors import Reason, WaitingError
from controller.runtime.tasks import Supervisor, TaskEndedError
from tests.support.clock import settle


async def forever() -> None:
    await asyncio.Event().wait()


async def nothing() -> None:
    return


async def fail() -> None:
    raise ValueError("broken")


@pytest.fixture
def restarts() -> list[str]:
    return []


@pytest.fixture
async def supervisor(restarts: list[str]) -> AsyncIterator[Supervisor]:
    supervisor = Supervisor(restarted=restarts.append)
    yield supervisor
    await supervisor.stop()


async def test_a_failure_is_logged_at_once(supervisor: Supervisor) -> None:
    with capture_logs() as logs:
        task = supervisor.start("poll", fail())
        await settle()
    assert task.done()
    assert [(line["event"], line["task"], line["log_level"]) for line in logs] == [
        ("a background task failed", "poll", "error")
    ]
    assert str(logs[0]["exc_info"]) == "broken"


async def test_an_error_of_ours_explains_itself_without_a_traceback(supervisor: Supervisor) -> None:
    async def wait() -> None:
        raise WaitingError(Reason.UNREACHABLE, "git.example does not answer")

    with capture_logs() as logs:
        supervisor.start("poll", wait())
        await settle()
    assert logs[0]["error"] == "git.example does not answer"
    assert "exc_info" not in logs[0]


@pytest.mark.parametrize("work", [nothing, fail])
async def test_the_end_of_a_task_that_is_not_essential_ends_nothing(supervisor: Supervisor, work: object) -> None:
    assert callable(work)
    lost = asyncio.create_task(supervisor.lost())
    with capture_logs():
        supervisor.start("helper", work())
        await settle()
    assert not lost.done()
    lost.cancel()


async def test_the_failure_of_an_essential_task_is_told_with_its_cause(supervisor: Supervisor) -> None:
    with capture_logs(), pytest.raises(TaskEndedError, match="queue ended unexpectedly: broken") as caught:
        supervisor.start("queue", fail(), essential=True)
        await supervisor.lost()
    assert isinstance(caught.value.__cause__, ValueError)


async def test_an_essential_task_may_not_simply_return(supervisor: Supervisor) -> None:
    supervisor.start("queue", nothing(), essential=True)
    with pytest.raises(TaskEndedError, match="queue ended unexpectedly: without an error"):
        await supervisor.lost()


async def test_an_essential_task_may_not_be_cancelled_by_others(supervisor: Supervisor) -> None:
    task = supervisor.start("queue", forever(), essential=True)
    await settle()
    task.cancel()
    with pytest.raises(TaskEndedError, match="queue ended"):
        await supervisor.lost()


async def test_the_first_loss_is_the_one_that_is_told(supervisor: Supervisor) -> None:
    with capture_logs():
        supervisor.start("first", fail(), essential=True)
        await settle()
        supervisor.start("second", nothing(), essential=True)
        await settle()
    with pytest.raises(TaskEndedError, match="first"):
        await supervisor.lost()


class TestStop:
    async def test_every_task_is_cancelled_the_last_started_first(self) -> None:
        ended: list[str] = []

        async def note(name: str) -> None:
            try:
                await forever()
            finally:
                ended.append(name)

        supervisor = Supervisor()
        for name in "abc":
            supervisor.start(name, note(name), essential=True)
        await settle()
        await supervisor.stop()
        assert ended == ["c", "b", "a"]

    async def test_being_stopped_is_no_loss(self) -> None:
        supervisor = Supervisor()
        supervisor.start("queue", forever(), essential=True)
        lost = asyncio.create_task(supervisor.lost())
        await settle()
        with capture_logs() as logs:
            await supervisor.stop()
            await settle()
        assert not lost.done()
        assert logs == []
        lost.cancel()

    async def test_a_failure_while_stopping_is_logged(self) -> None:
        async def fail_at_the_end() -> None:
            try:
                await forever()
            finally:
                raise ValueError("could not clean up")

        supervisor = Supervisor()
        supervisor.start("cleaner", fail_at_the_end())
        await settle()
        with capture_logs() as logs:
            await supervisor.stop()
        assert [line["task"] for line in logs] == ["cleaner"]

    async def test_a_task_that_will_not_end_is_named_and_left(self) -> None:
        release = asyncio.Event()

        async def deaf() -> None:
            while not release.is_set():
                try:
                    await release.wait()
                except asyncio.CancelledError:
                    continue

        supervisor = Supervisor()
        task = supervisor.start("deaf", deaf())
        await settle()
        with capture_logs() as logs:
            await supervisor.stop(grace=0.01)
        assert [line["task"] for line in logs] == ["deaf"]
        release.set()
        await task

    async def test_nothing_to_stop(self) -> None:
        await Supervisor().stop()


class TestKeepUp:
    @pytest.fixture(autouse=True)
    def pauses(self, monkeypatch: pytest.MonkeyPatch) -> list[float]:
        """The pauses between attempts, noted instead of waited for."""
        pauses: list[float] = []
        sleep = asyncio.sleep

        async def note(seconds: float) -> None:
            if seconds:
                pauses.append(seconds)
            await sleep(0)

        monkeypatch.setattr("asyncio.sleep", note)
        return pauses

    async def test_it_is_started_again_after_each_failure(
        self, supervisor: Supervisor, pauses: list[float], restarts: list[str]
    ) -> None:
        attempts = 0

        async def fail_five_times() -> None:
            nonlocal attempts
            attempts += 1
            if attempts <= 5:
                raise ValueError(f"attempt {attempts}")

        with capture_logs() as logs:
            await supervisor.keep_up("watch", fail_five_times, cap=5)
        assert attempts == 6
        assert pauses == [0.75, 1.5, 3, 5, 5]
        assert restarts == ["watch"] * 5
        assert [line["pause"] for line in logs] == pauses

    async def test_a_failure_after_a_good_while_is_a_first_one_again(
        self, supervisor: Supervisor, pauses: list[float], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        attempts = 0

        async def fail_thrice() -> None:
            nonlocal attempts
            attempts += 1
            monkeypatch.setattr("controller.runtime.tasks.STEADY", -1.0 if attempts == 3 else 60.0)
            if attempts <= 3:
                raise ValueError("again")

        with capture_logs():
            await supervisor.keep_up("watch", fail_thrice)
        assert pauses == [0.75, 1.5, 0.75]

    async def test_stopping_ends_it(self, supervisor: Supervisor, restarts: list[str]) -> None:
        task = supervisor.keep_up("watch", forever)
        await settle()
        await supervisor.stop()
        assert task.cancelled()
        assert restarts == []
