"""GitHub: asked through gidgethub, which writes its headers, keeps its ETags and signs for its Apps.

What an answer means is judged before gidgethub sees it (`answers.py`), so that both forges fail with the same words.
Lists are asked for page by page; the links that an answer names are not followed.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from gidgethub.abc import GitHubAPI
from gidgethub.apps import get_installation_access_token

from controller.git.errors import ForgeRefusedError
from controller.git.forge.answers import decoded
from controller.git.forge.keys import App, Keys
from controller.git.forge.network import Caller, Network
from controller.git.forge.place import ForgePlace
from controller.git.forge.requests import Requests
from controller.objects import Json

VERSION = {"X-GitHub-Api-Version": "2022-11-28"}
MARGIN = 300.0  # seconds before its end from which a token of an App is not used any more
_KEPT = 64  # answers that GitHub is asked about with "unless it changed", which costs nothing of its limits


class GitHub(Requests):
    """The requests of one repository at GitHub."""

    page = 100

    def __init__(self, place: ForgePlace, keys: Keys, network: Network) -> None:
        super().__init__(place)
        self._caller = Caller(place.api, network, keys.authority)
        self._api = _Api(self._caller)
        self._tokens: _Token | _AppTokens = (
            _Token(keys.token) if keys.app is None else _AppTokens(keys.app, self._api, self._caller)
        )

    async def ask(self, method: str, path: str, body: Json | None = None) -> Any:
        """As the base says."""
        token = await self._tokens.current()
        try:
            if method == "GET":
                return await self._api.getitem(path, oauth_token=token, extra_headers=dict(VERSION))
            send = self._api.post if method == "POST" else self._api.patch
            return await send(path, data=body, oauth_token=token, extra_headers=dict(VERSION))
        except ForgeRefusedError as error:
            if error.status == 401:
                self._tokens.drop()
            raise

    async def found(self, branch: str) -> list[Any]:
        """As the base says: the newest of that branch."""
        head = f"{self._place.owner}:{branch}"
        query = {"head": head, "base": self._place.base, "state": "all", "sort": "created", "direction": "desc"}
        return await self.pages(lambda page: self.pulls(page, **query), self.page)

    async def listed(self, most: int) -> list[Any]:
        """As the base says."""
        query = {"state": "open", "base": self._place.base, "sort": "created", "direction": "desc"}
        return await self.pages(lambda page: self.pulls(page, **query), most)

    def paged(self, page: int) -> str:
        """As the base says."""
        return f"per_page={self.page}&page={page}"

    async def aclose(self) -> None:
        """Hang up."""
        await self._caller.aclose()


class _Token:
    """A token that somebody made."""

    def __init__(self, token: str) -> None:
        self._token = token

    async def current(self) -> str:
        return self._token

    def drop(self) -> None:
        """Another one comes with another content of the Secret."""


class _AppTokens:
    """The tokens of an App's installation, each good for an hour."""

    def __init__(self, app: App, api: _Api, caller: Caller) -> None:
        self._app = app
        self._api = api
        self._caller = caller
        self._token, self._until = "", 0.0
        self._lock = asyncio.Lock()

    async def current(self) -> str:
        """The token in use, or a new one."""
        async with self._lock:
            if self._caller.wall() >= self._until:
                await self._renew()
            return self._token

    def drop(self) -> None:
        """It is refused: the next call asks for another."""
        self._until = 0.0

    async def _renew(self) -> None:
        app = self._app
        made = await get_installation_access_token(
            self._api, installation_id=app.installation, app_id=app.id, private_key=app.key
        )
        try:
            token, ends = str(made["token"]), datetime.fromisoformat(made["expires_at"])
        except (KeyError, TypeError, ValueError):
            raise ForgeRefusedError(
                f"{self._caller.api} answers, but with something else than a token of the App's installation; check "
                "spec.repository.forge.apiURL"
            ) from None
        self._token, self._until = token, ends.timestamp() - MARGIN


class _Kept(OrderedDict[str, tuple[str | None, str | None, Any, str | None]]):
    """The answers that were told last, with their ETags."""

    def __setitem__(self, url: str, answer: tuple[str | None, str | None, Any, str | None]) -> None:
        super().__setitem__(url, answer)
        self.move_to_end(url)
        if len(self) > _KEPT:
            self.popitem(last=False)


class _Api(GitHubAPI):
    """gidgethub over our exchanges."""

    def __init__(self, caller: Caller) -> None:
        super().__init__("tandem", cache=_Kept(), base_url=caller.api)
        self._caller = caller

    async def _request(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes = b""
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Only answers that did what was asked for, with the headers that gidgethub makes something of."""
        call, answer = await self._caller.exchange(method, url, headers, body)
        if answer.status != 304:
            decoded(call, answer)
        kept = {name: answer.headers[name] for name in ("etag", "last-modified") if name in answer.headers}
        return answer.status, {"content-type": "application/json", **kept}, answer.body

    async def sleep(self, seconds: float) -> None:
        """Asked for by the base class."""
        await asyncio.sleep(seconds)
