"""Pushing one commit to one branch, with a lease: only if the branch is still where the commit was built on.

Never a forced push. libgit2 has no lease of its own; the branch's old id, as the server announced it on this very
connection, is compared before anything is sent, and the server compares it again when it moves the branch. A push that
a server hook refused returns normally; only the report per reference tells.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import pygit2

from controller.git.credentials import Credentials
from controller.git.errors import AuthenticationFailedError, ObjectMissingError
from controller.git.transport import FAILED, Callbacks, advertised, connected, send_at_once, transfer_error

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
    """Move `branch` from `expected` (None: it must not exist) to `commit`."""

    commit: str
    branch: str
    expected: str | None

    @property
    def reference(self) -> str:
        """The branch's full name on the server."""
        return f"refs/heads/{self.branch}"

    @property
    def refspec(self) -> str:
        """The order as libgit2 takes it; no `+`, so never forced."""
        return f"{self.commit}:{self.reference}"


class LeaseLostError(Exception):
    """Raised inside libgit2's negotiation to stop it."""


class PushCallbacks(Callbacks):
    """Holds the lease, and remembers what the server said."""

    def __init__(self, credentials: Credentials, beat: Callable[[], None], expected: str) -> None:
        super().__init__(credentials, beat)
        self._expected = expected
        self._said = ""
        self.found = NOTHING
        self.verdict: Literal["unknown", "accepted", "refused"] = "unknown"
        self.refusal = ""

    def push_negotiation(self, updates: list[pygit2.remotes.PushUpdate]) -> None:
        """Before anything is sent: where is the branch now?"""
        for update in updates:
            self.found = str(update.src)
            if update.src != update.dst and self.found != self._expected:
                raise LeaseLostError

    def push_update_reference(self, refname: str, message: str | None) -> None:
        """After everything was sent: was the branch moved?"""
        self.verdict = "accepted" if message is None else "refused"
        self.refusal = message or ""

    def sideband_progress(self, string: str) -> None:
        """What the server's hooks print."""
        self.beat()
        self._said = (self._said + string)[: 2 * LONGEST_MESSAGE]

    @property
    def message(self) -> str:
        """What the server said, fit for a status."""
        return one_line(self.credentials_shown.redacted(f"{self._said}\n{self.refusal}"))


def push_commit(
    repository: pygit2.Repository, url: str, credentials: Credentials, beat: Callable[[], None], order: PushOrder
) -> Outcome:
    """Carry out one push. Raises the errors of errors.py when the server could not be asked, or did not answer.

    After such an error the push may have arrived: the next fetch tells.
    """
    if not pygit2.reference_is_valid_name(order.reference):
        return Refused(one_line(f"{order.branch!r} is not a name that a branch can have"))
    check_descent(repository, order)
    callbacks = PushCallbacks(credentials, beat, order.expected or NOTHING)
    try:
        remote = connected(repository, url, callbacks, pushing=True)
        send_at_once()
        remote.push([order.refspec], callbacks=callbacks)
    except AuthenticationFailedError as error:
        return Refused(one_line(f"the credentials may not push: {error.message}"))
    except LeaseLostError:
        return LeaseLost(None if callbacks.found == NOTHING else callbacks.found)
    except UnicodeDecodeError:
        callbacks.refusal = "the server's message is not UTF-8"  # pygit2 cannot hand it over; was it a refusal at all?
    except FAILED as error:
        raise transfer_error(error, url, credentials) from None
    if callbacks.verdict == "accepted":
        return Pushed(order.commit)
    return settled(repository, url, Callbacks(credentials, beat), order, callbacks.message)


def check_descent(repository: pygit2.Repository, order: PushOrder) -> None:
    """A commit that is not built on what it replaces would be a forced push. ObjectMissingError if it is not here."""
    for commit in filter(None, (order.commit, order.expected)):
        if commit not in repository.odb:
            raise ObjectMissingError(f"the local copy does not hold {commit}")
    if order.expected not in {None, order.commit} and not repository.descendant_of(order.commit, order.expected):
        raise AssertionError(f"{order.commit} is not built on {order.expected}, which it would replace")


def settled(repository: pygit2.Repository, url: str, callbacks: Callbacks, order: PushOrder, message: str) -> Outcome:
    """What became of a push that was not accepted: the branch itself tells a lost race from a refusal."""
    head = advertised(connected(repository, url, callbacks)).get(order.reference)
    if head == order.commit:
        return Pushed(order.commit)
    if head != order.expected:
        return LeaseLost(head)
    return Refused(message)


def one_line(text: str) -> str:
    """A server's words on one line: no control characters, no empty lines, not endlessly long."""
    lines = (CONTROL.sub("", line).strip() for line in re.split(r"[\r\n]+", text))
    joined = "; ".join(line for line in lines if line)
    return joined if len(joined) <= LONGEST_MESSAGE else joined[: LONGEST_MESSAGE - 1] + "…"
