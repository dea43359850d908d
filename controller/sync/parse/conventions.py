"""How a text is written where it leaves a choice, so that what is new in it looks like its neighbours."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from controller.sync.parse.render import Style, is_plain
from controller.sync.parse.tree import Span, column


def style_of(root: Span, text: str) -> Style:
    """How a document is mostly written."""
    steps: Counter[int] = Counter()
    offsets: Counter[int] = Counter()
    quotes: Counter[str] = Counter()
    _survey(root, text, steps, offsets, quotes)
    default = Style()
    return Style(
        step=_usual(steps, default.step),
        list_offset=_usual(offsets, default.list_offset),
        quote=quotes.most_common(1)[0][0] if quotes else default.quote,
    )


def _usual(found: Counter[int], default: int) -> int:
    return found.most_common(1)[0][0] if found else default


def _survey(span: Span, text: str, steps: Counter[int], offsets: Counter[int], quotes: Counter[str]) -> None:
    if span.style in ("'", '"'):
        quotes[span.style] += 1
    for item in span.items:
        _survey(item.value, text, steps, offsets, quotes)
    for entry in span.entries:
        value = entry.value
        _survey(value, text, steps, offsets, quotes)
        if span.flow or value.flow or not (value.entries or value.items):
            continue
        inner = value.entries[0].start if value.entries else value.items[0].dash
        (steps if value.entries else offsets)[column(text, inner) - column(text, entry.start)] += 1


def usual_quote(spans: Iterable[Span]) -> str:
    """The quotes that strings have here although they need none."""
    styles = Counter(span.style for span in spans if isinstance(span.value, str) and is_plain(span.value))
    return styles.most_common(1)[0][0] if styles and styles.keys() <= {"", "'", '"'} else ""


def usual_key_quote(span: Span, text: str) -> str:
    """The quotes that all keys of a map have."""
    quotes = {text[entry.start] for entry in span.entries}
    return quotes.pop() if quotes <= {'"'} or quotes <= {"'"} else ""
