"""Loopback ports for servers that must be able to come back on the same one."""

from __future__ import annotations

import random
import socket

# Below every system's range for outgoing connections (Linux 32768, macOS 49152): a port from that range may be taken
# by a client's connection while a server is down for its restart.
FIRST, LAST = 20000, 29999
TRIES = 200


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on now."""
    for _ in range(TRIES):
        port = random.randint(FIRST, LAST)  # noqa: S311  # nothing secret about it
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise OSError(f"no free port on 127.0.0.1 in {TRIES} tries between {FIRST} and {LAST}")
