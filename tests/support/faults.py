"""A proxy between a client and the API server, on which things go wrong when a test says so.

It terminates TLS with the control plane's own authority, so it sees requests and streams rather than bytes, and runs in
a thread of its own, so a test may block and the client under test may be in this process or another.

    with FaultProxy(plane) as faults:        # or the fixture `faults`; `request` is in fault_rules.py
        faults.answer(429, when=request(method="PATCH"), times=2, headers={"Retry-After": "1"})
        …                                    # the client is given faults.kubeconfig
        faults.cut(when=request(watch=True))
"""

from __future__ import annotations

import asyncio
import json
import ssl
import struct
import threading
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from pathlib import Path
from socket import SHUT_WR, SO_LINGER, SOL_SOCKET
from types import TracebackType
from typing import Any, Self, TypeVar

import aiohttp
from aiohttp import web
from multidict import CIMultiDict, CIMultiDictProxy

from controller.dev.certificates import write_private
from controller.dev.controlplane import ControlPlane
from controller.dev.kubeconfig import write_kubeconfig
from tests.support.fault_rules import ANY, WATCHES, ConnectionLostError, Fault, Gate, Seen, When

T = TypeVar("T")

HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "upgrade", "te", "trailer", "host", "content-length"}
REASONS = {
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    409: "Conflict",
    410: "Expired",
    429: "TooManyRequests",
    500: "InternalError",
    503: "ServiceUnavailable",
    504: "Timeout",
}


class _Stream:
    """A request on its way, with its client's connection."""

    def __init__(self, seen: Seen, transport: asyncio.Transport) -> None:
        self.seen = seen
        self.transport = transport
        self.flowing = asyncio.Event()  # cleared while frozen
        self.flowing.set()
        self.last_words: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()


class FaultProxy:
    """Listens on a loopback port; `kubeconfig` leads to it."""

    def __init__(self, plane: ControlPlane) -> None:
        self._plane = plane
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fault-proxy", daemon=True)
        self._faults: list[Fault] = []
        self._streams: set[_Stream] = set()
        self._seen: list[Seen] = []
        self.port = 0

    # -- life ------------------------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        self._thread.start()
        self._call(self._start)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._call(self._stop)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def kubeconfig(self) -> Path:
        """The admin's."""
        return self.kubeconfig_of("admin")

    def kubeconfig_of(self, user: str) -> Path:
        """A kubeconfig of one of the plane's users that leads through this proxy."""
        return write_kubeconfig(
            self._plane.folder / f"{user}-{self.port}.kubeconfig",
            server=f"https://127.0.0.1:{self.port}",
            authority=self._plane.authority.certificate,
            user=user,
            token=self._plane.token_of(user),
        )

    def leading(self, kubeconfig: Path) -> Path:
        """The same kubeconfig, but that it leads through this proxy."""
        config = json.loads(kubeconfig.read_text())
        config["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{self.port}"
        path = kubeconfig.with_name(f"{kubeconfig.stem}-{self.port}.kubeconfig")
        write_private(path, json.dumps(config).encode())
        return path

    def seen(self, when: When = ANY) -> list[Seen]:
        """The requests that came so far."""
        return [seen for seen in list(self._seen) if when(seen)]

    def streams(self, when: When = WATCHES) -> list[Seen]:
        """The requests that are being answered now."""
        return [stream.seen for stream in list(self._streams) if when(stream.seen)]

    # -- faults of requests to come ----------------------------------------------------------------------------------

    def answer(
        self,
        status: int,
        *,
        when: When = ANY,
        times: int | None = None,
        headers: Mapping[str, str] | None = None,
        message: str = "injected by a test",
    ) -> Fault:
        """Answer instead of the API server, with a Status object as it would."""
        body = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": message,
            "reason": REASONS.get(status, ""),
            "code": status,
        }

        async def before() -> web.Response:
            return web.json_response(body, status=status, headers=headers)

        return self._add(Fault(when, times, before=before))

    def slow(self, seconds: float, *, when: When = ANY, times: int | None = None) -> Fault:
        """The API server's answer comes later."""

        async def after() -> None:
            await asyncio.sleep(seconds)

        return self._add(Fault(when, times, after=after))

    def late(self, seconds: float, *, when: When = ANY, times: int | None = None) -> Fault:
        """The request comes to the API server later: by then the world may have moved on."""

        async def before() -> None:
            await asyncio.sleep(seconds)

        return self._add(Fault(when, times, before=before))

    def refuse(self, *, when: When = ANY, times: int | None = None) -> Fault:
        """The connection is reset, and the API server never hears of the request."""

        async def before() -> None:
            raise ConnectionLostError

        return self._add(Fault(when, times, before=before))

    def lose_answer(self, *, when: When = ANY, times: int | None = None) -> Fault:
        """The API server does what it was asked; the connection is reset before the client hears of it."""

        async def after() -> None:
            raise ConnectionLostError

        return self._add(Fault(when, times, after=after))

    def hold(self, *, when: When = ANY) -> Gate:
        """Requests wait before they reach the API server, so that a test can do something in between."""
        gate = Gate(self._loop)
        gate.fault = self._add(Fault(when, None, before=gate.stand))
        return gate

    def hold_answer(self, *, when: When = ANY) -> Gate:
        """The API server has done it; the client does not know yet."""
        gate = Gate(self._loop)
        gate.fault = self._add(Fault(when, None, after=gate.stand))
        return gate

    def lift(self) -> None:
        """End all faults of requests to come."""
        for fault in self._faults:
            fault.lift()

    # -- faults of streams that are open -----------------------------------------------------------------------------

    def cut(self, when: When = WATCHES) -> int:
        """Reset their connections. Returns how many, as the next four do."""
        return self._each(when, _reset)

    def end(self, when: When = WATCHES) -> int:
        """End them properly, as the API server does after some minutes."""
        return self._each(when, lambda stream: stream.last_words.set_result(b""))

    def expire(self, when: When = WATCHES) -> int:
        """End them with an ERROR event that carries 410, as the API server does when it compacted the past away."""
        status = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": "too old resource version: 1 (2)",
            "reason": "Expired",
            "code": 410,
        }
        event = json.dumps({"type": "ERROR", "object": status}).encode() + b"\n"
        return self._each(when, lambda stream: stream.last_words.set_result(event))

    def freeze(self, when: When = WATCHES) -> int:
        """Nothing comes through them any more, but they stay open, as behind a router that forgot them."""
        return self._each(when, lambda stream: stream.flowing.clear())

    def thaw(self, when: When = WATCHES) -> int:
        """What was held back comes through."""
        return self._each(when, lambda stream: stream.flowing.set())

    def half_close(self, when: When = WATCHES) -> int:
        """The client hears that nothing more will come, in the middle of an answer; its own side stays open."""
        return self._each(when, _half_close)

    # -- the proxy's own thread --------------------------------------------------------------------------------------

    def _add(self, fault: Fault) -> Fault:
        self._faults.append(fault)
        return fault

    def _each(self, when: When, act: Callable[[_Stream], None]) -> int:
        async def act_on_all() -> int:
            meant = [stream for stream in self._streams if when(stream.seen) and not stream.last_words.done()]
            for stream in meant:
                act(stream)
            return len(meant)

        return self._call(act_on_all)

    def _call(self, work: Callable[[], Awaitable[T]]) -> T:
        async def run() -> T:
            return await work()

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(timeout=30)

    async def _start(self) -> None:
        trust = ssl.create_default_context(cafile=str(self._plane.authority.certificate))
        connector = aiohttp.TCPConnector(ssl=trust, limit=0)
        timeout = aiohttp.ClientTimeout(total=None)
        self._client = aiohttp.ClientSession(connector=connector, timeout=timeout, auto_decompress=False)
        pair = self._plane.authority.issue("fault-proxy", ["127.0.0.1"])
        serving = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        serving.load_cert_chain(pair.certificate, pair.key)
        self._runner = web.ServerRunner(web.Server(self._handle, handler_cancellation=True), shutdown_timeout=0.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=serving)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def _stop(self) -> None:
        for stream in self._streams:
            stream.transport.abort()
        await self._runner.cleanup()
        await self._client.close()
        # Connections that are still saying goodbye in TLS would outlive the loop, and be warned of in another test.
        loop: Any = self._loop
        for transport in list(loop._transports.values()):
            transport.abort()
        await asyncio.sleep(0)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        seen = Seen(request.method, request.path, dict(request.query), request.headers.get("User-Agent", ""))
        self._seen.append(seen)
        assert request.transport is not None
        stream = _Stream(seen, request.transport)
        self._streams.add(stream)
        try:
            return await self._answer(request, stream)
        except (ConnectionLostError, aiohttp.ClientError):
            _reset(stream)
            return web.Response(status=502)  # nobody hears it
        finally:
            self._streams.discard(stream)

    async def _answer(self, request: web.BaseRequest, stream: _Stream) -> web.StreamResponse:
        faults = [fault for fault in self._faults if fault.takes(stream.seen)]
        for fault in faults:
            if fault.before is not None and (answer := await fault.before()) is not None:
                return answer
        async with self._client.request(
            request.method,
            self._plane.server + request.raw_path,
            headers=_passed_on(request.headers),
            skip_auto_headers=("Accept", "Accept-Encoding", "Content-Type", "User-Agent"),
            data=await request.content.read() or None,
            allow_redirects=False,
        ) as upstream:
            for fault in faults:
                if fault.after is not None:
                    await fault.after()
            return await _pass_on(request, upstream, stream)


async def _pass_on(request: web.BaseRequest, upstream: aiohttp.ClientResponse, stream: _Stream) -> web.StreamResponse:
    response = web.StreamResponse(status=upstream.status, headers=_passed_on(upstream.headers))
    if upstream.content_length is not None:
        response.content_length = upstream.content_length
    await response.prepare(request)
    with suppress(ConnectionError):  # the client went away
        while chunk := await _next_chunk(upstream, stream):
            await response.write(chunk)
        if stream.last_words.done() and stream.last_words.result():
            await response.write(stream.last_words.result())
        await response.write_eof()
    return response


async def _next_chunk(upstream: aiohttp.ClientResponse, stream: _Stream) -> bytes:
    """What the API server says next; nothing at its end, or when a test has ended the stream."""

    async def read() -> bytes:
        chunk = await upstream.content.readany()
        await stream.flowing.wait()
        return chunk

    reading = asyncio.ensure_future(read())
    try:
        await asyncio.wait([reading, stream.last_words], return_when=asyncio.FIRST_COMPLETED)
        return b"" if stream.last_words.done() else reading.result()
    finally:
        reading.cancel()


def _passed_on(headers: CIMultiDictProxy[str]) -> CIMultiDict[str]:
    return CIMultiDict((name, value) for name, value in headers.items() if name.lower() not in HOP_BY_HOP)


def _reset(stream: _Stream) -> None:
    with suppress(AttributeError):  # of a TLS transport whose connection ended this moment: it has no protocol any more
        socket = stream.transport.get_extra_info("socket")
        if socket is not None and not stream.transport.is_closing():
            socket.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))  # a RST instead of a FIN
    stream.transport.abort()


def _half_close(stream: _Stream) -> None:
    stream.flowing.clear()
    socket: Any = stream.transport.get_extra_info("socket")
    socket.shutdown(SHUT_WR)
