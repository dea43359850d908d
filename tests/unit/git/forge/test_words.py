"""A forge's words, read and written."""

from __future__ import annotations

from typing import Any

import pytest

from controller.git.forge.model import CommitState, Proposal, Request, RequestState
from controller.git.forge.words import (
    LONGEST_TEXT,
    LONGEST_TITLE,
    WrongWordsError,
    chosen,
    goes_into,
    is_from,
    items,
    marked,
    marked_comment,
    proposal_body,
    request_from,
    same_text,
    stands_already,
    status_body,
)

HEAD, MERGED = "a" * 40, "b" * 40

OURS: dict[str, Any] = {"label": "team:tandem/x", "ref": "tandem/x", "sha": HEAD, "repo": {"id": 1}}


def pull(**changes: Any) -> dict[str, Any]:
    return {
        "number": 7,
        "html_url": "https://github.com/team/fleet/pull/7",
        "state": "open",
        "merged_at": None,
        "merge_commit_sha": MERGED,  # GitHub's test merge, while it is open
        "title": "Take it",
        "user": {"login": "ada"},
        "head": OURS,
        "base": {"ref": "main", "repo": {"id": 1}},
    } | changes


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, {}),
        ({"state": "closed"}, {"state": RequestState.CLOSED}),
        ({"state": "closed", "merged_at": "2026-07-01T12:00:00Z"}, {"state": RequestState.MERGED, "merged_as": MERGED}),
        ({"html_url": "javascript:alert(1)"}, {"url": ""}),
        ({"html_url": None}, {"url": ""}),
        ({"user": None}, {"author": ""}),
        ({"title": "a\nb\x1b" + "c" * 999}, {"title": f"a b {'c' * (LONGEST_TITLE - 5)}…"}),
        ({"head": OURS | {"label": "tandem/x", "ref": "refs/pull/7/head"}}, {}),  # Gitea, the branch deleted
        ({"head": OURS | {"label": None, "sha": "HEAD"}}, {"head": ""}),
        ({"head": OURS | {"repo": {"id": 2}}}, {"fork": True}),
        ({"head": OURS | {"repo": None}}, {"fork": True}),
    ],
)
def test_a_request_is_read(changes: dict[str, Any], expected: dict[str, Any]) -> None:
    plain: dict[str, Any] = {
        "number": 7,
        "url": "https://github.com/team/fleet/pull/7",
        "state": RequestState.OPEN,
        "branch": "tandem/x",
        "head": HEAD,
        "title": "Take it",
        "author": "ada",
    }
    assert request_from(pull(**changes)) == Request(**plain | expected)


@pytest.mark.parametrize("wrong", [None, [], {}, "x", pull(state="odd"), pull(number="x"), pull(head=None)])
def test_what_is_no_request_is_refused(wrong: Any) -> None:
    with pytest.raises(WrongWordsError, match="a pull request"):
        request_from(wrong)
    with pytest.raises(WrongWordsError, match="a pull request"):
        is_from(wrong if wrong != pull(state="odd") else None, "tandem/x")


@pytest.mark.parametrize(
    ("head", "ours"),
    [
        ({"label": "team:tandem/x", "ref": "tandem/x", "sha": HEAD, "repo": {"id": 1}}, True),
        ({"label": "eve:tandem/x", "ref": "tandem/x", "sha": HEAD, "repo": {"id": 2}}, False),
        ({"label": "eve:tandem/x", "ref": "tandem/x", "sha": HEAD, "repo": None}, False),
        ({"label": "team:tandem/y", "ref": "tandem/y", "sha": HEAD, "repo": {"id": 1}}, False),
    ],
)
def test_only_branches_of_the_same_repository_are_ours(head: Any, ours: bool) -> None:
    assert is_from(pull(head=head), "tandem/x") is ours


def test_where_it_goes() -> None:
    assert goes_into(pull(), "main")
    assert not goes_into(pull(), "release")
    with pytest.raises(WrongWordsError):
        goes_into({}, "main")
    with pytest.raises(WrongWordsError):
        items({"message": "x"})


def test_an_open_request_comes_before_newer_ended_ones() -> None:
    states = ["closed", "open", "closed"]
    first, second, third = (request_from(pull(number=n, state=state)) for n, state in enumerate(states))
    assert chosen([first, second, third]) == second
    assert chosen([third, first]) == third
    assert chosen([]) is None


def test_what_is_said_is_cut() -> None:
    body = proposal_body(Proposal("a\n" + "b" * 999, "c" * 99_999))
    assert len(body["title"]) == LONGEST_TITLE
    assert len(body["body"]) == LONGEST_TEXT
    assert len(marked("m", "d" * 99_999)) < 65_000


def test_a_status_that_stands_is_known_in_both_dialects() -> None:
    body = status_body("tandem/x", CommitState.SUCCESS, "1 change", "")
    stands = {"id": 2, "context": "tandem/x", "description": "1 change", "target_url": None}
    assert stands_already([stands | {"state": "success"}], body)
    assert stands_already([stands | {"status": "success"}, stands | {"id": 1, "status": "failure"}], body)
    assert not stands_already([stands | {"status": "success"}, stands | {"id": 3, "status": "failure"}], body)
    assert not stands_already([], body)
    assert not stands_already([stands | {"state": "success"}], status_body("tandem/x", CommitState.SUCCESS, "2", ""))
    assert status_body("c", CommitState.ERROR, "d", "https://h")["target_url"] == "https://h"
    with pytest.raises(WrongWordsError, match="a commit status"):
        stands_already(["x"], body)


def test_a_marker_is_a_word_at_the_beginning() -> None:
    comments = [
        {"id": 1, "body": "see <!-- a/b -->"},
        {"id": 2, "body": None},
        {"id": 3, "body": marked("a/b", "text")},
    ]
    assert marked_comment(comments, "a/b") == (3, "<!-- a/b -->\ntext")
    assert marked_comment(comments, "a/c") is None
    with pytest.raises(WrongWordsError):
        marked_comment([7], "a/b")
    for wrong in ("", "a -->", "a\nb", "ä"):
        with pytest.raises(ValueError, match="no marker"):
            marked(wrong, "text")


def test_line_ends_are_no_difference() -> None:
    assert same_text("a\r\nb\n", "a\nb")
    assert not same_text("a b", "a\nb")
