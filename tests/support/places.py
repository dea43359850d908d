"""Where each value of a manifest stands in its text, told by PyYAML's own pure-Python parser.

It stands apart from the product on purpose: what an edit may touch is judged by another reader than the one that made
the edit. A scalar's value is its text here (`1` and `"1"` are one); what it means is proven elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

Path = tuple[str | int, ...]


@dataclass
class Place:
    """One value: `start` of its key, dash or itself, `after` its colon or dash, and `end`, behind its last character.

    `style` is a scalar's (`'"|>`) and "flow" for a collection in brackets; `alias` and `anchor` are names.
    """

    start: int
    after: int
    end: int
    style: str = ""
    alias: str = ""
    anchor: str = ""
    value: Any = None
    children: dict[str | int, Place] = field(default_factory=dict)

    def at(self, path: Path) -> Place:
        """The place of a value below this one. Raises KeyError, also for what is only there through an alias."""
        place = self
        for segment in path:
            place = place.children[segment]
        return place

    def nearest(self, path: Path) -> tuple[Path, Place]:
        """The longest beginning of a path that stands in the text, and its place."""
        place = self
        for depth, segment in enumerate(path):
            if segment not in place.children:
                return path[:depth], place
            place = place.children[segment]
        return path, place

    def below(self) -> Iterator[Place]:
        """This place and all below it."""
        yield self
        for child in self.children.values():
            yield from child.below()


def documents(text: str) -> list[Place]:
    """The roots of the documents of a YAML or JSON text without a byte order mark."""
    # The pure-Python scanner takes no tabs for blanks; the one who writes JSON with them need not care.
    events = yaml.parse(text.replace("\t", " ") if text.startswith(("{", "[")) else text, Loader=yaml.SafeLoader)
    walker = _Walker(text, events)
    return [walker.root() for event in events if isinstance(event, yaml.DocumentStartEvent)]


class _Walker:
    def __init__(self, text: str, events: Iterator[Any]) -> None:
        self._text = text
        self._events = events
        self._anchors: dict[str | None, Any] = {}

    def root(self) -> Place:
        self._anchors = {}
        event = next(self._events)
        return self._place(event, event.start_mark.index, event.start_mark.index)

    def _place(self, event: Any, start: int, after: int) -> Place:
        place = Place(start, after, event.end_mark.index, anchor=getattr(event, "anchor", None) or "")
        if isinstance(event, yaml.AliasEvent):
            place.alias, place.anchor, place.value = place.anchor, "", self._anchors[place.anchor]
            return place
        if isinstance(event, yaml.ScalarEvent):
            place.style, place.value = event.style or "", event.value
            if place.style in ("|", ">"):
                place.end = self._end_of_block(place)
        elif isinstance(event, yaml.MappingStartEvent):
            self._map(place, flow=bool(event.flow_style))
        else:
            self._list(place, flow=bool(event.flow_style))
        if place.anchor:
            self._anchors[place.anchor] = place.value
        return place

    def _end_of_block(self, place: Place) -> int:
        """Behind the last line that counts: blank lines below do only where the header says so."""
        block = self._text[place.after : place.end]
        if "+" in block.partition("\n")[0]:
            return place.end - block.endswith("\n")
        return place.after + len(block.rstrip())

    def _map(self, place: Place, *, flow: bool) -> None:
        value: dict[str, Any] = {}
        while not isinstance(key := next(self._events), yaml.MappingEndEvent):
            colon = self._text.index(":", key.end_mark.index) + 1
            child = self._place(next(self._events), key.start_mark.index, colon)
            place.children[key.value] = child
            if key.value == "<<" and key.style is None:
                value.update(_merged(child.value))
            else:
                value[key.value] = child.value
        place.value = value
        self._close(place, key, flow=flow)

    def _list(self, place: Place, *, flow: bool) -> None:
        while not isinstance(item := next(self._events), yaml.SequenceEndEvent):
            start = item.start_mark.index
            dash = start if flow else self._text.rindex("-", 0, start)
            place.children[len(place.children)] = self._place(item, dash, dash if flow else dash + 1)
        place.value = [child.value for child in place.children.values()]
        self._close(place, item, flow=flow)

    def _close(self, place: Place, end: Any, *, flow: bool) -> None:
        place.style = "flow" if flow else ""
        # The mark of a block's end is behind the comments that follow it.
        place.end = end.end_mark.index if flow else max(child.end for child in place.children.values())


def _merged(value: Any) -> dict[str, Any]:
    """What `<<: value` brings, in the order in which it wins: the first of several."""
    found: dict[str, Any] = {}
    for source in reversed(value if isinstance(value, list) else [value]):
        found.update(source)
    return found
