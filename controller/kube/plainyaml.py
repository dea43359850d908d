"""The plainest YAML: maps, lists and texts, of somebody who may mean harm. Pure.

Built from the parser's events, so that anchors, tags, size and depth are refused before anything is built of them; the
parser itself is the one in Python, which nothing in a text can bring down.
"""

from __future__ import annotations

import yaml

from controller.objects import Json

MOST_NODES, MOST_DEPTH = 2_000, 16  # of a kubeconfig: some hundred values, five deep


class PlainError(Exception):
    """What is wrong with the text, and what to do; nothing of it is quoted."""


def read_plain(content: bytes) -> Json:
    """Its one document. Scalars stay as they are written: a token of digits is a text, too. Raises PlainError."""
    try:
        text = content.decode()
        return _Builder().build(text)
    except UnicodeDecodeError:
        raise PlainError("it is no text (UTF-8)") from None
    except (yaml.YAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f" (line {mark.line + 1})" if mark is not None else ""
        raise PlainError(f"it is no YAML{place}; correct it") from None


class _Builder:
    """One document of events to values."""

    def __init__(self) -> None:
        self._open: list[Json] = []
        self._names: list[str | None] = []  # of the map that is open at that depth: the key that waits for its value
        self._document: Json = None
        self._documents = 0

    def build(self, text: str) -> Json:
        for count, event in enumerate(yaml.parse(text, Loader=yaml.SafeLoader)):
            if count > MOST_NODES or len(self._open) > MOST_DEPTH:
                raise PlainError("it is larger or deeper than any kubeconfig; take out what Tandem does not need")
            self._take(event)
        return self._document

    def _take(self, event: yaml.Event) -> None:
        match event:
            case yaml.DocumentStartEvent():
                self._documents += 1
                if self._documents > 1:
                    raise PlainError("it holds several documents; keep one")
            case yaml.AliasEvent():
                raise PlainError("it holds an alias (*); write the value out")
            case yaml.ScalarEvent():
                self._plain(event)
                self._put(None if event.style is None and event.value in {"", "~", "null"} else event.value)
            case yaml.MappingStartEvent():
                self._plain(event)
                self._begin({})
            case yaml.SequenceStartEvent():
                self._plain(event)
                self._begin([])
            case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                self._open.pop()
                self._names.pop()

    def _plain(self, event: yaml.NodeEvent) -> None:
        if event.anchor is not None or getattr(event, "tag", None) is not None:
            raise PlainError("it holds an anchor (&) or a tag (!); leave them out")

    def _begin(self, value: Json) -> None:
        self._put(value)
        self._open.append(value)
        self._names.append(None)

    def _put(self, value: Json) -> None:
        if not self._open:
            self._document = value
            return
        parent, name = self._open[-1], self._names[-1]
        if isinstance(parent, list):
            parent.append(value)
        elif name is None:
            if not isinstance(value, str) or value in parent:
                raise PlainError("a map holds a key twice, or one that is no text; correct it")
            self._names[-1] = value
        else:
            parent[name] = value
            self._names[-1] = None
