"""Extracts of the OpenAPI v3 documents that a real API server publishes: the kinds that tests use, without prose.

They lie in tests/data/openapi. `tests/contract/test_openapi_extracts.py` holds them against a running server.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from functools import cache
from pathlib import Path

import orjson

from controller.objects import Json
from controller.sync.plan.schema import Schema, schema_of

FOLDER = Path(__file__).parents[1] / "data" / "openapi"

EXTRACTS = {
    "v1": ("ConfigMap", "Secret", "Service", "Namespace", "PersistentVolumeClaim", "ServiceAccount"),
    "apps/v1": ("Deployment",),
    "batch/v1": ("Job",),
    "autoscaling/v2": ("HorizontalPodAutoscaler",),
    "tests.tandem.dev/v1": ("Fabric",),
}

_PROSE = ("description", "format", "example")


def extract(document: Json, api_version: str, kinds: Collection[str]) -> Json:
    """The part of a group version's document that describes these kinds."""
    group, _, version = api_version.rpartition("/")
    schemas = document["components"]["schemas"]
    wanted = [{"group": group, "version": version, "kind": kind} for kind in kinds]
    names = [name for name, raw in schemas.items() if _names_one(raw, wanted)]
    found: dict[str, Json] = {}
    while names:
        name = names.pop()
        if name not in found:
            found[name] = _without_prose(schemas[name])
            names += _references(found[name])
    return {"components": {"schemas": dict(sorted(found.items()))}}


def file_of(api_version: str) -> Path:
    """Where the extract of a group version lies."""
    return FOLDER / f"{api_version.replace('/', '_')}.json"


@cache
def schema(api_version: str, kind: str) -> Schema:
    """The schema of a kind, from its extract."""
    group, _, version = api_version.rpartition("/")
    return schema_of(orjson.loads(file_of(api_version).read_bytes()), group, version, kind)


def _names_one(raw: Json, wanted: Collection[Json]) -> bool:
    # A list type names every group it lists for; only objects describe a kind.
    return any(name in wanted for name in raw.get("x-kubernetes-group-version-kind", ()))


def _without_prose(value: Json) -> Json:
    if isinstance(value, list):
        return [_without_prose(item) for item in value]
    if not isinstance(value, dict):
        return value
    # `description` may also be the name of a field: then its value is a schema, not a text.
    return {
        name: _without_prose(part) for name, part in value.items() if name not in _PROSE or not isinstance(part, str)
    }


def _references(value: Json) -> Iterator[str]:
    if isinstance(value, list):
        for item in value:
            yield from _references(item)
    elif isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"].rpartition("/")[2]
        for part in value.values():
            yield from _references(part)
