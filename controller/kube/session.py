"""An HTTP session to the API server for a library that speaks to it by itself, such as kopf.

Made here because only this room knows how the cluster is reached; what the library asks for can be looked on.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from types import SimpleNamespace
from urllib.parse import urlsplit
from weakref import WeakSet

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from controller.kube.config import ClusterConfig

# A TLS connection ends when the other side has said goodbye too: a round trip, unless it is gone.
_GOODBYE_SECONDS = 1.0

Answered = Callable[[str, URL, int], None]
"""Is told the method, the URL and the status of every answer, when its head has come in."""


def lent_server(config: ClusterConfig) -> str:
    """The address to use with a lent session: it carries the name that the server's certificate is checked for."""
    if config.server_name is None:
        return config.server
    address = urlsplit(config.server)
    return address._replace(netloc=f"{config.server_name}:{address.port or 443}").geturl()


class Lender:
    """Makes sessions with the cluster's TLS, proxy and credentials for the running loop, and closes them."""

    def __init__(self, config: ClusterConfig, *, user_agent: str, answered: Answered) -> None:
        self._config = config
        self._user_agent = user_agent
        self._answered = answered
        self._sessions: list[aiohttp.ClientSession] = []
        self._sockets: WeakSet[socket.socket] = WeakSet()

    def lend(self, authorization: str | None) -> aiohttp.ClientSession:
        """A session that sends this Authorization header."""
        config = self._config
        connector = aiohttp.TCPConnector(
            limit=0, ssl=config.ssl_context or True, resolver=_resolver(config), socket_factory=self._open_socket
        )
        session = aiohttp.ClientSession(
            connector=connector,
            headers={"User-Agent": self._user_agent} | ({"Authorization": authorization} if authorization else {}),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            proxy=config.proxy,
            trace_configs=[_trace(self._answered)],
        )
        self._sessions.append(session)
        return session

    async def close(self) -> None:
        """Close the sessions, and let connections end that were given up before: a loop that ends first leaks them."""
        for session in self._sessions:
            await session.close()
        end = asyncio.get_running_loop().time() + _GOODBYE_SECONDS
        while self._any_open() and asyncio.get_running_loop().time() < end:  # noqa: ASYNC110 - a socket tells nobody
            await asyncio.sleep(0.01)

    def _open_socket(self, address: aiohttp.AddrInfoType) -> socket.socket:
        family, kind, protocol, *_ = address
        opened = socket.socket(family, kind, protocol)
        self._sockets.add(opened)
        return opened

    def _any_open(self) -> bool:
        return any(known.fileno() != -1 for known in self._sockets)


def _trace(answered: Answered) -> aiohttp.TraceConfig:
    async def on_end(_: aiohttp.ClientSession, __: SimpleNamespace, params: aiohttp.TraceRequestEndParams) -> None:
        answered(params.method, params.url, params.response.status)

    trace = aiohttp.TraceConfig()
    trace.on_request_end.append(on_end)
    return trace


def _resolver(config: ClusterConfig) -> AbstractResolver | None:
    if config.server_name is None:
        return None
    return _AliasResolver(config.server_name, urlsplit(config.server).hostname or "")


class _AliasResolver(AbstractResolver):
    """Finds the server under the name in its certificate (kubeconfig's `tls-server-name`)."""

    def __init__(self, alias: str, host: str) -> None:
        self._alias, self._host = alias, host
        self._resolver = aiohttp.ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        return await self._resolver.resolve(self._host if host == self._alias else host, port, family)

    async def close(self) -> None:
        await self._resolver.close()
