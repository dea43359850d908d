"""`tandem conflicts`: what is listed, what is shown side by side, and every way to decide."""

from __future__ import annotations

from typing import Any

import pytest

from tests.e2e.sync.manifests import CONFIG, DEPLOYMENT
from tests.support.cli import Cli, Said
from tests.support.fabrics import NAME, Fabrics
from tests.support.repository import Repository
from tests.support.tandem import Tandem

KUBECTL = "--field-manager=kubectl-edit"
SEEN_BY_NOBODY = {"interval": "1h"}  # a commit waits until a live edit wakes the controller


def cluster(fabrics: Fabrics) -> dict[str, Any]:
    data: dict[str, Any] = fabrics.kubectl.json("get", "configmap", "web")["data"]
    return data


@pytest.fixture
def conflict(cli: Cli, fabrics: Fabrics, repository: Repository) -> str:
    """Git says red and large, the cluster green and small; the SyncConflict's name."""
    first = repository.publish({"cm.yaml": CONFIG})
    fabrics.apply(repository.url, sync=SEEN_BY_NOBODY)
    fabrics.wait_synced(revision=first)
    repository.publish({"cm.yaml": CONFIG.replace("color: blue", "color: red").replace("size: big", "size: large")})
    fabrics.kubectl.patch("configmap", "web", {"data": {"color": "green", "size": "small"}}, KUBECTL)
    name: str = fabrics.wait_conflict()["metadata"]["name"]
    return name


def settled(fabrics: Fabrics, repository: Repository, said: Said, **data: str) -> None:
    """Both sides hold these values."""
    assert said.code == 0, said.err
    assert said.lines == [f"ConfigMap/{fabrics.namespace}/web: Resolved: Both sides hold the decided values"]
    assert cluster(fabrics) == data
    for key, value in data.items():
        assert f"{key}: {value}" in repository.show("cm.yaml")
    assert "# the color" in repository.show("cm.yaml"), "the comment stays"


def test_the_list_names_what_waits(cli: Cli, fabrics: Fabrics, conflict: str) -> None:
    said = cli("conflicts", "list")
    assert said.code == 0
    header, line = said.lines
    assert header.split() == ["NAME", "FABRIC", "OBJECT", "TYPE", "SEVERITY", "STATE", "FIELDS", "AGE"]
    expected = [conflict, NAME, f"ConfigMap/{fabrics.namespace}/web", "BothChanged", "Medium", "Open", "2"]
    assert line.split()[:-1] == expected
    everywhere = cli.using(namespace="default")("conflicts", "list", "-A")
    assert everywhere.lines[0].split()[0] == "NAMESPACE"
    assert any(line.split()[:2] == [fabrics.namespace, conflict] for line in everywhere.lines)
    (told,) = cli("conflicts", "list", NAME, "-o", "json").json()
    assert told["metadata"]["name"] == conflict


def test_a_conflict_is_shown_side_by_side_with_what_to_type(cli: Cli, fabrics: Fabrics, conflict: str) -> None:
    for named in (conflict, "configmap/web", f"ConfigMap/{fabrics.namespace}/web"):
        said = cli("conflicts", "show", named)
        assert said.code == 0, said.err
    assert said.lines[0].split() == [f"ConfigMap/{fabrics.namespace}/web", "fabric", NAME, conflict]
    (header,) = [line for line in said.lines if "BASE" in line]
    assert header.split() == ["FIELD", "BASE", "GIT", "CLUSTER", "EDITED", "BY"]
    rows = [line.split() for line in said.lines if line.startswith("*")]
    assert rows == [
        ["*", "/data/color", '"blue"', '"red"', '"green"', "kubectl-edit"],
        ["*", "/data/size", '"big"', '"large"', '"small"', "kubectl-edit"],
    ]
    assert f"tandem conflicts resolve {conflict} -n {fabrics.namespace} --git" in said.out
    assert "declared in cm.yaml" in said.out
    told = cli("conflicts", "show", conflict, "-o", "json").json()
    assert told["spec"]["fields"][0]["git"] == "red"


def test_git_wins(cli: Cli, fabrics: Fabrics, repository: Repository, conflict: str) -> None:
    head = repository.head()
    said = cli("conflicts", "resolve", conflict, "--git", "--comment", "as reviewed")
    settled(fabrics, repository, said, color="red", size="large")
    assert repository.head() == head
    done = fabrics.kubectl.json("get", "syncconflict", conflict)
    assert done["spec"]["resolution"]["comment"] == "as reviewed"
    assert done["spec"]["resolution"]["resolvedBy"] == "admin"
    assert cli("conflicts", "list").err == "no open conflicts\n"
    assert conflict in cli("conflicts", "list", "--all").out
    again = cli("conflicts", "resolve", conflict, "--cluster")
    assert again.code == 1
    assert "is Resolved already: there is nothing to decide" in again.err


def test_the_cluster_wins(cli: Cli, fabrics: Fabrics, repository: Repository, conflict: str) -> None:
    said = cli("conflicts", "resolve", "configmap/web", "--cluster")
    settled(fabrics, repository, said, color="green", size="small")


def test_field_by_field_and_the_rest_by_a_side(
    cli: Cli, fabrics: Fabrics, repository: Repository, conflict: str
) -> None:
    said = cli("conflicts", "resolve", conflict, "--field", "/data/color=value:black", "--cluster")
    settled(fabrics, repository, said, color="black", size="small")


def test_every_field_by_itself(cli: Cli, fabrics: Fabrics, repository: Repository, conflict: str) -> None:
    said = cli("conflicts", "resolve", conflict, "--field", "/data/color=cluster", "--field", "/data/size=git")
    settled(fabrics, repository, said, color="green", size="large")


def test_a_merge_with_clashing_scalars_stays_open_and_says_so(cli: Cli, fabrics: Fabrics, conflict: str) -> None:
    said = cli("conflicts", "resolve", conflict, "--merge", "--timeout", "20s")
    assert said.code == 1
    assert said.err.startswith(f"error: {conflict}: the decision could not be carried out: ")
    assert cluster(fabrics) == {"color": "green", "size": "small"}
    assert fabrics.conflicts()


def test_a_merge_of_lists_that_both_sides_extended(cli: Cli, fabrics: Fabrics, repository: Repository) -> None:
    declared = DEPLOYMENT.replace("          ports:\n            - containerPort: 80\n", "          args: [a]\n")
    first = repository.publish({"web.yaml": declared})
    fabrics.apply(repository.url, sync=SEEN_BY_NOBODY)
    fabrics.wait_synced(revision=first)
    repository.publish({"web.yaml": declared.replace("args: [a]", "args: [a, git]")})
    path = "/spec/template/spec/containers/0/args"
    fabrics.kubectl.patch("deployment", "web", [{"op": "add", "path": f"{path}/-", "value": "live"}], KUBECTL)
    fabrics.wait_conflict()
    said = cli("conflicts", "resolve", "deployment/web", "--merge")
    assert said.code == 0, said.err
    spec = fabrics.kubectl.json("get", "deployment", "web")["spec"]["template"]["spec"]
    assert spec["containers"][0]["args"] == ["a", "live", "git"]
    assert "args: [a, live, git]" in repository.show("web.yaml")


def test_a_decision_about_values_that_are_no_longer_shown_is_refused(cli: Cli, fabrics: Fabrics, conflict: str) -> None:
    token = cli("conflicts", "show", conflict, "-o", "json").json()["spec"]["stateToken"]
    fabrics.kubectl.patch("configmap", "web", {"data": {"color": "violet"}}, KUBECTL)

    def is_shown() -> bool:
        spec = fabrics.kubectl.json("get", "syncconflict", conflict)["spec"]
        return bool(spec["fields"][0]["cluster"] == "violet")

    fabrics.eventually(is_shown)
    said = cli("conflicts", "resolve", conflict, "--git", "--state-token", token)
    assert said.code == 1
    assert "Stale" in said.err
    assert f"look again: tandem conflicts show {conflict} -n {fabrics.namespace}" in said.err
    assert cluster(fabrics)["color"] == "violet"


def test_a_standing_decision_about_a_manager(cli: Cli, fabrics: Fabrics, repository: Repository) -> None:
    """A manager that is neither an editor nor excluded changed a declared field: from now on it is an editor."""
    first = repository.publish({"cm.yaml": CONFIG})
    fabrics.apply(repository.url)
    fabrics.wait_synced(revision=first)
    fabrics.kubectl.patch("configmap", "web", {"data": {"color": "green"}}, "--field-manager=night-shift")
    assert fabrics.wait_conflict()["spec"]["type"] == "UnknownEditor"
    shown = cli("conflicts", "show", "configmap/web")
    assert "--manager night-shift --as edit" in shown.out
    said = cli("conflicts", "resolve", "configmap/web", "--manager", "night-shift", "--as", "edit")
    assert said.code == 0, said.err
    assert fabrics.get()["spec"]["sync"]["editors"]["include"] == ["night-shift"]
    fabrics.eventually(lambda: "color: green" in repository.show("cm.yaml"))
    assert cli("conflicts", "resolve", "--fabric", NAME, "--manager", "night-shift", "--as", "ignore").code == 0
    assert fabrics.get()["spec"]["sync"]["editors"] == {"include": [], "exclude": ["night-shift"]}


def test_nobody_there_to_carry_it_out_is_4(
    cli: Cli, fabrics: Fabrics, repository: Repository, conflict: str, tandem: Tandem
) -> None:
    tandem.stop()
    try:
        said = cli("conflicts", "resolve", conflict, "--git", "--timeout", "1s")
        assert said.code == 4
        assert "The decision stands and is carried out then" in said.err
        quick = cli("conflicts", "resolve", conflict, "--git", "--no-wait")
        assert (quick.code, quick.lines) == (0, [f"{conflict}: decided; the controller carries it out"])
    finally:
        tandem.start()
    fabrics.eventually(lambda: not fabrics.conflicts())
    assert cluster(fabrics) == {"color": "red", "size": "large"}


def test_names_that_are_nothing_are_said(cli: Cli, fabrics: Fabrics) -> None:
    said = cli("conflicts", "show", "configmap/nothing")
    assert (said.code, said.out) == (1, "")
    assert said.err == (
        f"error: no open conflict of namespace {fabrics.namespace} is about configmap/nothing; "
        "`tandem conflicts list -A` lists them all\n"
    )
    said = cli("conflicts", "resolve", "nothing", "--git")
    assert said.code == 1
    assert said.err.startswith(f"error: there is no SyncConflict nothing in namespace {fabrics.namespace}; ")
    said = cli("conflicts", "list", "nothing")
    assert said.code == 1
    assert said.err.startswith("error: there is no Fabric nothing ")


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ([], "say who wins"),
        (["--git", "--cluster"], "not allowed with argument"),
        (["--field", "/data/color"], "is not PATH=git, PATH=cluster, PATH=both or PATH=value:YAML"),
        (["--manager", "me"], "--manager and --as go together"),
    ],
)
def test_a_decision_that_says_nothing_is_64(bare: Cli, arguments: list[str], why: str) -> None:
    said = bare("conflicts", "resolve", "configmap/web", *arguments)
    assert said.code == 64
    assert why in said.err


def test_a_field_that_is_none_of_the_conflict_s_is_named(cli: Cli, fabrics: Fabrics, conflict: str) -> None:
    said = cli("conflicts", "resolve", conflict, "--field", "/data/shape=git")
    assert said.code == 1
    assert said.err == "error: /data/shape is none of this conflict's fields: /data/color, /data/size\n"
