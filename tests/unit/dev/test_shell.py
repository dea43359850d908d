"""Programs are called in an environment of their own, and a failing one says what it said."""

from __future__ import annotations

from pathlib import Path

import pytest

from controller.dev.errors import CommandError
from controller.dev.shell import plain_environment, run, scripts_folder


def test_it_returns_what_the_program_prints(tmp_path: Path) -> None:
    script = 'echo "$GREETING from $(pwd -P)"; cat; echo unheard >&2'
    said = run(["sh", "-c", script], environ={"PATH": "/usr/bin:/bin", "GREETING": "hi"}, cwd=tmp_path, stdin="in")
    assert said == f"hi from {tmp_path.resolve()}\nin"


def test_a_failure_says_which_command_and_what_it_said() -> None:
    with pytest.raises(CommandError, match=r"^`sh -c echo no >&2; exit 3` ended with 3: no$"):
        run(["sh", "-c", "echo no >&2; exit 3"], environ={"PATH": "/usr/bin:/bin"})


def test_a_failure_without_a_word_shows_what_was_printed() -> None:
    with pytest.raises(CommandError, match=r"ended with 1: out$"):
        run(["sh", "-c", "echo out; exit 1"], environ={"PATH": "/usr/bin:/bin"})


def test_a_missing_program_is_named(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"`.*/nowhere x` did not run: "):
        run([tmp_path / "nowhere", "x"], environ={})


def test_nothing_of_another_installation_or_of_proxies_gets_in() -> None:
    outside = {
        "HOME": "/home/ada",
        "KUBECONFIG": "mine",
        "TANDEM_DATA_DIR": "/var/lib/tandem",
        "http_proxy": "http://proxy:3128",
        "HTTPS_PROXY": "http://proxy:3128",
        "no_proxy": "localhost",
    }
    assert plain_environment(outside) == {"HOME": "/home/ada", "KUBECONFIG": "mine", "no_proxy": "localhost"}


def test_the_plug_in_is_where_it_is_looked_for() -> None:
    assert (scripts_folder() / "kubectl-tandem").is_file()
