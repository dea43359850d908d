"""When a database counts as lost or outdated, and what an open SyncConflict still tells. Real histories."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from controller.api.v1alpha1.syncconflict import SyncConflict
from controller.git.repository import make_bare
from controller.git.snapshot import Snapshot
from controller.objects import ObjectKey
from controller.store.fabrics import FabricRow
from controller.sync.plan.fieldpath import parse_path
from controller.sync.plan.model import ConflictType
from controller.sync.plan.tree import ABSENT
from controller.sync.recovery import is_lost, is_outdated, shown_conflict
from tests.support.worktree import WorkTree

NEVER = FabricRow(1, "uid", "shop", "demo")
KEY = ObjectKey("", "ConfigMap", "shop", "web")


def row(**fields: str) -> FabricRow:
    return FabricRow(1, "uid", "shop", "demo", **fields)


@pytest.mark.parametrize(
    ("known", "applied", "lost"),
    [
        (NEVER, "", False),  # a first start
        (NEVER, "c1", True),
        (row(applied_commit="c1", planned_commit="c1"), "c1", False),
        (row(planned_commit="c1"), "c1", False),  # it knows the fabric, and may be older
    ],
)
def test_a_database_that_never_heard_of_a_fabric_is_lost(known: FabricRow, applied: str, lost: bool) -> None:
    assert is_lost(known, applied) is lost


COMMITS = ("first", "second", "third", "beside")


@pytest.fixture
def history(tmp_path: Path) -> Iterator[tuple[Snapshot, dict[str, str]]]:
    """A copy of a branch of three commits, and one beside it; their ids by name. One of them is in no copy."""
    make_bare(tmp_path / "bare")
    person = WorkTree(tmp_path / "person", str(tmp_path / "bare"))
    commits = {"": "", "nowhere": "0" * 40}
    for name in COMMITS:
        if name == "beside":
            person("checkout", "--quiet", "--detach", commits["first"])
        commits[name] = person.commit({"a.yaml": name}, name)
        person("push", "--quiet", "origin", f"HEAD:refs/heads/{name}")
    snapshot = Snapshot(tmp_path / "bare", lambda _: None)
    yield snapshot, commits
    snapshot.close()


@pytest.mark.parametrize(
    ("recorded", "applied", "outdated"),
    [
        ("second", "second", False),
        ("second", "", False),  # a status that was never written, or was taken away
        ("second", "first", False),  # killed before the status was written
        ("second", "third", True),
        ("second", "beside", True),  # nobody can tell which was first
        ("second", "nowhere", True),
        ("nowhere", "second", True),
        ("", "second", True),
    ],
)
def test_a_database_that_has_not_come_to_the_applied_commit_is_outdated(
    history: tuple[Snapshot, dict[str, str]], recorded: str, applied: str, outdated: bool
) -> None:
    snapshot, commits = history
    known = row(applied_commit=commits[recorded], planned_commit=commits["second"])
    assert is_outdated(known, commits[applied], snapshot) is outdated
    assert not is_outdated(NEVER, commits["third"], snapshot), "that one is lost"


def conflict(*fields: Mapping[str, Any], **spec: Any) -> SyncConflict:
    return SyncConflict.from_object(
        {
            "apiVersion": "tandem.dev/v1alpha1",
            "kind": "SyncConflict",
            "metadata": {"name": "demo-12345678", "namespace": "shop"},
            "spec": {
                "fabricRef": {"name": "demo"},
                "object": {"apiVersion": "v1", "kind": "ConfigMap", "namespace": "shop", "name": "web"},
                "type": "BothChanged",
                "fields": list(fields),
                "stateToken": "t",
            }
            | spec,
        }
    )


def test_a_conflict_tells_what_both_sides_agreed_on() -> None:
    found = conflict(
        {"path": "/data/a", "base": None, "git": "1"}, {"path": "/data/b", "cluster": "1"}, gitPath="apps/web.yaml"
    )
    shown = shown_conflict(KEY, found.spec)
    assert (shown.type, shown.path, shown.is_whole) == (ConflictType.BOTH_CHANGED, "apps/web.yaml", True)
    assert list(shown.bases) == [(parse_path("/data/a"), None), (parse_path("/data/b"), ABSENT)]


def test_a_conflict_that_does_not_show_everything_is_not_whole() -> None:
    cut = conflict({"path": "/data/a", "base": "(700000 bytes, too large to show)", "git": "1"})
    many = conflict(*({"path": f"/data/k{number}", "git": "1"} for number in range(1_000)))
    secret = KEY._replace(kind="Secret")
    for key, found in ((KEY, cut), (KEY, many), (secret, conflict({"path": "/data/a", "base": "(hidden)"}))):
        assert not shown_conflict(key, found.spec).is_whole
