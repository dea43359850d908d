"""The patterns of a `.tandemignore`: gitignore's, matched in a time that nobody can make long.

Regular expressions made of whole patterns, as libraries make them, try every way to divide a name among several stars:
one line by somebody who may push would hold the controller for years. Here every part between two slashes is matched by
itself, by an expression that never goes back further than one star, and `**` by following all folders at once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fnmatch import translate
from itertools import pairwise

MOST_PATTERNS = 200  # each costs every file some microseconds

Part = Callable[[str], object] | None
"""Matches one name; None is `**`, which matches any number of them."""


class TooManyPatternsError(Exception):
    """A `.tandemignore` that would cost every look at the directory too much."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """One line: the names it stands for, whether of folders only, and whether it takes files back (`!`)."""

    parts: tuple[Part, ...]
    folders_only: bool
    takes_back: bool

    def matches(self, names: Sequence[str]) -> bool:
        """Whether the pattern stands for exactly this path, given as its names from the directory down."""
        reached = self._with_skipped({0})
        for name in names:
            stepped = {step for at in reached if at < len(self.parts) for step in self._step(at, name)}
            reached = self._with_skipped(stepped)
        return len(self.parts) in reached

    def _step(self, at: int, name: str) -> tuple[int, ...]:
        part = self.parts[at]
        if part is None:
            return (at,)
        return (at + 1,) if part(name) else ()

    def _with_skipped(self, reached: set[int]) -> set[int]:
        """`**` may stand for no folder at all; two never follow each other."""
        return reached | {at + 1 for at in reached if at < len(self.parts) and self.parts[at] is None}


def patterns_of(text: str) -> tuple[Pattern, ...]:
    """The patterns of a file, in its order. Raises TooManyPatternsError."""
    found: list[Pattern] = []
    for line in text.splitlines():
        pattern = pattern_of(line)
        if pattern is None:
            continue
        found.append(pattern)
        if len(found) > MOST_PATTERNS:
            raise TooManyPatternsError(f"more than {MOST_PATTERNS} patterns")
    return tuple(found)


def pattern_of(line: str) -> Pattern | None:
    """The pattern of one line; None for a comment, a blank line, or what Git passes over as no pattern."""
    text = _without_blanks(line)
    takes_back = text.startswith("!")
    text = text[1:] if takes_back else text
    if not text.strip("/") or line.startswith("#") or _ends_escaped(text):
        return None
    folders_only = text.endswith("/")
    text = text.rstrip("/") if folders_only else text
    names = text.removeprefix("/").split("/")
    if "/" not in text:
        names = ["**", *names]  # a name alone is meant at every depth
    if names[-1] == "**":
        names.append("*")  # `a/**` is what is in the folder, not the folder
    single = [name for before, name in pairwise(["", *names]) if not before == name == "**"]
    return Pattern(tuple(None if name == "**" else _matcher(name) for name in single), folders_only, takes_back)


def is_ignored(patterns: Iterable[Pattern], names: Sequence[str], *, folder: bool) -> bool:
    """Whether the last pattern that stands for the path ignores it."""
    for pattern in reversed(tuple(patterns)):
        if (folder or not pattern.folders_only) and pattern.matches(names):
            return not pattern.takes_back
    return False


def _matcher(name: str) -> Callable[[str], object]:
    """`fnmatch` has the same stars, marks and sets, and an expression that does not go back; only escapes differ."""
    return re.compile(translate(re.sub(r"\\(.)|\[\^", _as_fnmatch, name))).match


def _as_fnmatch(found: re.Match[str]) -> str:
    escaped = found[1]
    if escaped is None:
        return "[!"
    return f"[{escaped}]" if escaped in "*?[" else escaped


def _without_blanks(line: str) -> str:
    """Blanks at the end do not count, unless one is escaped."""
    text = line.rstrip(" ")
    return f"{text} " if text != line and _ends_escaped(text) else text


def _ends_escaped(text: str) -> bool:
    return (len(text) - len(text.rstrip("\\"))) % 2 == 1
