"""Carries letters from the outbox to their receivers: at least once, in order for each receiver, none in another's way.

Each receiver that a letter waits for has a lane, a task of its own; in it the oldest letter goes first, and is tried
until it arrives or is given up. A letter is removed after it arrived: who is killed in between sends it again, under
the same delivery id.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace

import structlog

from controller.api.v1alpha1.fabric import Fabric
from controller.api.v1alpha1.receivers import Receiver
from controller.errors import TandemError
from controller.kube.kinds import FABRICS
from controller.notify.outcome import Fate, Outcome, delayed
from controller.notify.posting import LONGEST_WAIT
from controller.runtime.agenda import backoff
from controller.runtime.clock import jittered
from controller.runtime.configs import ConfigCache
from controller.runtime.events import Subject
from controller.store.errors import StoreError
from controller.store.outbox import Lane, Letter
from controller.sync.receivers import receivers_of, title_of
from controller.sync.tools import Tools

LONGEST_AGE = 24 * 3600.0  # seconds; what is older is no news, and the status tells what is so now
MOST_TRIES = 60  # with the longest pause below, some more than the longest age has room for
LONGEST_PAUSE = 1800.0  # seconds between two tries: a receiver that is mended is told within half an hour
MOST_WAITING = 200  # letters for one receiver; beyond it the oldest are crowded out
MOST_AT_ONCE = 32  # tries under way: each is a connection
LOOK = 60.0  # seconds between two looks for letters that nobody announced
_STARTING = 0.5  # seconds between two looks while the Fabrics are listed
GRACE = 2.0  # seconds for tries under way when the process stops: what arrived then is not sent again by the next one
WARN_AFTER = 3  # tries; one that fails is a hiccup, and an Event for each would be noise

_FAILED, _DELAYED = "NotificationFailed", "NotificationDelayed"

log = structlog.get_logger(__name__)


class Courier:
    """Delivers for every Fabric that is known."""

    def __init__(self, tools: Tools, cache: ConfigCache) -> None:
        self._tools = tools
        self._cache = cache
        self._slots = asyncio.Semaphore(MOST_AT_ONCE)
        self._running: set[Lane] = set()

    async def run(self) -> None:
        """Deliver for ever."""
        posted = self._tools.mailroom.posted
        self._running.clear()
        async with asyncio.TaskGroup() as lanes:
            while True:
                posted.clear()
                for lane in await self._waiting():
                    if lane not in self._running:
                        self._running.add(lane)
                        lanes.create_task(self._serve(lane), name=f"notify {lane.namespace}/{lane.name}")
                with suppress(TimeoutError):
                    async with asyncio.timeout(LOOK if self._cache.filled else _STARTING):
                        await posted.wait()

    async def _waiting(self) -> list[Lane]:
        """The lanes with letters, of Fabrics that are there."""
        try:
            return [lane for lane in await self._tools.store.outbox.lanes() if self._fabric(lane) is not None]
        except StoreError as error:
            log.warning("letters cannot be read", problem=error.message)
            return []

    def _fabric(self, lane: Lane) -> Fabric | None:
        """The Fabric as it stands; None if it is gone, was not listed yet, or cannot be read."""
        body = self._cache.get(FABRICS.key(lane.namespace, lane.name))
        if body is None or body["metadata"]["uid"] != lane.uid:
            return None
        try:
            return Fabric.from_object(body)
        except TandemError:
            return None  # its status says so

    async def _serve(self, lane: Lane) -> None:
        """Deliver a lane's letters, until none is left or the database cannot be reached."""
        outbox = self._tools.store.outbox
        try:
            if crowded := await outbox.trim(lane, MOST_WAITING):
                self._tools.metrics.notice("crowded-out", crowded)
            while (letter := await outbox.first(lane)) is not None:
                await asyncio.sleep(min(LONGEST_WAIT, letter.due - self._tools.wall()))
                fabric = self._fabric(lane)
                if fabric is None:
                    break
                await self._finish(asyncio.create_task(self._carry(lane, fabric, letter)))
        except StoreError as error:
            log.warning("letters wait", fabric=f"{lane.namespace}/{lane.name}", problem=error.message)
            await asyncio.sleep(jittered(LOOK))
        finally:
            self._running.discard(lane)
            self._tools.mailroom.posted.set()  # one may have come in this very moment

    async def _finish(self, carrying: asyncio.Task[None]) -> None:
        """Wait for a try, and a little longer when nobody else waits for it any more."""
        try:
            await asyncio.shield(carrying)
        except asyncio.CancelledError:
            await asyncio.wait([carrying], timeout=GRACE)
            carrying.cancel()
            raise

    async def _carry(self, lane: Lane, fabric: Fabric, letter: Letter) -> None:
        """Try a letter once, and write down what became of it."""
        outbox = self._tools.store.outbox
        receiver = receivers_of(fabric.spec.notify).get(lane.receiver)
        if receiver is None:
            await outbox.remove(letter)
            self._tools.metrics.notice("withdrawn")
            return
        title = title_of(lane.receiver, fabric.spec.notify)
        if letter.tries >= MOST_TRIES or self._tools.wall() - letter.made > LONGEST_AGE:
            await outbox.remove(letter)
            self._tell(lane, title, letter, "expired", f"given up after {letter.tries} tries")
            return
        outcome = await self._try(lane, receiver, letter)
        tried = replace(letter, tries=letter.tries + 1)
        if outcome.fate is Fate.DELAYED:
            pause = max(jittered(backoff(tried.tries, LONGEST_PAUSE), 0.25), outcome.after or 0.0)
            recipients = outcome.recipients or letter.recipients
            await outbox.postpone(replace(tried, due=self._tools.wall() + pause, recipients=recipients))
        else:
            await outbox.remove(letter)
        self._tell(lane, title, tried, outcome.fate.value, outcome.why)

    async def _try(self, lane: Lane, receiver: Receiver, letter: Letter) -> Outcome:
        """One try. What nobody foresaw must not end the lanes of others."""
        async with self._slots:
            try:
                return await self._tools.mailroom.deliver(lane.namespace, receiver, letter)
            except Exception as error:  # noqa: BLE001 - its text may hold the address, so only its type is told
                return delayed(f"it could not be tried: {type(error).__name__}")

    def _tell(self, lane: Lane, title: str, letter: Letter, outcome: str, why: str) -> None:
        """Metrics and the log for every try; an Event on the Fabric where a receiver stays without what is told."""
        announcer, topic = self._tools.announcer, f"notify:{lane.receiver}"
        subject = Subject(FABRICS, FABRICS.key(lane.namespace, lane.name), lane.uid)
        bound = log.bind(fabric=f"{lane.namespace}/{lane.name}", receiver=title, delivery=letter.delivery)
        self._tools.metrics.notice(outcome)
        if not why:
            bound.info("a notification was delivered", notice=letter.notice["event"], tries=letter.tries)
            announcer.settle(subject.uid, topic)
            return
        partly = "only in part" if outcome == Fate.DELIVERED.value else "not"
        bound.warning(f"a notification is {partly} delivered", tries=letter.tries, problem=why)
        said = f"{title} is {partly} told of {letter.notice['event']}: {why}"
        if outcome != Fate.DELAYED.value:
            announcer.announce(subject, _FAILED, said, topic=topic, action="Notify", warning=True)
        elif letter.tries == WARN_AFTER:
            announcer.announce(subject, _DELAYED, said, topic=topic, action="Notify", warning=True)
