"""What is printed: plain where a program reads, and nothing that steers a terminal."""

from __future__ import annotations

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.table import Table
from rich.text import Text

from controller.cli.screen import Screen, aligned, cleaned, say

STEERING = [*map(chr, range(0x20)), *map(chr, range(0x7F, 0xA0)), *map(chr, range(0x202A, 0x202F)), "\u2066", "\u2069"]
ALLOWED = {"\n", "\t"}


def printed(*texts: str | Text) -> str:
    file = io.StringIO()
    Screen(file).lines(texts)
    return file.getvalue()


@given(st.text(st.sampled_from(STEERING) | st.characters(codec="utf-8"), max_size=30))
def test_nothing_that_steers_a_terminal_comes_out(text: str) -> None:
    shown = cleaned(text).plain
    assert not (set(STEERING) - ALLOWED) & set(shown)
    assert len(shown) == len(text), "each character has its picture"


def test_what_is_harmless_is_left_as_it_is() -> None:
    assert cleaned("a → ü 漢字 [bold]x[/] :smile:\n\t–").plain == "a → ü 漢字 [bold]x[/] :smile:\n\t–"
    assert cleaned("\x1b[31m").plain == "␛[31m"
    assert cleaned("a\u202eb").plain == "a\ufffdb"


def test_colours_of_a_text_survive_its_cleaning() -> None:
    text = Text.assemble(("a\x1b", "red"), "b")
    made = cleaned(text)
    assert made.plain == "a␛b"
    assert made.spans == text.spans
    assert text.plain == "a\x1bb", "the original is nobody's to change"


def test_in_a_pipe_there_are_no_escapes_and_nothing_is_folded() -> None:
    long = "x" * 5_000
    assert printed(Text(long, "bold red"), "[red]b[/red]") == f"{long}\n[red]b[/red]\n"


def test_columns_are_as_wide_as_their_widest_cell_and_end_without_blanks() -> None:
    lines = [line.plain for line in aligned(("NAME", "WHY"), [("a", "x\ny"), ("漢字", "long enough"), ("b", "")])]
    assert lines == ["NAME   WHY", "a      x y", "漢字   long enough", "b"]


def test_a_table_of_nothing_is_its_headers() -> None:
    assert [line.plain for line in aligned(("NAME", "WHY"), [])] == ["NAME   WHY"]


def test_a_folding_table_leaves_no_blanks_at_the_ends() -> None:
    table = Table("A", "B")
    table.add_row("1", "2")
    file = io.StringIO()
    Screen(file).show(table)
    assert all(line == line.rstrip() for line in file.getvalue().splitlines())


@given(st.recursive(st.none() | st.text(max_size=8) | st.integers(), lambda inner: st.lists(inner, max_size=3)))
def test_json_is_json_and_steers_nothing(value: object) -> None:
    file = io.StringIO()
    Screen(file).json(value)
    assert json.loads(file.getvalue()) == value
    assert not (set(STEERING) - ALLOWED) & set(file.getvalue())


def test_remarks_go_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    say("all is \x1b[2Jwell", label="note: ")
    assert capsys.readouterr() == ("", "note: all is ␛[2Jwell\n")
