"""Shared reflectors: many fabrics, one watch per resource and namespace; and where our own writes are told to them."""

from __future__ import annotations

from contextlib import AbstractContextManager

from controller.kube.client import KubeClient
from controller.kube.projection import CachedObject
from controller.kube.resources import Resource
from controller.kube.watch import Reflector, WatchTiming
from controller.objects import ObjectKey


class ReflectorPool:
    """Reflectors by (resource, namespace), counted. Helm's release Secrets are never listed nor watched."""

    def __init__(self, client: KubeClient, timing: WatchTiming = WatchTiming()) -> None:  # noqa: B008
        raise NotImplementedError

    def acquire(self, resource: Resource, namespace: str | None = None) -> Reflector:
        """The started reflector of this scope; every `acquire` needs one `release`."""
        raise NotImplementedError

    def release(self, reflector: Reflector) -> None:
        """Give one back; the last one ends its watch."""
        raise NotImplementedError

    def writing(self, resource: Resource, key: ObjectKey) -> AbstractContextManager[None]:
        """While it is open, watch events of this object wait, because one may be the echo of this very write."""
        raise NotImplementedError

    def observe(self, resource: Resource, key: ObjectKey, written: CachedObject | None) -> None:
        """Put the answer of our own write (None: deleted) into every cache that covers it; its echo will be dropped."""
        raise NotImplementedError

    async def close(self) -> None:
        """Stop every reflector."""
        raise NotImplementedError
