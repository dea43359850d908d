"""Loopback ports for servers that must be able to come back on the same one."""

from __future__ import annotations

import os
import random
import socket
import tempfile
import time
from pathlib import Path

# Below every system's range for outgoing connections (Linux 32768, macOS 49152): a port from that range may be taken
# by a client's connection while a server is down for its restart.
FIRST, LAST = 20000, 29999
TRIES = 200

# Seconds in which nobody else is given a port: its server needs a few to listen on it.
HELD = 60.0


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on, and that no other process of this user is about to."""
    for _ in range(TRIES):
        port = random.randint(FIRST, LAST)  # noqa: S311  # nothing secret about it
        if _is_free(port) and _take(port):
            return port
    raise OSError(f"no free port on 127.0.0.1 in {TRIES} tries between {FIRST} and {LAST}")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _take(port: int) -> bool:
    """Put a mark for the port where other processes look. One that has had its time belongs to whoever removes it."""
    marks = Path(tempfile.gettempdir()) / f"tandem-ports-{os.getuid()}"
    marks.mkdir(mode=0o700, exist_ok=True)
    mark = marks / str(port)
    try:
        mark.touch(exist_ok=False)
    except FileExistsError:
        if time.time() - mark.stat().st_mtime < HELD:
            return False
        mark.touch()
    return True
