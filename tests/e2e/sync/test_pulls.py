"""The plan of a request that somebody opened, on the request: read back from Gitea, and from GitHub's stand-in."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from controller.dev.gitserver import GitServer
from tests.e2e.sync.looking import data
from tests.e2e.sync.manifests import CONFIG
from tests.support.audit import AuditLog
from tests.support.fabrics import Fabrics
from tests.support.forges import AtGitea, AtGitHub
from tests.support.gitea import Gitea
from tests.support.github import OWNER, TOKEN, GitHub
from tests.support.repository import Repository
from tests.support.serve import TOKEN as HOOK_TOKEN
from tests.support.serve import Serve, serving
from tests.support.tandem import Tandem

SLOW = 90.0  # seconds for what is tried again by itself
ONE, TWO = "Y29ycmVjdC1ob3JzZS0x", "Y29ycmVjdC1ob3JzZS0y"  # two passwords
API = CONFIG.replace("web", "api")
SECRET = """\
apiVersion: v1
kind: Secret
metadata:
  name: keys
data:
  password: {password}
"""


@pytest.fixture
def at(gitea: Gitea, tmp_path: Path) -> AtGitea:
    return AtGitea.new(gitea, tmp_path / "clone")


@pytest.fixture
def serve(tandem: Tandem) -> Iterator[Serve]:
    with serving(tandem.launch) as serve:
        serve.wait_ready()
        yield serve


def watch(fabrics: Fabrics, at: AtGitea, files: dict[str, str], **spec: Any) -> None:
    """Have a Fabric of the repository, with these files, put plans on its requests."""
    base = at.repository.publish(files)
    forge = {"type": "Gitea", "tokenSecretRef": fabrics.give_secret("forge", token=at.token), "commentPlans": True}
    git = fabrics.give_secret("git", username=at.author, password=at.token)
    repository = {"credentialsSecretRef": git, "forge": forge, **spec.pop("repository", {})}
    fabrics.apply(at.repository.url, repository=repository, **spec)
    fabrics.wait_synced(revision=base)


def plans(at: AtGitea | AtGitHub, number: int) -> str:
    """What Tandem says on a request."""
    said = [text.replace("\r\n", "\n") for text in at.comments(number) if text.startswith("<!-- tandem/")]
    assert len(said) <= 1
    return "".join(said)


def planned(tandem: Tandem) -> list[int]:
    """The requests whose plans were put on them, as often as that was done."""
    return [line["request"] for line in tandem.log_lines() if line.get("event") == "a plan is on its request"]


def state(at: AtGitea | AtGitHub, fabrics: Fabrics, commit: str) -> tuple[str, str] | None:
    """The newest commit status that is Tandem's: its state, and what it says."""
    mine = f"tandem/{fabrics.namespace}/demo"
    return next(((word, said) for context, word, said in at.statuses(commit) if context == mine), None)


def config_map(name: str, value: str) -> str:
    """A ConfigMap, as JSON."""
    return json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"key": value}})


def test_a_request_shows_what_merging_it_would_do(tandem: Tandem, fabrics: Fabrics, at: AtGitea) -> None:
    watch(fabrics, at, {"cm.yaml": CONFIG, "secret.yaml": SECRET.format(password=ONE)})
    clone = at.repository.clone
    clone.branch = "bigger"
    head = clone.publish({"cm.yaml": CONFIG.replace("big", "huge"), "secret.yaml": SECRET.format(password=TWO)})
    number = at.propose("bigger")
    fabrics.eventually(lambda: state(at, fabrics, head) == ("success", "2 objects: 2 configure"))
    said = plans(at, number)
    assert f"`{fabrics.namespace}/demo`" in said
    assert '!     /data/size: "big" → "huge"' in said
    assert "/data/password" in said
    assert ONE not in said
    assert TWO not in said

    # It is kept up to date in its place: by the request, by a fault in it, by the branch, and by what is live.
    head = clone.publish({"secret.yaml": SECRET.format(password=ONE)})
    fabrics.eventually(lambda: state(at, fabrics, head) == ("success", "1 object: 1 configure"))
    head = clone.publish({"cm.yaml": CONFIG + "  - not: [yaml\n"})
    fabrics.eventually(lambda: state(at, fabrics, head) is not None)
    failed, why = state(at, fabrics, head) or ("", "")
    assert failed == "failure"
    assert why.startswith("cm.yaml:")
    assert "! cm.yaml:" in plans(at, number)
    head = clone.publish({"cm.yaml": CONFIG.replace("big", "huge")})
    fabrics.eventually(lambda: state(at, fabrics, head) == ("success", "1 object: 1 configure"))
    fabrics.kubectl.patch("configmap", "web", {"data": {"size": "small"}})  # written back: the branch moves
    fabrics.eventually(lambda: "it cannot be merged into main: both changed cm.yaml" in plans(at, number))
    fabrics.eventually(lambda: (state(at, fabrics, head) or ("",))[0] == "failure")
    assert len(at.comments(number)) == 1
    assert data(fabrics, "web") == {"color": "blue", "size": "small"}  # nothing of all this was done


def test_what_was_said_is_not_said_again(own_tandem: Tandem, fabrics: Fabrics, at: AtGitea) -> None:
    """Neither after a restart, nor on requests about something else; what is live is looked at again."""
    watch(fabrics, at, {"deploy/cm.yaml": CONFIG}, repository={"directory": "deploy"})
    head = at.commit_on("bigger", "deploy/more.yaml", API)
    number = at.propose("bigger")
    fabrics.eventually(lambda: state(at, fabrics, head) == ("success", "1 object: 1 create"))
    fabrics.eventually(lambda: planned(own_tandem) == [number])
    before = at.repository.ask("GET", f"/issues/{number}/comments"), at.statuses(head)
    own_tandem.restart()
    aside = at.commit_on("aside", "other.txt", "no document\n")
    other = at.propose("aside")
    said = ("success", "nothing below deploy changes")
    fabrics.eventually(lambda: state(at, fabrics, aside) == said, deadline=SLOW)
    fabrics.eventually(lambda: planned(own_tandem).count(number) == 2)
    assert plans(at, other) == ""
    assert (at.repository.ask("GET", f"/issues/{number}/comments"), at.statuses(head)) == before

    fabrics.kubectl.apply(API.replace("big", "small"))
    fabrics.request()  # nothing that the fabric declares has moved
    fabrics.eventually(lambda: "conflict AddedInBoth: /data/size" in plans(at, number), deadline=SLOW)


def test_a_request_from_a_fork_shows_no_values(
    tandem: Tandem, fabrics: Fabrics, gitea: Gitea, at: AtGitea, tmp_path: Path, audit_log: AuditLog
) -> None:
    """Nor does it write anything, have anything decrypted, or pass for one of Tandem's own."""
    watch(fabrics, at, {"deploy/cm.yaml": CONFIG}, repository={"directory": "deploy"})
    fabrics.kubectl.apply(config_map("inner", "a-live-value-7"))
    mark = audit_log.mark()
    at.repository.ask("PATCH", "", private=False)
    stranger = f"stranger-{secrets.token_hex(4)}"
    gitea.create_user(stranger)
    fork = gitea.fork(at.repository, stranger, tmp_path / "fork")
    fork.clone.pull()
    fork.clone.branch = "tandem/theirs"
    sealed = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata: {a: b}\nsops: {mac: x}\n"
    head = fork.clone.publish(
        {"deploy/inner.yaml": config_map("inner", "```\n<script>"), "deploy/sealed.yaml": sealed, "more.yaml": API}
    )
    number = at.propose(f"{stranger}:tandem/theirs")
    fabrics.eventually(lambda: state(at, fabrics, head) is not None)
    said = plans(at, number)
    assert "no values are shown" in said
    assert "ConfigMap" in said
    assert "inner" in said
    assert "a-live-value-7" not in said
    assert "script" not in said
    assert data(fabrics, "inner") == {"key": "a-live-value-7"}
    place, writes = f"/namespaces/{fabrics.namespace}/configmaps", {"create", "update", "patch", "delete"}
    wrote = [one for one in audit_log.requests(since=mark) if place in one.path and one.verb in writes]
    assert [one for one in wrote if "dryRun" not in one.query] == []


def test_a_webhook_tells_of_a_request(tandem: Tandem, serve: Serve, fabrics: Fabrics, at: AtGitea) -> None:
    hook = fabrics.give_secret("hook", token=HOOK_TOKEN)
    watch(fabrics, at, {"cm.yaml": CONFIG}, repository={"hookSecretRef": hook}, sync={"interval": "1h"})
    hooks = f"http://127.0.0.1:{serve.port}/hooks/gitea/{fabrics.namespace}/demo"
    at.repository.add_hook(hooks, HOOK_TOKEN, ("pull_request", "pull_request_sync"))
    at.commit_on("bigger", "more.yaml", API)
    number = at.propose("bigger")
    fabrics.eventually(lambda: "1 object: 1 create" in plans(at, number))
    head = at.commit_on("bigger", "again.yaml", CONFIG.replace("web", "db"))
    fabrics.eventually(lambda: state(at, fabrics, head) == ("success", "2 objects: 2 create"))


def test_a_forge_that_refuses_is_told_and_taken_up_again(tandem: Tandem, fabrics: Fabrics, at: AtGitea) -> None:
    """What is applied and pushed goes on meanwhile; the Secret is read again by itself."""
    watch(fabrics, at, {"cm.yaml": CONFIG})
    fabrics.patch({"repository": {"forge": {"tokenSecretRef": fabrics.give_secret("other", token="0" * 40)}}})
    said = fabrics.wait_condition("SourceReady", "False", "ForgeRefused", deadline=SLOW)["message"]
    assert "was answered 401" in said
    assert "0" * 40 not in json.dumps(fabrics.get()) + json.dumps(fabrics.events()) + tandem.logs(lines=10_000)
    base = at.repository.publish({"cm.yaml": CONFIG.replace("big", "huge")})
    fabrics.eventually(lambda: data(fabrics, "web") == {"color": "blue", "size": "huge"})
    at.commit_on("bigger", "more.yaml", API)
    number = at.propose("bigger")
    fabrics.give_secret("other", token=at.token)
    fabrics.eventually(lambda: "1 object: 1 create" in plans(at, number), deadline=SLOW)
    fabrics.wait_synced(revision=base, deadline=SLOW)


def test_at_github_too(tandem: Tandem, fabrics: Fabrics, github: GitHub, git_server: GitServer, tmp_path: Path) -> None:
    """GitHub's stand-in keeps no Git: the branches are at a plain server, and it is told where they are."""
    at = AtGitHub.new(github, app=True)
    repository = Repository(git_server, f"{OWNER}/{at.name}", tmp_path / "clone")
    base = repository.publish({"cm.yaml": CONFIG})
    forge = {"type": "GitHub", "apiURL": github.url, "tokenSecretRef": fabrics.give_secret("forge", token=TOKEN)}
    fabrics.apply(repository.url, repository={"forge": {**forge, "commentPlans": True}})
    fabrics.wait_synced(revision=base)
    at.commit_on("bigger", "cm.yaml", CONFIG)
    head = repository.clone.commit({"cm.yaml": CONFIG.replace("big", "huge")})
    github.heads[at.name, "bigger"] = head
    number = at.propose("bigger")
    repository.clone("push", "--quiet", "origin", f"HEAD:refs/pull/{number}/head")
    fabrics.eventually(lambda: state(at, fabrics, head) == ("success", "1 object: 1 configure"), deadline=SLOW)
    assert '!     /data/size: "big" → "huge"' in plans(at, number)
