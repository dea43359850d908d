"""The command line as values: flags with defaults from the environment, usage errors that exit with 64.

A flag that is also a setting takes its value from the command line, else from TANDEM_<FLAG>, else from its default.
The environment is an argument, so that a test needs no patched one.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path
from typing import Any, NoReturn

from controller.cli.exits import Exit

_NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_YES, _NO = frozenset({"1", "true", "yes", "on"}), frozenset({"0", "false", "no", "off", ""})


@dataclass(frozen=True, slots=True)
class Setting:
    """A flag that the environment can give, too."""

    variable: str
    dest: str
    convert: Callable[[str], Any]
    default: Any


class Parser(argparse.ArgumentParser):
    """A parser of one command. `parse` is the way in: it knows the environment."""

    def __init__(self, prog: str, description: str, examples: str = "") -> None:
        epilog = f"examples:\n{_indented(examples)}" if examples else None
        super().__init__(
            prog=prog,
            description=description,
            epilog=epilog,
            allow_abbrev=False,  # an abbreviation that works today is another flag's tomorrow
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        self._settings: list[Setting] = []

    def add_setting(
        self,
        *flags: str,
        help: str,  # noqa: A002 - as argparse calls it
        convert: Callable[[str], Any] = str,
        default: Any = None,
        metavar: str | None = None,
        choices: Sequence[str] | None = None,
    ) -> None:
        """Declare a flag that TANDEM_<FLAG> can give as well; the last of `flags` is the long one."""
        variable = variable_of(flags[-1])
        action = self.add_argument(
            *flags,
            type=_one_of(choices, convert) if choices else convert,
            metavar=metavar or ("{" + ",".join(choices) + "}" if choices else None),
            help=f"{help} [${variable}]",
        )
        check = _one_of(choices, convert) if choices else convert
        self._settings.append(Setting(variable, action.dest, check, default))

    def add_switch(self, flag: str, *, help: str) -> None:  # noqa: A002 - as argparse calls it
        """Declare a setting that is on or off: --flag, --no-flag, or TANDEM_<FLAG>=true."""
        variable = variable_of(flag)
        action = self.add_argument(
            flag, action=argparse.BooleanOptionalAction, default=None, help=f"{help} [${variable}]"
        )
        self._settings.append(Setting(variable, action.dest, parse_switch, default=False))

    def parse(
        self, arguments: Sequence[str], environ: Mapping[str, str], known: argparse.Namespace | None = None
    ) -> argparse.Namespace:
        """The options: flag, else environment, else default. Ends the process with 64 where they make no sense."""
        options = self.parse_args(arguments, known)
        for setting in self._settings:
            if getattr(options, setting.dest) is None:
                setattr(options, setting.dest, self._fallback(setting, environ))
        return options

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and where help is, and exit with the code for it."""
        sys.stderr.write(f"error: {message}\nrun `{self.prog} --help` for what is possible\n")
        raise SystemExit(Exit.USAGE)

    def _fallback(self, setting: Setting, environ: Mapping[str, str]) -> Any:
        text = environ.get(setting.variable)
        if not text:
            return setting.default
        try:
            return setting.convert(text)
        except (argparse.ArgumentTypeError, ValueError) as error:
            shown = "…" if "@" in text else text  # a proxy's URL may hold a password
            self.error(f"{setting.variable}={shown}: {error}")


def variable_of(flag: str) -> str:
    """The environment variable of a flag: TANDEM_DATA_DIR of --data-dir."""
    return "TANDEM_" + flag.lstrip("-").replace("-", "_").upper()


def add_cluster_flags(parser: Parser) -> None:
    """Which cluster, as whom and where, spelled as in kubectl."""
    parser.add_argument(
        "--kubeconfig",
        metavar="FILE",
        type=Path,
        help="the cluster's kubeconfig [$TANDEM_KUBECONFIG, $KUBECONFIG, in-cluster, ~/.kube/config]",
    )
    parser.add_setting("--context", metavar="NAME", help="the context of the kubeconfig")
    parser.add_setting("-n", "--namespace", metavar="NAME", help="the namespace; default: the context's")


def add_engine_flags(parser: Parser) -> None:
    """What the engine works with: its database, its folders, and what fabrics may reach."""
    parser.add_setting(
        "--database",
        metavar="URL",
        help="sqlite:///FILE, four slashes = absolute, or postgresql://…; default: tandem.db in --data-dir",
    )
    parser.add_setting(
        "--data-dir",
        metavar="FOLDER",
        convert=Path,
        help="for the database and Git mirrors; default: $XDG_STATE_HOME/tandem",
    )
    parser.add_setting(
        "--mirror-quota",
        metavar="SIZE",
        convert=parse_size,
        help="disk for Git mirrors, such as 10Gi; beyond it those that no Fabric uses are removed; default: 10Gi",
    )
    parser.add_switch("--allow-insecure-git", help="allow http:// remotes, and ones on loopback or link-local")
    parser.add_setting(
        "--sops",
        metavar="PROGRAM",
        help="what opens and writes encrypted files; default: sops on PATH, else the one that Tandem built",
    )
    parser.add_setting(
        "--git-proxy",
        metavar="URL",
        convert=parse_proxy,
        default="",
        help="reach https:// remotes through this http proxy; with user and password only by the variable",
    )
    parser.add_setting(
        "--git-no-proxy",
        metavar="A,B",
        convert=parse_list,
        default=(),
        help="hosts, with all names below them, that are reached without --git-proxy",
    )
    parser.add_setting(
        "--allow-namespaces",
        metavar="A,B|*",
        convert=parse_namespaces,
        help="namespaces that fabrics of other ones may reach into, * for all; default: none",
    )
    parser.add_setting(
        "--controller-namespace",
        metavar="NAME",
        convert=parse_namespace,
        help="where the installation's ConfigMap lies; default: the pod's, else tandem-system",
    )


def add_log_flags(parser: Parser) -> None:
    """How a process that stays tells what it does."""
    parser.add_setting(
        "--log-level", choices=("debug", "info", "warning", "error"), default="info", help="default: info"
    )
    parser.add_setting(
        "--log-format", choices=("text", "json"), help="of the lines on stderr; default: text on a terminal, else json"
    )


def console_of(options: argparse.Namespace) -> bool | None:
    """Whether lines are for people; None: if standard error is a terminal."""
    return None if options.log_format is None else options.log_format == "text"


def parse_switch(text: str) -> bool:
    """true or false, as people write them."""
    if text.lower() in _YES:
        return True
    if text.lower() in _NO:
        return False
    raise argparse.ArgumentTypeError(f"{text!r} is neither true nor false")


def parse_size(text: str) -> int:
    """Bytes of `500Mi`, `10Gi`; a bare number is bytes."""
    found = re.fullmatch(r"(\d{1,15})(Ki|Mi|Gi|Ti)?", text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a size such as 500Mi or 10Gi")
    return int(found[1]) << (10 * ("", "Ki", "Mi", "Gi", "Ti").index(found[2] or ""))


def parse_proxy(text: str) -> str:
    """The URL of a http proxy, which may itself be spoken to over TLS."""
    if not re.fullmatch(r"https?://[\x21-\x7e]+", text):
        raise argparse.ArgumentTypeError("this is not the URL of a proxy, such as http://proxy.example.com:3128")
    return text


def parse_seconds(text: str) -> float:
    """Seconds of `30s`, `5m`, `1h30m`; a bare number is seconds."""
    from controller.api.meta import parse_duration  # noqa: PLC0415 - costs 0.3 s, and few commands wait

    if re.fullmatch(r"\d+(\.\d+)?", text):
        return float(text)
    try:
        return parse_duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def parse_namespace(text: str) -> str:
    """The name of a namespace."""
    if not _NAMESPACE.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not the name of a namespace")
    return text


def parse_namespaces(text: str) -> tuple[str, ...]:
    """`A,B`, or `*` for all."""
    if text == "*":
        return ("*",)
    return tuple(parse_namespace(name.strip()) for name in text.split(",") if name.strip())


def parse_list(text: str) -> tuple[str, ...]:
    """`A,B`; empty entries do not count."""
    return tuple(name.strip() for name in text.split(",") if name.strip())


def parse_networks(text: str) -> tuple[str, ...]:
    """`A,B`, each an IP network or a single address."""
    for network in (found := parse_list(text)):
        try:
            ip_network(network)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{network!r} is not a network such as 10.1.2.0/24") from None
    return found


def _one_of(choices: Sequence[str], convert: Callable[[str], Any]) -> Callable[[str], Any]:
    """A converter that takes one of the choices in any case, and returns it as it is spelled here."""
    spelled = {choice.lower(): choice for choice in choices}

    def choose(text: str) -> Any:
        if text.lower() not in spelled:
            raise argparse.ArgumentTypeError(f"{text!r} is none of {', '.join(choices)}")
        return convert(spelled[text.lower()])

    return choose


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" if line else "" for line in text.strip().splitlines())
