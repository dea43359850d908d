"""A forge as people have it: the real Gitea, with its tokens, deploy keys, protected branches and webhooks."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.sync.looking import data
from tests.e2e.sync.manifests import CONFIG
from tests.support.fabrics import DEADLINE, Fabrics
from tests.support.gitea import Gitea, GiteaRepository
from tests.support.serve import TOKEN, Serve, serving
from tests.support.ssh import new_key
from tests.support.tandem import Tandem
from tests.support.wait import wait_until

SLOW = 90.0  # seconds for what is tried again by itself: the back-off grows to 30 s
HOUR = {"interval": "1h", "batchWindow": "0s"}  # nothing is seen by itself


@pytest.fixture
def owner(gitea: Gitea) -> str:
    """A user at Gitea of the test's own."""
    name = f"ada-{secrets.token_hex(4)}"
    gitea.create_user(name)
    return name


@pytest.fixture
def forged(gitea: Gitea, owner: str, tmp_path: Path) -> GiteaRepository:
    """The user's private repository."""
    return gitea.create_repository(owner, "fleet", tmp_path / "clone")


@pytest.fixture
def serve(tandem: Tandem) -> Iterator[Serve]:
    """Beside the controller that the module's tests share."""
    with serving(tandem.launch) as serve:
        serve.wait_ready()
        yield serve


@pytest.mark.parametrize("way", ["http", "ssh"])
def test_both_ways_also_past_a_protected_branch(
    way: str, tandem: Tandem, fabrics: Fabrics, gitea: Gitea, owner: str, forged: GiteaRepository
) -> None:
    """By a token, and by a deploy key. What Gitea refuses stays live, and is pushed once Gitea lets it."""
    first = forged.publish({"cm.yaml": CONFIG})
    if way == "http":
        url, values = forged.url, {"username": owner, "password": gitea.create_token(owner, "tandem")}
    else:
        key = new_key()
        forged.add_key(key)
        url, values = forged.ssh_url, {"identity": key.private, "known_hosts": gitea.known_hosts}
    fabrics.apply(url, repository={"credentialsSecretRef": fabrics.give_secret(**values)})
    fabrics.wait_synced(revision=first)
    second = forged.publish({"cm.yaml": CONFIG.replace("big", "huge")})
    fabrics.wait_synced(revision=second)
    assert data(fabrics, "web") == {"color": "blue", "size": "huge"}

    fabrics.kubectl.patch("configmap", "web", {"data": {"color": "green"}})
    fabrics.eventually(lambda: "color: green   # the color" in forged.show("cm.yaml"))
    third = forged.head()
    fabrics.wait_synced(revision=third)
    assert forged.commit(third)["message"].startswith(f"Write back 1 object from {fabrics.namespace}/demo\n")

    forged.protect()
    fabrics.kubectl.patch("configmap", "web", {"data": {"color": "red"}})
    said = fabrics.wait_condition("Ready", "False", "PushRejected", deadline=SLOW)["message"]
    assert "protected branch" in said
    assert forged.head() == third
    assert data(fabrics, "web") == {"color": "red", "size": "huge"}
    forged.unprotect()
    fabrics.eventually(lambda: "color: red" in forged.show("cm.yaml"), deadline=SLOW)
    fabrics.wait_synced(revision=forged.head())
    assert fabrics.status()["pending"] == {"edits": 0}


def test_a_revoked_token_is_told_and_a_new_one_is_taken_up(
    tandem: Tandem, fabrics: Fabrics, gitea: Gitea, owner: str, forged: GiteaRepository
) -> None:
    old = gitea.create_token(owner, "old")
    first = forged.publish({"cm.yaml": CONFIG})
    credentials = {"credentialsSecretRef": fabrics.give_secret(username=owner, password=old)}
    fabrics.apply(forged.url, repository=credentials)
    fabrics.wait_synced(revision=first)
    gitea.revoke_token(owner, "old")
    fabrics.wait_condition("Ready", "False", "AuthenticationFailed", deadline=SLOW)
    new = gitea.create_token(owner, "new")
    fabrics.give_secret(bearerToken=new)
    second = forged.publish({"cm.yaml": CONFIG.replace("big", "huge")})
    fabrics.wait_synced(revision=second, deadline=SLOW)
    fabrics.kubectl.patch("configmap", "web", {"data": {"color": "green"}})
    fabrics.eventually(lambda: "color: green" in forged.show("cm.yaml"))
    shown = json.dumps(fabrics.get()) + json.dumps(fabrics.events()) + tandem.logs(lines=10_000)
    assert old not in shown
    assert new not in shown


def test_gitea_tells_of_a_push_and_of_our_own_only_once(
    tandem: Tandem, fabrics: Fabrics, serve: Serve, gitea: Gitea, owner: str, forged: GiteaRepository
) -> None:
    """One webhook knows the secret, another does not. What Tandem commits is signed with a key that Gitea trusts."""
    first = forged.publish({"cm.yaml": CONFIG})
    fabrics.apply(
        forged.url,
        repository={
            "credentialsSecretRef": fabrics.give_secret(username=owner, password=gitea.create_token(owner, "tandem")),
            "hookSecretRef": fabrics.give_secret("hook", token=TOKEN),
            "signWithSecretRef": fabrics.give_secret("signer", identity=gitea.trusted_key.private),
        },
        sync=HOUR,
    )
    fabrics.wait_synced(revision=first)
    path = f"http://127.0.0.1:{serve.port}/hooks/gitea/{fabrics.namespace}/demo"
    good, bad = forged.add_hook(path, TOKEN), forged.add_hook(path, "guessed")

    def wait_told(hook: int, *statuses: int) -> list[Any]:
        wait_until(lambda: [one.status for one in gitea.deliveries(hook)] == list(statuses), DEADLINE, poll=0.2)
        return [json.loads(one.text) for one in gitea.deliveries(hook)]

    second = forged.publish({"cm.yaml": CONFIG.replace("big", "huge")})
    fabrics.wait_synced(revision=second)
    assert data(fabrics, "web") == {"color": "blue", "size": "huge"}
    assert [told["status"] for told in wait_told(good, 202)] == ["taken"]
    assert [told["error"] for told in wait_told(bad, 401)] == ["signature_invalid"]

    known = hints(tandem, "known")
    fabrics.kubectl.patch("configmap", "web", {"data": {"color": "green"}})
    wait_told(good, 202, 202)
    wait_until(lambda: hints(tandem, "known") == known + 1, DEADLINE)
    written = forged.head()
    assert forged.commit(written)["message"].startswith("Write back 1 object")
    fabrics.wait_synced(revision=written)
    assert forged.ask("GET", f"/git/commits/{written}")["parents"][0]["sha"] == second
    signed, unsigned = (forged.commit(one)["verification"] for one in (written, second))
    assert (signed["verified"], unsigned["verified"]) == (True, False)
    assert unsigned["reason"] == "gpg.error.not_signed_commit"
    assert signed["signature"].startswith("-----BEGIN SSH SIGNATURE-----")
    assert [one.status for one in gitea.deliveries(good)] == [202, 202]


def hints(tandem: Tandem, outcome: str) -> float:
    return tandem.metrics().get(f'tandem_hints_total{{outcome="{outcome}"}}', 0.0)
