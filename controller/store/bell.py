"""How a process that wrote into the file tells the controller at once: a socket beside it, on which nothing is said.

Whoever may write into the folder may ring, and a ring only makes the controller look into the database. It may be lost.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_DRAINED = 64  # rings read at once: one look serves them all


class SocketBell:
    """The bell of one database file."""

    def __init__(self, database: Path) -> None:
        self._path = database.with_name(database.name + ".bell")

    def ring(self) -> None:
        """Wake whoever listens; nobody has to."""
        with suppress(OSError), _datagrams() as ringing, self._address() as address:
            ringing.sendto(b"\0", address)

    def listen(self, heard: Callable[[], None]) -> Callable[[], Awaitable[None]]:
        """Call `heard` at each ring, until the result is called. Where there can be no socket, nobody ever rings."""
        loop = asyncio.get_running_loop()
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        listening.setblocking(False)

        def take() -> None:
            with suppress(BlockingIOError):
                for _ in range(_DRAINED):
                    listening.recv(1)
            heard()

        async def end() -> None:
            loop.remove_reader(listening)
            listening.close()

        try:
            self._path.unlink(missing_ok=True)  # of an earlier process; the lock says that it is gone
            with self._address() as address:
                listening.bind(address)
            self._path.chmod(0o600)
        except OSError:
            listening.close()
            return _nothing
        loop.add_reader(listening, take)
        return end

    @contextmanager
    def _address(self) -> Iterator[str]:
        """The socket's name, in a form that is short enough: a name has 108 bytes, and folders are deep."""
        if not sys.platform.startswith("linux"):
            yield str(self._path)
            return
        folder = os.open(self._path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            yield f"/proc/self/fd/{folder}/{self._path.name}"
        finally:
            os.close(folder)


@contextmanager
def _datagrams() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as made:
        made.setblocking(False)
        yield made


async def _nothing() -> None:
    """There is nothing to end."""
