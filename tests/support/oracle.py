"""What a file has to look like after an edit, judged without the product: what it says, and which lines may differ."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from difflib import SequenceMatcher
from functools import cache
from typing import Any, NamedTuple

from tests.support.edits import Edit, applied, text_of
from tests.support.places import Path, Place, documents

BOM = b"\xef\xbb\xbf"
_LINE_END = re.compile(r"\r?\n")
_MARKER = re.compile(r"^---(?=\s|\Z)", re.MULTILINE)


class Allowed(NamedTuple):
    """What an edit may do: change characters within the spans, take lines out and put lines in (None: any number)."""

    spans: list[tuple[int, int]]
    removed: int | None = None
    added: int | None = None


def complaints(old: bytes, new: bytes, edit: Edit) -> list[str]:
    """What is wrong with an edited file; nothing if it says the edit and differs only where it has to."""
    before, after = text_of(old), text_of(new)
    roots = _roots(before)
    allowed = _allowed(before, roots[edit.ref.index], edit)
    return [*_in_what_is_said(roots, after, edit), *_in_ends(old, new), *_in_lines(before, after, allowed)]


_roots = cache(documents)  # of a file, for each of its edits


def texts(value: Any) -> Any:
    """A JSON value with its scalars as texts."""
    if isinstance(value, dict):
        return {key: texts(item) for key, item in value.items()}
    if isinstance(value, list):
        return [texts(item) for item in value]
    return value if isinstance(value, str) else str(value).lower()


def _in_what_is_said(roots: list[Place], after: str, edit: Edit) -> Iterator[str]:
    """Every document says what it said, but the one with the edit, which says the edit."""
    wanted = [root.value for root in roots]
    index = edit.ref.index
    if edit.kind == "document added":
        wanted.append(texts(edit.value))
    else:
        path, value = _in_the_document(roots[index], edit)
        wanted[index] = applied(wanted[index], edit._replace(path=path), texts(value)) if path else None
    said = [root.value for root in documents(after)]
    if [value for value in said if value] != [value for value in wanted if value]:
        yield f"it says {said}, not {wanted}"


def _in_the_document(root: Place, edit: Edit) -> tuple[Path, Any]:
    """An edit's path and value as the document has them: in an item of a `List`, a Secret's text in plain."""
    prefix: Path = () if edit.ref.item is None else ("items", edit.ref.item)
    plain = root.at(prefix).children.get("stringData")
    if plain and edit.path[:1] == ("data",) and edit.path[1] in plain.children:
        return (*prefix, "stringData", *edit.path[1:]), base64.b64decode(edit.value or "").decode()
    return (*prefix, *edit.path), edit.value


def _in_ends(old: bytes, new: bytes) -> Iterator[str]:
    if new and new.startswith(BOM) != old.startswith(BOM):
        yield "the byte order mark differs"
    if old.count(b"\r\n") == old.count(b"\n") != 0 and new.count(b"\r\n") != new.count(b"\n"):
        yield "a line end is not that of Windows"
    if b"\r" not in old and b"\r" in new:
        yield "there is a carriage return"
    if new and new.endswith(b"\n") != old.endswith(b"\n"):
        yield "the last line ends otherwise"


def _in_lines(before: str, after: str, allowed: Allowed) -> Iterator[str]:
    if not _kept(before, allowed.spans, after):
        yield f"characters beside {allowed.spans} differ"
    old, new = _LINE_END.split(before), _LINE_END.split(after)
    removed = added = 0
    for name, i1, i2, j1, j2 in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if name != "equal":
            removed, added = removed + i2 - i1, added + j2 - j1
    if allowed.removed not in (None, removed):
        yield f"{removed} lines went, not {allowed.removed}"
    if allowed.added not in (None, added):
        yield f"{added} lines came, not {allowed.added}"


def _kept(before: str, spans: list[tuple[int, int]], after: str) -> bool:
    """Whether what is beside the spans is there, in its order."""
    position = last = 0
    for start, end in sorted(spans):
        piece = before[last : max(start, last)]
        found = after.find(piece, position) if last else (0 if after.startswith(piece) else -1)
        if found < 0:
            return False
        position, last = found + len(piece), max(last, end)
    rest = before[last:]
    return after.endswith(rest) and position <= len(after) - len(rest)


def _line(text: str, position: int) -> int:
    return text.count("\n", 0, position)


def _line_start(text: str, position: int) -> int:
    return text.rfind("\n", 0, position) + 1


def _line_end(text: str, position: int) -> int:
    match = _LINE_END.search(text, position)
    return match.start() if match else len(text)


def _line_end_above(text: str, position: int) -> int:
    return len(text[: _line_start(text, position)].removesuffix("\n").removesuffix("\r"))


def _allowed(text: str, root: Place, edit: Edit) -> Allowed:
    if edit.kind == "document added":
        return Allowed([(len(text), len(text))], 0)
    path, value = _in_the_document(root, edit)
    edit = edit._replace(value=value)
    if not path:
        return _without_document(text, root)
    there, parent = root.nearest(path[:-1])
    aliases = _said_elsewhere(text, root, path)
    if parent.alias:
        return Allowed([_value(parent), *aliases])
    if there != path[:-1]:  # it comes from a merge
        return Allowed([_whole(text, parent), *aliases])
    if edit.kind.startswith("value"):
        allowed = _changed(text, parent, path[-1], edit)
    elif "added" in edit.kind:
        allowed = _added(text, parent, path[-1], edit)
    else:
        allowed = _removed(text, parent, path[-1])
    return Allowed([*allowed.spans, *aliases]) if aliases else allowed


def _without_document(text: str, root: Place) -> Allowed:
    markers = [match.start() for match in _MARKER.finditer(text)]
    start = max((marker for marker in markers if marker <= root.start), default=0)
    end = min((marker for marker in markers if marker > root.start), default=len(text))
    return Allowed([(start, end)], None, 0)


def _changed(text: str, parent: Place, key: str | int, edit: Edit) -> Allowed:
    place = parent.children.get(key)
    if place is None:  # it comes from a merge, and is now said here
        return Allowed([_whole(text, parent)], 0 if not parent.style else 1)
    if "<<" in parent.children and parent.children["<<"].start > place.start:  # it may have been hidden
        return Allowed([_whole(text, parent)])
    lines = _line(text, place.end) - _line(text, place.after) + 1
    in_one = lines == 1 and "\n" not in str(edit.value)
    return Allowed([_value(place)], *((1, 1) if in_one else (None, None)))


def _added(text: str, parent: Place, key: str | int, edit: Edit) -> Allowed:
    children = list(parent.children.values())
    if not children:
        return Allowed([_value(parent)])
    if parent.style == "flow":
        return Allowed([(children[0].start, parent.end)], None if "\n" in text[parent.start : parent.end] else 1)
    lines = 1 if not isinstance(edit.value, dict | list) and "\n" not in str(edit.value) else None
    if isinstance(key, str):
        end = _line_end(text, parent.end)
        return Allowed([(end, end)], 0, lines)
    if key:
        end = _line_end(text, children[key - 1].end)
        return Allowed([(end, end)], 0, lines)
    if _leads(text, children[0]):
        above = _line_end_above(text, children[0].start)
        return Allowed([(above, above)], 0, lines)
    return Allowed([_whole(text, parent)])


def _removed(text: str, parent: Place, key: str | int) -> Allowed:
    gone = parent.children.get(key)
    if gone is None or len(parent.children) == 1 or "<<" in parent.children:
        return Allowed([_whole(text, parent)])
    if parent.style != "flow" and _leads(text, gone):
        start, end = _line_start(text, gone.start), _line_end(text, gone.end)
        lines = _line(text, gone.end) - _line(text, gone.start) + 1
        if not start:
            return Allowed([(0, _line_start(text, end + 2))], lines, 0)
        above = _line_end_above(text, start)
        same_end = text[above:start] == (text[end : _line_start(text, end + 2)] or text[above:start])
        # Each line has its own end: that of the last one goes with it.
        return Allowed([(above, end) if same_end else (start, _line_start(text, end + 2))], lines, 0)
    before = [child.end for child in parent.children.values() if child.end <= gone.start]
    behind = [child.start for child in parent.children.values() if child.start >= gone.end]
    return Allowed([(max(before, default=gone.start), min(behind, default=_line_end(text, gone.end)))])


def _said_elsewhere(text: str, root: Place, path: Path) -> list[tuple[int, int]]:
    """Where an alias says what is at, above or below a path; what is merged from it, in the whole map."""
    _, place = root.nearest(path)
    above = [root.nearest(path[:depth])[1] for depth in range(len(path))]
    names = {place.anchor for place in [*above, *place.below()] if place.anchor}
    found = []
    for place in root.below():
        merged = place.children.get("<<")
        if merged and names.intersection(below.alias for below in merged.below()):
            found.append(_whole(text, place))
        elif place.alias in names:
            found.append(_value(place))
    return found


def _value(place: Place) -> tuple[int, int]:
    return place.after, place.end


def _whole(text: str, place: Place) -> tuple[int, int]:
    return place.after, _line_end(text, place.end)


def _leads(text: str, place: Place) -> bool:
    return not text[_line_start(text, place.start) : place.start].strip()
