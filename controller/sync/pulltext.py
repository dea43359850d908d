"""What is said on a request about its plan: a comment in Markdown, and one line for the commit. Pure.

Names and values come from whoever opened the request, and from the cluster: they stand in one block of code that
nothing in them can end. A Secret's values are never shown; of a request from a fork no values are, because anybody may
open one, and would read what is live.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from controller.git.forge.model import CommitState
from controller.objects import canonical
from controller.sync.declared import Problem
from controller.sync.effects import MEANINGS, applied_edits, summary
from controller.sync.plan.conflicts import hidden
from controller.sync.plan.fieldpath import render_path
from controller.sync.plan.model import Change, FieldEdit, Plan
from controller.sync.plan.schema import Schema

LONGEST_BLOCK = 58_000  # characters; with what stands around it less than a forge takes
LONGEST_VALUE = 120  # characters of a value
LONGEST_LINE = 400
MOST_EDITS = 50  # of one object

Schemas = Callable[[str, str], Schema]
"""The field types of (apiVersion, kind)."""


@dataclass(frozen=True, slots=True)
class Told:
    """What is said. `silent`: there is nothing to say that is worth a comment, unless there is one already."""

    state: CommitState
    line: str
    text: str
    silent: bool = False


def told_plan(fabric: str, plan: Plan, problems: Sequence[Problem], schemas: Schemas, *, values: bool) -> Told:
    """What merging would do. `problems` are the faults that the request brings; `values`: whether any are shown."""
    changes = [change for change in plan.changes if change.is_telling]
    lines = list(_problem_lines(problems))
    lines += [f"! {guard.reason}: {guard.message}" for guard in plan.guards]
    for change in changes:
        lines += ["", *_change_lines(change, schemas, values=values)]
    line = _headline(plan, problems)
    notes = [] if values else ["The request comes from a fork, so no values are shown."]
    state = CommitState.FAILURE if problems or plan.guards else CommitState.SUCCESS
    return Told(state, line, _comment(fabric, line, lines, notes))


def told_nothing(fabric: str, directory: str) -> Told:
    """The request is about something else."""
    line = f"nothing below {directory or 'the root'} changes"
    return Told(CommitState.SUCCESS, line, _comment(fabric, line, (), ()), silent=True)


def told_conflicts(fabric: str, branch: str, paths: Sequence[str]) -> Told:
    """It cannot be merged."""
    line = f"it cannot be merged into {branch}: both changed {_some(paths)}"
    return Told(CommitState.FAILURE, line, _comment(fabric, line, [f"! {path}" for path in paths], ()))


def told_failure(fabric: str, message: str) -> Told:
    """Nothing was planned, for a reason that lies in the request."""
    return Told(CommitState.FAILURE, message, _comment(fabric, "it cannot be planned", [f"! {message}"], ()))


def _headline(plan: Plan, problems: Sequence[Problem]) -> str:
    if problems:
        first = problems[0]
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        return f"{first.path}:{first.line}: {first.reason}: {first.message}{more}"
    if plan.guards:
        return f"{plan.guards[0].reason} would stop it: {plan.guards[0].message}"
    return summary(plan.changes)


def _comment(fabric: str, line: str, lines: Iterable[str], notes: Sequence[str]) -> str:
    block = _cut(lines)
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", block)), default=0))
    parts = [f"**Tandem** plans this request for `{fabric}`:", f"{fence}\n{_plain(line)}\n{fence}"]
    if block:
        parts.append(f"{fence}diff\n{block}\n{fence}")
    return "\n\n".join([*parts, *notes])


def _problem_lines(problems: Sequence[Problem]) -> Iterator[str]:
    for problem in problems:
        field = f" {problem.field}" if problem.field else ""
        yield f"! {problem.path}:{problem.line}:{field} {problem.reason}: {problem.message}"


def _change_lines(change: Change, schemas: Schemas, *, values: bool) -> Iterator[str]:
    place = f"   {change.origin}" if change.origin and change.origin.path else ""
    yield f"# {change.key}   {change.action.value}: {MEANINGS[change.action]}{place}"
    if change.reason is not None:
        yield f"!   {change.reason}" + (f": {change.message}" if values and change.message else "")
    schema = schemas(change.api_version, change.key.kind)
    yield from _edit_lines("cluster", applied_edits(change, schema), values=values)
    yield from _edit_lines("Git", hidden(change.key, change.edits), values=values)
    if change.conflict is not None:
        paths = [render_path(field.path) or "/" for field in change.conflict.fields if field.clashing]
        yield f"!   conflict {change.conflict.type.value}: {_some(paths)}"


def _edit_lines(side: str, edits: Sequence[FieldEdit], *, values: bool) -> Iterator[str]:
    if edits:
        yield f"    → {side}"
    for edit in edits[:MOST_EDITS]:
        yield _edit_line(edit, values=values)
    if len(edits) > MOST_EDITS:
        yield f"      and {len(edits) - MOST_EDITS} more"


def _edit_line(edit: FieldEdit, *, values: bool) -> str:
    """`+` and `-` stand first, where forges colour them."""
    sign = "+" if not edit.old_present else "!" if edit.new_present else "-"
    path = render_path(edit.path) or "/"
    if not values:
        return f"{sign}     {path}"
    shown = [_value(value) for there, value in ((edit.old_present, edit.old), (edit.new_present, edit.new)) if there]
    return f"{sign}     {path}: {' → '.join(shown)}"


def _value(value: object) -> str:
    text = canonical(value).decode()
    return text if len(text) <= LONGEST_VALUE else f"{text[: LONGEST_VALUE - 1]}…"


def _cut(lines: Iterable[str]) -> str:
    """As many lines as there is room for, each of them one line."""
    found: list[str] = []
    room = LONGEST_BLOCK
    for text in lines:
        line = _plain(text)
        room -= len(line) + 1
        if room < 0:
            found.append("… and more; `kubectl tandem plan` shows all of it once it is merged")
            break
        found.append(line)
    return "\n".join(found).strip("\n")


def _plain(text: str) -> str:
    """One line without what would control a terminal, or turn the direction of writing."""
    plain = re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]", " ", text)
    return plain if len(plain) <= LONGEST_LINE else f"{plain[: LONGEST_LINE - 1]}…"


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
