"""What a later definition of a kind takes away from an earlier one: nothing, if it supersedes it. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Json = dict[str, Any]

_UPPER = ("maximum", "maxLength", "maxItems")
_LOWER = ("minimum", "minLength", "minItems")


def narrowings(old: Json, new: Json) -> list[str]:
    """Why objects of the `old` CustomResourceDefinition, or their users, may not get along with the `new` one."""
    return list(_of_names(old, new)) + [
        found for version in old["spec"]["versions"] for found in _of_version(version, new)
    ]


def _of_names(old: Json, new: Json) -> Iterator[str]:
    for what in ("group", "scope"):
        if old["spec"][what] != new["spec"][what]:
            yield f"{what}: {old['spec'][what]} → {new['spec'][what]}"
    for what in ("kind", "plural"):
        if old["spec"]["names"][what] != new["spec"]["names"][what]:
            yield f"{what}: {old['spec']['names'][what]} → {new['spec']['names'][what]}"
    gone = set(old["spec"]["names"]["shortNames"]) - set(new["spec"]["names"]["shortNames"])
    yield from (f"short name {name} is gone" for name in sorted(gone))


def _of_version(version: Json, new: Json) -> Iterator[str]:
    served = {found["name"]: found for found in new["spec"]["versions"] if found["served"]}
    if version["name"] not in served:
        yield f"{version['name']} is not served"
        return
    before, after = (found["schema"]["openAPIV3Schema"] for found in (version, served[version["name"]]))
    yield from _of_schema(before, after, "")


def _of_schema(old: Json, new: Json, path: str) -> Iterator[str]:
    for what in ("type", "x-kubernetes-list-type", "x-kubernetes-list-map-keys", "default"):
        if what in old and old[what] != new.get(what):
            yield f"{path}: {what} {old[what]} → {new.get(what)}"
    for value in old.get("enum", ()):
        if "enum" in new and value not in new["enum"]:
            yield f"{path}: {value} is not allowed"
    if "enum" in new and "enum" not in old:
        yield f"{path}: only some values are allowed"
    yield from _of_bounds(old, new, path)
    for name in sorted(set(new.get("required", ())) - set(old.get("required", ()))):
        yield f"{path}.{name}: required"
    for name, field in old.get("properties", {}).items():
        if name not in new.get("properties", {}):
            yield f"{path}.{name}: gone"
        else:
            yield from _of_schema(field, new["properties"][name], f"{path}.{name}")
    if "items" in old and "items" in new:
        yield from _of_schema(old["items"], new["items"], f"{path}[]")


def _of_bounds(old: Json, new: Json, path: str) -> Iterator[str]:
    for bound in _UPPER:
        if bound in new and new[bound] < old.get(bound, float("inf")):
            yield f"{path}: {bound} {old.get(bound)} → {new[bound]}"
    for bound in _LOWER:
        if bound in new and new[bound] > old.get(bound, float("-inf")):
            yield f"{path}: {bound} {old.get(bound)} → {new[bound]}"
