"""A mirror that fetches for days keeps few files, on disk and open."""

from __future__ import annotations

from pathlib import Path

from controller.dev.gitserver import GitServer
from controller.git.commit import build_commit
from controller.git.mirror import Mirror
from controller.git.packs import MOST_PACKS
from controller.git.repository import Copy, make_bare
from tests.support.stamps import NOON, stamp
from tests.support.worktree import WorkTree

ROUNDS = 2 * MOST_PACKS + 10


async def test_many_fetches_leave_few_files(mirror: Mirror, server: GitServer, person: WorkTree) -> None:
    head = person.publish({f"d{number % 7}/{number}.yaml": f"a: {number}\n" for number in range(50)})
    first = (await mirror.fetch("main")).commit
    writer = server_side(server)
    packs, opened = [], []
    for number in range(ROUNDS):
        change: dict[str, bytes | None] = {"d1/1.yaml": f"a: {number}\n".encode()}
        head = build_commit(writer.opened(), head, "", change, "change\n", stamp(time=NOON + number))
        writer.opened().references.create("refs/heads/main", head, force=True)
        fetched = await mirror.fetch("main")
        entry = mirror.snapshot.entry(fetched.tree, "d1/1.yaml")
        assert entry is not None
        assert mirror.snapshot.read_blob(entry.blob) == change["d1/1.yaml"]
        packs.append(len(list(mirror.path.glob("objects/pack/*.pack"))))
        opened.append(len(list(Path("/proc/self/fd").iterdir())))
    assert max(packs) <= MOST_PACKS + 1
    assert packs[-1] < MOST_PACKS
    assert max(opened) < opened[0] + 2 * MOST_PACKS
    assert len(mirror.snapshot.commits_between(None, head)) == ROUNDS + 1
    assert mirror.snapshot.tree_of(first) is not None


def server_side(server: GitServer) -> Copy:
    """The server's own repository, to commit in without a push each time."""
    scratch = server.root / "scratch"
    make_bare(scratch)  # only for its configuration, which Copy asks for
    (server.path_of("demo") / "config").write_bytes((scratch / "config").read_bytes())
    return Copy(server.path_of("demo"))
