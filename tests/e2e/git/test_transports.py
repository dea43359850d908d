"""One contract for both transports: each case runs over libgit2 and over the git program, by http, https and ssh."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from controller.dev.certificates import Authority
from controller.dev.gitserver import GitServer
from controller.errors import Reason
from controller.git.credentials import Credentials, credentials_from
from controller.git.errors import (
    AuthenticationFailedError,
    BranchNotFoundError,
    EmptyRepositoryError,
    RepositoryNotFoundError,
    RepositoryTooLargeError,
    UnreachableError,
)
from controller.git.home import home_of
from controller.git.libgit2 import Libgit2
from controller.git.mirror import MakeTransport, Mirror
from controller.git.mirrors import Mirrors
from controller.git.program import Program
from controller.git.push import LONGEST_MESSAGE, LeaseLost, Pushed, Refused
from controller.git.remote import UrlRules
from controller.git.transports import transport_of
from tests.support.ssh import SshGitServer, new_key
from tests.support.stamps import stamp
from tests.support.tls import server_context
from tests.support.wait import eventually
from tests.support.worktree import WorkTree, git

USER, PASSWORD = "ada", "correct-horse"
BASIC = {"username": USER.encode(), "password": PASSWORD.encode()}
WAYS = ["libgit2 over http", "git over http", "git over https", "git over ssh"]


@dataclass
class Way:
    """One way to the repositories of one root. `server` is what it leads to, and can be stopped and started."""

    server: GitServer | SshGitServer
    home: GitServer  # open to everybody, on the same root: what a person pushes to, and whose hooks are the root's
    credentials: Credentials
    wrong: Credentials
    make_transport: MakeTransport
    folder: Path
    made: list[Mirrors] = field(default_factory=list)

    def mirrors(self, timeout: float = 20.0) -> Mirrors:
        rules = UrlRules(allow_insecure=True)
        self.made.append(Mirrors(self.folder, rules, timeout, make_transport=self.make_transport))
        return self.made[-1]

    def mirror(self, name: str = "demo", credentials: Credentials | None = None, timeout: float = 20.0) -> Mirror:
        return self.mirrors(timeout).get(self.server.url_of(name), credentials or self.credentials)


def over_ssh(stack: ExitStack, home: GitServer, folder: Path) -> tuple[SshGitServer, Credentials, Credentials]:
    server = SshGitServer(home.root, folder / "sshd")
    key = new_key()
    server.authorize(key)
    stack.enter_context(server)
    right, wrong = (
        credentials_from({"identity": k.private.encode(), "known_hosts": server.known_hosts.encode()}, "s", ssh=True)
        for k in (key, new_key())
    )
    return server, right, wrong


def over_http(
    stack: ExitStack, home: GitServer, folder: Path, *, tls: bool = False
) -> tuple[GitServer, Credentials, Credentials]:
    authority = Authority(folder / "authority")
    context = server_context(authority) if tls else None
    server = stack.enter_context(GitServer(home.root, username=USER, password=PASSWORD, tls=context))
    trusted = {"ca.crt": authority.certificate.read_bytes()} if tls else {}
    right, wrong = (
        credentials_from(trusted | BASIC | {"password": password}, "Secret default/git")
        for password in (PASSWORD.encode(), b"wrong-battery")
    )
    return server, right, wrong


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Way]:
    """Each way in turn, to the empty repository `demo`."""
    name: str = request.param
    with ExitStack() as stack:
        home = stack.enter_context(GitServer(tmp_path / "root"))
        home.create("demo")
        server: GitServer | SshGitServer
        if name == "git over ssh":
            server, right, wrong = over_ssh(stack, home, tmp_path)
        else:
            server, right, wrong = over_http(stack, home, tmp_path, tls=name == "git over https")
        forced: dict[str, Callable[..., Libgit2 | Program]] = {"libgit2 over http": Libgit2, "git over http": Program}
        way = Way(server, home, right, wrong, forced.get(name, transport_of), tmp_path / "mirrors")
        yield way
        for mirrors in way.made:
            mirrors.close()
        Mirrors(tmp_path / "mirrors", UrlRules(), 20)  # libgit2 keeps its time-out per process


@pytest.fixture
def person(tmp_path: Path, way: Way) -> WorkTree:
    """Somebody's clone of `demo`, with nothing pushed yet."""
    return WorkTree(tmp_path / "person", way.home.url_of("demo"))


@pytest.fixture
def mirror(way: Way) -> Mirror:
    """The mirror of `demo`."""
    return way.mirror()


async def built(mirror: Mirror, parent: str | None, content: str = "a: 2\n") -> str:
    return await mirror.build_commit(parent, "", {"web.yaml": content.encode()}, "Write back\n", stamp())


def tip(way: Way, branch: str = "main") -> str:
    return git("rev-parse", "--verify", "--quiet", f"refs/heads/{branch}", cwd=way.home.path_of("demo"), check=False)


# ---- fetching ----


async def test_what_was_pushed_is_fetched_whole(way: Way, mirror: Mirror, person: WorkTree) -> None:
    first = person.publish({"apps/web.yaml": "a: 1\n", "löwe.yaml": "b: 1\n"})
    head = await mirror.fetch("main")
    assert (head.branch, head.commit, head.tree) == ("main", first, person("rev-parse", "HEAD^{tree}"))
    assert await mirror.fetch("main") == head
    second = person.publish({"apps/web.yaml": "a: 2\n"})
    assert (await mirror.fetch("main")).commit == second
    assert mirror.snapshot.is_ancestor(first, second)
    assert git("fsck", "--full", "--strict", cwd=mirror.path) == ""
    assert [path.name for path in mirror.path.parent.iterdir() if path.suffix in {".home", ".aside", ".new"}] == []


async def test_tags_come_when_they_are_wanted_and_as_they_are_now(mirror: Mirror, person: WorkTree) -> None:
    first = person.publish({"web.yaml": "a: 1\n"})
    person("tag", "--annotate", "--message", "one", "v1")
    person("tag", "plain")
    person("push", "--quiet", "origin", "refs/tags/v1", "refs/tags/plain")
    assert (await mirror.fetch("main")).tags == {}
    annotated = person("rev-parse", "refs/tags/v1")
    head = await mirror.fetch("main", tags=True)
    assert head.tags == {"v1": annotated, "plain": first}
    tag = mirror.snapshot.tag(annotated)
    assert tag is not None and (tag.name, tag.commit) == ("v1", first)
    assert mirror.snapshot.tag(first) is None
    person("tag", "--force", "--annotate", "--message", "another", "v1")
    person("push", "--quiet", "--force", "origin", "refs/tags/v1", ":refs/tags/plain")
    assert (await mirror.fetch("main", tags=True)).tags == {"v1": person("rev-parse", "refs/tags/v1")}


async def test_only_the_wanted_branch_is_fetched(mirror: Mirror, person: WorkTree) -> None:
    wanted = person.publish({"web.yaml": "a: 1\n"})
    other = person.commit({"other.yaml": "b: 2\n"})
    person("push", "--quiet", "origin", "HEAD:refs/heads/release/1.0", "HEAD:refs/tags/v1")
    await mirror.fetch("main")
    assert mirror.snapshot.has(wanted)
    assert not mirror.snapshot.has(other)
    assert await mirror.find("release/1.0") == other
    assert not mirror.snapshot.has(other), "a look brings nothing"
    assert (await mirror.fetch("release/1.0")).commit == other
    person("push", "--quiet", "origin", ":refs/heads/release/1.0")
    deeper = person.commit({"other.yaml": "b: 3\n"})
    person("push", "--quiet", "origin", "HEAD:refs/heads/release/1.0/hot")
    assert (await mirror.fetch("release/1.0/hot")).commit == deeper


async def test_a_branch_is_removed_only_where_it_was_seen(way: Way, mirror: Mirror, person: WorkTree) -> None:
    first = person.publish({"web.yaml": "a: 1\n"})
    person("push", "--quiet", "origin", "HEAD:refs/heads/tandem/demo")
    seen = (await mirror.fetch("tandem/demo")).commit
    moved = person.commit({"web.yaml": "a: 2\n"})
    person("push", "--quiet", "origin", "HEAD:refs/heads/tandem/demo")
    assert await mirror.delete("tandem/demo", seen) == LeaseLost(moved)
    assert tip(way, "tandem/demo") == moved
    assert isinstance(await mirror.delete("tandem/demo", moved), Pushed)
    assert tip(way, "tandem/demo") == ""
    assert tip(way) == first
    with pytest.raises(BranchNotFoundError):
        await mirror.fetch("tandem/demo")
    assert isinstance(await mirror.delete("tandem/demo", moved), Pushed), "it is gone already"


async def test_a_rewritten_branch_is_followed(mirror: Mirror, person: WorkTree) -> None:
    person.publish({"web.yaml": "a: 1\n"})
    old = person.publish({"web.yaml": "a: 2\n"})
    await mirror.fetch("main")
    person("checkout", "--quiet", "--orphan", "fresh")
    new = person.commit({"web.yaml": "a: 1\n"}, "start again")
    person.push("--force")
    assert (await mirror.fetch("main")).commit == new
    assert mirror.snapshot.merge_base(old, new) is None
    assert mirror.snapshot.has(old)


async def test_small_packs_are_merged_whoever_brought_them(
    mirror: Mirror, person: WorkTree, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("controller.git.mirror.MOST_PACKS", 2)
    commits = []
    for number in range(4):
        commits.append(person.publish({"web.yaml": f"a: {number}\n"}))
        await mirror.fetch("main")
    assert len(list((mirror.path / "objects" / "pack").iterdir())) <= 4, "no pack but with its index, and few of them"
    assert all(mirror.snapshot.has(commit) for commit in commits)


async def test_what_is_missing_is_named_and_found_once_it_is_there(way: Way, person: WorkTree) -> None:
    mirror = way.mirror()
    with pytest.raises(EmptyRepositoryError, match="push one to branch 'main'"):
        await mirror.fetch("main")
    person.commit({"web.yaml": "a: 1\n"})
    person("push", "--quiet", "origin", *(f"HEAD:refs/heads/b{number}" for number in range(7)))
    with pytest.raises(BranchNotFoundError, match=r"b0, b1, b2, b3, b4, …$"):
        await mirror.fetch("main")
    person.push()
    assert (await mirror.fetch("main")).commit == person.head
    away = way.mirror("nothing")
    with pytest.raises(RepositoryNotFoundError, match=r"spec\.repository\.url"):
        await away.fetch("main")
    way.home.path_of("demo").rename(way.home.path_of("nothing"))
    assert (await away.fetch("main")).commit == person.head


async def test_a_copy_that_lost_its_objects_is_made_anew(mirror: Mirror, person: WorkTree) -> None:
    first = person.publish({"web.yaml": "a: 1\n"})
    await mirror.fetch("main")
    for pack in (mirror.path / "objects" / "pack").iterdir():
        pack.unlink()
    mirror.close()
    second = person.publish({"web.yaml": "a: 2\n"})
    assert (await mirror.fetch("main")).commit == second
    assert mirror.snapshot.is_ancestor(first, second)


async def test_more_than_the_bound_is_not_fetched(mirror: Mirror, person: WorkTree) -> None:
    noise = bytes(subprocess.run(["openssl", "rand", "200000"], capture_output=True, check=True).stdout)
    small = person.publish({"web.yaml": "a: 1\n"})
    await mirror.fetch("main", 100_000)
    person.publish({"large.bin": noise})
    for _ in range(2):  # the second time it is known without a fetch
        with pytest.raises(
            RepositoryTooLargeError, match=r"larger than the 100000 bytes.*spec\.repository\.maxBytes"
        ) as caught:
            await mirror.fetch("main", 100_000)
        assert caught.value.reason is Reason.REPOSITORY_TOO_LARGE
    kept = sum(path.stat().st_size for path in mirror.path.parent.rglob("*") if path.is_file())
    assert kept < 100_000, "nothing of it stays"
    assert mirror.snapshot.has(small), "what was there is there"
    assert (await mirror.fetch("main", 1_000_000)).commit == person.head, "others may take more"
    with pytest.raises(RepositoryTooLargeError):
        await mirror.fetch("main", 100_000)
    person("reset", "--quiet", "--hard", small)
    last = person.commit({"web.yaml": "a: 2\n"})
    person.push("--force")
    assert (await mirror.fetch("main", 100_000)).commit == last, "history that was rewritten does not count for ever"


# ---- pushing ----


async def test_pushes_that_move_a_branch(way: Way, mirror: Mirror, person: WorkTree) -> None:
    with pytest.raises(EmptyRepositoryError):
        await mirror.fetch("main")
    first = await built(mirror, None, "a: 1\n")
    assert await mirror.push(first, "main", None) == Pushed(first)
    second = await built(mirror, first)
    assert await mirror.push(second, "main", first) == Pushed(second)
    assert tip(way) == second
    assert await mirror.push(second, "main", first) == Pushed(second), "it is there already"
    assert await mirror.push(second, "other/new", None) == Pushed(second)
    assert tip(way, "other/new") == second
    assert git("fsck", "--full", "--strict", cwd=way.home.path_of("demo")) == ""


async def test_a_push_that_comes_too_late_moves_nothing(way: Way, mirror: Mirror, person: WorkTree) -> None:
    base = person.publish({"web.yaml": "a: 1\n"})
    await mirror.fetch("main")
    ours = await built(mirror, base)
    theirs = person.publish({"other.yaml": "b: 1\n"})
    assert await mirror.push(ours, "main", base) == LeaseLost(theirs)
    assert await mirror.push(ours, "main", None) == LeaseLost(theirs), "it was not expected to be there"
    person("reset", "--quiet", "--hard", base)
    person("push", "--quiet", "origin", ":refs/heads/main", check=False)
    git("update-ref", "-d", "refs/heads/main", cwd=way.home.path_of("demo"))
    assert await mirror.push(ours, "main", base) == LeaseLost(None), "it was expected to be there"
    assert tip(way) == ""


async def test_a_push_that_the_server_refuses(way: Way, mirror: Mirror, person: WorkTree) -> None:
    head = person.publish({"web.yaml": "a: 1\n"})
    await mirror.fetch("main")
    commit = await built(mirror, head)
    for hook in ("pre-receive", "update"):
        way.home.refuse_pushes("demo", "no \x1b[31mcommits\x1b[0m on Fridays\n" + "x" * 2000, hook)
        outcome = await mirror.push(commit, "main", head)
        assert isinstance(outcome, Refused)
        assert outcome.message.startswith("no commits on Fridays; xxx")
        assert len(outcome.message) <= LONGEST_MESSAGE
        assert tip(way) == head
        way.home.accept_pushes("demo", hook)
    assert await mirror.push(commit, "main", head) == Pushed(commit)


# ---- who may, and who answers ----


async def test_credentials_that_do_not_open(way: Way, person: WorkTree) -> None:
    head = person.publish({"web.yaml": "a: 1\n"})
    mirror = way.mirror(credentials=way.wrong)
    with pytest.raises(AuthenticationFailedError, match="credentialsSecretRef") as caught:
        await mirror.fetch("main")
    assert "wrong-battery" not in caught.value.message
    assert (await way.mirror().fetch("main")).commit == head
    right = way.mirror()
    await right.fetch("main")
    commit = await built(right, head)
    subprocess.run(["cp", "-rT", str(right.path), str(mirror.path)], check=True)  # a copy that it could push from
    outcome = await mirror.push(commit, "main", head)
    assert isinstance(outcome, Refused)
    assert "may not push" in outcome.message
    assert tip(way) == head


async def test_a_server_that_is_away_and_comes_back(way: Way, mirror: Mirror, person: WorkTree) -> None:
    head = person.publish({"web.yaml": "a: 1\n"})
    await mirror.fetch("main")
    commit = await built(mirror, head)
    way.server.stop()
    with pytest.raises(UnreachableError, match="tried again"):
        await mirror.fetch("main")
    with pytest.raises(UnreachableError, match="tried again"):
        await mirror.push(commit, "main", head)
    way.server.start()
    assert (await mirror.fetch("main")).commit == head
    assert await mirror.push(commit, "main", head) == Pushed(commit)


async def test_a_server_that_hangs_is_given_up_and_leaves_nothing_behind(way: Way, person: WorkTree) -> None:
    head = person.publish({"web.yaml": "a: 1\n"})
    mirror = way.mirror(timeout=1.0)
    way.server.hold()
    with pytest.raises(UnreachableError, match=r"timed out|no answer"):
        await mirror.fetch("main")
    await eventually(lambda: not home_of(mirror.path).exists())
    way.server.release()
    assert (await way.mirror().fetch("main")).commit == head


async def test_a_caller_who_leaves_ends_the_call(way: Way, person: WorkTree) -> None:
    person.publish({"web.yaml": "a: 1\n"})
    mirror = way.mirror()
    way.server.hold()
    looking = asyncio.create_task(mirror.find("main"))
    if way.make_transport is Libgit2:  # which ends at its next sign of life
        assert isinstance(way.server, GitServer)
        server = way.server
        await eventually(lambda: server.held == 1)
    else:
        await eventually(lambda: home_of(mirror.path).exists())
    looking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await looking
    if way.make_transport is not Libgit2:
        await eventually(lambda: not home_of(mirror.path).exists())
    way.server.release()
    assert await mirror.find("main") == person.head
