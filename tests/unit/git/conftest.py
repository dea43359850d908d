"""A bare repository that the real git fills, and a snapshot of it. No network."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pygit2
import pytest

from controller.git.repository import Copy, make_bare
from controller.git.snapshot import Snapshot
from tests.support.worktree import WorkTree


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """An empty copy."""
    path = tmp_path / "bare"
    make_bare(path)
    return path


@pytest.fixture
def person(tmp_path: Path, bare: Path) -> WorkTree:
    """A work tree that pushes into it."""
    return WorkTree(tmp_path / "person", str(bare))


@pytest.fixture
def repository(bare: Path) -> pygit2.Repository:
    """What commits are built in."""
    return Copy(bare).opened()


@pytest.fixture
def snapshot(bare: Path) -> Iterator[Snapshot]:
    """What is read through; no test here damages anything."""
    made = Snapshot(bare, lambda proven: None)
    yield made
    made.close()
