"""What the cluster holds, as one fabric may see it: shared watches, narrowed to the fabric's kinds and namespaces.

A fabric's view covers each (apiVersion, kind) that its documents or bases name, per namespace where the scope is
small. What is not covered, not served, or not completely listed is *unknown*, and unknown is never absent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress

from controller.errors import Reason
from controller.kube.discovery import Discovery
from controller.kube.pool import ReflectorPool
from controller.kube.projection import CachedObject
from controller.kube.resources import Resource
from controller.kube.watch import Change, Reflector
from controller.objects import Kind, ObjectKey, group_of
from controller.sync.plan.model import Actual, Presence
from controller.sync.scope import Scope

Version = tuple[str, str]
"""(apiVersion, kind)."""

OnChange = Callable[[Change], None]
OnSynced = Callable[[Kind], None]

_NAMESPACED_VERBS = frozenset({"list", "watch"})


class ClusterView:
    """The live objects of one fabric's scope. Close it, or its watches go on."""

    def __init__(
        self, discovery: Discovery, pool: ReflectorPool, scope: Scope, on_change: OnChange, on_synced: OnSynced
    ) -> None:
        self._discovery = discovery
        self._pool = pool
        self._scope = scope
        self._on_change = on_change
        self._on_synced = on_synced
        self._resources: dict[Version, Resource | None] = {}
        self._reflectors: dict[Version, dict[str | None, Reflector]] = {}
        self._endings: dict[Reflector, Callable[[], None]] = {}
        self._covered: dict[Kind, Version] = {}

    async def resolve(self, versions: Iterable[Version]) -> dict[Version, bool | None]:
        """Whether each kind is namespaced; None where it is not served (asked again every time)."""
        table: dict[Version, bool | None] = {}
        for version in versions:
            resource = self._resources.get(version)
            if resource is None:
                resource = await self._discovery.resolve(*version)
                self._resources[version] = resource
            table[version] = None if resource is None else resource.namespaced
        return table

    def cover(self, versions: Iterable[Version]) -> set[Kind]:
        """Watch these kinds, which `resolve` has seen. Returns those that were not watched before."""
        fresh = set()
        for version in versions:
            resource = self._resources.get(version)
            if resource is None or version in self._reflectors or not _is_watchable(resource):
                continue
            scopes: tuple[str | None, ...] = (None,)
            if resource.namespaced and not self._scope.everywhere:
                scopes = self._scope.namespaces
            self._reflectors[version] = {namespace: self._watch(resource, namespace) for namespace in scopes}
            self._covered.setdefault(resource.group_kind, version)
            fresh.add(resource.group_kind)
        return fresh

    async def wait_synced(self, seconds: float) -> bool:
        """Wait for every complete list, `seconds` at most; a failing one is not waited for. True: all are."""
        waiting = [reflector for reflector in self._all() if not reflector.synced and reflector.error is None]
        if waiting:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await asyncio.gather(*(_settled(reflector) for reflector in waiting))
        return all(reflector.synced for reflector in self._all())

    def resource(self, key: ObjectKey, api_version: str) -> Resource | None:
        """How to address the object: in the version given, else in the one that is watched."""
        version = (api_version, key.kind)
        if version not in self._reflectors:
            version = self._covered.get(key.group_kind, version)
        return self._resources.get(version)

    def cached(self, key: ObjectKey, api_version: str) -> CachedObject | None:
        """The live object as the watch shows it."""
        reflector = self._reflector(key, api_version)
        return None if reflector is None else reflector.get(key.namespace, key.name)

    def actual(self, key: ObjectKey, api_version: str) -> Actual:
        """A of one object."""
        reflector = self._reflector(key, api_version)
        if reflector is None:
            resource = self.resource(key, api_version)
            if resource is not None and resource.namespaced != bool(key.namespace):
                return Actual()  # no object of this kind can be there
            message = f"the API server does not serve {key.kind} of {key.group or 'the core group'}"
            return Actual(Presence.UNKNOWN, reason=Reason.KIND_UNKNOWN, message=message)
        if not reflector.synced:
            error = reflector.error
            reason = Reason.API_UNREACHABLE if error is None else error.reason
            message = f"no complete list of {reflector.resource} yet" if error is None else error.message
            return Actual(Presence.UNKNOWN, reason=reason, message=message)
        return to_actual(reflector.get(key.namespace, key.name))

    def importable(self, kinds: Iterable[Kind]) -> list[tuple[ObjectKey, str]]:
        """Every live object of these kinds in scope, with the apiVersion that is watched."""
        found = []
        for kind in kinds:
            version = self._covered.get(kind)
            for reflector in () if version is None else self._reflectors[version].values():
                for namespace, name in reflector.objects:
                    key = reflector.resource.key(namespace, name)
                    if self._scope.holds(key):
                        found.append((key, reflector.resource.api_version))
        return found

    def errors(self) -> list[tuple[Resource, str | None, Reason, str]]:
        """(kind, namespace, reason, message) of every list or watch that fails now."""
        return [
            (reflector.resource, reflector.namespace, reflector.error.reason, reflector.error.message)
            for reflector in self._all()
            if reflector.error is not None and not reflector.synced
        ]

    def list_versions(self) -> dict[str, str]:
        """`<resource path>` → resourceVersion of its latest complete list, to notice a restored etcd."""
        return {_path(reflector): reflector.list_resource_version for reflector in self._all() if reflector.synced}

    def positions(self) -> dict[str, str]:
        """`<resource path>` → resourceVersion up to which everything was seen."""
        return {_path(reflector): reflector.position for reflector in self._all() if reflector.position}

    def list_version(self, key: ObjectKey, api_version: str) -> str:
        """The resourceVersion of the latest complete list that the object would be in."""
        reflector = self._reflector(key, api_version)
        return reflector.list_resource_version if reflector is not None and reflector.synced else ""

    def forget_unserved(self, kinds: frozenset[Kind]) -> None:
        """The definition of these kinds changed: watch them anew when they are covered next."""
        for version in [version for version in self._resources if Kind(group_of(version[0]), version[1]) in kinds]:
            del self._resources[version]
            for reflector in self._reflectors.pop(version, {}).values():
                self._give_back(reflector)
            self._covered.pop(Kind(group_of(version[0]), version[1]), None)

    def close(self) -> None:
        """Give every watch back."""
        for reflector in self._all():
            self._give_back(reflector)
        self._reflectors.clear()
        self._covered.clear()

    def _watch(self, resource: Resource, namespace: str | None) -> Reflector:
        reflector = self._pool.acquire(resource, namespace)

        def tell_synced(synced: bool) -> None:
            self._on_synced(resource.group_kind)

        self._endings[reflector] = reflector.subscribe(self._tell_change, tell_synced)
        return reflector

    def _give_back(self, reflector: Reflector) -> None:
        self._endings.pop(reflector)()
        self._pool.release(reflector)

    def _tell_change(self, change: Change) -> None:
        if self._scope.holds(change.key):
            self._on_change(change)

    def _reflector(self, key: ObjectKey, api_version: str) -> Reflector | None:
        scopes = self._reflectors.get((api_version, key.kind))
        if scopes is None:
            version = self._covered.get(key.group_kind)
            scopes = None if version is None else self._reflectors[version]
        if scopes is None:
            return None
        return scopes.get(None) or scopes.get(key.namespace)

    def _all(self) -> list[Reflector]:
        return [reflector for scopes in self._reflectors.values() for reflector in scopes.values()]


def to_actual(found: CachedObject | None) -> Actual:
    """A, from what a complete list or a read holds."""
    if found is None:
        return Actual()
    return Actual(
        Presence.TERMINATING if found.deleting else Presence.PRESENT,
        content=found.content,
        uid=found.uid,
        resource_version=found.resource_version,
        managers=found.managers,
        owned=found.owned,
        seen_live=found.seen_live,
    )


def _path(reflector: Reflector) -> str:
    return reflector.resource.path(reflector.namespace)


def _is_watchable(resource: Resource) -> bool:
    return not resource.verbs or resource.verbs >= _NAMESPACED_VERBS


async def _settled(reflector: Reflector) -> None:
    """Return when the reflector has its list, or an error instead of one."""
    done = asyncio.Event()
    end = reflector.subscribe(lambda _: None, lambda _: done.set())
    try:
        while not reflector.synced and reflector.error is None:
            with suppress(TimeoutError):
                async with asyncio.timeout(0.05):
                    await done.wait()
    finally:
        end()
