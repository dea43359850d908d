"""The bare client: what the API server gives to somebody who does nothing but ask. Figures are quoted against it."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, Self

import aiohttp
import orjson

from controller.dev.controlplane import ADMIN, ControlPlane

IN_FLIGHT = 64  # requests at once: more bring nothing on a small machine, fewer are slower
DEADLINE = 300.0  # seconds for anything that is waited for; under a minute where nothing is wrong

Json = dict[str, Any]


class BenchmarkError(Exception):
    """What was to be measured did not happen."""


class BareClient:
    """aiohttp and orjson, without retries, caches or opinions. An async context manager."""

    def __init__(self, plane: ControlPlane) -> None:
        trust = ssl.create_default_context(cafile=str(plane.authority.certificate))
        self._session = aiohttp.ClientSession(
            plane.server,
            connector=aiohttp.TCPConnector(limit=0, ssl=trust),
            headers={"Authorization": f"Bearer {plane.token_of(ADMIN.name)}", "User-Agent": "bare-client"},
            timeout=aiohttp.ClientTimeout(total=None, sock_read=DEADLINE),
            auto_decompress=False,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._session.close()

    async def create(self, path: str, body: Json) -> Json:
        """POST."""
        return await self._send("POST", path, body, "application/json")

    async def apply(self, path: str, body: Json, manager: str = "bare-client") -> Json:
        """Server-side apply with force."""
        return await self._send(
            "PATCH", f"{path}?fieldManager={manager}&force=true", body, "application/apply-patch+yaml"
        )

    async def merge(self, path: str, body: Json, manager: str = "bare-client") -> Json:
        """Merge patch, as `kubectl edit` and `kubectl patch` send it."""
        return await self._send("PATCH", f"{path}?fieldManager={manager}", body, "application/merge-patch+json")

    async def get(self, path: str) -> Json:
        """GET."""
        async with self._session.get(path) as answer:
            return await _decoded(answer)

    async def delete(self, path: str) -> None:
        """DELETE, and do not wait for the end."""
        async with self._session.delete(path) as answer:
            await _decoded(answer)

    @asynccontextmanager
    async def watching(self, path: str, name: str) -> AsyncIterator[AsyncIterator[Json]]:
        """The states of one object: the present one first, so that the watch stands when that has come."""
        async with self._session.get(f"{path}?watch=1&fieldSelector=metadata.name%3D{name}") as answer:
            yield _objects(answer)

    async def _send(self, method: str, path: str, body: Json, kind: str) -> Json:
        headers = {"Content-Type": kind}
        async with self._session.request(method, path, data=orjson.dumps(body), headers=headers) as answer:
            return await _decoded(answer)


async def _decoded(answer: aiohttp.ClientResponse) -> Json:
    content = await answer.read()
    if answer.status >= 300:
        raise BenchmarkError(f"{answer.method} {answer.url} answers {answer.status}: {content.decode()}")
    decoded: Json = orjson.loads(content)
    return decoded


async def _objects(answer: aiohttp.ClientResponse) -> AsyncIterator[Json]:
    if answer.status != 200:
        raise BenchmarkError(f"watching {answer.url} answers {answer.status}")
    async for line in answer.content:
        yield orjson.loads(line)["object"]


def config_maps(namespace: str) -> str:
    """The path of a namespace's ConfigMaps."""
    return f"/api/v1/namespaces/{namespace}/configmaps"


async def apply_all(client: BareClient, namespace: str, objects: Iterable[Json]) -> float:
    """Apply ConfigMaps, so many in flight; the seconds it took."""
    waiting = iter(objects)

    async def worker() -> None:
        for body in waiting:
            await client.apply(f"{config_maps(namespace)}/{body['metadata']['name']}", body)

    begin = time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(IN_FLIGHT)))
    return time.perf_counter() - begin
