"""Situations for the planner, told in few words: three specs of one small custom resource, and who owns what."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

import orjson

from controller.objects import Base, Json, ObjectKey, Provenance, canonical, decoded
from controller.sync.plan.fieldpath import Item, Keys, Segment, parse_path
from controller.sync.plan.model import (
    Actual,
    Change,
    Declared,
    Direction,
    Facts,
    Pending,
    Presence,
    Question,
    Rules,
    Situation,
)
from controller.sync.plan.plan import plan_object
from controller.sync.plan.schema import Schema
from tests.support.openapi import schema

MANAGER: Final = "tandem:abcd:shop/web"
EPOCH: Final = "cluster-1/database-1"
VERSION: Final = "tests.tandem.dev/v1"
KEY: Final = ObjectKey("tests.tandem.dev", "Fabric", "shop", "web")
ORIGIN: Final = Provenance("fabrics/web.yaml", blob="b1")
SCHEMA: Final[Schema] = schema(VERSION, "Fabric")
RULES: Final = Rules(manager=MANAGER, epoch=EPOCH)
TO_CLUSTER: Final = replace(RULES, direction=Direction.GIT_TO_CLUSTER)
TO_GIT: Final = replace(RULES, direction=Direction.CLUSTER_TO_GIT)


def fabric(annotations: Mapping[str, str] | None = None, /, **spec: Json) -> Json:
    """A custom resource of the tests' kind."""
    metadata: Json = {"name": "web", "namespace": "shop"}
    if annotations:
        metadata["annotations"] = dict(annotations)
    return {"apiVersion": VERSION, "kind": "Fabric", "metadata": metadata, "spec": spec}


def entry(
    manager: str, *paths: str, version: str = VERSION, subresource: str = "", time: str = "2026-01-01T00:00:00Z"
) -> Json:
    """An entry of managedFields that owns these paths."""
    fields: Json = {}
    for path in paths:
        node = fields
        for segment in parse_path(path):
            node = node.setdefault(_field(segment), {})
    found = {"manager": manager, "operation": "Update", "apiVersion": version, "time": time, "fieldsV1": fields}
    return found | ({"subresource": subresource} if subresource else {})


def managers(*entries: Json) -> bytes:
    """managedFields as the planner gets them."""
    return orjson.dumps(list(entries))


def situation(
    base: Json | tuple[Json, Json] | None = None,
    declared: Json | Presence | None = None,
    actual: Json | Presence | None = None,
    by: Mapping[str, Iterable[str]] | bytes = b"[]",
    *,
    uid: str = "u1",
    epoch: str = EPOCH,
    pending: Pending | None = None,
    key: ObjectKey = KEY,
    schema: Schema = SCHEMA,
    **facts: Any,
) -> Situation:
    """The situation of one object.

    `base`: one content for both sides, or (declared, actual). `declared`, `actual`: content, a presence, or None for
    absent. `by`: manager → paths it owns; none, and the object tells nothing of its managers.
    """
    pair = base if isinstance(base, tuple) else (base, base)
    version = _version(pair[0], declared, actual)
    return Situation(
        key=key,
        base=None if base is None else Base(canonical(pair[0]), canonical(pair[1]), "u1", "7", epoch, version, ORIGIN),
        declared=_declared(declared),
        actual=_actual(actual, by if isinstance(by, bytes) else _entries(by, version), uid),
        schema=schema,
        pending=pending,
        facts=Facts(**facts),
    )


def planned(situation: Situation, rules: Rules = RULES) -> Change:
    """The change of a situation that leaves no question."""
    result = plan_object(situation, rules)
    assert isinstance(result, Change), result
    return result


def asked(situation: Situation, rules: Rules = RULES) -> Question:
    """The question that a situation leads to."""
    result = plan_object(situation, rules)
    assert isinstance(result, Question), result
    return result


def spec(content: bytes | None) -> Json:
    """The spec of canonical content."""
    assert content is not None
    return decoded(content)["spec"]


def _entries(by: Mapping[str, Iterable[str]], version: str) -> bytes:
    return managers(*(entry(manager, *paths, version=version) for manager, paths in by.items()))


def _version(*sides: Json) -> str:
    return next((str(side["apiVersion"]) for side in sides if isinstance(side, dict)), VERSION)


def _declared(side: Json | Presence | None) -> Declared:
    if isinstance(side, dict):
        return Declared(Presence.PRESENT, side["apiVersion"], canonical(side), ORIGIN)
    return Declared(side or Presence.ABSENT)


def _actual(side: Json | Presence | None, entries: bytes, uid: str) -> Actual:
    if isinstance(side, dict):
        return Actual(Presence.PRESENT, canonical(side), uid, "8", entries)
    return Actual(side or Presence.ABSENT)


def _field(segment: Segment) -> str:
    match segment:
        case Keys(pairs):
            return "k:" + orjson.dumps(dict(pairs)).decode()
        case Item(value):
            return "v:" + orjson.dumps(value).decode()
        case _:
            return f"f:{segment}"
