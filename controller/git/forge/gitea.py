"""Gitea, and what grew out of it (Forgejo): five calls, asked plainly."""

from __future__ import annotations

from typing import Any

import orjson

from controller.git.forge.answers import decoded
from controller.git.forge.keys import Keys
from controller.git.forge.network import Caller, Network
from controller.git.forge.place import ForgePlace
from controller.git.forge.requests import Requests
from controller.objects import Json

MOST_ENDED = 200
"""Ended requests, those that changed last first, among which the newest of a branch is looked for: Gitea cannot be
asked for the requests of a branch."""


class Gitea(Requests):
    """The requests of one repository at a Gitea."""

    page = 50  # Gitea's default for MAX_RESPONSE_ITEMS

    def __init__(self, place: ForgePlace, keys: Keys, network: Network) -> None:
        super().__init__(place)
        self._caller = Caller(place.api, network, keys.authority)
        self._headers = {"authorization": f"token {keys.token}", "accept": "application/json"}

    async def ask(self, method: str, path: str, body: Json | None = None) -> Any:
        """As the base says."""
        url = f"{self._caller.api}{path}"
        if body is None:
            return decoded(*await self._caller.exchange(method, url, self._headers))
        headers = {**self._headers, "content-type": "application/json"}
        return decoded(*await self._caller.exchange(method, url, headers, orjson.dumps(body)))

    async def found(self, branch: str) -> list[Any]:
        """As the base says. Ended ones are looked for only where none is open."""
        opened = await self.listed(MOST_ENDED)
        if any((one.get("head") or {}).get("label") == branch for one in opened if isinstance(one, dict)):
            return opened
        return opened + await self._page_by_page("closed", "recentupdate", MOST_ENDED)

    async def listed(self, most: int) -> list[Any]:
        """As the base says."""
        return await self._page_by_page("open", "", most)

    def paged(self, page: int) -> str:
        """As the base says."""
        return f"page={page}&limit={self.page}"

    async def aclose(self) -> None:
        """Hang up."""
        await self._caller.aclose()

    async def _page_by_page(self, state: str, order: str, most: int) -> list[Any]:
        query = {"state": state, "base_branch": self._place.base} | ({"sort": order} if order else {})
        return await self.pages(lambda page: self.pulls(page, **query), most)
