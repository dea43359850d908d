"""Where a server listens: `HOST:PORT` as flags spell it."""

from __future__ import annotations

from typing import NamedTuple

_MAX_PORT = 65535


class BindError(ValueError):
    """An address to listen on that is not `HOST:PORT`."""


class Bind(NamedTuple):
    """A host to listen on ("" is every interface) and a port (0 is any free one)."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_bind(text: str) -> Bind:
    """`127.0.0.1:8080`, `[::1]:8080`, `localhost:0`, or `:8080` for every interface; raises BindError."""
    host, separator, port = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    if not separator or not (port.isascii() and port.isdigit()) or int(port) > _MAX_PORT:
        raise BindError(f"{text!r} is not an address to listen on: write HOST:PORT, for example 127.0.0.1:8080")
    if bracketed:
        host = host[1:-1]
    elif ":" in host:
        raise BindError(f"{text!r} is ambiguous: write an IPv6 address in brackets, for example [::1]:8080")
    return Bind(host, int(port))
