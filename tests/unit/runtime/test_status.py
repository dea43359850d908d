"""A status is written when it differs, once, and in order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from structlog.testing import capture_logs

from controller.errors import Reason
from controller.kube.errors import ChangedMeanwhileError, NotFoundError, UnreachableError
from controller.kube.resources import Resource
from controller.objects import Json, ObjectKey
from controller.runtime.status import StatusWriter, is_news, settled
from controller.runtime.tasks import Supervisor
from tests.support.clock import ManualClock, settle

FABRICS = Resource("tandem.dev", "v1alpha1", "Fabric", "fabrics", namespaced=True)
WEB = FABRICS.key("shop", "web")


def condition(kind: str, status: str, at: str, message: str = "") -> Json:
    return {"type": kind, "status": status, "reason": "R", "message": message, "lastTransitionTime": at}


class TestWhatIsWorthARequest:
    def test_an_equal_status_is_not(self) -> None:
        assert not is_news({"a": 1, "b": [{"c": 2}]}, {"b": [{"c": 2}], "a": 1})

    @pytest.mark.parametrize(
        ("known", "desired"),
        [({}, {"a": 1}), ({"a": 1}, {}), ({"a": 1}, {"a": 2}), ({"a": {"b": [1]}}, {"a": {"b": [1, 2]}})],
    )
    def test_any_difference_is(self, known: Json, desired: Json) -> None:
        assert is_news(known, desired)

    def test_last_sync_alone_is_not(self) -> None:
        assert not is_news({"a": 1, "lastSync": "12:00"}, {"a": 1, "lastSync": "12:01"})
        assert not is_news({}, {"lastSync": "12:01"})

    def test_a_transition_time_alone_is_not(self) -> None:
        known = {"conditions": [condition("Ready", "True", "12:00")]}
        desired = {"conditions": [condition("Ready", "True", "12:01")]}
        assert not is_news(known, settled(desired, known))

    def test_a_message_is_and_keeps_the_time(self) -> None:
        known = {"conditions": [condition("Ready", "True", "12:00", "at 1a")]}
        desired = {"conditions": [condition("Ready", "True", "12:01", "at 2b")]}
        assert settled(desired, known) == {"conditions": [condition("Ready", "True", "12:00", "at 2b")]}

    def test_a_transition_is_and_moves_the_time(self) -> None:
        known = {"conditions": [condition("Ready", "True", "12:00")]}
        desired = {"conditions": [condition("Ready", "False", "12:01")]}
        assert settled(desired, known) == desired

    def test_a_new_condition_keeps_its_own_time(self) -> None:
        desired = {"conditions": [condition("Ready", "True", "12:01")]}
        assert settled(desired, {}) == desired

    def test_a_status_without_conditions(self) -> None:
        assert settled({"state": "Open"}, {"conditions": []}) == {"state": "Open"}


class Server:
    """Where the statuses go: keeps the last, counts versions, can be slow or refuse."""

    def __init__(self) -> None:
        self.version = 10
        self.status: Json = {}
        self.writes: list[tuple[str, Json]] = []
        self.error: Exception | None = None
        self.gate: asyncio.Event | None = None
        self.at_once = 0

    async def replace(self, resource: Resource, key: ObjectKey, uid: str, status: Json) -> str:
        assert (resource, key) == (FABRICS, WEB)
        self.at_once += 1
        assert self.at_once == 1, "two writes of one status at once"
        try:
            if self.gate is not None:
                await self.gate.wait()
            if self.error is not None:
                raise self.error
            self.writes.append((uid, status))
            self.version += 1
            self.status = status
            return str(self.version)
        finally:
            self.at_once -= 1

    def body(self, uid: str = "uid-1") -> Json:
        """The object as a watch would show it now."""
        metadata = {"namespace": "shop", "name": "web", "uid": uid, "resourceVersion": str(self.version)}
        return {"metadata": metadata, "status": self.status}


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def gone() -> list[Any]:
    return []


@pytest.fixture
async def writer(server: Server, clock: ManualClock, gone: list[Any]) -> AsyncIterator[StatusWriter]:
    supervisor = Supervisor()
    yield StatusWriter(server.replace, supervisor, gone=lambda *what: gone.append(what), clock=clock)
    await supervisor.stop()


class TestWrite:
    async def test_the_first_status(self, writer: StatusWriter, server: Server) -> None:
        assert await writer.write(FABRICS, server.body(), {"a": 1})
        assert server.writes == [("uid-1", {"a": 1})]

    async def test_the_newest_status_is_known_before_a_watch_has_shown_it(
        self, writer: StatusWriter, server: Server
    ) -> None:
        before = server.body()
        assert writer.latest(FABRICS, before) == {}
        await writer.write(FABRICS, before, {"a": 1})
        assert writer.latest(FABRICS, before) == {"a": 1}
        server.version, server.status = 99, {"a": 2}  # somebody else's
        assert writer.latest(FABRICS, server.body()) == {"a": 2}
        assert writer.latest(FABRICS, server.body("uid-2") | {"status": {}}) == {}

    async def test_an_equal_status_is_silent(self, writer: StatusWriter, server: Server) -> None:
        await writer.write(FABRICS, server.body(), {"a": 1})
        assert not await writer.write(FABRICS, server.body(), {"a": 1})
        assert len(server.writes) == 1

    async def test_it_knows_what_it_wrote_before_the_watch_shows_it(self, writer: StatusWriter, server: Server) -> None:
        stale = server.body()
        await writer.write(FABRICS, stale, {"a": 1, "b": 1})
        assert not await writer.write(FABRICS, stale, {"a": 1, "b": 1})
        assert await writer.write(FABRICS, stale, {"a": 1})
        assert server.status == {"a": 1}

    async def test_last_sync_is_written_together_with_something_else(
        self, writer: StatusWriter, server: Server
    ) -> None:
        await writer.write(FABRICS, server.body(), {"a": 1, "lastSync": "12:00"})
        assert not await writer.write(FABRICS, server.body(), {"a": 1, "lastSync": "12:01"})
        assert await writer.write(FABRICS, server.body(), {"a": 2, "lastSync": "12:02"})
        assert server.status == {"a": 2, "lastSync": "12:02"}

    async def test_a_status_that_somebody_else_changed_is_put_right(self, writer: StatusWriter, server: Server) -> None:
        await writer.write(FABRICS, server.body(), {"a": 1})
        server.status, server.version = {"a": 9, "x": 9}, server.version + 1
        assert await writer.write(FABRICS, server.body(), {"a": 1})
        assert server.status == {"a": 1}

    async def test_after_a_restart_it_goes_by_what_it_sees(self, server: Server) -> None:
        server.status = {"a": 1, "conditions": [condition("Ready", "True", "12:00")]}
        writer = StatusWriter(server.replace, Supervisor())
        desired = {"a": 1, "conditions": [condition("Ready", "True", "13:00")]}
        assert not await writer.write(FABRICS, server.body(), desired)
        assert server.writes == []

    async def test_writes_of_one_object_take_turns(self, writer: StatusWriter, server: Server) -> None:
        server.gate = asyncio.Event()
        body = server.body()
        first = asyncio.create_task(writer.write(FABRICS, body, {"a": 1}))
        second = asyncio.create_task(writer.write(FABRICS, body, {"a": 2}))
        await settle()
        server.gate.set()
        assert await first
        assert await second
        assert [status for _, status in server.writes] == [{"a": 1}, {"a": 2}]

    @pytest.mark.parametrize(
        "error",
        [
            NotFoundError(Reason.API_UNREACHABLE, "gone", 404),
            ChangedMeanwhileError(Reason.API_UNREACHABLE, "another uid", 409),
        ],
    )
    async def test_an_object_that_is_gone_is_told_and_left(
        self, writer: StatusWriter, server: Server, gone: list[Any], error: Exception
    ) -> None:
        server.error = error
        assert not await writer.write(FABRICS, server.body(), {"a": 1})
        assert gone == [(WEB, "uid-1")]

    async def test_another_object_of_the_same_name_begins_anew(self, writer: StatusWriter, server: Server) -> None:
        await writer.write(FABRICS, server.body(), {"a": 1})
        server.status = {}
        assert await writer.write(FABRICS, server.body("uid-2"), {"a": 1})
        assert server.writes[1] == ("uid-2", {"a": 1})

    async def test_what_could_not_be_written_is_not_taken_as_written(
        self, writer: StatusWriter, server: Server
    ) -> None:
        server.error = UnreachableError("no answer")
        with pytest.raises(UnreachableError):
            await writer.write(FABRICS, server.body(), {"a": 1})
        server.error = None
        assert await writer.write(FABRICS, server.body(), {"a": 1})


class TestAnnounce:
    async def test_a_short_run_writes_once(self, writer: StatusWriter, server: Server, clock: ManualClock) -> None:
        writer.announce(FABRICS, server.body(), {"state": "running"})
        await clock.advance(1.9)
        await writer.write(FABRICS, server.body(), {"state": "done"})
        await clock.advance(10)
        assert [status for _, status in server.writes] == [{"state": "done"}]

    async def test_a_long_run_shows_that_it_is_under_way(
        self, writer: StatusWriter, server: Server, clock: ManualClock
    ) -> None:
        body = server.body()
        writer.announce(FABRICS, body, {"state": "running"})
        await clock.advance(2)
        assert [status for _, status in server.writes] == [{"state": "running"}]
        await writer.write(FABRICS, body, {"state": "done"})
        assert server.status == {"state": "done"}

    async def test_the_last_announcement_counts(self, writer: StatusWriter, server: Server, clock: ManualClock) -> None:
        for step in ("fetching", "planning", "applying"):
            writer.announce(FABRICS, server.body(), {"state": step})
            await clock.advance(1)
        await clock.advance(10)
        assert [status for _, status in server.writes] == [{"state": "applying"}]

    async def test_progress_never_comes_after_the_end(
        self, writer: StatusWriter, server: Server, clock: ManualClock
    ) -> None:
        server.gate = asyncio.Event()
        body = server.body()
        first = asyncio.create_task(writer.write(FABRICS, body, {"state": "pending"}))
        await settle()
        writer.announce(FABRICS, body, {"state": "running"})
        await clock.advance(2)  # due, and waiting for its turn behind the first
        last = asyncio.create_task(writer.write(FABRICS, body, {"state": "done"}))
        await settle()
        server.gate.set()
        await asyncio.gather(first, last)
        await settle()
        assert [status["state"] for _, status in server.writes] == ["pending", "done"]

    async def test_an_announcement_that_cannot_be_written_is_only_logged(
        self, writer: StatusWriter, server: Server, clock: ManualClock
    ) -> None:
        server.error = UnreachableError("no answer")
        writer.announce(FABRICS, server.body(), {"state": "running"})
        with capture_logs() as logs:
            await clock.advance(2)
        assert [line["task"] for line in logs] == ["status of Fabric/shop/web"]

    async def test_forgetting_withdraws_it(self, writer: StatusWriter, server: Server, clock: ManualClock) -> None:
        writer.announce(FABRICS, server.body(), {"state": "running"})
        writer.forget(WEB)
        writer.forget(WEB)
        await clock.advance(10)
        assert server.writes == []
