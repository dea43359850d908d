"""Shared reflectors: many fabrics, one watch per resource and namespace; and where our own writes are told to them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from controller.kube.client import KubeClient
from controller.kube.projection import CachedObject
from controller.kube.resources import SECRETS, Resource
from controller.kube.watch import Reflector, WatchTiming
from controller.objects import Kind, ObjectKey

# Helm keeps every release as a Secret of up to 1 MB: nobody declares them, and they would fill the cache.
_SELECTORS = {SECRETS.path(): "fieldSelector=type%21%3Dhelm.sh%2Frelease.v1"}

Scope = tuple[str, str | None]  # (path of the collection in all namespaces, namespace)


class ReflectorPool:
    """Reflectors by (resource, namespace), counted. Helm's release Secrets are never listed nor watched."""

    def __init__(
        self, client: KubeClient, timing: WatchTiming | None = None, broken: Callable[[str], None] = lambda _: None
    ) -> None:
        self._client = client
        self._timing = timing or WatchTiming()
        self._broken = broken
        self._reflectors: dict[Scope, Reflector] = {}
        self._uses: dict[Scope, int] = {}
        self._stopping: set[asyncio.Task[None]] = set()

    def acquire(self, resource: Resource, namespace: str | None = None) -> Reflector:
        """The started reflector of this scope; every `acquire` needs one `release`."""
        scope = _scope(resource, namespace)
        if scope not in self._reflectors:
            selectors = _SELECTORS.get(resource.path(), "")
            reflector = Reflector(
                self._client, resource, scope[1], selectors=selectors, timing=self._timing, broken=self._broken
            )
            reflector.start()
            self._reflectors[scope] = reflector
        self._uses[scope] = self._uses.get(scope, 0) + 1
        return self._reflectors[scope]

    def release(self, reflector: Reflector) -> None:
        """Give one back; the last one ends its watch."""
        scope = _scope(reflector.resource, reflector.namespace)
        self._uses[scope] -= 1
        if self._uses[scope] == 0:
            del self._uses[scope], self._reflectors[scope]
            task = asyncio.create_task(reflector.stop())
            self._stopping.add(task)
            task.add_done_callback(self._stopping.discard)

    def relist(self, kinds: Iterable[Kind]) -> None:
        """List these kinds anew, because their definition changed."""
        wanted = frozenset(kinds)
        for reflector in self._reflectors.values():
            if reflector.resource.group_kind in wanted:
                reflector.relist()

    @contextmanager
    def writing(self, resource: Resource, key: ObjectKey) -> Iterator[None]:
        """While it is open, watch events of this object wait, because one may be the echo of this very write."""
        name = (key.namespace, key.name)
        reflectors = self._covering(resource, key)
        for reflector in reflectors:
            reflector.begin_write(name)
        try:
            yield
        finally:
            for reflector in reflectors:
                reflector.end_write(name)

    def observe(self, resource: Resource, key: ObjectKey, written: CachedObject) -> None:
        """Put the answer of our own write into every cache that covers it; its echo will be dropped.

        Only for a write made from a known state (a create, or one with a resourceVersion): the answer of any other may
        hold somebody's change that no watch has shown yet, and nobody would hear of it.
        """
        for reflector in self._covering(resource, key):
            reflector.observe((key.namespace, key.name), written)

    def observe_deleted(self, resource: Resource, key: ObjectKey, uid: str) -> None:
        """Take what our own delete ended out of every cache that covers it."""
        for reflector in self._covering(resource, key):
            reflector.observe_deleted((key.namespace, key.name), uid)

    async def close(self) -> None:
        """Stop every reflector."""
        reflectors = [*self._reflectors.values()]
        self._reflectors.clear()
        self._uses.clear()
        await asyncio.gather(*(reflector.stop() for reflector in reflectors), *self._stopping)

    def _covering(self, resource: Resource, key: ObjectKey) -> list[Reflector]:
        """The reflectors that show this object in this version; of another version they hear by their watch."""
        path = resource.path()
        scopes: tuple[Scope, ...] = ((path, None), (path, key.namespace)) if key.namespace else ((path, None),)
        return [self._reflectors[scope] for scope in scopes if scope in self._reflectors]


def _scope(resource: Resource, namespace: str | None) -> Scope:
    return resource.path(), (namespace or None) if resource.namespaced else None
