"""A commit's message: one subject, and trailers that tie the commit to objects, fields and runs.

Values come from names that people and programs choose, and those may hold spaces and line breaks; so every word of a
value is percent-encoded, and a name cannot forge a trailer of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import quote, unquote

FABRIC = "Tandem-Fabric"
OBJECT = "Tandem-Object"
RUN = "Tandem-Run"
INSTALL = "Tandem-Install"
MANAGER = "Field-Manager"
EDITED_BY = "Edited-By"

PRINTABLE = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) != "%")
LINE = re.compile(r"([A-Za-z][A-Za-z0-9-]*):[ \t]+(\S.*)")


@dataclass(frozen=True, slots=True)
class Trailer:
    """One `Key: word word` line at the end of a message; the words as they are meant, not as they are encoded."""

    key: str
    words: tuple[str, ...]

    @property
    def value(self) -> str:
        """The words with a space between them."""
        return " ".join(self.words)

    def __str__(self) -> str:
        return f"{self.key}: {' '.join(quote(word, safe=PRINTABLE) for word in self.words)}"


def object_trailer(api_version: str, kind: str, name: str, uid: str, resource_version: str) -> Trailer:
    """Which object a commit writes back. `name` is `namespace/name`, or the name of a cluster-scoped object."""
    return Trailer(OBJECT, (api_version, kind, name, f"uid={uid}", f"rv={resource_version}"))


def commit_message(subject: str, trailers: Iterable[Trailer]) -> str:
    """The whole message. The subject is forced onto one line, without control characters."""
    first = "".join(character for character in " ".join(subject.split()) if character.isprintable())
    lines = "\n".join(str(trailer) for trailer in trailers)
    return f"{first}\n\n{lines}\n" if lines else f"{first}\n"


def parse_trailers(message: str) -> list[Trailer]:
    """The trailers of a message: its last paragraph, if every line of it is one (as Git has it)."""
    paragraphs = re.split(r"\n[ \t]*\n", message.replace("\r\n", "\n").strip())
    if len(paragraphs) < 2:
        return []
    matches = [LINE.fullmatch(line) for line in paragraphs[-1].splitlines()]
    if not all(matches):
        return []
    return [Trailer(found[1], tuple(map(unquote, found[2].split(" ")))) for found in matches if found is not None]
