"""`tandem plan`: what a run would change on either side, and why; nothing is done."""

from __future__ import annotations

import argparse
import asyncio

from controller.bootstrap import previewing
from controller.cli.changes import change_json, change_lines, guard_json, guard_lines
from controller.cli.cluster import connected
from controller.cli.engine import settings_of
from controller.cli.exits import Exit
from controller.cli.parser import Parser, add_engine_flags
from controller.cli.reasons import difference_table, differences_of, reason_json, reason_lines
from controller.cli.screen import Screen, say
from controller.cli.values import short_commit
from controller.errors import Reason, RejectedError
from controller.objects import Json
from controller.runtime.logging import configure_logging
from controller.settings import Settings
from controller.store.address import database_at
from controller.sync.declared import Problem
from controller.sync.effects import applied_edits, summary
from controller.sync.plan.model import Change, FieldEdit
from controller.sync.preview import Preview, preview

EXAMPLES = """
tandem plan web -n shop
tandem plan web -o json | jq '.changes[] | select(.action == "prune")'
tandem plan web --why deployment/web     its three sides, the owners, the row of the table
"""

Entry = tuple[Change, tuple[FieldEdit, ...]]


def configure(parser: Parser) -> None:
    """Declare the flags."""
    parser.add_argument("fabric", help="the Fabric's name")
    parser.add_argument("-o", "--output", choices=("json",), help="for programs")
    parser.add_argument("--why", metavar="KIND/NAME", type=_kind_and_name, help="explain the decision for one object")
    add_engine_flags(parser)


def execute(options: argparse.Namespace) -> int:
    """Print the plan; 2 if there is something to do."""
    configure_logging("error", console=True)
    settings = settings_of(options)
    found, entries = asyncio.run(_look(options, settings))
    if options.why and not found.explanations:
        wanted = "/".join(options.why)
        raise RejectedError(Reason.INVALID_SPEC, f"Fabric {found.fabric} knows no {wanted}: it is on neither side")
    screen = Screen()
    if options.output:
        screen.json(plan_json(found, entries))
    elif options.why:
        _print_reasons(screen, found)
    else:
        _print_plan(screen, found, entries, options)
    return Exit.DONE if found.is_empty else Exit.CHANGES


async def _look(options: argparse.Namespace, settings: Settings) -> tuple[Preview, list[Entry]]:
    """The preview, and what each change does to its live object: the schemas go when the tools do."""
    async with connected(options) as cluster:
        namespace = cluster.namespace
        await cluster.fabric(options.fabric)  # says what to do where there is none
    async with previewing(settings, lambda: say(_first_start(settings), label="note: ")) as tools:
        found = await preview(tools, namespace, options.fabric, options.why)
        telling = (change for change in found.changes if change.is_telling)
        return found, [
            (change, applied_edits(change, found.schema(change.api_version, change.key.kind))) for change in telling
        ]


def plan_json(found: Preview, entries: list[Entry]) -> Json:
    """The plan for programs."""
    return {
        "fabric": found.fabric,
        "commit": found.commit or None,
        "empty": found.is_empty,
        "changes": [change_json(change, applied) for change, applied in entries],
        "guards": [guard_json(guard) for guard in found.guards],
        "problems": [_problem_json(problem) for problem in found.problems],
        "explanations": [reason_json(explanation) for explanation in found.explanations],
    }


def _print_plan(screen: Screen, found: Preview, entries: list[Entry], options: argparse.Namespace) -> None:
    screen.line(f"Fabric {found.fabric} at {short_commit(found.commit)}")
    for change, applied in entries:
        screen.line()
        screen.lines(change_lines(change, applied))
    if found.problems:
        screen.line()
        screen.lines(problem_line(problem) for problem in found.problems)
    if found.guards:
        screen.line()
        namespace, _, name = found.fabric.partition("/")
        screen.lines(guard_lines(found.guards, f"{options.program} confirm {name} -n {namespace}"))
    screen.line()
    screen.line(summary(found.changes))


def _print_reasons(screen: Screen, found: Preview) -> None:
    for number, explanation in enumerate(found.explanations):
        if number:
            screen.line()
        screen.lines(reason_lines(explanation))
        differences = differences_of(explanation)
        if differences:
            screen.line()
            screen.show(difference_table(differences))


def problem_line(problem: Problem) -> str:
    """`deploy/web.yaml:12: FieldRefused: …`."""
    field = f" {problem.field}" if problem.field else ""
    return f"{problem.path}:{problem.line}:{field} {problem.reason}: {problem.message}"


def _problem_json(problem: Problem) -> Json:
    return {
        "file": problem.path,
        "line": problem.line,
        "field": problem.field or None,
        "object": problem.object or None,
        "reason": problem.reason.value,
        "message": problem.message,
    }


def _first_start(settings: Settings) -> str:
    return (
        f"there is no database at {database_at(settings.database_url)}, so what both sides agreed on is only known "
        "as far as the Fabric's status tells: this is the plan of a controller that has lost its database; name the "
        "right one with --database or --data-dir"
    )


def _kind_and_name(text: str) -> tuple[str, str]:
    kind, _, name = text.partition("/")
    if not kind or not name or "/" in name:
        raise argparse.ArgumentTypeError(f"{text!r} is not KIND/NAME, such as deployment/web")
    return kind, name
