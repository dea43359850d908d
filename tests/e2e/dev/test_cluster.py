"""`tandem dev` on somebody's cluster: only where it may, and it leaves without a trace of itself but the objects."""

from __future__ import annotations

import json
import signal
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from controller.dev.cluster import Loan, lent_cluster
from controller.dev.controlplane import ControlPlane, Options
from controller.dev.errors import CommandError, StartError
from controller.dev.kubeconfig import MARK, is_own_context
from controller.dev.locate import Programs
from tests.support.foreground import Foreground
from tests.support.kubectl import Kubectl
from tests.support.wait import wait_until
from tests.support.worktree import git


@pytest.fixture(scope="module")
def lent(programs: Programs, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A cluster that nobody else in this test run works on."""
    with ControlPlane(programs, tmp_path_factory.mktemp("lent"), Options(fsync=False)) as plane:
        yield plane


@pytest.fixture
def foreign(lent: ControlPlane, tmp_path: Path) -> Path:
    """A kubeconfig of it without our mark, as of any other cluster; with a second context."""
    config = json.loads(lent.kubeconfig.read_text().replace(MARK, "somebody/else"))
    other = json.loads(json.dumps(config["contexts"][0])) | {"name": "other"}
    other["context"]["namespace"] = "kube-system"
    path = tmp_path / "foreign.kubeconfig"
    path.write_text(json.dumps(config | {"contexts": [*config["contexts"], other]}))
    return path


@pytest.fixture(autouse=True)
def kubectl_on_path(programs: Programs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(programs.kubectl.parent), prepend=":")


class TestLoan:
    def test_a_cluster_that_is_not_ours_is_refused(self, foreign: Path, tmp_path: Path, lent: ControlPlane) -> None:
        with pytest.raises(StartError, match=rf"{lent.server}\) leads to a cluster that Tandem did not make"):
            lent_cluster(Loan(foreign), tmp_path)
        assert not (tmp_path / "kubeconfig").exists()

    def test_it_is_taken_when_that_was_said(self, foreign: Path, tmp_path: Path) -> None:
        cluster = lent_cluster(Loan(foreign, "other", granted=True), tmp_path)
        config = json.loads(cluster.kubeconfig.read_text())
        (context,) = config["contexts"]
        assert config["current-context"] == context["name"] == "other"
        assert context["context"]["namespace"] == "default", "the sample's namespace"
        assert cluster.plane is None
        assert stat.S_IMODE(cluster.kubeconfig.stat().st_mode) == 0o600

    def test_one_of_ours_needs_no_word(self, lent: ControlPlane, tmp_path: Path) -> None:
        cluster = lent_cluster(Loan(lent.kubeconfig), tmp_path)
        config = json.loads(cluster.kubeconfig.read_text())
        assert is_own_context(config, config["current-context"])

    def test_the_environment_s_kubeconfig_is_taken_where_none_is_named(
        self, foreign: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("KUBECONFIG", str(foreign))
        assert lent_cluster(Loan(context="other", granted=True), tmp_path).kubeconfig.exists()

    def test_a_context_that_is_not_there_is_named(self, foreign: Path, tmp_path: Path) -> None:
        with pytest.raises(CommandError, match="nowhere"):
            lent_cluster(Loan(foreign, "nowhere", granted=True), tmp_path)

    def test_a_missing_kubectl_is_named(self, foreign: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PATH", str(tmp_path))
        with pytest.raises(StartError, match=r"^kubectl is missing"):
            lent_cluster(Loan(foreign, granted=True), tmp_path)


def test_dev_refuses_a_cluster_and_touches_nothing(lent: ControlPlane, foreign: Path, tmp_path: Path) -> None:
    run = Foreground(tmp_path / "out", "dev", "--data-dir", str(tmp_path / "data"), "--kubeconfig", str(foreign))
    assert run.wait_ended() == 1
    assert "--use-cluster" in run.stderr
    assert "tandem.dev" not in Kubectl.of(lent)("get", "customresourcedefinitions", "-o", "name")


def test_dev_works_on_a_lent_cluster_and_takes_leave(lent: ControlPlane, foreign: Path, tmp_path: Path) -> None:
    data = str(tmp_path / "data")
    run = Foreground(tmp_path / "out", "dev", "--data-dir", data, "--use-cluster", "--kubeconfig", str(foreign))
    try:
        run.wait_said("Ctrl-C ends it all.")
        kubectl = Kubectl.of(lent)
        assert kubectl.json("get", "fabric", "shop")["spec"]["sync"]["interval"] == "1s"
        kubectl("scale", "deployment", "web", "--replicas=5")
        wait_until(lambda: "Write back" in subjects(tmp_path / "data"), 30)
        assert run.end(signal.SIGTERM) == 0
        assert kubectl.find("fabric", "shop") is None, "no finalizer is left without a controller"
        assert kubectl.json("get", "deployment", "web")["spec"]["replicas"] == 5
        assert lent.apiserver.running
    finally:
        run.kill()


def subjects(data: Path) -> str:
    """The messages of the sample repository's commits."""
    return git("log", "--format=%s", "main", cwd=data / "git" / "shop.git")


def test_the_demo_does_not_take_a_cluster(foreign: Path, tmp_path: Path) -> None:
    run = Foreground(tmp_path / "out", "--kubeconfig", str(foreign), "demo")
    assert run.wait_ended() == 64
    assert "the demo makes a cluster of its own" in run.stderr
