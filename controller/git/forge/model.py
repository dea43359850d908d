"""What a forge is to Tandem: requests, what is said on them, and the state of a commit. Pure.

A forge is the web side of a Git server: GitHub, Gitea, or, for a server that has none, its branches alone. The four
modules beside this one are those three and what they share; whoever needs a forge knows this interface only.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

MOST_OPEN = 100
"""Open requests that are told of at once: one page of either forge, more than anybody reviews in a day."""


class RequestState(StrEnum):
    """Where a request is in its life."""

    OPEN = "Open"
    MERGED = "Merged"
    CLOSED = "Closed"


@dataclass(frozen=True, slots=True)
class Request:
    """A pull request, as the forge tells it."""

    number: int  # 0 where the forge knows branches only
    url: str  # for people; "" where there is no page
    state: RequestState
    branch: str  # its head branch
    head: str  # the commit its head is at, or was when it ended; "" where it is not known
    title: str
    author: str  # login
    merged_as: str = ""  # the commit on the base branch, where the forge tells
    fork: bool = False  # its head branch is in another repository


@dataclass(frozen=True, slots=True)
class Proposal:
    """What a request says, in Markdown."""

    title: str
    body: str


class CommitState(StrEnum):
    """What is thought of a commit; the words that both forges take."""

    PENDING = "pending"
    SUCCESS = "success"
    FAILURE = "failure"
    ERROR = "error"


class Forge(Protocol):
    """The requests of one repository into one base branch. Every failure is a ForgeRefusedError."""

    async def find(self, branch: str) -> Request | None:
        """The request from this branch of the same repository: an open one, else the newest that has ended."""

    async def open(self, branch: str, proposal: Proposal) -> Request:
        """Open a request from this branch; the open one, as it is, where there is one already."""

    async def update(self, request: Request, proposal: Proposal) -> Request:
        """Let an open request say something else."""

    async def close(self, request: Request, comment: str = "") -> None:
        """Close a request without merging it, after saying why. One that has ended stays as it is."""

    async def all_open(self) -> list[Request]:
        """The open requests, also those from forks; the newest MOST_OPEN."""

    async def comment(self, request: Request, marker: str, text: str, *, amend: bool = False) -> None:
        """Let the one comment with this marker say a text: written if there is none, changed in place otherwise.

        `amend`: only changed, never written.

        The marker is a word of letters, digits and `._/-`; it is put into the comment where people do not see it.
        """

    async def set_status(self, commit: str, context: str, state: CommitState, description: str, url: str = "") -> None:
        """Say what is thought of a commit. One context has one state; the newest counts."""

    async def aclose(self) -> None:
        """Hang up."""
