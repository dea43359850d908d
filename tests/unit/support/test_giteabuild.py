"""The Gitea of the tests is built once, with what it reads beside it."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest

from controller.dev.progress import Progress
from tests.support.fake_go import FakeGo
from tests.support.giteabuild import MODULE, READ, ensure_gitea, gitea_recipe


@pytest.fixture
def go(tmp_path: Path) -> FakeGo:
    made = FakeGo(tmp_path / "go")
    for name in READ:
        folder = made.notes / "module" / name
        folder.mkdir(parents=True)
        (folder / "file").touch()
    return made


def test_it_is_built_once_into_the_cache(go: FakeGo, tmp_path: Path) -> None:
    environ = {"HOME": str(tmp_path / "home"), "PATH": f"{go.bin}:/usr/bin:/bin"}
    said = io.StringIO()
    program = ensure_gitea(environ, Progress(said))
    version = gitea_recipe().version(MODULE)
    assert program == tmp_path / "home" / ".cache" / "tandem" / "gitea" / version / "gitea"
    assert os.access(program, os.X_OK)
    assert [(program.parent / name / "file").exists() for name in READ] == [True, True, True]
    assert f"Gitea {version} is built once" in said.getvalue()
    said.truncate(0)
    assert ensure_gitea(environ, Progress(said)) == program
    assert said.getvalue() == ""
    assert go.built() == ["gitea"]
