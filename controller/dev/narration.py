"""How the demo tells its story: headings, commands, what they printed, what was found true. Coloured on a terminal."""

from __future__ import annotations

import sys
from typing import TextIO

from rich.console import Console
from rich.text import Text

PIPE_WIDTH = 10_000  # nothing is folded where a program reads


class Narration:
    """Standard output."""

    def __init__(self, file: TextIO | None = None) -> None:
        file = file or sys.stdout
        width = None if Console(file=file).is_terminal else PIPE_WIDTH
        self._console = Console(file=file, width=width, highlight=False, markup=False, emoji=False)

    def title(self, text: str) -> None:
        """What the step claims."""
        self._line("")
        self._line(text, "bold")

    def remark(self, text: str) -> None:
        """A sentence in between."""
        self._line(f"   {text}", "dim")

    def command(self, text: str, comment: str = "") -> None:
        """What is typed."""
        self._console.print(Text.assemble("   ", (f"$ {text}", "cyan"), (f"   # {comment}" if comment else "", "dim")))

    def output(self, text: str) -> None:
        """What was printed."""
        for line in text.rstrip().splitlines():
            self._line(f"     {line}".rstrip())

    def diff(self, text: str) -> None:
        """A unified diff, from its first hunk on; the header says nothing that was not said before."""
        lines = text.splitlines()
        first = next((number for number, line in enumerate(lines) if line.startswith("@@")), 0)
        for line in lines[first:]:
            self._line(f"     {line}", {"+": "green", "-": "red", "@": "magenta"}.get(line[:1], ""))

    def proof(self, text: str, seconds: float) -> None:
        """What was found true, and how long it took to become so."""
        self._line(f"   ✓ {text}: after {seconds:.1f} s", "green")

    def failure(self, text: str) -> None:
        """What was not."""
        self._line(f"   ✗ {text}", "bold red")

    def end(self, text: str) -> None:
        """The last words."""
        self._line("")
        self._line(text, "bold")

    def _line(self, text: str, style: str = "") -> None:
        self._console.print(Text(text, style), soft_wrap=True)
