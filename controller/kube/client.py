"""The HTTP client: bytes to the API server and bytes back, bounded, timed and translated. It decides nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Self

from controller.kube.config import ClusterConfig
from controller.kube.resources import Resource
from controller.objects import Json


class KubeClient:
    """One API server. `in_flight` bounds the sockets of requests; watches have their own. `timeout` is in seconds.

    Every method raises errors of `controller.kube.errors` only.
    """

    def __init__(
        self, config: ClusterConfig, *, in_flight: int = 64, timeout: float = 30.0, component: str = "controller"
    ) -> None:
        raise NotImplementedError

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close every connection."""
        raise NotImplementedError

    async def request(
        self, method: str, path: str, query: str = "", body: bytes | None = None, content_type: str = "application/json"
    ) -> bytes:
        """One request; the raw body of its answer. `query` is encoded already. 429 and 503 are waited out a while."""
        raise NotImplementedError

    async def get(self, resource: Resource, namespace: str, name: str) -> Json:
        """One object, decoded."""
        raise NotImplementedError

    async def list_page(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        limit: int = 500,
        continue_token: str = "",
        selectors: str = "",
    ) -> Json:
        """One page of a list, decoded: `metadata.continue` is empty on the last."""
        raise NotImplementedError

    async def list_all(self, resource: Resource, namespace: str | None = None, *, selectors: str = "") -> list[Json]:
        """All items, decoded, read in pages."""
        raise NotImplementedError

    def watch(self, path: str, query: str, inactivity: float) -> AsyncIterator[bytes]:
        """The raw lines of a watch until the server ends it; UnreachableError after `inactivity` seconds of silence."""
        raise NotImplementedError
