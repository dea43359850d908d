"""Where the members of a map or a list are cut out of a text, and where new ones go in.

A member is known by its extent: from its key, dash or value to its last character. Comments between members stay. Lines
end with `\\n` here; the file's own line ends come back when it is put together.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple

from controller.sync.parse.render import AwkwardError
from controller.sync.parse.tree import line_end, line_start

_COMMENT_LINE = re.compile(r"\n[ \t]*#")


class Splice(NamedTuple):
    """Text that takes the place of the characters from `start` to `end`."""

    start: int
    end: int
    text: str


class Extent(NamedTuple):
    """The characters of one member."""

    start: int
    end: int


def spliced(text: str, splices: Iterable[Splice]) -> str:
    """The text with the splices made. None overlaps another; those at one position come in their order."""
    parts: list[str] = []
    position = 0
    for start, end, new in sorted(splices, key=lambda splice: splice[:2]):
        if start < position:
            raise AwkwardError("two changes overlap")
        parts += [text[position:start], new]
        position = end
    return "".join([*parts, text[position:]])


def leads_its_line(text: str, position: int) -> bool:
    """Whether only blanks are before it in its line."""
    return not text[line_start(text, position) : position].strip(" \t")


def cut_lines(text: str, members: list[Extent], gone: Collection[int]) -> Iterator[Splice]:
    """Cuts members of a block map or list out, whole lines where that can be. Raises AwkwardError."""
    for first, last in _runs(gone):
        start, end = members[first].start, members[last].end
        if leads_its_line(text, start):
            begin = line_start(text, start)
            # From the end of the line before, so that something can still be put behind the end of this one.
            yield Splice(line_end(text, begin - 1), line_end(text, end), "") if begin else _first_lines(text, end)
            continue
        if first > 0 or last == len(members) - 1:
            raise AwkwardError("nothing else is left on the line")
        following = members[last + 1].start
        if _COMMENT_LINE.search(text, end, following):
            yield Splice(len(text[:start].rstrip(" \t")), line_end(text, end), "")
        else:
            yield Splice(start, following, "")


def _first_lines(text: str, end: int) -> Splice:
    newline = text.find("\n", end)
    return Splice(0, newline + 1 if newline >= 0 else len(text), "")


def add_lines(text: str, after: int | None, before: int, lines: list[str]) -> Splice:
    """Puts lines below the line on which `after` ends, or, where that is None, above the line of `before`."""
    if after is None:
        begin = line_start(text, before)
        if not begin or not leads_its_line(text, before):
            raise AwkwardError("there is no line above")
        after = begin - 1
    position = line_end(text, after)
    return Splice(position, position, "".join("\n" + line for line in lines))


def cut_flow(members: list[Extent], gone: Collection[int]) -> Iterator[Splice]:
    """Cuts members of a flow map or list out, each with one comma. Raises AwkwardError if none is left."""
    if len(gone) == len(members):
        raise AwkwardError("nothing is left between the brackets")
    for first, last in _runs(gone):
        if last == len(members) - 1:
            yield Splice(members[first - 1].end, members[last].end, "")
        else:
            yield Splice(members[first].start, members[last + 1].start, "")


def flow_separator(text: str, members: list[Extent]) -> str:
    """What stands between two members of a flow collection: a comma, and a new line if they have one each."""
    last = members[-1].start
    if leads_its_line(text, last):
        return ",\n" + text[line_start(text, last) : last]
    between = text[members[-2].end : last] if len(members) > 1 else ", "
    return between if between.strip(" ") == "," else ", "


def _runs(positions: Collection[int]) -> Iterator[tuple[int, int]]:
    """The first and the last of each row of neighbours."""
    ordered = sorted(positions)
    first = 0
    for index, position in enumerate(ordered):
        if index + 1 == len(ordered) or ordered[index + 1] != position + 1:
            yield ordered[first], position
            first = index + 1
