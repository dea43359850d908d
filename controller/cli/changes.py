"""A plan's changes for people and for programs: what each does on either side, field by field, and why. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from rich.text import Text

from controller.cli.values import inline
from controller.objects import Json, ObjectKey
from controller.sync.effects import MEANINGS
from controller.sync.plan.fieldpath import render_path
from controller.sync.plan.model import Action, Change, Conflict, FieldEdit, Guard

_STYLES = {
    Action.CREATE: "green",
    Action.IMPORT: "green",
    Action.PRUNE: "red",
    Action.REMOVE_DOCUMENT: "red",
    Action.CONFLICT: "bold yellow",
}
_SIGNS = {"+": "green", "-": "red", "~": "yellow"}


def change_lines(change: Change, applied: Sequence[FieldEdit]) -> Iterator[Text]:
    """One object's entry: what happens, where, and why."""
    place = f"   {change.origin}" if change.origin and change.origin.path else ""
    yield Text.assemble(
        (str(change.key), "bold"), "   ", (change.action.value, _STYLES.get(change.action, "cyan")), (place, "dim")
    )
    yield Text(f"  {MEANINGS[change.action]}   [{change.row}]", "dim")
    if change.reason or change.message:
        yield Text(f"  {': '.join(part for part in (change.reason, change.message) if part)}", "yellow")
    yield from _section("cluster", applied)
    yield from _section(f"Git {change.origin.path}" if change.origin else "Git", change.edits)
    yield from _lost(change.overruled)
    if change.conflict is not None:
        yield from _conflict(change.conflict)


def edit_line(edit: FieldEdit) -> Text:
    """`~ /spec/replicas: 2 → 3   (kubectl-edit)`."""
    sign = _sign(edit)
    values = {"+": inline(edit.new), "-": inline(edit.old), "~": f"{inline(edit.old)} → {inline(edit.new)}"}
    manager = f"   ({edit.manager})" if edit.manager else ""
    path = render_path(edit.path) or "/"
    return Text.assemble((f"{sign} ", _SIGNS[sign]), f"{path}: {values[sign]}", (manager, "dim"))


def guard_lines(guards: Iterable[Guard], confirm: str) -> Iterator[Text]:
    """Why nothing of the plan would be carried out. `confirm`: the command that lets it through, up to the token."""
    for guard in guards:
        yield Text.assemble((f"{guard.reason}", "bold red"), f": {guard.message}")
        yield Text(f"  to let it through: {confirm} {guard.token}")


def change_json(change: Change, applied: Sequence[FieldEdit]) -> Json:
    """The entry for programs. A key whose value is absent stands for a field that is absent."""
    origin = change.origin
    return {
        "object": key_json(change.key) | {"apiVersion": change.api_version},
        "action": change.action.value,
        "row": str(change.row),
        "reason": change.reason.value if change.reason else None,
        "message": change.message,
        "file": origin.path if origin else None,
        "line": origin.line if origin else None,
        "cluster": [_edit_json(edit) for edit in applied],
        "git": [_edit_json(edit) for edit in change.edits],
        "overruled": [_edit_json(edit) for edit in change.overruled],
        "conflict": _conflict_json(change.conflict) if change.conflict else None,
    }


def guard_json(guard: Guard) -> Json:
    """A guard for programs."""
    return {
        "reason": guard.reason.value,
        "token": guard.token,
        "message": guard.message,
        "deletions": guard.deletions,
        "edits": guard.edits,
        "objects": [{"action": action.value, "object": key_json(key)} for key, action in guard.entries],
    }


def key_json(key: ObjectKey) -> dict[str, Json]:
    """What an object is called."""
    return {"group": key.group, "kind": key.kind, "namespace": key.namespace, "name": key.name}


def _section(title: str, edits: Sequence[FieldEdit]) -> Iterator[Text]:
    if edits:
        yield Text(f"  → {title}")
    for edit in edits:
        yield Text("      ").append_text(edit_line(edit))


def _lost(overruled: Sequence[FieldEdit]) -> Iterator[Text]:
    if overruled:
        yield Text("  does not stand")
    for edit in overruled:
        yield Text("      ").append_text(edit_line(edit))


def _conflict(conflict: Conflict) -> Iterator[Text]:
    yield Text(f"  conflict {conflict.type.value}, severity {conflict.severity.value}", "yellow")
    for field in conflict.fields:
        sides = (("base", field.in_base, field.base), ("git", field.in_git, field.git))
        shown = [*sides, ("cluster", field.in_cluster, field.cluster)]
        values = "   ".join(f"{side} {inline(value) if present else '–'}" for side, present, value in shown)
        yield Text(f"    {'*' if field.clashing else ' '} {render_path(field.path) or '/'}   {values}")


def _sign(edit: FieldEdit) -> str:
    if not edit.old_present:
        return "+"
    return "~" if edit.new_present else "-"


def _edit_json(edit: FieldEdit) -> Json:
    told: dict[str, Json] = {"path": render_path(edit.path)}
    if edit.old_present:
        told["old"] = edit.old
    if edit.new_present:
        told["new"] = edit.new
    return told | ({"manager": edit.manager} if edit.manager else {})


def _conflict_json(conflict: Conflict) -> Json:
    return {
        "type": conflict.type.value,
        "severity": conflict.severity.value,
        "autoResolvable": conflict.auto_resolvable,
        "fields": [
            {"path": render_path(field.path), "clashing": field.clashing}
            | ({"base": field.base} if field.in_base else {})
            | ({"git": field.git} if field.in_git else {})
            | ({"cluster": field.cluster} if field.in_cluster else {})
            for field in conflict.fields
        ],
    }
