"""A controller that is killed between any two steps: the next one finds both sides as they are, and converges.

The table in docs/architecture.md ("Killed at any moment"), as far as it is about requests and pushes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.conftest import MakeTandem
from tests.e2e.sync.manifests import CONFIG, config_map
from tests.support.fabrics import Fabrics
from tests.support.fault_rules import Gate, When, request
from tests.support.faults import FaultProxy
from tests.support.repository import Repository
from tests.support.tandem import Stage, Tandem
from tests.support.wait import wait_until

IMMUTABLE = """\
apiVersion: v1
kind: ConfigMap
metadata:
  name: fixed
  annotations:
    tandem.dev/replace: enabled
immutable: true
data:
  color: {color}
"""


@pytest.fixture
def tandem(make_tandem: MakeTandem, stage: Stage, faults: FaultProxy) -> Tandem:
    """A ready controller of the test's own, whose requests a test can hold."""
    made = make_tandem(through=faults)
    stage.enter(made)
    return made


def killed_at(tandem: Tandem, gate: Gate) -> None:
    """Kill the controller while a request stands at the gate, let go of that, and start again."""
    gate.wait()
    tandem.kill()
    gate.open()
    tandem.start()


@contextmanager
def held_push(repository: Repository, hook: str, outcome: int) -> Iterator[Callable[[], bool]]:
    """The server's hook waits: `pre-receive` before the branch moves, `post-receive` after. Gives: wait for a push."""
    arrived, go_on = repository.bare / "arrived", repository.bare / "go-on"
    path = repository.bare / "hooks" / hook
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n: > {arrived}\nwhile ! test -e {go_on}; do sleep 0.05; done\nexit {outcome}\n")
    path.chmod(0o755)
    yield lambda: wait_until(arrived.exists, deadline=30)
    go_on.touch()
    path.unlink()


def writes(fabrics: Fabrics, what: str, method: str) -> When:
    return request(method=method, path=f"*/namespaces/{fabrics.namespace}/{what}")


def data(fabrics: Fabrics, name: str = "web") -> dict[str, str] | None:
    found = fabrics.config_map(name)
    return None if found is None else found.get("data", {})


def resource_version(fabrics: Fabrics, name: str = "web") -> str:
    version: str = fabrics.kubectl.json("get", "configmap", name)["metadata"]["resourceVersion"]
    return version


def test_after_a_creation_that_was_not_recorded(
    tandem: Tandem, fabrics: Fabrics, repository: Repository, faults: FaultProxy
) -> None:
    revision = repository.publish({"cm.yaml": CONFIG})
    with faults.hold_answer(when=writes(fabrics, "configmaps/web", "PATCH")) as gate:
        fabrics.apply(repository.url)
        killed_at(tandem, gate)
    fabrics.wait_synced(revision=revision)
    assert data(fabrics) == {"color": "blue", "size": "big"}
    assert fabrics.conflicts() == []
    assert repository.head() == revision


@pytest.mark.parametrize("arrived", [False, True], ids=["before it arrived", "after it was done"])
def test_at_an_apply(
    tandem: Tandem, fabrics: Fabrics, repository: Repository, faults: FaultProxy, arrived: bool
) -> None:
    first = repository.publish({"cm.yaml": CONFIG})
    fabrics.apply(repository.url)
    fabrics.wait_synced(revision=first)
    hold = faults.hold_answer if arrived else faults.hold
    with hold(when=writes(fabrics, "configmaps/web", "PATCH")) as gate:
        second = repository.publish({"cm.yaml": CONFIG.replace("blue", "red")})
        gate.wait()
        before = resource_version(fabrics)
        killed_at(tandem, gate)
    fabrics.wait_synced(revision=second)
    assert data(fabrics) == {"color": "red", "size": "big"}
    assert (resource_version(fabrics) == before) == arrived, "what was applied already is not applied again"
    assert fabrics.conflicts() == []
    assert repository.head() == second


def test_between_an_apply_and_its_removal(
    tandem: Tandem, fabrics: Fabrics, repository: Repository, faults: FaultProxy
) -> None:
    """After a live edit kubectl owns the field as well, so an apply without it does not remove it."""
    first = repository.publish({"cm.yaml": CONFIG})
    fabrics.apply(repository.url)
    fabrics.wait_synced(revision=first)
    fabrics.kubectl.patch("configmap", "web", {"data": {"color": "green"}})
    fabrics.eventually(lambda: "green" in repository.show("cm.yaml"))
    fabrics.wait_synced(revision=repository.head())
    with faults.hold_answer(when=writes(fabrics, "configmaps/web", "PATCH")) as gate:
        last = repository.publish({"cm.yaml": config_map("web", size="big")})
        killed_at(tandem, gate)
    fabrics.wait_synced(revision=last)
    assert data(fabrics) == {"size": "big"}
    assert repository.head() == last


def test_after_a_deletion_that_was_not_recorded(
    tandem: Tandem, fabrics: Fabrics, repository: Repository, faults: FaultProxy
) -> None:
    first = repository.publish({"cm.yaml": CONFIG, "other.yaml": config_map("other", key="value")})
    fabrics.apply(repository.url)
    fabrics.wait_synced(revision=first)
    with faults.hold_answer(when=writes(fabrics, "configmaps/web", "DELETE")) as gate:
        second = repository.publish({"cm.yaml": None})
        killed_at(tandem, gate)
    status = fabrics.wait_synced(revision=second)
    assert data(fabrics) is None
    assert status["inventory"]["kept"] == 1
    assert fabrics.conflicts() == []


def test_between_the_two_halves_of_a_replacement(
    tandem: Tandem, fabrics: Fabrics, repository: Repository, faults: FaultProxy
) -> None:
    """A deletion by Tandem itself must not look like somebody's."""
    first = repository.publish({"cm.yaml": IMMUTABLE.format(color="blue")})
    fabrics.apply(repository.url)
    fabrics.wait_synced(revision=first)
    with faults.hold_answer(when=writes(fabrics, "configmaps/fixed", "DELETE")) as gate:
        second = repository.publish({"cm.yaml": IMMUTABLE.format(color="red")})
        killed_at(tandem, gate)
    fabrics.wait_synced(revision=second)
    assert data(fabrics, "fixed") == {"color": "red"}
    assert fabrics.conflicts() == []
    assert repository.head() == second


@pytest.mark.parametrize(("hook", "outcome"), [("pre-receive", 1), ("post-receive", 0)], ids=["not taken", "taken"])
def test_at_a_push(tandem: Tandem, fabrics: Fabrics, repository: Repository, hook: str, outcome: int) -> None:
    """The edit is written once: a commit that arrived is known as ours, one that did not is made again."""
    first = repository.publish({"cm.yaml": CONFIG})
    fabrics.apply(repository.url)
    fabrics.wait_synced(revision=first)
    with held_push(repository, hook, outcome) as wait_pushed:
        fabrics.kubectl.patch("configmap", "web", {"data": {"color": "green"}})
        wait_pushed()
        tandem.kill()
    tandem.start()
    fabrics.eventually(lambda: "green" in repository.show("cm.yaml"))
    fabrics.wait_synced(revision=repository.head())
    (commit,) = repository.log(f"{first}..main")
    assert commit.trailers["Field-Manager"] == ["kubectl-patch"]
    assert fabrics.conflicts() == []
    assert data(fabrics) == {"color": "green", "size": "big"}


def test_an_edit_after_a_push_that_was_not_recorded_is_no_conflict(
    tandem: Tandem, fabrics: Fabrics, repository: Repository
) -> None:
    """Both sides moved since the recorded base; but one of the moves is our own commit."""
    first = repository.publish({"cm.yaml": CONFIG})
    fabrics.apply(repository.url)
    fabrics.wait_synced(revision=first)
    with held_push(repository, "post-receive", 0) as wait_pushed:
        fabrics.kubectl.patch("configmap", "web", {"data": {"color": "green"}})
        wait_pushed()
        tandem.kill()
    fabrics.kubectl.patch("configmap", "web", {"data": {"color": "yellow"}})
    tandem.start()
    fabrics.eventually(lambda: "yellow" in repository.show("cm.yaml"))
    fabrics.wait_synced(revision=repository.head())
    assert fabrics.conflicts() == []
    assert len(repository.log(f"{first}..main")) == 2


def test_between_the_apply_and_the_push_of_one_change(tandem: Tandem, fabrics: Fabrics, repository: Repository) -> None:
    """Git changed one field and an editor another: the object has both, the document is still to get the second."""
    first = repository.publish({"cm.yaml": CONFIG})
    fabrics.apply(repository.url)
    fabrics.wait_synced(revision=first)
    fabrics.patch({"suspend": True})
    repository.publish({"cm.yaml": CONFIG.replace("big", "small")})
    fabrics.kubectl.patch("configmap", "web", {"data": {"color": "green"}})
    with held_push(repository, "pre-receive", 1) as wait_pushed:
        fabrics.patch({"suspend": False})
        wait_pushed()
        assert data(fabrics) == {"color": "green", "size": "small"}
        tandem.kill()
    tandem.start()
    fabrics.eventually(lambda: "green" in repository.show("cm.yaml") and "small" in repository.show("cm.yaml"))
    fabrics.wait_synced(revision=repository.head())
    assert data(fabrics) == {"color": "green", "size": "small"}
    assert fabrics.conflicts() == []


@pytest.mark.parametrize(("what", "method"), [("syncconflicts", "POST"), ("syncconflicts/*/status", "PATCH")])
def test_a_conflict_that_was_not_shown_whole(
    tandem: Tandem, fabrics: Fabrics, repository: Repository, faults: FaultProxy, what: str, method: str
) -> None:
    fabrics.kubectl.apply(config_map("web", color="red"))
    repository.publish({"cm.yaml": CONFIG})
    with faults.hold_answer(when=writes(fabrics, what, method)) as gate:
        fabrics.apply(repository.url)
        killed_at(tandem, gate)
    conflict = fabrics.wait_conflict()
    fabrics.wait_condition("Ready", "False", "ConflictsOpen")
    assert [found["metadata"]["uid"] for found in fabrics.conflicts()] == [conflict["metadata"]["uid"]]
    assert data(fabrics) == {"color": "red"}


def test_before_the_status(tandem: Tandem, fabrics: Fabrics, repository: Repository, faults: FaultProxy) -> None:
    revision = repository.publish({"cm.yaml": CONFIG})
    with faults.hold(when=writes(fabrics, "fabrics/demo/status", "PATCH")) as gate:
        fabrics.apply(repository.url)
        gate.wait()
        tandem.kill()
    assert not fabrics.status().get("revision", {}).get("applied")
    tandem.start()
    fabrics.wait_synced(revision=revision)


def test_the_mirrors_may_go_with_it(tandem: Tandem, fabrics: Fabrics, repository: Repository, tmp_path: Path) -> None:
    """They are a cache: a controller that finds none, or half of one, fetches again."""
    first = repository.publish({"cm.yaml": CONFIG})
    fabrics.apply(repository.url)
    fabrics.wait_synced(revision=first)
    tandem.kill()
    (tandem.launch.data_dir / "mirrors").rename(tmp_path / "gone")
    second = repository.publish({"cm.yaml": CONFIG.replace("blue", "red")})
    tandem.start()
    fabrics.wait_synced(revision=second)
    assert data(fabrics) == {"color": "red", "size": "big"}
