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
from dataclasses import replace
from enum import Enum, auto
from functools import partial
from typing import TypeVar

import pygit2

from controller.git.commit import Sign, Stamp, build_commit
from controller.git.errors import MirrorDamagedError, ObjectMissingError, RepositoryTooLargeError
from controller.git.heads import Head, Wanted, local_reference, tags_of, tip_of
from controller.git.libgit2 import UNREADABLE
from controller.git.merging import Merged, merge_directory
from controller.git.packs import MOST_PACKS, drop_packs, loose_bytes, merge_packs, packed_bytes, small_packs
from controller.git.push import NOTHING, Outcome, Pushed, PushOrder
from controller.git.remote import UrlRules, check_address, check_url, printable
from controller.git.repository import (
    Copy,
    clear_leftovers,
    discard,
    exclusive,
    is_whole,
    make_bare,
    replace_copy,
)
from controller.git.snapshot import Snapshot
from controller.git.transport import CONNECT_TIMEOUT, Pulse, Remote, Session, Transport, too_large
from controller.git.transports import transport_of
from controller.git.worker import Worker

MOST_BYTES = 1 << 30  # of a copy, unless the Fabric says otherwise
LOOSE_BYTES = 64 << 20  # that a copy may have beside its packs: commits that were built here


class Condition(Enum):
    """What is known about the copy on disk."""

    UNSEEN = auto()  # an earlier process may have left locks and half-written packs in it
    GOOD = auto()
    DOUBTED = auto()  # something was not there: is it whole?
    BROKEN = auto()


T = TypeVar("T")

MakeTransport = Callable[[Remote, Pulse], Transport]
Observe = Callable[[str, bool, float], None]
"""Is told of every network call: `fetch` or `push`, whether it succeeded, and the seconds it took."""


class Mirror:
    """One remote, as seen with one credential. Made by `Mirrors`; use it from one event loop."""

    def __init__(
        self,
        remote: Remote,
        rules: UrlRules,
        observe: Observe = lambda *_: None,
        make_transport: MakeTransport = transport_of,
    ) -> None:
        check_url(remote.url, rules)
        self.url = remote.url
        self.path = remote.path
        self.snapshot = Snapshot(self.path, self._note_damage)
        self._remote = remote
        self._rules = rules
        self._copy = Copy(self.path)
        patience = remote.timeout + min(remote.timeout, CONNECT_TIMEOUT)
        self._worker = Worker(f"git {self.path.name[:8]}", patience, on_idle=self._copy.close)
        self._make_transport = make_transport
        self._transport = make_transport(remote, self._worker)
        self._condition = Condition.UNSEEN
        self._observe = observe
        self._turn = asyncio.Lock()
        self._next: dict[Wanted, asyncio.Task[Head]] = {}
        self._latest: dict[Wanted, tuple[float, asyncio.Task[Head]]] = {}  # → when the last fetch began, and itself
        self._too_large: dict[Wanted, tuple[str, dict[str, str]]] = {}  # → the commit and tags that did not fit

    async def fetch(
        self, branch: str, most_bytes: int = MOST_BYTES, *, tags: bool = False, since: float | None = None
    ) -> Head:
        """Where the branch is now, with everything it holds in the local copy, which has at most `most_bytes`.

        `tags`: with all tags of the repository, and what they hold. `since`: what a fetch found that began at this time
        of the process' clock or later is good enough.
        One request if it has not moved. Callers who come before a fetch has begun share it; later ones share the next,
        since the branch may have moved after this one looked. Raises the errors of errors.py.
        """
        wanted = Wanted(branch, most_bytes, tags)
        began, latest = self._latest.get(wanted, (0.0, None))
        if since is not None and latest is not None and began >= since and not _has_failed(latest):
            return await asyncio.shield(latest)
        task = self._next.get(wanted)
        if task is None:
            task = self._next[wanted] = asyncio.create_task(self._fetch_next(wanted), name=f"fetch {branch}")
            task.add_done_callback(lambda done: done.cancelled() or done.exception())  # all callers may have left
        return await asyncio.shield(task)

    async def find(self, branch: str) -> str:
        """The commit that the server says the branch is at; nothing is brought. Raises the errors of errors.py."""
        return await self._worker.run(partial(self._find, branch), f"the look at {printable(self.url)}")

    async def build_commit(
        self,
        parent: str | None,
        directory: str,
        changes: Mapping[str, bytes | None],
        message: str,
        stamp: Stamp,
        sign: Sign | None = None,
    ) -> str:
        """Build a commit in the local copy (see commit.build_commit); nothing is sent."""
        return await self.build(
            lambda repository: build_commit(repository, parent, directory, changes, message, stamp, sign)
        )

    async def build(self, make: Callable[[pygit2.Repository], T]) -> T:
        """What `make` builds in the local copy, of what is there; nothing is sent. It may be the copy's first use."""
        return await self._worker.run(partial(self._build, make), f"building something for {printable(self.url)}")

    async def merge(self, base: str, head: str, directory: str) -> Merged:
        """What the directory would hold with one commit merged into the other; both are in the local copy."""
        return await self.build(lambda repository: merge_directory(repository, base, head, directory))

    async def push(self, commit: str, branch: str, expected: str | None) -> Outcome:
        """Move the branch from `expected` (None: it must not exist yet) to `commit`. Never forced.

        After an UnreachableError the push may have arrived all the same; the next fetch tells.
        """
        job = partial(self._push, PushOrder(commit, branch, expected))
        return await self._call("push", job, f"the push to {printable(self.url)}")

    async def delete(self, branch: str, expected: str) -> Outcome:
        """Remove a branch that is at `expected`. After an UnreachableError it may be gone all the same."""
        return await self.push(NOTHING, branch, expected)

    def close(self) -> None:
        """Give back open files, soon; the mirror may be used again."""
        self.snapshot.close()
        self._worker.post(self._copy.close)

    def discard(self) -> None:
        """Remove the copy from the disk, soon: after the calls that are under way."""
        self.close()
        self._worker.post(self._discard)

    async def _fetch_next(self, wanted: Wanted) -> Head:
        """Wait for the fetch that is under way, then begin: from here on new callers have to wait for another."""
        async with self._turn:
            self._latest[wanted] = (time.monotonic(), self._next.pop(wanted))
            return await self._call("fetch", partial(self._fetch, wanted), f"the fetch from {printable(self.url)}")

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
        self._check_address()
        with exclusive(self.path):
            session = self._transport.connect(self._usable_copy(), branch)
            return tip_of(session.references, branch, self.url)

    def _fetch(self, wanted: Wanted) -> Head:
        """Fetch into the copy. If that is to blame for a failure: again into a mended one, then into a new one."""
        self._check_address()
        with exclusive(self.path):
            for proven in (False, True):
                try:
                    return self._fetch_into(self._usable_copy(), wanted)
                except MirrorDamagedError:
                    self._note_damage(proven)
            return self._fetch_into(self._usable_copy(), wanted)

    def _fetch_into(self, repository: pygit2.Repository, wanted: Wanted) -> Head:
        """Look where the branch is, and bring what is missing."""
        session = self._transport.connect(repository, wanted.branch, tags=wanted.tags)
        tip, tags = (
            tip_of(session.references, wanted.branch, self.url),
            tags_of(session.references, self.url) if wanted.tags else {},
        )
        if self._too_large.get(wanted) == (tip, tags):
            raise RepositoryTooLargeError(too_large(printable(self.url), wanted.most_bytes))
        try:
            tip = self._brought(repository, session, tip, tags, wanted)
            return Head(wanted.branch, tip, str(self._copy.opened()[tip].peel(pygit2.Tree).id), tags)
        except UNREADABLE as error:
            raise MirrorDamagedError(f"the local copy of {printable(self.url)} cannot be used ({error})") from None

    def _brought(
        self, repository: pygit2.Repository, session: Session, tip: str, tags: dict[str, str], wanted: Wanted
    ) -> str:
        """Have the branch in the copy, within its bounds; the commit it is at by then.

        What does not fit beside what is there may fit alone: history that was rewritten is kept, and counts.
        """
        here, most_bytes = local_reference(wanted.branch), wanted.most_bytes
        present = packed_bytes(self.path)
        if present <= most_bytes and all(one in repository.odb for one in (tip, *tags.values())):
            if here not in repository.references or str(repository.references[here].target) != tip:
                repository.references.create(here, tip, force=True)
            return tip
        try:
            if present >= most_bytes:
                raise RepositoryTooLargeError("there is no room left")
            tip = session.fetch(wanted.branch, here, most_bytes - present, tags=wanted.tags)
            self._tidied(repository)
            return tip
        except RepositoryTooLargeError:
            clear_leftovers(self.path)
            if loose_bytes(self.path) > LOOSE_BYTES:  # a server without packs; what came of it would stay for ever
                self._note_damage(proven=True)
            elif present:
                with suppress(RepositoryTooLargeError):
                    return self._brought_anew(wanted)
            self._too_large[wanted] = (tip, tags)
            raise RepositoryTooLargeError(too_large(printable(self.url), most_bytes)) from None

    def _brought_anew(self, wanted: Wanted) -> str:
        """Fetch into a new copy, which takes the place of the old one only if it is within bounds."""
        aside = self.path.with_suffix(".aside")
        make_bare(aside)
        try:
            repository = Copy(aside).opened()
            transport = self._make_transport(replace(self._remote, path=aside), self._worker)
            session = transport.connect(repository, wanted.branch, tags=wanted.tags)
            here = local_reference(wanted.branch)
            tip = session.fetch(wanted.branch, here, wanted.most_bytes, tags=wanted.tags)
            repository.free()
            self._copy.close()
            replace_copy(self.path, aside)
            return tip
        finally:
            discard(aside)

    def _check_address(self) -> None:
        """Raise AddressRefusedError if the remote's host is not to be talked to now."""
        check_address(self.url, self._rules, elsewhere=bool(self._remote.proxy))

    def _tidied(self, repository: pygit2.Repository) -> None:
        """Merge small packs once there are many."""
        small = small_packs(self.path)
        if len(small) <= MOST_PACKS:
            return
        merged = merge_packs(repository, self.path, small)
        with self.snapshot.closed():
            drop_packs(self.path, merged)

    def _build(self, make: Callable[[pygit2.Repository], T]) -> T:
        with exclusive(self.path):
            repository = self._usable_copy()
            try:
                return make(repository)
            except UNREADABLE as error:
                self._note_damage(proven=not isinstance(error, KeyError))
                raise MirrorDamagedError(f"nothing can be built in the local copy ({error}); fetch again") from None

    def _push(self, order: PushOrder) -> Outcome:
        """Push from the copy as it is: a mended one would not hold the commit."""
        self._check_address()
        with exclusive(self.path):
            try:
                repository = self._copy.opened()
                outcome = self._transport.push(repository, order)
            except (MirrorDamagedError, *UNREADABLE) as error:
                self._note_damage(proven=not isinstance(error, KeyError | ObjectMissingError))
                raise MirrorDamagedError(
                    f"{order.commit} cannot be pushed ({error}); fetch, and build it again"
                ) from None
            if isinstance(outcome, Pushed):
                here = local_reference(order.branch)
                with suppress(*UNREADABLE):  # only spares the next fetch a negotiation
                    if order.is_deletion:
                        repository.references.delete(here)
                    else:
                        repository.references.create(here, outcome.commit, force=True)
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


def _has_failed(task: asyncio.Task[Head]) -> bool:
    """Whether it is over, and found nothing: the next caller tries anew."""
    return task.done() and (task.cancelled() or task.exception() is not None)
