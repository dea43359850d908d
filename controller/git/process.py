"""Running the git program: bounded in time, output and what it writes, and never left behind.

It starts others (ssh, git-remote-https, index-pack), so it leads a process group of its own, which is killed as a
whole: when nothing moves for too long, when nobody waits for its answer any more, and when this process ends.
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

from controller.git.errors import UnreachableError
from controller.git.transport import Pulse

MOST_OUTPUT = 4 << 20  # bytes kept of each of the two outputs: the branches of the largest repositories
CHUNK = 1 << 16
TICK = 0.2  # seconds between two looks whether somebody still waits
BLOCK = 512  # bytes; what `ulimit -f` of a POSIX shell counts in

# The kernel's own bound on the size of each file that is written; ignoring its signal lets Git say what happened.
LIMITED = 'trap "" XFSZ && ulimit -f "$1" && shift && exec "$@"'

_running: set[subprocess.Popen[bytes]] = set()


@dataclass(frozen=True, slots=True)
class Answer:
    """What a program said. `code` as in `subprocess`: negative for a signal."""

    code: int
    output: str
    said: str


def run_program(
    command: Sequence[str], *, folder: Path, env: Mapping[str, str], pulse: Pulse, patience: float, most_bytes: int = 0
) -> Answer:
    """Run a program in `folder` to its end. `env` is all it sees; `most_bytes` the largest file it may write.

    UnreachableError if it is not there, or writes nothing for `patience` seconds. What `pulse` raises ends it, too.
    """
    if most_bytes:
        command = ["/bin/sh", "-c", LIMITED, "sh", str(max(1, most_bytes // BLOCK)), *command]
    try:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except FileNotFoundError:
        raise UnreachableError(
            f"the program {command[0]} is not installed where the controller runs, and this remote needs it; install it"
        ) from None
    _running.add(process)
    try:
        output, said = _listen(process, pulse, patience)
        return Answer(process.wait(patience), output.decode(errors="replace"), said.decode(errors="replace"))
    except subprocess.TimeoutExpired:
        raise UnreachableError(f"{command[0]} does not end; it is tried again") from None
    finally:
        _end(process)
        _running.discard(process)


def _listen(process: subprocess.Popen[bytes], pulse: Pulse, patience: float) -> tuple[bytes, bytes]:
    """Both outputs, up to their end."""
    streams = [stream for stream in (process.stdout, process.stderr) if stream is not None]
    kept = {stream.fileno(): bytearray() for stream in streams}
    moved = time.monotonic()
    with selectors.DefaultSelector() as selector:
        for number in kept:
            selector.register(number, selectors.EVENT_READ)
        while selector.get_map():
            ready = selector.select(TICK)
            for key, _ in ready:
                chunk = os.read(key.fd, CHUNK)
                if not chunk:
                    selector.unregister(key.fd)
                kept[key.fd] += chunk[: MOST_OUTPUT - len(kept[key.fd])]
            if ready:
                pulse.beat()
                moved = time.monotonic()
            else:
                pulse.check()
            if time.monotonic() - moved > patience:
                raise UnreachableError(f"timed out: nothing came for {patience:g} s; it is tried again")
    output, said = kept.values()
    return bytes(output), bytes(said)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill the program with all that it started, unless it has ended."""
    _kill_group(process)
    process.wait()
    for stream in (process.stdout, process.stderr):
        if stream is not None:
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
