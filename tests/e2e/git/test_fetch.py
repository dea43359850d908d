"""Fetching: what a poll costs, what a moved branch brings, who shares a call, what survives."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from controller.dev.gitserver import GitServer, Traffic
from controller.git.credentials import credentials_from
from controller.git.errors import BranchNotFoundError
from controller.git.mirror import Mirror
from controller.git.mirrors import Mirrors
from controller.git.remote import UrlRules
from tests.support.wait import eventually
from tests.support.worktree import WorkTree, git

REFS = "/demo.git/info/refs"
PACK = "/demo.git/git-upload-pack"


async def test_the_head_is_the_commit_that_was_pushed(mirror: Mirror, person: WorkTree) -> None:
    commit = person.publish({"apps/web.yaml": "a: 1\n"})
    head = await mirror.fetch("main")
    assert head.commit == commit
    assert head.tree == person("rev-parse", "HEAD^{tree}")
    assert head.branch == "main"


async def test_an_idle_poll_is_one_request_and_no_object(mirror: Mirror, person: WorkTree, server: GitServer) -> None:
    person.publish({"web.yaml": "a: 1\n"})
    await mirror.fetch("main")
    server.log.clear()
    for _ in range(3):
        await mirror.fetch("main")
    traffic = server.log.traffic()
    assert set(traffic) == {REFS}
    assert traffic[REFS].requests == 3
    assert traffic[REFS].received == 0
    assert traffic[REFS].sent < 3 * 500  # one line a branch, and the capabilities


async def test_an_idle_poll_does_not_grow_with_the_repository(
    mirror: Mirror, person: WorkTree, server: GitServer
) -> None:
    person.publish({"web.yaml": "a: 1\n"})
    await mirror.fetch("main")
    server.log.clear()
    await mirror.fetch("main")
    small = server.log.traffic()[REFS].sent
    person.publish({f"many/{number}.yaml": f"a: {number}\n" for number in range(300)})
    await mirror.fetch("main")
    server.log.clear()
    await mirror.fetch("main")
    assert server.log.traffic() == {REFS: Traffic(1, 0, small)}


async def test_a_moved_branch_brings_only_what_is_new(mirror: Mirror, person: WorkTree, server: GitServer) -> None:
    person.publish({f"many/{number}.yaml": f"a: {number}\n" * 50 for number in range(200)})
    await mirror.fetch("main")
    everything = server.log.traffic()[PACK].sent
    server.log.clear()
    commit = person.publish({"many/7.yaml": "a: seven\n"})
    assert (await mirror.fetch("main")).commit == commit
    fetched = server.log.traffic()[PACK]
    assert fetched.requests == 1
    assert fetched.sent < everything / 2


async def test_only_the_wanted_branch_is_fetched(mirror: Mirror, person: WorkTree) -> None:
    wanted = person.publish({"web.yaml": "a: 1\n"})
    other = person.commit({"other.yaml": "b: 2\n"})
    person("push", "--quiet", "origin", "HEAD:refs/heads/other", "HEAD:refs/tags/v1")
    await mirror.fetch("main")
    assert mirror.snapshot.has(wanted)
    assert not mirror.snapshot.has(other)
    assert (await mirror.fetch("other")).commit == other


async def test_a_commit_of_another_branch_is_not_fetched_twice(
    mirror: Mirror, person: WorkTree, server: GitServer
) -> None:
    commit = person.publish({"web.yaml": "a: 1\n"})
    await mirror.fetch("main")
    person("push", "--quiet", "origin", "HEAD:refs/heads/release/1.0")
    server.log.clear()
    assert (await mirror.fetch("release/1.0")).commit == commit
    assert PACK not in server.log.traffic()


async def test_callers_who_come_together_share_one_call(mirror: Mirror, person: WorkTree, server: GitServer) -> None:
    commit = person.publish({"web.yaml": "a: 1\n"})
    server.log.clear()
    heads = await asyncio.gather(*(mirror.fetch("main") for _ in range(25)))
    assert {head.commit for head in heads} == {commit}
    assert server.log.traffic()[REFS].requests == 1


async def test_a_caller_who_comes_later_gets_a_look_of_its_own(
    mirror: Mirror, person: WorkTree, server: GitServer
) -> None:
    """The fetch under way may have looked before the commit that the caller was told of."""
    first = person.publish({"web.yaml": "a: 1\n"})
    server.hold()
    early = asyncio.create_task(mirror.fetch("main"))
    await eventually(lambda: server.held == 1)
    late = [asyncio.create_task(mirror.fetch("main")) for _ in range(10)]
    await asyncio.sleep(0)
    server.release()
    assert (await early).commit == first
    assert {head.commit for head in await asyncio.gather(*late)} == {first}
    assert server.log.traffic()[REFS].requests == 2 + person_requests(server)


def person_requests(server: GitServer) -> int:
    """Requests of the real git client to the list of branches: its push."""
    return sum(1 for request in server.log.requests if request.path == REFS and "libgit2" not in request.agent)


async def test_a_caller_who_leaves_does_not_take_the_others_along(
    mirror: Mirror, person: WorkTree, server: GitServer
) -> None:
    commit = person.publish({"web.yaml": "a: 1\n"})
    server.hold()
    leaving, staying = (asyncio.create_task(mirror.fetch("main")) for _ in range(2))
    await eventually(lambda: server.held == 1)
    leaving.cancel()
    server.release()
    assert (await staying).commit == commit
    with pytest.raises(asyncio.CancelledError):
        await leaving


async def test_a_forced_push_is_followed_and_the_old_commit_stays_readable(mirror: Mirror, person: WorkTree) -> None:
    start = person.publish({"web.yaml": "a: 1\n"})
    old = person.publish({"web.yaml": "a: 2\n"})
    await mirror.fetch("main")
    person("reset", "--quiet", "--hard", start)
    new = person.commit({"web.yaml": "a: 3\n"})
    person.push("--force")
    assert (await mirror.fetch("main")).commit == new
    assert not mirror.snapshot.is_ancestor(old, new)
    assert mirror.snapshot.is_ancestor(start, new)
    assert mirror.snapshot.merge_base(old, new) == start
    assert mirror.snapshot.tree_of(old) is not None


async def test_history_that_was_replaced_has_no_common_ancestor(mirror: Mirror, person: WorkTree) -> None:
    old = person.publish({"web.yaml": "a: 1\n"})
    await mirror.fetch("main")
    person("checkout", "--quiet", "--orphan", "fresh")
    new = person.commit({"web.yaml": "a: 1\n"}, "start again")
    person.push("--force")
    assert (await mirror.fetch("main")).commit == new
    assert mirror.snapshot.merge_base(old, new) is None
    assert not mirror.snapshot.is_ancestor(old, new)


async def test_a_branch_below_a_deleted_branch(mirror: Mirror, person: WorkTree) -> None:
    """Git cannot hold `release` and `release/1` at once; the mirror still remembers the first."""
    person.publish({"web.yaml": "a: 1\n"})
    person("push", "--quiet", "origin", "HEAD:refs/heads/release")
    await mirror.fetch("release")
    person("push", "--quiet", "origin", ":refs/heads/release")
    commit = person.commit({"web.yaml": "a: 2\n"})
    person("push", "--quiet", "origin", "HEAD:refs/heads/release/1")
    assert (await mirror.fetch("release/1")).commit == commit
    with pytest.raises(BranchNotFoundError):
        await mirror.fetch("release")


async def test_basic_credentials(tmp_path: Path, mirrors: Mirrors) -> None:
    with GitServer(tmp_path / "private", username="ada", password="löwe:1") as server:
        url = server.create("demo")
        person = WorkTree(tmp_path / "person", url.replace("//", "//ada:l%C3%B6we%3A1@"))
        commit = person.publish({"web.yaml": "a: 1\n"})
        server.log.clear()
        secret = {"username": b"ada", "password": "löwe:1\n".encode()}
        mirror = mirrors.get(url, credentials_from(secret, "Secret default/git"))
        assert (await mirror.fetch("main")).commit == commit
        assert [(request.path, request.status, request.auth) for request in server.log.requests] == [
            (REFS, 200, "basic"),  # no round without credentials first
            (PACK, 200, "basic"),
        ]


async def test_a_bearer_token(tmp_path: Path, mirrors: Mirrors) -> None:
    with GitServer(tmp_path / "private", token="t0ken") as server:
        url = server.create("demo")
        person = WorkTree(tmp_path / "person", url)
        person("config", "http.extraHeader", "Authorization: Bearer t0ken")
        commit = person.publish({"web.yaml": "a: 1\n"})
        mirror = mirrors.get(url, credentials_from({"bearerToken": b"t0ken\n"}, "Secret default/git"))
        assert (await mirror.fetch("main")).commit == commit


async def test_a_credential_sees_only_its_own_mirror(mirrors: Mirrors, server: GitServer) -> None:
    url = server.url_of("demo")
    one = mirrors.get(url, credentials_from({"bearerToken": b"one"}, "a"))
    other = mirrors.get(url, credentials_from({"bearerToken": b"other"}, "b"))
    assert len({mirrors.get(url).path, one.path, other.path}) == 3
    assert mirrors.get(url, credentials_from({"bearerToken": b"one"}, "c")) is one


async def test_two_spellings_share_a_folder_and_keep_their_names(
    mirrors: Mirrors, server: GitServer, person: WorkTree
) -> None:
    commit = person.publish({"web.yaml": "a: 1\n"})
    plain, slash = mirrors.get(server.url_of("demo")), mirrors.get(server.url_of("demo") + "/")
    assert plain is not slash
    assert plain.path == slash.path
    heads = await asyncio.gather(plain.fetch("main"), slash.fetch("main"))
    assert {head.commit for head in heads} == {commit}
    assert server.log.traffic()[PACK].requests == 1


async def test_a_mirror_is_kept_over_a_restart(tmp_path: Path, server: GitServer, person: WorkTree) -> None:
    commit = person.publish({"web.yaml": "a: 1\n"})
    folder, rules = tmp_path / "mirrors", UrlRules(allow_insecure=True)
    await Mirrors(folder, rules, 20).get(server.url_of("demo")).fetch("main")
    server.log.clear()
    again = Mirrors(folder, rules, 20).get(server.url_of("demo"))
    assert (await again.fetch("main")).commit == commit
    assert set(server.log.traffic()) == {REFS}


async def test_a_forgotten_mirror_is_gone_from_the_disk(mirrors: Mirrors, mirror: Mirror, person: WorkTree) -> None:
    person.publish({"web.yaml": "a: 1\n"})
    await mirror.fetch("main")
    assert mirror.path.is_dir()
    mirrors.forget(mirror)
    await eventually(lambda: not mirror.path.exists())
    assert mirrors.get(mirror.url) is not mirror


async def test_nobody_else_on_this_machine_may_read_the_mirrors(mirror: Mirror, person: WorkTree) -> None:
    person.publish({"web.yaml": "a: 1\n"})
    await mirror.fetch("main")
    assert mirror.path.parent.stat().st_mode & 0o077 == 0


async def test_the_real_git_reads_a_mirror(mirror: Mirror, person: WorkTree) -> None:
    commit = person.publish({"web.yaml": "a: 1\n"})
    await mirror.fetch("main")
    assert git("rev-parse", "refs/heads/main", cwd=mirror.path) == commit
    assert git("fsck", "--full", "--strict", cwd=mirror.path) == ""


async def test_a_look_at_the_branch_brings_nothing(mirror: Mirror, person: WorkTree, server: GitServer) -> None:
    commit = person.publish({"web.yaml": "a: 1\n"})
    server.log.clear()
    assert await mirror.find("main") == commit
    assert set(server.log.traffic()) == {REFS}
    with pytest.raises(BranchNotFoundError, match="main"):
        await mirror.find("other")
