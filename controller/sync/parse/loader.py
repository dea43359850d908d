"""YAML or JSON text to values, read as the Kubernetes API server reads them.

PyYAML's C parser composes the nodes; what they mean is decided here, because its own constructors mean something else.
Duplicate keys are refused, which the server does too where it validates strictly; nesting and the expansion of aliases
are bounded, so an alias costs what it stands for.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, NoReturn, cast

from yaml import MappingNode, Node, ScalarNode, SequenceNode, YAMLError
from yaml._yaml import CParser

from controller.bounds import Bounds
from controller.objects import Json, canonical
from controller.sync.parse.scalars import PLAIN, TEXT, ScalarError, json_number, scalar_key, scalar_value

_NON_SPECIFIC = re.compile(r"(?:&\S+\s+)?!(?=\s)")
MERGING = (PLAIN, "tag:yaml.org,2002:merge")  # the tags of a `<<` that merges


class UnreadableError(Exception):
    """The text cannot be read. `line` counts from 1; the message says what is wrong there."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line
        self.message = message


@dataclass(frozen=True, slots=True)
class Loaded:
    """One document of a file: its value, its first line, and of a mapping's `items` each one's first line."""

    value: Json
    line: int
    item_lines: tuple[int, ...] = ()


class _Composer(CParser):
    """Gives each scalar one of two tags, plain or text, unless the document gives one; containers need none."""

    def resolve(self, kind: type[Node], value: str | None, implicit: tuple[bool, bool]) -> str:
        return PLAIN if kind is ScalarNode and implicit[0] else TEXT

    def descend_resolver(self, parent: Node | None, index: Any) -> None: ...

    def ascend_resolver(self) -> None: ...


def yaml_nodes(text: str) -> list[Node]:
    """The root node of each document of a YAML file, an empty scalar for an empty one. Raises UnreadableError.

    Positions (`start_mark.index`) count characters of `text`, which must not start with a byte order mark.
    """
    composer = _Composer(text)
    nodes = []
    try:
        while composer.check_node():
            nodes.append(cast("Node", composer.get_node()))
    except YAMLError as error:
        raise _unreadable(error) from error
    finally:
        composer.dispose()
    return nodes


def is_merge(key: Node) -> bool:
    """True for `<<` as a key that merges: not in quotes."""
    return isinstance(key, ScalarNode) and key.value == "<<" and key.tag in MERGING


def says_text(text: str, position: int) -> bool:
    """`! 12` is the string "12"; the C parser loses that tag, and with it that a scalar is in quotes."""
    return bool(_NON_SPECIFIC.match(text, position))


class Reader:
    """Values of the nodes of one file, within the file's bounds."""

    def __init__(self, text: str, bounds: Bounds) -> None:
        self._text = text
        self._has_tags = "!" in text
        self._depth = bounds.depth
        self._left = bounds.expanded_nodes

    def value(self, node: Node, depth: int = 0) -> Json:
        """The JSON value of a node and of all below it. Raises UnreadableError."""
        if isinstance(node, ScalarNode):
            return self.scalar(node)
        self._spend(node, depth)
        if isinstance(node, SequenceNode):
            return [self.value(item, depth + 1) for item in node.value]
        return self._mapping(node, depth)

    def scalar(self, node: ScalarNode) -> Json:
        """The value of a scalar node."""
        tag = node.tag
        if tag is TEXT or (self._has_tags and says_text(self._text, node.start_mark.index)):
            return node.value
        try:
            return scalar_value(tag, node.value)
        except ScalarError as error:
            _refuse(node, str(error))

    def key(self, node: Node) -> str:
        """The text of a mapping's key."""
        if not isinstance(node, ScalarNode):
            _refuse(node, "a list or a map cannot be a map's key")
        if node.tag is TEXT or (self._has_tags and says_text(self._text, node.start_mark.index)):
            return str(node.value)
        try:
            return scalar_key(node.tag, node.value)
        except ScalarError as error:
            _refuse(node, str(error))

    def _mapping(self, node: Node, depth: int) -> dict[str, Json]:
        found: dict[str, Json] = {}
        explicit = set()
        for key_node, value_node in node.value:
            if is_merge(key_node):
                # As the server does: what is merged wins over the keys above it, and loses to those below.
                found.update(self.merged(value_node, depth))
                continue
            key = self.key(key_node)
            if key in explicit:
                _refuse(key_node, f'the key "{key}" is there twice; a reader may take either')
            explicit.add(key)
            found[key] = self.value(value_node, depth + 1)
        return found

    def merged(self, node: Node, depth: int) -> dict[str, Json]:
        """What `<<: node` brings: of several maps the first one with a key wins."""
        self._spend(node, depth)
        sources = node.value if isinstance(node, SequenceNode) else [node]
        found: dict[str, Json] = {}
        for source in reversed(sources):
            if not isinstance(source, MappingNode):
                _refuse(node, "<< merges a map or a list of maps")
            found.update(self.value(source, depth + 1))
        return found

    def _spend(self, node: Node, depth: int) -> None:
        if depth >= self._depth:
            _refuse(node, f"nested deeper than {self._depth} levels, or an anchor holds itself")
        self._left -= len(node.value) + 1
        if self._left < 0:
            _refuse(node, "too many values once every alias is written out")


def load_yaml(text: str, bounds: Bounds) -> list[Loaded]:
    """The documents of a YAML file, empty ones too (value None). Raises UnreadableError."""
    reader = Reader(text, bounds)
    loaded = [_loaded(node, reader) for node in yaml_nodes(text)]
    if "*" in text and "&" in text:  # one long string may stand behind a thousand aliases
        for document in loaded:
            if text_size(document.value) > bounds.file_bytes:
                raise UnreadableError(document.line, "too much text once every alias is written out")
    return loaded


def text_size(value: Json) -> int:
    """The characters of all strings and keys in a value."""
    if isinstance(value, str):
        return len(value)
    if isinstance(value, dict):
        return sum(len(key) + text_size(item) for key, item in value.items())
    return sum(map(text_size, value)) if isinstance(value, list) else 0


def _loaded(node: Node, reader: Reader) -> Loaded:
    return Loaded(reader.value(node), node.start_mark.line + 1, _item_lines(node))


def _item_lines(root: Node) -> tuple[int, ...]:
    if not isinstance(root, MappingNode):
        return ()
    for key, value in root.value:
        if key.value == "items" and isinstance(value, SequenceNode):
            return tuple(item.start_mark.line + 1 for item in value.value)
    return ()


def load_json(text: str, bounds: Bounds) -> Loaded:
    """The value of a JSON file. Raises UnreadableError."""
    try:
        value = json.loads(text, object_pairs_hook=_pairs, parse_float=_float, parse_int=_int, parse_constant=_float)
    except json.JSONDecodeError as error:
        raise UnreadableError(error.lineno, error.msg[:1].lower() + error.msg[1:]) from error
    except (ScalarError, RecursionError) as error:
        raise UnreadableError(1, str(error)) from error
    _check_depth(value, bounds.depth)
    try:
        canonical(value)
    except TypeError as error:  # half of a surrogate pair, "\\ud800"; the YAML parser refuses it itself
        raise UnreadableError(1, "holds text that is not valid Unicode") from error
    first = text[: len(text) - len(text.lstrip())].count("\n") + 1
    return Loaded(value, first)


def _pairs(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ScalarError(f'the key "{twice}" is there twice; a reader may take either')
    return found


def _float(text: str) -> Json:
    return json_number(float(text))


def _int(text: str) -> Json:
    # Python refuses to convert thousands of digits, and such a number is a float anyway.
    return json_number(int(text) if len(text) <= 20 else float(text))


def _check_depth(value: Json, left: int) -> None:
    if not isinstance(value, dict | list):
        return
    if left == 0:
        raise UnreadableError(1, "nested too deep")
    for item in value.values() if isinstance(value, dict) else value:
        _check_depth(item, left - 1)


def _unreadable(error: YAMLError) -> UnreadableError:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error)
    context = getattr(error, "context", None)
    return UnreadableError(mark.line + 1 if mark else 1, f"{context}: {problem}" if context else str(problem))


def _refuse(node: Node, message: str) -> NoReturn:
    raise UnreadableError(node.start_mark.line + 1, message)
