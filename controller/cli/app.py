"""From the command line to a command, and from its end to an exit code.

A command's module is imported when the command is called, because some of them need a second's worth of libraries and
`tandem --help` needs none. Each has `configure(parser)`, which declares its flags, and `execute(options)`, which does
the work and returns the exit code.
"""

from __future__ import annotations

import argparse
import difflib
import gc
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Protocol, cast

from controller.cli.exits import Exit
from controller.cli.parser import Parser, add_cluster_flags
from controller.errors import TandemError


class CommandModule(Protocol):
    """What a command's module offers."""

    EXAMPLES: str

    def configure(self, parser: Parser) -> None:
        """Declare the flags."""

    def execute(self, options: argparse.Namespace) -> int:
        """Do the work; returns the exit code. Raises TandemError for what a person can mend."""


@dataclass(frozen=True, slots=True)
class Command:
    """One command: where it lives, and what `--help` says of it."""

    module: str
    summary: str
    uses_cluster: bool = True


COMMANDS = {
    "status": Command("status", "how fabrics are doing: conditions, counts, errors, guards"),
    "plan": Command("plan", "what a run would change on either side, and why"),
    "sync": Command("sync", "run a fabric now"),
    "conflicts list": Command("conflicts.listing", "what waits for a decision"),
    "conflicts show": Command("conflicts.showing", "one conflict side by side: base, Git and cluster"),
    "conflicts resolve": Command("conflicts.resolving", "decide, and wait for the outcome"),
    "suspend": Command("suspension", "leave a fabric alone until it is resumed"),
    "resume": Command("suspension", "go on with a suspended fabric"),
    "confirm": Command("confirm", "let a plan through that a guard stopped"),
    "adopt": Command("adoption.adopting", "go on with what Flux or Argo CD manages today"),
    "crds": Command("crds", "print or install the custom resource definitions"),
    "doctor": Command("doctor", "check everything Tandem stands on, and say what to do"),
    "version": Command("version", "versions of this program, the cluster and the definitions"),
    "run": Command("run", "the controller itself"),
    "serve": Command("serve", "listen for Git servers that tell of a push, beside the controller"),
    "dev": Command("dev", "a local control plane, Git server and controller, kept up", uses_cluster=False),
    "demo": Command("demo", "walk through a sync in both directions, with real commits", uses_cluster=False),
}


def main(arguments: Sequence[str] | None = None, environ: Mapping[str, str] | None = None) -> int:
    """Run the command line; returns the exit code. Usage errors and --help leave by SystemExit."""
    program = "kubectl tandem" if Path(sys.argv[0]).name.startswith("kubectl-") else "tandem"
    arguments = sys.argv[1:] if arguments is None else arguments
    environ = os.environ if environ is None else environ
    try:
        code = _run(program, arguments, environ)
        sys.stdout.flush()  # while a reader that has gone away can still be told from a failure
    except TandemError as error:
        return _fail(error.message)
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    except BrokenPipeError:  # `tandem crds | head -1` has what it wanted
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else the interpreter flushes, and complains
        return Exit.DONE
    return code


def _run(program: str, arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    top = _top_parser(program)
    known = top.parse(arguments, environ)
    words = [word for word in (known.command, *known.arguments) if word is not None]
    del known.command, known.arguments
    if not words or words == ["help"]:
        top.print_help()
        return Exit.DONE if words else Exit.USAGE
    if words[0] == "help":
        words = [*words[1:], "--help"]
    name, rest = _split(words, top)
    parser, module = parser_of(name, program)
    options = parser.parse(rest, environ, known)
    options.program, options.command, options.parser = program, name, parser
    return module.execute(options)


def parser_of(name: str, program: str = "tandem") -> tuple[Parser, CommandModule]:
    """The flags of one of the COMMANDS, and the module that does its work."""
    command = COMMANDS[name]
    with _loading():
        module = cast("CommandModule", import_module(f"controller.cli.{command.module}"))
    parser = Parser(f"{program} {name}", _sentence(command.summary), module.EXAMPLES.replace("tandem ", f"{program} "))
    if command.uses_cluster:
        add_cluster_flags(parser)
    module.configure(parser)
    return parser, module


@contextmanager
def _loading() -> Iterator[None]:
    """Import without looking for garbage: what modules make stays, and searching it takes a third of a start.

    Nor is it searched later, and at the end, by which a controller stops at once instead of after half a second.
    """
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if collects:
            gc.enable()


def _split(words: Sequence[str], top: Parser) -> tuple[str, list[str]]:
    """The command, of one word or two, and its arguments. Ends the process where there is no such command."""
    for length in (1, 2):
        if " ".join(words[:length]) in COMMANDS:
            return " ".join(words[:length]), list(words[length:])
    group = [name for name in COMMANDS if name.startswith(f"{words[0]} ")]
    if not group:
        top.error(f"there is no command {words[0]!r}{_suggestion(words[0])}")
    parser = Parser(f"{top.prog} {words[0]}", f"commands:\n{_listing(group)}")
    parser.usage = f"{parser.prog} COMMAND …"
    if words[1:2] in ([], ["--help"], ["-h"]):
        parser.print_help()
        raise SystemExit(Exit.DONE if words[1:] else Exit.USAGE)
    return parser.error(f"{words[1]!r} is none of {', '.join(name.partition(' ')[2] for name in group)}")


def _top_parser(program: str) -> Parser:
    """The flags that may stand before the command, as with kubectl; everything after it is the command's."""
    parser = Parser(
        program,
        "Keeps Git and a Kubernetes cluster in step, in both directions.\n\ncommands:\n"
        f"{_listing(COMMANDS)}\n\n`{program} COMMAND --help` shows a command's flags and examples.",
    )
    parser.usage = f"{program} [--kubeconfig FILE] [--context NAME] [-n NAMESPACE] COMMAND …"
    parser.add_argument("command", nargs="?", help=argparse.SUPPRESS)
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    add_cluster_flags(parser)
    return parser


def _listing(names: Iterable[str]) -> str:
    width = max(map(len, COMMANDS))
    return "\n".join(f"  {name:<{width}}  {COMMANDS[name].summary}" for name in names)


def _suggestion(name: str) -> str:
    words = dict.fromkeys(name.partition(" ")[0] for name in COMMANDS)
    near = difflib.get_close_matches(name, words, n=1)
    return f"; did you mean {near[0]}?" if near else f": it is one of {', '.join(words)}"


def _sentence(summary: str) -> str:
    return f"{summary[0].upper()}{summary[1:]}."


def _fail(message: str) -> int:
    from controller.cli.screen import say  # noqa: PLC0415 - rich is only needed to print

    say(message, label="error: ")
    return Exit.FAILED
