"""The one writer of our resources' status: coalesced, and silent when nothing would change.

A run says what the status should be as often as it likes. A request is made only if that differs from what stands
there, which is the newer of what the watch showed and what was written last; progress is shown only of runs that take
longer than a moment, so a short run writes once.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple
from urllib.parse import quote

from controller.kube.answers import JSON_PATCH
from controller.kube.client import KubeClient
from controller.kube.errors import ChangedMeanwhileError, NotFoundError
from controller.kube.resources import Resource
from controller.objects import Json, ObjectKey, canonical, decoded
from controller.runtime.clock import Clock, LoopClock, Timer
from controller.runtime.tasks import Supervisor

MOMENT = 2.0
"""Seconds that a run may take without showing progress."""

UNEVENTFUL = frozenset({"lastSync"})
"""Fields that are written together with others, but are no reason to write."""

Replace = Callable[[Resource, ObjectKey, str, Json], Awaitable[str]]
"""Makes this the whole status of the object with this uid and gives its new resourceVersion; see `status_replacer`."""

Gone = Callable[[ObjectKey, str], None]
"""Is told the key and uid of an object that turned out not to be there any more."""


class _Known(NamedTuple):
    uid: str
    resource_version: int
    status: Json


class _Announcement:
    """A status that is to be shown unless the run ends before; the timer is set right after it is made."""

    timer: Timer


class StatusWriter:
    """Writes statuses; per object one at a time and in order."""

    def __init__(
        self, replace: Replace, supervisor: Supervisor, *, gone: Gone = lambda *_: None, clock: Clock | None = None
    ) -> None:
        self._replace = replace
        self._supervisor = supervisor
        self._gone = gone
        self._clock = clock or LoopClock()
        self._written: dict[ObjectKey, _Known] = {}
        self._announced: dict[ObjectKey, _Announcement] = {}
        self._turns: defaultdict[ObjectKey, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def write(self, resource: Resource, body: Json, desired: Json) -> bool:
        """Make `desired` the whole status of the object seen as `body`; tells whether that took a request.

        Conditions keep their lastTransitionTime while their status stays. An object that is gone, or is another of
        the same name by now, is left alone. Raises UnreachableError, ForbiddenError, RefusedError.
        """
        key = _key(resource, body)
        self._withdraw(key)
        async with self._turns[key]:
            return await self._write(resource, key, body, desired)

    def announce(self, resource: Resource, body: Json, desired: Json, after: float = MOMENT) -> None:
        """Write `desired` in `after` seconds unless `write` is called before: the progress of a run."""
        key = _key(resource, body)
        self._withdraw(key)
        announced = self._announced[key] = _Announcement()

        async def show() -> None:
            async with self._turns[key]:
                if self._announced.get(key) is announced:  # else the run has ended while this waited
                    del self._announced[key]
                    await self._write(resource, key, body, desired)

        announced.timer = self._clock.call_at(
            self._clock.now() + after, lambda: self._supervisor.start(f"status of {key}", show())
        )

    def latest(self, resource: Resource, body: Json) -> Json:
        """The newest status that is known of the object seen as `body`: what was written may not have come back yet."""
        return self._known(_key(resource, body), body).status

    def forget(self, key: ObjectKey) -> None:
        """The object is gone."""
        self._withdraw(key)
        self._written.pop(key, None)
        self._turns.pop(key, None)

    def _withdraw(self, key: ObjectKey) -> None:
        announced = self._announced.pop(key, None)
        if announced is not None:
            announced.timer.cancel()

    async def _write(self, resource: Resource, key: ObjectKey, body: Json, desired: Json) -> bool:
        seen, known = _seen(body), self._known(key, body)
        target = settled(desired, known.status)
        if not is_news(known.status, target):
            return False
        try:
            version = await self._replace(resource, key, seen.uid, target)
        except (NotFoundError, ChangedMeanwhileError):
            self.forget(key)
            self._gone(key, seen.uid)
            return False
        self._written[key] = _Known(seen.uid, int(version), target)
        return True

    def _known(self, key: ObjectKey, body: Json) -> _Known:
        seen, written = _seen(body), self._written.get(key)
        newer = written and written.uid == seen.uid and written.resource_version > seen.resource_version
        return written if written and newer else seen


def _key(resource: Resource, body: Json) -> ObjectKey:
    return resource.key(body["metadata"].get("namespace", ""), body["metadata"]["name"])


def _seen(body: Json) -> _Known:
    metadata = body["metadata"]
    return _Known(metadata["uid"], int(metadata["resourceVersion"]), body.get("status") or {})


def settled(desired: Json, known: Json) -> Json:
    """`desired`, in which conditions whose status is as in `known` keep their lastTransitionTime."""
    if "conditions" not in desired:
        return desired
    before = {condition["type"]: condition for condition in known.get("conditions", ())}
    return {**desired, "conditions": [_lasting(condition, before) for condition in desired["conditions"]]}


def _lasting(condition: Json, before: Mapping[str, Json]) -> Json:
    last = before.get(condition["type"])
    if last is None or last["status"] != condition["status"]:
        return condition
    return {**condition, "lastTransitionTime": last["lastTransitionTime"]}


def is_news(known: Json, desired: Json) -> bool:
    """Whether anything differs that is worth a request."""
    names = (known.keys() | desired.keys()) - UNEVENTFUL
    return any(known.get(name) != desired.get(name) for name in names)


def status_replacer(client: KubeClient, manager: str) -> Replace:
    """The way to write: one JSON patch that tests the uid, for a merge patch to `/status` would not look at it."""

    async def replace(resource: Resource, key: ObjectKey, uid: str, status: Json) -> str:
        operations = [
            {"op": "test", "path": "/metadata/uid", "value": uid},
            {"op": "add", "path": "/status", "value": status},
        ]
        path = resource.path(key.namespace, key.name, "status")
        query = f"fieldManager={quote(manager, safe='')}&fieldValidation=Strict"
        answer = decoded(await client.request("PATCH", path, query, canonical(operations), JSON_PATCH))
        return str(answer["metadata"]["resourceVersion"])

    return replace
