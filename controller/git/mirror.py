"""The local copy of one remote: fetching into it, building commits in it, pushing from it.

One mirror per URL and credential. A poll costs one request (the server's list of branches); objects move only when the
branch did. Fetches that were asked for at the same time share one call. Every network call runs in the mirror's own
thread; what hangs there holds nobody else. The copy on disk is a cache: a call that finds it gone or broken makes it
anew and goes on.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum, auto
from functools import partial
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

import pygit2

from controller.git.commit import Stamp, build_commit
from controller.git.credentials import Credentials
from controller.git.errors import BranchNotFoundError, EmptyRepositoryError, MirrorDamagedError, ObjectMissingError
from controller.git.packs import MOST_PACKS, drop_packs, merge_packs, small_packs
from controller.git.push import Outcome, Pushed, PushOrder, push_commit
from controller.git.remote import UrlRules, check_address, check_url, printable
from controller.git.repository import (
    Copy,
    clear_leftovers,
    discard,
    exclusive,
    is_whole,
    make_bare,
)
from controller.git.snapshot import Snapshot
from controller.git.transport import (
    CONNECT_TIMEOUT,
    FAILED,
    UNREADABLE,
    Callbacks,
    advertised,
    connected,
    send_at_once,
    transfer_error,
)
from controller.git.worker import Worker

NAMED_BRANCHES = 5  # of the branches that are there, in the message about the one that is not


class Condition(Enum):
    """What is known about the copy on disk."""

    UNSEEN = auto()  # an earlier process may have left locks and half-written packs in it
    GOOD = auto()
    DOUBTED = auto()  # something was not there: is it whole?
    BROKEN = auto()


@dataclass(frozen=True, slots=True)
class Head:
    """Where a branch is: the commit, and the tree of the repository's root."""

    branch: str
    commit: str
    tree: str


def local_reference(branch: str) -> str:
    """Where the local copy keeps a branch. One level deep, since `a` and `a/b` may follow each other on the server."""
    return f"refs/heads/{quote(branch, safe='')}"


T = TypeVar("T")

Observe = Callable[[str, bool, float], None]
"""Is told of every network call: `fetch` or `push`, whether it succeeded, and the seconds it took."""


class Mirror:
    """One remote, as seen with one credential. Made by `Mirrors`; use it from one event loop."""

    def __init__(
        self,
        url: str,
        credentials: Credentials,
        path: Path,
        rules: UrlRules,
        timeout: float,
        observe: Observe = lambda *_: None,
    ) -> None:
        check_url(url, rules)
        self.url = url
        self.path = path
        self.snapshot = Snapshot(path, self._note_damage)
        self._credentials = credentials
        self._rules = rules
        self._copy = Copy(path)
        self._worker = Worker(f"git {path.name[:8]}", timeout + min(timeout, CONNECT_TIMEOUT), on_idle=self._copy.close)
        self._condition = Condition.UNSEEN
        self._observe = observe
        self._turn = asyncio.Lock()
        self._next: dict[str, asyncio.Task[Head]] = {}

    async def fetch(self, branch: str) -> Head:
        """Where the branch is now, with everything it holds in the local copy.

        One request if it has not moved. Callers who come before a fetch has begun share it; later ones share the next,
        since the branch may have moved after this one looked. Raises the errors of errors.py.
        """
        task = self._next.get(branch)
        if task is None:
            task = self._next[branch] = asyncio.create_task(self._fetch_next(branch), name=f"fetch {branch}")
            task.add_done_callback(lambda done: done.cancelled() or done.exception())  # all callers may have left
        return await asyncio.shield(task)

    async def find(self, branch: str) -> str:
        """The commit that the server says the branch is at; nothing is brought. Raises the errors of errors.py."""
        return await self._worker.run(partial(self._find, branch), f"the look at {printable(self.url)}")

    async def build_commit(
        self, parent: str | None, directory: str, changes: Mapping[str, bytes | None], message: str, stamp: Stamp
    ) -> str:
        """Build a commit in the local copy (see commit.build_commit); nothing is sent."""
        job = partial(self._build, parent, directory, changes, message, stamp)
        return await self._worker.run(job, f"building a commit for {printable(self.url)}")

    async def push(self, commit: str, branch: str, expected: str | None) -> Outcome:
        """Move the branch from `expected` (None: it must not exist yet) to `commit`. Never forced.

        After an UnreachableError the push may have arrived all the same; the next fetch tells.
        """
        job = partial(self._push, PushOrder(commit, branch, expected))
        return await self._call("push", job, f"the push to {printable(self.url)}")

    def close(self) -> None:
        """Give back open files, soon; the mirror may be used again."""
        self.snapshot.close()
        self._worker.post(self._copy.close)

    def discard(self) -> None:
        """Remove the copy from the disk, soon: after the calls that are under way."""
        self.close()
        self._worker.post(self._discard)

    async def _fetch_next(self, branch: str) -> Head:
        """Wait for the fetch that is under way, then begin: from here on new callers have to wait for another."""
        async with self._turn:
            del self._next[branch]
            return await self._call("fetch", partial(self._fetch, branch), f"the fetch from {printable(self.url)}")

    async def _call(self, call: str, job: Callable[[], T], what: str) -> T:
        """A network call in the worker, told to the observer."""
        began, succeeded = time.monotonic(), False
        try:
            answer = await self._worker.run(job, what)
            succeeded = True
            return answer
        finally:
            self._observe(call, succeeded, time.monotonic() - began)

    # What follows runs in the worker's thread.

    def _find(self, branch: str) -> str:
        """Ask for the server's branches. The copy only lends its connection."""
        check_address(self.url, self._rules)
        with exclusive(self.path):
            remote = connected(self._usable_copy(), self.url, Callbacks(self._credentials, self._worker.beat))
            return self._tip(advertised(remote), branch)

    def _fetch(self, branch: str) -> Head:
        """Fetch into the copy. If that is to blame for a failure: again into a mended one, then into a new one."""
        check_address(self.url, self._rules)
        with exclusive(self.path):
            for proven in (False, True):
                try:
                    return self._fetch_into(self._usable_copy(), branch)
                except MirrorDamagedError:
                    self._note_damage(proven)
            return self._fetch_into(self._usable_copy(), branch)

    def _fetch_into(self, repository: pygit2.Repository, branch: str) -> Head:
        """Look where the branch is, and bring what is missing."""
        here = local_reference(branch)
        callbacks = Callbacks(self._credentials, self._worker.beat)
        remote = connected(repository, self.url, callbacks)
        tip = self._tip(advertised(remote), branch)
        try:
            if tip not in repository.odb:
                send_at_once()
                remote.fetch([f"+refs/heads/{branch}:{here}"], callbacks=callbacks)
                repository = self._tidied(repository)
            elif here not in repository.references or str(repository.references[here].target) != tip:
                repository.references.create(here, tip, force=True)
            return Head(branch, tip, str(repository[tip].peel(pygit2.Tree).id))
        except FAILED as error:
            raise transfer_error(error, self.url, self._credentials) from None

    def _tidied(self, repository: pygit2.Repository) -> pygit2.Repository:
        """Merge small packs once there are many."""
        small = small_packs(self.path)
        if len(small) <= MOST_PACKS:
            return repository
        merged = merge_packs(repository, self.path, small)
        with self.snapshot.closed():
            drop_packs(self.path, merged)
        return self._copy.opened()

    def _tip(self, references: dict[str, str], branch: str) -> str:
        """The commit that the server says the branch is at."""
        place = printable(self.url)
        branches = sorted(name.removeprefix("refs/heads/") for name in references if name.startswith("refs/heads/"))
        if branch in branches:
            return references[f"refs/heads/{branch}"]
        if not branches:
            raise EmptyRepositoryError(f"{place} has no commit yet; push one to branch {branch!r}")
        others = ", ".join(branches[:NAMED_BRANCHES]) + (", …" if len(branches) > NAMED_BRANCHES else "")
        raise BranchNotFoundError(
            f"{place} has no branch {branch!r}; push it, or name one of these in spec.repository.branch: {others}"
        )

    def _build(
        self, parent: str | None, directory: str, changes: Mapping[str, bytes | None], message: str, stamp: Stamp
    ) -> str:
        """Build a commit. Without a parent this may be the first use of the copy."""
        with exclusive(self.path):
            repository = self._usable_copy()
            try:
                return build_commit(repository, parent, directory, changes, message, stamp)
            except UNREADABLE as error:
                self._note_damage(proven=not isinstance(error, KeyError))
                raise MirrorDamagedError(f"no commit can be built on {parent} ({error}); fetch again") from None

    def _push(self, order: PushOrder) -> Outcome:
        """Push from the copy as it is: a mended one would not hold the commit."""
        check_address(self.url, self._rules)
        with exclusive(self.path):
            try:
                repository = self._copy.opened()
                outcome = push_commit(repository, self.url, self._credentials, self._worker.beat, order)
            except (MirrorDamagedError, *UNREADABLE) as error:
                self._note_damage(proven=not isinstance(error, KeyError | ObjectMissingError))
                raise MirrorDamagedError(
                    f"{order.commit} cannot be pushed ({error}); fetch, and build it again"
                ) from None
            if isinstance(outcome, Pushed):
                with suppress(*UNREADABLE):  # only spares the next fetch a negotiation
                    repository.references.create(local_reference(order.branch), outcome.commit, force=True)
            return outcome

    def _discard(self) -> None:
        """Remove the folder."""
        with exclusive(self.path):
            discard(self.path)

    def _usable_copy(self) -> pygit2.Repository:
        """The copy, made anew unless what is there can be used."""
        if self._condition is not Condition.GOOD:
            clear_leftovers(self.path)
            self._copy.close()  # it may still see files that were deleted
        try:
            repository = self._copy.opened()
            if self._condition is Condition.DOUBTED and not is_whole(repository, self._worker.beat):
                self._condition = Condition.BROKEN
        except UNREADABLE:
            self._condition = Condition.BROKEN
        try:
            if self._condition is Condition.BROKEN:
                make_bare(self.path)
            self._condition = Condition.GOOD
            return self._copy.opened()
        except UNREADABLE as error:
            raise MirrorDamagedError(f"no local copy can be made at {self.path}: {error}") from None

    def _note_damage(self, proven: bool) -> None:
        """Something could not be read: look through the copy before it is used again, or make it anew if proven."""
        if self._condition is not Condition.BROKEN:
            self._condition = Condition.BROKEN if proven else Condition.DOUBTED
