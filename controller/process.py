"""Programs of others that are run: bounded in time, output and what they write, and never left behind.

They may start others in turn, so each leads a process group of its own, which is killed as a whole: when nothing moves
for too long, when nobody waits for its answer any more, and when this process ends. It stands below everything because
the rooms that run programs (Git's, and that of encrypted files) do not know each other.
"""

from __future__ import annotations

import atexit
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

CHUNK = 1 << 16
TICK = 0.2  # seconds between two looks whether somebody still waits
BLOCK = 512  # bytes; what `ulimit -f` of a POSIX shell counts in

# The kernel's own bound on the size of each file that is written; with its signal ignored a program says what happened.
LIMITED = 'trap "" XFSZ && ulimit -f "$1" && shift && exec "$@"'

_running: set[subprocess.Popen[bytes]] = set()


class ProgramMissingError(Exception):
    """There is no such program."""


class ProgramHangsError(Exception):
    """It was killed because it took too long; the message says what it did not do."""


class Pulse(Protocol):
    """The caller of a program, as seen while it runs. Both raise when nobody waits for it any more."""

    def beat(self) -> None:
        """Something moved."""

    def check(self) -> None:
        """Nothing moved; is anybody still waiting?"""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a program may take: seconds of silence, seconds in all (0: any), bytes kept of each of its two outputs, and
    bytes of the largest file that it writes (0: any)."""

    patience: float
    longest: float = 0.0
    output: int = 4 << 20
    file: int = 0


@dataclass(frozen=True, slots=True)
class Ended:
    """What a program said. `code` as in `subprocess`: negative for a signal. `is_cut`: it said more than was kept."""

    code: int
    output: bytes
    said: bytes
    is_cut: bool = False

    def __repr__(self) -> str:
        return f"Ended({self.code}, {len(self.output)} bytes, {len(self.said)} bytes)"  # either may hold a secret


def run_to_end(
    command: Sequence[str], *, folder: Path, env: Mapping[str, str], pulse: Pulse, bounds: Bounds, given: bytes = b""
) -> Ended:
    """Run a program in `folder` to its end; `given` is its standard input, and `env` is all that it sees.

    Raises ProgramMissingError, ProgramHangsError, and what `pulse` raises, which ends it, too.
    """
    if bounds.file:
        command = ["/bin/sh", "-c", LIMITED, "sh", str(max(1, bounds.file // BLOCK)), *command]
    try:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=dict(env),
            stdin=subprocess.PIPE if given else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except (FileNotFoundError, PermissionError) as error:
        raise ProgramMissingError(command[0]) from error
    _running.add(process)
    try:
        kept = _Conversation(process, given, bounds).hold(pulse)
        code = process.wait(bounds.patience)
        return Ended(code, kept[0][: bounds.output], kept[1][: bounds.output], max(map(len, kept)) > bounds.output)
    except subprocess.TimeoutExpired:
        raise ProgramHangsError("does not end") from None
    finally:
        _end(process)
        _running.discard(process)


class _Conversation:
    """What is written to a program and read from it, up to the end of both its outputs."""

    def __init__(self, process: subprocess.Popen[bytes], given: bytes, bounds: Bounds) -> None:
        self._process = process
        self._given = memoryview(given)
        self._bounds = bounds
        self._kept = {stream.fileno(): bytearray() for stream in (process.stdout, process.stderr) if stream is not None}

    def hold(self, pulse: Pulse) -> list[bytes]:
        """Both outputs, each with one byte more than is allowed if there is more."""
        started = moved = time.monotonic()
        with selectors.DefaultSelector() as selector:
            for number in self._kept:
                selector.register(number, selectors.EVENT_READ)
            if self._process.stdin is not None:
                os.set_blocking(self._process.stdin.fileno(), False)
                selector.register(self._process.stdin.fileno(), selectors.EVENT_WRITE)
            while self._kept.keys() & {key.fd for key in selector.get_map().values()}:
                ready = selector.select(TICK)
                for key, _ in ready:
                    if not self._moved(key.fd):
                        selector.unregister(key.fd)
                if ready:
                    pulse.beat()
                    moved = time.monotonic()
                else:
                    pulse.check()
                now = time.monotonic()
                if now - moved > self._bounds.patience:
                    raise ProgramHangsError(f"nothing came for {self._bounds.patience:g} s")
                if self._bounds.longest and now - started > self._bounds.longest:
                    raise ProgramHangsError(f"it takes longer than {self._bounds.longest:g} s")
        return [bytes(kept) for kept in self._kept.values()]

    def _moved(self, number: int) -> bool:
        """Read or write what there is; False at the end of it."""
        if number in self._kept:
            chunk = os.read(number, CHUNK)
            kept = self._kept[number]
            kept += chunk[: self._bounds.output + 1 - len(kept)]
            return bool(chunk)
        try:
            self._given = self._given[os.write(number, self._given[:CHUNK]) :]
        except BrokenPipeError:  # it does not want the rest
            self._given = self._given[:0]
        if not self._given and self._process.stdin is not None:
            with suppress(BrokenPipeError):
                self._process.stdin.close()
        return bool(self._given)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill the program with all that it started, unless it has ended."""
    _kill_group(process)
    process.wait()
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            with suppress(BrokenPipeError):
                stream.close()


@atexit.register
def _end_all() -> None:
    """The threads that wait for these programs are daemons, and are not asked when the process ends."""
    for process in list(_running):
        _kill_group(process)


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    if process.returncode is None:  # else its number may belong to somebody else by now
        with suppress(ProcessLookupError, PermissionError):  # macOS says "not permitted" where only a zombie is left
            os.killpg(process.pid, signal.SIGKILL)
