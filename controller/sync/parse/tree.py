"""A document as a tree of spans: each value with the characters of the text that say it.

The positions are those of the parser that also reads the files, so what an edit takes for a value is what is read as
one. Positions count characters; an end is behind the last character that belongs to the value, comments excluded.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

import yaml

from controller.objects import Json
from controller.sync.parse.loader import MERGING, says_text
from controller.sync.parse.scalars import PLAIN, TEXT, plain_value, scalar_key, scalar_value

_BLANKS = re.compile(r"(?:[ \t\r\n]+|(?<![^ \t\r\n])#[^\n]*)*")
_PROPERTY = re.compile(r"[&!][^ \t\r\n]*")
_EXPLICIT_KEY = re.compile(r"(?:\A|[ \t{\[,])\?[ \t]+\Z")
_JSON_TOKEN = re.compile(r'[{}\[\],:]|"(?:[^"\\]|\\.)*"|[^\s{}\[\],:"]+')


@dataclass(slots=True)
class Span:
    """One value and where it stands: `start` with its anchor and tag, `body` without them."""

    kind: Literal["scalar", "map", "list", "alias"]
    start: int
    body: int
    end: int
    value: Json
    style: str = ""  # of a scalar: "" ' " | >
    flow: bool = False
    anchor: str = ""
    tagged: bool = False
    tangled: bool = False  # an anchor or an alias is in it: what is done to it may concern other places
    entries: list[Entry] = field(default_factory=list)  # of a map
    items: list[Item] = field(default_factory=list)  # of a list
    refers_to: Span | None = None  # of an alias


@dataclass(slots=True)
class Entry:
    """One key of a map. `colon` is the position behind the colon; None where the key is written unusually (`? key`)."""

    key: str
    start: int
    colon: int | None
    value: Span
    merges: bool = False

    @property
    def end(self) -> int:
        """Behind its last character."""
        return max(self.value.end, self.colon or 0)


@dataclass(slots=True)
class Item:
    """One item of a list. `dash` is the position of the dash, of a flow list that of the value."""

    dash: int
    value: Span


def yaml_tree(text: str) -> Span:
    """The tree of the one document of a YAML text that has been read before."""
    events = yaml.parse(text, Loader=yaml.CSafeLoader)
    next(event for event in events if isinstance(event, yaml.DocumentStartEvent))
    return _Builder(text, events).span(next(events))


def json_tree(text: str) -> Span:
    """The tree of a JSON text that has been read before. All of it is in flow style."""
    tokens = _JSON_TOKEN.finditer(text)
    return _json_span(next(tokens), tokens)


def json_unit(root: Span, text: str) -> str:
    """The indent of one level of a JSON text, "" if it is all on one line."""
    start = root.entries[0].start if root.entries else root.start
    lead = text[line_start(text, start) : start]
    return lead if lead.isspace() else ""


def line_start(text: str, position: int) -> int:
    """Where the line of a position begins."""
    return text.rfind("\n", 0, position) + 1


def line_end(text: str, position: int) -> int:
    """Where the line of a position ends, its line break excluded."""
    end = text.find("\n", position)
    return len(text) if end < 0 else end


def column(text: str, position: int) -> int:
    """How many characters are before it in its line."""
    return position - line_start(text, position)


def skip_blanks(text: str, position: int) -> int:
    """The next position that holds neither a blank nor a line break nor a comment."""
    match = _BLANKS.match(text, position)
    return match.end() if match else position


class _Builder:
    """Builds the tree from the events of PyYAML's C parser: unlike its nodes, they say where an alias stands."""

    def __init__(self, text: str, events: Iterator[Any]) -> None:
        self._text = text
        self._events = events
        self._anchors: dict[str | None, Span] = {}
        self._scalars: dict[str | None, Any] = {}  # the events of those that have an anchor

    def span(self, event: Any) -> Span:
        start, end = event.start_mark.index, event.end_mark.index
        if isinstance(event, yaml.AliasEvent):
            target = self._anchors[event.anchor]
            return Span("alias", start, start, end, target.value, tangled=True, refers_to=target)
        if isinstance(event, yaml.ScalarEvent):
            span = self._scalar(event, start, end)
            self._scalars[event.anchor] = event
        else:
            body = self._after_properties(start)
            flow = bool(event.flow_style)
            kind: Literal["map", "list"] = "map" if isinstance(event, yaml.MappingStartEvent) else "list"
            span = Span(kind, start, body, end, None, flow=flow, tagged=event.tag is not None)
            (self._fill_map if kind == "map" else self._fill_list)(span)
        if event.anchor:
            span.anchor, span.tangled = event.anchor, True
            self._anchors[event.anchor] = span
        return span

    def _scalar(self, event: Any, start: int, end: int) -> Span:
        style = event.style or ""
        body = min(self._after_properties(start), end)
        if style in ("|", ">"):
            end = self._block_end(body, end, event.value)
        value = scalar_value(self._tag(event), event.value)
        return Span("scalar", start, body, end, value, style=style, tagged=self._text[start:body].find("!") >= 0)

    def _tag(self, event: Any) -> str:
        if event.tag is not None:
            return str(event.tag)
        return PLAIN if event.implicit[0] and not says_text(self._text, event.start_mark.index) else TEXT

    def _fill_map(self, span: Span) -> None:
        span.value = {}
        event = next(self._events)
        while not isinstance(event, yaml.MappingEndEvent):
            entry = self._entry(event, flow=span.flow)
            span.entries.append(entry)
            span.tangled |= entry.value.tangled
            if entry.merges:
                span.value.update(merged_value(entry.value, entry.value.value))
            else:
                span.value[entry.key] = entry.value.value
            event = next(self._events)
        span.end = _index(event.end_mark) if span.flow else span.entries[-1].end

    def _fill_list(self, span: Span) -> None:
        span.value = []
        position = span.body
        event = next(self._events)
        while not isinstance(event, yaml.SequenceEndEvent):
            dash = event.start_mark.index if span.flow else skip_blanks(self._text, position)
            item = Item(dash, self.span(event))
            span.items.append(item)
            span.tangled |= item.value.tangled
            span.value.append(item.value.value)
            position = item.value.end
            event = next(self._events)
        span.end = _index(event.end_mark) if span.flow else position

    def _entry(self, event: Any, *, flow: bool) -> Entry:
        start, end = event.start_mark.index, event.end_mark.index
        key, merges = self._key(event)
        return Entry(key, start, self._colon(start, end, flow=flow), self.span(next(self._events)), merges)

    def _key(self, event: Any) -> tuple[str, bool]:
        """The text of a key, and whether it is a `<<` that merges."""
        if isinstance(event, yaml.AliasEvent):
            return self._key(self._scalars[event.anchor])
        if event.anchor:
            self.span(event)
        tag = self._tag(event)
        key = scalar_key(tag, event.value)
        return key, key == "<<" and tag in MERGING

    def _colon(self, start: int, end: int, *, flow: bool) -> int | None:
        before = self._text[line_start(self._text, start) : start]
        colon = skip_blanks(self._text, end) if flow else self._next_in_line(end)
        if _EXPLICIT_KEY.search(before) or self._text[colon : colon + 1] != ":":
            return None
        return colon + 1

    def _next_in_line(self, position: int) -> int:
        while self._text[position : position + 1] in (" ", "\t"):
            position += 1
        return position

    def _after_properties(self, start: int) -> int:
        position = start
        while match := _PROPERTY.match(self._text, position):
            position = skip_blanks(self._text, match.end())
        return position

    def _block_end(self, body: int, end: int, value: str) -> int:
        """Where a block scalar ends: what is only blank below it does not belong to it, unless its text ends so."""
        header = line_end(self._text, body)
        if "+" in self._text[body:header].partition("#")[0]:
            return end - 1 if self._text[end - 1 : end] == "\n" else end
        last_line = value.rstrip("\n").rpartition("\n")[2]
        text = self._text[body:end].rstrip("\n" if last_line.isspace() else " \n")
        return max(header, min(end, line_end(self._text, body + len(text))))


def _index(mark: Any) -> int:
    return int(mark.index)


def merged_value(span: Span, value: Json) -> dict[str, Json]:
    """What `<<: value` brings, as `loader.Reader.merged` reads it."""
    if span.kind != "list":
        return dict(value)
    found: dict[str, Json] = {}
    for source in reversed(value):
        found.update(source)
    return found


def _json_span(token: re.Match[str], tokens: Iterator[re.Match[str]]) -> Span:
    start, end = token.span()
    if token[0] == "{":
        return _json_map(Span("map", start, start, end, {}, flow=True), tokens)
    if token[0] == "[":
        return _json_list(Span("list", start, start, end, [], flow=True), tokens)
    style = '"' if token[0].startswith('"') else ""
    value = json.loads(token[0]) if style else plain_value(token[0])  # numbers and words mean the same in YAML
    return Span("scalar", start, start, end, value, style=style)


def _json_map(span: Span, tokens: Iterator[re.Match[str]]) -> Span:
    while (token := next(tokens))[0] != "}":
        if token[0] == ",":
            continue
        colon = next(tokens).end()
        entry = Entry(json.loads(token[0]), token.start(), colon, _json_span(next(tokens), tokens))
        span.entries.append(entry)
        span.value[entry.key] = entry.value.value
    span.end = token.end()
    return span


def _json_list(span: Span, tokens: Iterator[re.Match[str]]) -> Span:
    while (token := next(tokens))[0] != "]":
        if token[0] == ",":
            continue
        item = Item(token.start(), _json_span(token, tokens))
        span.items.append(item)
        span.value.append(item.value.value)
    span.end = token.end()
    return span
