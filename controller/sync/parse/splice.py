"""The fewest replacements in a text that turn its value into another one.

    alias  left if what it refers to becomes what is wanted here, else written out
    map    entry by entry; new ones at its end, as its neighbours are written
    list   item by item, once it is known which became which
    else   the value alone is written anew

What cannot be said in place (`AwkwardError`) is said by writing the value around it anew.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from controller.objects import Json
from controller.sync.parse.align import aligned, same
from controller.sync.parse.conventions import usual_key_quote, usual_quote
from controller.sync.parse.cuts import Extent, Splice, add_lines, cut_flow, cut_lines, flow_separator
from controller.sync.parse.render import AwkwardError, Renderer, Style, json_text, literal_block, ordered
from controller.sync.parse.tree import Entry, Span, column, line_end, line_start, merged_value

_BLOCK_HEADER = re.compile(r"[|>](?P<marks>[0-9+-]*)(?P<rest>.*)")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value stands: behind the colon of a key or behind a dash, `column` being that of the key or dash.

    In flow style `indent` is that of the line, None if all stands on one line.
    """

    after: int = 0
    column: int = 0
    dash: bool = False
    quote: str = ""
    flow: bool = False
    indent: str | None = None


_GONE = object()


class Splicer:
    """Collects the replacements for one document. `unit` is the indent of a level of JSON, "" for one line."""

    def __init__(self, text: str, style: Style, *, json: bool = False, unit: str = "") -> None:
        self.splices: list[Splice] = []
        self._text = text
        self._style = style
        self._render = Renderer(style)
        self._json = json
        self._unit = unit
        # What the anchored values that were passed become. An alias comes after its anchor, in the text and here.
        self._anchored: dict[int, Json] = {}

    def change(self, span: Span, target: Json, place: Place) -> None:
        """Make the value at a span the target. Raises AwkwardError only for what has no value around it."""
        if span.refers_to is not None:
            if not same(self._anchored.get(id(span.refers_to), _GONE), target):
                self._rewrite(span, target, place)
            return
        if not span.tangled and same(span.value, target):
            return
        splices, anchored = len(self.splices), dict(self._anchored) if span.tangled else self._anchored
        try:
            self._change_inside(span, target, place)
        except AwkwardError:
            del self.splices[splices:]
            self._anchored = anchored
            self._rewrite(span, target, place)
        if span.anchor:
            self._anchored[id(span)] = target

    def change_root(self, root: Span, target: dict[str, Json]) -> None:
        """Make the document the target. Raises AwkwardError."""
        self._change_map(root, target)

    def change_items(self, root: Span, targets: Mapping[int, Json], new: Sequence[Json]) -> None:
        """Make the items of a `List` the targets: those that are missing go, new ones come. Raises AwkwardError."""
        entry = next(entry for entry in root.entries if entry.key == "items")
        if entry.colon is None or entry.value.refers_to:
            raise AwkwardError("the items are written unusually")
        kept = sorted(targets)
        wanted = [*(targets[index] for index in kept), *new]
        place = self._place(root, entry.start, entry.colon)
        if wanted and entry.value.items:
            self._change_list(entry.value, wanted, list(zip(kept, range(len(kept)), strict=True)))
        else:
            self._rewrite(entry.value, wanted, place)

    def _change_inside(self, span: Span, target: Json, place: Place) -> None:
        if span.kind == "map" and isinstance(target, dict):
            self._change_map(span, target)
        elif span.kind == "list" and isinstance(target, list):
            self._change_list(span, target, aligned(span.value, target))
        elif not same(span.value, target):
            self._rewrite(span, target, place)

    def _change_map(self, span: Span, target: dict[str, Json]) -> None:
        if not target or not span.entries:
            raise AwkwardError("an empty map has no lines")
        merges = self._merges(span, target)
        brought = dict(chain.from_iterable(values.items() for values in (merges or {}).values()))
        said, gone = set[str](), list[int]()
        for index, entry in enumerate(span.entries):
            if entry.merges:
                gone += [index] if merges is None else []
            elif entry.key not in target:
                gone.append(index)
            else:
                said.add(entry.key)
                if not any(index < below and entry.key in values for below, values in (merges or {}).items()):
                    self._change_entry(span, entry, target[entry.key])
        new = {
            key: value
            for key, value in target.items()
            if key not in said and not (key in brought and same(brought[key], value))
        }
        if (gone or new) and not span.flow and any(entry.colon is None for entry in span.entries):
            raise AwkwardError("a key is written unusually")
        self._take_out(span, [Extent(entry.start, entry.end) for entry in span.entries], gone)
        if new:
            self._add_entries(span, new, gone)

    def _change_entry(self, span: Span, entry: Entry, target: Json) -> None:
        if not entry.value.tangled and same(entry.value.value, target):
            return
        if entry.colon is None:
            raise AwkwardError("the key is written unusually")
        self.change(entry.value, target, self._place(span, entry.start, entry.colon))

    def _merges(self, span: Span, target: dict[str, Json]) -> dict[int, dict[str, Json]] | None:
        """What each `<<` of a map will bring, by its position; None if they cannot stay for this target.

        As the server reads it, what is merged wins over the keys above it and loses to those below.
        """
        found: dict[int, dict[str, Json]] = {}
        for index, entry in enumerate(span.entries):
            if not entry.merges:
                continue
            values = self._merged(entry.value)
            if values is None or not values.keys() <= target.keys():
                return None
            below = {other.key for other in span.entries[index + 1 :]}
            above = {other.key for other in span.entries[:index]} - below
            if any(key in above and not same(value, target[key]) for key, value in values.items()):
                return None
            found[index] = values
        return found

    def _merged(self, span: Span) -> dict[str, Json] | None:
        """What `<<: span` will bring; None if something it refers to is gone."""
        sources = [item.value for item in span.items] if span.kind == "list" else [span]
        values = []
        for source in sources:
            value = self._anchored.get(id(source.refers_to), _GONE) if source.refers_to else source.value
            if not isinstance(value, dict) or (source.tangled and not source.refers_to):
                return None
            values.append(value)
        return merged_value(span, values if span.kind == "list" else values[0])

    def _change_list(self, span: Span, target: list[Json], pairs: Iterable[tuple[int, int]]) -> None:
        if not target or not span.items:
            raise AwkwardError("an empty list has no lines")
        extents = [Extent(item.dash, item.value.end) for item in span.items]
        became = dict(pairs)
        for old, new in became.items():
            item = span.items[old]
            self.change(item.value, target[new], self._place(span, item.dash, item.dash + 1))
        gone = [index for index in range(len(span.items)) if index not in became]
        self._take_out(span, extents, gone)
        for after, new in _insertions(became, len(target)):
            if span.flow:
                self._add_flow_item(span, extents, gone, after, target[new])
            else:
                quote = usual_quote(item.value for item in span.items)
                lines = self._render.list_lines([target[new]], column(self._text, extents[0].start), quote)
                end = None if after is None else extents[after].end
                self.splices.append(add_lines(self._text, end, extents[0].start, lines))

    def _add_entries(self, span: Span, new: dict[str, Json], gone: list[int]) -> None:
        key_quote = usual_key_quote(span, self._text)
        quote = usual_quote(entry.value for entry in span.entries)
        if not span.flow:
            lines = self._render.map_lines(new, column(self._text, span.entries[0].start), quote, key_quote)
            self.splices.append(add_lines(self._text, span.end, span.body, lines))
            return
        extents = [Extent(entry.start, entry.end) for entry in span.entries]
        kept = [extent for index, extent in enumerate(extents) if index not in gone]
        if self._text[span.body] != "{":
            raise AwkwardError("a map of one entry stands in a list without brackets of its own")
        separator = flow_separator(self._text, extents)
        gap = self._text[span.entries[0].colon or 0 : span.entries[0].value.start]
        for key, value in ordered(new):
            name = json_text(key) if self._json else self._render.key(key, key_quote, flow=True)
            text = f"{separator}{name}:{gap if gap in ('', ' ') and self._json else ' '}"
            self.splices.append(Splice(kept[-1].end, kept[-1].end, text + self._flow_text(value, separator)))

    def _add_flow_item(
        self, span: Span, extents: list[Extent], gone: list[int], after: int | None, value: Json
    ) -> None:
        separator = flow_separator(self._text, extents)
        text = self._flow_text(value, separator)
        kept = [index for index in range(len(extents)) if index not in gone]
        before = [index for index in kept if after is not None and index <= after]
        if before:
            end = extents[before[-1]].end
            self.splices.append(Splice(end, end, separator + text))
        else:
            start = extents[kept[0]].start
            self.splices.append(Splice(start, start, text + separator))

    def _take_out(self, span: Span, extents: list[Extent], gone: list[int]) -> None:
        if gone:
            self.splices += cut_flow(extents, gone) if span.flow else cut_lines(self._text, extents, gone)

    def _place(self, parent: Span, start: int, after: int) -> Place:
        if parent.flow:
            line = self._text[line_start(self._text, start) : start]
            return Place(flow=True, indent=None if line.strip() else line)
        values = (entry.value for entry in parent.entries) if parent.entries else (item.value for item in parent.items)
        quote = usual_quote(values)
        return Place(after, column(self._text, start), dash=parent.kind == "list", quote=quote)

    def _rewrite(self, span: Span, target: Json, place: Place) -> None:
        """Write a value anew where it stands; its anchor stays, its tag goes."""
        anchor = f"&{span.anchor} " if span.anchor else ""
        if place.flow:
            empty = span.start == span.end
            text = self._flow_text(target, "" if place.indent is None else "\n" + place.indent)
            self.splices.append(Splice(span.start, span.end, (" " if empty else "") + anchor + text))
            return
        if isinstance(target, str) and span.style in ("|", ">") and self._rewrite_block(span, target, place):
            return
        quote = span.style if span.style in ("'", '"') else place.quote if span.refers_to else ""
        if span.flow and (span.entries or span.items):
            inline, below = " " + self._render.flow(target), list[str]()
        else:
            render = self._render.after_dash if place.dash else self._render.after_key
            inline, below = render(target, place.column, quote)
        if span.kind in ("scalar", "alias") and span.style not in ("|", ">"):
            self._put(span, place, anchor, inline, below)
        else:
            end = line_end(self._text, span.end) if not span.flow else span.end
            comment = self._comment_behind(place.after, span)
            self._put_all(place.after, end, (" " + anchor).rstrip() + inline + comment, below)

    def _put(self, span: Span, place: Place, anchor: str, inline: str, below: list[str]) -> None:
        """Put the new value where a scalar stood, with the blanks that stood before it."""
        if span.body == span.end or span.tagged or not inline:
            self._put_all(place.after, span.end, (" " + anchor).rstrip() + inline, below)
        else:
            self._put_all(span.body, span.end, inline.lstrip(" "), below)

    def _put_all(self, start: int, end: int, inline: str, below: list[str]) -> None:
        self.splices.append(Splice(start, end, inline))
        if below:
            self.splices.append(add_lines(self._text, end, end, below))

    def _comment_behind(self, after: int, span: Span) -> str:
        """The comment on the line of the key, if the value itself only starts below it."""
        end = line_end(self._text, after)
        rest = self._text[after:end].strip()
        return f" {rest}" if span.body > end and rest.startswith("#") else ""

    def _rewrite_block(self, span: Span, target: str, place: Place) -> bool:
        """Write a block scalar anew as a block, its lines that stay untouched; False if a block cannot hold it."""
        header, *old_lines = self._text[span.body : span.end].split("\n")
        match = _BLOCK_HEADER.match(header)
        indents = [len(line) - len(line.lstrip(" ")) for line in old_lines if line.strip()]
        if self._style.careful or match is None or not indents:
            return False
        digit = re.search("[1-9]", match["marks"])
        indent = place.column + int(digit[0]) if digit else indents[0]
        block = literal_block(target, indent - place.column)
        if block is None:
            return False
        marks, lines = block
        if digit and digit[0] not in marks:
            marks = f"|{digit[0]}{marks[1:]}"
        known = {line[indent:]: line for line in old_lines} if header.startswith("|") else {}
        new_lines = [known.get(line, " " * indent + line if line else "") for line in lines]
        self.splices.append(Splice(span.body, span.end, "\n".join([marks + match["rest"], *new_lines])))
        return True

    def _flow_text(self, value: Json, separator: str) -> str:
        if not self._json:
            return self._render.flow(value)
        _, newline, indent = separator.partition("\n")
        return json_text(value, indent, self._unit if newline else "")


def _insertions(became: dict[int, int], count: int) -> Iterator[tuple[int | None, int]]:
    """Each new item's position, with the position of the old one that it follows, None if it comes first."""
    old_ones = {new: old for old, new in became.items()}
    after = None
    for new in range(count):
        if new in old_ones:
            after = old_ones[new]
        else:
            yield after, new
