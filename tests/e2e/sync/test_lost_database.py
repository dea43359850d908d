"""The database is lost, or put back to an earlier state: nothing is overwritten, nothing is reverted in Git."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.conftest import MakeTandem
from tests.e2e.sync.looking import data
from tests.e2e.sync.manifests import CONFIG, config_map
from tests.support.databases import FileDatabase, KeptDatabase, ServerDatabase
from tests.support.fabrics import Fabrics, Json
from tests.support.repository import Repository
from tests.support.tandem import Stage, Tandem

OBSERVED = {"propagate": "Observed", "settle": "0s"}  # the rules under which a deletion is most easily inferred
REFUSED = config_map("refused", key="value")


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> KeptDatabase:
    if request.param == "sqlite":
        return FileDatabase(tmp_path)
    server = request.getfixturevalue("postgres")
    return ServerDatabase(server, request.getfixturevalue("postgres_database"), tmp_path)


@pytest.fixture
def tandem(make_tandem: MakeTandem, stage: Stage, database: KeptDatabase) -> Tandem:
    made = make_tandem(database=database.url)
    stage.enter(made)
    return made


def files(*names: str, **data: str) -> dict[str, str]:
    return {f"{name}.yaml": config_map(name, **data) for name in names}


def edit(fabrics: Fabrics, name: str, **data: str | None) -> None:
    fabrics.kubectl.patch("configmap", name, {"data": data})


def open_conflicts(fabrics: Fabrics) -> dict[str, Json]:
    """Object → its open SyncConflict."""
    found = [one for one in fabrics.conflicts() if one.get("status", {}).get("state") == "Open"]
    return {one["spec"]["object"]["name"]: one for one in found}


def shown(conflict: Json) -> list[Json]:
    """Each path with the values on the three sides."""
    return [
        {name: field.get(name) for name in ("path", "base", "git", "cluster")} for field in conflict["spec"]["fields"]
    ]


def test_a_lost_database(tandem: Tandem, fabrics: Fabrics, repository: Repository, database: KeptDatabase) -> None:
    """With an open conflict, a refused document, edits made meanwhile, and a field that only an editor knows."""
    steady = ["keep", "edited", "moved", "extra", "removed", "deleted", "shrunk", "written"]
    steady += ["clash", "doubted", "given-up", "vanished"]
    repository.publish(files(*steady, color="blue", size="big") | {"refused.yaml": REFUSED})
    fabrics.apply(repository.url, deletion=OBSERVED)
    fabrics.wait_synced()
    edit(fabrics, "written", color="green")
    fabrics.eventually(lambda: "green" in repository.show("written.yaml"))
    fabrics.wait_synced(revision=repository.head())
    fabrics.kubectl.patch("configmap", "doubted", {"data": {"color": "odd"}}, "--field-manager=somebody")
    fabrics.eventually(lambda: "doubted" in open_conflicts(fabrics))
    tandem.stop()
    edit(fabrics, "clash", color="live")
    edit(fabrics, "given-up", color="live")
    fabrics.kubectl("delete", "configmap", "vanished")
    applied = repository.publish(
        files("clash", "vanished", color="git", size="big")
        | {"given-up.yaml": None, "refused.yaml": f"{REFUSED}immutable: maybe\n"}
    )
    tandem.start()
    fabrics.eventually(lambda: open_conflicts(fabrics).keys() == {"clash", "doubted", "given-up", "vanished"})
    fabrics.wait_applied(applied)
    before = open_conflicts(fabrics)

    tandem.stop()
    database.lose()
    edit(fabrics, "edited", color="live")
    edit(fabrics, "extra", mine="kept")
    fabrics.kubectl("delete", "configmap", "deleted")
    last = repository.publish(
        files("moved", "written", color="red", size="big") | files("shrunk", color="blue") | {"removed.yaml": None}
    )
    tandem.start()

    fabrics.wait_applied(last)
    after = open_conflicts(fabrics)
    assert {name: conflict["spec"]["type"] for name, conflict in after.items()} == {
        "clash": "BothChanged",
        "doubted": "UnknownEditor",
        "edited": "BothChanged",
        "given-up": "DeletedInGit",
        "removed": "DeletedInGit",
        "vanished": "DeletedInCluster",
    }
    for name, conflict in before.items():  # the same one, with the same values; its token is keyed by the database
        assert after[name]["metadata"]["uid"] == conflict["metadata"]["uid"]
        assert name in ("given-up", "vanished") or shown(after[name]) == shown(conflict)
    both = {"color": "blue", "size": "big"}
    assert {name: data(fabrics, name) for name in (*steady, "refused")} == {
        "keep": both,
        "edited": both | {"color": "live"},
        "moved": both | {"color": "red"},
        "extra": both | {"mine": "kept"},
        "removed": both,
        "deleted": both,
        "shrunk": {"color": "blue"},
        "written": both | {"color": "red"},
        "clash": both | {"color": "live"},
        "doubted": both | {"color": "odd"},
        "given-up": both | {"color": "live"},
        "vanished": None,
        "refused": {"key": "value"},
    }
    (exception,) = fabrics.status()["exceptions"]
    assert (exception["name"], exception["reason"]) == ("refused", "FieldRefused")
    assert repository.head() == last, "nothing is written to Git, and nothing removed from it"

    resolution = {"strategy": "ClusterWins", "stateToken": after["clash"]["spec"]["stateToken"]}
    name = before["clash"]["metadata"]["name"]
    fabrics.kubectl.patch("syncconflict", name, {"spec": {"resolution": resolution}})
    fabrics.eventually(lambda: "color: live" in repository.show("clash.yaml"))
    edit(fabrics, "keep", color="green")
    fabrics.eventually(lambda: "green" in repository.show("keep.yaml"))
    assert "mine" not in repository.show("extra.yaml")


def test_a_database_from_a_backup(
    tandem: Tandem, fabrics: Fabrics, repository: Repository, database: KeptDatabase
) -> None:
    """Its rows say what both sides agreed on once; Git, the cluster and people went on."""
    steady = ("keep", "written", "undone", "readded", "dropped", "moved")
    repository.publish(files(*steady, color="blue"))
    fabrics.apply(repository.url, deletion=OBSERVED)
    fabrics.wait_synced()
    database.back_up()

    edit(fabrics, "written", color="green")
    fabrics.eventually(lambda: "green" in repository.show("written.yaml"))
    second = repository.publish(
        files("undone", "moved", "late", color="red") | {"readded.yaml": None, "dropped.yaml": None}
    )
    fabrics.wait_synced(revision=second)
    assert data(fabrics, "readded") is None
    tandem.stop()
    database.restore()
    edit(fabrics, "undone", color="blue")  # back to what the backup says; that was meant now
    last = repository.publish(files("readded", color="blue") | files("moved", color="gold"))
    tandem.start()

    fabrics.wait_applied(last)
    assert {name: found["spec"]["type"] for name, found in open_conflicts(fabrics).items()} == {"undone": "BothChanged"}
    assert {name: (data(fabrics, name) or {}).get("color") for name in (*steady, "late")} == {
        "keep": "blue",
        "written": "green",
        "undone": "blue",
        "readded": "blue",  # the backup has it and the cluster had not: no deletion is inferred
        "dropped": None,
        "moved": "gold",
        "late": "red",
    }
    assert repository.head() == last
    tandem.restart()  # it is the same life now: edits are edits again
    edit(fabrics, "written", color="gold")
    fabrics.eventually(lambda: "gold" in repository.show("written.yaml"))
    fabrics.kubectl("delete", "configmap", "keep")
    fabrics.eventually(lambda: "keep.yaml" not in repository.files())


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_what_a_suspended_fabric_held_before_the_loss_is_nobody_elses(
    tandem: Tandem, fabrics: Fabrics, repository: Repository, database: KeptDatabase
) -> None:
    """It has not been looked at since, so nobody knows that it lets go of the object."""
    repository.publish(
        {
            "one/cm.yaml": config_map("web", key="one"),
            "one/k.yaml": config_map("keep", key="value"),
            "two/o.yaml": REFUSED,
        }
    )
    for name in ("one", "two"):
        fabrics.apply(repository.url, name, repository={"directory": name})
        fabrics.wait_synced(name)
    fabrics.patch({"suspend": True}, "one")
    tandem.stop()
    database.lose()
    last = repository.publish({"two/cm.yaml": config_map("web", key="two")})
    tandem.start()
    fabrics.wait_applied(last, "two")
    (exception,) = fabrics.status("two")["exceptions"]
    assert exception["reason"] == "OwnedByOther"
    assert "suspended" in exception["message"]
    assert data(fabrics, "web") == {"key": "one"}


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_lost_database_and_a_rewritten_branch(
    tandem: Tandem, fabrics: Fabrics, repository: Repository, database: KeptDatabase
) -> None:
    """The applied commit is nowhere any more: each object is met anew, and what differs is asked about."""
    repository.publish({"cm.yaml": CONFIG, "keep.yaml": config_map("keep", key="value")})
    fabrics.apply(repository.url)
    fabrics.wait_synced()
    tandem.stop()
    database.lose()
    (tandem.launch.data_dir / "mirrors").rename(tandem.launch.folder / "gone")
    repository.clone("checkout", "--quiet", "--orphan", "other")
    repository.write("cm.yaml", CONFIG.replace("blue", "red"))
    repository.commit("begun anew")
    repository.clone("push", "--quiet", "--force", "origin", "other:main")
    last = repository.head()
    tandem.start()
    conflict = fabrics.wait_conflict()
    assert (conflict["spec"]["object"]["name"], conflict["spec"]["type"]) == ("web", "AddedInBoth")
    assert data(fabrics, "web") == {"color": "blue", "size": "big"}
    fabrics.wait_applied(last)
    assert repository.head() == last
