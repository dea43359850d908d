"""`tandem doctor`: everything that Tandem stands on, a line each: ok, or what to do."""

from __future__ import annotations

import argparse
import asyncio
import os
from collections.abc import Awaitable, Iterator

from rich.text import Text

from controller.cli.checks import (
    Check,
    Grade,
    check_cluster,
    check_control_plane,
    check_database,
    check_definitions,
    check_git,
    check_permissions,
    check_sops,
    failed,
)
from controller.cli.cluster import Cluster, connected
from controller.cli.engine import settings_of
from controller.cli.exits import Exit
from controller.cli.parser import Parser, add_engine_flags
from controller.cli.screen import Screen
from controller.errors import TandemError
from controller.runtime.logging import configure_logging
from controller.settings import Settings

EXAMPLES = """
tandem doctor
tandem doctor -A                looks at the repositories of all namespaces' fabrics
tandem doctor -o json | jq '.[] | select(.grade == "fail")'
"""

_STYLES = {Grade.OK: "green", Grade.NOTE: "yellow", Grade.FAIL: "bold red"}
_SUBJECT = 13  # characters of the longest subject
_MARGIN = " " * (len(Grade.FAIL) + 2 + _SUBJECT + 2)


def configure(parser: Parser) -> None:
    """Declare the flags."""
    parser.add_argument("-A", "--all-namespaces", action="store_true", help="the fabrics of all namespaces")
    parser.add_argument("-o", "--output", choices=("json",), help="for programs")
    add_engine_flags(parser)


def execute(options: argparse.Namespace) -> int:
    """Look at everything; 1 if anything keeps Tandem from working."""
    configure_logging("error", console=True)
    found = asyncio.run(_examine(options))
    screen = Screen()
    if options.output:
        screen.json([check.to_json() for check in found])
    else:
        screen.lines(line for check in found for line in check_lines(check))
    return Exit.FAILED if any(check.grade is Grade.FAIL for check in found) else Exit.DONE


def check_lines(check: Check) -> Iterator[Text]:
    """`fail  definitions    fabrics.tandem.dev: not installed`, and below it what to do."""
    first, *rest = check.message.splitlines()
    yield Text.assemble(
        (f"{check.grade.value:<{len(Grade.FAIL)}}", _STYLES[check.grade]), f"  {check.subject:<{_SUBJECT}}  {first}"
    )
    yield from (Text(_MARGIN + line.strip(), "dim") for line in rest)
    if check.remedy:
        yield Text(f"{_MARGIN}→ {check.remedy}")


async def _examine(options: argparse.Namespace) -> list[Check]:
    settings = settings_of(options)
    programs = [check_control_plane(os.environ), check_sops(settings, os.environ)]
    found = [*programs, *await _attempt("database", check_database(settings))]
    try:
        async with connected(options) as cluster:
            return found + await _examine_cluster(cluster, settings, options)
    except TandemError as error:  # of `connected`: the flags name no cluster that can be used
        return [*found, failed("cluster", error)]


async def _examine_cluster(cluster: Cluster, settings: Settings, options: argparse.Namespace) -> list[Check]:
    answers = await _attempt("cluster", check_cluster(cluster))
    if answers[0].grade is Grade.FAIL:
        return answers
    definitions = await _attempt("definitions", check_definitions(cluster))
    answers += definitions + await _attempt("permissions", check_permissions(cluster, settings))
    if any(check.grade is Grade.FAIL for check in definitions):
        return answers  # there can be no Fabric whose repository to look at
    return answers + await _attempt("git", check_git(cluster, settings, everywhere=options.all_namespaces))


async def _attempt(subject: str, look: Awaitable[Check | list[Check]]) -> list[Check]:
    try:
        found = await look
    except TandemError as error:
        return [failed(subject, error)]
    return found if isinstance(found, list) else [found]
