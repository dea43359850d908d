"""Members cut out of a text, and put in."""

from __future__ import annotations

import pytest

from controller.sync.parse.cuts import (
    Extent,
    Splice,
    add_lines,
    cut_flow,
    cut_lines,
    flow_separator,
    leads_its_line,
    spliced,
)
from controller.sync.parse.render import AwkwardError


def extents(text: str, *members: str) -> list[Extent]:
    return [Extent(text.index(member), text.index(member) + len(member)) for member in members]


def test_splices_are_made_in_the_order_of_the_text() -> None:
    assert spliced("abcdef", [Splice(4, 5, "E"), Splice(0, 1, ""), Splice(2, 2, "x"), Splice(2, 2, "y")]) == "bxycdEf"
    assert spliced("abc", []) == "abc"


def test_splices_that_overlap_are_awkward() -> None:
    with pytest.raises(AwkwardError, match="overlap"):
        spliced("abcdef", [Splice(0, 3, ""), Splice(2, 4, "")])


def test_only_blanks_before_it_make_a_member_lead_its_line() -> None:
    text = "a: 1\n \tb: 2\n- c"
    assert leads_its_line(text, text.index("b"))
    assert leads_its_line(text, 0)
    assert not leads_its_line(text, text.index("c"))


@pytest.mark.parametrize(
    ("text", "members", "gone", "result"),
    [
        ("a: 1\nb: 2\nc: 3\n", ["a: 1", "b: 2", "c: 3"], [1], "a: 1\nc: 3\n"),
        ("a: 1\nb: 2\nc: 3\n", ["a: 1", "b: 2", "c: 3"], [0], "b: 2\nc: 3\n"),
        ("a: 1\nb: 2\nc: 3\n", ["a: 1", "b: 2", "c: 3"], [0, 2], "b: 2\n"),
        ("a: 1\nb: 2\nc: 3", ["a: 1", "b: 2", "c: 3"], [2], "a: 1\nb: 2"),
        ("a: 1 # one\nb: 2\n", ["a: 1", "b: 2"], [0], "b: 2\n"),
        ("a: 1", ["a: 1"], [0], ""),
        # Comments between members stay.
        ("x:\n  a: 1\n  # of b\n  b: 2\n  # below\n", ["a: 1", "b: 2"], [1], "x:\n  a: 1\n  # of b\n  # below\n"),
        # The next member moves up to the dash of the first.
        ("- a: 1\n  b: 2\n  c: 3\n", ["a: 1", "b: 2", "c: 3"], [0], "- b: 2\n  c: 3\n"),
        ("- a: 1\n  b: 2\n  c: 3\n", ["a: 1", "b: 2", "c: 3"], [0, 1], "- c: 3\n"),
        # But not over a comment.
        ("- a: 1 # one\n  # of b\n  b: 2\n", ["a: 1", "b: 2"], [0], "-\n  # of b\n  b: 2\n"),
    ],
)
def test_members_of_a_block_go_with_their_lines(text: str, members: list[str], gone: list[int], result: str) -> None:
    assert spliced(text, cut_lines(text, extents(text, *members), gone)) == result


def test_what_would_leave_a_dash_alone_is_awkward() -> None:
    text = "- a: 1\n  b: 2\n"
    with pytest.raises(AwkwardError, match="nothing else"):
        list(cut_lines(text, extents(text, "a: 1", "b: 2"), [0, 1]))


@pytest.mark.parametrize(
    ("text", "after", "before", "result"),
    [
        ("a: 1\nb: 2\n", "1", "a", "a: 1\nx\ny\nb: 2\n"),
        ("a: 1 # one\nb: 2\n", "1", "a", "a: 1 # one\nx\ny\nb: 2\n"),
        ("a: 1\nb: 2", "2", "a", "a: 1\nb: 2\nx\ny"),
        ("a:\n  - b\n", None, "-", "a:\nx\ny\n  - b\n"),
    ],
)
def test_lines_go_below_a_member_or_above_the_first(text: str, after: str | None, before: str, result: str) -> None:
    end = None if after is None else text.index(after) + len(after)
    assert spliced(text, [add_lines(text, end, text.index(before), ["x", "y"])]) == result


@pytest.mark.parametrize(("text", "before"), [("- a\n", "-"), ("x: - a\n", "-")])
def test_without_a_line_above_it_is_awkward(text: str, before: str) -> None:
    with pytest.raises(AwkwardError, match="no line above"):
        add_lines(text, None, text.index(before), ["x"])


@pytest.mark.parametrize(
    ("text", "gone", "result"),
    [
        ("[a, b, c]", [0], "[b, c]"),
        ("[a, b, c]", [1], "[a, c]"),
        ("[a, b, c]", [2], "[a, b]"),
        ("[a, b, c]", [0, 1], "[c]"),
        ("[a, b, c]", [0, 2], "[b]"),
        ("[a,b, c,]", [2], "[a,b,]"),
        ("[\n  a,\n  b,\n  c\n]", [2], "[\n  a,\n  b\n]"),
    ],
)
def test_members_between_brackets_go_with_one_comma(text: str, gone: list[int], result: str) -> None:
    assert spliced(text, cut_flow(extents(text, "a", "b", "c"), gone)) == result


def test_brackets_with_nothing_left_are_awkward() -> None:
    with pytest.raises(AwkwardError, match="nothing is left"):
        list(cut_flow(extents("[a, b]", "a", "b"), [0, 1]))


@pytest.mark.parametrize(
    ("text", "separator"),
    [
        ("[a, b]", ", "),
        ("[a,b]", ","),
        ("[a ,  b]", " ,  "),
        ("[a, # one\n b]", ",\n "),
        ("[\n\ta,\n\tb\n]", ",\n\t"),
        ("[a,\n   b]", ",\n   "),
    ],
)
def test_a_new_member_is_divided_as_the_others_are(text: str, separator: str) -> None:
    assert flow_separator(text, extents(text, "a", "b")) == separator


def test_a_single_member_says_little() -> None:
    assert flow_separator("[a]", extents("[a]", "a")) == ", "
    assert flow_separator("[\n a\n]", extents("[\n a\n]", "a")) == ",\n "
