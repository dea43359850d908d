"""What a SyncConflict shows of a plan's conflict, and that it always fits into one object."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from controller.api.v1alpha1.fabric import Fabric
from controller.objects import ObjectKey
from controller.sync.conflictspec import SHOWN_BYTES, SHOWN_FIELDS, Evidence, conflict_spec
from controller.sync.plan.model import Action, Change, Conflict, ConflictField, ConflictType, Severity
from controller.sync.profile import Installation, Profile, profile_of

ETCD = 1_500_000  # bytes of one request, etcd's default
KEY = ObjectKey("", "ConfigMap", "shop", "web")


@pytest.fixture
def profile() -> Profile:
    found = Fabric.from_object(
        {
            "apiVersion": "tandem.dev/v1alpha1",
            "kind": "Fabric",
            "metadata": {"name": "shop", "namespace": "shop", "uid": "u"},
            "spec": {"repository": {"url": "https://git.example.com/r.git"}},
        }
    )
    return profile_of(found, Installation("5f0c3a52-0000-4000-8000-000000000000", "cluster/database", "tandem-system"))


def shown(profile: Profile, fields: list[ConflictField]) -> dict[str, Any]:
    conflict = Conflict(ConflictType.BOTH_CHANGED, tuple(fields), Severity.MEDIUM, auto_resolvable=False, token="t")
    spec = conflict_spec(profile, Change(KEY, Action.CONFLICT, "", api_version="v1"), conflict, Evidence())
    assert len(json.dumps(spec.to_json())) < ETCD
    found: dict[str, Any] = spec.to_json()
    return found


def field(name: str, size: int) -> ConflictField:
    values = {side: letter * size for side, letter in (("base", "a"), ("git", "b"), ("cluster", "c"))}
    return ConflictField(("data", name), **values, in_base=True, in_git=True, in_cluster=True, clashing=True)


def test_values_are_shown_as_they_are(profile: Profile) -> None:
    (found,) = shown(profile, [field("color", 3)])["fields"]
    assert (found["base"], found["git"], found["cluster"]) == ("aaa", "bbb", "ccc")


def test_what_has_no_room_is_shown_by_its_size(profile: Profile) -> None:
    large, small = shown(profile, [field("large", 1 << 20), field("small", 5)])["fields"]
    assert large["base"] == large["git"] == large["cluster"] == f"({(1 << 20) + 2} bytes, too large to show)"
    assert small["git"] == "bbbbb"


def test_all_values_together_have_so_much_room(profile: Profile) -> None:
    fields = shown(profile, [field(f"f{number}", 50_000) for number in range(20)])["fields"]
    values = [one[side] for one in fields for side in ("base", "git", "cluster")]
    whole = [value for value in values if len(value) == 50_000]
    assert 0 < SHOWN_BYTES - sum(map(len, whole)) < 60_000
    assert len(values) == 60


def test_there_are_only_so_many_fields(profile: Profile) -> None:
    assert (
        len(shown(profile, [field(f"{number}-{'k' * 240}", 5) for number in range(20_000)])["fields"]) == SHOWN_FIELDS
    )


def test_who_edited_is_shown_apart_from_the_manager(profile: Profile) -> None:
    edited = replace(field("color", 3), editor="kubectl-edit", user="ada")
    (found, unknown) = shown(profile, [edited, field("size", 3)])["fields"]
    assert (found["editor"], found["editedBy"]) == ("kubectl-edit", "ada")
    assert {"editor", "editedBy"}.isdisjoint(unknown)
