"""Who is told what happens to a Fabric: once for each transition, over retries, restarts and kills."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from controller.dev.certificates import Authority
from tests.e2e.conftest import MakeTandem
from tests.e2e.sync.looking import wait_event
from tests.e2e.sync.manifests import config_map
from tests.support.fabrics import DEADLINE, Fabrics
from tests.support.receivers import PASSWORD, HttpReceiver, MailReceiver, Post, http_receiver, mail_receiver
from tests.support.repository import Repository
from tests.support.tandem import Stage, Tandem
from tests.support.tls import server_context
from tests.support.wait import wait_until

TOKEN = "hook-token-51c2"
CANARIES = ("canary-git-7d01", "canary-live-7d02", "canary-first-7d03", "canary-broken-7d04")
GIT, LIVE, FIRST, BROKEN = CANARIES
OPS, GONE = "ops@example.com", "gone@example.com"
LOOPBACK = ("--webhook-allow-cidr", "127.0.0.0/8")
LIFE = ["ConflictOpened", "ConflictResolved", "Failed", "Recovered", "GuardTripped", "Recovered", "RequestOpened"]

SECRET = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: pay\nstringData:\n  key: {}\n"


@dataclass
class Scene:
    """A controller, and whom it tells."""

    tandem: Tandem
    receiver: HttpReceiver
    slow: HttpReceiver
    mail: MailReceiver

    def hooks(self) -> list[Post]:
        """What was told: a message that came twice, because its sender was stopped meanwhile, has one id."""
        return list({post.json["id"]: post for post in self.receiver.taken("/hook")}.values())

    def told(self) -> list[str]:
        return [post.json["event"] for post in self.hooks()]


@pytest.fixture
def scene(make_tandem: MakeTandem, stage: Stage, tmp_path: Path) -> Iterator[Scene]:
    authority = Authority(tmp_path)
    with (
        http_receiver(server_context(authority)) as receiver,
        http_receiver() as slow,
        mail_receiver(server_context(authority, host="localhost")) as mail,
    ):
        tandem = make_tandem(
            flags=(*LOOPBACK, "--notify-after", "0s", "--smtp-from", "tandem@example.com"),
            environ={"TANDEM_SMTP_URL": mail.url(str(authority.certificate))},
        )
        stage.enter(tandem)
        yield Scene(tandem, receiver, slow, mail)


def secret(fabrics: Fabrics, name: str, **entries: str) -> dict[str, Any]:
    """A Secret for a receiver, and the reference to it."""
    made = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": entries}
    fabrics.kubectl.apply(json.dumps(made))
    return {"secretRef": {"name": name}}


def conflicting(fabrics: Fabrics, repository: Repository) -> None:
    """Both sides change the same value."""
    fabrics.patch({"suspend": True})
    repository.publish({"cm.yaml": config_map("web", color=GIT), "pay.yaml": SECRET.format(GIT)})
    fabrics.kubectl.patch("configmap", "web", {"data": {"color": LIVE}})
    fabrics.patch({"suspend": False})


def settle(fabrics: Fabrics, scene: Scene, *events: str, restart: bool = False) -> None:
    """These and no others were told, also after a restart and more runs."""
    wait_until(lambda: scene.told() == list(events), DEADLINE)
    if restart:
        scene.tandem.restart()
    for _ in range(2):
        fabrics.wait_handled(fabrics.request())
    assert scene.told() == list(events)


def test_each_transition_is_told_once(scene: Scene, fabrics: Fabrics, repository: Repository, tmp_path: Path) -> None:
    receiver = scene.receiver
    authority = (tmp_path / "ca.crt").read_text()
    notify = [
        {"type": "Webhook"} | secret(fabrics, "hook", token=TOKEN, url=receiver.url("/hook"), **{"ca.crt": authority}),
        {"type": "Slack", "events": ["ConflictOpened"]}
        | secret(fabrics, "chat", url=receiver.url("/chat/secret-path-93b1"), **{"ca.crt": authority}),
        {"type": "Email", "to": [OPS, GONE]},
        {"type": "Webhook", "url": scene.slow.url()} | secret(fabrics, "slow", token=TOKEN),
    ]
    receiver.answers = [(503, {}), (503, {}), (429, {"Retry-After": "1"})]  # down at first
    scene.mail.refusals = {GONE: "550 no such user"}
    scene.mail.answers = ["451 try again"]
    scene.slow.gate.clear()  # never answers while the others are told

    first = repository.publish({"pay.yaml": SECRET.format(FIRST), "cm.yaml": config_map("web", color=FIRST)})
    fabrics.apply(repository.url, notify=notify)
    fabrics.wait_synced(revision=first)
    conflicting(fabrics, repository)
    name = fabrics.wait_conflict()["metadata"]["name"]
    settle(fabrics, scene, *LIFE[:1], restart=True)
    fabrics.kubectl.patch("syncconflict", name, {"spec": {"resolution": {"strategy": "GitWins"}}})
    settle(fabrics, scene, *LIFE[:2])

    repository.publish({"bad.yaml": config_map("bad", color="x").replace("x", f"[{BROKEN}]")})
    settle(fabrics, scene, *LIFE[:3], restart=True)
    repository.publish({"bad.yaml": None})
    settle(fabrics, scene, *LIFE[:4])

    repository.publish({"pay.yaml": None, "cm.yaml": None})
    settle(fabrics, scene, *LIFE[:5], restart=True)
    repository.publish({"pay.yaml": SECRET.format(GIT), "cm.yaml": config_map("web", color=GIT)})
    settle(fabrics, scene, *LIFE[:6])

    fabrics.patch({"sync": {"write": "PullRequest"}})
    fabrics.kubectl.patch("configmap", "web", {"data": {"color": LIVE}})
    settle(fabrics, scene, *LIFE, restart=True)

    look_at_hooks(fabrics, scene)
    look_at_the_others(scene)
    said = wait_event(fabrics, "NotificationFailed", GONE)
    assert "spec.notify[2] (Email)" in said["message"]
    assert scene.tandem.metrics()['tandem_notices_total{outcome="delivered"}'] > 0
    look_for_secrets(fabrics, scene)


def look_at_hooks(fabrics: Fabrics, scene: Scene) -> None:
    """Every message is signed, names its things, and keeps its id over retries."""
    for post in scene.receiver.posts:
        if post.path == "/hook":
            signed = f"{post.headers['X-Tandem-Timestamp']}.".encode() + post.body
            digest = hmac.new(TOKEN.encode(), signed, hashlib.sha256).hexdigest()
            assert post.headers["X-Tandem-Signature-256"] == f"sha256={digest}"
            assert post.headers["X-Tandem-Delivery"] == post.json["id"]
            assert post.json["fabric"] == {"namespace": fabrics.namespace, "name": "demo"}
    opened, _, failed, _, guarded, _, proposed = (post.json for post in scene.hooks())
    assert (opened["reason"], opened["objects"]) == ("ConflictsOpen", [f"ConfigMap/{fabrics.namespace}/web"])
    assert failed["reason"] == "DocumentsFailed"
    assert "bad.yaml" in failed["objects"][0]
    assert guarded["reason"] == "EmptySource"
    assert guarded["objectCount"] == 2
    assert proposed["objects"] == [fabrics.status()["pending"]["branch"]]
    tries = [post for post in scene.receiver.posts if post.status != 200]
    assert len(tries) == 3
    ids = {post.json["id"] for post in scene.receiver.posts if post.path == "/hook"}
    assert len(ids) == len(LIFE)


def look_at_the_others(scene: Scene) -> None:
    """Slack got what it asked for, the mail server's recipient everything; who is slow gets all of it in the end."""
    (chat,) = scene.receiver.taken("/chat/secret-path-93b1")
    assert "in conflict" in chat.json["text"]
    wait_until(lambda: len(scene.mail.got) == len(LIFE), DEADLINE)
    assert {recipients for recipients, _ in scene.mail.got} == {(OPS,)}
    assert len({message["Message-ID"] for _, message in scene.mail.got}) == len(LIFE)
    scene.slow.gate.set()
    told: dict[str, str] = {}

    def all_of_it() -> bool:
        told.update((post.json["id"], post.json["event"]) for post in scene.slow.posts)
        return list(told.values()) == LIFE

    wait_until(all_of_it, DEADLINE)


def look_for_secrets(fabrics: Fabrics, scene: Scene) -> None:
    """No value of an object in any message, and nothing of receivers where people look."""
    messages = [post.body.decode() for post in (*scene.receiver.posts, *scene.slow.posts)]
    messages += [message.as_string() for _, message in scene.mail.got]
    shown = json.dumps(fabrics.get()["status"]) + json.dumps(fabrics.events())
    shown += scene.tandem.logs(lines=1_000_000) + scene.tandem.probe("/metrics")[1]
    kept = b"".join(path.read_bytes() for path in scene.tandem.launch.folder.glob("tandem.db*") if path.is_file())
    hidden = (TOKEN, PASSWORD, "secret-path-93b1")
    for text in messages:
        assert [value for value in (*CANARIES, *hidden) if value in text] == []
    assert [value for value in hidden if value in shown or value.encode() in kept] == []


def test_a_kill_after_the_answer_tells_it_again_under_the_same_id(
    scene: Scene, fabrics: Fabrics, repository: Repository
) -> None:
    receiver = scene.slow
    first = repository.publish({"cm.yaml": config_map("web", color="blue")})
    notify = [{"type": "Webhook", "url": receiver.url()} | secret(fabrics, "hook", token=TOKEN)]
    fabrics.apply(repository.url, notify=notify)
    fabrics.wait_synced(revision=first)
    receiver.gate.clear()
    repository.publish({"bad.yaml": "kind: [\n"})
    assert receiver.waiting.wait(DEADLINE)
    scene.tandem.kill()
    receiver.gate.set()
    wait_until(lambda: len(receiver.taken()) == 1, DEADLINE)
    scene.tandem.start()
    wait_until(lambda: len(receiver.taken()) == 2, DEADLINE)
    repository.publish({"bad.yaml": None})
    wait_until(lambda: receiver.events() == ["Failed", "Failed", "Recovered"], DEADLINE)
    before, after, _ = receiver.taken()
    assert before.headers["X-Tandem-Delivery"] == after.headers["X-Tandem-Delivery"]
    assert before.body == after.body


def test_addresses_of_ones_own_are_refused_and_a_spec_that_cannot_work_is_told_at_once(
    make_tandem: MakeTandem, stage: Stage, fabrics: Fabrics, repository: Repository
) -> None:
    tandem = make_tandem(allow_namespaces="", flags=("--webhook-allow-cidr", "127.0.0.2/32", "--notify-after", "1h"))
    stage.enter(tandem)
    with http_receiver() as inner, http_receiver(host="127.0.0.2") as outer:
        port = inner.port
        notify = [
            {"type": "Slack", "url": f"http://127.0.0.1:{port}/"},
            {"type": "Slack", "url": f"http://localhost:{port}/"},
            {"type": "Slack", "url": f"https://[::ffff:127.0.0.1]:{port}/"},
            {"type": "Slack"} | secret(fabrics, "inner", url=f"http://127.0.0.1:{port}/in-the-secret"),
            {"type": "Email", "to": [OPS]},
            {"type": "Webhook", "url": outer.url()} | secret(fabrics, "hook", token=TOKEN),
        ]
        first = repository.publish({"cm.yaml": config_map("web", color="blue")})
        fabrics.apply(repository.url, notify=notify, target={"namespaces": ["kube-system"]})
        fabrics.wait_condition("Stalled", "True", "InvalidSpec")
        wait_until(lambda: outer.events() == ["Failed"], DEADLINE)
        assert outer.posts[0].json["reason"] == "InvalidSpec"
        for number in range(4):
            wait_event(fabrics, "NotificationFailed", f"spec.notify[{number}] (Slack) is not told of Failed: ")
        wait_event(fabrics, "NotificationFailed", "--webhook-allow-cidr")
        wait_event(fabrics, "NotificationFailed", "start it with --smtp-url")
        fabrics.patch({"target": {"namespaces": []}})
        fabrics.wait_synced(revision=first)
        wait_until(lambda: outer.events() == ["Failed", "Recovered"], DEADLINE)
        fabrics.patch({"repository": {"branch": "gone"}})  # may pass by itself, so it is not told for an hour
        fabrics.wait_condition("SourceReady", "False", "BranchNotFound")
        fabrics.wait_handled(fabrics.request())
        assert outer.events() == ["Failed", "Recovered"]
        assert inner.posts == []
    assert tandem.metrics()['tandem_notices_total{outcome="refused"}'] >= 5
