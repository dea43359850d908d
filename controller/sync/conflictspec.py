"""A plan's conflict in the words of a SyncConflict, and a person's decision in the words of a plan. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from controller.api.meta import API_VERSION, NameRef
from controller.api.v1alpha1 import syncconflict as api
from controller.errors import Reason, StalledError
from controller.git.snapshot import Commit
from controller.objects import Json, ObjectKey, canonical, group_of
from controller.sync.plan.fieldpath import parse_path, render_path
from controller.sync.plan.model import Change, Conflict, ConflictField, Decision, Resolution, Strategy
from controller.sync.profile import Profile

# etcd takes 1.5 MB in one object, and one value may have 1 MB on each of three sides. The clashing fields come first.
SHOWN_BYTES = 600 << 10
SHOWN_FIELDS = 1_000


@dataclass(frozen=True, slots=True)
class Evidence:
    """Who stands behind the two sides, as far as it is known.

    `commit`: whose values are shown. `changed_in`: the newest commit that changed the file. `seen_live`: when a watch
    first showed the live edit.
    """

    commit: str = ""
    changed_in: Commit | None = None
    seen_live: datetime | None = None


def object_key(conflict: api.SyncConflict) -> ObjectKey:
    """The object a SyncConflict is about."""
    shown = conflict.spec.object
    return ObjectKey(group_of(shown.api_version), shown.kind, shown.namespace, shown.name)


def owner_reference(profile: Profile) -> Json:
    """What makes our own objects go with their Fabric."""
    return {"apiVersion": API_VERSION, "kind": "Fabric", "name": profile.name, "uid": profile.uid}


def to_resolution(resolution: api.Resolution) -> Resolution:
    """A person's decision in the planner's words. Raises StalledError for a path that is none."""
    try:
        decisions = tuple(
            Decision(parse_path(decision.path), decision.choose.value, decision.value, decision.has("value"))
            for decision in resolution.decisions
        )
    except ValueError as error:
        raise StalledError(Reason.RESOLUTION_FAILED, f"spec.resolution.decisions: {error}") from error
    return Resolution(Strategy(resolution.strategy.value), decisions, resolution.state_token or "")


def conflict_spec(profile: Profile, change: Change, conflict: Conflict, evidence: Evidence) -> api.SyncConflictSpec:
    """What a SyncConflict shows of a change's conflict."""
    key = change.key
    room = Room(SHOWN_BYTES)
    return api.SyncConflictSpec(
        fabric_ref=NameRef(name=profile.name),
        object=api.ConflictObject(
            api_version=change.api_version, kind=key.kind, namespace=key.namespace, name=key.name, uid=change.uid
        ),
        type=api.ConflictType(conflict.type.value),
        fields=tuple(_field(field, evidence, room) for field in conflict.fields[:SHOWN_FIELDS]),
        git_path=change.origin.path if change.origin else None,
        git_commit=evidence.commit or None,
        resource_version=change.resource_version or None,
        state_token=conflict.token,
    )


class Room:
    """What is left of the bytes that values may take in one SyncConflict."""

    def __init__(self, left: int) -> None:
        self._left = left

    def value(self, value: Json) -> Json:
        """The value, or how large it is where there is no room for it: it can be decided about all the same."""
        size = len(canonical(value))
        if size > self._left:
            return f"({size} bytes, too large to show)"
        self._left -= size
        return value


def _field(field: ConflictField, evidence: Evidence, room: Room) -> api.FieldConflict:
    values: dict[str, Json] = {}
    if field.in_base:
        values["base"] = room.value(field.base)
    if field.in_git:
        values["git"] = room.value(field.git)
    if field.in_cluster:
        values["cluster"] = room.value(field.cluster)
    base = (field.in_base, field.base)
    commit = evidence.changed_in if (field.in_git, field.git) != base else None
    is_edited = (field.in_cluster, field.cluster) != base
    return api.FieldConflict(
        path=render_path(field.path),
        editor=field.editor or None,
        edited_by=field.user or None,
        edited_at=evidence.seen_live if is_edited else None,
        commit=commit.id if commit else None,
        author=commit.author if commit else None,
        **values,
    )
