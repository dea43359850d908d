"""An HTTP session to the API server for a library that speaks to it by itself, such as kopf.

Made here because only this room knows how the cluster is reached; what the library asks for can be looked on.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from types import SimpleNamespace
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from controller.kube.config import ClusterConfig
from controller.sockets import Sockets

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
        self.sockets = Sockets()

    def lend(self, authorization: str | None) -> aiohttp.ClientSession:
        """A session that sends this Authorization header."""
        config = self._config
        connector = aiohttp.TCPConnector(
            limit=0, ssl=config.ssl_context or True, resolver=_resolver(config), socket_factory=self.sockets.open
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
        """Close the sessions, and whatever connections were given up before."""
        for session in self._sessions:
            await session.close()
        await self.sockets.end()


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
