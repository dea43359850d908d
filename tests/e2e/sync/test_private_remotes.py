"""Repositories that not everybody may read, over ssh and behind private authorities: each key its own reason, each
fabric its own trust, and on again by itself once the Secret is right."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from controller.dev.certificates import Authority
from controller.dev.gitserver import GitServer
from tests.e2e.sync.looking import data, wait_event
from tests.e2e.sync.manifests import CONFIG, config_map
from tests.support.fabrics import Fabrics
from tests.support.relays import TlsFront
from tests.support.repository import Repository
from tests.support.ssh import SshGitServer, SshKey, new_key
from tests.support.tandem import Tandem
from tests.support.tls import client_secret, server_context

CREDENTIALS = {"credentialsSecretRef": {"name": "git"}}
BLUE = {"color": "blue", "size": "big"}
SLOW = 90.0  # seconds for what is tried again by itself: the back-off grows to 30 s


@pytest.fixture
def key() -> SshKey:
    """A key that opens `shell`."""
    return new_key()


@pytest.fixture
def shell(git_server: GitServer, tmp_path: Path, key: SshKey) -> Iterator[SshGitServer]:
    """The session's repositories over ssh."""
    running = SshGitServer(git_server.root, tmp_path / "sshd")
    running.authorize(key)
    with running:
        yield running


def give_secret(fabrics: Fabrics, values: Mapping[str, str | bytes], name: str = "git") -> None:
    """Have the Secret hold exactly these values."""
    fabrics.give_secret(name, **values)


def wait_said(fabrics: Fabrics, reason: str, text: str = "", name: str = "demo") -> None:
    """Ready says this reason, and its message this text."""
    fabrics.wait(lambda _: text in fabrics.wait_condition("Ready", "False", reason, name)["message"], name, SLOW)


def test_both_ways_over_ssh(
    tandem: Tandem, fabrics: Fabrics, repository: Repository, git_server: GitServer, shell: SshGitServer, key: SshKey
) -> None:
    first = repository.publish({"cm.yaml": CONFIG})
    give_secret(fabrics, {"identity": key.private, "known_hosts": shell.known_hosts})
    fabrics.apply(shell.url_of(repository.name), repository=CREDENTIALS)
    fabrics.wait_synced(revision=first)
    assert data(fabrics, "web") == BLUE
    second = repository.publish({"cm.yaml": CONFIG.replace("big", "huge")})
    fabrics.wait_synced(revision=second)
    assert data(fabrics, "web") == {"color": "blue", "size": "huge"}

    fabrics.kubectl.patch("configmap", "web", {"data": {"color": "green"}})
    fabrics.eventually(lambda: "color: green   # the color" in repository.show("cm.yaml"))
    fabrics.wait_synced(revision=repository.head())
    assert [commit.subject for commit in repository.log(f"{second}..main")] == [
        f"Write back 1 object from {fabrics.namespace}/demo"
    ]
    assert any(line.startswith("git-receive-pack") for line in shell.requests)

    git_server.refuse_pushes(repository.name, "no commits on Fridays")
    fabrics.kubectl.patch("configmap", "web", {"data": {"color": "red"}})
    wait_said(fabrics, "PushRejected", "no commits on Fridays")
    git_server.accept_pushes(repository.name)
    shell.authorize(key, read_only=True)
    fabrics.request()
    wait_said(fabrics, "PushRejected", "marked as read only")
    shell.authorize(key)
    fabrics.request()
    fabrics.eventually(lambda: "color: red" in repository.show("cm.yaml"), deadline=SLOW)
    fabrics.wait_synced(revision=repository.head())
    assert fabrics.status()["pending"] == {"edits": 0}


def test_a_host_is_known_by_its_key_alone(
    tandem: Tandem, fabrics: Fabrics, repository: Repository, shell: SshGitServer, key: SshKey
) -> None:
    first = repository.publish({"cm.yaml": CONFIG})
    fabrics.apply(shell.url_of(repository.name), sync={"direction": "GitToCluster"})
    wait_said(fabrics, "HostKeyUnknown", "name a Secret with identity and known_hosts")
    assert fabrics.condition("SourceReady")["reason"] == "HostKeyUnknown"
    give_secret(fabrics, {"identity": key.private})
    fabrics.patch({"repository": CREDENTIALS})
    wait_said(fabrics, "HostKeyUnknown", "holds no known_hosts")
    give_secret(fabrics, {"identity": key.private, "known_hosts": f"git.example.com {shell.host_key.public}"})
    fabrics.request()
    wait_said(fabrics, "HostKeyUnknown", "ssh-keyscan")
    give_secret(fabrics, {"identity": key.private, "known_hosts": shell.known_hosts.replace("AAAAC3", "AAAAB3")})
    fabrics.request()
    wait_said(fabrics, "HostKeyUnknown")
    wrong = shell.known_hosts.replace(shell.host_key.public, new_key().public)
    give_secret(fabrics, {"identity": key.private, "known_hosts": wrong})
    fabrics.request()
    wait_said(fabrics, "HostKeyMismatch", "is not the one in known_hosts")
    wait_event(fabrics, "HostKeyMismatch")
    assert shell.requests == [], "nobody was spoken to"
    give_secret(fabrics, {"identity": key.private, "known_hosts": shell.known_hosts})
    fabrics.wait_synced(revision=first, deadline=SLOW)

    shell.stop()  # set up anew, or another machine that took its address
    shell.renew_host_key()
    shell.start()
    wait_said(fabrics, "HostKeyMismatch")
    fabrics.kubectl.patch("configmap", "web", {"data": {"color": "red"}})
    fabrics.eventually(lambda: data(fabrics, "web") == BLUE)  # what was seen last still holds
    give_secret(fabrics, {"identity": key.private, "known_hosts": shell.known_hosts})
    second = repository.publish({"cm.yaml": CONFIG.replace("big", "huge")})
    fabrics.wait_synced(revision=second, deadline=SLOW)


def test_keys_that_do_not_open_are_told_and_a_rotated_one_is_taken_up(
    tandem: Tandem, fabrics: Fabrics, repository: Repository, shell: SshGitServer, key: SshKey
) -> None:
    first = repository.publish({"cm.yaml": CONFIG})
    trust = {"known_hosts": shell.known_hosts}
    give_secret(fabrics, trust | {"username": "ada", "password": "hush-7d1c"})
    fabrics.apply(shell.url_of(repository.name), repository=CREDENTIALS)
    wait_said(fabrics, "AuthenticationFailed", "holds no identity")
    give_secret(fabrics, trust | {"identity": new_key().private})
    fabrics.request()
    wait_said(fabrics, "AuthenticationFailed", "public half of identity")
    locked = new_key("open sesame")
    shell.authorize(locked)
    give_secret(fabrics, trust | {"identity": locked.private})
    fabrics.request()
    wait_said(fabrics, "AuthenticationFailed", "store it under password")
    give_secret(fabrics, trust | {"identity": locked.private, "password": "hush-hush-hush"})
    fabrics.request()
    wait_said(fabrics, "AuthenticationFailed", "is not a private key that password opens")
    give_secret(fabrics, trust | {"identity": locked.private, "password": "open sesame"})
    fabrics.wait_synced(revision=first, deadline=SLOW)

    shell.authorize(key)  # the old one opens nothing from now on
    wait_said(fabrics, "AuthenticationFailed", "Permission denied")
    give_secret(fabrics, trust | {"identity": key.private})
    second = repository.publish({"cm.yaml": CONFIG.replace("big", "huge")})
    fabrics.wait_synced(revision=second, deadline=SLOW)
    fabrics.kubectl.patch("configmap", "web", {"data": {"color": "green"}})
    fabrics.eventually(lambda: "green" in repository.show("cm.yaml"))
    shown = json.dumps(fabrics.get()) + json.dumps(fabrics.events()) + tandem.logs(lines=10_000)
    lines = [line for pair in (locked, key) for line in pair.private.splitlines() if not line.startswith("---")]
    assert not [word for word in ("hush-", "open sesame", *lines) if word in shown]


def test_two_fabrics_do_not_trust_for_each_other(
    tandem: Tandem, fabrics: Fabrics, git_server: GitServer, repository: Repository, tmp_path: Path, key: SshKey
) -> None:
    """By https and by ssh: each with the other's trust fails, at the same time, and each with its own goes on."""
    first = repository.publish({"one/a.yaml": config_map("a", key="one"), "two/b.yaml": config_map("b", key="two")})
    one, two = Authority(tmp_path / "one"), Authority(tmp_path / "two")
    sshd_one, sshd_two = (SshGitServer(git_server.root, tmp_path / f"sshd-{number}") for number in (1, 2))
    for shell in (sshd_one, sshd_two):
        shell.authorize(key)
    with (
        GitServer(git_server.root, tls=server_context(one)) as https_one,
        GitServer(git_server.root, tls=server_context(two)) as https_two,
        sshd_one,
        sshd_two,
    ):
        servers = {"one": https_one, "two": https_two}
        trusts = {"one": {"ca.crt": one.certificate.read_bytes()}, "two": {"ca.crt": two.certificate.read_bytes()}}
        shells = {"one": sshd_one, "two": sshd_two}
        for name, other in (("one", "two"), ("two", "one")):
            give_secret(fabrics, trusts[other], name)
            repository_of = {"directory": name, "credentialsSecretRef": {"name": name}}
            fabrics.apply(servers[name].url_of(repository.name), name, repository=repository_of)
        for name in servers:
            wait_said(fabrics, "CertificateInvalid", "ca.crt does not vouch for", name)
        for name, trust in trusts.items():
            give_secret(fabrics, trust, name)
        for name in servers:
            fabrics.wait_synced(name, first, deadline=SLOW)

        for name, other in (("one", "two"), ("two", "one")):
            give_secret(fabrics, {"identity": key.private, "known_hosts": shells[other].known_hosts}, name)
            fabrics.patch({"repository": {"url": shells[name].url_of(repository.name)}}, name)
        for name in shells:
            wait_said(fabrics, "HostKeyUnknown", name=name)
        assert sshd_one.requests + sshd_two.requests == []
        for name, shell in shells.items():
            give_secret(fabrics, {"identity": key.private, "known_hosts": shell.known_hosts}, name)
        for name in shells:
            fabrics.wait_synced(name, first, deadline=SLOW)


def test_a_server_that_wants_a_client_certificate(
    tandem: Tandem, fabrics: Fabrics, git_server: GitServer, repository: Repository, tmp_path: Path
) -> None:
    first = repository.publish({"cm.yaml": CONFIG})
    authority, other = Authority(tmp_path / "authority"), Authority(tmp_path / "other")
    trust = {"ca.crt": authority.certificate.read_bytes()}
    with TlsFront(server_context(authority, clients=True), git_server.port) as front:
        give_secret(fabrics, {"ca.crt": b"no certificate"})
        fabrics.apply(front.url_of(repository.name), repository=CREDENTIALS)
        wait_said(fabrics, "CertificateInvalid", "ca.crt holds no certificate")
        give_secret(fabrics, trust)
        fabrics.request()
        wait_said(fabrics, "AuthenticationFailed", "wants a client certificate")
        give_secret(fabrics, trust | client_secret(other))
        fabrics.request()
        wait_said(fabrics, "AuthenticationFailed", "does not take this client certificate")
        give_secret(fabrics, trust | client_secret(authority))
        fabrics.wait_synced(revision=first, deadline=SLOW)
        fabrics.kubectl.patch("configmap", "web", {"data": {"color": "green"}})
        fabrics.eventually(lambda: "green" in repository.show("cm.yaml"))
