"""`tandem conflicts show`: the three values of every field beside each other, and what can be typed to decide."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from datetime import UTC, datetime
from shlex import quote

from rich import box
from rich.table import Table
from rich.text import Text

from controller.api.conditions import ConditionType
from controller.api.v1alpha1.syncconflict import ConflictState, FieldConflict, SyncConflict
from controller.cli.cluster import Cluster, on_cluster
from controller.cli.conflicts.finding import find_conflict, is_open, object_of
from controller.cli.conflicts.resolutions import is_clashing
from controller.cli.exits import Exit
from controller.cli.parser import Parser
from controller.cli.screen import Screen, cleaned
from controller.cli.values import ABSENT, age, block, short_commit

EXAMPLES = """
tandem conflicts show web-deployment-web-1f3a9c02
tandem conflicts show deployment/web -n shop
"""

_MEANING = {
    "BothChanged": "both sides changed the same field",
    "DeletedInGit": "Git no longer declares it, and the cluster changed it",
    "DeletedInCluster": "it was deleted from the cluster, and Git declares it",
    "AddedInBoth": "both sides had it before Tandem did, with different values",
    "OwnedByOther": "another fabric holds it",
    "UnknownEditor": "a field manager that is neither an editor nor excluded changed a declared field",
    "Rejected": "the edit was refused in Git",
}


def configure(parser: Parser) -> None:
    """Declare the flags."""
    parser.add_argument("conflict", help="its name, or its object as Kind/name or Kind/namespace/name")
    parser.add_argument("-o", "--output", choices=("json",), help="for programs")


def execute(options: argparse.Namespace) -> int:
    """Print one conflict."""

    async def fetch(cluster: Cluster) -> SyncConflict:
        return await find_conflict(cluster, options.conflict)

    conflict = on_cluster(options, fetch)
    screen = Screen()
    if options.output:
        screen.json(conflict.to_json())
        return Exit.DONE
    screen.lines(heading(conflict, datetime.now(UTC)))
    screen.line()
    screen.show(side_by_side(conflict))
    screen.lines(ways_out(conflict, options.program))
    return Exit.DONE


def heading(conflict: SyncConflict, now: datetime) -> Iterator[Text]:
    """What the conflict is about, and how far it is."""
    spec, status = conflict.spec, conflict.status
    kind = spec.type.value
    yield Text.assemble((object_of(conflict), "bold"), f"   fabric {spec.fabric_ref.name}   {conflict.metadata.name}")
    yield Text.assemble((kind, "yellow"), f": {_MEANING[kind]}")
    state = (status.state or ConflictState.OPEN).value
    severity = f", severity {status.severity.value}" if status.severity else ""
    since = status.detected_at or conflict.metadata.creation_timestamp
    yield Text(f"{state} for {age(since, now)}{severity}")
    if spec.git_path:
        commit = f" at {short_commit(spec.git_commit)}" if spec.git_commit else ""
        yield Text(f"declared in {spec.git_path}{commit}")
    message = ready_message(conflict)
    if message:
        yield Text(message, "dim")


def side_by_side(conflict: SyncConflict) -> Table:
    """Path, base, Git, cluster; `*` marks the fields that somebody has to decide about."""
    table = Table(box=box.SIMPLE, pad_edge=False, show_edge=False)
    table.add_column("", width=1)
    table.add_column("FIELD", overflow="fold")
    for side in ("BASE", "GIT", "CLUSTER"):
        table.add_column(side, overflow="fold")
    table.add_column("EDITED BY", overflow="fold")
    for field in conflict.spec.fields:
        clashing = is_clashing(conflict, field)
        table.add_row(
            Text("*" if clashing else "", "bold yellow"),
            Text(cleaned(field.path).plain, "bold" if clashing else ""),
            *(_cell(field, side) for side in ("base", "git", "cluster")),
            cleaned(_editor(field)),
        )
    return table


def ways_out(conflict: SyncConflict, program: str) -> Iterator[Text]:
    """What to type to decide; nothing for a conflict that is settled."""
    if not is_open(conflict):
        return
    place = f"{conflict.metadata.name} -n {conflict.metadata.namespace}"
    resolve = f"{program} conflicts resolve {place}"
    yield Text()
    yield Text("to decide:")
    yield Text(f"  {resolve} --git        Git's values; --cluster, --merge likewise")
    for field in conflict.spec.fields[:1]:
        yield Text(f"  {resolve} --field {quote(f'{field.path}=cluster')}        field by field")
    if conflict.spec.type == "UnknownEditor" and conflict.spec.fields and conflict.spec.fields[0].editor:
        manager = conflict.spec.fields[0].editor
        yield Text(
            f"  {resolve} --manager {quote(manager)} --as edit        whatever it changes is an edit; ignore: never"
        )
    if conflict.spec.state_token:
        yield Text(f"  --state-token {conflict.spec.state_token} decides only if these are still the values", "dim")


def ready_message(conflict: SyncConflict) -> str:
    """What the controller says of it."""
    conditions = conflict.status.conditions
    return next((condition.message for condition in conditions if condition.type == ConditionType.READY), "")


def _editor(field: FieldConflict) -> str:
    """Who edited the field, if that is known, and under which manager's name."""
    if field.edited_by and field.editor:
        return f"{field.edited_by} ({field.editor})"
    return field.edited_by or field.editor or ABSENT


def _cell(field: FieldConflict, side: str) -> Text:
    return cleaned(block(getattr(field, side))) if field.has(side) else Text(ABSENT, "dim")
