"""Live edits in pull requests of the real Gitea: what its own API says of them, whatever happens on the way."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from controller.dev.controlplane import ControlPlane
from tests.e2e.sync.looking import data, wait_event
from tests.e2e.sync.manifests import CONFIG, config_map
from tests.support.cli import Cli
from tests.support.fabrics import Fabrics
from tests.support.forges import AtGitea
from tests.support.gitea import Gitea
from tests.support.serve import TOKEN, serving
from tests.support.tandem import Stage, Tandem
from tests.support.wait import wait_until
from tests.support.webfront import WebFront

SLOW = 90.0  # seconds for what is tried again by itself: the back-off grows to 30 s
SYNC = {"interval": "1s", "batchWindow": "0s"}


@pytest.fixture
def tandem(own_tandem: Tandem, stage: Stage) -> Tandem:
    """A ready controller of the test's own."""
    stage.enter(own_tandem)
    return own_tandem


@pytest.fixture
def forged(gitea: Gitea, tmp_path: Path) -> AtGitea:
    """A private repository at Gitea, and a token for it."""
    return AtGitea.new(gitea, tmp_path / "clone")


@pytest.fixture
def front(gitea: Gitea) -> Iterator[WebFront]:
    """What stands before Gitea's API."""
    with WebFront(gitea.url) as front:
        yield front


def begin(fabrics: Fabrics, forged: AtGitea, api: str = "", token: str = "", **spec: Any) -> str:
    """The Fabric in step with the repository; the commit."""
    first = forged.repository.publish({"cm.yaml": CONFIG})
    forge = {"type": "Gitea", "tokenSecretRef": fabrics.give_secret("forge", token=token or forged.token)}
    credentials = fabrics.give_secret("git", username=forged.author, password=forged.token)
    fabrics.apply(
        forged.repository.url,
        repository={
            "credentialsSecretRef": credentials,
            "forge": forge | ({"apiURL": f"{api}/api/v1"} if api else {}),
        },
        **({"sync": SYNC | {"write": "PullRequest"}} | spec),
    )
    fabrics.wait_synced(revision=first)
    return first


def edit(fabrics: Fabrics, **values: str) -> None:
    fabrics.kubectl.patch("configmap", "web", {"data": values})


def requests(forged: AtGitea, state: str = "all") -> list[dict[str, Any]]:
    """What Gitea says of the repository's requests, the newest first."""
    found = forged.repository.ask("GET", f"/pulls?state={state}")
    return sorted(found, key=lambda one: -one["number"])


def wait_open(fabrics: Fabrics, forged: AtGitea, count: int = 1, deadline: float = SLOW) -> dict[str, Any]:
    """The one open request of `count` ever made, once the Fabric shows it too."""

    def shown() -> dict[str, Any]:
        made = requests(forged)
        assert [one["state"] for one in made] == ["open"] + ["closed"] * (count - 1), made
        pending = fabrics.status()["pending"]
        assert pending.get("url") == made[0]["html_url"], pending
        assert pending.get("branch") == made[0]["head"]["ref"]
        return made[0]

    return fabrics.eventually(shown, deadline=deadline)


def proposed(forged: AtGitea) -> str:
    """The document as the open request has it."""
    (one,) = requests(forged, "open")
    found = forged.repository.ask("GET", f"/contents/cm.yaml?ref={one['head']['ref'].replace('/', '%2F')}")
    return base64.b64decode(found["content"]).decode()


def review(forged: AtGitea, branch: str, text: str) -> None:
    """Somebody changes the document on the request's branch, in Gitea's editor."""
    found = forged.repository.ask("GET", f"/contents/cm.yaml?ref={branch.replace('/', '%2F')}")
    content = base64.b64encode(text.encode()).decode()
    forged.repository.ask(
        "PUT", "/contents/cm.yaml", branch=branch, sha=found["sha"], content=content, message="review"
    )


def test_a_protected_branch_gets_a_request_instead(
    tandem: Tandem, fabrics: Fabrics, forged: AtGitea, controlplane: ControlPlane, tmp_path: Path
) -> None:
    """It is refused by Gitea itself; amended, and squashed by Gitea itself, it ends, and the next edit tries anew."""
    first = begin(fabrics, forged, sync=SYNC)
    forged.repository.protect()
    edit(fabrics, color="red")
    request = wait_open(fabrics, forged)
    assert request["title"] == f"Write back 1 object from {fabrics.namespace}/demo"
    assert "`main` does not take commits from Tandem" in request["body"]
    assert f"`ConfigMap/{fabrics.namespace}/web`: `/data/color`, by `kubectl-patch`" in request["body"]
    assert (request["base"]["ref"], request["user"]["login"]) == ("main", forged.author)
    wait_event(fabrics, "RequestOpened", request["html_url"], "Normal")
    assert fabrics.wait_synced(revision=first)["pending"]["edits"] == 1
    cli = Cli.of(controlplane, tmp_path, fabrics.namespace)
    assert f"on their way to Git: {request['html_url']}" in cli("status", "demo").out.replace("\n", " ")

    edit(fabrics, size="huge")
    fabrics.eventually(lambda: "size: huge" in proposed(forged))
    assert "color: red   # the color" in proposed(forged)
    fabrics.eventually(lambda: "/data/size" in requests(forged)[0]["body"])
    forged.merge(request["number"], "squash")
    fabrics.wait_synced(revision=forged.repository.head())
    fabrics.eventually(lambda: fabrics.status()["pending"] == {"edits": 0})
    branches = [one["name"] for one in forged.repository.ask("GET", "/branches")]
    assert branches == ["main"]
    assert data(fabrics, "web") == {"color": "red", "size": "huge"}
    assert fabrics.conflicts() == []

    forged.repository.unprotect()
    edit(fabrics, color="green")
    fabrics.eventually(lambda: "color: green" in forged.repository.show("cm.yaml"), deadline=SLOW)
    assert len(requests(forged)) == 1


def test_a_request_that_is_closed_is_a_rejection(tandem: Tandem, fabrics: Fabrics, forged: AtGitea) -> None:
    first = begin(fabrics, forged)
    edit(fabrics, color="red")
    number = wait_open(fabrics, forged)["number"]
    forged.repository.ask("PATCH", f"/pulls/{number}", state="closed")
    conflict = fabrics.wait_conflict()
    assert conflict["spec"]["type"] == "Rejected"
    assert f"pull request #{number} was closed without being merged" in conflict["status"]["conditions"][0]["message"]
    fabrics.wait_handled(fabrics.request())
    assert [one["state"] for one in requests(forged)] == ["closed"]
    resolve = {"spec": {"resolution": {"strategy": "ClusterWins"}}}
    fabrics.kubectl.patch("syncconflict", conflict["metadata"]["name"], resolve)
    again = wait_open(fabrics, forged, count=2)
    assert again["number"] != number
    edit(fabrics, color="blue")
    fabrics.eventually(lambda: [one["state"] for one in requests(forged)] == ["closed", "closed"])
    assert "taken back in the cluster" in forged.comments(again["number"])[-1]
    fabrics.eventually(lambda: fabrics.status()["pending"] == {"edits": 0})
    fabrics.wait_synced(revision=first)


def test_a_merge_is_known_by_the_hook_and_what_a_reviewer_changed_counts(
    tandem: Tandem, fabrics: Fabrics, forged: AtGitea
) -> None:
    """Nothing polls. The reviewer changed another field on the request's branch before merging it."""
    hook = {"hookSecretRef": fabrics.give_secret("hook", token=TOKEN)}
    with serving(tandem.launch) as serve:
        serve.wait_ready()
        begin(fabrics, forged, sync={"interval": "1h", "batchWindow": "0s", "write": "PullRequest"})
        fabrics.patch({"repository": hook})
        forged.repository.add_hook(f"http://127.0.0.1:{serve.port}/hooks/gitea/{fabrics.namespace}/demo", TOKEN)
        edit(fabrics, color="red")
        request = wait_open(fabrics, forged)
        review(forged, request["head"]["ref"], proposed(forged).replace("big", "reviewed"))
        forged.merge(request["number"])
        fabrics.eventually(lambda: data(fabrics, "web") == {"color": "red", "size": "reviewed"})
        fabrics.wait_synced(revision=forged.repository.head())
        fabrics.eventually(lambda: fabrics.status()["pending"] == {"edits": 0})
        assert fabrics.conflicts() == []


@pytest.mark.parametrize("answered", [False, True], ids=["before it is opened", "before it is recorded"])
def test_killed_around_the_opening(
    answered: bool, tandem: Tandem, fabrics: Fabrics, forged: AtGitea, front: WebFront
) -> None:
    begin(fabrics, forged, front.url)
    held = front.hold("POST", "/pulls", answered=answered)
    edit(fabrics, color="red")
    held.wait()
    assert [one["state"] for one in requests(forged)] == ["open"] * answered
    tandem.kill()
    if not answered:  # else it would be opened by whoever was killed, while the next one looks whether it is there
        front.answers.append((502, "text/plain", b"the forge is gone"))
    held.go_on.set()
    wait_until(lambda: not front.answers)
    if answered:
        edit(fabrics, size="huge")
    tandem.start()
    wait_open(fabrics, forged)
    fabrics.eventually(lambda: "color: red" in proposed(forged) and ("size: huge" in proposed(forged)) == answered)
    assert fabrics.conflicts() == []


@pytest.mark.parametrize("running", [True, False], ids=["at an amendment", "while nothing runs"])
def test_an_edit_that_who_merged_it_did_not_see(
    running: bool, tandem: Tandem, fabrics: Fabrics, forged: AtGitea, front: WebFront
) -> None:
    """Somebody merges what was there when they looked; what came later is proposed in a request of its own."""
    begin(fabrics, forged, front.url)
    edit(fabrics, color="red")
    number = wait_open(fabrics, forged)["number"]
    if running:
        held = front.hold("GET", "/pulls", answered=True)  # Tandem is about to hear that the request is open
        held.wait()
        edit(fabrics, size="huge")
        forged.merge(number)
        held.go_on.set()
    else:
        tandem.kill()
        edit(fabrics, size="huge")
        forged.merge(number)
        tandem.start()
    again = wait_open(fabrics, forged, count=2)
    assert again["number"] != number
    assert "size: huge" in proposed(forged)
    assert "color: red" in forged.repository.show("cm.yaml")
    assert fabrics.conflicts() == []
    forged.merge(again["number"])
    fabrics.wait_synced(revision=forged.repository.head())
    assert data(fabrics, "web") == {"color": "red", "size": "huge"}


@pytest.mark.parametrize("how", ["merged", "closed"])
def test_an_end_while_nothing_runs(how: str, tandem: Tandem, fabrics: Fabrics, forged: AtGitea) -> None:
    first = begin(fabrics, forged)
    edit(fabrics, color="red")
    number = wait_open(fabrics, forged)["number"]
    tandem.kill()
    if how == "merged":
        forged.merge(number)
    else:
        forged.repository.ask("PATCH", f"/pulls/{number}", state="closed")
    tandem.start()
    if how == "merged":
        fabrics.wait_synced(revision=forged.repository.head())
        fabrics.eventually(lambda: fabrics.status()["pending"] == {"edits": 0})
        assert fabrics.conflicts() == []
    else:
        conflict = fabrics.wait_conflict()
        assert conflict["spec"]["type"] == "Rejected"
        assert forged.repository.head() == first
    assert data(fabrics, "web") == {"color": "red", "size": "big"}
    assert len(requests(forged)) == 1


def test_a_forge_that_refuses_is_told_and_nothing_is_lost(
    tandem: Tandem, fabrics: Fabrics, forged: AtGitea, gitea: Gitea, front: WebFront
) -> None:
    """A token that may do nothing, then one that may; answers that are none. The edit stays, and is pushed once."""
    may_not = gitea.create_token(forged.author, "reads", ("read:user",))
    begin(fabrics, forged, front.url, token=may_not)
    edit(fabrics, color="red")
    told = fabrics.wait_condition("Ready", "False", "ForgeRefused")["message"]
    assert "403" in told
    assert may_not not in json.dumps(fabrics.get()) + tandem.logs(lines=10_000)
    fabrics.eventually(lambda: len(forged.repository.ask("GET", "/branches")) == 2)
    fabrics.give_secret("forge", token=forged.token)
    front.answers = [(500, "text/html", b"<html>down</html>"), (200, "text/html", b"<html>hello</html>")]
    number = wait_open(fabrics, forged)["number"]
    fabrics.wait_condition("Ready", "True")
    assert len(forged.repository.ask("GET", f"/pulls/{number}/commits")) == 1
    front.answers = [(503, "text/html", b"<html>down</html>")] * 200
    fabrics.wait_condition("Ready", "False", "ForgeRefused")
    second = forged.repository.publish({"other.yaml": config_map("other", a="b")})
    fabrics.eventually(lambda: data(fabrics, "other") == {"a": "b"})
    fabrics.wait_applied(second)
    front.answers = []
    fabrics.wait_condition("Ready", "True", deadline=SLOW)
    forged.merge(number)
    fabrics.wait_synced(revision=forged.repository.head(), deadline=SLOW)
    assert fabrics.conflicts() == []
    wait_until(lambda: fabrics.status()["pending"] == {"edits": 0}, SLOW)
