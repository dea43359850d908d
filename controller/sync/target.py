"""What the cluster holds, as one fabric may see it: shared watches, narrowed to what its service account may read.

A fabric's view covers each (apiVersion, kind) that its documents or bases name, per namespace where the scope is
small. What is not covered, not served, not completely listed or not to be seen is *unknown*, and unknown is never
absent. What may not be seen is not watched on the fabric's behalf either: there is nothing that could be shown.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress

from controller.errors import Reason
from controller.kube.errors import UnauthorizedError
from controller.kube.projection import CachedObject
from controller.kube.resources import Resource
from controller.kube.watch import Change, Reflector
from controller.objects import Kind, ObjectKey, group_of
from controller.sync.plan.model import Actual, Presence
from controller.sync.reach import Reach
from controller.sync.scope import Scope
from controller.sync.sight import Sight

Version = tuple[str, str]
"""(apiVersion, kind)."""

OnChange = Callable[[Change], None]
OnSynced = Callable[[Kind], None]

_NAMESPACED_VERBS = frozenset({"list", "watch"})


class ClusterView:
    """The live objects of one fabric's scope. Close it, or its watches go on."""

    def __init__(self, reach: Reach, scope: Scope, on_change: OnChange, on_synced: OnSynced) -> None:
        self.sight = Sight(reach.who, reach.cluster.reviews, scope)
        self._discovery = reach.cluster.discovery
        self._pool = reach.cluster.pool
        self._told = reach.told
        self._scope = scope
        self._on_change = on_change
        self._on_synced = on_synced
        self._resources: dict[Version, Resource | None] = {}
        self._reflectors: dict[Version, dict[str | None, Reflector]] = {}
        self._endings: dict[Reflector, Callable[[], None]] = {}
        self._closings: list[Callable[[], None]] = []
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

    def follow_definitions(self, on_kinds: Callable[[frozenset[Kind]], None]) -> None:
        """Call `on_kinds` with kinds whose definition changed, until the view is closed."""
        self._closings.append(self._discovery.subscribe(on_kinds))

    async def cover(self, versions: Iterable[Version], keys: Iterable[ObjectKey] = ()) -> set[Kind]:
        """Watch these kinds, which `resolve` has seen, as far as they may be seen.

        `keys` are the objects that matter: where all namespaces are in scope but not all may be seen, theirs are asked
        about one by one. Returns the kinds of which something else is watched than before. Raises UnreachableError.
        """
        self.sight.name_places(keys)
        for version in versions:
            resource = self._resources.get(version)
            if resource is not None and _is_watchable(resource):
                self._reflectors.setdefault(version, {})
                self._covered.setdefault(resource.group_kind, version)
        return await self.look()

    async def look(self) -> set[Kind]:
        """Ask anew what may be seen, watch that, and nothing else; as `cover`."""
        await self.sight.ask(resource for version in self._reflectors if (resource := self._resources.get(version)))
        found = [self._watch_what_may_be_seen(version) for version in tuple(self._reflectors)]
        return {kind for kind in found if kind is not None}

    def is_hidden(self, key: ObjectKey, api_version: str) -> bool:
        """Whether the object may not be seen: neither what it holds, nor whether it is there."""
        return self._reflector(key, api_version) is None and bool(self._objection(key, api_version))

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
        return self._resources.get(self._version(key, api_version))

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
            if why := self._objection(key, api_version):
                return Actual(Presence.UNKNOWN, reason=Reason.FORBIDDEN, message=why)
            message = f"the API server does not serve {key.kind} of {key.group or 'the core group'}"
            return Actual(Presence.UNKNOWN, reason=Reason.KIND_UNKNOWN, message=message)
        if not reflector.synced:
            if reflector.error is None:
                message = f"no complete list of {reflector.resource} yet"
                return Actual(Presence.UNKNOWN, reason=Reason.API_UNREACHABLE, message=message)
            error = self._told(reflector.error)
            return Actual(Presence.UNKNOWN, reason=error.reason, message=error.message)
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

    def errors(self) -> list[tuple[Reason, str]]:
        """(reason, message) of every list or watch that fails now, and of everything that may not be seen."""
        failing = [
            self._told(reflector.error)
            for reflector in self._all()
            if reflector.error is not None and not reflector.synced
        ]
        return [
            *((error.reason, error.message) for error in failing),
            *((Reason.FORBIDDEN, why) for why in self.sight.refusals()),
        ]

    def is_refused(self) -> bool:
        """Whether the API server no longer takes the credentials of a watch."""
        return any(isinstance(reflector.error, UnauthorizedError) for reflector in self._all())

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
        for end in self._closings:
            end()
        self._closings.clear()
        self._reflectors.clear()
        self._covered.clear()

    def _objection(self, key: ObjectKey, api_version: str) -> str:
        """Why an object without a watch may not be seen; "" where that is not the reason."""
        version = self._version(key, api_version)
        resource = self._resources.get(version) if version in self._reflectors else None
        return "" if resource is None else self.sight.objection(resource, key.namespace)

    def _version(self, key: ObjectKey, api_version: str) -> Version:
        """In which version the object is watched: in the one given, else in the first of its kind."""
        version = (api_version, key.kind)
        return version if version in self._reflectors else self._covered.get(key.group_kind, version)

    def _watch_what_may_be_seen(self, version: Version) -> Kind | None:
        """Begin and end watches of a kind. Returns the kind if there was anything to do."""
        resource, watched = self._resources.get(version), self._reflectors[version]
        if resource is None:  # withdrawn while it was asked about
            return None
        places = self.sight.places(resource)
        gone, fresh = watched.keys() - places, places - watched.keys()
        for place in gone:
            self._give_back(watched.pop(place))
        for place in fresh:
            watched[place] = self._watch(resource, place)
        return resource.group_kind if gone or fresh else None

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
        scopes = self._reflectors.get(self._version(key, api_version), {})
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
