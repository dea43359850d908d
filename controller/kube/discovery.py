"""Which kinds the API server serves, and how their fields are typed; asked once, and again when a CRD changes."""

from __future__ import annotations

from collections.abc import Callable

from controller.kube.client import KubeClient
from controller.kube.resources import Resource
from controller.kube.watch import Reflector
from controller.objects import Json, Kind


class Discovery:
    """Kind ↔ resource, cached. In a steady state it makes no request."""

    generation: int  # counts invalidations: what is derived from an answer is good while it stays the same

    def __init__(self, client: KubeClient) -> None:
        raise NotImplementedError

    async def resolve(self, api_version: str, kind: str) -> Resource | None:
        """The resource of a kind in this very version; None if it is not served."""
        raise NotImplementedError

    async def preferred(self, group: str, kind: str) -> Resource | None:
        """The resource of a kind in the version the server prefers; None if it is not served."""
        raise NotImplementedError

    async def resources(self) -> tuple[Resource, ...]:
        """Everything that is served, each kind in each of its versions, subresources left out."""
        raise NotImplementedError

    async def openapi(self, api_version: str) -> Json | None:
        """The OpenAPI v3 document of a group version, decoded anew at every call; None if it is not served."""
        raise NotImplementedError

    def invalidate(self) -> None:
        """Forget everything."""
        raise NotImplementedError

    def follow(self, crds: Reflector) -> None:
        """Invalidate when a CRD changes, and tell subscribers once its kinds are (or are no longer) served."""
        raise NotImplementedError

    def subscribe(self, on_kinds: Callable[[frozenset[Kind]], None]) -> Callable[[], None]:
        """Call `on_kinds` with kinds whose definition changed; the returned function ends it."""
        raise NotImplementedError

    async def close(self) -> None:
        """End what `follow` started."""
        raise NotImplementedError
