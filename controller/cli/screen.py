"""What a command prints: coloured on a terminal, plain in a pipe, and never what would steer the terminal.

What is shown comes from clusters and repositories, where anybody may have put escape sequences or characters that
reorder a line. They are made visible here, in the one place that all output passes.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Sequence
from typing import TextIO

from rich.cells import cell_len
from rich.console import Console, RenderableType
from rich.text import Text

from controller.objects import Json

# C0 as their pictures (␛), DEL, C1 and what reorders text (bidirectional overrides and isolates) as a placeholder.
_HARMFUL = [*range(0x7F, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A)]
_VISIBLE = {code: 0x2400 + code for code in range(0x20) if chr(code) not in "\n\t"} | dict.fromkeys(_HARMFUL, 0xFFFD)
_IN_JSON = re.compile("[" + "".join(map(chr, _HARMFUL)) + "]")

_PIPE_WIDTH = 10_000  # nothing is folded where a program reads
GAP = "   "  # between columns, as in kubectl


class Screen:
    """Standard output."""

    def __init__(self, file: TextIO | None = None) -> None:
        self._file = file or sys.stdout
        probe = Console(file=self._file)
        width = None if probe.is_terminal else _PIPE_WIDTH
        self.console = Console(file=self._file, width=width, highlight=False, markup=False, emoji=False)

    def line(self, text: str | Text = "", style: str = "") -> None:
        """One line or several, never folded."""
        self.console.print(cleaned(text), style=style or None, soft_wrap=True)

    def lines(self, texts: Iterable[str | Text]) -> None:
        """Line after line."""
        for text in texts:
            self.line(text)

    def table(self, headers: Sequence[str], rows: Iterable[Sequence[str | Text]]) -> None:
        """Columns side by side, each as wide as its widest cell."""
        self.lines(aligned(headers, rows))

    def show(self, renderable: RenderableType) -> None:
        """Something of rich that folds itself; without the blanks it leaves at the ends of lines."""
        with self.console.capture() as captured:
            self.console.print(renderable)
        self._file.write("".join(f"{line.rstrip()}\n" for line in captured.get().splitlines()))

    def json(self, value: Json) -> None:
        """A value for programs."""
        text = json.dumps(value, indent=2, ensure_ascii=False)
        self._file.write(_IN_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", text) + "\n")


def say(message: str, *, label: str = "") -> None:
    """A remark or an error, on standard error."""
    console = Console(file=sys.stderr, highlight=False, markup=False, emoji=False)
    text = Text.assemble((label, "bold red" if label == "error: " else "bold yellow"), cleaned(message))
    console.print(text, soft_wrap=True)


def cleaned(text: str | Text) -> Text:
    """The text with everything visible that would steer a terminal."""
    if isinstance(text, str):
        return Text(text.translate(_VISIBLE))  # a Text would drop some of them without a trace
    made = text.copy()
    if made.plain.translate(_VISIBLE) != made.plain:
        made.plain = made.plain.translate(_VISIBLE)
    return made


def aligned(headers: Sequence[str], rows: Iterable[Sequence[str | Text]]) -> list[Text]:
    """A table as lines, its headers first."""
    cells = [[Text(header, "bold") for header in headers]]
    cells += [[_cell(cell) for cell in row] for row in rows]
    widths = [max(cell_len(line[column].plain) for line in cells) for column in range(len(headers))]
    return [_joined(line, widths) for line in cells]


def _cell(value: str | Text) -> Text:
    """A cell is one line, whatever a message holds."""
    text = cleaned(value)
    if "\n" in text.plain:
        text.plain = text.plain.replace("\n", " ")
    return text


def _joined(cells: Sequence[Text], widths: Sequence[int]) -> Text:
    line = Text()
    for cell, width in zip(cells, widths, strict=True):
        line.append_text(cell)
        line.append(" " * (width - cell_len(cell.plain)) + GAP)
    line.rstrip()
    return line
