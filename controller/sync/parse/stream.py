"""A file as the text that is edited and the documents in it, and back into its own bytes.

Editing knows neither byte order marks nor Windows line ends: they are taken off here, and put back on.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from difflib import SequenceMatcher
from operator import add
from typing import Self

from controller.sync.parse.scan import BOM
from controller.sync.parse.tree import line_end, line_start, yaml_tree

_LINE_END = re.compile(r"\r?\n")
_MARKER = re.compile(r"^---(?=[ \t\n]|\Z)", re.MULTILINE)
_CONTENT = re.compile(r"^[ \t]*[^ \t\n#%]", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class FileText:
    """The text of a file with `\n` at the end of every line, and how its bytes differ from it.

    `end` is how most lines end; `ends` is how each of them does, only in a file that mixes them. `cut` if the last line
    does not end.
    """

    text: str
    bom: bool
    end: str
    ends: tuple[str, ...]
    cut: bool

    @classmethod
    def of(cls, data: bytes) -> Self:
        """The text of a file's bytes."""
        text = data.removeprefix(BOM).decode()
        ends = _LINE_END.findall(text)
        usual = Counter(ends).most_common(2)
        end = usual[0][0] if usual else "\n"
        cut = bool(text) and not text.endswith("\n")
        whole = text.replace("\r\n", "\n") + ("\n" if cut else "")
        return cls(whole, data.startswith(BOM), end, tuple(ends) if len(usual) > 1 else (), cut)

    def encoded(self, text: str) -> bytes:
        """The bytes of another text in the same file."""
        if not text.strip():
            return b""
        if self.cut and not text.endswith("\n\n"):  # a blank line at the end may be part of a value
            text = text.removesuffix("\n")
        text = self._with_own_ends(text) if self.ends else text.replace("\n", self.end)
        return (BOM if self.bom else b"") + text.encode()

    def _with_own_ends(self, text: str) -> str:
        old, new = self.text.split("\n"), text.split("\n")
        ends = [self.end] * len(new)
        for _, old_start, old_end, new_start, new_end in SequenceMatcher(None, old, new).get_opcodes():
            # A line that changed keeps its end as well.
            for line, end in zip(range(new_start, new_end), self.ends[old_start:old_end], strict=False):
                ends[line] = end
        ends[-1] = ""
        return "".join(map(add, new, ends))


def documents_of(text: str) -> list[str]:
    """The text cut into its documents, each with the `---` before it. What comes before the first goes with it."""
    starts = [match.start() for match in _MARKER.finditer(text)]
    head = text[: starts[0]] if starts else ""
    if starts and not holds_content(head):
        starts[0] = 0
    else:
        starts.insert(0, 0)
    return [text[start:end] for start, end in zip(starts, [*starts[1:], len(text)], strict=True)]


def remains_of(document: str, *, first: bool) -> str:
    """What stays of a document that is removed: comments that head the file, or come after it for what follows."""
    root = yaml_tree(document)
    tail = document[line_end(document, root.end) + 1 :]
    tail = tail if "#" in tail else ""
    if not first:
        return tail
    marker = _MARKER.search(document)
    if marker and marker.start() < root.start:
        head = document[: marker.start()]
    else:
        # A comment that touches the document is about it; one with a blank line between is about the file.
        head = document[: line_start(document, root.start)]
        head = head[: head.rfind("\n\n") + 2] if "\n\n" in head else ""
    return ("" if "%" in head else head) + tail


def holds_content(text: str) -> bool:
    """Whether there is more in a text than comments, directives and blank lines."""
    return _CONTENT.search(text) is not None


def with_documents(text: str, new: list[str]) -> str:
    """The text with documents at its end, divided from what it holds."""
    return text + ("---\n" if holds_content(text) else "") + "---\n".join(new)
