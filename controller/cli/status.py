"""`tandem status`: all fabrics in a table, or one with everything that is known of it."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from datetime import UTC, datetime

from rich.text import Text

from controller.api.conditions import Condition, ConditionStatus, ConditionType
from controller.api.v1alpha1.fabric import Fabric
from controller.cli.cluster import Cluster, on_cluster
from controller.cli.exits import Exit
from controller.cli.parser import Parser
from controller.cli.screen import Screen, aligned, say
from controller.cli.values import ABSENT, age, count, short_commit
from controller.kube.kinds import FABRICS

EXAMPLES = """
tandem status                  the fabrics of this namespace
tandem status -A               of all namespaces
tandem status web -n shop      conditions, counts, what is not in step, what is stopped
"""

HEADERS = ("NAME", "READY", "REASON", "REVISION", "OBJECTS", "CONFLICTS", "SUSPENDED", "LAST SYNC")
_STYLES = {ConditionStatus.TRUE: "green", ConditionStatus.FALSE: "red", ConditionStatus.UNKNOWN: "yellow"}
_ABNORMAL = frozenset({ConditionType.STALLED, ConditionType.CONFLICTED})  # True is the bad value


def configure(parser: Parser) -> None:
    """Declare the flags."""
    parser.add_argument("fabric", nargs="?", help="one Fabric, with everything that is known of it")
    parser.add_argument("-A", "--all-namespaces", action="store_true", help="the fabrics of all namespaces")
    parser.add_argument("-o", "--output", choices=("json",), help="for programs")


def execute(options: argparse.Namespace) -> int:
    """Print the status."""
    if options.fabric and options.all_namespaces:
        options.parser.error("one Fabric is in one namespace: leave out its name or -A")

    async def fetch(cluster: Cluster) -> list[Fabric]:
        if options.fabric:
            return [await cluster.fabric(options.fabric)]
        items = await cluster.list(FABRICS, everywhere=options.all_namespaces)
        return [Fabric.from_object(item) for item in items]

    fabrics = on_cluster(options, fetch)
    screen, now = Screen(), datetime.now(UTC)
    if options.output:
        told = [fabric.to_json() for fabric in fabrics]
        screen.json(told[0] if options.fabric else told)
    elif options.fabric:
        screen.lines(fabric_lines(fabrics[0], now, options.program))
    elif fabrics:
        rows = [fabric_row(fabric, now, namespaced=options.all_namespaces) for fabric in fabrics]
        screen.table(("NAMESPACE", *HEADERS) if options.all_namespaces else HEADERS, rows)
    else:
        say("no fabrics; `kubectl explain fabric.spec` shows what one declares")
    return Exit.DONE


def fabric_row(fabric: Fabric, now: datetime, *, namespaced: bool = False) -> list[str | Text]:
    """One line of the table; `namespaced` puts the namespace before it."""
    status = fabric.status
    ready = condition_of(fabric, ConditionType.READY)
    return [
        *([fabric.metadata.namespace] if namespaced else []),
        fabric.metadata.name,
        Text(ready.status, _STYLES[ready.status]) if ready else ABSENT,
        ready.reason if ready else "NotLookedAtYet",
        short_commit(status.revision.applied if status.revision else None),
        str(status.inventory.kept) if status.inventory else ABSENT,
        ABSENT if status.conflicts is None else str(status.conflicts),
        Text("yes", "yellow") if fabric.spec.suspend else "no",
        age(status.last_sync, now),
    ]


def fabric_lines(fabric: Fabric, now: datetime, program: str) -> Iterator[Text]:
    """Everything that is known of one fabric, and what can be typed about it."""
    name, namespace = fabric.metadata.name, fabric.metadata.namespace
    yield from _heading(fabric, program)
    yield Text()
    if fabric.status.conditions:
        yield from aligned(
            ("CONDITION", "STATUS", "REASON", "SINCE", "MESSAGE"),
            (_condition_row(condition, now) for condition in fabric.status.conditions),
        )
    else:
        yield Text("no controller has looked at it yet; is `tandem run` running?", "yellow")
    yield Text()
    yield from _counts(fabric, now, f"{program} conflicts list {name} -n {namespace}")
    yield from _exceptions(fabric)
    yield from _errors(fabric)
    yield from _guards(fabric, f"{program} confirm {name} -n {namespace}")


def condition_of(fabric: Fabric, kind: ConditionType) -> Condition | None:
    """One of the fabric's conditions."""
    return next((condition for condition in fabric.status.conditions if condition.type == kind), None)


def _heading(fabric: Fabric, program: str) -> Iterator[Text]:
    spec, metadata = fabric.spec, fabric.metadata
    yield Text.assemble((f"{metadata.namespace}/{metadata.name}", "bold"))
    yield Text(f"{spec.repository.url}   branch {spec.repository.branch}   directory {spec.repository.directory}")
    strategy = spec.sync.conflict_strategy.value
    yield Text(f"{spec.sync.direction.value}, conflicts {strategy}, looked at every {spec.sync.interval}", "dim")
    if spec.suspend:
        resume = f"{program} resume {metadata.name} -n {metadata.namespace}"
        yield Text(f"suspended: nothing is read, applied or written; go on with {resume}", "yellow")


def _condition_row(condition: Condition, now: datetime) -> list[str | Text]:
    style = _STYLES[condition.status]
    if condition.type in _ABNORMAL:
        style = "red" if condition.status is ConditionStatus.TRUE else "green"
    return [
        condition.type,
        Text(condition.status, style),
        condition.reason,
        age(condition.last_transition_time, now),
        condition.message,
    ]


def _counts(fabric: Fabric, now: datetime, list_conflicts: str) -> Iterator[Text]:
    status = fabric.status
    if status.revision:
        commits = (status.revision.applied, status.revision.attempted, status.revision.pushed)
        applied, attempted, pushed = map(short_commit, commits)
        yield Text(f"revision    applied {applied}, attempted {attempted}, pushed {pushed}")
    if status.inventory:
        inventory = status.inventory
        yield Text(
            f"objects     {inventory.declared} declared, {inventory.kept} kept in step, "
            f"{inventory.exceptions} not in step"
        )
    if status.drift:
        yield Text(f"drift       {count(status.drift.edits, 'edit')}, {status.drift.by_others} by other managers")
    if status.pending and status.pending.edits:
        where = status.pending.url or (f"branch {status.pending.branch}" if status.pending.branch else "")
        waiting = f": {where}" if where else ""
        edits = f"live edits of {count(status.pending.edits, 'object')} on their way to Git{waiting}"
        yield Text(f"pending     {edits}", "yellow")
    if status.conflicts:
        yield Text(f"conflicts   {status.conflicts} to decide: {list_conflicts}", "yellow")
    if status.last_sync:
        yield Text(f"last sync   {age(status.last_sync, now)} ago")


def _exceptions(fabric: Fabric) -> Iterator[Text]:
    entries = fabric.status.exceptions
    if not entries:
        return
    yield Text()
    yield Text("not in step:", "bold")
    rows = (
        ("/".join(part for part in (entry.kind, entry.namespace, entry.name) if part), entry.reason, entry.message)
        for entry in entries
    )
    yield from aligned(("  OBJECT", "REASON", "MESSAGE"), ((f"  {first}", *rest) for first, *rest in rows))


def _errors(fabric: Fabric) -> Iterator[Text]:
    errors, total = fabric.status.errors, fabric.status.error_count or 0
    if not errors:
        return
    yield Text()
    yield Text(f"errors ({len(errors)} of {total}):" if total > len(errors) else "errors:", "bold")
    for error in errors:
        place = ":".join(str(part) for part in (error.file, error.line) if part)
        where = " ".join(part for part in (place, error.object, error.field) if part)
        yield Text.assemble(f"  {where}   ", (error.reason, "red"), f": {error.message}")


def _guards(fabric: Fabric, confirm: str) -> Iterator[Text]:
    for guard in fabric.status.guards:
        yield Text()
        amounts = f"{count(guard.deletions, 'deletion')}, {count(guard.edits, 'edit')}"
        yield Text.assemble(("stopped by ", "bold"), (guard.reason, "bold red"), f": {amounts}")
        yield from (Text(f"  {entry}") for entry in guard.objects)
        left = guard.deletions + guard.edits - len(guard.objects)
        if left > 0:
            yield Text(f"  and {left} more")
        yield Text(f"  put the source right, or let exactly this through: {confirm} {guard.token}")
