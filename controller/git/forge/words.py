"""The words of both forges' APIs: a request, a comment and a status as they tell them, and as they are told. Pure.

Gitea took its API from GitHub's, so the words are one; what differs is in the two modules that speak them.
"""

from __future__ import annotations

import re
from typing import Any

from controller.git.forge.model import CommitState, Proposal, Request, RequestState
from controller.objects import Json

LONGEST_TITLE = 250
"""Characters; GitHub and Gitea take 255 and 256."""

LONGEST_TEXT = 60_000
"""Characters of a request's text or a comment; GitHub takes 65,536, counted in another way."""

LONGEST_DESCRIPTION = 140
"""Characters of a commit status; what GitHub takes."""

_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_PAGE = re.compile(r"https?://[^\s\x00-\x1f<>\"]{1,2000}")
_MARKER = re.compile(r"[A-Za-z0-9._/-]{1,300}")
_SHAPE = (AttributeError, IndexError, KeyError, TypeError, ValueError)
"""What comes of JSON that is not what it should be."""


class WrongWordsError(ValueError):
    """JSON, but not of what was asked for."""


def request_from(pull: Any) -> Request:
    """A pull request. Raises WrongWordsError."""
    try:
        head = pull["head"]
        # The label outlives the branch at both: `branch` at Gitea, `owner:branch` at GitHub; no branch holds a colon.
        branch = str(head.get("label") or head["ref"]).rpartition(":")[2]
        merged = pull.get("merged_at") is not None
        return Request(
            number=int(pull["number"]),
            url=page if _PAGE.fullmatch(page := str(pull.get("html_url") or "")) else "",
            state=_state(pull["state"], merged=merged),
            branch=branch,
            head=_commit(head.get("sha")),
            title=line(str(pull["title"]), LONGEST_TITLE),
            author=line(str((pull.get("user") or {}).get("login") or ""), 100),
            merged_as=_commit(pull.get("merge_commit_sha")) if merged else "",
            fork=not _is_here(pull),
        )
    except _SHAPE as error:
        raise WrongWordsError("a pull request") from error


def is_from(pull: Any, branch: str) -> bool:
    """Whether a pull request comes from this branch of the repository that it goes into. Raises WrongWordsError."""
    try:
        return _is_here(pull) and request_from(pull).branch == branch
    except _SHAPE as error:
        raise WrongWordsError("a pull request") from error


def goes_into(pull: Any, base: str) -> bool:
    """Whether a pull request goes into this branch. Raises WrongWordsError."""
    try:
        return bool(pull["base"]["ref"] == base)
    except _SHAPE as error:
        raise WrongWordsError("a pull request") from error


def items(answer: Any) -> list[Any]:
    """A list of anything. Raises WrongWordsError."""
    if not isinstance(answer, list):
        raise WrongWordsError("a list")
    return answer


def chosen(requests: list[Request]) -> Request | None:
    """An open request if there is one, else the newest."""
    return max(requests, key=lambda one: (one.state is RequestState.OPEN, one.number), default=None)


def proposal_body(proposal: Proposal) -> Json:
    """What a request is to say."""
    return {"title": line(proposal.title, LONGEST_TITLE), "body": cut(proposal.body)}


def status_body(context: str, state: CommitState, description: str, url: str) -> Json:
    """What is to be thought of a commit."""
    body = {"context": context, "state": state.value, "description": line(description, LONGEST_DESCRIPTION)}
    return body | ({"target_url": url} if url else {})


def stands_already(statuses: list[Any], body: Json) -> bool:
    """Whether the newest status of the same context says the same. Raises WrongWordsError."""
    try:
        same = [one for one in statuses if one["context"] == body["context"]]
        newest = max(same, key=lambda one: int(one["id"]), default=None)
        if newest is None:
            return False
        # GitHub calls it state, Gitea status
        said = newest.get("state") or newest["status"], newest.get("description"), newest.get("target_url") or ""
        return said == (body["state"], body["description"], body.get("target_url", ""))
    except _SHAPE as error:
        raise WrongWordsError("a commit status") from error


def marked(marker: str, text: str) -> str:
    """A comment that can be found again."""
    if not _MARKER.fullmatch(marker):
        raise ValueError(f"no marker: {marker!r}")
    return f"{_hidden(marker)}\n{cut(text)}"


def marked_comment(comments: list[Any], marker: str) -> tuple[int, str] | None:
    """(id, text) of the first comment with a marker. Raises WrongWordsError."""
    try:
        for comment in comments:
            if str(comment["body"] or "").startswith(_hidden(marker)):
                return int(comment["id"]), str(comment["body"])
    except _SHAPE as error:
        raise WrongWordsError("a comment") from error
    return None


def same_text(one: str, other: str) -> bool:
    """Whether two texts are the same but for what a forge does to line ends."""
    return one.replace("\r\n", "\n").strip() == other.replace("\r\n", "\n").strip()


def cut(text: str) -> str:
    """A text that is not too long."""
    return text if len(text) <= LONGEST_TEXT else f"{text[: LONGEST_TEXT - 2]}\n…"


def line(text: str, most: int) -> str:
    """One line that is not too long."""
    plain = re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+", " ", text).strip()
    return plain if len(plain) <= most else f"{plain[: most - 1]}…"


def _is_here(pull: Any) -> bool:
    """Whether a pull request's branch is in the repository that it goes into. One whose fork is gone is not."""
    here = (pull["head"].get("repo") or {}).get("id")
    return here is not None and here == pull["base"]["repo"]["id"]


def _hidden(marker: str) -> str:
    return f"<!-- {marker} -->"


def _state(word: str, *, merged: bool) -> RequestState:
    if merged:
        return RequestState.MERGED
    return {"open": RequestState.OPEN, "closed": RequestState.CLOSED}[word]


def _commit(text: Any) -> str:
    return text if isinstance(text, str) and _COMMIT.fullmatch(text) else ""
