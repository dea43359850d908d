"""How values, times and counts are written for people. Pure."""

from __future__ import annotations

from datetime import datetime

import yaml

from controller.objects import Json, canonical

ABSENT = "–"
_SHORT = 60  # characters of a value that stands within a line


def inline(value: Json, limit: int = _SHORT) -> str:
    """A value within a line, as JSON; a long one is cut."""
    text = canonical(value).decode()
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def block(value: Json) -> str:
    """A value in a cell of its own: scalars as JSON, maps and lists as YAML."""
    if not value or not isinstance(value, dict | list):
        return canonical(value).decode()
    return yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=1_000).rstrip("\n")


def age(since: datetime | None, now: datetime) -> str:
    """How long ago, as kubectl writes it: 45s, 3m, 2h, 4d."""
    if since is None:
        return ABSENT
    seconds = max(0, int((now - since).total_seconds()))
    for unit, length in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length}{unit}"
    return f"{seconds}s"


def count(number: int, noun: str) -> str:
    """`1 field`, `2 fields`."""
    return f"1 {noun}" if number == 1 else f"{number} {noun}s"


def short_commit(commit: str | None) -> str:
    """The first twelve digits of a commit's id."""
    return commit[:12] if commit else ABSENT
