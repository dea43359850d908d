"""The reflector: what one list-and-watch shows, kept in memory and never wrong about what vanished meanwhile.

kopf's indexes lose deletions that happen while a watch is cut, cost a multiple per event and die of errors; this one
compares every new list with what it held, and goes on for ever. What it holds is in `cache`, and whose line it was is
told by `echo`; here is only the order of requests.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable, Mapping
from contextlib import aclosing
from contextvars import Context
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import orjson

from controller.errors import Reason, TandemError
from controller.kube.answers import translate
from controller.kube.cache import Name, ObjectCache, Source, Step, is_before
from controller.kube.client import KubeClient
from controller.kube.echo import EchoFilter
from controller.kube.errors import GoneError, UnreachableError
from controller.kube.projection import CachedObject, project
from controller.kube.resources import Resource
from controller.objects import Json, ObjectKey

__all__ = ["Change", "Reflector", "Source", "WatchTiming"]

_News = TypeVar("_News")

_log = logging.getLogger(__name__)

# The server ends a watch after this time, so that connections spread over replicas again; as client-go asks for it.
_WATCH_SECONDS = (300, 600)

# Between two breaths of the loop while a page is projected: some 5 ms.
_ITEMS_AT_ONCE = 500


class Change(NamedTuple):
    """One object moved: `old` None is new, `new` None is gone; of another uid it is two changes, gone and new."""

    key: ObjectKey
    old: CachedObject | None
    new: CachedObject | None
    source: Source


@dataclass(frozen=True, slots=True)
class WatchTiming:
    """How patient a reflector is; seconds."""

    inactivity: float = 130.0  # bookmarks come every 60 ± 1 s; two missed ones and the connection is dead
    backoff_first: float = 0.75
    backoff_most: float = 30.0

    def pause(self, failures: int) -> float:
        """How long to wait after so many failures in a row: doubling, and spread by a quarter either way."""
        most = min(self.backoff_first * 2.0 ** min(failures - 1, 20), self.backoff_most)
        return most * random.uniform(0.75, 1.25)  # noqa: S311 - no secret


class Reflector:
    """The objects of one resource in one namespace, or in all (`namespace` None).

    `synced`: a complete list is held and the watch continues it; while it is not, absence means nothing. `error` says
    why not; `broken` is told the kind of every list and watch that failed. `list_resource_version` is that of the
    latest complete list. `objects` is keyed by (namespace, name). Callbacks run in the loop, one after the other, and
    must not block; what they raise is logged and ends nothing.
    """

    def __init__(
        self,
        client: KubeClient,
        resource: Resource,
        namespace: str | None = None,
        *,
        selectors: str = "",
        timing: WatchTiming | None = None,
        broken: Callable[[str], None] = lambda _: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.resource = resource
        self.namespace = namespace
        self.error: TandemError | None = None
        self.list_resource_version = ""
        self._client = client
        self._selectors = selectors
        self._timing = timing or WatchTiming()
        self._broken = broken
        self._clock = clock
        self._cache = ObjectCache()
        self._echo = EchoFilter()
        self._position = ""  # the resourceVersion to resume at; "" asks for a list
        self._watched_from = ""  # where the watch under way began: beyond it, it brought us on
        self._synced = asyncio.Event()
        self._subscribers: list[tuple[Callable[[Change], None], Callable[[bool], None] | None]] = []
        self._task: asyncio.Task[None] | None = None

    @property
    def synced(self) -> bool:
        """Whether what is held is complete and current."""
        return self._synced.is_set()

    @property
    def objects(self) -> Mapping[Name, CachedObject]:
        """What is held, by (namespace, name). Not a copy: it changes with every await."""
        return self._cache.objects

    @property
    def position(self) -> str:
        """The resourceVersion up to which everything was seen; "" while the next thing is a list."""
        return self._position

    def get(self, namespace: str, name: str) -> CachedObject | None:
        """One object of the cache. None means absent only while `synced`."""
        return self._cache.objects.get((namespace, name))

    async def wait_synced(self) -> None:
        """Return once `synced`."""
        await self._synced.wait()

    def subscribe(
        self, on_change: Callable[[Change], None], on_synced: Callable[[bool], None] | None = None
    ) -> Callable[[], None]:
        """Call `on_change` for every change from now on, `on_synced` when `synced` flips; the result ends both."""
        entry = (on_change, on_synced)
        self._subscribers.append(entry)
        return lambda: self._subscribers.remove(entry) if entry in self._subscribers else None

    def start(self) -> None:
        """Begin to list and watch; it goes on, through every error, until `stop`."""
        # Not in the context of whoever needed it first: its log lines would carry that run for ever.
        self._task = asyncio.create_task(self._run(), name=f"reflector {self}", context=Context())
        self._task.add_done_callback(self._ended)

    async def stop(self) -> None:
        """End the watch; what is held stays readable, and counts as unknown."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        self._mark(False)

    def relist(self) -> None:
        """Start over with a list: for when objects read otherwise at the same resourceVersion (their CRD changed)."""
        self._position = ""
        self._mark(False)
        if self._task is not None:
            self._task.cancel()
        self.start()

    def __str__(self) -> str:
        return f"{self.resource} in {self.namespace or 'all namespaces'}"

    # ---- our own writes, told by the pool ----

    def begin_write(self, name: Name) -> None:
        """A write of this object is under way: lines about it wait."""
        self._echo.begin(name)

    def end_write(self, name: Name) -> None:
        """The write is over: what waited for it is due."""
        for line in self._echo.end(name):
            if not self._echo.take(line):
                self._digest(line, orjson.loads(line))

    def observe(self, name: Name, written: CachedObject) -> None:
        """The answer to our own write, made from a state that was known."""
        steps = self._cache.observe(name, written)
        if steps:
            self._echo.expect(written.uid, written.resource_version)
        # That it found a predecessor gone is somebody else's doing, and only known by now.
        self._publish([step for step in steps if step.new is None], Source.LIST)
        self._publish([step for step in steps if step.new is not None], Source.OWN)

    def observe_deleted(self, name: Name, uid: str) -> None:
        """The answer to our own delete, when nothing holds the object any more."""
        self._publish(self._cache.observe_deleted(name, uid), Source.OWN)

    # ---- list and watch ----

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        failures = 0
        while True:
            began, self._watched_from = loop.time(), self._position
            error = await self._list_and_watch()
            if self._position != self._watched_from or loop.time() - began > self._timing.backoff_most:
                failures = 0  # it brought us on, or held for long
                if error is None:
                    continue
            failures += 1
            if error is not None:
                self._broken(self.resource.kind)
                self._note(error, failures)
            await asyncio.sleep(max(self._timing.pause(failures), getattr(error, "retry_after", 0.0)))

    async def _list_and_watch(self) -> TandemError | None:
        """List if need be, and watch until the end: None if the server ended it as agreed, else why it ended."""
        try:
            if not self._position:
                await self._list()
            await self._watch()
        except TandemError as error:
            return error
        except Exception as error:  # noqa: BLE001 - a line nobody expected must not end the watching for ever
            _log.exception("%s: not understood; starting over with a list", self)
            return GoneError(Reason.PROGRESSING, f"{self}: not understood: {error!r}")
        return None

    def _note(self, error: TandemError, failures: int) -> None:
        """An error makes what is held unknown until the next list, but for the first cut of a watch: that is resumed.

        Resuming later would trust the server to be the same: one that was restored meanwhile takes any
        resourceVersion, and stays silent until it gets there. One that is only too busy may be trusted.
        """
        if isinstance(error, UnreachableError) and self.synced and failures == 1:
            _log.debug("%s: %s; resuming", self, error)
            return
        if self.error is None or str(self.error) != str(error):
            _log.warning("%s: %s", self, error)
        self.error = error
        self._mark(False)
        if getattr(error, "status", 0) != 429:
            self._position = ""

    async def _list(self) -> None:
        listed: dict[Name, CachedObject] = {}
        resource_version = ""
        self._cache.begin_list()
        async for page in self._client.pages(self.resource, self.namespace, self._selectors):
            resource_version = page["metadata"]["resourceVersion"]
            for count, item in enumerate(page["items"], 1):
                item["apiVersion"], item["kind"] = self.resource.api_version, self.resource.kind  # lists leave them out
                listed[_name(item)] = project(item)
                if count % _ITEMS_AT_ONCE == 0:
                    await asyncio.sleep(0)
        self._echo.restart(resource_version)
        self.list_resource_version = self._position = self._watched_from = resource_version
        self._publish(self._cache.replace(listed, resource_version), Source.LIST)

    async def _watch(self) -> None:
        seconds = random.randint(*_WATCH_SECONDS)  # noqa: S311 - no secret
        query = f"watch=1&allowWatchBookmarks=true&resourceVersion={self._position}&timeoutSeconds={seconds}"
        if self._selectors:
            query += f"&{self._selectors}"
        path = self.resource.path(self.namespace)
        async with aclosing(self._client.watch(path, query, self._timing.inactivity)) as batches:
            async for lines in batches:
                self._mark(True)
                for line in lines:
                    self._receive(line)

    def _receive(self, line: bytes) -> None:
        """One line of the watch: the echo of our own write, or news."""
        if not self._echo.is_idle and (resource_version := self._echo.take(line)):
            self._move_on(resource_version)
            return
        event = orjson.loads(line)
        body = event["object"]
        if event["type"] == "ERROR":
            raise translate(body.get("code", 500), orjson.dumps(body), f"watch {self.resource.path(self.namespace)}")
        self._move_on(body["metadata"]["resourceVersion"])
        if event["type"] == "BOOKMARK":
            self._echo.forget_before(self._position)
        else:
            self._digest(line, event)

    def _move_on(self, resource_version: str) -> None:
        if is_before(resource_version, self._position):
            raise GoneError(
                Reason.PROGRESSING, f"{self}: the server went back to an earlier state; was it restored?", 410
            )
        self._position = resource_version

    def _digest(self, line: bytes, event: Json) -> None:
        """News of one object, unless it is being written: then it waits for the answer."""
        body = event["object"]
        name = _name(body)
        if self._echo.hold(name, line):
            return
        if event["type"] == "DELETED":
            steps = self._cache.remove(name, body["metadata"]["uid"])
        else:
            steps = self._cache.put(name, project(body), self._clock())
        self._publish(steps, Source.WATCH)

    # ---- telling ----

    def _publish(self, steps: list[Step], source: Source) -> None:
        for (namespace, name), old, new in steps:
            change = Change(self.resource.key(namespace, name), old, new, source)
            for on_change, _ in tuple(self._subscribers):
                _tell(on_change, change)

    def _mark(self, synced: bool) -> None:
        if synced == self.synced:
            return
        if synced:
            self.error = None
            self._synced.set()
        else:
            self._synced.clear()
        for _, on_synced in tuple(self._subscribers):
            if on_synced is not None:
                _tell(on_synced, synced)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.critical("%s: ended for good", self, exc_info=error)


def _name(body: Json) -> Name:
    metadata = body["metadata"]
    return metadata.get("namespace", ""), metadata["name"]


def _tell(callback: Callable[[_News], None], news: _News) -> None:
    try:
        callback(news)
    except Exception:  # noqa: BLE001 - one subscriber's fault is not the others'
        _log.exception("a subscriber failed at %s", news)
