"""Edits of the manifests in `tests/data/manifests`: some of every kind of each document, the same ones every time."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path as FilePath
from random import Random
from typing import NamedTuple

from controller.bounds import Bounds
from controller.objects import Json, decoded
from controller.sync.parse.documents import DocRef, ParsedDocument, read_file
from tests.support.places import Path, Place, documents

MANIFESTS = FilePath(__file__).parents[1] / "data" / "manifests"
FILES = sorted(path for path in MANIFESTS.iterdir() if path.suffix in (".yaml", ".yml", ".json"))

# Strings that look like something else, or that plain scalars cannot hold.
AWKWARD = (
    "y", "n", "1_000", "0o17", "null", "~", "", "no", "0644", "1e3", "2001-01-01", "12:30:45", "a: b", "a #b", "- x",
    "it's", 'say "x"', " blank", "blank ", "*star", "&and", "!bang", "%d", "@at", "`tick", "<<", "=", "{}", "[a", "é ü",
    "tab\there", "bell\a", "two\nlines", "ends\n", "\nstarts", "C:\\temp\\new", "\N{ROCKET}", "v1.2.3", "x" * 200,
)  # fmt: skip

NEW: Json = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "new"},
    "data": {"y": "1_000", "text": "two\nlines\n"},
}

FIXED: tuple[Path, ...] = (("apiVersion",), ("kind",), ("metadata",), ("metadata", "name"), ("metadata", "namespace"))


class Edit(NamedTuple):
    """One change of one object: what is at `path` of its content becomes `value`, or comes, or goes."""

    file: str
    kind: str
    ref: DocRef
    path: Path = ()
    value: Json = None

    def __str__(self) -> str:
        item = "" if self.ref.item is None else f".{self.ref.item}"
        return f"{self.file}[{self.ref.index}{item}] {self.kind} {'/'.join(map(str, self.path))}"


def applied(content: Json, edit: Edit, value: Json) -> Json:
    """A copy of a JSON value with the edit made in it, `value` being what is put in."""
    if not edit.path:
        return content
    head, *rest = edit.path
    copy: Json = list(content) if isinstance(content, list) else dict(content)
    if rest:
        copy[head] = applied(content[head], edit._replace(path=tuple(rest)), value)
    elif edit.kind.endswith("removed"):
        del copy[head]
    elif edit.kind.startswith("item added"):
        copy.insert(head, value)
    else:
        copy[head] = value
    return copy


def text_of(data: bytes) -> str:
    """A file's text without its byte order mark, and with a line break at its end, as kubectl takes it."""
    text = data.decode("utf-8-sig")
    return text if text.endswith("\n") else f"{text}\n"


def generated(most: int = 2) -> list[Edit]:
    """Several hundred edits: of every document at most so many of each kind that it has a place for."""
    awkward = cycle(AWKWARD)
    return [edit for path in FILES for edit in _of_file(path, most, awkward)]


def _of_file(path: FilePath, most: int, awkward: Iterator[str]) -> Iterator[Edit]:
    data = path.read_bytes()
    result = read_file(data, Bounds())
    roots = documents(text_of(data))
    for document in result.documents:
        yield from _Editor(path.name, document, roots[document.ref.index], awkward).edits(most)
        if len(result.documents) > 1:
            yield Edit(path.name, "document removed", document.ref)
    if path.suffix != ".json":
        yield Edit(path.name, "document added", result.documents[-1].ref, value=NEW)


class _Editor:
    """Makes up edits of one document."""

    def __init__(self, file: str, document: ParsedDocument, root: Place, awkward: Iterator[str]) -> None:
        self._file = file
        self._ref = document.ref
        self._kind = document.kind
        self._root = root
        self._awkward = awkward
        self._random = Random(f"{file} {document.ref}")  # noqa: S311
        self._values = dict(_values(decoded(document.content)))

    def edits(self, most: int) -> Iterator[Edit]:
        """At most so many of each kind, twice as many of changed values."""
        yield from self._changes(most)
        yield from self._entries(most)
        yield from self._items(most)
        if self._ref.item is None:
            for path in _aliased(self._root):
                yield self._edit("value behind an alias changed", path, self._other(path))
            for path in _anchored(self._root):
                yield self._edit("value with an anchor changed", path, self._other(path))

    def _edit(self, kind: str, path: Path, value: Json = None) -> Edit:
        return Edit(self._file, kind, self._ref, path, value)

    def _some(self, paths: list[Path], most: int) -> list[Path]:
        return self._random.sample(paths, min(most, len(paths)))

    def _changes(self, most: int) -> Iterator[Edit]:
        leaves = [path for path, value in self._values.items() if path not in FIXED and isinstance(value, str | int)]
        for path in self._some(leaves, 2 * most):
            yield self._edit("value changed", path, self._other(path))

    def _entries(self, most: int) -> Iterator[Edit]:
        plain, data = (self._root.children.get(field) for field in ("stringData", "data"))
        maps = [path for path, value in self._values.items() if isinstance(value, dict)]
        if plain and not data:  # something new in the data is no part of either yet
            maps.remove(("data",))
        for path in self._some(maps, most):
            key = next(self._awkward) if self._random.random() < 0.3 else "added"
            if key not in self._values[path]:
                yield self._edit("key added", (*path, key), self._new(path))
        keys = [path for path in self._values if path and isinstance(path[-1], str) and path not in FIXED]
        if plain:  # a part of the data stands there, and some of it twice
            twice = plain.children.keys() & (data.children.keys() if data else ())
            keys = [path for path in keys if path != ("data",) and path[-1] not in twice]
        for path in self._some(keys, most):
            yield self._edit("key removed", path)

    def _items(self, most: int) -> Iterator[Edit]:
        for path in self._some([path for path, value in self._values.items() if isinstance(value, list)], most):
            items = self._values[path]
            middle = len(items) // 2
            where = " in the middle" if middle else ""
            yield self._edit(f"item added{where}", (*path, middle), self._item(items))
            if items:
                yield self._edit(f"item{where} removed", (*path, middle))

    def _text(self, path: Path, text: str) -> str:
        return base64.b64encode(text.encode()).decode() if self._kind == "Secret" and path[0] == "data" else text

    def _other(self, path: Path) -> Json:
        old = self._values[path]
        if isinstance(old, bool):
            return not old
        if isinstance(old, int):
            return old + 100
        first, newline, rest = old.partition("\n")
        new = f"{first} changed\n{rest}" if newline else next(self._awkward)
        return self._text(path, new if new != old else "changed")

    def _new(self, path: Path) -> Json:
        siblings = self._values[path].values()
        is_text_map = path[-1:] in (("labels",), ("annotations",)) or path == ("data",)
        if is_text_map or (siblings and all(isinstance(value, str) for value in siblings)):
            return self._text((*path, ""), next(self._awkward))
        text = next(self._awkward)
        return self._random.choice([7, True, text, {"a": {"b": ["c", {"d": 1, "e": text}]}}, [], {}])

    def _item(self, items: list[Json]) -> Json:
        if items and isinstance(items[0], dict):
            return {**items[0], "name" if "name" in items[0] else next(iter(items[0]), "name"): "added"}
        return [["added"]] if items and isinstance(items[0], list) else next(self._awkward)


def _values(value: Json, path: Path = ()) -> Iterator[tuple[Path, Json]]:
    yield path, value
    if isinstance(value, dict | list):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _values(item, (*path, key))


def _placed(place: Place, path: Path = ()) -> Iterator[tuple[Path, Place]]:
    yield path, place
    for key, child in place.children.items():
        yield from _placed(child, (*path, key))


def _aliased(root: Place) -> Iterator[Path]:
    """A scalar behind each alias; of those behind `<<` the ones that are not said anew."""
    for path, place in _placed(root):
        if "<<" in path[:-1] or not (place.alias or path[-1:] == ("<<",)):
            continue
        start = path[:-1] if path[-1] == "<<" else path
        hidden = root.at(path[:-1]).children if path[-1] == "<<" else {}
        for below, value in _values(place.value if isinstance(place.value, dict | str) else place.value[0]):
            if isinstance(value, str) and not (below and below[0] in hidden):
                yield (*start, *below)
                break


def _anchored(root: Place) -> Iterator[Path]:
    """The first scalar at or below each anchor."""
    for path, place in _placed(root):
        if place.anchor:
            yield next((*path, *below) for below, value in _values(place.value) if isinstance(value, str))
