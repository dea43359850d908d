"""The HTTP client: bytes to the API server and bytes back, bounded, timed and translated. It decides nothing.

Our own, because it has to cost 100 µs a request: no model classes, no header parsing, no proxy look-ups in the
environment. Requests and watches have separate connections, so that watches cannot starve writes.
"""

from __future__ import annotations

import asyncio
import copy
import errno
import os
import platform
import random
import socket
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from importlib.metadata import version
from io import BytesIO
from typing import Self

import aiohttp
import orjson
from yarl import URL

from controller.kube.answers import translate
from controller.kube.config import ClusterConfig
from controller.kube.errors import ForbiddenError, KubeError, UnauthorizedError, UnreachableError
from controller.kube.resources import Resource
from controller.objects import Json
from controller.sockets import AddressRefusedError, Sockets

JSON = "application/json"
IMPERSONATE = "Impersonate-User"  # of a service account the API server adds the groups by itself
APPLY_PATCH = "application/apply-patch+yaml"  # JSON is YAML; the server accepts nothing nearer
MERGE_PATCH = "application/merge-patch+json"

# kube-apiserver closes an idle connection after 90 s; reusing one at that moment loses the request.
_KEEPALIVE_SECONDS = 60.0

# aiohttp writes more than this in one go only under protest: a large body is handed to it as a stream.
_BODY_BYTES = 1 << 20

# A page of about this size keeps the peak of decoding a list (some 5× as much) small beside the cache.
_PAGE_BYTES = 4 << 20
_PAGE_FIRST, _PAGE_MOST = 500, 5_000

# Of one answer, or one line of a watch, of somebody else's server: a first page of 500 objects of a whole 100 KB each.
FOREIGN_BYTES = 64 << 20


Observe = Callable[[str, int, float], None]
"""Is told of every request that is not a watch: its method, the answer's status (0: none), the seconds it took."""

Denied = Callable[[str], None]
"""Is told the path of every request that was forbidden (403)."""


class KubeClient:
    """One API server. `in_flight` bounds the sockets of requests; watches have their own. `timeout` is in seconds.

    Has to be made inside a running loop. Every method raises errors of `controller.kube.errors` only (and
    WaitingError, when credentials cannot be loaded).
    """

    def __init__(
        self,
        config: ClusterConfig,
        *,
        in_flight: int = 64,
        timeout: float = 30.0,
        component: str = "controller",
        observe: Observe = lambda *_: None,
    ) -> None:
        self.user_agent = f"tandem/{version('tandem-gitops')} ({component}; Python {platform.python_version()})"
        self._config = config
        self._timeout = timeout
        self._most_bytes = FOREIGN_BYTES if config.is_foreign else 0
        self._observe = observe
        self._slots = asyncio.Semaphore(in_flight)
        self.identity: dict[str, str] = {}  # headers that say as whom; none: as the credentials say
        self.denied: Denied = lambda _: None
        self.sockets = Sockets(config.objection)
        self._requests = self._session(aiohttp.ClientTimeout(total=timeout))
        self._watches = self._session(aiohttp.ClientTimeout(total=None, sock_connect=timeout))

    def _session(self, timeout: aiohttp.ClientTimeout) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(
            limit=0,
            ssl=self._config.ssl_context or True,
            keepalive_timeout=_KEEPALIVE_SECONDS,
            socket_factory=self.sockets.open,
        )
        return aiohttp.ClientSession(
            connector=connector,
            timeout=timeout,
            headers={"User-Agent": self.user_agent, "Accept": JSON},
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            proxy=self._config.proxy,
        )

    @property
    def server(self) -> str:
        """The address of the API server."""
        return self._config.server

    def acting_as(self, user: str, denied: Denied) -> KubeClient:
        """The same connections and credentials, as another user; only what it was made from is ever closed.

        `denied` is told what that user may not do.
        """
        acting = copy.copy(self)
        acting.identity = {IMPERSONATE: user}
        acting.denied = denied
        return acting

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close every connection."""
        await self._requests.close()
        await self._watches.close()
        await self.sockets.end()

    async def request(
        self,
        method: str,
        path: str,
        query: str = "",
        body: bytes | None = None,
        content_type: str = JSON,
        accept: str = JSON,
    ) -> bytes:
        """One request; the raw body of its answer. `query` is encoded already. 429 and 503 are waited out a while."""
        headers = self.identity | ({"Content-Type": content_type} if body is not None else {})
        if accept is not JSON:
            headers["Accept"] = accept
        url = self._url(path, query)
        async with self._slots:
            return await self._send(method, url, body, headers)

    async def _send(self, method: str, url: URL, body: bytes | None, headers: dict[str, str]) -> bytes:
        """Send until an answer counts: once more with fresh credentials, and again as long as Retry-After allows."""
        deadline = asyncio.get_running_loop().time() + self._timeout
        rejected = False
        while True:
            await self._authorize(self._requests, rejected)
            began, status = time.monotonic(), 0
            try:
                async with self._requests.request(
                    method,
                    url,
                    data=body if body is None or len(body) <= _BODY_BYTES else BytesIO(body),
                    headers=headers,
                    allow_redirects=False,
                    server_hostname=self._config.server_name,
                ) as response:
                    answer = await self._whole(response)
                    status = response.status
            except (aiohttp.ClientError, OSError) as error:  # asyncio's TimeoutError is an OSError
                raise self._unreachable(error) from error
            finally:
                self._observe(method, status, time.monotonic() - began)
            if response.status < 300:
                return answer
            failure = translate(response.status, answer, f"{method} {url.path}", headers.get("Content-Type", ""))
            if isinstance(failure, UnauthorizedError) and not rejected:
                rejected = True
                continue
            if isinstance(failure, ForbiddenError):
                self.denied(url.path)
            pause = retry_after(response)
            if pause is None or asyncio.get_running_loop().time() + pause > deadline:
                raise failure
            await asyncio.sleep(pause)

    async def watch(self, path: str, query: str, inactivity: float) -> AsyncGenerator[list[bytes], None]:
        """The raw lines of a watch, in the batches they come in, until the server ends it.

        The first batch is empty and says that the watch is open. UnreachableError after `inactivity` seconds of
        silence.
        """
        await self._authorize(self._watches)
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=self._timeout, sock_read=inactivity)
        url = self._url(path, query)
        try:
            async with self._watches.get(
                url,
                headers=self.identity,
                timeout=timeout,
                allow_redirects=False,
                server_hostname=self._config.server_name,
            ) as response:
                if response.status != 200:
                    failure = translate(response.status, await self._whole(response), f"watch {url.path}")
                    await self._note_rejection(failure, retry_after(response))
                    raise failure
                try:
                    yield []
                    async for lines in _lines(response, self._most_bytes):
                        yield lines
                finally:
                    _hang_up(response)
        except (aiohttp.ClientError, OSError) as error:
            raise self._unreachable(error) from error

    async def _note_rejection(self, failure: KubeError, pause: float | None) -> None:
        """What a refused watch teaches the next one: new credentials, or when to come back."""
        if isinstance(failure, UnauthorizedError):
            await self._authorize(self._watches, rejected=True)
        if isinstance(failure, UnreachableError):
            failure.retry_after = pause or 0.0

    async def get(self, resource: Resource, namespace: str, name: str) -> Json:
        """One object, decoded."""
        return orjson.loads(await self.request("GET", resource.path(namespace, name)))

    async def pages(self, resource: Resource, namespace: str | None = None, selectors: str = "") -> AsyncIterator[Json]:
        """A consistent list in decoded pages. `selectors` is encoded already. GoneError when it takes too long."""
        limit, token = _PAGE_FIRST, ""
        while True:
            query = f"limit={limit}" + (f"&{selectors}" if selectors else "") + (f"&continue={token}" if token else "")
            answer = await self.request("GET", resource.path(namespace), query)
            page = orjson.loads(answer)
            yield page
            token = page["metadata"].get("continue", "")
            if not token:
                return
            limit = max(_PAGE_FIRST, min(_PAGE_MOST, _PAGE_BYTES * len(page["items"]) // len(answer)))

    async def list_all(self, resource: Resource, namespace: str | None = None, selectors: str = "") -> list[Json]:
        """All items, decoded, read in pages."""
        return [item async for page in self.pages(resource, namespace, selectors) for item in page["items"]]

    def _url(self, path: str, query: str) -> URL:
        return URL(f"{self._config.server}{path}?{query}" if query else f"{self._config.server}{path}", encoded=True)

    async def _authorize(self, session: aiohttp.ClientSession, rejected: bool = False) -> None:
        header = await self._config.credentials.header(rejected=rejected)
        if header is not None and session.headers.get("Authorization") != header:
            session.headers["Authorization"] = header

    async def _whole(self, response: aiohttp.ClientResponse) -> bytes:
        """The body of an answer. Raises OSError where somebody else's has no end."""
        if not self._most_bytes:
            return await response.read()
        body = bytearray()
        async for chunk in response.content.iter_any():
            body += chunk
            if len(body) > self._most_bytes:
                raise _TooLongError(self._most_bytes)
        return bytes(body)

    def _unreachable(self, error: Exception) -> UnreachableError:
        server = "the API server" if self._config.is_foreign else self._config.server
        if isinstance(error, TimeoutError):
            return UnreachableError(f"{server} did not answer in time")
        why = _cause(error) if self._config.is_foreign else str(error)
        return UnreachableError(f"{server} cannot be reached: {why or type(error).__name__}")


class _TooLongError(OSError):
    """An answer that does not end."""

    def __init__(self, most: int) -> None:
        super().__init__(errno.EMSGSIZE, f"one answer has more than {most} bytes")


def _cause(error: Exception) -> str:
    """Why there is no connection, without the address that aiohttp puts before it."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        cause = error.certificate_error
        return f"its certificate is not trusted: {getattr(cause, 'verify_message', '') or type(cause).__name__}"
    if isinstance(error, aiohttp.ClientConnectorError):
        error = error.os_error
    if isinstance(error, (AddressRefusedError, _TooLongError, socket.gaierror)):
        return error.strerror or type(error).__name__
    number = error.errno if isinstance(error, OSError) else None
    return os.strerror(number) if number else type(error).__name__


async def _lines(response: aiohttp.ClientResponse, most_bytes: int) -> AsyncIterator[list[bytes]]:
    rest = b""
    async for chunk in response.content.iter_any():
        *lines, rest = (rest + chunk).split(b"\n")
        if most_bytes and len(rest) > most_bytes:
            raise _TooLongError(most_bytes)
        if lines:
            yield lines


def _hang_up(response: aiohttp.ClientResponse) -> None:
    """End the connection without TLS's goodbye, for which a dead one would be waited for."""
    if response.connection is not None and response.connection.transport is not None:
        response.connection.transport.abort()


def retry_after(response: aiohttp.ClientResponse) -> float | None:
    """For how long the server wants us to wait, a little more so that not everybody comes back at once; seconds."""
    value = response.headers.get("Retry-After", "")
    if response.status not in {429, 503} or not value.isdecimal():
        return None
    return float(value) * random.uniform(1.0, 1.25)  # noqa: S311 - no secret
