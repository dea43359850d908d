"""Two Fabrics and one object: one owns it, the other says so, and what is let go of passes over without a gap."""

from __future__ import annotations

import secrets
from pathlib import Path

import pytest

from controller.dev.gitserver import GitServer
from tests.e2e.sync.looking import data
from tests.e2e.sync.manifests import config_map
from tests.support.fabrics import Fabrics, Json
from tests.support.repository import Repository
from tests.support.tandem import Stage, Tandem

pytestmark = pytest.mark.usefixtures("tandem")

KEEP = config_map("keep", key="value")
OTHER = config_map("other", key="value")


@pytest.fixture
def another_repository(git_server: GitServer, tmp_path: Path) -> Repository:
    return Repository(git_server, f"test-{secrets.token_hex(4)}", tmp_path / "another-clone")


def apply_both(fabrics: Fabrics, repository: Repository) -> None:
    """The Fabrics `one` and `two` on the directories of these names, one after the other."""
    for name in ("one", "two"):
        fabrics.apply(repository.url, name, repository={"directory": name})
        fabrics.wait_condition("SourceReady", "True", name=name)
        fabrics.wait(lambda found: found["status"]["revision"].get("applied"), name)


def metadata(fabrics: Fabrics, name: str) -> Json:
    found = fabrics.config_map(name)
    assert found is not None, f"{name} is gone"
    meta: Json = found["metadata"]
    return meta


def owners(fabrics: Fabrics, name: str) -> list[str]:
    """The Fabrics whose field managers are on an object."""
    managers = {entry["manager"] for entry in metadata(fabrics, name)["managedFields"]}
    return sorted(manager.rpartition("/")[2] for manager in managers if manager.startswith("tandem:"))


# ---- one owns it, the other says so ----


def test_an_object_of_another_fabric_is_a_conflict_of_the_second(fabrics: Fabrics, repository: Repository) -> None:
    first = repository.publish(
        {"one/cm.yaml": config_map("web", key="one"), "two/cm.yaml": config_map("web", key="two")}
    )
    apply_both(fabrics, repository)
    fabrics.wait_synced("one", first)
    conflict = fabrics.wait_conflict("two")
    assert conflict["spec"]["type"] == "OwnedByOther"
    assert conflict["status"]["severity"] == "Critical"
    said = fabrics.wait_condition("Ready", "False", "ConflictsOpen", name="two")
    assert "web" in said["message"]
    (about,) = [one for one in conflict["status"]["conditions"] if one["type"] == "Ready"]
    assert f"{fabrics.namespace}/one" in about["message"]
    assert data(fabrics, "web") == {"key": "one"}
    assert owners(fabrics, "web") == ["one"]
    second = repository.publish({"one/cm.yaml": config_map("web", key="three")})
    fabrics.wait_synced("one", second)
    assert data(fabrics, "web") == {"key": "three"}, "the owner goes on"


def test_an_equal_object_of_another_fabric_is_not_shared(fabrics: Fabrics, repository: Repository) -> None:
    repository.publish({"one/cm.yaml": KEEP, "two/cm.yaml": KEEP})
    apply_both(fabrics, repository)
    assert fabrics.wait_conflict("two")["spec"]["type"] == "OwnedByOther"
    assert owners(fabrics, "keep") == ["one"]


def test_both_keep_what_they_have_over_a_restart(
    fabrics: Fabrics, repository: Repository, tandem: Tandem, stage: Stage
) -> None:
    first = repository.publish(
        {"one/cm.yaml": config_map("web", key="one"), "two/cm.yaml": config_map("web", key="two")}
    )
    apply_both(fabrics, repository)
    fabrics.wait_conflict("two")
    tandem.restart()
    for name in ("one", "two"):
        fabrics.wait_handled(fabrics.request(name), name)
    fabrics.wait_synced("one", first)
    assert fabrics.wait_conflict("two")["spec"]["type"] == "OwnedByOther"
    assert (data(fabrics, "web"), owners(fabrics, "web")) == ({"key": "one"}, ["one"])


# ---- hand-over ----


def test_a_document_that_moves_to_another_fabric_hands_its_object_over(
    fabrics: Fabrics, repository: Repository
) -> None:
    repository.publish(
        {"one/cm.yaml": config_map("web", key="one", old="x"), "one/keep.yaml": KEEP, "two/o.yaml": OTHER}
    )
    apply_both(fabrics, repository)
    fabrics.wait_synced("one")
    uid = metadata(fabrics, "web")["uid"]
    second = repository.publish({"one/cm.yaml": None, "two/cm.yaml": config_map("web", key="two")})
    fabrics.wait_synced("one", second)
    fabrics.wait_synced("two", second)
    assert data(fabrics, "web") == {"key": "two"}, "what only the old document said went with it"
    assert metadata(fabrics, "web")["uid"] == uid, "it was never deleted"
    assert owners(fabrics, "web") == ["two"]
    assert fabrics.conflicts("two") == []
    third = repository.publish({"two/cm.yaml": None})
    fabrics.wait_synced("two", third)
    assert data(fabrics, "web") is None


def test_a_fabric_that_has_not_seen_the_move_yet_is_waited_for(fabrics: Fabrics, repository: Repository) -> None:
    repository.publish({"one/cm.yaml": config_map("web", key="one"), "one/keep.yaml": KEEP, "two/o.yaml": OTHER})
    apply_both(fabrics, repository)
    uid = metadata(fabrics, "web")["uid"]
    fabrics.patch({"suspend": True}, "two")
    second = repository.publish({"one/cm.yaml": None, "two/cm.yaml": config_map("web", key="two")})

    def waits(found: Json) -> bool:
        assert found["status"]["revision"]["attempted"] == second
        assert len(found["status"]["exceptions"]) == 1
        exception = found["status"]["exceptions"][0]
        return exception["reason"] == "OwnedByOther" and f"{fabrics.namespace}/two" in exception["message"]

    fabrics.wait(waits, "one")
    assert data(fabrics, "web") == {"key": "one"}
    fabrics.patch({"suspend": False}, "two")
    fabrics.wait_synced("two", second)
    fabrics.wait_synced("one", second)
    assert (data(fabrics, "web"), metadata(fabrics, "web")["uid"]) == ({"key": "two"}, uid)


def test_a_suspended_fabric_whose_directory_is_untouched_holds_nobody_up(
    fabrics: Fabrics, repository: Repository, tandem: Tandem
) -> None:
    repository.publish({"one/cm.yaml": config_map("web", key="one"), "one/keep.yaml": KEEP, "two/o.yaml": OTHER})
    apply_both(fabrics, repository)
    fabrics.patch({"suspend": True}, "two")
    tandem.restart()
    second = repository.publish({"one/cm.yaml": None})
    fabrics.wait_synced("one", second)
    assert data(fabrics, "web") is None


def test_a_fabric_without_its_directory_holds_nobody_up(fabrics: Fabrics, repository: Repository) -> None:
    repository.publish({"one/cm.yaml": config_map("web", key="one"), "one/keep.yaml": KEEP})
    fabrics.apply(repository.url, "two", repository={"directory": "mistyped"})
    fabrics.wait_condition("SourceReady", "False", "DirectoryNotFound", name="two")
    fabrics.apply(repository.url, "one", repository={"directory": "one"})
    fabrics.wait_synced("one")
    second = repository.publish({"one/cm.yaml": None})
    fabrics.wait_synced("one", second)
    assert data(fabrics, "web") is None


def test_a_suspended_owner_keeps_its_object(fabrics: Fabrics, repository: Repository, tandem: Tandem) -> None:
    repository.publish({"one/cm.yaml": config_map("web", key="one"), "one/keep.yaml": KEEP, "two/o.yaml": OTHER})
    apply_both(fabrics, repository)
    fabrics.patch({"suspend": True}, "one")
    tandem.restart()
    second = repository.publish({"one/cm.yaml": None, "two/cm.yaml": config_map("web", key="two")})

    def waits(found: Json) -> bool:
        assert found["status"]["revision"]["attempted"] == second
        assert len(found["status"]["exceptions"]) == 1
        exception = found["status"]["exceptions"][0]
        return exception["reason"] == "OwnedByOther" and "suspended" in exception["message"]

    fabrics.wait(waits, "two")
    assert data(fabrics, "web") == {"key": "one"}
    fabrics.patch({"suspend": False}, "one")
    fabrics.wait_synced("two", second)
    assert data(fabrics, "web") == {"key": "two"}
    assert fabrics.conflicts("two") == []


@pytest.mark.parametrize("how", ["its document is removed", "it is removed"])
def test_the_second_takes_over_when_the_first_lets_go(fabrics: Fabrics, repository: Repository, how: str) -> None:
    documents = {"one/cm.yaml": config_map("web", key="one", mine="x"), "two/cm.yaml": config_map("web", key="two")}
    repository.publish({**documents, "one/keep.yaml": KEEP})
    apply_both(fabrics, repository)
    name = fabrics.wait_conflict("two")["metadata"]["name"]
    uid = metadata(fabrics, "web")["uid"]
    if how == "it is removed":
        fabrics.kubectl("delete", "fabric", "one")
    else:
        repository.publish({"one/cm.yaml": None})
    fabrics.eventually(lambda: "two" in owners(fabrics, "web"), "two")
    fabrics.wait_synced("two")
    assert metadata(fabrics, "web")["uid"] == uid
    kept = how == "it is removed"
    assert data(fabrics, "web") == ({"key": "two", "mine": "x"} if kept else {"key": "two"}), "an orphan loses nothing"
    assert owners(fabrics, "web") == (["one", "two"] if kept else ["two"])
    assert fabrics.kubectl.json("get", "syncconflict", name)["status"]["state"] == "Superseded"


def test_between_repositories_the_first_prunes_and_the_second_makes_it_again(
    fabrics: Fabrics, repository: Repository, another_repository: Repository
) -> None:
    repository.publish({"cm.yaml": config_map("web", key="one"), "keep.yaml": KEEP})
    another_repository.publish({"cm.yaml": config_map("web", key="two")})
    fabrics.apply(repository.url, "one")
    fabrics.wait_synced("one")
    uid = metadata(fabrics, "web")["uid"]
    fabrics.apply(another_repository.url, "two")
    assert fabrics.wait_conflict("two")["spec"]["type"] == "OwnedByOther"
    second = repository.publish({"cm.yaml": None})
    fabrics.wait_synced("one", second)
    fabrics.eventually(lambda: data(fabrics, "web") == {"key": "two"}, "two")
    fabrics.wait_synced("two")
    assert metadata(fabrics, "web")["uid"] != uid
    assert owners(fabrics, "web") == ["two"]
