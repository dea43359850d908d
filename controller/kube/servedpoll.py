"""Which definitions changed, for an installation that may not watch them: asked of the OpenAPI index, once a minute.

The index names every group version with a hash of its document, so one small request tells a new kind, one that is
gone, and one whose fields are others.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from urllib.parse import parse_qs, urlsplit

import orjson

from controller.errors import TandemError
from controller.kube.client import KubeClient
from controller.kube.discovery import Discovery

POLL_SECONDS = 60.0
_INDEX = "/openapi/v3"

_log = logging.getLogger(__name__)


class ServedPoll:
    """Keeps a Discovery true without a watch of CRDs. Run it with `Supervisor.keep_up`."""

    def __init__(self, client: KubeClient, discovery: Discovery, seconds: float = POLL_SECONDS) -> None:
        self._client = client
        self._discovery = discovery
        self._seconds = seconds
        self._known: Mapping[str, str] | None = None

    async def run(self) -> None:
        """Look, tell, sleep, for ever. A look that fails is made again at the next turn."""
        while True:
            try:
                await self.look()
            except TandemError as error:
                _log.warning("the index of definitions: %s", error)
            await asyncio.sleep(self._seconds)

    async def look(self) -> None:
        """One look. The first one learns only what is there."""
        found = hashes(orjson.loads(await self._client.request("GET", _INDEX)))
        known, self._known = self._known, found
        if known is None:
            return
        changed = {name for name in found.keys() | known.keys() if found.get(name) != known.get(name)}
        if changed:
            await self._discovery.refresh(frozenset(changed))


def hashes(index: Mapping[str, Mapping[str, Mapping[str, str]]]) -> dict[str, str]:
    """apiVersion → the hash of its document; of a server that gives none, the address, which is then all it has."""
    found = {}
    for path, entry in index["paths"].items():
        root, _, api_version = path.partition("/")
        if root in {"api", "apis"} and api_version:
            address = entry["serverRelativeURL"]
            found[api_version] = parse_qs(urlsplit(address).query).get("hash", [address])[0]
    return found
