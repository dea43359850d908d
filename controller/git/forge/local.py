"""For servers that are no forge: a branch is the request. Nobody can be told anything there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from controller.git.errors import ForgeRefusedError
from controller.git.forge.model import CommitState, Proposal, Request, RequestState

Branches = Callable[[str], Awaitable[str | None]]
"""The commit that a branch of the remote is at; None if there is no such branch. May raise the errors of Git."""


class Local:
    """Requests that are branches. Whether one was merged, Git alone knows: it is never told here."""

    def __init__(self, branches: Branches) -> None:
        self._branches = branches

    async def find(self, branch: str) -> Request | None:
        """Open as long as the branch is there."""
        head = await self._branches(branch)
        return None if head is None else Request(0, "", RequestState.OPEN, branch, head, "", "")

    async def open(self, branch: str, proposal: Proposal) -> Request:
        """The branch, which has been pushed before."""
        found = await self.find(branch)
        if found is None:
            raise ForgeRefusedError(
                f"branch {branch!r} is not on the Git server any more, so nothing is proposed there; it is pushed again"
            )
        return found

    async def update(self, request: Request, proposal: Proposal) -> Request:
        """What the commits say is all there is."""
        return request

    async def close(self, request: Request, comment: str = "") -> None:
        """The branch is its owner's to delete."""

    async def all_open(self) -> list[Request]:
        """A plain server tells nobody's branches from anybody else's."""
        return []

    async def comment(self, request: Request, marker: str, text: str, *, amend: bool = False) -> None:
        """Nobody reads here."""

    async def set_status(self, commit: str, context: str, state: CommitState, description: str, url: str = "") -> None:
        """Nobody reads here."""

    async def aclose(self) -> None:
        """Nothing is open."""
