"""The reflector: what one list-and-watch shows, kept in memory and never wrong about what vanished meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from controller.errors import TandemError
from controller.kube.client import KubeClient
from controller.kube.projection import CachedObject
from controller.kube.resources import Resource
from controller.objects import ObjectKey


class Source(StrEnum):
    """How a change became known."""

    LIST = "list"  # found by comparing a list with what was held: when it happened is not known
    WATCH = "watch"  # seen live
    OWN = "own"  # the answer to a write of this process


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


class Reflector:
    """The objects of one resource in one namespace, or in all (`namespace` None).

    `synced`: a complete list is held and the watch continues it; while it is not, absence means nothing. `error` says
    why not. `list_resource_version` is that of the latest complete list. `objects` is keyed by (namespace, name).
    Callbacks run in the loop, one after the other, and must not block; what they raise is logged and ends nothing.
    """

    resource: Resource
    namespace: str | None
    synced: bool
    error: TandemError | None
    list_resource_version: str
    objects: Mapping[tuple[str, str], CachedObject]

    def __init__(
        self,
        client: KubeClient,
        resource: Resource,
        namespace: str | None = None,
        *,
        selectors: str = "",
        timing: WatchTiming = WatchTiming(),
        keep_managers: bool = True,
        clock: Callable[[], float] | None = None,
    ) -> None:
        raise NotImplementedError

    def start(self) -> None:
        """Begin to list and watch; it goes on, through every error, until `stop`."""
        raise NotImplementedError

    async def stop(self) -> None:
        """End the watch; what is held stays readable."""
        raise NotImplementedError

    def get(self, namespace: str, name: str) -> CachedObject | None:
        """One object of the cache. None means absent only while `synced`."""
        raise NotImplementedError

    async def wait_synced(self) -> None:
        """Return once `synced`."""
        raise NotImplementedError

    def subscribe(
        self, on_change: Callable[[Change], None], on_synced: Callable[[bool], None] | None = None
    ) -> Callable[[], None]:
        """Call `on_change` for every change from now on, `on_synced` when `synced` flips; the result ends both."""
        raise NotImplementedError
