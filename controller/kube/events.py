"""Kubernetes Events: what `kubectl describe` shows. Best effort: one that cannot be written is dropped and logged.

Written in the background, because an event must never hold up or fail what it tells of; kopf's own are not used,
because they carry no apiVersion and kind and are never aggregated.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import socket
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import orjson

from controller.errors import TandemError
from controller.kube.client import MERGE_PATCH, KubeClient
from controller.kube.errors import NotFoundError
from controller.kube.resources import EVENTS, Resource
from controller.objects import Json, ObjectKey

_log = logging.getLogger(__name__)

# As client-go: what repeats within this time is one event with a count.
_SERIES = timedelta(minutes=6)

_NOTE_CHARACTERS = 1_024  # what the API server takes
_QUEUE = 1_000  # events that wait to be written; with more, something is very wrong, and older news matters more
_CLOSE_SECONDS = 2.0


@dataclass(slots=True)
class _Event:
    """One event as it is told: the first time as an object, then as a series."""

    body: Json
    last: datetime
    count: int = 1
    written: bool = False


class EventRecorder:
    """Writes events.k8s.io/v1 Events in the background; repetitions within 6 minutes become one event's series."""

    def __init__(
        self,
        client: KubeClient,
        component: str = "tandem.dev/controller",
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        dropped: Callable[[], None] = lambda: None,
    ) -> None:
        self._client = client
        self._component = component
        self._instance = socket.gethostname()[:128] or "tandem"
        self._now = now
        self._dropped = dropped
        self._recent: dict[tuple[str, ...], _Event] = {}
        self._queue: asyncio.Queue[_Event] = asyncio.Queue(_QUEUE)
        self._task = asyncio.create_task(self._write_all(), name="events")
        self._task.add_done_callback(_ended)

    def record(
        self,
        resource: Resource,
        key: ObjectKey,
        uid: str,
        reason: str,
        note: str,
        *,
        action: str = "Sync",
        warning: bool = False,
    ) -> None:
        """Queue an event about one object; returns at once."""
        now = self._now()
        self._forget_old(now)
        note = note[:_NOTE_CHARACTERS]
        event = self._recent.get((uid, reason, action, note))
        if event is None:
            body = self._body(resource, key, uid, now)
            body |= {"reason": reason, "note": note, "action": action, "type": "Warning" if warning else "Normal"}
            event = self._recent[uid, reason, action, note] = _Event(body, now)
        else:
            event.count += 1
            event.last = now
        try:
            self._queue.put_nowait(event)
        except asyncio.QueueFull:
            self._dropped()
            _log.warning("too many events at once; dropped: %s %s: %s", key, reason, note)

    async def flush(self) -> None:
        """Return once everything queued so far was written or dropped."""
        await self._queue.join()

    async def close(self) -> None:
        """Flush, for at most a few seconds, and stop."""
        try:
            async with asyncio.timeout(_CLOSE_SECONDS):
                await self.flush()
        except TimeoutError:
            _log.warning("%d events were not written", self._queue.qsize())
        self._task.cancel()
        await asyncio.wait([self._task])

    def _body(self, resource: Resource, key: ObjectKey, uid: str, now: datetime) -> Json:
        namespace = key.namespace or "default"  # where the events of cluster-scoped objects are kept
        regarding = {"apiVersion": resource.api_version, "kind": resource.kind, "name": key.name, "uid": uid}
        if key.namespace:
            regarding["namespace"] = key.namespace
        return {
            "apiVersion": EVENTS.api_version,
            "kind": EVENTS.kind,
            "metadata": {"name": f"{key.name[:200]}.{secrets.token_hex(8)}", "namespace": namespace},
            "eventTime": _time(now),
            "reportingController": self._component,
            "reportingInstance": self._instance,
            "regarding": regarding,
        }

    def _forget_old(self, now: datetime) -> None:
        for told in [told for told, event in self._recent.items() if now - event.last > _SERIES]:
            del self._recent[told]

    async def _write_all(self) -> None:
        while True:
            event = await self._queue.get()
            try:
                await self._write(event)
            except TandemError as error:
                self._dropped()
                _log.warning("an event was not written: %s: %s", event.body["reason"], error)
            finally:
                self._queue.task_done()

    async def _write(self, event: _Event) -> None:
        metadata = event.body["metadata"]
        if event.written:
            series = {"series": {"count": event.count, "lastObservedTime": _time(event.last)}}
            path = EVENTS.path(metadata["namespace"], metadata["name"])
            try:
                await self._client.request("PATCH", path, "", orjson.dumps(series), MERGE_PATCH)
                return
            except NotFoundError:  # the server keeps events for an hour, and anybody may delete them
                pass
        await self._client.request("POST", EVENTS.path(metadata["namespace"]), "", orjson.dumps(event.body))
        event.written = True


def _time(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _ended(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.error("events are no longer written", exc_info=error)
