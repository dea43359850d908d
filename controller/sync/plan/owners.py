"""Who owns a path of a live object, read from its `managedFields`.

The entries name paths as server-side apply does (`f:spec`, `k:{"name":"web"}`, `v:"x"`); a path that is atomic for
the server is owned at its nearest ancestor. An entry made through another apiVersion names other paths, so it can only
be credited with what nobody else owns.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import orjson

from controller.objects import Json
from controller.sync.plan.editors import FABRIC_PREFIX
from controller.sync.plan.fieldpath import Item, Keys, Path, Segment

_ITSELF = "."  # in FieldsV1: the container itself, apart from what is in it


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of `managedFields`. `time` is RFC 3339 in UTC, so it sorts as text."""

    manager: str
    api_version: str
    time: str
    subresource: str
    fields: Json = field(repr=False)

    @property
    def is_status(self) -> bool:
        """Whether it came through the status subresource: never anybody's intent."""
        return self.subresource == "status"

    @property
    def is_of_fabric(self) -> bool:
        """Whether some fabric applied it, of whatever installation."""
        return self.manager.startswith(FABRIC_PREFIX)


class Owners:
    """The owners of one live object's fields, as seen through one apiVersion."""

    __slots__ = ("_entries", "_others")

    def __init__(self, managers: bytes, api_version: str) -> None:
        entries = [_entry(raw) for raw in orjson.loads(managers) if raw.get("fieldsV1")]
        self._entries = tuple(entry for entry in entries if entry.api_version == api_version)
        self._others = tuple(entry for entry in entries if entry.api_version != api_version)

    @property
    def is_usable(self) -> bool:
        """Whether anything can be read from them at all."""
        return bool(self._entries or self._others)

    def of(self, path: Path) -> tuple[Entry, ...]:
        """The entries that own the path, else the newest one of another apiVersion, else none."""
        found = tuple(self._holding(path))
        if found:
            return found
        credited = [entry for entry in self._others if not entry.is_status]
        return (max(credited, key=lambda entry: entry.time),) if credited else ()

    def hold(self, manager: str, path: Path) -> bool:
        """Whether this manager owns the path."""
        return any(entry.manager == manager for entry in self._holding(path))

    def rivals(self, own: str) -> tuple[str, ...]:
        """Other fabrics' managers on the object, in the order of names."""
        entries = (*self._entries, *self._others)
        names = {entry.manager for entry in entries if entry.is_of_fabric}
        return tuple(sorted(names - {own}))

    def _holding(self, path: Path) -> Iterator[Entry]:
        for entry in self._entries:
            if _owns(entry.fields, path):
                yield entry
        if path[:1] == ("metadata",):  # metadata reads the same in every version of a kind
            for entry in self._others:
                if _owns(entry.fields, path):
                    yield entry


def _entry(raw: Json) -> Entry:
    return Entry(
        manager=raw.get("manager", ""),
        api_version=raw.get("apiVersion", ""),
        time=raw.get("time") or "",
        subresource=raw.get("subresource", ""),
        fields=raw["fieldsV1"],
    )


def _owns(fields: Json, path: Path) -> bool:
    """Whether the walk arrives at the path (it or something in it is owned), or ends above it at an atomic ancestor."""
    for segment in path:
        below = fields.get(_field(segment))
        if below is None:
            return False
        if not below:
            return True
        fields = below
    return True


def _field(segment: Segment) -> str:
    match segment:
        case Keys(pairs):
            return "k:" + orjson.dumps(dict(pairs), option=orjson.OPT_SORT_KEYS).decode()
        case Item(value):
            return "v:" + orjson.dumps(value).decode()
        case _:
            return f"f:{segment}"
