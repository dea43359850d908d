"""`plan --why`: the three sides of an object, who owns what differs, and the row of the table that follows. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rich import box
from rich.table import Table
from rich.text import Text

from controller.cli.screen import cleaned
from controller.cli.values import ABSENT, block, short_commit
from controller.objects import Base, Json
from controller.sync.effects import MEANINGS
from controller.sync.plan.explain import Difference, Explanation
from controller.sync.plan.fieldpath import render_path
from controller.sync.plan.model import Actual, Change, Declared, Presence


def reason_lines(explanation: Explanation) -> Iterator[Text]:
    """The object, its sides, the row."""
    situation = explanation.situation
    yield Text(str(situation.key), "bold")
    yield Text(f"  B  base       {_base(situation.base)}")
    yield Text(f"  D  declared   {_declared(situation.declared)}")
    yield Text(f"  A  actual     {_actual(situation.actual)}")
    result = explanation.result
    if not isinstance(result, Change):
        yield Text(f"  the API server has to be asked first: {result.ask.value}", "yellow")
        return
    yield Text.assemble(f"  row [{result.row}]  → ", (result.action.value, "bold"), f": {MEANINGS[result.action]}")
    if result.reason or result.message:
        yield Text(f"  {': '.join(part for part in (result.reason, result.message) if part)}", "yellow")


def differences_of(explanation: Explanation) -> tuple[Difference, ...]:
    """Where the sides differ; without a base to compare with, the fields of the conflict."""
    result = explanation.result
    if explanation.differences or not isinstance(result, Change) or result.conflict is None:
        return explanation.differences
    return tuple(Difference(field, owners=(field.editor,) if field.editor else ()) for field in result.conflict.fields)


def difference_table(differences: Iterable[Difference]) -> Table:
    """Every path at which the sides differ, with the managers that own it on the live object."""
    table = Table(box=box.SIMPLE, pad_edge=False, show_edge=False)
    for header in ("FIELD", "BASE", "GIT", "CLUSTER", "OWNERS", "COUNTS AS"):
        table.add_column(header, overflow="fold")
    for difference in differences:
        table.add_row(*_row(difference))
    return table


def reason_json(explanation: Explanation) -> Json:
    """The same for programs."""
    situation, result = explanation.situation, explanation.result
    return {
        "object": str(situation.key),
        "base": _base(situation.base),
        "declared": _declared(situation.declared),
        "actual": _actual(situation.actual),
        "row": str(result.row) if isinstance(result, Change) else None,
        "action": result.action.value if isinstance(result, Change) else None,
        "differences": [_difference_json(difference) for difference in differences_of(explanation)],
    }


def _row(difference: Difference) -> Iterator[Text]:
    field = difference.field
    yield cleaned(render_path(field.path) or "/")
    for present, value in ((field.in_base, field.base), (field.in_git, field.git), (field.in_cluster, field.cluster)):
        yield cleaned(block(value)) if present else Text(ABSENT, "dim")
    yield cleaned(", ".join(difference.owners) or ABSENT)
    yield cleaned(counts_as(difference))


def counts_as(difference: Difference) -> str:
    """`Git changed it`, what the cluster's change counts as, or both."""
    parts = (["Git changed it"] if difference.by_git else []) + ([difference.verdict] if difference.verdict else [])
    return "; ".join(parts)


def _difference_json(difference: Difference) -> Json:
    field = difference.field
    told: dict[str, Json] = {"path": render_path(field.path)}
    told |= {"base": field.base} if field.in_base else {}
    told |= {"git": field.git} if field.in_git else {}
    told |= {"cluster": field.cluster} if field.in_cluster else {}
    return told | {"owners": list(difference.owners), "verdict": difference.verdict, "byGit": difference.by_git}


def _base(base: Base | None) -> str:
    if base is None:
        return "none: the sides have not agreed on it yet"
    commit = f" at {short_commit(base.origin.commit)}" if base.origin.commit else ""
    return f"agreed on {base.origin}{commit}, uid {base.uid}, rv {base.resource_version}"


def _declared(declared: Declared) -> str:
    if declared.presence is Presence.PRESENT:
        return f"declared in {declared.origin}" if declared.origin else "declared"
    return _missing(declared.presence, declared.message, "not in Git")


def _actual(actual: Actual) -> str:
    if actual.presence is Presence.PRESENT:
        return f"in the cluster, uid {actual.uid}, rv {actual.resource_version}"
    return _missing(actual.presence, actual.message, "not in the cluster")


def _missing(presence: Presence, message: str, absent: str) -> str:
    word = absent if presence is Presence.ABSENT else presence.value
    return f"{word}: {message}" if message else word
