"""How a forge is reached: one bounded exchange after the other, to one host, with nothing followed and nothing kept.

A token goes only where the API is: no redirect is followed, no link of an answer either. The address is judged when the
socket is opened, or, where a proxy opens it, by what the name leads to here. Every failure is a ForgeRefusedError.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

import aiohttp
from yarl import URL

from controller.git.errors import ForgeRefusedError
from controller.git.forge.answers import Answer, Call, check
from controller.git.proxy import NO_PROXY, Proxy
from controller.git.remote import UrlRules, addresses_of, objection_of
from controller.sockets import Objection, Sockets

TIMEOUT = 30.0  # seconds for one exchange, whole; GitHub gives up after ten
MOST_BYTES = 4 << 20  # of one answer: a hundred requests with long texts are two
_CHUNK = 64 << 10
_AGENT = "tandem"  # GitHub answers nobody without a name


@dataclass(frozen=True, slots=True)
class Network:
    """What the installation says about the way to forges: the same as about Git servers. `wall`: seconds since 1970."""

    rules: UrlRules
    proxy: Proxy = NO_PROXY
    timeout: float = TIMEOUT
    wall: Callable[[], float] = time.time


class Caller:
    """Exchanges with one API. `authority`: the only certificates that are trusted, PEM; "" for the machine's."""

    def __init__(self, api: str, network: Network, authority: str = "") -> None:
        self.api = api
        self._network = network
        self._authority = authority
        self._host = URL(api).host or ""
        self._proxy = network.proxy.of(api)
        self._sockets = Sockets()
        self._session: aiohttp.ClientSession | None = None
        self._opening = asyncio.Lock()
        self._closed = False
        self._objection: Objection = lambda _: ""
        self._silent: tuple[float, ForgeRefusedError] | None = None  # until when, and what it said then

    @property
    def wall(self) -> Callable[[], float]:
        """The clock on the wall, in seconds since 1970."""
        return self._network.wall

    async def exchange(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes = b""
    ) -> tuple[Call, Answer]:
        """Ask, and return an answer of 2xx or 304. `url` is whole and encoded, names of headers are in lower case."""
        secrets = headers.get("authorization", "").split()[1:]
        call = Call(self._host, method, URL(url, encoded=True).path, secrets)
        self._check_silence()
        if not url.startswith(f"{self.api}/"):
            raise ForgeRefusedError(f"{call} is not below {self.api}; check spec.repository.forge.apiURL")
        answer = await self._answer(call, url, headers, body)
        try:
            check(call, answer, self._network.wall())
        except ForgeRefusedError as error:
            if error.after is not None:
                self._silent = self._network.wall() + error.after, error
            raise
        return call, answer

    async def aclose(self) -> None:
        """Hang up, for good: whoever still has it is told to ask for another."""
        async with self._opening:
            self._closed = True
            if self._session is not None:
                await self._session.close()
                await self._sockets.end()

    def _check_silence(self) -> None:
        """A forge that wants to be left alone is: GitHub locks out whoever goes on asking."""
        if self._silent is None:
            return
        until, error = self._silent
        left = until - self._network.wall()
        if left > 0:
            raise ForgeRefusedError(error.message, status=error.status, after=left)
        self._silent = None

    async def _answer(self, call: Call, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        try:
            async with self._opening:
                session = await self._opened(call)
            if self._proxy:
                await asyncio.to_thread(self._check_name, call)
            async with session.request(
                call.method,
                URL(url, encoded=True),
                data=body or None,
                headers={"user-agent": _AGENT, **headers, "accept-encoding": "identity"},
                allow_redirects=False,
                proxy=self._proxy or None,
            ) as response:
                whole = await self._whole(call, response)
                return Answer(response.status, {k.lower(): v for k, v in response.headers.items()}, whole)
        except (aiohttp.ClientError, OSError, ValueError) as error:  # asyncio's TimeoutError is an OSError
            raise ForgeRefusedError(f"{call} came to nothing: {self._spoken(error)}") from None

    async def _opened(self, call: Call) -> aiohttp.ClientSession:
        """The session, made at the first exchange: then only a loop runs."""
        if self._closed:
            raise ForgeRefusedError(f"{call} was given up, because its Secret has another content; it is asked again")
        if self._session is None:
            self._objection = await asyncio.to_thread(objection_of, self._network.rules)
            context = await asyncio.to_thread(ssl.create_default_context, cadata=self._authority or None)
            self._sockets = Sockets((lambda _: "") if self._proxy else self._objection)
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=context, socket_factory=self._sockets.open, limit=4),
                timeout=aiohttp.ClientTimeout(total=self._network.timeout),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,  # 4 MiB are 4 MiB
                trust_env=False,
            )
        return self._session

    def _check_name(self, call: Call) -> None:
        """What a proxy would connect to, as far as the name is known here. Resolves, so not in the loop."""
        with suppress(OSError):
            for address in sorted(addresses_of(self._host)):
                if why := self._objection(address):
                    raise ForgeRefusedError(f"{call} is not asked for: {why}")

    async def _whole(self, call: Call, response: aiohttp.ClientResponse) -> bytes:
        found = bytearray()
        async for piece in response.content.iter_chunked(_CHUNK):
            found += piece
            if len(found) > MOST_BYTES:
                response.close()
                raise ForgeRefusedError(
                    f"{call} was answered with more than {MOST_BYTES >> 20} MiB, which is not read; check "
                    "spec.repository.forge.apiURL",
                    status=response.status,
                )
        return bytes(found)

    def _spoken(self, error: BaseException) -> str:
        """What went wrong, and what to do."""
        if self._sockets.refusal:
            refusal, self._sockets.refusal = self._sockets.refusal, ""
            return refusal
        if isinstance(error, TimeoutError):
            return f"no answer within {self._network.timeout:.0f} s; it is asked again"
        if isinstance(error, aiohttp.ClientConnectorCertificateError):
            return (
                "its certificate is not trusted; renew it, or put its authority's under ca.crt of forge.tokenSecretRef"
            )
        if isinstance(error, aiohttp.ClientConnectorSSLError):
            return "it speaks no TLS that is understood; check spec.repository.forge.apiURL"
        if isinstance(error, aiohttp.ClientConnectorDNSError):
            return "its name does not resolve; check spec.repository.forge.apiURL"
        if isinstance(error, (aiohttp.ClientProxyConnectionError, aiohttp.ClientHttpProxyError)):
            return "the proxy of --git-proxy does not lead there; look at the proxy, or name the host in --git-no-proxy"
        if isinstance(error, aiohttp.ClientConnectorError):
            return f"no connection ({error.os_error.strerror or 'refused'}); is it running, and is apiURL right?"
        if isinstance(error, ValueError):
            return "what is there speaks no HTTP, or the URL cannot be read; check spec.repository.forge.apiURL"
        return "the connection broke; it is asked again"
