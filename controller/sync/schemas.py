"""The field types of kinds, as the planner needs them: built once per kind from the served OpenAPI documents."""

from __future__ import annotations

from collections.abc import Iterable

from controller.kube.discovery import Discovery
from controller.sync.plan.schema import Schema, schema_of


class Schemas:
    """The field types of kinds, built once per (apiVersion, kind) and generation of the discovery."""

    def __init__(self, discovery: Discovery) -> None:
        self._discovery = discovery
        self._generation = -1
        self._schemas: dict[tuple[str, str], Schema] = {}

    async def load(self, versions: Iterable[tuple[str, str]]) -> None:
        """Have the schemas of these kinds at hand. Raises UnreachableError."""
        if self._generation != self._discovery.generation:
            self._schemas.clear()
            self._generation = self._discovery.generation
        wanted: dict[str, list[str]] = {}
        for api_version, kind in versions:
            if (api_version, kind) not in self._schemas:
                wanted.setdefault(api_version, []).append(kind)
        for api_version, kinds in wanted.items():
            document = await self._discovery.openapi(api_version)
            group, _, version = api_version.rpartition("/")
            for kind in kinds:
                schema = Schema.open() if document is None else schema_of(document, group, version, kind)
                self._schemas[api_version, kind] = schema

    def get(self, api_version: str, kind: str) -> Schema:
        """The schema; an open one where the server tells nothing."""
        return self._schemas.get((api_version, kind)) or Schema.open()
