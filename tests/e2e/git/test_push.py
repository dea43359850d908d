"""Pushing: accepted, overtaken, refused; what the server said; what a crash leaves."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from controller.dev.gitserver import GitServer
from controller.git.credentials import Credentials, credentials_from
from controller.git.errors import MirrorDamagedError, UnreachableError
from controller.git.mirror import Mirror
from controller.git.mirrors import Mirrors
from controller.git.push import LONGEST_MESSAGE, LeaseLost, Pushed, Refused
from controller.git.remote import UrlRules
from tests.support.stamps import stamp
from tests.support.worktree import WorkTree, git


async def built(mirror: Mirror, parent: str | None, content: str = "a: 2\n") -> str:
    """A commit that changes web.yaml on top of `parent`."""
    return await mirror.build_commit(parent, "", {"web.yaml": content.encode()}, "Write back\n", stamp())


def tip(server: GitServer, branch: str = "main") -> str:
    """Where the server's branch really is."""
    return git("rev-parse", f"refs/heads/{branch}", cwd=server.path_of("demo"))


async def test_a_push_moves_the_branch(mirror: Mirror, person: WorkTree, server: GitServer) -> None:
    head = person.publish({"web.yaml": "a: 1\n", "other.yaml": "b: 1\n"})
    await mirror.fetch("main")
    commit = await built(mirror, head)
    server.log.clear()
    assert await mirror.push(commit, "main", head) == Pushed(commit)
    assert tip(server) == commit
    assert [request.path for request in server.log.requests] == ["/demo.git/info/refs", "/demo.git/git-receive-pack"]
    person.pull()
    assert (person.folder / "web.yaml").read_text() == "a: 2\n"
    assert person("log", "--format=%an <%ae>|%cn <%ce>|%at", "-1") == (
        "Grace <grace@example.com>|Tandem <tandem@localhost>|1700000000"
    )
    assert git("fsck", "--full", "--strict", cwd=server.path_of("demo")) == ""


async def test_the_poll_after_a_push_costs_one_request(mirror: Mirror, person: WorkTree, server: GitServer) -> None:
    head = person.publish({"web.yaml": "a: 1\n"})
    await mirror.fetch("main")
    commit = await built(mirror, head)
    await mirror.push(commit, "main", head)
    server.log.clear()
    assert (await mirror.fetch("main")).commit == commit
    assert [request.path for request in server.log.requests] == ["/demo.git/info/refs"]


async def test_a_push_that_was_overtaken(mirror: Mirror, person: WorkTree, server: GitServer) -> None:
    head = person.publish({"web.yaml": "a: 1\n"})
    await mirror.fetch("main")
    commit = await built(mirror, head)
    theirs = person.publish({"other.yaml": "b: 1\n"})
    server.log.clear()
    assert await mirror.push(commit, "main", head) == LeaseLost(theirs)
    assert tip(server) == theirs
    assert [request.method for request in server.log.requests] == ["GET"]  # nothing was sent


async def test_overtaken_between_the_look_and_the_push(mirror: Mirror, person: WorkTree, server: GitServer) -> None:
    """The server compares the old id again, under its own lock: its hook runs while the branch moves."""
    head = person.publish({"web.yaml": "a: 1\n"})
    await mirror.fetch("main")
    commit = await built(mirror, head)
    theirs = person.commit({"other.yaml": "b: 1\n"})
    person("push", "--quiet", "origin", "HEAD:refs/heads/waiting")
    hook = server.path_of("demo") / "hooks" / "pre-receive"
    hook.write_text(
        "#!/bin/sh\nenv -u GIT_QUARANTINE_PATH -u GIT_OBJECT_DIRECTORY -u GIT_ALTERNATE_OBJECT_DIRECTORIES "
        f"git update-ref refs/heads/main {theirs}\n"
    )
    hook.chmod(0o755)
    assert await mirror.push(commit, "main", head) == LeaseLost(theirs)
    assert tip(server) == theirs


async def test_a_race_with_the_real_git_loses_nothing(mirror: Mirror, person: WorkTree, server: GitServer) -> None:
    """Both sides push again and again; every commit that was accepted is in the history at the end."""
    accepted = [person.publish({"web.yaml": "a: 0\n"})]
    for number in range(6):
        head = (await mirror.fetch("main")).commit
        commit = await built(mirror, head, f"a: mine {number}\n")
        person.pull()
        person.commit({f"person-{number}.yaml": "b: 1\n"})
        theirs = subprocess.Popen(["git", "push", "--quiet", "origin", "HEAD:main"], cwd=person.folder, stderr=-3)
        outcome = await mirror.push(commit, "main", head)
        won = theirs.wait(timeout=30) == 0
        assert isinstance(outcome, Pushed) is not won
        accepted.append(person.head if won else commit)
        if won:
            assert isinstance(outcome, LeaseLost)
    history = git("rev-list", "main", cwd=server.path_of("demo")).split()
    assert set(accepted) <= set(history)


async def test_a_branch_that_was_deleted_meanwhile(mirror: Mirror, person: WorkTree) -> None:
    head = person.publish({"web.yaml": "a: 1\n"})
    person("push", "--quiet", "origin", "HEAD:refs/heads/side")
    await mirror.fetch("side")
    person("push", "--quiet", "origin", ":refs/heads/side")
    assert await mirror.push(await built(mirror, head), "side", head) == LeaseLost(None)


async def test_a_branch_that_appeared_meanwhile(mirror: Mirror, person: WorkTree) -> None:
    commit = await built(mirror, None)
    theirs = person.publish({"web.yaml": "a: 1\n"})
    assert await mirror.push(commit, "main", None) == LeaseLost(theirs)


async def test_the_first_commit_of_an_empty_repository(mirror: Mirror, person: WorkTree, server: GitServer) -> None:
    commit = await mirror.build_commit(None, "apps", {"apps/web.yaml": b"a: 1\n"}, "Write back\n", stamp())
    assert await mirror.push(commit, "main", None) == Pushed(commit)
    assert tip(server) == commit
    person.pull()
    assert person("ls-files") == "apps/web.yaml"
    assert (await mirror.fetch("main")).commit == commit


async def test_the_first_commit_of_a_missing_branch(mirror: Mirror, person: WorkTree, server: GitServer) -> None:
    person.publish({"web.yaml": "a: 1\n"})
    commit = await built(mirror, None)
    assert await mirror.push(commit, "live/prod", None) == Pushed(commit)
    assert tip(server, "live/prod") == commit


@pytest.mark.parametrize("branch", ["", "a b", "a..b", "a~1", "/a", "a.lock", "a\n"])
async def test_a_name_that_no_branch_can_have(mirror: Mirror, server: GitServer, branch: str) -> None:
    commit = await built(mirror, None)
    outcome = await mirror.push(commit, branch, None)
    assert isinstance(outcome, Refused)
    assert "not a name that a branch can have" in outcome.message
    assert server.log.requests == []
    assert mirror.snapshot.has(commit)


async def test_pushing_what_is_there_already_is_no_error(mirror: Mirror, person: WorkTree) -> None:
    """A process that died after the push, and does it again."""
    head = person.publish({"web.yaml": "a: 1\n"})
    await mirror.fetch("main")
    commit = await built(mirror, head)
    assert await built(mirror, head) == commit  # the same arguments, the same commit
    await mirror.push(commit, "main", head)
    assert await mirror.push(commit, "main", head) == Pushed(commit)


async def test_a_commit_that_is_not_built_on_what_it_replaces_is_never_sent(
    mirror: Mirror, person: WorkTree, server: GitServer
) -> None:
    start = person.publish({"web.yaml": "a: 1\n"})
    head = person.publish({"web.yaml": "a: 3\n"})
    await mirror.fetch("main")
    commit = await built(mirror, start)
    server.log.clear()
    with pytest.raises(AssertionError, match="not built on"):
        await mirror.push(commit, "main", head)
    assert server.log.requests == []


REFUSALS = {
    "one line": ("main is protected", "main is protected; pre-receive hook declined"),
    "several lines": ("Sorry.\n\n  Ask ops@example.com", "Sorry.; Ask ops@example.com; pre-receive hook declined"),
    "colours and bells": ("\x1b[1;31mNo\x1b[0m\a way", "No way; pre-receive hook declined"),
    "umlauts": ("Zugriff für Fremde gesperrt – ✗", "Zugriff für Fremde gesperrt – ✗; pre-receive hook declined"),
    "silence": ("", "pre-receive hook declined"),
}


@pytest.mark.parametrize(("said", "message"), REFUSALS.values(), ids=REFUSALS)
async def test_a_hook_that_declines(
    mirror: Mirror, person: WorkTree, server: GitServer, said: str, message: str
) -> None:
    head = person.publish({"web.yaml": "a: 1\n"})
    await mirror.fetch("main")
    server.refuse_pushes("demo", said)
    commit = await built(mirror, head)
    assert await mirror.push(commit, "main", head) == Refused(message)
    assert tip(server) == head
    server.accept_pushes("demo")
    assert await mirror.push(commit, "main", head) == Pushed(commit)


async def test_a_branch_that_is_protected(mirror: Mirror, person: WorkTree, server: GitServer) -> None:
    head = person.publish({"web.yaml": "a: 1\n"})
    await mirror.fetch("main")
    server.refuse_pushes("demo", "changes to main go through a review", hook="update")
    outcome = await mirror.push(await built(mirror, head), "main", head)
    assert isinstance(outcome, Refused)
    assert outcome.message.startswith("changes to main go through a review; ")
    assert outcome.message.endswith("; hook declined")


async def test_an_endless_refusal_is_cut(mirror: Mirror, person: WorkTree, server: GitServer) -> None:
    head = person.publish({"web.yaml": "a: 1\n"})
    await mirror.fetch("main")
    server.refuse_pushes("demo", "no! " * 5_000)
    outcome = await mirror.push(await built(mirror, head), "main", head)
    assert isinstance(outcome, Refused)
    assert len(outcome.message) == LONGEST_MESSAGE
    assert outcome.message.endswith("…")


async def test_a_refusal_that_is_not_utf_8(mirror: Mirror, person: WorkTree, server: GitServer) -> None:
    """pygit2 cannot decode it; what counts is whether the branch moved."""
    head = person.publish({"web.yaml": "a: 1\n"})
    await mirror.fetch("main")
    server.refuse_pushes("demo", "x")
    (server.path_of("demo") / "hooks" / "refusal").write_bytes(b"gesperrt f\xfcr alle\n")
    commit = await built(mirror, head)
    assert await mirror.push(commit, "main", head) == Refused("the server's message is not UTF-8")
    hook = server.path_of("demo") / "hooks" / "pre-receive"
    hook.write_text("#!/bin/sh\ncat >/dev/null\ncat hooks/refusal >&2\n")  # says the same, and accepts
    assert await mirror.push(commit, "main", head) == Pushed(commit)
    assert tip(server) == commit


async def test_a_server_that_repeats_the_password(tmp_path: Path, mirrors: Mirrors) -> None:
    with GitServer(tmp_path / "private", username="ada", password="correct-horse") as server:
        url = server.create("demo")
        head = WorkTree(tmp_path / "p", url.replace("//", "//ada:correct-horse@")).publish({"web.yaml": "a: 1\n"})
        secret = {"username": b"ada", "password": b"correct-horse"}
        mirror = mirrors.get(url, credentials_from(secret, "Secret default/git"))
        await mirror.fetch("main")
        server.refuse_pushes("demo", "ada:correct-horse may not push")
        outcome = await mirror.push(await built(mirror, head), "main", head)
        assert outcome == Refused("ada:*** may not push; pre-receive hook declined")


@pytest.mark.parametrize("status", [401, 403])
async def test_credentials_that_may_read_only(
    mirrors: Mirrors, person: WorkTree, server: GitServer, status: int
) -> None:
    mirror = mirrors.get(server.url_of("demo"), Credentials("Bearer read-only", ("read-only",)))
    head = person.publish({"web.yaml": "a: 1\n"})
    await mirror.fetch("main")
    commit = await built(mirror, head)
    with server.failing(status=status):
        outcome = await mirror.push(commit, "main", head)
    assert isinstance(outcome, Refused)
    assert outcome.message.startswith("the credentials may not push")
    assert f"HTTP {status}" in outcome.message


@pytest.mark.parametrize("faults", [{"gone": True}, {"status": 502}], ids=["cut off", "HTTP 502"])
async def test_a_server_in_trouble(
    mirror: Mirror, person: WorkTree, server: GitServer, faults: dict[str, object]
) -> None:
    head = person.publish({"web.yaml": "a: 1\n"})
    await mirror.fetch("main")
    commit = await built(mirror, head)
    with server.failing(**faults), pytest.raises(UnreachableError):
        await mirror.push(commit, "main", head)
    assert tip(server) == head
    assert await mirror.push(commit, "main", head) == Pushed(commit)


async def test_an_answer_that_is_lost_after_the_branch_moved(
    mirror: Mirror, person: WorkTree, server: GitServer
) -> None:
    """Nobody can tell from here; the next fetch does."""
    head = person.publish({"web.yaml": "a: 1\n"})
    await mirror.fetch("main")
    commit = await built(mirror, head)
    with server.failing(deaf=True), pytest.raises(UnreachableError):
        await mirror.push(commit, "main", head)
    assert tip(server) == commit
    assert (await mirror.fetch("main")).commit == commit
    assert await mirror.push(commit, "main", head) == Pushed(commit)


async def test_a_push_after_the_copy_was_made_anew_says_so(mirror: Mirror, person: WorkTree) -> None:
    head = person.publish({"web.yaml": "a: 1\n"})
    await mirror.fetch("main")
    commit = await built(mirror, head)
    subprocess.run(["rm", "-rf", str(mirror.path)], check=True)
    with pytest.raises(MirrorDamagedError, match="build it again"):
        await mirror.push(commit, "main", head)
    await mirror.fetch("main")
    again = await built(mirror, head)
    assert again == commit
    assert await mirror.push(again, "main", head) == Pushed(commit)


KILLED = """
import asyncio, os, sys
from pathlib import Path
from controller.git.mirrors import Mirrors
from controller.git.remote import UrlRules
from tests.support.stamps import stamp

async def main(url, folder, head, die):
    mirror = Mirrors(Path(folder), UrlRules(allow_insecure=True), 20).get(url)
    await mirror.fetch("main")
    commit = await mirror.build_commit(head, "", {"web.yaml": b"a: 2\\n"}, "Write back\\n", stamp())
    print(commit, flush=True)
    if die == "before":
        os.kill(os.getpid(), 9)
    await mirror.push(commit, "main", head)
    os.kill(os.getpid(), 9)

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.mark.parametrize("die", ["before", "after"])
async def test_a_process_that_is_killed_around_the_push(
    tmp_path: Path, person: WorkTree, server: GitServer, die: str
) -> None:
    head = person.publish({"web.yaml": "a: 1\n"})
    folder = tmp_path / "mirrors"
    done = subprocess.run(
        [sys.executable, "-c", KILLED, server.url_of("demo"), str(folder), head, die],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
        cwd=Path(__file__).parents[3],
    )
    assert done.returncode == -9
    mirror = Mirrors(folder, UrlRules(allow_insecure=True), 20).get(server.url_of("demo"))
    fetched = await mirror.fetch("main")
    commit = await built(mirror, head)
    assert commit == done.stdout.strip()
    assert fetched.commit == (head if die == "before" else commit)
    assert await mirror.push(commit, "main", head) == Pushed(commit)
    assert git("rev-list", "--count", "main", cwd=server.path_of("demo")) == "2"
