"""Values to text: YAML in the style of the text around it, or JSON.

A string is written plain only where the API server, and any other YAML reader that people use, reads that string back.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass

import orjson

from controller.objects import Json
from controller.sync.parse.scalars import ScalarError, plain_value

# The conventional order of what a person looks for first; everything else follows by its name.
_FIRST = {key: place for place, key in enumerate(
    ["apiVersion", "kind", "metadata", "name", "namespace", "labels", "annotations", "key", "image", "command", "args"]
)}  # fmt: skip

# What libyaml takes in a plain scalar; its line breaks and the byte order mark would not come back.
_PRINTABLE = re.compile(r"[\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]*")
_NOT_PRINTABLE = re.compile(r"[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
_BLOCK_LINE = re.compile(_PRINTABLE.pattern.replace("[", r"[\t", 1))
_NOT_PLAIN = re.compile(r"\A[\s,\[\]{}#&*!|>'\"%@`]|\A[-?:](?:\s|\Z)|\A(?:---|\.\.\.)|: |:\Z| #|\s\Z")
_NOT_PLAIN_IN_FLOW = re.compile(r"[,\[\]{}]|:[,\[\]{}]|\A[-?:]")

# Strings to the API server that other readers take for dates, base-60 numbers, merge and value keys.
_AMBIGUOUS = re.compile(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}.*|[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?|<<|=")

_LONGEST_KEY = 1000  # beyond 1,024 characters libyaml wants `? key`


class AwkwardError(Exception):
    """This cannot be said here; something around it has to be written anew."""


@dataclass(frozen=True, slots=True)
class Style:
    """How a document is written: columns per level, how far lists stand right of their key, and its quotes.

    `careful`: every string in double quotes, none as a block. What cannot be misread, for a second try.
    """

    step: int = 2
    list_offset: int = 2
    quote: str = '"'
    careful: bool = False


def ordered(value: dict[str, Json]) -> list[tuple[str, Json]]:
    """A map's entries in the conventional order."""
    return sorted(value.items(), key=lambda item: (_FIRST.get(item[0], len(_FIRST)), item[0]))


def is_plain(text: str, *, flow: bool = False) -> bool:
    """Whether a string may stand without quotes."""
    if not text or not _PRINTABLE.fullmatch(text) or _NOT_PLAIN.search(text) or _AMBIGUOUS.fullmatch(text):
        return False
    if flow and _NOT_PLAIN_IN_FLOW.search(text):
        return False
    try:
        return isinstance(plain_value(text), str)
    except ScalarError:
        return False


def quoted(text: str, quote: str) -> str:
    """A string in quotes; in single ones where they are wanted and can hold it."""
    if quote == "'" and _PRINTABLE.fullmatch(text):
        return "'" + text.replace("'", "''") + "'"
    return _NOT_PRINTABLE.sub(lambda match: f"\\u{ord(match[0]):04x}", json.dumps(text, ensure_ascii=False))


def json_text(value: Json, indent: str = "", unit: str = "") -> str:
    """A value as JSON: in one line, or with `unit` as the indent of each level below a line indented by `indent`."""
    if not unit or not value or not isinstance(value, dict | list):
        return _json_line(value)
    inner = indent + unit
    if isinstance(value, dict):
        lines = [f"{_json_line(key)}: {json_text(item, inner, unit)}" for key, item in ordered(value)]
    else:
        lines = [json_text(item, inner, unit) for item in value]
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    body = ",\n".join(inner + line for line in lines)
    return f"{opening}\n{body}\n{indent}{closing}"


def _json_line(value: Json) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_json_line(key)}: {_json_line(item)}" for key, item in ordered(value)) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_json_line, value)) + "]"
    return quoted(value, '"') if isinstance(value, str) else orjson.dumps(value).decode()


def literal_block(text: str, step: int) -> tuple[str, list[str]] | None:
    """The header and the lines (not indented) of a literal block, or None where a block cannot hold the string."""
    lines = text.split("\n")
    if not all(map(_BLOCK_LINE.fullmatch, lines)) or not text.strip(" \n"):
        return None
    trailing = len(text) - len(text.rstrip("\n"))
    chomp = ("-", "")[trailing] if trailing < 2 else "+"
    first = next(line for line in lines if line)
    # Without it the parser would count the blanks of the text itself into the indent.
    indicator = str(step) if first[0] in " \t" else ""
    return f"|{indicator}{chomp}", lines[:-1] if trailing else lines


class Renderer:
    """Writes values as block YAML. What follows a key or a dash is a text for its line, and lines below it."""

    def __init__(self, style: Style) -> None:
        self.style = style

    def scalar(self, value: Json, quote: str = "", *, flow: bool = False) -> str:
        """A scalar, or an empty map or list, in one line; `quote` is the one it should have, "" for none."""
        if not isinstance(value, str):
            return _json_line(value)
        if self.style.careful:
            return quoted(value, '"')
        if not quote and is_plain(value, flow=flow):
            return value
        return quoted(value, quote or self.style.quote)

    def key(self, key: str, quote: str = "", *, flow: bool = False) -> str:
        """A map's key."""
        if len(key) > _LONGEST_KEY:
            raise AwkwardError("the key is too long")
        return self.scalar(key, quote, flow=flow)

    def flow(self, value: Json) -> str:
        """Any value in one line of flow style."""
        if isinstance(value, dict) and value:
            return "{" + ", ".join(f"{self.key(k, flow=True)}: {self.flow(v)}" for k, v in ordered(value)) + "}"
        if isinstance(value, list) and value:
            return "[" + ", ".join(map(self.flow, value)) + "]"
        return self.scalar(value, flow=True)

    def after_key(self, value: Json, column: int, quote: str = "") -> tuple[str, list[str]]:
        """What follows the colon of a key in this column."""
        if isinstance(value, dict) and value:
            return "", self.map_lines(value, column + self.style.step)
        if isinstance(value, list) and value:
            return "", self.list_lines(value, column + self.style.list_offset)
        return self._inline(value, column, quote)

    def after_dash(self, value: Json, column: int, quote: str = "") -> tuple[str, list[str]]:
        """What follows a dash in this column."""
        if value and isinstance(value, dict | list):
            inner = column + 2
            lines = self.map_lines(value, inner) if isinstance(value, dict) else self.list_lines(value, inner)
            return " " + lines[0][inner:], lines[1:]
        return self._inline(value, column, quote)

    def map_lines(self, value: dict[str, Json], column: int, quote: str = "", key_quote: str = "") -> list[str]:
        """The entries of a map in this column."""
        lines: list[str] = []
        for key, item in ordered(value):
            inline, below = self.after_key(item, column, quote)
            lines += [f"{' ' * column}{self.key(key, key_quote)}:{inline}", *below]
        return lines

    def list_lines(self, value: Iterable[Json], column: int, quote: str = "") -> list[str]:
        """The items of a list whose dashes are in this column."""
        lines: list[str] = []
        for item in value:
            inline, below = self.after_dash(item, column, quote)
            lines += [f"{' ' * column}-{inline}", *below]
        return lines

    def _inline(self, value: Json, column: int, quote: str) -> tuple[str, list[str]]:
        block = None
        if isinstance(value, str) and "\n" in value and not self.style.careful:
            block = literal_block(value, self.style.step)
        if block is None:
            return " " + self.scalar(value, quote), []
        indent = " " * (column + self.style.step)
        return " " + block[0], [indent + line if line else "" for line in block[1]]
