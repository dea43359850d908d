"""The patterns of `.tandemignore` mean what git says they mean, and none takes long."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest

from controller.sync.parse.ignore import MOST_PATTERNS, TooManyPatternsError, pattern_of, patterns_of
from controller.sync.parse.scope import PathRules
from tests.support.worktree import WorkTree

PATTERNS = [
    "a.yaml", "/a.yaml", "a", "a/", "/a/", "a/b", "a/b/", "*.yaml", "/*.yaml", "a*", "*a*b*", "a/*", "a/*/c.yaml",
    "**", "**/b", "**/b/", "a/**", "a/**/c.yaml", "**/a/**/c.yaml", "a/**/**/c.yaml", "**/*.yaml", "?.yaml",
    "[ab].yaml", "[!a].yaml", "[^a].yaml", "[a-c].yaml", "x\\ ", "x ", "x  ", "\\#x.yaml", "#x.yaml", "\\!x.yaml",
    "!x.yaml", "\\*.yaml",
    "a\\b", "a.yaml\\", "a**b.yaml", "/", "//", "", " ", "!", "/**", "b/a.yaml", "/b/a.yaml", "*/a.yaml", "a?b/*",
    "[]]x.yaml", "a.b/[*]", "\\a.yaml", "*.y?ml", "a/**/",
]  # fmt: skip
NAMES = (
    "a",
    "b",
    "a.yaml",
    "c.yaml",
    "x ",
    "x",
    "#x.yaml",
    "!x.yaml",
    "*.yaml",
    "ab.yaml",
    "a.b",
    "]x.yaml",
    "axxb.yaml",
)
PATHS = list(NAMES) + ["/".join(names) for names in product(("a", "b", "a.b"), NAMES)]
PATHS += ["/".join(names) for names in product(("a", "b"), ("a", "b", "x"), ("c.yaml", "a.yaml", "b"))]
FILES = sorted(path if path.endswith(".yaml") else f"{path}/in.yaml" for path in set(PATHS))


def ignored_by_git(person: WorkTree, patterns: str) -> set[str]:
    (person.folder / ".gitignore").write_text(patterns)
    asked = "\0".join(FILES).encode()
    said = person("check-ignore", "--no-index", "-z", "--stdin", stdin=asked, check=False)
    return set(filter(None, said.split("\0")))


@pytest.fixture(scope="module")
def person(tmp_path_factory: pytest.TempPathFactory) -> WorkTree:
    """A work tree in which the real git is asked."""
    folder: Path = tmp_path_factory.mktemp("ignore")
    return WorkTree(folder / "clone", str(folder))


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_pattern_means_what_git_says(person: WorkTree, pattern: str) -> None:
    rules = PathRules.of(f"{pattern}\n".encode())
    assert {path for path in FILES if not rules.counts(path)} == ignored_by_git(person, f"{pattern}\n")


@pytest.mark.parametrize("taken_back", ["!a.yaml", "!/a/c.yaml", "!a/", "!b/**", "!**/a/*"])
@pytest.mark.parametrize("pattern", ["*", "*.yaml", "a", "a/*", "**/b/", "/*"])
def test_what_is_taken_back_is_what_git_takes_back(person: WorkTree, pattern: str, taken_back: str) -> None:
    text = f"{pattern}\n{taken_back}\n"
    rules = PathRules.of(text.encode())
    assert {path for path in FILES if not rules.counts(path)} == ignored_by_git(person, text)


@pytest.mark.parametrize(
    ("line", "path"),
    [
        ("*a" * 60 + "b.yaml", "a" * 250 + ".yaml"),
        ("**/a/" * 60 + "b.yaml", "a/" * 90 + "c.yaml"),
        ("[ab]*" * 60 + "c", "ab" * 120 + ".yaml"),
        ("?*" * 100 + "c.yaml", "a" * 250 + ".yaml"),
        ("**/*a*a*a*a*/" * 20 + "x", ("a" * 200 + "/") * 20 + "b.yaml"),
    ],
)
def test_no_pattern_takes_more_than_a_moment(line: str, path: str) -> None:
    """Each of these would keep a matcher that goes back busy for longer than the universe has lasted."""
    assert PathRules.of(f"{line}\n".encode()).counts(path)


def test_lines_that_are_none_are_no_patterns() -> None:
    assert [pattern_of(line) for line in ("", "   ", "# a", "!", "/", "a\\")] == [None] * 6


def test_there_are_only_so_many_patterns() -> None:
    line = "a\n# a comment\n\n"
    assert len(patterns_of(line * MOST_PATTERNS)) == MOST_PATTERNS
    with pytest.raises(TooManyPatternsError, match="more than 200 patterns"):
        patterns_of(line * (MOST_PATTERNS + 1))
