"""A Git server that cannot be used: a reason of its own, what to do next, and on again by itself once it can."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from controller.dev.controlplane import ControlPlane
from controller.dev.gitserver import GitServer
from tests.e2e.conftest import MakeTandem
from tests.e2e.sync.looking import data, wait_event
from tests.e2e.sync.manifests import CONFIG, config_map
from tests.support.fabrics import Fabrics
from tests.support.fault_rules import request
from tests.support.faults import FaultProxy
from tests.support.repository import Repository
from tests.support.tandem import Stage, Tandem
from tests.support.wait import wait_until

USER, PASSWORD = "ada", "first-password-5b1e"
CREDENTIALS = {"credentialsSecretRef": {"name": "git"}}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[GitServer]:
    """A Git server of the test's own, open to everybody."""
    with GitServer(tmp_path / "server") as server:
        yield server


@pytest.fixture
def closed_server(tmp_path: Path) -> Iterator[GitServer]:
    """A Git server that asks who is there."""
    with GitServer(tmp_path / "closed", username=USER, password=PASSWORD) as server:
        yield server


def give_secret(fabrics: Fabrics, **values: str) -> None:
    fabrics.kubectl.apply(
        json.dumps({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "git"}, "stringData": values})
    )


# ---- what is not there yet ----


@dataclass(frozen=True)
class Missing:
    """What lacks in the remote at first, what is said of it, and how it comes."""

    reason: str
    message: str
    before: Callable[[Repository], object] = lambda _: None
    after: Callable[[Repository], object] = lambda repository: repository.publish({"deep/cm.yaml": CONFIG})


def push_elsewhere(repository: Repository) -> None:
    repository.clone.commit({"deep/cm.yaml": CONFIG})
    repository.clone("push", "--quiet", "origin", "HEAD:refs/heads/trunk")


def remove_repository(repository: Repository) -> None:
    repository.bare.rename(repository.bare.with_suffix(".away"))


def restore_repository(repository: Repository) -> None:
    repository.bare.with_suffix(".away").rename(repository.bare)
    repository.publish({"deep/cm.yaml": CONFIG})


def push_tree_bomb(repository: Repository) -> None:
    """Twelve trees that stand for 10¹² files: each holds the one before ten times."""
    clone = repository.clone
    tree = clone("mktree", stdin=f"100644 blob {clone('hash-object', '-w', '--stdin')}\ta.yaml\n".encode())
    for _ in range(12):
        tree = clone("mktree", stdin="".join(f"040000 tree {tree}\t{name}\n" for name in "abcdefghij").encode())
    top = clone("mktree", stdin=f"040000 tree {tree}\tdeep\n".encode())
    clone("push", "--quiet", "origin", f"{clone('commit-tree', '-m', 'boom', top)}:refs/heads/main")


def push_over(repository: Repository) -> None:
    repository.clone.commit({"deep/cm.yaml": CONFIG})
    repository.clone("push", "--quiet", "--force", "origin", "HEAD:refs/heads/main")


MISSING = {
    "an empty repository": Missing("EmptyRepository", "push one to branch 'main'"),
    "a missing repository": Missing("RepositoryNotFound", "", remove_repository, restore_repository),
    "a missing branch": Missing(
        "BranchNotFound",
        "name one of these in spec.repository.branch: trunk",
        push_elsewhere,
        lambda repository: repository.clone.push(),
    ),
    "a missing directory": Missing(
        "DirectoryNotFound",
        "has no directory 'deep' on branch main",
        lambda repository: repository.publish({"cm.yaml": CONFIG}),
    ),
    "a bomb of trees": Missing(
        "RepositoryTooLarge", "1000000000000 files, more than the 100000", push_tree_bomb, push_over
    ),
    "templates": Missing(
        "NeedsRendering",
        "point spec.repository.directory at rendered manifests",
        lambda repository: repository.publish({"deep/kustomization.yaml": "resources: []\n", "deep/cm.yaml": CONFIG}),
        lambda repository: repository.publish({"deep/kustomization.yaml": None}),
    ),
}


@pytest.mark.parametrize("missing", MISSING.values(), ids=MISSING)
def test_what_is_missing_is_told_and_found_once_it_is_there(
    tandem: Tandem, fabrics: Fabrics, repository: Repository, missing: Missing
) -> None:
    missing.before(repository)
    fabrics.apply(repository.url, repository={"directory": "deep"})
    said = fabrics.wait_condition("SourceReady", "False", missing.reason)
    assert missing.message in said["message"]
    assert fabrics.wait_condition("Ready", "False", missing.reason)["message"] == said["message"]
    assert fabrics.condition("Synced")["status"] == "Unknown"
    assert fabrics.condition("Stalled") == {}, "nobody has to change the spec"
    wait_event(fabrics, missing.reason)
    missing.after(repository)
    fabrics.wait_synced(revision=repository.head(), deadline=60)
    assert data(fabrics, "web") == {"color": "blue", "size": "big"}
    assert fabrics.condition("SourceReady")["reason"] == "Fetched"


# ---- what breaks later ----

BROKEN = {
    "no connection": ({"gone": True}, "Unreachable"),
    "an error of the server": ({"status": 503}, "Unreachable"),
    "the repository was removed": ({"status": 404}, "RepositoryNotFound"),
    "who are you?": ({"status": 401}, "AuthenticationFailed"),
    "you may not": ({"status": 403}, "AuthenticationFailed"),
}


@pytest.mark.parametrize(("faults", "reason"), BROKEN.values(), ids=BROKEN)
def test_a_remote_that_breaks_is_told_tried_again_and_does_not_stop_corrections(
    tandem: Tandem, fabrics: Fabrics, server: GitServer, tmp_path: Path, faults: dict[str, object], reason: str
) -> None:
    repository = Repository(server, "broken", tmp_path / "clone")
    first = repository.publish({"cm.yaml": CONFIG})
    fabrics.apply(repository.url, sync={"direction": "GitToCluster"})
    fabrics.wait_synced(revision=first)
    with server.failing(**faults):
        said = fabrics.wait_condition("SourceReady", "False", reason)
        assert "127.0.0.1" in said["message"]
        fabrics.wait_condition("Ready", "False", reason)
        wait_event(fabrics, reason)
        fabrics.kubectl.patch("configmap", "web", {"data": {"color": "red"}})
        fabrics.eventually(lambda: data(fabrics, "web") == {"color": "blue", "size": "big"})
        server.log.clear()
        fabrics.eventually(lambda: len(server.log.requests) > 1)  # it is asked again and again
    second = repository.publish({"cm.yaml": CONFIG.replace("big", "huge")})
    fabrics.wait_synced(revision=second, deadline=60)
    wait_event(fabrics, "Synced", kind="Normal")


def test_a_certificate_that_nobody_vouches_for_is_told(
    tandem: Tandem, fabrics: Fabrics, repository: Repository, controlplane: ControlPlane
) -> None:
    fabrics.apply(f"{controlplane.server}/team/fleet.git")  # any server with a certificate of its own authority
    said = fabrics.wait_condition("SourceReady", "False", "CertificateInvalid")
    assert controlplane.server in said["message"]
    first = repository.publish({"cm.yaml": CONFIG})
    fabrics.patch({"repository": {"url": repository.url}})
    fabrics.wait_synced(revision=first)


def test_a_url_that_is_not_allowed_stalls_until_the_spec_changes(
    make_tandem: MakeTandem, stage: Stage, fabrics: Fabrics, repository: Repository
) -> None:
    stage.enter(make_tandem(allow_insecure_git=False))
    repository.publish({"cm.yaml": CONFIG})
    fabrics.apply(repository.url)
    said = fabrics.wait_condition("Stalled", "True", "URLRefused")
    assert "--allow-insecure-git" in said["message"]
    fabrics.wait_condition("Ready", "False", "URLRefused")
    wait_event(fabrics, "URLRefused")
    fabrics.patch({"repository": {"url": "https://127.0.0.1:1/team/fleet.git"}})
    fabrics.wait_condition("Ready", "False", "URLRefused")
    fabrics.wait_condition("Stalled", "False")


# ---- credentials ----


def test_credentials_that_are_missing_wrong_or_unusable_are_told_until_they_are_right(
    tandem: Tandem, fabrics: Fabrics, closed_server: GitServer, tmp_path: Path
) -> None:
    repository = Repository(closed_server, "closed", tmp_path / "clone", username=USER, password=PASSWORD)
    first = repository.publish({"cm.yaml": CONFIG})
    fabrics.apply(repository.url, repository=CREDENTIALS)

    def wait_said(text: str) -> None:
        fabrics.wait(lambda _: text in fabrics.wait_condition("Ready", "False", "AuthenticationFailed")["message"])

    wait_said(f"Secret {fabrics.namespace}/git of spec.repository.credentialsSecretRef does not exist; create it")
    give_secret(fabrics, token="x")
    wait_said("holds neither username and password nor bearerToken")
    give_secret(fabrics, username=USER, password="wrong-password-9d2c")
    wait_said("127.0.0.1")
    give_secret(fabrics, username=USER, password=PASSWORD)
    fabrics.wait_synced(revision=first, deadline=60)
    shown = json.dumps(fabrics.get()) + json.dumps(fabrics.events()) + tandem.logs(lines=10_000)
    assert "wrong-password-9d2c" not in shown
    assert PASSWORD not in shown


def copies(tandem: Tandem) -> set[Path]:
    """The mirrors on the controller's disk."""
    return {path for path in (tandem.launch.data_dir / "mirrors").glob("*") if path.is_dir()}


def test_rotated_credentials_are_taken_up_and_the_old_copy_goes(
    tandem: Tandem, fabrics: Fabrics, closed_server: GitServer, tmp_path: Path
) -> None:
    repository = Repository(closed_server, "closed", tmp_path / "clone", username=USER, password=PASSWORD)
    first = repository.publish({"cm.yaml": CONFIG})
    others = copies(tandem)
    give_secret(fabrics, username=USER, password=PASSWORD)
    fabrics.apply(repository.url, repository=CREDENTIALS)
    fabrics.wait_synced(revision=first)
    (old,) = copies(tandem) - others
    closed_server.stop()
    with GitServer(closed_server.root, closed_server.port, username=USER, password="second-password"):
        fabrics.wait_condition("Ready", "False", "AuthenticationFailed")
        give_secret(fabrics, username=USER, password="second-password")
        fabrics.wait_synced(revision=first, deadline=60)
        fabrics.eventually(lambda: not old.exists())
        fabrics.kubectl.patch("configmap", "web", {"data": {"color": "green"}})
        fabrics.eventually(lambda: "green" in repository.show("cm.yaml"))
        assert len(copies(tandem) - others) == 1
        fabrics.remove_all()
        wait_until(lambda: copies(tandem) == others)


# ---- pushes ----


def pushes(server: GitServer) -> int:
    return sum(seen.method == "POST" and seen.path.endswith("git-receive-pack") for seen in list(server.log.requests))


def test_a_push_that_a_hook_refuses_is_told_kept_live_and_made_once_the_hook_is_gone(
    tandem: Tandem, fabrics: Fabrics, server: GitServer, tmp_path: Path
) -> None:
    repository = Repository(server, "hooked", tmp_path / "clone")
    first = repository.publish({"cm.yaml": CONFIG, "other.yaml": config_map("other", key="one")})
    fabrics.apply(repository.url)
    fabrics.wait_synced(revision=first)
    server.refuse_pushes("hooked", "no commits on Fridays")
    server.log.clear()
    fabrics.kubectl.patch("configmap", "web", {"data": {"color": "green"}})
    said = fabrics.wait_condition("SourceReady", "False", "PushRejected")
    assert "no commits on Fridays" in said["message"]
    assert pushes(server) >= 5
    fabrics.wait_condition("Ready", "False", "PushRejected")
    wait_event(fabrics, "PushRejected", "no commits on Fridays")
    status = fabrics.status()
    assert status["pending"] == {"edits": 1}
    assert status["revision"]["applied"] == first
    tried = pushes(server)
    fabrics.eventually(lambda: pushes(server) > tried)  # again, at the back-off
    assert data(fabrics, "web") == {"color": "green", "size": "big"}, "the edit stays live"
    assert repository.head() == first
    server.accept_pushes("hooked")
    fabrics.eventually(lambda: "color: green   # the color" in repository.show("cm.yaml"), deadline=60)
    status = fabrics.wait_synced(revision=repository.head())
    assert status["pending"] == {"edits": 0}
    assert len(repository.log(f"{first}..main")) == 1
    assert data(fabrics, "web") == {"color": "green", "size": "big"}


def test_a_refused_edit_does_not_keep_git_from_the_cluster(
    tandem: Tandem, fabrics: Fabrics, server: GitServer, tmp_path: Path
) -> None:
    repository = Repository(server, "hooked", tmp_path / "clone")
    repository.publish({"cm.yaml": CONFIG, "other.yaml": config_map("other", key="one")})
    fabrics.apply(repository.url)
    fabrics.wait_synced()
    server.refuse_pushes("hooked", "not now")
    fabrics.kubectl.patch("configmap", "web", {"data": {"color": "green"}})
    fabrics.wait_condition("Ready", "False", "PushRejected")
    server.accept_pushes("hooked")
    repository.clone.commit({"other.yaml": config_map("other", key="two")})
    repository.clone.push()
    server.refuse_pushes("hooked", "not now")
    fabrics.eventually(lambda: data(fabrics, "other") == {"key": "two"})
    assert data(fabrics, "web") == {"color": "green", "size": "big"}
    fabrics.kubectl.patch("configmap", "web", {"data": {"color": "blue"}})  # taken back: nothing is left to push
    fabrics.wait_synced(revision=repository.head())
    assert fabrics.condition("SourceReady")["reason"] == "Fetched"


def test_a_push_whose_answer_is_lost_is_one_commit(
    tandem: Tandem, fabrics: Fabrics, server: GitServer, tmp_path: Path
) -> None:
    repository = Repository(server, "deaf", tmp_path / "clone")
    first = repository.publish({"cm.yaml": CONFIG})
    fabrics.apply(repository.url)
    fabrics.wait_synced(revision=first)
    with server.failing(deaf=True):
        fabrics.kubectl.patch("configmap", "web", {"data": {"color": "green"}})
        fabrics.eventually(lambda: repository.head() != first)
    fabrics.wait_synced(revision=repository.head(), deadline=60)
    assert len(repository.log(f"{first}..main")) == 1
    assert fabrics.conflicts() == []


# ---- the other remote: the API server ----

CONFIG_MAPS = "*/configmaps*"


@pytest.fixture
def proxied(faults: FaultProxy, make_tandem: MakeTandem, stage: Stage) -> FaultProxy:
    """The proxy between a controller of the test's own and the API server."""
    stage.enter(make_tandem(through=faults))
    return faults


@pytest.mark.parametrize(
    ("method", "status", "reason"),
    [
        pytest.param("PATCH", 503, "ApiUnreachable", id="writes fail"),
        pytest.param("PATCH", 403, "Forbidden", id="writes are forbidden"),
        pytest.param("GET", 500, "ApiUnreachable", id="lists fail"),
        pytest.param("GET", 403, "Forbidden", id="lists are forbidden"),
    ],
)
def test_an_api_server_that_does_not_do_as_told_is_told_and_asked_again(
    proxied: FaultProxy, fabrics: Fabrics, repository: Repository, method: str, status: int, reason: str
) -> None:
    first = repository.publish({"cm.yaml": CONFIG})
    proxied.answer(status, when=request(method=method, path=CONFIG_MAPS), message="as asked for by a test")
    fabrics.apply(repository.url)
    said = fabrics.wait(lambda _: ready_saying(fabrics, reason))
    assert "as asked for by a test" in said["message"]
    wait_event(fabrics, reason)
    assert data(fabrics, "web") is None
    assert fabrics.status()["revision"].get("applied") in (None, first)
    proxied.lift()
    fabrics.wait_synced(revision=first, deadline=90)
    assert data(fabrics, "web") == {"color": "blue", "size": "big"}


def ready_saying(fabrics: Fabrics, reason: str) -> dict[str, str]:
    """Ready, once it is False and its reason or its message names this reason."""
    ready: dict[str, str] = fabrics.condition("Ready")
    assert ready.get("status") == "False"
    assert reason in f"{ready['reason']} {ready['message']}"
    return ready


def test_an_api_server_that_cannot_be_reached_is_found_again(
    faults: FaultProxy, make_tandem: MakeTandem, stage: Stage, fabrics: Fabrics, repository: Repository
) -> None:
    tandem = make_tandem(through=faults)
    stage.enter(tandem)
    first = repository.publish({"cm.yaml": CONFIG})
    fabrics.apply(repository.url)
    fabrics.wait_synced(revision=first)
    faults.refuse()
    faults.cut()
    second = repository.publish({"cm.yaml": CONFIG.replace("big", "huge")})
    fabrics.kubectl.patch("configmap", "web", {"data": {"color": "green"}})
    fabrics.eventually(lambda: "ApiUnreachable" in tandem.logs(lines=1_000))
    assert tandem.running
    faults.lift()
    fabrics.eventually(lambda: data(fabrics, "web") == {"color": "green", "size": "huge"}, deadline=90)
    fabrics.eventually(lambda: "green" in repository.show("cm.yaml"))
    fabrics.wait_synced(revision=repository.head())
    assert second in [commit.id for commit in repository.log()]
