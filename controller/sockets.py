"""The sockets that an HTTP session opens: none for an address that is objected to, and none that outlives its loop.

Stands below all that speaks HTTP to a place that a custom resource names: clusters, forges, receivers of notifications.

A TLS connection that was given up before its answer ended (a watch, a time-out) says goodbye in the background and
waits for the other side to do so too. aiohttp no longer knows it then; a loop that ends first leaves it to the garbage
collector.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from weakref import WeakSet

AddressInfo = tuple[int | socket.AddressFamily, int | socket.SocketKind, int, str, tuple[Any, ...]]
"""A place to connect to, as `getaddrinfo` gives it."""

Objection = Callable[[str], str]
"""Why an IP address must not be connected to, "" if it may."""

_PATIENCE = 1.0  # seconds; a socket that was shut down ends within a few turns of the loop


class AddressRefusedError(OSError):
    """An address that is not to be connected to, and why."""


class Sockets:
    """Opens sockets for a connector (`socket_factory=sockets.open`), and sees to their end.

    The objection is asked for here, because only here it is certain which address a name led to. `refusal` is the last
    one that was raised: whoever connects wraps the error, together with those of a name's other addresses.
    """

    def __init__(self, objection: Objection = lambda _: "") -> None:
        self.refusal = ""
        self._objection = objection
        self._opened: WeakSet[socket.socket] = WeakSet()

    def open(self, address: AddressInfo) -> socket.socket:
        """A socket for an address. Raises AddressRefusedError where it is objected to."""
        family, kind, protocol, _, place = address
        if why := self._objection(str(place[0])):
            self.refusal = why
            raise AddressRefusedError(errno.EACCES, why)
        opened = socket.socket(family, kind, protocol)
        self._opened.add(opened)
        return opened

    @property
    def still_open(self) -> list[socket.socket]:
        """Those that are not closed."""
        return [known for known in self._opened if known.fileno() != -1]

    async def end(self) -> None:
        """After the session was closed: hang up whatever is left, and return when it is closed."""
        for known in self.still_open:
            with suppress(OSError):  # the other side was faster
                known.shutdown(socket.SHUT_RDWR)
        end = asyncio.get_running_loop().time() + _PATIENCE
        while self.still_open and asyncio.get_running_loop().time() < end:  # noqa: ASYNC110 - a socket tells nobody
            await asyncio.sleep(0.001)
