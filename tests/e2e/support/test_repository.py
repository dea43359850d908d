"""What tests see of Git: a person's clone and the server's bare repository, told apart."""

from __future__ import annotations

from pathlib import Path

import pytest

from controller.dev.gitserver import GitServer
from tests.support.repository import Repository


def test_what_was_not_pushed_is_not_on_the_server(repository: Repository) -> None:
    assert repository.head() == ""
    repository.write("web.yaml", "a: 1\n")
    commit = repository.commit("first")
    assert repository.head() == ""
    repository.push()
    assert repository.head() == commit
    assert repository.files() == ["web.yaml"]


def test_files_keep_their_bytes(repository: Repository) -> None:
    repository.publish({"dos.yaml": "a: 1\r\nb: 2", "more.yaml": "c: 3\n\n"})
    assert repository.show("dos.yaml") == "a: 1\r\nb: 2"
    assert repository.show_bytes("more.yaml") == b"c: 3\n\n"


def test_an_edit_is_one_line_of_the_diff(repository: Repository) -> None:
    before = repository.publish({"web.yaml": "a: 1\nb: 2\n", "other.yaml": "x: 1\n"})
    repository.replace("web.yaml", "b: 2", "b: 3")
    repository.commit("third")
    repository.push()
    assert repository.changed_lines(before) == ["-b: 2", "+b: 3"]
    assert repository.changed_lines(before, "main", "other.yaml") == []


def test_an_edit_of_what_is_not_there_fails(repository: Repository) -> None:
    repository.write("web.yaml", "a: 1\na: 1\n")
    with pytest.raises(AssertionError, match=r"stands 2 times in web\.yaml"):
        repository.replace("web.yaml", "a: 1", "a: 2")


def test_publishing_builds_on_what_others_pushed(repository: Repository, git_server: GitServer, tmp_path: Path) -> None:
    repository.publish({"mine.yaml": "a: 1\n", "old.yaml": "o: 1\n"})
    other = Repository(git_server, repository.name, tmp_path / "other")
    theirs = other.publish({"theirs.yaml": "b: 1\n", "old.yaml": None})
    repository.publish({"mine.yaml": "a: 2\n"})
    assert repository.files() == ["mine.yaml", "theirs.yaml"]
    assert repository.log()[1].id == theirs


def test_the_log_knows_authors_and_trailers(repository: Repository) -> None:
    repository.publish({"a.yaml": "a: 1\n"}, "first")
    repository.publish(
        {"a.yaml": "a: 2\n"},
        "Write back 1 object\n\nA: in the text\n\nTandem-Run: 7\nTandem-Object: x\nTandem-Object: y",
    )
    newest, first = repository.log()
    assert (newest.subject, newest.author) == ("Write back 1 object", "Ada <ada@example.com>")
    assert newest.trailers == {"Tandem-Run": ["7"], "Tandem-Object": ["x", "y"]}
    assert (first.subject, first.trailers) == ("first", {})
    assert [commit.id for commit in repository.log(f"{first.id}..main")] == [newest.id]


def test_a_server_that_asks_who_it_is(tmp_path: Path) -> None:
    with GitServer(tmp_path / "server", username="ada", password="p@ss/word") as server:
        stranger = Repository(server, "demo", tmp_path / "stranger")
        with pytest.raises(AssertionError, match=r"could not read Username|Authentication failed"):
            stranger.publish({"a.yaml": "a: 1\n"})
        ada = Repository(server, "demo", tmp_path / "ada", username="ada", password="p@ss/word")
        assert ada.publish({"a.yaml": "a: 1\n"}) == ada.head()
        assert "ada" not in ada.url
