"""Where a field is: paths, their text form, and the patterns of ignore rules.

    /spec/containers/{name=web}/image               an element of a keyed list
    /spec/ports/{port=80,protocol=TCP}/nodePort     two keys
    /metadata/finalizers/{="tandem.dev/finalizer"}  an element of a set
    /metadata/annotations/tandem.dev~1prune         JSON pointer's own escapes

The text is a JSON pointer, so that a plain path reads as one everywhere. An index never occurs in a computed path,
because an unkeyed list is one value; it occurs in ignore rules.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache

import orjson

from controller.objects import Json


@dataclass(frozen=True, slots=True)
class Keys:
    """An element of a keyed list: the names and values of its keys, in the order of names."""

    pairs: tuple[tuple[str, Json], ...]


@dataclass(frozen=True, slots=True)
class Item:
    """An element of a set: the scalar itself."""

    value: Json


Segment = str | int | Keys | Item
Path = tuple[Segment, ...]

# A string that can stand without quotes between braces: nothing that separates, and nothing JSON reads as a value.
_BARE = re.compile(r"[^\s\"{},=*][^\"{},=*]*")
_STEP = re.compile(r"\.?([^.\[\]]+)|\[([^\]]*)\]")
_PAIR = re.compile(r'\s*([^={},"]*)=("(?:[^"\\]|\\.)*"|[^,{}"]*)\s*(,|$)')

_ELEMENT = re.compile(f"(?:{_PAIR.pattern})+")


def render_path(path: Path) -> str:
    """The text form; "" is the whole object."""
    return "".join("/" + _escape(segment) for segment in path)


def parse_path(text: str) -> Path:
    """The path of a text form. Raises ValueError with what is wrong and an example."""
    if not text:
        return ()
    if not text.startswith("/"):
        raise ValueError(f"{text!r} is not a path: it starts with '/', as in /spec/containers/{{name=web}}/image")
    return tuple(_unescape(part, text) for part in text[1:].split("/"))


def from_server(field: str) -> Path:
    """The path of a field as the API server writes it: `spec.ports[0].port`, `.spec.containers[name="web"].image`."""
    steps = (name or index for name, index in _STEP.findall(field))
    return tuple(_unescape(f"{{{step}}}", field) if _ELEMENT.fullmatch(step) else step for step in steps)


def _escape(segment: Segment) -> str:
    match segment:
        case Keys(pairs):
            raw = "{" + ",".join(f"{name}={_render_value(value)}" for name, value in pairs) + "}"
        case Item(value):
            raw = "{=" + _render_value(value) + "}"
        case _:
            raw = str(segment)
            if raw.startswith("{"):  # a plain key that looks like an element: ~2 is free in JSON pointers
                return "~2" + _escape(raw[1:]) if len(raw) > 1 else "~2"
    return raw.replace("~", "~0").replace("/", "~1")


def _unescape(part: str, text: str) -> Segment:
    raw = part.replace("~1", "/").replace("~2", "{").replace("~0", "~")
    if not (part.startswith("{") and part.endswith("}")):
        return raw
    pairs = []
    rest = raw[1:-1]
    while rest:
        found = _PAIR.match(rest)
        if found is None:
            raise ValueError(f"{text!r} is not a path: {raw} should read like {{name=web}} or {{port=80,protocol=TCP}}")
        pairs.append((found[1].strip(), _parse_value(found[2].strip())))
        rest = rest[found.end() :]
    if not pairs:
        raise ValueError(f"{text!r} is not a path: {{}} names no element; write {{name=web}}")
    if pairs[0][0] == "":
        return Item(pairs[0][1])
    return Keys(tuple(sorted(pairs, key=lambda pair: pair[0])))


def _render_value(value: Json) -> str:
    if isinstance(value, str) and _BARE.fullmatch(value) and value == value.strip() and _parse_value(value) == value:
        return value
    return orjson.dumps(value).decode()


def _parse_value(text: str) -> Json:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text


# ---- patterns ----


@lru_cache(maxsize=4096)
def parse_pattern(text: str) -> Path:
    """The pattern of an ignore rule: a path in which `*` stands for one segment, or for part of one. As parse_path."""
    return parse_path(text)


def covers(pattern: Path, path: Path) -> bool:
    """Whether the pattern names this path or something above it."""
    return len(pattern) <= len(path) and all(map(_fits, pattern, path))


def reaches_into(pattern: Path, path: Path) -> bool:
    """Whether the pattern names something below this path."""
    return len(pattern) > len(path) and all(map(_fits, pattern, path))


def meet(one: Path, other: Path) -> bool:
    """Whether one path lies on or below the other."""
    length = min(len(one), len(other))
    return one[:length] == other[:length]


def _fits(pattern: Segment, segment: Segment) -> bool:
    if pattern == "*":
        return True
    match pattern, segment:
        case Keys(wanted), Keys(pairs):
            held = dict(pairs)
            return all(name in held and _value_fits(value, held[name]) for name, value in wanted)
        case Item(wanted), Item(value):
            return _value_fits(wanted, value)
        case str(), str() | int():
            return fnmatchcase(str(segment), pattern) if "*" in pattern else pattern == str(segment)
    return False


def _value_fits(pattern: Json, value: Json) -> bool:
    if isinstance(pattern, str) and "*" in pattern:
        return fnmatchcase(str(value), pattern)
    return bool(pattern == value)
