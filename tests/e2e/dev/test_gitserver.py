"""The local Git server, with the real git client on the other side."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from controller.dev.gitserver import GitServer, Traffic
from tests.support.wait import wait_until
from tests.support.worktree import WorkTree, git

ROOT = Path(__file__).parents[3]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[GitServer]:
    """A server with the empty repository `demo`."""
    with GitServer(tmp_path / "server") as running:
        running.create("demo")
        yield running


@pytest.fixture
def person(tmp_path: Path, server: GitServer) -> WorkTree:
    """A clone of `demo`."""
    return WorkTree(tmp_path / "person", server.url_of("demo"))


def status_of(url: str, **headers: str) -> int:
    """The HTTP status of one GET."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=10) as answer:  # noqa: S310
            return int(answer.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code


def test_a_push_and_a_clone(tmp_path: Path, server: GitServer, person: WorkTree) -> None:
    commit = person.publish({"a/b.yaml": "x: 1\n"})
    assert git("rev-parse", "main", cwd=server.path_of("demo")) == commit
    git("clone", "--quiet", server.url_of("demo"), "copy", cwd=tmp_path)
    assert (tmp_path / "copy" / "a" / "b.yaml").read_text() == "x: 1\n"


def test_a_large_push_arrives_compressed_and_in_chunks(tmp_path: Path, server: GitServer, person: WorkTree) -> None:
    """Git compresses large requests, and sends those beyond its buffer without a length."""
    person("config", "http.postBuffer", "65536")
    commit = person.publish({f"{number}": bytes([number % 256]) * number * 17 for number in range(900)})
    git("clone", "--quiet", server.url_of("demo"), "copy", cwd=tmp_path)
    assert git("rev-parse", "HEAD", cwd=tmp_path / "copy") == commit


def test_a_repository_that_exists_is_kept(server: GitServer, person: WorkTree) -> None:
    commit = person.publish({"a": "1"})
    assert server.create("demo") == server.url_of("demo")
    assert git("rev-parse", "main", cwd=server.path_of("demo")) == commit


def test_another_first_branch(server: GitServer) -> None:
    server.create("old", branch="master")
    assert git("symbolic-ref", "HEAD", cwd=server.path_of("old")) == "refs/heads/master"


def test_nobodys_configuration_counts(
    tmp_path: Path, server: GitServer, person: WorkTree, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".gitconfig").write_text("[receive]\n\tdenyNonFastForwards = true\n[http]\n\treceivepack = false\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    person.publish({"a": "1"})
    person("commit", "--quiet", "--amend", "--message=other")
    person.push("--force")
    assert git("rev-parse", "main", cwd=server.path_of("demo")) == person.head


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/nothing.git/info/refs?service=git-upload-pack", 404),
        ("/", 404),
        ("/demo.git/../../etc/passwd", 500),  # Git refuses to leave the root, without a word on its output
    ],
)
def test_what_is_not_served(server: GitServer, path: str, status: int) -> None:
    assert status_of(server.url + path) == status


def test_the_log_counts_requests_and_bytes_by_path(server: GitServer, person: WorkTree) -> None:
    person.publish({"a": "1"})
    server.log.clear()
    person("ls-remote", "--quiet", "origin")
    person("ls-remote", "--quiet", "origin")
    traffic = server.log.traffic()
    assert traffic["/demo.git/info/refs"].requests == 2
    assert traffic["/demo.git/info/refs"].sent > 0
    assert all(request.status == 200 and request.agent.startswith("git/") for request in server.log.requests)
    total = Traffic(*(sum(column) for column in zip(*traffic.values(), strict=True)))
    assert total.requests == len(server.log.requests)
    assert total.sent == sum(request.sent for request in server.log.requests)


def test_the_log_as_a_file(tmp_path: Path) -> None:
    with GitServer(tmp_path / "server", log_file=tmp_path / "log") as server:
        person = WorkTree(tmp_path / "person", server.create("demo"))
        person.publish({"a": "1"})
        lines = [orjson.loads(line) for line in (tmp_path / "log").read_bytes().splitlines()]
        assert [line["path"] for line in lines] == [request.path for request in server.log.requests]
        assert {line["method"] for line in lines} == {"GET", "POST"}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"Authorization": "Basic YWRhOnB3"}, 200),  # ada:pw
        ({"Authorization": "Basic YWRhOnB4"}, 401),
        ({"Authorization": "Bearer t0ken"}, 200),
        ({"Authorization": "Bearer t0ke"}, 401),
        ({"Authorization": "Basic t0ken"}, 401),
        ({"Authorization": "Bearer "}, 401),
    ],
)
def test_who_may_in(tmp_path: Path, headers: dict[str, str], status: int) -> None:
    with GitServer(
        tmp_path / "server", username="ada", password="pw", token="t0ken", log_file=tmp_path / "l"
    ) as server:
        url = server.create("demo")
        assert status_of(f"{url}/info/refs?service=git-receive-pack", **headers) == status
        logged = (tmp_path / "l").read_text()
        assert not any(secret in logged for secret in ("YWRhOnB3", "t0ken"))
        assert server.log.requests[0].auth == headers.get("Authorization", "").partition(" ")[0].lower()


def test_the_real_git_logs_in(tmp_path: Path) -> None:
    with GitServer(tmp_path / "server", username="ada", password="pw") as server:
        url = server.create("demo")
        person = WorkTree(tmp_path / "person", url.replace("//", "//ada:pw@"))
        commit = person.publish({"a": "1"})
        assert git("rev-parse", "main", cwd=server.path_of("demo")) == commit
        person("remote", "set-url", "origin", url.replace("//", "//ada:no@"))
        with pytest.raises(AssertionError, match="Authentication failed"):
            person("fetch", "origin")


@pytest.mark.parametrize("hook", ["pre-receive", "update"])
def test_pushes_refused_by_a_hook(server: GitServer, person: WorkTree, hook: str) -> None:
    head = person.publish({"a": "1"})
    server.refuse_pushes("demo", "frozen: 'until' $(Monday)\nask ada", hook)
    person.commit({"a": "2"})
    with pytest.raises(AssertionError, match=r"remote: frozen: 'until' \$\(Monday\)\s+remote: ask ada"):
        person.push()
    assert git("rev-parse", "main", cwd=server.path_of("demo")) == head
    server.accept_pushes("demo", hook)
    person.push()
    assert git("rev-parse", "main", cwd=server.path_of("demo")) == person.head


def test_an_answer_by_status(server: GitServer) -> None:
    url = server.url_of("demo") + "/info/refs?service=git-upload-pack"
    with server.failing(status=503):
        assert status_of(url) == 503
    assert status_of(url) == 200


def test_gone(server: GitServer, person: WorkTree) -> None:
    with server.failing(gone=True), pytest.raises(AssertionError, match="unable to access"):
        person("ls-remote", "origin")
    person("ls-remote", "origin")


def test_deaf_does_the_work_and_says_nothing(server: GitServer, person: WorkTree) -> None:
    commit = person.commit({"a": "1"})
    with server.failing(deaf=True), pytest.raises(AssertionError):
        person.push()
    assert git("rev-parse", "main", cwd=server.path_of("demo")) == commit


def test_slow(server: GitServer, person: WorkTree) -> None:
    with server.failing(delay=60.0):
        process = subprocess.Popen(["git", "ls-remote", server.url_of("demo")], stderr=subprocess.DEVNULL)
        wait_until(lambda: server.held == 1)
        process.kill()
        process.wait()
    person("ls-remote", "origin")


def test_held_until_released(server: GitServer, person: WorkTree) -> None:
    person.publish({"a": "1"})
    server.log.clear()
    server.hold()
    thread = threading.Thread(target=person, args=("ls-remote", "origin"))
    thread.start()
    wait_until(lambda: server.held == 1)
    assert server.log.requests == []
    server.release()
    thread.join(10)
    assert server.held == 0
    assert server.log.requests != []


def test_elsewhere(tmp_path: Path, server: GitServer) -> None:
    with GitServer(tmp_path / "other") as other:
        WorkTree(tmp_path / "p", other.create("demo")).publish({"a": "1"})
        with server.failing(redirect=other.url):
            assert "refs/heads/main" in git("ls-remote", server.url_of("demo"), cwd=tmp_path)


def test_a_stop_and_a_start_keep_the_port_and_the_repositories(server: GitServer, person: WorkTree) -> None:
    commit = person.publish({"a": "1"})
    port = server.port
    server.stop()
    server.stop()  # twice is once
    with pytest.raises(AssertionError, match=r"unable to access|Failed to connect"):
        person("ls-remote", "origin")
    server.start()
    assert server.port == port
    assert commit in person("ls-remote", "origin")


def test_a_stop_while_requests_wait(tmp_path: Path) -> None:
    server = GitServer(tmp_path / "server")
    server.start()
    url = server.create("demo")
    server.hold()
    process = subprocess.Popen(["git", "ls-remote", url], stderr=subprocess.DEVNULL)
    wait_until(lambda: server.held == 1)
    server.stop()
    assert process.wait(timeout=10) != 0


def test_a_port_that_is_taken(tmp_path: Path, server: GitServer) -> None:
    with pytest.raises(OSError, match="address already in use"):
        GitServer(tmp_path / "second", server.port).start()


async def test_as_an_asynchronous_context_manager(tmp_path: Path) -> None:
    """Its loop is another one: a blocking git in this one is answered."""
    async with GitServer(tmp_path / "server") as server:
        WorkTree(tmp_path / "person", server.create("demo")).publish({"a": "1"})
    with pytest.raises(urllib.error.URLError):
        status_of(server.url)


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT])
def test_as_a_program(tmp_path: Path, end: signal.Signals) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "controller.dev.gitserver", "--root", str(tmp_path / "made" / "here"),
         "--user", "ada", "--password", "pw", "--create", "demo", "--create", "team/other",
         "--log", str(tmp_path / "l")],
        stdout=subprocess.PIPE, text=True, cwd=ROOT,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        person = WorkTree(tmp_path / "person", f"{url}/team/other.git".replace("//", "//ada:pw@", 1))
        commit = person.publish({"a": "1"})
        assert git("rev-parse", "main", cwd=tmp_path / "made/here/team/other.git") == commit
        assert status_of(f"{url}/demo.git/info/refs?service=git-upload-pack") == 401
        process.send_signal(end)
        assert process.wait(timeout=10) == 0
        assert (tmp_path / "l").read_text().count("\n") > 3
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
