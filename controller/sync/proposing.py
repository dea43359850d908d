"""What is kept (`keeping.py`) put on a branch of the fabric's own, as one pull request, and followed to its end.

    look      how the request is doing at the forge
    settle    branch and request are made to say what is kept; an end without a merge becomes conflicts

Branch and request are found again by the branch's name: a process that dies between any two steps goes on where it was,
with one branch and one request.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import structlog

from controller.api.conditions import Finding
from controller.api.v1alpha1.fabric import WriteMode
from controller.errors import Reason, TandemError, WaitingError
from controller.git.amend import Amendment
from controller.git.errors import BranchNotFoundError, EmptyRepositoryError
from controller.git.forge.local import Local
from controller.git.forge.model import Forge, Request, RequestState
from controller.git.mirror import Mirror
from controller.git.push import LeaseLost, Outcome, Pushed, Refused
from controller.objects import ObjectKey
from controller.store.requests import Cause, RequestRow, RequestStep
from controller.sync.keeping import Kept
from controller.sync.plan.conflicts import hidden
from controller.sync.plan.model import Action, Change, Declared, Pending, Presence
from controller.sync.plan.pending import digest, document, is_part
from controller.sync.proposal import proposal_of
from controller.sync.publishing import drafted
from controller.sync.run import Run
from controller.sync.state import FabricState
from controller.sync.tools import Tools
from controller.sync.writeback import Draft, push

LEASE_TRIES = 4  # pushes of one amendment, when others push to the request's branch at the same time

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Ending:
    """How a request came to an end, and the edits that whoever ended it saw. Others are proposed in a new one."""

    message: str
    seen: Mapping[ObjectKey, Pending]

    def concerns(self, key: ObjectKey, pending: Pending) -> bool:
        """Whether what is still kept of an object was seen."""
        before = self.seen.get(key)
        return before is not None and is_part(pending, before)


class Proposer:
    """The pull request of one fabric. `finding`: why it does not say what it should, None if it does."""

    def __init__(self, tools: Tools, state: FabricState, kept: Kept) -> None:
        self._tools = tools
        self._state = state
        self._kept = kept
        self._ending: Ending | None = None
        self._is_blind = False  # the forge could not be asked how the request is doing
        self.finding: Finding | None = None

    # --- how it is doing -------------------------------------------------------------------------------------------

    async def look(self, mirror: Mirror) -> bool:
        """Ask the forge. Returns whether the request is over: then the branch has to be fetched once more.

        A forge that cannot be asked holds nothing else.
        """
        request, self._is_blind = self._state.request, False
        if request is None or not request.opened:
            return False
        try:
            forge = await self._forge(mirror, request)
            self._ending = await self._ending_of(await forge.find(request.branch), request, mirror)
        except WaitingError as error:
            log.warning("the request cannot be looked at", branch=request.branch, problem=error.message)
            self.finding, self._is_blind = Finding.of(error), True
        return self._ending is not None

    async def _ending_of(self, found: Request | None, request: RequestRow, mirror: Mirror) -> Ending | None:
        """How the request came to an end; None if it did not."""
        into, seen = request.base_branch, dict(self._state.pending)
        if found is not None and found.number:
            name = f"pull request #{found.number}"
            if found.state is RequestState.MERGED:
                is_older = _is_before(mirror, found.head, request.commit)
                return Ending(f"{name} was merged, and {into} does not say this all the same", {} if is_older else seen)
            if found.state is RequestState.CLOSED:
                return Ending(f"{name} was closed without being merged", seen)
        if found is None or (found.number and not await self._head(mirror, request.branch)):
            return Ending(f"branch {request.branch} was deleted before it was merged into {into}", seen)
        return None

    # --- making it so ----------------------------------------------------------------------------------------------

    async def settle(self, mirror: Mirror, run: Run) -> bool:
        """Have branch and request say what is kept. Returns whether objects have to be planned anew."""
        state, wanted = self._state, self._kept.wanted
        if state.request is None and not wanted:
            self.finding = None
            return False
        request, ending = self._kept.request(), self._ending
        if ending is not None:
            await self._end(mirror, request)
            await self._kept.drop([key for key in wanted if ending.concerns(key, wanted[key])], ending.message)
            self._ending = None
            return bool(wanted)
        try:
            await self._settle(mirror, request, wanted, run)
        except WaitingError as error:
            log.warning("the request is not as it should be", branch=request.branch, problem=error.message)
            self.finding = Finding.of(error)
            state.unpushed |= wanted.keys()
            state.retry |= wanted.keys()
        else:
            self.finding = self.finding if self._is_blind else None
        return self._ending is not None

    async def _settle(self, mirror: Mirror, request: RequestRow, wanted: Mapping[ObjectKey, Pending], run: Run) -> None:
        declared = {key: self._state.declared.declared(key, self._state.bases.get(key)) for key in wanted}
        if any(side.presence is Presence.UNKNOWN for side in declared.values()):
            return  # a file cannot be read: what it should become cannot be told
        if not wanted:
            await self._finish(mirror, request)
            return
        said = digest(wanted, {key: side.origin.blob for key, side in declared.items() if side.origin})
        if request.digest != said:
            changes = [self._change(key, pending, declared[key]) for key, pending in wanted.items()]
            request = await self._amend(mirror, request, changes, said, run)
        if request.step is RequestStep.PUSHED:
            await self._open(mirror, request, wanted, run)

    def _change(self, key: ObjectKey, pending: Pending, declared: Declared) -> Change:
        """What the request does to one object's document."""
        state = self._state
        base = state.bases.get(key)
        made = next((edit.new["apiVersion"] for edit in pending.edits if edit.path == ()), "")
        api_version = declared.api_version or (base.api_version if base else made)
        actual = state.view.actual(key, api_version)
        schema = state.reach.cluster.schemas.get(api_version, key.kind)
        return Change(
            key,
            Action.REMOVE_DOCUMENT if pending.deleted else Action.WRITE_BACK,
            row="",
            document=document(declared, pending, schema),
            edits=hidden(key, pending.edits),
            makers=pending.makers,
            uid=actual.uid,
            resource_version=actual.resource_version,
            api_version=api_version,
            origin=declared.origin or (base.origin if base else None),
        )

    async def _amend(
        self, mirror: Mirror, request: RequestRow, changes: Sequence[Change], said: str, run: Run
    ) -> RequestRow:
        """Push a commit with all that is kept. Raises WaitingError."""
        for _ in range(LEASE_TRIES):
            head = await self._head(mirror, request.branch)
            draft = await self._draft(mirror, request, head, changes, run)
            if draft is None:
                return request
            under_way = replace(request, step=RequestStep.WANTED, prepared=draft.commit, digest="")
            request = await self._kept.record(under_way)
            outcome: Outcome = Pushed(head)
            if draft.commit != head:
                outcome = await push(mirror, draft.commit, request.branch, head or None)
            match outcome:
                case Pushed(commit):
                    run.commits += draft.commits if commit != head else ()
                    return await self._kept.record(
                        replace(request, step=RequestStep.PUSHED, commit=commit, digest=said)
                    )
                case Refused(message):
                    raise WaitingError(
                        Reason.PUSH_REJECTED,
                        f"{request.url} does not take commits on {request.branch} either: {message}; the edits stay "
                        "live and are tried again: let Tandem push to that branch, or take them back",
                    )
                case LeaseLost():
                    log.debug("somebody else pushed to the request's branch", branch=request.branch)
        raise WaitingError(Reason.PUSH_REJECTED, f"others push to {request.branch} all the time; it is tried again")

    async def _draft(
        self, mirror: Mirror, request: RequestRow, head: str, changes: Sequence[Change], run: Run
    ) -> Draft | None:
        """The commit that says what is kept; objects that cannot be written are told, and kept no longer."""
        state = self._state
        if not state.seen_commit:
            raise BranchNotFoundError(
                f"{request.url} has no branch {request.base_branch} that a request could go into; push a first commit"
            )
        known = (commit for commit in (request.prepared, request.commit) if commit and head)
        ours = next((one for one in known if mirror.snapshot.has(one) and mirror.snapshot.is_ancestor(one, head)), "")
        place = Amendment(state.seen_commit, head, ours)
        draft, failed = await drafted(self._tools, state, mirror, changes, run, place)
        await self._kept.forget(failed)
        return draft

    async def _open(self, mirror: Mirror, request: RequestRow, wanted: Mapping[ObjectKey, Pending], run: Run) -> None:
        """Have the forge show the request. One that was ended meanwhile is not opened again."""
        profile = self._state.profile
        forge = await self._forge(mirror, request)
        text = proposal_of(profile.fabric, request.base_branch, wanted, is_second_choice=request.cause is Cause.REFUSED)
        found = await forge.find(request.branch)
        if found is not None and self._is_ours(found, request) and found.state is not RequestState.OPEN:
            self._ending = await self._ending_of(found, request, mirror)
            return
        if found is None or found.state is not RequestState.OPEN:
            found = await forge.open(request.branch, text)
        else:
            found = await forge.update(found, text)
        if not request.opened:
            run.requests.append(found.url or f"branch {request.branch}")
        await self._kept.record(
            replace(request, step=RequestStep.OPEN, opened=True, number=found.number, link=found.url)
        )

    @staticmethod
    def _is_ours(found: Request, request: RequestRow) -> bool:
        """Whether it is this request, and not an earlier one from the same branch."""
        return found.number == request.number if request.opened else bool(found.head) and found.head == request.commit

    async def _finish(self, mirror: Mirror, request: RequestRow) -> None:
        """Nothing is proposed any more: it is on the branch, was taken back, or has to be decided first."""
        if request.opened:
            forge = await self._forge(mirror, request)
            found = await forge.find(request.branch)
            if found is not None and found.state is RequestState.OPEN:
                await forge.close(found, _farewell(request.base_branch, in_conflict=bool(self._state.conflicts)))
        await self._end(mirror, request)
        await self._kept.drop()

    async def _end(self, mirror: Mirror, request: RequestRow) -> None:
        """Remove the branch, if it is our own and nobody else's commits are on it. Nothing depends on it."""
        if self._state.profile.source.push_branch == request.branch:
            return
        with suppress(TandemError):
            head = await self._head(mirror, request.branch)
            if head and head in (request.commit, request.prepared):
                await mirror.delete(request.branch, head)

    async def _forge(self, mirror: Mirror, request: RequestRow) -> Forge:
        """Where the request is shown; for a branch that somebody merges by hand, nowhere but in Git."""
        profile = self._state.profile

        async def branches(branch: str) -> str | None:
            return await self._head(mirror, branch) or None

        if profile.source.write is WriteMode.PUSH and request.cause is Cause.SPEC:
            return Local(branches)
        return await self._tools.forges.of(profile, branches, reread=self.finding is not None)

    # --- small things ----------------------------------------------------------------------------------------------

    async def _head(self, mirror: Mirror, branch: str) -> str:
        """Where the request's branch is, with all it holds here; "" if there is none."""
        try:
            return (await mirror.fetch(branch, self._state.profile.source.max_bytes)).commit
        except (BranchNotFoundError, EmptyRepositoryError):
            return ""


def _is_before(mirror: Mirror, head: str, commit: str) -> bool:
    """Whether the commit was put on top of the head later."""
    snapshot = mirror.snapshot
    return head not in {"", commit} and snapshot.has(head) and snapshot.is_ancestor(head, commit)


def _farewell(branch: str, *, in_conflict: bool) -> str:
    """What a request is closed with."""
    if in_conflict:
        return (
            f"`{branch}` says something else by now about what was proposed here: that is a conflict, and is proposed "
            "again if it is decided in favour of the cluster."
        )
    return f"Nothing is left to propose: `{branch}` says it already, or it was taken back in the cluster."
