"""Posting a message to a URL that whoever may write a Fabric has named: bounded, checked, never redirected.

Every try has a connection of its own: messages are rare, and so no connection outlives what was checked for it.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial

import aiohttp

from controller.notify.addresses import AddressRules
from controller.notify.outcome import DELIVERED, Outcome, delayed, refused
from controller.sockets import Sockets

TIMEOUT = 10.0  # seconds for one try, whole: chat servers answer in one, and others of the receiver wait for it
LONGEST_WAIT = 3600.0  # seconds of a Retry-After that are heeded
_READ = 4096  # bytes of an answer; nothing of it is looked at, but who sends it shall get rid of it

_URL = re.compile(r"https?://[^/@?#\s\x00-\x1f]+(/[^@#\s\x00-\x1f]*)?")
_LATER = frozenset({401, 408, 425, 429})  # 401: a Secret that is put right makes it work


@dataclass(frozen=True, slots=True)
class Poster:
    """Posts JSON. `rules` say where to; without a context of its own a receiver is verified as the machine does it."""

    rules: AddressRules
    timeout: float = TIMEOUT
    _context: ssl.SSLContext = field(default_factory=ssl.create_default_context)

    async def post(
        self, url: str, body: bytes, headers: Mapping[str, str], context: ssl.SSLContext | None = None
    ) -> Outcome:
        """One try. Never raises for what the other side does."""
        if not _URL.fullmatch(url):
            return refused("its URL is none that is posted to; write https://…, without user, password or fragment")
        sockets = Sockets(partial(self.rules.objection, encrypted=url.startswith("https:")))
        try:
            return await self._try(url, body, headers, context or self._context, sockets)
        except aiohttp.ClientConnectorCertificateError:  # a ValueError as well
            return delayed("its certificate is not trusted; put the authority's under ca.crt of secretRef, or renew it")
        except ValueError:  # and what is none of a URL, a name or a port
            return refused("its URL cannot be read; write https://host/path")
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            if sockets.refusal:
                return refused(sockets.refusal)
            return delayed(_spoken(error))

    async def _try(
        self, url: str, body: bytes, headers: Mapping[str, str], context: ssl.SSLContext, sockets: Sockets
    ) -> Outcome:
        connector = aiohttp.TCPConnector(ssl=context, socket_factory=sockets.open, force_close=True)
        given = {"Content-Type": "application/json", "User-Agent": "tandem", **headers}
        timeout = aiohttp.ClientTimeout(total=self.timeout)
        async with (
            aiohttp.ClientSession(connector=connector, timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()) as session,
            session.post(url, data=body, headers=given, allow_redirects=False) as answer,
        ):
            await answer.content.read(_READ)
            return outcome_of(answer.status, answer.headers.get("Retry-After", ""), datetime.now(UTC))


def outcome_of(status: int, retry_after: str, now: datetime) -> Outcome:
    """What an answer means."""
    if 200 <= status < 300:
        return DELIVERED
    if 300 <= status < 400:
        return refused(f"it answered {status}, and redirects are not followed; write the URL that it leads to")
    if status in _LATER or status >= 500:
        return delayed(f"it answered {status}", _seconds(retry_after, now))
    return refused(f"it answered {status}; look whether the URL still exists")


def _seconds(retry_after: str, now: datetime) -> float | None:
    """A Retry-After, which is a number or a date; None if there is none, or none that can be read."""
    if retry_after.isascii() and retry_after.isdecimal():
        return min(float(retry_after[:10]), LONGEST_WAIT)
    try:
        until = parsedate_to_datetime(retry_after)
    except ValueError:
        return None
    until = until if until.tzinfo else until.replace(tzinfo=UTC)
    return min(max(0.0, (until - now).total_seconds()), LONGEST_WAIT)


def _spoken(error: BaseException) -> str:
    """What went wrong, without the address."""
    if isinstance(error, TimeoutError):
        return "it did not answer in time"
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "its name does not resolve"
    if isinstance(error, aiohttp.ClientConnectorError):
        return f"no connection: {error.os_error.strerror or 'it is refused'}"
    return "the connection broke"
