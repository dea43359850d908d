"""Letters from a real database to a real receiver: in order, in nobody's way, given up in the end."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from controller.api.v1alpha1.fabric import Fabric
from controller.errors import Reason, StalledError
from controller.kube.kinds import FABRICS
from controller.kube.secrets import SecretReader
from controller.notify.addresses import AddressRules
from controller.notify.letters import Notice
from controller.notify.outcome import Outcome
from controller.notify.posting import Poster
from controller.runtime.configs import ConfigCache
from controller.runtime.events import Announcer
from controller.runtime.metrics import Metrics
from controller.store import Store
from controller.store.errors import StoreError
from controller.store.fabrics import FabricRow
from controller.store.outbox import Lane, Letter
from controller.sync import courier
from controller.sync.courier import LONGEST_AGE, MOST_TRIES, MOST_WAITING, Courier
from controller.sync.mailroom import Mailroom
from controller.sync.notifying import NoticeDesk
from controller.sync.receivers import receivers_of
from controller.sync.tools import Tools
from tests.support.receivers import HttpReceiver, http_receiver
from tests.support.wait import eventually

LOOPBACK = AddressRules((ipaddress.ip_network("127.0.0.0/8"),))


@dataclass
class Office:
    """Everything a courier needs, without a cluster: receivers are Slack's, whose URL stands in the spec."""

    store: Store
    row: FabricRow
    now: float = 1_000_000.0
    events: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.metrics = Metrics("1")
        self.cache = ConfigCache(FABRICS, lambda _: None)
        self.mailroom = Mailroom(cast("SecretReader", None), Poster(LOOPBACK), None, 30.0, lambda: self.now)
        self.tools = cast(
            "Tools",
            SimpleNamespace(
                store=self.store,
                metrics=self.metrics,
                mailroom=self.mailroom,
                announcer=Announcer(self._record),
                installation=SimpleNamespace(id="install"),
                wall=lambda: self.now,
            ),
        )

    def _record(self, resource: object, key: object, uid: str, reason: str, note: str, **_: object) -> None:
        self.events.append((reason, note))

    def fabric(self, *urls: str) -> dict[str, Any]:
        """Have the Fabric tell these; its body."""
        body = {
            "metadata": {"namespace": self.row.namespace, "name": self.row.name, "uid": self.row.uid},
            "spec": {
                "repository": {"url": "https://git.example.com/r.git"},
                "notify": [{"type": "Slack", "url": url} for url in urls],
            },
        }
        self.cache.observe("MODIFIED", body)
        self.cache.finish_list("", [body])
        return body

    def names(self) -> list[str]:
        """The receivers' names."""
        body = self.cache.get(FABRICS.key(self.row.namespace, self.row.name))
        assert body is not None
        return list(receivers_of(Fabric.from_object(body).spec.notify))

    async def write(self, receiver: str, *reasons: str, **fields: Any) -> None:
        """Write letters that say these reasons."""
        given = {"made": self.now, "due": self.now} | fields
        letters = []
        for reason in reasons:
            notice = Notice("Failed", reason, self.row.namespace, self.row.name, "", self.now, "install")
            letters.append(Letter(receiver, f"d-{reason}", notice.to_json(), **given))
        await self.store.outbox.put(self.row.id, letters)
        self.mailroom.posted.set()

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """A courier at work."""
        task = asyncio.create_task(Courier(self.tools, self.cache).run())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def emptied(self) -> bool:
        return not await self.store.outbox.lanes()

    def count(self, outcome: str) -> float:
        return self.metrics.registry.get_sample_value("tandem_notices_total", {"outcome": outcome}) or 0.0


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(courier, "LONGEST_PAUSE", 0.05)


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    store = await Store.open(f"sqlite:///{tmp_path}/tandem.db")
    yield Office(store, await store.fabrics.register("uid-1", "shop", "demo"))
    await store.close()


@pytest.fixture
def receiver() -> Iterator[HttpReceiver]:
    with http_receiver() as found:
        yield found


def said(receiver: HttpReceiver) -> list[str]:
    """The reasons that were taken, in order."""
    return [post.json["text"].splitlines()[0].removeprefix("shop/demo: ") for post in receiver.taken()]


async def test_a_receiver_gets_its_letters_in_order_whatever_fails(office: Office, receiver: HttpReceiver) -> None:
    receiver.answers = [(500, {}), (200, {}), (503, {})]
    office.fabric(receiver.url())
    async with office.working():
        await office.write(*office.names(), "One", "Two", "Three")
        while not await office.emptied():
            office.now += 1.0  # what waits for its time, comes to it
            await asyncio.sleep(0.02)
    assert said(receiver) == ["One", "Two", "Three"]
    assert (office.count("delivered"), office.count("delayed")) == (3, 2)
    assert office.events == []


async def test_one_that_hangs_is_in_nobody_elses_way(office: Office, receiver: HttpReceiver) -> None:
    with http_receiver() as slow:
        slow.gate.clear()
        office.fabric(slow.url(), receiver.url())
        async with office.working():
            hanging, other = office.names()
            await office.write(hanging, "One", "Two")
            await office.write(other, "One", "Two", "Three")
            await eventually(lambda: said(receiver) == ["One", "Two", "Three"])
            assert slow.posts == []
            slow.gate.set()
            await eventually(lambda: said(slow) == ["One", "Two"])


async def test_what_is_refused_is_given_up_and_told_once(office: Office, receiver: HttpReceiver) -> None:
    receiver.answers = [(410, {}), (410, {}), (200, {})]
    office.fabric(receiver.url("/secret-path"))
    async with office.working():
        await office.write(*office.names(), "One", "Two", "Three")
        await eventually(office.emptied)
    assert said(receiver) == ["Three"]
    assert office.count("refused") == 2
    told = "spec.notify[0] (Slack) is not told of Failed: it answered 410; look whether the URL still exists"
    assert office.events == [("NotificationFailed", told)]


async def test_the_third_try_that_fails_is_told(office: Office, receiver: HttpReceiver) -> None:
    receiver.answers = [(500, {})] * 5
    office.fabric(receiver.url())
    async with office.working():
        await office.write(*office.names(), "One")
        while not await office.emptied():
            office.now += 10.0
            await asyncio.sleep(0.02)
    assert [reason for reason, _ in office.events] == ["NotificationDelayed"]
    assert office.count("delayed") == 5


@pytest.mark.parametrize("fields", [{"made": 1_000_000.0 - LONGEST_AGE - 1}, {"tries": MOST_TRIES}])
async def test_what_is_too_old_is_given_up(office: Office, receiver: HttpReceiver, fields: dict[str, Any]) -> None:
    office.fabric(receiver.url())
    await office.write(*office.names(), "Old", **fields)
    await office.write(*office.names(), "New")
    async with office.working():
        await eventually(office.emptied)
    assert said(receiver) == ["New"]
    assert (office.count("expired"), [reason for reason, _ in office.events]) == (1, ["NotificationFailed"])


async def test_a_receiver_that_was_taken_out_gets_nothing_more(office: Office, receiver: HttpReceiver) -> None:
    office.fabric(receiver.url("/old"))
    await office.write(*office.names(), "One", "Two")
    office.fabric(receiver.url("/new"))
    async with office.working():
        await eventually(office.emptied)
    assert (receiver.posts, office.count("withdrawn")) == ([], 2)


async def test_too_many_are_crowded_out(office: Office, receiver: HttpReceiver) -> None:
    office.fabric(receiver.url())
    await office.write(*office.names(), *(f"N{number}" for number in range(MOST_WAITING + 3)))
    async with office.working():
        await eventually(office.emptied)
    assert said(receiver) == [f"N{number}" for number in range(3, MOST_WAITING + 3)]
    assert office.count("crowded-out") == 3


async def test_a_fabric_that_is_not_listed_yet_is_waited_for(office: Office, receiver: HttpReceiver) -> None:
    body = office.fabric(receiver.url())
    (name,) = office.names()
    office.cache.observe("DELETED", body)
    await office.write(name, "One")
    async with office.working():
        await asyncio.sleep(0)
        office.fabric(receiver.url())
        office.mailroom.posted.set()
        await eventually(office.emptied)
    assert said(receiver) == ["One"]


async def test_what_nobody_foresaw_ends_no_lane(
    office: Office, receiver: HttpReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its text may hold an address, so only its type is told."""
    real = Mailroom.deliver

    async def odd(self: Mailroom, namespace: str, receiver: Any, letter: Letter) -> Outcome:
        if letter.delivery == "d-Odd" and letter.tries == 0:
            raise RuntimeError("https://hooks.example.com/secret-path")
        return await real(self, namespace, receiver, letter)

    monkeypatch.setattr(Mailroom, "deliver", odd)
    office.fabric(receiver.url())
    async with office.working():
        await office.write(*office.names(), "Odd", "Next")
        while not await office.emptied():
            office.now += 1.0
            await asyncio.sleep(0.02)
    assert said(receiver) == ["Odd", "Next"]


async def test_a_stop_lets_a_try_under_way_end(office: Office, receiver: HttpReceiver) -> None:
    receiver.gate.clear()
    office.fabric(receiver.url())
    await office.write(*office.names(), "One")
    async with office.working():
        await eventually(receiver.waiting.is_set)
        asyncio.get_running_loop().call_later(0.05, receiver.gate.set)
    assert said(receiver) == ["One"]
    assert await office.emptied()


async def test_a_fabric_that_cannot_run_is_told_once_and_again_for_another_reason(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = office.fabric("https://hooks.example.com/x")
    (name,) = office.names()
    lane = Lane(office.row.id, "uid-1", "shop", "demo", name)
    desk = NoticeDesk(office.tools)
    wrong = StalledError(Reason.INVALID_SPEC, "spec.target: value-of-something")
    for _ in range(3):
        await desk.tell_stall(body, wrong)
    await NoticeDesk(office.tools).tell_stall(body, wrong)  # after a restart
    (letter,) = await letters_of(office, lane)
    assert (letter.notice["event"], letter.notice["reason"]) == ("Failed", "InvalidSpec")
    assert "value-of-something" not in str(letter.notice)

    async def broken(*_: object) -> None:
        raise StoreError("the disk is full")

    monkeypatch.setattr(office.store.outbox, "put", broken)
    other = StalledError(Reason.TARGET_GONE, "gone")
    await desk.tell_stall(body, other)
    monkeypatch.undo()
    assert await letters_of(office, lane) == []
    await desk.tell_stall(body, other)
    assert [letter.notice["reason"] for letter in await letters_of(office, lane)] == ["TargetGone"]


async def test_without_receivers_nothing_is_remembered(office: Office) -> None:
    body = office.fabric("https://hooks.example.com/x")
    desk = NoticeDesk(office.tools)
    wrong = StalledError(Reason.INVALID_SPEC, "no")
    await desk.tell_stall(body, wrong)
    assert await office.store.told.load_all(office.row.id)
    assert desk.due_in("uid-1") is None
    await desk.tell_stall(office.fabric(), wrong)
    assert await office.store.told.load_all(office.row.id) == {}


async def letters_of(office: Office, lane: Lane) -> list[Letter]:
    """The letters of a lane, taken out."""
    found = []
    while (letter := await office.store.outbox.first(lane)) is not None:
        found.append(letter)
        await office.store.outbox.remove(letter)
    return found
