"""What stands between a client and a Git server: a http proxy that only tunnels, and a front that ends TLS.

In threads and plain sockets: asyncio drops the alert with which a server refuses a client's certificate.
"""

from __future__ import annotations

import socket
import ssl
import threading
from types import TracebackType
from typing import Self

REFUSAL = (
    b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\nConnection: close\r\n"
    b"Content-Length: 0\r\n\r\n"
)


class Relay:
    """Listens on a free loopback port, and hands each connection to `_attend` in a thread of its own."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._socket.accept()
            except OSError:  # closed
                return
            threading.Thread(target=self._attend_one, args=(client,), daemon=True).start()

    def _attend_one(self, client: socket.socket) -> None:
        try:
            with client:
                self._attend(client)
        except OSError:
            return  # one of the two hung up

    def _attend(self, client: socket.socket) -> None:
        raise NotImplementedError


class TunnelProxy(Relay):
    """A http proxy (CONNECT) that remembers where to it was asked. With `authorization`, a header, it asks for that."""

    def __init__(self, authorization: str = "") -> None:
        super().__init__()
        self.asked: list[str] = []  # host:port of each tunnel that was made
        self._authorization = authorization

    def _attend(self, client: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            head += client.recv(4096)
        method, target, _ = head.split(b"\r\n", 1)[0].decode().split(" ")
        if method != "CONNECT" or self._authorization not in head.decode():
            client.sendall(REFUSAL)
            return
        self.asked.append(target)
        host, _, port = target.rpartition(":")
        with socket.create_connection((host, int(port))) as server:
            client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            _join(client, server)


class TlsFront(Relay):
    """TLS before a server on another loopback port, as a load balancer has it."""

    def __init__(self, context: ssl.SSLContext, behind: int) -> None:
        super().__init__()
        self._context = context
        self._behind = behind

    def url_of(self, name: str) -> str:
        """Where one repository of the Git server behind it is."""
        return f"https://127.0.0.1:{self.port}/{name}.git"

    def _attend(self, client: socket.socket) -> None:
        with (
            self._context.wrap_socket(client, server_side=True) as secured,
            socket.create_connection(("127.0.0.1", self._behind)) as server,
        ):
            _join(secured, server)


def _join(one: socket.socket, other: socket.socket) -> None:
    """Carry bytes both ways until either side ends."""
    back = threading.Thread(target=_carry, args=(other, one), daemon=True)
    back.start()
    _carry(one, other)
    back.join()


def _carry(source: socket.socket, target: socket.socket) -> None:
    try:
        while chunk := source.recv(65_536):
            target.sendall(chunk)
        target.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # the other direction ended it
