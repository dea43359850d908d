"""What a repository may hold beside documents, and how much: too much is told, what is no document is named."""

from __future__ import annotations

import os
import secrets
import time
from pathlib import Path

from controller.dev.gitserver import GitServer
from controller.git.disk import GRACE
from tests.e2e.conftest import MakeTandem
from tests.e2e.sync.looking import data, wait_error, wait_event
from tests.e2e.sync.manifests import CONFIG, config_map
from tests.support.fabrics import Fabrics
from tests.support.repository import Repository
from tests.support.tandem import Stage, Tandem
from tests.support.worktree import git

BLUE = {"color": "blue", "size": "big"}
SLOW = 90.0  # seconds for what is tried again by itself: the back-off grows to 30 s


def test_a_repository_with_too_many_bytes_or_files(tandem: Tandem, fabrics: Fabrics, repository: Repository) -> None:
    repository.publish({"cm.yaml": CONFIG})
    small = {"maxBytes": 1 << 20, "maxFiles": 3}
    fabrics.apply(repository.url, repository=small, sync={"direction": "GitToCluster"})
    fabrics.wait_synced()
    large = repository.publish({"noise.bin": secrets.token_bytes(2 << 20), "cm.yaml": CONFIG.replace("big", "huge")})
    said = fabrics.wait_condition("SourceReady", "False", "RepositoryTooLarge")
    assert "larger than the 1048576 bytes" in said["message"]
    assert "raise spec.repository.maxBytes" in said["message"]
    wait_event(fabrics, "RepositoryTooLarge")
    fabrics.kubectl.patch("configmap", "web", {"data": {"color": "red"}})
    fabrics.eventually(lambda: data(fabrics, "web") == BLUE)  # what was seen last still holds
    fabrics.patch({"repository": {"maxBytes": 8 << 20}})
    fabrics.wait_synced(revision=large)

    repository.publish({f"{name}.yaml": config_map(name, key="one") for name in "abcd"})
    said = fabrics.wait_condition("SourceReady", "False", "RepositoryTooLarge")
    assert "holds 6 files, more than the 3" in said["message"]
    assert data(fabrics, "a") is None
    few = repository.publish({"b.yaml": None, "c.yaml": None, "d.yaml": None})
    fabrics.wait_synced(revision=few, deadline=SLOW)
    assert data(fabrics, "a") == {"key": "one"}


def pointer(text: str) -> str:
    """What Git LFS puts in a file's place."""
    return f"version https://git-lfs.github.com/spec/v1\noid sha256:{'4d' * 32}\nsize {len(text)}\n"


def put_submodule(repository: Repository, folder: str) -> str:
    """Have a submodule in a folder's place; the commit's id."""
    clone = repository.clone
    repository.pull()
    clone("rm", "-r", "--quiet", folder)
    clone("update-index", "--add", "--cacheinfo", f"160000,{clone.head},{folder}")
    clone("commit", "--quiet", "--message=vendor it")
    clone.push()
    return clone.head


def test_lfs_pointers_and_submodules_are_named_and_left_alone(
    tandem: Tandem, fabrics: Fabrics, repository: Repository
) -> None:
    repository.publish({"cm.yaml": CONFIG, "vendor/other.yaml": config_map("other", key="one")})
    fabrics.apply(repository.url)
    fabrics.wait_synced()
    repository.publish({"cm.yaml": pointer(CONFIG)})
    head = put_submodule(repository, "vendor")
    assert "git lfs migrate export" in wait_error(fabrics, reason="LFSPointer", file="cm.yaml")["message"]
    assert "is a submodule" in wait_error(fabrics, reason="FieldRefused", file="vendor")["message"]
    fabrics.wait_condition("Ready", "False", "DocumentsFailed")
    fabrics.kubectl.patch("configmap", "web", {"data": {"color": "red"}})
    fabrics.wait_handled(fabrics.request())
    assert repository.head() == head, "a pointer is never edited"
    assert data(fabrics, "web") == {"color": "red", "size": "big"}
    assert data(fabrics, "other") == {"key": "one"}, "what a submodule took the place of is not pruned"

    repository.pull()
    repository.clone("rm", "--cached", "--quiet", "vendor")
    last = repository.clone.publish({"cm.yaml": CONFIG, "vendor/other.yaml": config_map("other", key="two")})
    fabrics.eventually(lambda: data(fabrics, "other") == {"key": "two"})
    fabrics.eventually(lambda: "color: red" in repository.show("cm.yaml"))
    assert [commit.subject for commit in repository.log(f"{last}..main")] == [
        f"Write back 1 object from {fabrics.namespace}/demo"
    ]


def copies(tandem: Tandem) -> set[Path]:
    """The mirrors on the controller's disk."""
    return {path for path in (tandem.launch.data_dir / "mirrors").glob("*") if path.is_dir()}


def grow_old(path: Path) -> None:
    """Have a mirror not used for longer than it counts as used."""
    last = time.time() - 2 * GRACE
    for part in (path, path.with_suffix(".lock")):
        os.utime(part, (last, last))


def give_password(fabrics: Fabrics, password: str) -> None:
    fabrics.give_secret(username="ada", password=password)


def test_mirrors_that_nobody_uses_make_room_and_are_fetched_again(
    make_tandem: MakeTandem, stage: Stage, fabrics: Fabrics, tmp_path: Path
) -> None:
    tandem = make_tandem(flags=("--mirror-quota", "1Ki"))
    stage.enter(tandem)
    with GitServer(tmp_path / "server", username="ada", password="first") as server:
        repository = Repository(server, "closed", tmp_path / "clone", username="ada", password="first")
        first = repository.publish({"cm.yaml": CONFIG})
        give_password(fabrics, "first")
        fabrics.apply(repository.url, repository={"credentialsSecretRef": {"name": "git"}})
        fabrics.wait_synced(revision=first)
        (old,) = copies(tandem)
        tandem.stop()
    grow_old(old)
    with GitServer(server.root, server.port, username="ada", password="second"):
        give_password(fabrics, "second")  # rotated while nobody ran
        tandem.start()
        fabrics.wait_handled(fabrics.request())
        fabrics.eventually(lambda: not old.exists())
        fabrics.eventually(lambda: len(copies(tandem)) == 1)
        (new,) = copies(tandem)
        fabrics.patch({"suspend": True})
        tandem.stop()
        grow_old(new)
        tandem.start()
        fabrics.eventually(lambda: not new.exists())  # a suspended fabric uses none
        assert tandem.metrics()["tandem_mirror_bytes"] >= 0
        fabrics.patch({"suspend": False})
        fabrics.eventually(new.exists)
        fabrics.kubectl.patch("configmap", "web", {"data": {"color": "green"}})
        fabrics.eventually(lambda: "color: green" in _shown(server, "closed"))


def _shown(server: GitServer, name: str) -> str:
    return git("show", "main:cm.yaml", cwd=server.path_of(name))
