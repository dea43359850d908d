"""The values that flow through every room: what an object is called, what it holds, and where it came from.

Content travels as canonical bytes (JSON, keys sorted, no spaces), because comparing bytes costs a microsecond where
comparing trees costs a hundred; it is decoded only where two sides differ.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson

Json = Any  # a decoded JSON value: dict, list, str, int, float, bool or None


def canonical(value: Json) -> bytes:
    """The one byte form of a JSON value. A copy: orjson returns over-sized buffers, and these are kept."""
    return bytes(bytearray(orjson.dumps(value, option=orjson.OPT_SORT_KEYS)))


def decoded(content: bytes) -> Json:
    """The JSON value of canonical bytes."""
    return orjson.loads(content)


class Kind(NamedTuple):
    """A kind of object without its version: group ("" for core) and CamelCase kind."""

    group: str
    kind: str

    def __str__(self) -> str:
        return f"{self.kind}.{self.group}" if self.group else self.kind


class ObjectKey(NamedTuple):
    """What identifies an object in one cluster, whatever version names it. Cluster-scoped: namespace ""."""

    group: str
    kind: str
    namespace: str
    name: str

    @property
    def group_kind(self) -> Kind:
        """The kind this object is of."""
        return Kind(self.group, self.kind)

    def __str__(self) -> str:
        place = f"{self.namespace}/{self.name}" if self.namespace else self.name
        return f"{self.kind}/{place}"


def group_of(api_version: str) -> str:
    """`apps` of `apps/v1`, "" of `v1`."""
    return api_version.rpartition("/")[0]


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where in Git a document stands. Lines count from 1; documents in the file, and items of a `List`, from 0."""

    path: str
    line: int = 1
    index: int = 0
    item: int | None = None
    blob: str = ""
    commit: str = ""

    def __str__(self) -> str:
        return f"{self.path}:{self.line}"


@dataclass(frozen=True, slots=True)
class Base:
    """What Git and the cluster last agreed on, for one object: both contents as they stood then, whole.

    `declared` and `actual` are canonical; `uid` and `resource_version` are those of the live object, `api_version` the
    document's. `epoch` is the installation's when it was recorded: an older one infers nothing.
    """

    declared: bytes
    actual: bytes
    uid: str
    resource_version: str
    epoch: str
    api_version: str
    origin: Provenance
