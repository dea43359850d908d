"""The child processes in which files are parsed and edited.

They stand apart because text that nobody has vetted can crash a C parser and can take seconds: a child that dies marks
one blob bad, and the controller's loop and its leases go on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Self

from controller.settings import Bounds
from controller.sync.parse.documents import DocRef, FileResult


class ParserPool:
    """A few child processes that parse and edit, with what they parsed kept by blob id (least recently used goes)."""

    def __init__(self, bounds: Bounds | None = None, *, children: int = 2, cache_bytes: int = 32 << 20) -> None:
        raise NotImplementedError

    async def __aenter__(self) -> Self:
        raise NotImplementedError

    async def __aexit__(self, *exc: object) -> None:
        raise NotImplementedError

    async def parse(self, blobs: Iterable[tuple[str, bytes]]) -> dict[str, FileResult]:
        """What each (blob id, bytes) declares. Never fails for what is in a blob: a deadly one is a faulty one."""
        raise NotImplementedError

    def cached(self, blob: str) -> FileResult | None:
        """What the blob declares, if it is still known: lets the caller not even read the blob."""
        raise NotImplementedError

    async def edit(
        self, old: bytes, intended: Mapping[DocRef, bytes | None], appended: Sequence[bytes] = ()
    ) -> bytes:
        """`parse.edit.edit_file` in a child. Raises EditRefusedError, also when the child dies of it."""
        raise NotImplementedError
