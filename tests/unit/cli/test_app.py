"""Which command is meant, what its end is as an exit code, and what its errors look like."""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from controller.cli import version
from controller.cli.app import COMMANDS, main, parser_of
from controller.cli.exits import Exit
from controller.errors import Reason, RejectedError

Execute = Callable[[argparse.Namespace], int]


def run(*arguments: str, **environ: str) -> int:
    """The exit code, however the command ends."""
    try:
        return main(arguments, environ)
    except SystemExit as end:
        assert isinstance(end.code, int)
        return end.code


def noting(seen: list[argparse.Namespace]) -> Execute:
    """A command that only keeps its options."""

    def execute(options: argparse.Namespace) -> int:
        seen.append(options)
        return 0

    return execute


@pytest.fixture
def replaced(monkeypatch: pytest.MonkeyPatch) -> Callable[[Execute], None]:
    """Have `tandem version` do something else."""
    return lambda execute: monkeypatch.setattr(version, "execute", execute)


def test_exit_codes_are_those_that_scripts_rely_on() -> None:
    assert {code.name: code.value for code in Exit} == {
        "DONE": 0,
        "FAILED": 1,
        "CHANGES": 2,
        "CONFLICTS": 3,
        "TIMED_OUT": 4,
        "USAGE": 64,
        "INTERRUPTED": 130,
    }


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_flags_examples_and_a_sentence(name: str) -> None:
    parser, module = parser_of(name)
    assert parser.prog == f"tandem {name}"
    assert f"tandem {name}" in module.EXAMPLES
    assert all(line.startswith(("tandem ", "TANDEM_")) for line in module.EXAMPLES.strip().splitlines())
    text = parser.format_help()
    assert text.partition("\n\n")[2].startswith(COMMANDS[name].summary[0].upper())
    assert all(action.help for action in parser._actions), "each flag says what it is for"


@pytest.mark.parametrize("name", [name for name, command in COMMANDS.items() if command.uses_cluster])
def test_every_command_on_a_cluster_takes_kubectl_s_flags(name: str) -> None:
    parser, _ = parser_of(name)
    assert {"--kubeconfig", "--context", "-n", "--namespace"} <= parser._option_string_actions.keys()


def test_nothing_is_64_and_shows_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert run() == Exit.USAGE
    said = capsys.readouterr().out
    assert all(f"  {name} " in said for name in COMMANDS)


@pytest.mark.parametrize("arguments", [["help"], ["--help"], ["help", "plan"], ["plan", "-h"], ["conflicts", "--help"]])
def test_help_is_0(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*arguments) == Exit.DONE
    assert "usage: tandem" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["plam", "web"], "there is no command 'plam'; did you mean plan?"),
        (["conflict"], "there is no command 'conflict'; did you mean conflicts?"),
        (["xyzzy"], "there is no command 'xyzzy': it is one of status, plan, sync, conflicts, "),
        (["conflicts", "show-all"], "'show-all' is none of list, show, resolve"),
        (["plan"], "the following arguments are required: fabric"),
        (["plan", "web", "--out", "json"], "unrecognized arguments: --out json"),
        (["version", "--cli"], "unrecognized arguments: --cli"),  # no abbreviations
    ],
)
def test_a_command_that_makes_no_sense_is_64(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*arguments) == Exit.USAGE
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(f"error: {said}")
    assert captured.err.endswith("--help` for what is possible\n")


def test_conflicts_alone_shows_its_commands_and_is_64(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("conflicts") == Exit.USAGE
    said = capsys.readouterr().out
    assert "conflicts resolve" in said
    assert "doctor" not in said


def test_flags_of_the_cluster_may_stand_before_the_command(replaced: Callable[[Execute], None]) -> None:
    seen: list[argparse.Namespace] = []
    replaced(noting(seen))
    assert run("-n", "shop", "--context", "here", "--kubeconfig", "/k", "version", "--client") == 0
    assert run("version", "-n", "shop", "--context", "here", "--kubeconfig", "/k", "--client") == 0
    assert run("-n", "blog", "version", "-n", "shop") == 0
    first, second, third = seen
    assert (first.namespace, first.context, first.kubeconfig) == ("shop", "here", Path("/k"))
    assert (second.namespace, second.context, second.kubeconfig) == ("shop", "here", Path("/k"))
    assert third.namespace == "shop", "the last one counts"
    assert first.client


def test_the_environment_is_below_the_flags(replaced: Callable[[Execute], None]) -> None:
    seen: list[argparse.Namespace] = []
    replaced(noting(seen))
    run("version", TANDEM_NAMESPACE="blog", TANDEM_CONTEXT="there")
    run("version", "-n", "shop", TANDEM_NAMESPACE="blog")
    run("-n", "shop", "version", TANDEM_NAMESPACE="blog")
    assert [options.namespace for options in seen] == ["blog", "shop", "shop"]
    assert seen[0].context == "there"


def test_an_error_is_one_line_and_1(replaced: Callable[[Execute], None], capsys: pytest.CaptureFixture[str]) -> None:
    def fail(_: argparse.Namespace) -> int:
        raise RejectedError(Reason.INVALID_SPEC, "this is wrong; do that")

    replaced(fail)
    assert run("version") == Exit.FAILED
    assert capsys.readouterr().err == "error: this is wrong; do that\n"


def test_ctrl_c_is_130_without_a_word(replaced: Callable[[Execute], None], capsys: pytest.CaptureFixture[str]) -> None:
    def interrupt(_: argparse.Namespace) -> int:
        raise KeyboardInterrupt

    replaced(interrupt)
    assert run("version") == Exit.INTERRUPTED
    assert capsys.readouterr() == ("", "")


def test_a_closed_pipe_is_no_failure(
    replaced: Callable[[Execute], None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as pipe:
        monkeypatch.setattr(sys, "stdout", pipe)
        replaced(lambda _: pipe.write("too late\n"))
        assert run("version") == Exit.DONE


@pytest.mark.parametrize(
    ("called", "program"),
    [("/usr/bin/kubectl-tandem", "kubectl tandem"), ("kubectl-tandem", "kubectl tandem"), ("tandem", "tandem")],
)
def test_usage_says_what_was_typed(
    called: str, program: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", [called])
    assert run("plan", "--help") == 0
    said = capsys.readouterr().out
    assert said.startswith(f"usage: {program} plan ")
    assert f"  {program} plan web -n shop\n" in said
    assert run("plan") == Exit.USAGE
    assert f"run `{program} plan --help`" in capsys.readouterr().err


def test_versions_of_the_client_need_no_cluster(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("version", "--client") == 0
    assert capsys.readouterr().out.startswith("client   ")
    assert run("version", "--client", "-o", "json") == 0
    assert '"client": "' in capsys.readouterr().out


def test_output_without_a_file_number_is_left_alone(
    replaced: Callable[[Execute], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    replaced(lambda _: 0)
    assert run("version") == 0
