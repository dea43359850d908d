"""A file as the text that is edited and the documents in it, and back into its own bytes.

Editing knows neither byte order marks nor Windows line ends: they are taken off here, and put back on.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

from controller.sync.parse.scan import BOM
from controller.sync.parse.tree import line_end, line_start, yaml_tree

_MARKER = re.compile(r"^---(?=[ \t\n]|\Z)", re.MULTILINE)
_CONTENT = re.compile(r"^[ \t]*[^ \t\n#%]", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class FileText:
    """The text of a file with `\\n` as its line ends, and how its bytes differ from it."""

    text: str
    bom: bool
    crlf: bool

    @classmethod
    def of(cls, data: bytes) -> Self:
        """The text of a file's bytes. Mixed line ends are part of the text."""
        text = data.removeprefix(BOM).decode()
        pairs = text.count("\r\n")
        crlf = pairs > 0 and pairs == text.count("\n") == text.count("\r")
        return cls(text.replace("\r\n", "\n") if crlf else text, data.startswith(BOM), crlf)

    def encoded(self, text: str) -> bytes:
        """The bytes of another text in the same file."""
        if not text.strip():
            return b""
        return (BOM if self.bom else b"") + (text.replace("\n", "\r\n") if self.crlf else text).encode()


def documents_of(text: str) -> list[str]:
    """The text cut into its documents, each with the `---` before it. What comes before the first goes with it."""
    starts = [match.start() for match in _MARKER.finditer(text)]
    head = text[: starts[0]] if starts else ""
    if starts and not holds_content(head):
        starts[0] = 0
    elif not starts or starts[0] > 0:
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
    if text and not text.endswith("\n"):
        text += "\n"
    return text + ("---\n" if holds_content(text) else "") + "---\n".join(new)
