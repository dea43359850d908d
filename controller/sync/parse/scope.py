"""Which files of a fabric's directory count: by their name, and by the `.tandemignore` at its root.

Hidden files and folders (`.github`, `.argocd-source.yaml`) never count: they belong to tools.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import accumulate
from typing import ClassVar, Self

from pathspec import GitIgnoreSpec
from pathspec.patterns.gitignore import GitIgnorePatternError

IGNORE_FILE = ".tandemignore"
SUFFIXES = (".yaml", ".yml", ".json")


@dataclass(frozen=True, slots=True)
class PathRules:
    """The rules for the paths of one directory. Equal if their `.tandemignore` is."""

    # A directory with one of these at its root is the input of a renderer; its files as they are would be wrong.
    RENDERED: ClassVar[tuple[str, ...]] = ("kustomization.yaml", "kustomization.yml", "Kustomization", "Chart.yaml")

    ignore: bytes
    _spec: GitIgnoreSpec = field(compare=False, repr=False)

    @classmethod
    def of(cls, ignore: bytes | None) -> Self:
        """The rules for the bytes of a `.tandemignore`, None where there is none."""
        lines = (ignore or b"").decode(errors="replace").splitlines()
        return cls(ignore or b"", GitIgnoreSpec.from_lines(line for line in lines if _is_pattern(line)))

    def counts(self, path: str) -> bool:
        """Whether the file at a path (relative to the directory, with `/`) may declare objects."""
        parts = path.split("/")
        if not path.endswith(SUFFIXES) or any(part.startswith(".") for part in parts):
            return False
        if not self.ignore:
            return True
        # As in git, what lies in an ignored folder cannot be taken back by a later line.
        folders = accumulate(parts[:-1], lambda above, name: f"{above}/{name}")
        return not any(self._spec.match_file(f"{folder}/") for folder in folders) and not self._spec.match_file(path)


def _is_pattern(line: str) -> bool:
    """Git passes over a line that is no pattern, and so do we."""
    try:
        GitIgnoreSpec.from_lines([line])
    except GitIgnorePatternError:
        return False
    return True
