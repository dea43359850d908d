"""The demo tells what git and kubectl show, in order, and fails where it is not so."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from controller.dev.locate import Programs
from tests.support.foreground import Foreground
from tests.support.processes import is_alive
from tests.support.wait import wait_until
from tests.support.worktree import git

pytestmark = pytest.mark.usefixtures("programs")  # else the first test would wait for the build of the control plane

WHOLE = 120.0  # seconds for a demo; about fifteen where nothing else runs
READY = "ok  the controller, and both sides of the sample in step"

StartDemo = Callable[..., Foreground]


@pytest.fixture
def start_demo(tmp_path: Path) -> Iterator[StartDemo]:
    """Starts `tandem demo` in the folder `story`, with more flags."""
    started: list[Foreground] = []

    def start(*flags: str, environ: dict[str, str] | None = None) -> Foreground:
        story = str(tmp_path / "story")
        started.append(Foreground(tmp_path, "demo", "--data-dir", story, *flags, environ=environ))
        return started[-1]

    yield start
    for demo in started:
        demo.kill()


def test_the_story_is_true_and_told_from_both_sides(start_demo: StartDemo, tmp_path: Path) -> None:
    demo = start_demo()
    assert demo.wait_ended(WHOLE) == 0, demo.stderr + demo.stdout
    told = demo.stdout
    assert "\x1b" not in told + demo.stderr, "plain where it is not a terminal"
    assert "✗" not in told
    assert re.findall(r"^(\d)\. ", told, re.MULTILINE) == ["1", "2", "3", "4", "5"]
    assert len(re.findall(r"^   ✓ .*: after \d+\.\d s$", told, re.MULTILINE)) == 5

    bare = tmp_path / "story" / "git" / "shop.git"
    commits = git("log", "--reverse", "--format=%H %an", "main", cwd=bare).splitlines()
    first, *rest = commits
    assert first.endswith(" Ada")
    assert re.findall(r"^     commit (\w+)$", told, re.MULTILINE) == [commit.split()[0] for commit in rest]
    assert [commit.split()[1] for commit in rest] == ["Ada", "Tandem", "Ada", "Tandem"]
    for commit in (rest[1], rest[3]):
        assert git("show", "--format=", "--numstat", commit.split()[0], cwd=bare) == "1\t1\tweb.yaml"
    assert "-  replicas: 2   # one for each zone\n     +  replicas: 3   # one for each zone\n" in told
    assert "Field-Manager: kubectl-edit" in told
    assert 'image: "nginx:1.28"   # tried on Monday' in git("show", "main:web.yaml", cwd=bare)
    assert re.search(r"BothChanged +Medium +Open", told)
    assert re.search(r"^     web +3 +nginx:1\.28$", told, re.MULTILINE)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP], ids=lambda how: how.name)
def test_it_fails_when_the_controller_is_stopped(start_demo: StartDemo, how: signal.Signals) -> None:
    demo = start_demo("--timeout", "3s")
    demo.wait_said(READY)
    assert demo.controller is not None
    os.kill(demo.controller, how)
    assert demo.wait_ended(WHOLE) == 1
    assert "✗ not true: " in demo.stdout
    assert "All of it was true" not in demo.stdout
    state = "the controller runs" if how == signal.SIGSTOP else f"the controller ended with {-how}"
    assert re.search(rf"error: “\d\. .*” is not true: .*\n{state}", demo.stderr)


def test_it_fails_when_there_is_no_controller(start_demo: StartDemo, tmp_path: Path) -> None:
    demo = start_demo("--no-controller", "--timeout", "2s")
    assert demo.wait_ended(WHOLE) == 1
    assert "“1. A commit becomes a live object” is not true: within 2 s, kubectl shows no Deployment" in demo.stderr
    assert "no controller was started, as asked for" in demo.stderr
    assert (tmp_path / "story" / "controlplane" / "logs" / "kube-apiserver.log").exists(), "what was chosen is kept"


def test_an_interrupted_one_leaves_nothing_behind(start_demo: StartDemo) -> None:
    demo = start_demo()
    demo.wait_said(READY)
    children = demo.children
    assert len(children) >= 3
    assert demo.end(signal.SIGTERM) == 130
    wait_until(lambda: not any(is_alive(pid) for pid in children))


def test_its_own_folder_goes_with_it(tmp_path: Path) -> None:
    demo = Foreground(tmp_path / "out", "demo", environ={"TMPDIR": str(tmp_path)})
    try:
        demo.wait_said("ok  Git server")
        (folder,) = tmp_path.glob("tandem-demo-*")
        assert demo.end(signal.SIGINT) == 130
        assert not folder.exists()
    finally:
        demo.kill()


def test_a_folder_with_something_in_it_is_refused(start_demo: StartDemo, tmp_path: Path) -> None:
    (tmp_path / "story").mkdir()
    (tmp_path / "story" / "thesis.txt").write_text("mine")
    demo = start_demo()
    assert demo.wait_ended() == 1
    assert f"error: {tmp_path / 'story'} is not empty" in demo.stderr
    assert [path.name for path in (tmp_path / "story").iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize("command", ["demo", "dev"])
def test_a_missing_git_is_named_in_one_line(tmp_path: Path, command: str, programs: Programs) -> None:
    run = Foreground(tmp_path, command, environ={"PATH": str(programs.kubectl.parent), "TMPDIR": str(tmp_path)})
    assert run.wait_ended() == 1
    assert run.stderr.startswith("error: git is missing: install it")
    assert run.stderr.count("\n") == 1
    assert not list(tmp_path.glob("tandem-*")), "nothing is left of it"
