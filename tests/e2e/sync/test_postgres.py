"""The way in both directions with the database on a PostgreSQL server, and what that server and others do to it."""

from __future__ import annotations

from pathlib import Path

import pytest

from controller.dev.controlplane import ControlPlane
from tests.e2e.conftest import MakeTandem
from tests.e2e.sync.looking import data
from tests.e2e.sync.manifests import CONFIG, config_map
from tests.support.cli import Cli
from tests.support.fabrics import Fabrics
from tests.support.fault_rules import request
from tests.support.faults import FaultProxy
from tests.support.postgres import PASSWORD, PostgresServer
from tests.support.repository import Repository
from tests.support.tandem import Stage, Tandem

OTHER = config_map("other", key="value")


@pytest.fixture
def tandem(
    make_tandem: MakeTandem, stage: Stage, faults: FaultProxy, postgres: PostgresServer, postgres_database: str
) -> Tandem:
    """A ready controller of the test's own, on a database of its own, whose requests a test can hold."""
    made = make_tandem(through=faults, database=postgres.url(postgres_database))
    stage.enter(made)
    return made


@pytest.fixture
def cli(controlplane: ControlPlane, fabrics: Fabrics, tandem: Tandem, tmp_path: Path) -> Cli:
    """The admin's command line, with the controller's settings."""
    (tmp_path / "home").mkdir()
    return Cli.of(controlplane, tmp_path / "home", fabrics.namespace).using(launched=tandem.launch)


def end_sessions(postgres: PostgresServer, database: str) -> None:
    postgres.sql(f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '{database}'")


def test_both_directions_a_conflict_a_restart_and_a_kill(
    tandem: Tandem, fabrics: Fabrics, repository: Repository, faults: FaultProxy
) -> None:
    first = repository.publish({"cm.yaml": CONFIG, "other.yaml": OTHER})
    fabrics.apply(repository.url)
    fabrics.wait_synced(revision=first)
    fabrics.kubectl.patch("configmap", "web", {"data": {"color": "green"}})
    fabrics.eventually(lambda: "color: green   # the color" in repository.show("cm.yaml"))
    fabrics.wait_synced(revision=repository.head())

    tandem.restart()  # both sides move, one after the other; nothing but the base tells which
    second = repository.publish({"cm.yaml": repository.show("cm.yaml").replace("big", "huge")})
    fabrics.wait_synced(revision=second)
    assert data(fabrics, "web") == {"color": "green", "size": "huge"}

    with faults.hold_answer(when=request(method="PATCH", path="*/configmaps/other")) as gate:
        third = repository.publish({"other.yaml": OTHER.replace("value", "git")})
        gate.wait()
        tandem.kill()
    tandem.start()
    fabrics.wait_synced(revision=third)
    assert (repository.head(), fabrics.conflicts()) == (third, [])

    tandem.stop()
    fabrics.kubectl.patch("configmap", "other", {"data": {"key": "live"}})
    repository.publish({"other.yaml": OTHER.replace("value", "newer")})
    tandem.start()
    name = fabrics.wait_conflict()["metadata"]["name"]
    fabrics.kubectl.patch("syncconflict", name, {"spec": {"resolution": {"strategy": "ClusterWins"}}})
    fabrics.eventually(lambda: "key: live" in repository.show("other.yaml"))
    fabrics.wait_synced(revision=repository.head())
    assert "Traceback" not in tandem.logs(10_000)
    assert PASSWORD not in tandem.logs(10_000)


def test_a_server_that_goes_and_comes_back(
    tandem: Tandem, fabrics: Fabrics, repository: Repository, postgres: PostgresServer, faults: FaultProxy
) -> None:
    """In the middle of a run, and for a while: nothing is decided without it, nothing is lost, nobody ends."""
    first = repository.publish({"cm.yaml": CONFIG, "other.yaml": OTHER})
    fabrics.apply(repository.url, sync={"interval": "1s"})
    fabrics.wait_synced(revision=first)
    with faults.hold_answer(when=request(method="PATCH", path="*/configmaps/other")) as gate:
        second = repository.publish({"other.yaml": OTHER.replace("value", "git")})
        gate.wait()
        postgres.crash()
    fabrics.eventually(lambda: any("is the server up" in str(line.get("problem")) for line in tandem.log_lines()))
    fabrics.kubectl.patch("configmap", "web", {"data": {"color": "green"}})
    third = repository.publish({"other.yaml": OTHER.replace("value", "newer")})
    fabrics.request()
    fabrics.eventually(lambda: _stopped_runs(tandem) >= 2)
    assert (repository.head(), data(fabrics, "other")) == (third, {"key": "git"}), "no run begins without it"
    pid = tandem.pid
    postgres.start()
    fabrics.eventually(lambda: "color: green" in repository.show("cm.yaml"), deadline=60)
    fabrics.wait_synced(revision=repository.head(), deadline=60)
    assert data(fabrics, "other") == {"key": "newer"}
    assert len(repository.log(f"{second}..main")) == 2
    assert (tandem.running, tandem.pid, fabrics.conflicts()) == (True, pid, [])
    assert "Traceback" not in tandem.logs(10_000)
    assert PASSWORD not in tandem.logs(10_000)


def _stopped_runs(tandem: Tandem) -> int:
    return sum(line.get("event") == "the run stopped" for line in tandem.log_lines())


def test_what_may_run_beside_it(
    tandem: Tandem,
    make_tandem: MakeTandem,
    fabrics: Fabrics,
    repository: Repository,
    cli: Cli,
    postgres: PostgresServer,
    postgres_database: str,
) -> None:
    """Whoever only looks; another controller is refused, and one that lost the database to another ends."""
    revision = repository.publish({"cm.yaml": CONFIG})
    fabrics.apply(repository.url)
    fabrics.wait_synced(revision=revision)
    second = make_tandem(database=tandem.launch.database)
    second.launch_only()
    assert second.wait_ended() == 1
    assert f"is in use by pid {tandem.pid} on " in second.logs()

    assert cli("plan", "demo").code == 0, "what was agreed on is known from the database"
    fabrics.patch({"suspend": True})
    repository.publish({"cm.yaml": None, "new.yaml": OTHER})
    planned, looked = cli("plan", "demo"), cli("doctor")
    assert planned.code == 2
    assert "prune" in planned.out
    place = tandem.launch.database.partition("@")[2].partition("?")[0]
    assert f"ok    database       postgresql://{place}, " in looked.out
    wrong = tandem.launch.database.replace(PASSWORD, "wrong-canary")
    refused = cli.using(environ={"TANDEM_DATABASE": wrong})("doctor")
    assert "password authentication failed" in refused.out
    for answer in (planned, looked, refused):
        assert "canary" not in answer.out + answer.err

    end_sessions(postgres, postgres_database)
    postgres.sql("UPDATE holder SET token = 'of another controller'", postgres_database)
    assert tandem.wait_ended() == 1
    assert "another controller worked on it" in tandem.logs()
    tandem.start()
    fabrics.patch({"suspend": False})
    fabrics.eventually(lambda: data(fabrics, "web") is None)
