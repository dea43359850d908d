"""Whatever moves while nobody looks: documents, branches, directories, URLs, history; with the local copy, and without.

The database is kept. What a tree misses that was in step is asked about, and nothing is pruned or taken over unasked.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from controller.dev.gitserver import GitServer
from tests.e2e.sync.looking import data
from tests.e2e.sync.manifests import config_map, several
from tests.support.fabrics import Fabrics, Json
from tests.support.repository import Repository
from tests.support.tandem import Tandem


@dataclass(frozen=True)
class Places:
    """A repository for each Fabric, and another one of the same content."""

    of: dict[str, Repository]
    copy: Repository


def force_push(fabrics: Fabrics, places: Places) -> None:
    """The branch goes back to before its last commit, and on from there: a common ancestor is left."""
    clone = places.of["forced"].clone
    clone("reset", "--quiet", "--hard", "HEAD~1")
    clone.commit({"other.yaml": config_map("forced-c", key="value")})
    clone.push("--force")


def replace_history(fabrics: Fabrics, places: Places) -> None:
    """The branch becomes one without any ancestor in common, which misses an object."""
    clone = places.of["replaced"].clone
    clone("checkout", "--quiet", "--orphan", "again")
    clone("rm", "-r", "--quiet", "--cached", ".")
    clone.commit({"all.yaml": several("replaced-a")})
    clone.push("--force")


def change_branch(fabrics: Fabrics, places: Places) -> None:
    clone = places.of["branch"].clone
    clone.commit({"all.yaml": several("branch-a")})
    clone("push", "--quiet", "origin", "HEAD:refs/heads/next")
    fabrics.patch({"repository": {"branch": "next"}}, "branch")


def change_directory(fabrics: Fabrics, places: Places) -> None:
    places.of["directory"].publish({"deep/all.yaml": several("directory-a")})
    fabrics.patch({"repository": {"directory": "deep"}}, "directory")


def change_url(fabrics: Fabrics, places: Places) -> None:
    places.copy.publish({"all.yaml": several("url-a")})
    fabrics.patch({"repository": {"url": places.copy.url}}, "url")


MOVES: dict[str, Callable[[Fabrics, Places], None]] = {
    "forced": force_push,
    "replaced": replace_history,
    "branch": change_branch,
    "directory": change_directory,
    "url": change_url,
}
ASKED = ("replaced", "branch", "directory", "url")


@pytest.fixture
def places(git_server: GitServer, tmp_path: Path, namespace: str) -> Places:
    """Every Fabric's repository holds two objects, named after it, in its second commit."""
    of = {}
    for name in MOVES:
        of[name] = Repository(git_server, f"{namespace}-{name}", tmp_path / name)
        of[name].publish({"README.md": "hello\n"})
        of[name].publish({"all.yaml": several(f"{name}-a", f"{name}-b")})
    return Places(of, Repository(git_server, f"{namespace}-copy", tmp_path / "copy"))


def away(tandem: Tandem, *, mirrors: bool, meanwhile: Callable[[], None]) -> None:
    """Something happens while the controller is down; it finds its local copies again, or does not."""
    tandem.stop()
    if not mirrors:
        shutil.rmtree(tandem.launch.data_dir / "mirrors")
    meanwhile()
    tandem.start()


@pytest.mark.parametrize("mirrors", [True, False], ids=["with its mirror", "without its mirror"])
def test_what_another_place_or_history_misses_is_asked_about(
    own_tandem: Tandem, fabrics: Fabrics, places: Places, *, mirrors: bool
) -> None:
    for name, repository in places.of.items():
        fabrics.apply(repository.url, name)
    for name, repository in places.of.items():
        fabrics.wait_synced(name, repository.head())

    def meanwhile() -> None:
        for move in MOVES.values():
            move(fabrics, places)

    away(own_tandem, mirrors=mirrors, meanwhile=meanwhile)
    if not mirrors:  # the commit that was planned is nowhere any more, so nobody knows what the two have in common
        fabrics.wait_condition("Stalled", "True", "HistoryRewritten", "forced")
        assert data(fabrics, "forced-a") == data(fabrics, "forced-b") == {"key": "value"}
        fabrics.confirm(fabrics.status("forced")["guards"][0]["token"], "forced")
    fabrics.wait_synced("forced", places.of["forced"].clone.head)
    assert [data(fabrics, f"forced-{name}") for name in "abc"] == [None, None, {"key": "value"}]
    for name in ASKED:
        fabrics.wait_condition("Stalled", "True", "HistoryRewritten", name)
        (guard,) = fabrics.status(name)["guards"]
        assert guard["objects"] == [f"prune ConfigMap/{fabrics.namespace}/{name}-b"]
        assert data(fabrics, f"{name}-b") == {"key": "value"}
        fabrics.confirm(guard["token"], name)
        fabrics.wait_synced(name)
        assert data(fabrics, f"{name}-b") is None
        assert data(fabrics, f"{name}-a") == {"key": "value"}


@pytest.mark.parametrize("mirrors", [True, False], ids=["with its mirror", "without its mirror"])
def test_a_document_that_moved_between_two_fabrics_is_handed_over(
    own_tandem: Tandem, fabrics: Fabrics, repository: Repository, *, mirrors: bool
) -> None:
    keep, other = config_map("keep", key="value"), config_map("other", key="value")
    first = repository.publish({"one/cm.yaml": config_map("web", key="one"), "one/k.yaml": keep, "two/o.yaml": other})
    for name in ("one", "two"):
        fabrics.apply(repository.url, name, repository={"directory": name})
        fabrics.wait_synced(name, first)
    before = uid(fabrics)

    def meanwhile() -> None:
        repository.publish({"one/cm.yaml": None, "two/cm.yaml": config_map("web", key="two")})

    away(own_tandem, mirrors=mirrors, meanwhile=meanwhile)
    for name in ("one", "two"):
        fabrics.wait_synced(name, repository.head())
    assert data(fabrics, "web") == {"key": "two"}
    assert uid(fabrics) == before, "it was never deleted"
    assert [fabrics.conflicts(name) for name in ("one", "two")] == [[], []]


def uid(fabrics: Fabrics) -> str:
    found: Json | None = fabrics.config_map("web")
    assert found is not None
    return str(found["metadata"]["uid"])
