"""The real Git server with one repository, a person's clone of it, and the mirrors under test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from controller.dev.gitserver import GitServer
from controller.git.mirror import Mirror
from controller.git.mirrors import Mirrors
from controller.git.remote import UrlRules
from tests.support.worktree import WorkTree

TIMEOUT = 20.0  # seconds; only tests of time-outs wait for theirs


@pytest.fixture
def server(tmp_path: Path) -> Iterator[GitServer]:
    """A server with the empty repository `demo`."""
    with GitServer(tmp_path / "server") as running:
        running.create("demo")
        yield running


@pytest.fixture
def person(tmp_path: Path, server: GitServer) -> WorkTree:
    """Somebody's clone of `demo`, with nothing pushed yet."""
    return WorkTree(tmp_path / "person", server.url_of("demo"))


@pytest.fixture
def mirrors(tmp_path: Path) -> Iterator[Mirrors]:
    """Mirrors in a folder of the test."""
    made = Mirrors(tmp_path / "mirrors", UrlRules(allow_insecure=True), TIMEOUT)
    yield made
    made.close()


@pytest.fixture
def mirror(mirrors: Mirrors, server: GitServer) -> Mirror:
    """The mirror of `demo`."""
    return mirrors.get(server.url_of("demo"))
