"""`tandem dev` comes up, what it prints can be typed, and it ends without leaving anything behind."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.foreground import Foreground
from tests.support.processes import is_alive
from tests.support.wait import wait_until

pytestmark = pytest.mark.usefixtures("programs")

UP = "Ctrl-C ends it all."
STOPPED_WITHIN = 10.0  # seconds from SIGTERM: what Kubernetes and people are ready to wait


@dataclass
class Dev:
    """A `tandem dev` that is up, and somebody's shell beside it."""

    run: Foreground
    data: Path
    home: Path

    @property
    def lines(self) -> list[str]:
        """What it says can be typed."""
        return re.findall(r"^  (\S.*)$", self.run.stdout, re.MULTILINE)

    def line(self, start: str) -> str:
        """The one such line that starts so."""
        (found,) = [line for line in self.lines if line.startswith(start)]
        return found

    def type(self, *lines: str, editor: str = "false") -> str:
        """What the lines print, typed after the exports into a shell of their own, which ends at the first failure."""
        exports = [line for line in self.lines if line.startswith("export ")]
        environ = {"HOME": str(self.home), "PATH": os.environ["PATH"], "KUBE_EDITOR": editor}
        script = "\n".join(["set -e", *exports, *lines])
        done = subprocess.run(
            ["sh", "-c", script], cwd=self.home, env=environ, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, f"{lines}: {done.stdout}{done.stderr}"
        return done.stdout

    def named(self, label: str) -> str:
        """What it says behind a label, such as Metrics."""
        found = re.search(rf"^{label} +(\S+)", self.run.stdout, re.MULTILINE)
        assert found is not None
        return found[1]


def start(data: Path, folder: Path) -> Dev:
    """A new one on this folder, when it is up."""
    home = folder / "home"
    home.mkdir(parents=True, exist_ok=True)
    run = Foreground(folder, "dev", "--data-dir", str(data))
    try:
        run.wait_said(UP)
    except BaseException:
        run.kill()
        raise
    return Dev(run, data, home)


@pytest.fixture(scope="module")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dev]:
    """The one that the tests of this module share."""
    folder = tmp_path_factory.mktemp("dev")
    dev = start(folder / "data", folder)
    yield dev
    dev.run.kill()


class TestUp:
    """While it is up."""

    def test_its_lines_lead_to_the_sample_on_both_sides(self, dev: Dev) -> None:
        shown = dev.type(dev.line("kubectl get deployments"))
        assert re.search(r"^deployment\.apps/web ", shown, re.MULTILINE)
        assert re.search(r"^configmap/settings ", shown, re.MULTILINE)
        dev.type(dev.line("git clone"))
        assert sorted(path.name for path in (dev.home / "shop").glob("*.yaml")) == ["settings.yaml", "web.yaml"]

    def test_the_edits_it_suggests_become_commits(self, dev: Dev, tmp_path: Path) -> None:
        clone = str(tmp_path / "clone")
        dev.type(f"{dev.line('git clone')} {clone}")
        editor = tmp_path / "editor"
        editor.write_text('#!/bin/sh\nsed "s/nginx:1.27/nginx:1.31/" "$1" >"$1.new" && mv "$1.new" "$1"\n')
        editor.chmod(0o755)

        def pulled(text: str) -> bool:
            dev.type(f"git -C {clone} pull --quiet")
            return text in Path(clone, "web.yaml").read_text()

        dev.type(dev.line("kubectl edit"), editor=shlex.quote(str(editor)))
        wait_until(lambda: pulled('image: "nginx:1.31"   # tried on Monday'), 30)
        dev.type(dev.line("kubectl scale"))
        wait_until(lambda: pulled("replicas: 4   # one for each zone"), 30)

    def test_the_plug_in_answers(self, dev: Dev) -> None:
        for start_of in ("kubectl tandem status", "kubectl tandem conflicts", "kubectl get tandem"):
            dev.type(dev.line(start_of))
        assert "shop" in dev.type(dev.line("kubectl tandem status"))
        wait_until(lambda: "nothing to do" in dev.type(dev.line("kubectl tandem plan")), 30)

    def test_metrics_and_logs_are_where_it_says(self, dev: Dev) -> None:
        with urllib.request.urlopen(dev.named("Metrics"), timeout=10) as answer:  # noqa: S310  # loopback
            assert b"tandem_" in answer.read()
        assert Path(dev.named("Logs")).is_file()
        assert dev.named("State") == str(dev.data)

    def test_nobody_else_may_read_its_secrets(self, dev: Dev) -> None:
        assert dev.data.stat().st_mode & 0o077 == 0
        url = dev.line("git clone").split()[-1]
        refused = subprocess.run(
            ["git", "ls-remote", re.sub(r"//.*@", "//dev:guessed@", url)],
            env={"PATH": os.environ["PATH"], "GIT_TERMINAL_PROMPT": "0"},
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )
        assert refused.returncode != 0
        assert "Authentication failed" in refused.stderr

    def test_a_second_one_on_the_same_folder_says_why_not(self, dev: Dev, tmp_path: Path) -> None:
        second = Foreground(tmp_path, "dev", "--data-dir", str(dev.data))
        assert second.wait_ended() == 1
        assert f"is in use by another control plane (process {dev.run.process.pid})" in second.stderr
        dev.type("kubectl get fabric shop")

    def test_a_second_one_on_another_folder_works_at_the_same_time(self, dev: Dev, tmp_path: Path) -> None:
        second = start(tmp_path / "data", tmp_path)
        try:
            uids = {one.type("kubectl get namespace kube-system -o jsonpath={.metadata.uid}") for one in (dev, second)}
            assert len(uids) == 2
            assert second.run.end(signal.SIGINT) == 0
        finally:
            second.run.kill()

    def test_what_ends_is_started_again(self, dev: Dev) -> None:
        before = dev.run.controller
        assert before is not None
        os.kill(before, signal.SIGKILL)
        dev.run.wait_said("the controller ended with -9 and is started again")
        wait_until(lambda: dev.run.controller not in (None, before))
        dev.type("kubectl annotate fabric shop tandem.dev/requestedAt=after-the-crash")

        def handled() -> bool:
            shown = json.loads(dev.type("kubectl get fabric shop -o json"))
            return bool(shown["status"].get("lastHandledRequest") == "after-the-crash")

        wait_until(handled, 60)


class TestEnd:
    """How it ends, and starts again on what it kept."""

    def test_something_is_left_to_do(self, dev: Dev, tmp_path: Path) -> None:
        dev.type("kubectl tandem suspend shop", f"{dev.line('git clone')} {tmp_path / 'clone'}")
        person = "-c user.name=Ada -c user.email=ada@example.com"
        message = "--allow-empty --message 'While it is suspended'"
        dev.type(f"cd {tmp_path / 'clone'}", f"git {person} commit --quiet {message}", "git push --quiet")
        assert json.loads(dev.type("kubectl get fabric shop -o json"))["spec"]["suspend"] is True

    def test_sigterm_ends_it_and_all_its_children(self, dev: Dev) -> None:
        children = dev.run.children
        assert len(children) >= 3
        assert dev.run.end(signal.SIGTERM, STOPPED_WITHIN) == 0
        assert not any(is_alive(pid) for pid in children)
        assert dev.run.stderr.rstrip().endswith("Stopped.")

    def test_it_goes_on_where_it_was_and_dies_with_its_children(self, dev: Dev, tmp_path: Path) -> None:
        again = start(dev.data, tmp_path)
        try:
            assert again.line("git clone") == dev.line("git clone"), "clones that were made go on working"
            shown = json.loads(again.type("kubectl get deployment web -o json"))
            assert shown["spec"]["replicas"] == 4
            again.type("kubectl tandem resume shop", "kubectl tandem sync shop --wait")
            children = again.run.children
            again.run.end(signal.SIGKILL)
            wait_until(lambda: not any(is_alive(pid) for pid in children))
        finally:
            again.run.kill()
