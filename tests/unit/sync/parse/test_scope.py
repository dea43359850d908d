"""Which paths count."""

from __future__ import annotations

import pytest

from controller.sync.parse.scope import PathRules

IGNORE = b"""\
# rendered elsewhere
/charts/
*.gen.yaml
!keep.gen.yaml
drafts/**/old
notes/*
!notes/real.yaml

"""


@pytest.mark.parametrize(
    ("path", "counts"),
    [
        ("a.yaml", True),
        ("deep/er/a.yml", True),
        ("a.json", True),
        ("a.YAML", False),
        ("a.txt", False),
        ("yaml", False),
        ("a.yaml.bak", False),
        (".github/workflows/ci.yml", False),
        ("deep/.hidden/a.yaml", False),
        (".argocd-source.yaml", False),
    ],
)
def test_yaml_and_json_files_count_unless_they_are_hidden(path: str, counts: bool) -> None:
    assert PathRules.of(None).counts(path) is counts


@pytest.mark.parametrize(
    ("path", "counts"),
    [
        ("charts/a.yaml", False),
        ("deep/charts/a.yaml", True),
        ("a.gen.yaml", False),
        ("deep/a.gen.yaml", False),
        ("deep/keep.gen.yaml", True),
        ("drafts/x/y/old/a.yaml", False),
        ("drafts/x/new/a.yaml", True),
        ("notes/a.yaml", False),
        ("notes/real.yaml", True),
        ("a.yaml", True),
    ],
)
def test_the_ignore_file_has_the_meaning_of_gitignore(path: str, counts: bool) -> None:
    assert PathRules.of(IGNORE).counts(path) is counts


def test_a_file_in_an_ignored_folder_cannot_be_taken_back() -> None:
    assert not PathRules.of(b"notes/\n!notes/real.yaml\n").counts("notes/real.yaml")


@pytest.mark.parametrize(
    ("path", "held"),
    [("vendor", True), ("deep/README.md", True), (".hidden", False), ("charts", False), ("charts/x", False)],
)
def test_what_is_no_document_is_looked_at_unless_it_is_hidden_or_ignored(path: str, held: bool) -> None:
    rules = PathRules.of(b"charts/\n")
    assert rules.holds(path, folder=True) is held
    assert not rules.counts(path)


def test_lines_that_are_no_patterns_are_passed_over() -> None:
    rules = PathRules.of(b"!\r\n\\\r\nb.yaml\r\n\xff\r\n")
    assert rules.counts("a.yaml")
    assert not rules.counts("b.yaml")


def test_rules_are_equal_if_their_files_are() -> None:
    assert PathRules.of(b"a\n") == PathRules.of(b"a\n")
    assert PathRules.of(b"a\n") != PathRules.of(b"b\n")
    assert PathRules.of(b"") == PathRules.of(None)
