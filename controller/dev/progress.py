"""Telling a person how far a long piece of work is: one line that changes on a terminal, a few lines in a log."""

from __future__ import annotations

import math
import shutil
import sys
import time
from collections.abc import Callable
from typing import TextIO

LOG_EVERY = 10.0  # seconds between two lines about the same step where lines cannot be overwritten


class Progress:
    """Writes to `stream` (standard error by default)."""

    def __init__(self, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream or sys.stderr
        self._clock = clock
        self._overwrites = self._stream.isatty()
        self._open_line = False
        self._next_line = -math.inf

    def say(self, line: str) -> None:
        """A line that stays."""
        self._erase()
        print(line, file=self._stream, flush=True)

    def show(self, line: str) -> None:
        """Where the present step is; the next line takes its place."""
        if self._overwrites:
            self._erase()
            width = shutil.get_terminal_size().columns - 1
            print(line[:width], end="", file=self._stream, flush=True)
            self._open_line = True
        elif self._clock() >= self._next_line:
            self._next_line = self._clock() + LOG_EVERY
            print(line, file=self._stream, flush=True)

    def _erase(self) -> None:
        if self._open_line:
            print("\r\x1b[K", end="", file=self._stream)
            self._open_line = False
