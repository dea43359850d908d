"""Which files of a fabric's directory count: by their name, and by the `.tandemignore` at its root.

Hidden files and folders (`.github`, `.argocd-source.yaml`) never count: they belong to tools.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Self

from controller.sync.parse.ignore import Pattern, is_ignored, patterns_of

IGNORE_FILE = ".tandemignore"
SUFFIXES = (".yaml", ".yml", ".json")


@dataclass(frozen=True, slots=True)
class PathRules:
    """The rules for the paths of one directory. Equal if their `.tandemignore` is."""

    # A directory with one of these at its root is the input of a renderer; its files as they are would be wrong.
    RENDERED: ClassVar[tuple[str, ...]] = ("kustomization.yaml", "kustomization.yml", "Kustomization", "Chart.yaml")

    ignore: bytes
    _patterns: tuple[Pattern, ...] = field(compare=False, repr=False)

    @classmethod
    def of(cls, ignore: bytes | None) -> Self:
        """The rules for the bytes of a `.tandemignore`, None where there is none. Raises TooManyPatternsError."""
        return cls(ignore or b"", patterns_of((ignore or b"").decode(errors="replace")))

    def counts(self, path: str) -> bool:
        """Whether the file at a path (relative to the directory, with `/`) may declare objects."""
        return path.endswith(SUFFIXES) and self.holds(path)

    def holds(self, path: str, *, folder: bool = False) -> bool:
        """Whether a path is looked at, whatever its name ends in. `folder`: it is one, or a submodule in its place."""
        parts = path.split("/")
        if any(part.startswith(".") for part in parts):
            return False
        if not self.ignore:
            return True
        # As in git, what lies in an ignored folder cannot be taken back by a later line.
        if any(is_ignored(self._patterns, parts[:depth], folder=True) for depth in range(1, len(parts))):
            return False
        return not is_ignored(self._patterns, parts, folder=folder)
