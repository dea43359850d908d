"""`POST /hooks/{github|gitlab|gitea|generic}/{namespace}/{fabric}`: bounded, checked, written down, answered.

In this order: how much the source has sent, whether there is such a Fabric, how large the body is, its signature, and
only then what it says. The answer waits for nothing but the database.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import structlog
from aiohttp import web

from controller.web.hooks.limits import Deliveries, RateLimit
from controller.web.hooks.protocol import WINDOW, HookRefusedError, Provider, Told, check_signature, read

BODY_BYTES = 1 << 20
_BODY_SECONDS = 5.0  # for a body to come in: they are sent at once
_PER_SECOND, _BURST = 20.0, 200  # of one source, which may be an ingress for everybody

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Listener:
    """A Fabric, as far as hooks know it: `secret_name` is its hookSecretRef, "" without one."""

    namespace: str
    name: str
    branch: str
    secret_name: str


class Post(Protocol):
    """What is behind the routes."""

    def listener(self, namespace: str, name: str) -> Listener | None:
        """The Fabric of that name."""

    async def secret(self, listener: Listener, *, reread: bool) -> bytes:
        """The token of its Secret. `reread`: not as it was known. Raises HookRefusedError where there is none."""

    async def put(self, listener: Listener, commit: str) -> None:
        """Write down that its branch moved. Raises HookRefusedError when that cannot be done now."""


Count = Callable[[str, str], None]
"""Is told the provider and how the request ended, in one word."""


class Hooks:
    """The routes. `clock` and `wall` are the process' and the world's, in seconds."""

    def __init__(
        self,
        post: Post,
        count: Count = lambda *_: None,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._post = post
        self._count = count
        self._wall = wall
        self._limit = RateLimit(_PER_SECOND, _BURST, clock)
        self._deliveries = Deliveries(WINDOW, clock)

    def add_to(self, app: web.Application) -> None:
        """Let `app` answer."""
        app.router.add_post("/hooks/{provider}/{namespace}/{fabric}", self._answered)

    async def _answered(self, request: web.Request) -> web.Response:
        provider = request.match_info["provider"]
        known = provider if provider in list(Provider) else "unknown"
        try:
            status, outcome, message = await self._handle(request)
        except HookRefusedError as error:
            self._count(known, error.code)
            log.info("a hook is refused", path=request.path[:200], code=error.code, source=request.remote)
            headers = {"Retry-After": "1"} if error.status in {429, 503} else None
            return _json(error.status, {"error": error.code, "message": error.message}, headers)
        self._count(known, outcome)
        return _json(status, {"status": outcome, "message": message})

    async def _handle(self, request: web.Request) -> tuple[int, str, str]:
        """(status, a word, a sentence) of a request that is taken."""
        if (wait := self._limit.take(request.remote or "")) > 0.0:
            raise HookRefusedError(429, "rate_limited", f"too many requests from this source; again in {wait:.1f} s")
        provider, listener = self._addressee(request)
        body = await _body(request)
        await self._check(provider, listener, request, body)
        told = read(provider, request.headers, body)
        delivery = f"{provider}/{told.delivery}" if told.delivery else ""
        if self._deliveries.knows(delivery):
            return 200, "known", "this message was taken already"
        answer = await self._take(listener, told)
        self._deliveries.note(delivery)  # only now: what could not be written down is sent again
        return answer

    def _addressee(self, request: web.Request) -> tuple[Provider, Listener]:
        try:
            provider = Provider(request.match_info["provider"])
        except ValueError:
            message = f"the path names none of {', '.join(Provider)}"
            raise HookRefusedError(404, "provider_unknown", message) from None
        namespace, name = request.match_info["namespace"], request.match_info["fabric"]
        listener = self._post.listener(namespace, name)
        if listener is None or not listener.secret_name:
            raise HookRefusedError(
                404, "fabric_unknown", "there is no such Fabric, or its spec.repository.hookSecretRef names no Secret"
            )
        return provider, listener

    async def _check(self, provider: Provider, listener: Listener, request: web.Request, body: bytes) -> None:
        """The signature, by the Secret as it is known, and once more as it is by now: it may have been rotated."""
        try:
            secret = await self._post.secret(listener, reread=False)
            check_signature(provider, request.headers, body, secret, self._wall())
        except HookRefusedError as error:
            if error.code != "signature_invalid":
                raise
            secret = await self._post.secret(listener, reread=True)
            check_signature(provider, request.headers, body, secret, self._wall())

    async def _take(self, listener: Listener, told: Told) -> tuple[int, str, str]:
        if told.about in {"ping", "other"}:
            return 200, told.about, "nothing to do"
        if told.branch not in {"", listener.branch}:
            return 200, "other-branch", f"the Fabric follows {listener.branch}"
        await self._post.put(listener, told.commit)
        return 202, "taken", "the branch is looked at"


async def _body(request: web.Request) -> bytes:
    """The raw body. Raises HookRefusedError for one that is too large, or does not come."""
    if (request.content_length or 0) > BODY_BYTES:
        raise _too_large()
    body = bytearray()
    try:
        async with asyncio.timeout(_BODY_SECONDS):
            async for chunk in request.content.iter_any():
                body += chunk
                if len(body) > BODY_BYTES:
                    raise _too_large()
    except TimeoutError:
        raise HookRefusedError(408, "body_late", f"the body did not come within {_BODY_SECONDS:g} s") from None
    return bytes(body)


def _too_large() -> HookRefusedError:
    return HookRefusedError(413, "body_too_large", f"the body has more than {BODY_BYTES >> 20} MiB")


def _json(status: int, body: dict[str, str], headers: dict[str, str] | None = None) -> web.Response:
    return web.json_response(body, status=status, headers=headers)
