"""What the demo reads of Git is what git says, and its checks of commits notice what is wrong."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from controller.dev.errors import CommandError, StartError
from controller.dev.repository import Clone, ServerRepository, check_git, git
from controller.dev.stage import Stage
from controller.dev.waiting import NotYetError

TEXT = "a: 1   # one\nb: 2\n"


@pytest.fixture
def bare(tmp_path: Path) -> ServerRepository:
    """An empty one."""
    path = tmp_path / "shop.git"
    git(["init", "--quiet", "--bare", "--initial-branch=main", str(path)], tmp_path)
    return ServerRepository(path)


@pytest.fixture
def clone(bare: ServerRepository, tmp_path: Path) -> Clone:
    return Clone(tmp_path / "clone", str(bare.path))


@pytest.fixture
def stage(bare: ServerRepository, tmp_path: Path) -> Stage:
    """Of the checks that look at Git only."""
    session: Any = SimpleNamespace(
        kubectl=None, repository=bare, folder=tmp_path / "stage", url_with_credentials=str(bare.path)
    )
    (tmp_path / "stage").mkdir()
    return Stage(session)


class TestRepository:
    def test_an_empty_one_has_no_head(self, bare: ServerRepository) -> None:
        assert bare.head() == ""

    def test_commits_are_read_as_git_has_them(self, bare: ServerRepository, clone: Clone) -> None:
        first = clone.publish({"web.yaml": TEXT}, "Add it")
        second = clone.publish({"web.yaml": TEXT.replace("1 ", "9 ")}, "Change it\n\nField-Manager: kubectl-edit")
        assert bare.head() == second
        assert bare.commits(first) == [second]
        assert bare.show("web.yaml") == "a: 9   # one\nb: 2\n"
        assert bare.changed_lines(second) == ["1\t1\tweb.yaml"]
        assert bare.trailer(second, "Field-Manager") == "kubectl-edit"
        assert bare.trailer(second, "Tandem-Run") == ""
        assert bare.describe(second) == f"commit {second}\nAuthor: Ada <ada@example.com>\n\nChange it"
        assert bare.describe(second, whole=True).endswith("Change it\n\nField-Manager: kubectl-edit")
        assert bare.patch(second).endswith("@@ -1,2 +1,2 @@\n-a: 1   # one\n+a: 9   # one\n b: 2")

    def test_a_clone_goes_to_where_the_server_is(self, bare: ServerRepository, clone: Clone, tmp_path: Path) -> None:
        clone.publish({"web.yaml": TEXT}, "Add it")
        other = Clone(tmp_path / "other", str(bare.path))
        other.pull()
        assert (other.folder / "web.yaml").read_text() == TEXT

    def test_a_push_that_would_lose_a_commit_fails(self, bare: ServerRepository, clone: Clone, tmp_path: Path) -> None:
        clone.publish({"web.yaml": TEXT}, "Add it")
        with pytest.raises(CommandError, match="git push"):
            Clone(tmp_path / "other", str(bare.path)).publish({"web.yaml": "x"}, "Without pulling")


class TestChecks:
    def test_exactly_one_commit_is_waited_for(self, stage: Stage, bare: ServerRepository, clone: Clone) -> None:
        first = clone.publish({"web.yaml": TEXT}, "Add it")
        with pytest.raises(NotYetError, match=f"main is still at {first}"):
            stage.commit_after(first)
        second = clone.publish({"web.yaml": "c: 3\n"}, "Change it")
        assert stage.commit_after(first) == second
        stage.main_is(second)
        clone.publish({"web.yaml": "d: 4\n"}, "Change it again")
        with pytest.raises(NotYetError, match="main has 2 commits on top of"):
            stage.commit_after(first)
        with pytest.raises(NotYetError, match=f"main is at {bare.head()}, not at {second}"):
            stage.main_is(second)

    @pytest.mark.parametrize(
        ("files", "problem"),
        [
            pytest.param({"web.yaml": "a: 9\nb: 2\n"}, "changed another line, or more of it", id="the comment is lost"),
            pytest.param({"web.yaml": TEXT.replace("2", "3")}, "changed another line", id="another line"),
            pytest.param({"web.yaml": "a: 9   # one\nb: 3\n"}, r"2\t2\tweb\.yaml", id="two lines"),
            pytest.param({"web.yaml": "a: 9   # one\nb: 2\n", "x": "1\n"}, r"web\.yaml; 1\t0\tx", id="another file"),
        ],
    )
    def test_more_than_the_line_is_noticed(
        self, stage: Stage, clone: Clone, files: dict[str, str], problem: str
    ) -> None:
        clone.publish({"web.yaml": TEXT}, "Add it")
        commit = clone.publish(files, "Change it")
        with pytest.raises(NotYetError, match=problem):
            stage.one_line(commit, TEXT, TEXT.replace("1 ", "9 "))

    def test_the_one_line_passes(self, stage: Stage, clone: Clone) -> None:
        clone.publish({"web.yaml": TEXT}, "Add it")
        commit = clone.publish({"web.yaml": TEXT.replace("1 ", "9 ")}, "Change it\n\nField-Manager: kubectl-edit")
        stage.one_line(commit, TEXT, TEXT.replace("1 ", "9 "))
        stage.edited_with(commit, "kubectl-edit")
        with pytest.raises(NotYetError, match="names kubectl-edit as the editor, not helm"):
            stage.edited_with(commit, "helm")

    def test_a_commit_without_an_editor_is_noticed(self, stage: Stage, clone: Clone) -> None:
        commit = clone.publish({"web.yaml": TEXT}, "Add it")
        with pytest.raises(NotYetError, match="names nobody as the editor"):
            stage.edited_with(commit, "kubectl-edit")

    def test_a_conflict_about_something_else_is_noticed(self, stage: Stage) -> None:
        path = "/spec/template/spec/containers/{name=web}/image"
        conflict = {"spec": {"fields": [{"path": path, "base": "a", "git": "b", "cluster": "c"}]}}
        stage.clash(conflict, base="a", git="b", cluster="c")
        with pytest.raises(NotYetError, match="the SyncConflict names"):
            stage.clash(conflict, base="a", git="b", cluster="d")
        conflict["spec"]["fields"].append({"path": "/spec/replicas", "base": "1", "git": "2"})
        with pytest.raises(NotYetError, match="/spec/replicas"):
            stage.clash(conflict, base="a", git="b", cluster="c")


class TestGit:
    def test_git_is_there(self) -> None:
        check_git()

    def test_nobody_s_configuration_is_read(
        self, clone: Clone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / ".gitconfig").write_text("[user]\n\tname = Mallory\n[commit]\n\tgpgSign = true\n")
        monkeypatch.setenv("HOME", str(tmp_path))
        commit = clone.publish({"web.yaml": TEXT}, "Add it")
        assert git(["show", "--no-patch", "--format=%an", commit], clone.folder) == "Ada\n"

    def test_a_git_that_cannot_serve_is_named(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        small = tmp_path / "git"
        small.write_text(f"#!/bin/sh\necho {tmp_path}\n")
        small.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path) + os.pathsep + os.environ["PATH"])
        with pytest.raises(StartError, match=f"own HTTP server is missing .{tmp_path}/git-http-backend"):
            check_git()
