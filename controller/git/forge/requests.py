"""What GitHub and Gitea do alike, over whatever asks them: one repository's requests, comments, and commit states.

Gitea took its API from GitHub's. The two modules that stand on this one say how each is asked, and how it is searched.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

from controller.git.errors import ForgeRefusedError
from controller.git.forge.model import MOST_OPEN, CommitState, Proposal, Request, RequestState
from controller.git.forge.place import ForgePlace
from controller.git.forge.words import (
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
from controller.objects import Json

MOST_COMMENTS = 1_000
"""Comments of one request among which ours is looked for: more than people write, and ten pages at most."""

_EXISTS = frozenset({409, 422})  # "a pull request for these branches exists": Gitea's word, GitHub's word

T = TypeVar("T")


class Requests(ABC):
    """The requests of one repository into one branch, at a forge with an API like GitHub's."""

    page: int  # the most items of one answer

    def __init__(self, place: ForgePlace) -> None:
        self._place = place
        self._root = f"/repos/{quote(place.owner, safe='')}/{quote(place.name, safe='')}"

    @abstractmethod
    async def ask(self, method: str, path: str, body: Json | None = None) -> Any:
        """The decoded answer. `path` is below the API, with its query. Raises ForgeRefusedError."""

    @abstractmethod
    async def found(self, branch: str) -> list[Any]:
        """Pull requests among which those from a branch are, open and ended."""

    @abstractmethod
    async def listed(self, most: int) -> list[Any]:
        """The newest open pull requests into the base branch."""

    @abstractmethod
    async def aclose(self) -> None:
        """Hang up."""

    async def find(self, branch: str) -> Request | None:
        """As the interface says."""
        pulls = await self.found(branch)
        base = self._place.base
        return self._read(
            lambda: chosen([request_from(one) for one in pulls if is_from(one, branch) and goes_into(one, base)])
        )

    async def open(self, branch: str, proposal: Proposal) -> Request:
        """As the interface says."""
        body = {**proposal_body(proposal), "head": branch, "base": self._place.base}
        try:
            made = await self.ask("POST", f"{self._root}/pulls", body)
        except ForgeRefusedError as error:
            known = await self.find(branch) if error.status in _EXISTS else None
            if known is None or known.state is not RequestState.OPEN:
                raise error from None
            return known
        return self._read(lambda: request_from(made))

    async def update(self, request: Request, proposal: Proposal) -> Request:
        """As the interface says."""
        changed = await self.ask("PATCH", self._pull(request), proposal_body(proposal))
        return self._read(lambda: request_from(changed))

    async def close(self, request: Request, comment: str = "") -> None:
        """As the interface says."""
        pull = await self.ask("GET", self._pull(request))
        if self._read(lambda: request_from(pull)).state is not RequestState.OPEN:
            return
        if comment:
            await self.ask("POST", f"{self._issue(request)}/comments", {"body": comment})
        await self.ask("PATCH", self._pull(request), {"state": "closed"})

    async def all_open(self) -> list[Request]:
        """As the interface says."""
        pulls = await self.listed(MOST_OPEN)
        base = self._place.base
        return self._read(lambda: [request_from(one) for one in pulls if goes_into(one, base)])[:MOST_OPEN]

    async def comment(self, request: Request, marker: str, text: str, *, amend: bool = False) -> None:
        """As the interface says."""
        body = marked(marker, text)
        path = f"{self._issue(request)}/comments"
        known = await self._known_comment(path, marker)
        if known is None:
            if not amend:
                await self.ask("POST", path, {"body": body})
        elif not same_text(known[1], body):
            await self.ask("PATCH", f"{self._root}/issues/comments/{known[0]}", {"body": body})

    async def set_status(self, commit: str, context: str, state: CommitState, description: str, url: str = "") -> None:
        """As the interface says."""
        body = status_body(context, state, description, url)
        known = await self.ask("GET", f"{self._root}/commits/{quote(commit, safe='')}/statuses?{self.paged(1)}")
        if not self._read(lambda: stands_already(items(known), body)):
            await self.ask("POST", f"{self._root}/statuses/{quote(commit, safe='')}", body)

    def pulls(self, page: int = 1, **query: str) -> str:
        """The path of a page of the list of pull requests."""
        return f"{self._root}/pulls?{urlencode(query)}&{self.paged(page)}"

    @abstractmethod
    def paged(self, page: int) -> str:
        """What asks for a page, counted from 1."""

    async def pages(self, path: Callable[[int], str], most: int) -> list[Any]:
        """The items of a list, page by page, until one is not full, or there are enough."""
        found: list[Any] = []
        for number in range(1, -(-most // self.page) + 1):
            answer = await self.ask("GET", path(number))
            page = self._read(lambda answer=answer: items(answer))  # type: ignore[misc]
            found += page
            if len(page) < self.page:
                break
        return found

    async def _known_comment(self, path: str, marker: str) -> tuple[int, str] | None:
        comments = await self.pages(lambda page: f"{path}?{self.paged(page)}", MOST_COMMENTS)
        return self._read(lambda: marked_comment(comments, marker))

    def _pull(self, request: Request) -> str:
        return f"{self._root}/pulls/{request.number}"

    def _issue(self, request: Request) -> str:
        return f"{self._root}/issues/{request.number}"

    def _read(self, read: Callable[[], T]) -> T:
        try:
            return read()
        except WrongWordsError as error:
            raise ForgeRefusedError(
                f"{self._place.api} answers, but with something else than {error}; check "
                "spec.repository.forge.type and apiURL"
            ) from None
