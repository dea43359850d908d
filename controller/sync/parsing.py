"""The child processes in which files are parsed and edited.

They stand apart because text that nobody has vetted can crash a C parser and can take seconds: a child that dies marks
one blob bad, and the controller's loop and its leases go on.
"""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from math import ceil
from pathlib import Path
from typing import Self

import controller
from controller.bounds import Bounds
from controller.errors import Reason
from controller.sync.parse.documents import DocRef, Fault, FileResult, Seal
from controller.sync.parse.edit import EditRefusedError
from controller.sync.parse.frames import edit_request, parse_request, respell_request, result_of, take_frames, unframed
from controller.sync.parse.respell import Text

# About 32 requests for whatever there is: one a blob doubles the time, one for all leaves the other children idle.
_BATCHES = 32
_BATCH_BYTES = 1 << 20

# Many answers fit into one read; waking up for each would cost more than the answer.
_READ_BYTES = 256 << 10

# The largest file allowed takes under 2 s; beyond this a child is taken to hang.
_ANSWER_TIMEOUT = 30.0

# What a cached document costs beside its content: the tuples and strings that name it.
_DOCUMENT_OVERHEAD = 400

DEADLY = "the parser died of this file, or did not come to an end with it; split or simplify it"

Blob = tuple[str, bytes]


class ChildDiedError(Exception):
    """The child ended, or was ended because it did not answer in time."""


class ParserPool:
    """A few child processes that parse and edit, with what they parsed kept by blob id (least recently used goes).

    Use it as an async context manager, on one event loop. One child is started at once, the others when all that run
    are busy; one that dies is replaced when the next is needed.
    """

    def __init__(
        self,
        bounds: Bounds | None = None,
        *,
        children: int = 2,
        cache_bytes: int = 32 << 20,
        timeout: float = _ANSWER_TIMEOUT,
        program: str = "controller.sync.parsing_child",
        died: Callable[[], None] = lambda: None,
    ) -> None:
        self._died = died
        arguments = json.dumps(asdict(bounds or Bounds()))
        self._children = [Child(program, arguments, timeout) for _ in range(children)]
        self._idle: asyncio.LifoQueue[Child] = asyncio.LifoQueue()
        for child in self._children:
            self._idle.put_nowait(child)
        self._cache = ResultCache(cache_bytes)

    async def __aenter__(self) -> Self:
        await self._children[-1].start()  # the one that is asked first
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    async def close(self) -> None:
        """End the children."""
        for child in self._children:
            await child.stop()

    @property
    def pids(self) -> list[int]:
        """The process ids of the children that run."""
        return [child.pid for child in self._children if child.pid]

    def cached(self, blob: str) -> FileResult | None:
        """What the blob declares, if it is still known: lets the caller not even read the blob."""
        return self._cache.get(blob)

    async def parse(self, blobs: Iterable[Blob]) -> dict[str, FileResult]:
        """What each (blob id, bytes) declares. Never fails for what is in a blob: a deadly one is a faulty one."""
        results: dict[str, FileResult] = {}
        wanted: dict[str, bytes] = {}
        for blob, data in blobs:
            known = self._cache.get(blob)
            if known is None:
                wanted[blob] = data
            else:
                results[blob] = known
        for parsed in await asyncio.gather(*(self._parse(batch) for batch in batches(list(wanted.items())))):
            results.update(parsed)
        return results

    async def parse_opened(self, data: bytes) -> FileResult:
        """What the text of an encrypted file declares. It is not kept: that is for those who know the keys."""
        answers: list[bytes] = []
        try:
            await self._ask(parse_request([data], singly=True, opened=True), 1, answers.append)
        except ChildDiedError:
            return FileResult(faults=(Fault(1, Reason.DOCUMENTS_FAILED, DEADLY),), seal=Seal.OPEN)
        return result_of(answers[0])

    async def edit(self, old: bytes, intended: Mapping[DocRef, bytes | None], appended: Sequence[bytes] = ()) -> bytes:
        """`parse.edit.edit_file` in a child. Raises EditRefusedError, also when the child dies of it."""
        return await self._change(edit_request(old, intended, appended))

    async def respell(self, old: Text, new: Text, gone: Iterable[int] = ()) -> bytes:
        """`parse.respell.respelled` in a child. Raises EditRefusedError, also when the child dies of it."""
        return await self._change(respell_request(old, new, gone))

    async def _change(self, request: bytes) -> bytes:
        answers: list[bytes] = []
        for _ in range(2):
            with suppress(ChildDiedError):
                await self._ask(request, 1, answers.append)
                break
        else:
            raise EditRefusedError(f"the edit was given up: {DEADLY}")
        header, parts = unframed(answers[0])
        if header["refused"]:
            raise EditRefusedError(header["refused"], Reason(header["reason"]))
        return parts[0]

    async def _parse(self, batch: list[Blob]) -> dict[str, FileResult]:
        done: dict[str, FileResult] = {}
        while rest := batch[len(done) :]:
            if await self._parse_some(rest, done, singly=False):
                break
            # Once more in a fresh child, which now answers each blob at once: the first one missing killed it.
            rest = batch[len(done) :]
            if not await self._parse_some(rest, done, singly=True) and len(done) < len(batch):
                done[batch[len(done)][0]] = FileResult(faults=(Fault(1, Reason.DOCUMENTS_FAILED, DEADLY),))
        for blob, result in done.items():
            self._cache.put(blob, result)
        return done

    async def _parse_some(self, batch: list[Blob], done: dict[str, FileResult], *, singly: bool) -> bool:
        names = iter(batch)

        def keep(payload: bytes) -> None:
            done[next(names)[0]] = result_of(payload)

        request = parse_request((data for _, data in batch), singly=singly)
        try:
            await self._ask(request, len(batch), keep)
        except ChildDiedError:
            return False
        return True

    async def _ask(self, request: bytes, answers: int, keep: Callable[[bytes], None]) -> None:
        child = await self._idle.get()
        try:
            await child.ask(request, answers, keep)
        except ChildDiedError:
            self._died()
            child.kill()
            raise
        except BaseException:
            child.kill()  # cancelled in the middle it would answer the wrong question next time
            raise
        finally:
            self._idle.put_nowait(child)


class Child:
    """One parser process and the socket to it."""

    def __init__(self, program: str, bounds: str, timeout: float) -> None:
        self._program = program
        self._bounds = bounds
        self._timeout = timeout
        self._process: subprocess.Popen[bytes] | None = None
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    @property
    def pid(self) -> int:
        """Its process id, 0 if there is none."""
        return self._process.pid if self._process else 0

    async def start(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Start the process unless it runs; it takes questions at once and answers when it is up."""
        if self._reader is None or self._writer is None:
            self._reader, self._writer = await asyncio.open_connection(sock=self._spawn())
        return self._reader, self._writer

    async def ask(self, request: bytes, answers: int, keep: Callable[[bytes], None]) -> None:
        """Send a request and hand over each answer as it comes. Raises ChildDiedError."""
        reader, writer = await self.start()
        try:
            writer.write(request)
            buffer = bytearray()
            while answers:
                async with asyncio.timeout(self._timeout):
                    received = await reader.read(_READ_BYTES)
                if not received:
                    raise ChildDiedError
                buffer += received
                answers -= take_frames(buffer, keep)
        except (OSError, TimeoutError) as error:
            raise ChildDiedError from error

    def kill(self) -> None:
        """End the process, if there is one; the next question starts another."""
        if self._writer:
            self._writer.close()
        if self._process:
            self._process.kill()
            self._process.wait()
        self._process = self._reader = self._writer = None

    async def stop(self) -> None:
        """End the process and let go of the socket."""
        writer = self._writer
        self.kill()
        if writer:
            with suppress(OSError):
                await writer.wait_closed()

    def _spawn(self) -> socket.socket:
        # In the loop's own thread, two milliseconds long: the kernel ends a child with the thread that started it.
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", self._program, str(theirs.fileno()), self._bounds],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                cwd=Path(controller.__file__).parents[1],
            )
        return ours


class ResultCache:
    """Results by id, the least recently used dropped beyond a number of bytes."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._size = 0
        self._results: OrderedDict[str, FileResult] = OrderedDict()

    def get(self, blob: str) -> FileResult | None:
        """The result, now the most recently used."""
        result = self._results.get(blob)
        if result is not None:
            self._results.move_to_end(blob)
        return result

    def put(self, blob: str, result: FileResult) -> None:
        """Keep a result."""
        old = self._results.pop(blob, None)
        self._size += _size(result) - (_size(old) if old else 0)
        self._results[blob] = result
        while self._size > self._limit:
            _, dropped = self._results.popitem(last=False)
            self._size -= _size(dropped)

    def forget(self, prefix: str) -> None:
        """Keep nothing any more whose id begins so."""
        for blob in [blob for blob in self._results if blob.startswith(prefix)]:
            self._size -= _size(self._results.pop(blob))


def _size(result: FileResult) -> int:
    return _DOCUMENT_OVERHEAD + sum(_DOCUMENT_OVERHEAD + len(document.content) for document in result.documents)


def batches(blobs: list[Blob]) -> Iterator[list[Blob]]:
    """The blobs in requests of about 1/32 of them, none above 1 MiB unless a single blob is."""
    most = ceil(len(blobs) / _BATCHES)
    batch: list[Blob] = []
    size = 0
    for blob in blobs:
        if batch and (len(batch) >= most or size + len(blob[1]) > _BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(blob)
        size += len(blob[1])
    if batch:
        yield batch
