"""docs/cli.md names every command, flag, variable and exit code that the parser has, and no others."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from controller.cli.app import COMMANDS, parser_of
from controller.cli.exits import Exit

TEXT = (Path(__file__).parents[3] / "docs" / "cli.md").read_text()
SHARED = TEXT.partition("## What all commands share")[2].partition("\n## ")[0]
CODE = re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", TEXT, flags=re.DOTALL))


def section(name: str) -> str:
    """What is written about one command: the section whose title names it, whole."""
    found = [part for part in TEXT.split("\n## ") if f"tandem {name}" in re.split(", |\n", part)[:2]]
    (text,) = found
    return text


def flags(name: str) -> set[str]:
    parser, _ = parser_of(name)
    return {flag for action in parser._actions for flag in action.option_strings}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_a_section_with_its_flags(name: str) -> None:
    described = set(re.findall(r"(?<![\w-])--?[a-zA-Z][\w-]*", section(name) + SHARED))
    assert flags(name) - described == set()


@pytest.mark.parametrize("name", COMMANDS)
def test_no_section_shows_a_flag_that_there_is_not(name: str) -> None:
    own = re.sub(r"(?m)^\$ .*\|.*$|--server-side", "", section(name))
    described = set(re.findall(r"(?<![\w`-])--[a-z][\w-]*|(?<=`)--[a-z][\w-]*", own))
    others = set().union(*(flags(other) for other in COMMANDS))
    assert described - others == set()


def test_the_table_of_commands_is_that_of_help() -> None:
    listed = dict(re.findall(r"(?m)^\| \[`([a-z ]+)`\]\([^)]*\) \| (.*) \|$", TEXT))
    assert listed == {name: command.summary for name, command in COMMANDS.items()}


def test_every_variable_is_named() -> None:
    variables = {setting.variable for name in COMMANDS for setting in parser_of(name)[0]._settings}
    assert {code for code in CODE if re.fullmatch(r"TANDEM_[A-Z_]+", code)} == variables | {"TANDEM_KUBECONFIG"}


def test_every_exit_code_is_explained() -> None:
    table = TEXT.partition("**Exit codes.**")[2].partition("\n## ")[0]
    assert [int(code) for code in re.findall(r"(?m)^\| (\d+) \|", table)] == [code.value for code in Exit]
