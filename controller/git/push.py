"""Pushing one commit to one branch, with a lease: what is asked for, what may come of it, and who decides in doubt.

Only if the branch is still where the commit was built on, and never a forced push. Both transports end here: what a
server says of a push is believed only if it says that the branch moved; otherwise the branch itself is looked at.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import pygit2

from controller.git.errors import ObjectMissingError

NOTHING = "0" * 40  # the id that Git sends for a branch that does not exist
LONGEST_MESSAGE = 500  # characters of a server's refusal; it goes into a status that people read
CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x09\x0b-\x1f\x7f-\x9f]")


@dataclass(frozen=True, slots=True)
class Pushed:
    """The branch is at this commit: by this push, or it was already."""

    commit: str


@dataclass(frozen=True, slots=True)
class LeaseLost:
    """Somebody was faster: the branch is at `head` (None: there is no such branch). Fetch, and plan again."""

    head: str | None


@dataclass(frozen=True, slots=True)
class Refused:
    """The server does not take the commit: a hook, a protected branch, credentials that may only read.

    `message` is the server's, on one line, at most 500 characters, without control characters and credentials.
    """

    message: str


Outcome = Pushed | LeaseLost | Refused


@dataclass(frozen=True, slots=True)
class PushOrder:
    """Move `branch` from `expected` (None: it must not exist) to `commit` (NOTHING: remove it)."""

    commit: str
    branch: str
    expected: str | None

    @property
    def reference(self) -> str:
        """The branch's full name on the server."""
        return f"refs/heads/{self.branch}"

    @property
    def refspec(self) -> str:
        """The order as Git takes it; no `+`, so never forced."""
        return f"{'' if self.is_deletion else self.commit}:{self.reference}"

    @property
    def is_deletion(self) -> bool:
        """Whether the branch is to go."""
        return self.commit == NOTHING


def check_order(repository: pygit2.Repository, order: PushOrder) -> Refused | None:
    """Refuse what no server would take. A commit that is not built on what it replaces would be a forced push.

    ObjectMissingError if one of the two is not here.
    """
    if not pygit2.reference_is_valid_name(order.reference):
        return Refused(one_line(f"{order.branch!r} is not a name that a branch can have"))
    if order.is_deletion:
        return None
    for commit in filter(None, (order.commit, order.expected)):
        if commit not in repository.odb:
            raise ObjectMissingError(f"the local copy does not hold {commit}")
    if order.expected not in {None, order.commit} and not repository.descendant_of(order.commit, order.expected):
        raise AssertionError(f"{order.commit} is not built on {order.expected}, which it would replace")
    return None


def settled(head: str | None, order: PushOrder, message: str) -> Outcome:
    """What became of a push that was not accepted, by where the branch is now: a lost race, or a refusal."""
    if (head or NOTHING) == order.commit:
        return Pushed(order.commit)
    if head != order.expected:
        return LeaseLost(head)
    return Refused(message)


def one_line(text: str) -> str:
    """A server's words on one line: no control characters, no empty lines, not endlessly long."""
    lines = (CONTROL.sub("", line).strip() for line in re.split(r"[\r\n]+", text))
    joined = "; ".join(line for line in lines if line)
    return joined if len(joined) <= LONGEST_MESSAGE else joined[: LONGEST_MESSAGE - 1] + "…"
