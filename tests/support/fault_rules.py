"""What goes wrong with which requests: the words of the fault proxy."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Self

from aiohttp import web


@dataclass(frozen=True)
class Seen:
    """A request that came by."""

    method: str
    path: str
    query: Mapping[str, str]
    user_agent: str

    @property
    def watch(self) -> bool:
        return self.query.get("watch") in {"true", "1"}


When = Callable[[Seen], bool]


def request(*, method: str | None = None, path: str = "*", watch: bool | None = None, user_agent: str = "") -> When:
    """Tells whether a request is meant: by method, glob of its path, whether it watches, start of its user agent."""
    return lambda seen: (
        (method is None or seen.method == method)
        and fnmatchcase(seen.path, path)
        and (watch is None or seen.watch == watch)
        and seen.user_agent.startswith(user_agent)
    )


ANY = request()
WATCHES = request(watch=True)


class ConnectionLostError(Exception):
    """The client is to see its connection end here."""


@dataclass(eq=False)
class Fault:
    """Something that goes wrong with every request that is meant, `times` times or until it is lifted."""

    when: When
    left: int | None
    before: Callable[[], Awaitable[web.Response | None]] | None = None  # a response is the answer, none lets it pass
    after: Callable[[], Awaitable[None]] | None = None  # once the API server has answered
    hits: list[Seen] = field(default_factory=list)

    def takes(self, seen: Seen) -> bool:
        if self.left == 0 or not self.when(seen):
            return False
        if self.left is not None:
            self.left -= 1
        self.hits.append(seen)
        return True

    def lift(self) -> None:
        """From now on requests pass."""
        self.left = 0


class Gate:
    """Requests stand before it until it is opened."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._open = asyncio.Event()
        self._arrived = threading.Event()
        self.fault: Fault | None = None

    async def stand(self) -> None:
        self._arrived.set()
        await self._open.wait()

    @property
    def arrived(self) -> bool:
        """Whether a request stands there, or stood."""
        return self._arrived.is_set()

    def wait(self, timeout: float = 10.0) -> None:
        """Return when the first request stands there. In an async test use `eventually(lambda: gate.arrived)`."""
        assert self._arrived.wait(timeout), f"no request came to the gate within {timeout:g} s"

    def open(self) -> None:
        """Let those who stand there pass, and all who come."""
        if self.fault is not None:
            self.fault.lift()
        self._loop.call_soon_threadsafe(self._open.set)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.open()
