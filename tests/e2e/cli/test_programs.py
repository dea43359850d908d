"""How the commands are called: `tandem`, `kubectl tandem`, `python -m controller`; their help; `run` and its flags."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from controller.cli.app import COMMANDS
from tests.e2e.conftest import MakeTandem
from tests.support.cli import ESCAPE, PROGRAMS, TIMEOUT, Cli, Said
from tests.support.fabrics import NAME, Fabrics
from tests.support.kubectl import Kubectl
from tests.support.tandem import Stage, Tandem


def kubectl_tandem(kubectl: Kubectl, cli: Cli, *arguments: str) -> Said:
    """The real kubectl, which finds the plugin on PATH."""
    environ = cli.environment() | {"KUBECONFIG": str(cli.kubeconfig)}
    environ["PATH"] = f"{PROGRAMS}{os.pathsep}{environ['PATH']}"
    done = subprocess.run(
        [str(kubectl.program), "tandem", *arguments],
        env=environ,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    return Said(done.returncode, done.stdout, done.stderr)


def test_kubectl_finds_it_and_its_words_are_kubectl_s(kubectl: Kubectl, bare: Cli) -> None:
    said = kubectl_tandem(kubectl, bare, "status", NAME, "-n", bare.namespace)
    assert said.code == 1
    assert said.err == (
        f"error: there is no Fabric {NAME} in namespace {bare.namespace}; `kubectl tandem status -A` lists them all\n"
    )
    helped = kubectl_tandem(kubectl, bare, "plan", "--help")
    assert helped.code == 0
    assert helped.out.startswith("usage: kubectl tandem plan ")
    assert "  kubectl tandem plan web -n shop" in helped.out
    wrong = kubectl_tandem(kubectl, bare, "plan")
    assert wrong.code == 64
    assert "run `kubectl tandem plan --help`" in wrong.err
    listed = subprocess.run(
        [str(kubectl.program), "plugin", "list"],
        env=bare.environment() | {"PATH": str(PROGRAMS)},
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    assert str(PROGRAMS / "kubectl-tandem") in listed.stdout


def test_kubectl_tandem_works_on_a_fabric(kubectl: Kubectl, fabrics: Fabrics, bare: Cli) -> None:
    fabrics.apply("http://127.0.0.1:1/none.git", suspend=True)
    said = kubectl_tandem(kubectl, bare, "resume", NAME, "-n", fabrics.namespace)
    assert (said.code, said.lines) == (0, [f"Fabric {fabrics.namespace}/{NAME} resumed"])


def test_the_module_is_the_same_program(home: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "controller", "version", "--client"],
        env=Cli(None, home).environment(),
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=True,
    )
    assert done.stdout.startswith("client   ")


def test_help_lists_every_command(home: Path) -> None:
    nobody = Cli(None, home)
    for arguments in (["--help"], ["help"]):
        said = nobody(*arguments)
        assert said.code == 0
        for name, command in COMMANDS.items():
            assert f"  {name}" in said.out
            assert command.summary in said.out
    nothing = nobody()
    assert nothing.code == 64
    assert "commands:" in nothing.out


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_examples(home: Path, name: str) -> None:
    said = Cli(None, home)(*name.split(), "--help")
    assert said.code == 0, said.err
    assert said.out.startswith(f"usage: tandem {name} ")
    examples = said.out.partition("examples:\n")[2].splitlines()
    assert any(f"tandem {name}" in line for line in examples)
    assert ESCAPE not in said.out


def test_a_reader_that_goes_away_is_no_traceback(home: Path) -> None:
    """`tandem crds | head -1`: the pipe is closed before everything is written."""
    nobody = Cli(None, home)
    with nobody.start("crds") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        said = process.stderr.read()
        process.wait(TIMEOUT)
    assert "Traceback" not in said
    assert "Error" not in said


def test_a_command_that_is_interrupted_ends_quietly(cli: Cli, fabrics: Fabrics) -> None:
    fabrics.apply("http://127.0.0.1:1/none.git", suspend=True)
    with cli.start("sync", NAME, "--wait") as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in err


class TestRun:
    def test_a_setting_is_taken_from_the_flag_else_the_environment(self, make_tandem: MakeTandem, stage: Stage) -> None:
        """TANDEM_LOG_LEVEL makes it talk, and --log-level is heard before it."""
        talkative = make_tandem(environ={"TANDEM_LOG_LEVEL": "debug", "TANDEM_LOG_FORMAT": "json"})
        stage.enter(talkative)
        assert any(line.get("level") == "debug" for line in talkative.log_lines())
        quiet = make_tandem(environ={"TANDEM_LOG_LEVEL": "debug"}, flags=("--log-level", "error"))
        stage.enter(quiet)
        assert quiet.log_lines() == []

    def test_it_stops_on_sigterm_with_0(self, own_tandem: Tandem) -> None:
        assert own_tandem.stop() == 0

    def test_a_second_one_on_the_same_database_is_1_and_names_the_first(
        self, own_tandem: Tandem, make_tandem: MakeTandem
    ) -> None:
        second = make_tandem(database=f"sqlite:///{own_tandem.launch.database_file}")
        second.launch_only()
        assert second.wait_ended() == 1
        assert f"is in use by pid {own_tandem.pid} on " in second.logs()

    def test_an_address_that_is_taken_is_1_and_named(self, own_tandem: Tandem, make_tandem: MakeTandem) -> None:
        second = make_tandem(flags=("--metrics-bind", f"127.0.0.1:{own_tandem.port}"))
        second.launch_only()
        assert second.wait_ended() == 1
        assert "error: --metrics-bind" in second.logs()
        assert str(own_tandem.port) in second.logs()

    @pytest.mark.parametrize(
        ("arguments", "why"),
        [
            (["--log-level", "loud"], "'loud' is none of debug, info, warning, error"),
            (["--allow-namespaces", "Shop"], "'Shop' is not the name of a namespace"),
            (["--interval", "3s"], "unrecognized arguments: --interval 3s"),
        ],
    )
    def test_flags_that_make_no_sense_are_64(self, home: Path, arguments: list[str], why: str) -> None:
        said = Cli(None, home)("run", *arguments)
        assert said.code == 64
        assert why in said.err

    def test_an_environment_that_makes_no_sense_is_64_and_names_the_variable(self, home: Path) -> None:
        said = Cli(None, home, environ={"TANDEM_ALLOW_INSECURE_GIT": "perhaps"})("run")
        assert said.code == 64
        assert "TANDEM_ALLOW_INSECURE_GIT=perhaps: 'perhaps' is neither true nor false" in said.err

    def test_a_database_of_another_kind_is_1(self, bare: Cli) -> None:
        said = bare("run", "--database", "mysql://host/tandem", "--metrics-bind", "127.0.0.1:0")
        assert said.code == 1
        assert "this version keeps no such database" in said.err
