"""Taking the other tool's name off the objects that a Fabric holds by now.

As long as a tool's field manager is on an object, the fields that it applied count as held by a program, and a field
that Git no longer declares would stay. Values are not touched: only who is named as their owner, and the labels and
annotations by which the tool knows its objects.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import orjson

from controller.cli.adoption.candidate import Candidate, Held
from controller.kube.answers import JSON_PATCH
from controller.kube.client import KubeClient
from controller.kube.discovery import Discovery
from controller.kube.errors import ChangedMeanwhileError, KubeError, NotFoundError, RefusedError
from controller.kube.resources import Resource
from controller.objects import Json
from controller.sync.naming import field_manager
from controller.sync.plan.editors import FABRIC_PREFIX

HANDOVER = "tandem-handover"  # an excluded manager: what it takes off is nobody's edit
_TRIES = 8  # for an object whose status is written all the time

Stamps = Callable[[Json], Iterable[str]]
"""JSON pointers of an object's labels and annotations by which the tool knows it."""


@dataclass(slots=True)
class HandedOver:
    """How it went, each as `Kind/namespace/name`; `failed` with what the API server said."""

    done: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)  # the Fabric does not hold them
    failed: list[tuple[str, str]] = field(default_factory=list)


async def hand_over(client: KubeClient, candidate: Candidate, managers: frozenset[str], stamps: Stamps) -> HandedOver:
    """Take the tool's name off every object that the Fabric holds. Raises UnreachableError."""
    discovery, told = Discovery(client), HandedOver()
    try:
        for held in candidate.objects:
            resource = await discovery.resolve(held.api_version, held.key.kind)
            resource = resource or await discovery.preferred(held.key.group, held.key.kind)
            if resource is None:
                told.left.append(str(held.key))
                continue
            try:
                is_ours = await _release(client, resource, held, managers, stamps, candidate.place)
                (told.done if is_ours else told.left).append(str(held.key))
            except KubeError as error:
                told.failed.append((str(held.key), error.message))
    finally:
        await discovery.close()
    return told


async def _release(
    client: KubeClient,
    resource: Resource,
    held: Held,
    managers: frozenset[str],
    stamps: Stamps,
    place: tuple[str, str],
) -> bool:
    """Whether the Fabric holds the object, whose former owner then is off it."""
    path = resource.path(held.key.namespace, held.key.name)
    for attempt in range(_TRIES):
        try:
            live = await client.get(resource, held.key.namespace, held.key.name)
        except NotFoundError:
            return False
        if not is_held(live, place):
            return False
        operations = release_patch(live, managers, stamps(live))
        if not operations:
            return True
        try:
            query = f"fieldManager={HANDOVER}"
            await client.request("PATCH", path, query, orjson.dumps(operations), JSON_PATCH)
        except (ChangedMeanwhileError, RefusedError):  # a failed test is a 422
            if attempt == _TRIES - 1:
                raise
        else:
            return True
    return False


def is_held(live: Json, place: tuple[str, str]) -> bool:
    """Whether the Fabric (namespace, name) has applied the object: its field manager is on it."""
    owners = (str(entry.get("manager", "")) for entry in live["metadata"].get("managedFields") or ())
    return any(
        owner == field_manager(owner.removeprefix(FABRIC_PREFIX).partition(":")[0], *place)
        for owner in owners
        if owner.startswith(FABRIC_PREFIX)
    )


def release_patch(live: Json, managers: frozenset[str], stamps: Iterable[str]) -> list[Json]:
    """The JSON patch that takes the managers and the stamps off; empty where there are none.

    An entry of a status stays: that tool may well go on writing it.
    """
    entries = live["metadata"].get("managedFields") or []
    kept = [entry for entry in entries if entry.get("manager") not in managers or entry.get("subresource")]
    operations = [*_changes(entries, kept, stamps)]
    if not operations:
        return []
    return [
        {"op": "test", "path": "/metadata/resourceVersion", "value": live["metadata"]["resourceVersion"]},
        *operations,
    ]


def _changes(entries: list[Json], kept: list[Json], stamps: Iterable[str]) -> Iterator[Json]:
    for pointer in stamps:
        yield {"op": "remove", "path": pointer}
    if len(kept) < len(entries):
        yield {"op": "replace", "path": "/metadata/managedFields", "value": kept}
