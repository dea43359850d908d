"""The controller dies in the middle of something: nothing is lost, done twice, or disputed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.conftest import MakeTandem
from tests.e2e.sync.looking import data
from tests.e2e.sync.manifests import CONFIG, config_map, several
from tests.support.fabrics import Fabrics, Json
from tests.support.fault_rules import When, request
from tests.support.faults import FaultProxy
from tests.support.repository import Repository
from tests.support.tandem import Stage, Tandem
from tests.support.wait import wait_until

KEEP = config_map("keep", key="value")


@pytest.fixture
def fragile(make_tandem: MakeTandem, stage: Stage, faults: FaultProxy) -> Tandem:
    """A ready controller of the test's own, which speaks to the API server through the fault proxy."""
    made = make_tandem(through=faults)
    stage.enter(made)
    return made


def writes(fabrics: Fabrics, name: str, method: str = "PATCH") -> When:
    """Tells the requests that write one ConfigMap."""
    return request(method=method, path=f"*/namespaces/{fabrics.namespace}/configmaps/{name}")


def synced(fabrics: Fabrics, repository: Repository, files: dict[str, str], deletion: Json | None = None) -> str:
    """A fabric of these files, in step; its commit."""
    first = repository.publish(files)
    fabrics.apply(repository.url, deletion=deletion or {})
    fabrics.wait_synced(revision=first)
    return first


def version(fabrics: Fabrics, name: str) -> str:
    found: str = fabrics.kubectl.json("get", "configmap", name)["metadata"]["resourceVersion"]
    return found


# ---- killed at the API server ----


def test_killed_before_it_heard_that_an_object_was_made(
    fragile: Tandem, fabrics: Fabrics, repository: Repository, faults: FaultProxy
) -> None:
    first = repository.publish({"cm.yaml": CONFIG})
    with faults.hold_answer(when=writes(fabrics, "web")) as gate:
        fabrics.apply(repository.url)
        gate.wait()
        fragile.kill()
    assert data(fabrics, "web") is not None
    fragile.start()
    fabrics.wait_synced(revision=first)
    assert fabrics.conflicts() == []
    second = repository.publish({"cm.yaml": config_map("web", size="big"), "keep.yaml": KEEP})
    fabrics.wait_synced(revision=second)
    assert data(fabrics, "web") == {"size": "big"}, "it is its own, whole"


def test_killed_before_it_heard_that_an_object_was_changed(
    fragile: Tandem, fabrics: Fabrics, repository: Repository, faults: FaultProxy
) -> None:
    synced(fabrics, repository, {"cm.yaml": CONFIG})
    with faults.hold_answer(when=writes(fabrics, "web")) as gate:
        second = repository.publish({"cm.yaml": CONFIG.replace("blue", "red")})
        gate.wait()
        fragile.kill()
    before = version(fabrics, "web")
    fragile.start()
    fabrics.wait_synced(revision=second)
    assert fabrics.conflicts() == []
    assert version(fabrics, "web") == before, "there was nothing left to apply"
    assert repository.head() == second


def test_killed_before_it_heard_that_an_object_was_deleted(
    fragile: Tandem, fabrics: Fabrics, repository: Repository, faults: FaultProxy
) -> None:
    synced(fabrics, repository, {"cm.yaml": CONFIG, "keep.yaml": KEEP}, deletion={"propagate": "Observed"})
    with faults.hold_answer(when=writes(fabrics, "web", "DELETE")) as gate:
        second = repository.publish({"cm.yaml": None})
        gate.wait()
        fragile.kill()
    fragile.start()
    fabrics.wait_synced(revision=second)
    assert fabrics.conflicts() == []
    assert fabrics.status()["inventory"]["kept"] == 1


def test_killed_when_half_of_the_objects_were_written(
    fragile: Tandem, fabrics: Fabrics, repository: Repository, faults: FaultProxy
) -> None:
    names = [f"n{number}" for number in range(10)]
    synced(fabrics, repository, {"all.yaml": several(*names)})
    with faults.hold(when=writes(fabrics, "n7")) as gate:
        second = repository.publish({"all.yaml": several(*names).replace("value", "other")})
        gate.wait()
        fabrics.eventually(lambda: all(data(fabrics, name) == {"key": "other"} for name in names if name != "n7"))
        fragile.kill()
    fabrics.kubectl.patch("configmap", "n1", {"data": {"mine": "edited meanwhile"}})
    fragile.start()
    fabrics.eventually(lambda: "edited meanwhile" in repository.show("all.yaml"))
    fabrics.wait_synced(revision=repository.head())
    assert all((data(fabrics, name) or {})["key"] == "other" for name in names)
    assert len(repository.log(f"{second}..main")) == 1
    assert fabrics.conflicts() == []


# ---- killed at the Git server ----


HOOK = """\
#!/bin/sh
# The first push waits here until it is released; later ones pass.
if mkdir "$GIT_DIR/{hook}-first" 2>/dev/null; then
    while [ ! -e "$GIT_DIR/{hook}-release" ]; do sleep 0.05; done
fi
cat >/dev/null
touch "$GIT_DIR/{hook}-passed"
"""


class PushGate:
    """The first push stops at a hook of the bare repository until it is released."""

    def __init__(self, repository: Repository, hook: str) -> None:
        self._bare, self._hook = repository.bare, hook
        script = repository.bare / "hooks" / hook
        script.parent.mkdir(exist_ok=True)
        script.write_text(HOOK.format(hook=hook))
        script.chmod(0o755)

    def wait(self) -> None:
        wait_until(lambda: self._path("first").exists(), 30)

    def release(self) -> None:
        self._path("release").touch()
        wait_until(lambda: self._path("passed").exists(), 30)

    def _path(self, name: str) -> Path:
        return self._bare / f"{self._hook}-{name}"


def test_killed_after_the_push_and_before_it_was_recorded(
    own_tandem: Tandem, fabrics: Fabrics, repository: Repository
) -> None:
    first = synced(fabrics, repository, {"cm.yaml": CONFIG})
    gate = PushGate(repository, "post-receive")  # by then the branch has moved
    fabrics.kubectl.patch("configmap", "web", {"data": {"color": "green"}})
    gate.wait()
    own_tandem.kill()
    gate.release()
    pushed = repository.head()
    assert pushed != first
    before = version(fabrics, "web")
    own_tandem.start()
    fabrics.wait_synced(revision=pushed)
    assert repository.head() == pushed, "there is no second commit"
    assert (version(fabrics, "web"), fabrics.conflicts()) == (before, [])
    fabrics.kubectl.patch("configmap", "web", {"data": {"color": "gold"}})
    fabrics.eventually(lambda: "gold" in repository.show("cm.yaml"))
    assert len(repository.log(f"{pushed}..main")) == 1


def test_killed_after_the_push_when_git_moves_on(own_tandem: Tandem, fabrics: Fabrics, repository: Repository) -> None:
    synced(fabrics, repository, {"cm.yaml": CONFIG})
    gate = PushGate(repository, "post-receive")
    fabrics.kubectl.patch("configmap", "web", {"data": {"color": "green"}})
    gate.wait()
    own_tandem.kill()
    gate.release()
    second = repository.publish({"cm.yaml": CONFIG.replace("blue", "red")})
    own_tandem.start()
    fabrics.wait_synced(revision=second)
    assert data(fabrics, "web") == {"color": "red", "size": "big"}, "the commit came after the edit was in Git"
    assert (repository.head(), fabrics.conflicts()) == (second, [])


def test_killed_during_a_push_that_lands_later(own_tandem: Tandem, fabrics: Fabrics, repository: Repository) -> None:
    first = synced(fabrics, repository, {"cm.yaml": CONFIG})
    gate = PushGate(repository, "pre-receive")
    fabrics.kubectl.patch("configmap", "web", {"data": {"color": "green"}})
    gate.wait()
    own_tandem.kill()
    own_tandem.start()
    fabrics.eventually(lambda: repository.head() != first)
    fabrics.wait_synced(revision=repository.head())
    gate.release()
    fabrics.wait_handled(fabrics.request())
    assert len(repository.log(f"{first}..main")) == 1, "the edit is in Git once"
    fabrics.wait_synced(revision=repository.head())
    assert fabrics.conflicts() == []


# ---- while nobody looked ----


def test_what_happened_while_it_was_down_is_brought_together(
    own_tandem: Tandem, fabrics: Fabrics, repository: Repository
) -> None:
    synced(fabrics, repository, {"cm.yaml": CONFIG, "keep.yaml": KEEP, "clash.yaml": config_map("clash", key="value")})
    own_tandem.stop()
    fabrics.kubectl.patch("configmap", "web", {"data": {"color": "green"}})
    fabrics.kubectl.patch("configmap", "clash", {"data": {"key": "live"}})
    fabrics.kubectl("delete", "configmap", "keep")
    files = {"cm.yaml": CONFIG.replace("big", "huge"), "clash.yaml": config_map("clash", key="git")}
    second = repository.publish(files)
    own_tandem.start()
    fabrics.eventually(lambda: data(fabrics, "web") == {"color": "green", "size": "huge"})
    fabrics.eventually(lambda: repository.head() != second)
    assert repository.changed_lines(second) == ["-  color: blue   # the color", "+  color: green   # the color"]
    fabrics.eventually(lambda: len(fabrics.conflicts()) == 2)
    found = {one["spec"]["object"]["name"]: one["spec"]["type"] for one in fabrics.conflicts()}
    assert found == {"keep": "DeletedInCluster", "clash": "BothChanged"}
    assert data(fabrics, "clash") == {"key": "live"}


def test_a_deletion_while_it_was_down_is_observed(own_tandem: Tandem, fabrics: Fabrics, repository: Repository) -> None:
    rules = {"propagate": "Observed", "settle": "0s"}
    synced(fabrics, repository, {"cm.yaml": CONFIG, "keep.yaml": KEEP}, deletion=rules)
    own_tandem.stop()
    fabrics.kubectl("delete", "configmap", "web")
    own_tandem.start()
    fabrics.eventually(lambda: repository.files() == ["keep.yaml"])
    fabrics.wait_synced(revision=repository.head())


def test_a_decision_made_while_it_was_down_is_carried_out(
    own_tandem: Tandem, fabrics: Fabrics, repository: Repository
) -> None:
    synced(fabrics, repository, {"cm.yaml": CONFIG})
    fabrics.kubectl.patch("configmap", "web", {"data": {"color": "green"}}, "--field-manager=somebody")
    name = fabrics.wait_conflict()["metadata"]["name"]
    own_tandem.kill()
    fabrics.kubectl.patch("syncconflict", name, {"spec": {"resolution": {"strategy": "ClusterWins"}}})
    own_tandem.start()
    fabrics.eventually(lambda: "color: green" in repository.show("cm.yaml"))
    fabrics.wait_synced(revision=repository.head())
    found = fabrics.kubectl.json("get", "syncconflict", name)
    assert found["status"]["state"] == "Resolved"


def test_a_stop_and_its_confirmation_outlive_the_controller(
    own_tandem: Tandem, fabrics: Fabrics, repository: Repository
) -> None:
    names = [f"n{number}" for number in range(14)]
    synced(fabrics, repository, {"all.yaml": several(*names)})
    second = repository.publish({"all.yaml": several("n0", "n1")})
    fabrics.wait_condition("Stalled", "True", "DeletionGuard")
    token = fabrics.status()["guards"][0]["token"]
    own_tandem.kill()
    own_tandem.start()
    fabrics.wait_handled(fabrics.request())
    assert data(fabrics, "n9") is not None
    assert fabrics.condition("Stalled")["reason"] == "DeletionGuard"
    own_tandem.kill()
    fabrics.confirm(token)
    own_tandem.start()
    fabrics.wait_synced(revision=second)
    assert [data(fabrics, name) is not None for name in ("n0", "n1", "n9")] == [True, True, False]
