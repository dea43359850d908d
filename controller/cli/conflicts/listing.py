"""`tandem conflicts list`."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime

from rich.text import Text

from controller.api.v1alpha1.syncconflict import ConflictState, Severity, SyncConflict
from controller.cli.cluster import Cluster, on_cluster
from controller.cli.conflicts.finding import all_conflicts, is_open, object_of
from controller.cli.exits import Exit
from controller.cli.parser import Parser
from controller.cli.screen import Screen, say
from controller.cli.values import ABSENT, age

EXAMPLES = """
tandem conflicts list
tandem conflicts list web -n shop
tandem conflicts list -A --all -o json
"""

HEADERS = ("NAME", "FABRIC", "OBJECT", "TYPE", "SEVERITY", "STATE", "FIELDS", "AGE")
_SEVERITY_STYLES = {Severity.CRITICAL: "bold red", Severity.HIGH: "red", Severity.MEDIUM: "yellow"}
_STATE_STYLES = {ConflictState.FAILED: "red", ConflictState.OPEN: "yellow", ConflictState.RESOLVED: "green"}


def configure(parser: Parser) -> None:
    """Declare the flags."""
    parser.add_argument("fabric", nargs="?", default="", help="only those of this Fabric")
    parser.add_argument("-A", "--all-namespaces", action="store_true", help="those of all namespaces")
    parser.add_argument("--all", action="store_true", help="settled ones too")
    parser.add_argument("-o", "--output", choices=("json",), help="for programs")


def execute(options: argparse.Namespace) -> int:
    """Print the conflicts."""

    async def fetch(cluster: Cluster) -> list[SyncConflict]:
        if options.fabric and not options.all_namespaces:
            await cluster.fabric(options.fabric)  # a typing error is not the same as no conflict
        return await all_conflicts(cluster, fabric=options.fabric, everywhere=options.all_namespaces)

    found = [conflict for conflict in on_cluster(options, fetch) if options.all or is_open(conflict)]
    screen = Screen()
    if options.output:
        screen.json([conflict.to_json() for conflict in found])
    elif found:
        now = datetime.now(UTC)
        rows = [conflict_row(conflict, now, namespaced=options.all_namespaces) for conflict in found]
        screen.table(("NAMESPACE", *HEADERS) if options.all_namespaces else HEADERS, rows)
    else:
        say("no conflicts" if options.all else "no open conflicts")
    return Exit.DONE


def conflict_row(conflict: SyncConflict, now: datetime, *, namespaced: bool = False) -> list[str | Text]:
    """One line of the table; `namespaced` puts the namespace before it."""
    status = conflict.status
    state = status.state or ConflictState.OPEN
    since = status.detected_at or conflict.metadata.creation_timestamp
    return [
        *([conflict.metadata.namespace] if namespaced else []),
        conflict.metadata.name,
        conflict.spec.fabric_ref.name,
        object_of(conflict),
        conflict.spec.type.value,
        Text(status.severity.value, _SEVERITY_STYLES.get(status.severity, "")) if status.severity else ABSENT,
        Text(state.value, _STATE_STYLES.get(state, "")),
        str(len(conflict.spec.fields)),
        age(since, now),
    ]
