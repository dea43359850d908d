"""`tandem sync`: a SyncJob is made, its steps are shown, and the exit code says how it ended."""

from __future__ import annotations

import json
import re

import pytest

from tests.e2e.sync.manifests import CONFIG, config_map, several
from tests.support.cli import Cli
from tests.support.fabrics import NAME, Fabrics
from tests.support.repository import Repository
from tests.support.tandem import Tandem

SEEN_BY_NOBODY = {"interval": "1h"}  # so that what happens was asked for


def start(fabrics: Fabrics, repository: Repository, **documents: str) -> None:
    first = repository.publish(documents)
    fabrics.apply(repository.url, sync=SEEN_BY_NOBODY)
    fabrics.wait_synced(revision=first)


def test_a_job_brings_a_commit_into_the_cluster(cli: Cli, fabrics: Fabrics, repository: Repository) -> None:
    start(fabrics, repository, **{"cm.yaml": CONFIG})
    second = repository.publish(
        {"cm.yaml": CONFIG.replace("color: blue", "color: red"), "x.yaml": config_map("x", a="b")}
    )
    said = cli("sync", NAME, "--wait")
    assert said.code == 0, said.err
    made = re.fullmatch(rf"SyncJob {fabrics.namespace}/({NAME}-\w+) made", said.lines[0])
    assert made is not None
    assert said.lines[-2].startswith("Completed")
    assert "1 created, 1 updated" in said.lines[-1]
    assert fabrics.kubectl.json("get", "configmap", "web")["data"]["color"] == "red"
    assert fabrics.status()["revision"]["applied"] == second
    job = fabrics.kubectl.json("get", "syncjob", made[1])
    assert job["spec"]["initiatedBy"] == "admin"
    assert job["spec"]["trigger"] == "Manual"


def test_without_wait_it_ends_at_once_and_the_job_goes_on(cli: Cli, fabrics: Fabrics, repository: Repository) -> None:
    start(fabrics, repository, **{"cm.yaml": CONFIG})
    second = repository.publish({"cm.yaml": CONFIG.replace("color: blue", "color: red")})
    said = cli("sync", NAME)
    assert said.code == 0
    assert len(said.lines) == 1
    fabrics.wait_applied(second)


def test_nothing_to_do_is_said(cli: Cli, fabrics: Fabrics, repository: Repository) -> None:
    start(fabrics, repository, **{"cm.yaml": CONFIG})
    said = cli("sync", NAME, "--wait")
    assert said.code == 0
    assert said.lines[-1].startswith("nothing to do")


def test_filters_name_what_is_synced(cli: Cli, fabrics: Fabrics, repository: Repository) -> None:
    """The job's own run holds to them; what is left over is the Fabric's next run's, as ever."""
    start(fabrics, repository, **{"all.yaml": several("a1", "a2", "b1")})
    repository.publish({"all.yaml": several("a1", "a2", "b1").replace("value", "other")})
    said = cli("sync", NAME, "--wait", "--kind", "ConfigMap", "--name", "a*")
    assert said.code == 0, said.err
    assert said.lines[-2:] == ["Completed   2 of 2 objects", "2 updated"]
    (job,) = fabrics.kubectl.json("get", "syncjobs")["items"]
    assert job["spec"]["filters"] == {"kinds": ["ConfigMap"], "names": ["a*"]}
    assert sorted(result["object"] for result in job["status"]["results"]) == [
        f"ConfigMap/{fabrics.namespace}/{name}" for name in ("a1", "a2")
    ]


def test_open_conflicts_are_3_and_named(cli: Cli, fabrics: Fabrics, repository: Repository) -> None:
    fabrics.kubectl.apply(config_map("web", color="red"))
    repository.publish({"cm.yaml": CONFIG})
    fabrics.apply(repository.url, sync=SEEN_BY_NOBODY)
    conflict = fabrics.wait_conflict()["metadata"]["name"]
    said = cli("sync", NAME, "--wait")
    assert said.code == 3, said.err
    assert "1 conflict to decide:" in said.lines
    where = f"tandem conflicts show {conflict} -n {fabrics.namespace}"
    assert said.lines[-1] == f"  ConfigMap/{fabrics.namespace}/web   {where}"


def test_force_lets_the_source_win(cli: Cli, fabrics: Fabrics, repository: Repository) -> None:
    fabrics.kubectl.apply(config_map("web", color="red"))
    repository.publish({"cm.yaml": CONFIG})
    fabrics.apply(repository.url, sync=SEEN_BY_NOBODY)
    fabrics.wait_conflict()
    said = cli("sync", NAME, "--wait", "--direction", "gittocluster", "--force")
    assert said.code == 0, said.out
    assert fabrics.kubectl.json("get", "configmap", "web")["data"]["color"] == "blue"


def test_a_run_that_fails_is_1_and_says_why(cli: Cli, fabrics: Fabrics, repository: Repository) -> None:
    start(fabrics, repository, **{"cm.yaml": CONFIG})
    fabrics.patch({"repository": {"branch": "release"}})
    said = cli("sync", NAME, "--wait")
    assert said.code == 1, said.out
    assert said.lines[-2].startswith("Failed")
    assert said.lines[-1].startswith("error: BranchNotFound: ")
    assert "no branch 'release'" in said.lines[-1]


def test_nobody_there_to_do_it_is_4(cli: Cli, fabrics: Fabrics, repository: Repository, tandem: Tandem) -> None:
    start(fabrics, repository, **{"cm.yaml": CONFIG})
    tandem.stop()
    try:
        said = cli("sync", NAME, "--wait", "--timeout", "1s")
        assert said.code == 4
        assert "has not ended within 1 s" in said.err
        assert "Pending" in said.out
    finally:
        tandem.start()


def test_a_suspended_fabric_is_told_and_the_job_waits(cli: Cli, fabrics: Fabrics, repository: Repository) -> None:
    start(fabrics, repository, **{"cm.yaml": CONFIG})
    assert cli("suspend", NAME).code == 0
    said = cli("sync", NAME)
    assert said.code == 0
    assert said.err == (
        f"note: the Fabric is suspended, so the job waits; go on with tandem resume {NAME} -n {fabrics.namespace}\n"
    )
    (job,) = fabrics.kubectl.json("get", "syncjobs")["items"]
    assert cli("resume", NAME).code == 0
    fabrics.kubectl("wait", "--for=jsonpath={.status.phase}=Completed", "syncjob", job["metadata"]["name"])


def test_a_job_that_is_deleted_meanwhile_is_1(
    cli: Cli, fabrics: Fabrics, repository: Repository, tandem: Tandem
) -> None:
    start(fabrics, repository, **{"cm.yaml": CONFIG})
    tandem.stop()
    try:
        with cli.start("sync", NAME, "--wait") as process:
            assert process.stdout is not None
            assert "made" in process.stdout.readline()
            assert "Pending" in process.stdout.readline()
            fabrics.kubectl("delete", "syncjobs", "--all")
            _, err = process.communicate(timeout=30)
        assert process.returncode == 1
        assert "was deleted before it ended" in err
    finally:
        tandem.start()


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["sync"], "the following arguments are required: fabric"),
        (["sync", NAME, "--force"], "--force needs --direction GitToCluster or ClusterToGit"),
        (["sync", NAME, "--direction", "Sideways"], "'Sideways' is none of Bidirectional, GitToCluster, ClusterToGit"),
        (["sync", NAME, "--timeout", "soon"], "--timeout"),
    ],
)
def test_what_makes_no_sense_is_64(cli: Cli, fabrics: Fabrics, arguments: list[str], why: str) -> None:
    said = cli(*arguments)
    assert said.code == 64
    assert why in said.err
    assert "run `tandem sync --help`" in said.err
    assert json.loads(fabrics.kubectl("get", "syncjobs", "-o", "json"))["items"] == []
