"""One way to be ended: SIGTERM and a closed terminal do what Ctrl-C does, and nothing disturbs the clearing up."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

ENDED_BY = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def interruptible() -> Iterator[None]:
    """Within the block the first of these signals raises `KeyboardInterrupt`; those after it are ignored.

    Else a second, impatient Ctrl-C would leave children behind where the kernel does not end them. A signal that was
    ignored before, as SIGHUP is under nohup, stays so. Only in the main thread.
    """
    heeded = [number for number in ENDED_BY if signal.getsignal(number) is not signal.SIG_IGN]

    def end(number: int, frame: FrameType | None) -> None:
        for each in heeded:
            signal.signal(each, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = {number: signal.signal(number, end) for number in heeded}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
