"""The scan before the parser: nothing that could crash it passes, and nothing ordinary is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.bounds import Bounds
from controller.sync.parse.loader import UnreadableError
from controller.sync.parse.scan import checked_text, is_suspicious

BOUNDS = Bounds()
SMALL = Bounds(document_bytes=100, file_bytes=300, documents_per_file=3, aliases_per_file=3)


def refusal(data: bytes, bounds: Bounds = BOUNDS) -> tuple[int, str]:
    with pytest.raises(UnreadableError) as caught:
        checked_text(data, bounds)
    return caught.value.line, caught.value.message


def test_a_plain_file_passes_as_text_without_its_byte_order_mark() -> None:
    assert checked_text(b"\xef\xbb\xbfa: \xc3\xa9\r\n", BOUNDS) == "a: é\r\n"


@pytest.mark.parametrize(
    ("data", "line", "message"),
    [
        (b"x" * 301, 1, "the file has 301 bytes; at most 300 are read"),
        (b"a: 1\n---\n" + b"x" * 97, 2, "the document has 101 bytes; at most 100 are read"),
        (b"---\n---\n---\n---\n", 1, "more than 3 documents"),
        (b"a: 1\nb: \xff\n", 2, "byte 0xff is not UTF-8"),
        (b"\xff\xfea\x00", 1, "UTF-16"),
        (b"\xfe\xff\x00a", 1, "UTF-16"),
        (b"a: &a 1\nb: [*a, *a]\nc: [*a, *a]\n", 3, "more than 3 aliases"),
    ],
    ids=lambda value: value[:20] if isinstance(value, bytes) else None,
)
def test_what_exceeds_a_bound_is_named(data: bytes, line: int, message: str) -> None:
    found = refusal(data, SMALL)
    assert found[0] == line
    assert message in found[1]


@pytest.mark.parametrize(
    "data",
    [
        b"[" * 60_000,
        b"{a: " * 60_000,
        b"a: " + b"[{" * 30_000,
        b"- " * 60_000 + b"x",
        b"? " * 60_000 + b"x",
        b"a:\r" + b"- " * 60_000,
        "a:\u2028".encode() + b"- " * 60_000,
        "a:\x85".encode() + b"- " * 60_000,
        b"\n".join(b" " * n + b"- " for n in range(1_000)),
        b"".join(b" " * n + b"a:\n" + b" " * n + b"-\n" for n in range(1_000)),
    ],
    ids=lambda value: value[:8],
)
def test_what_would_nest_too_deep_is_refused_before_it_is_parsed(data: bytes) -> None:
    assert is_suspicious(data, BOUNDS)
    assert "nested deeper than 64 levels" in refusal(data)[1]


@pytest.mark.parametrize(
    "data",
    [
        b"a: [" + b"x," * 210_000 + b"]",
        b"{" + b"a," * 210_000 + b"}",
        b"- x\n" * 210_000,
        b"- x\r" * 210_000,
        b"\n---\n".join(["- x\u2028".encode() * 110_000, "- x\u2029".encode() * 110_000]),
        b"\n---\n".join(["- x\x85".encode() * 110_000] * 2),
        b"a: [" + b'"",' * 210_000 + b"]",
        b"---\n".join([b"a: [" + b"x," * 150_000 + b"]\n"] * 2),
    ],
    ids=lambda value: value[:8],
)
def test_more_values_than_the_parser_has_memory_for_are_refused_before_it_has_them(data: bytes) -> None:
    assert is_suspicious(data, BOUNDS)
    assert "more than 200000 values" in refusal(data)[1]


def test_a_large_file_of_ordinary_values_passes() -> None:
    data = b"---\n".join([b"".join(b"key-%d: value\n" % number for number in range(45_000))] * 2)
    assert not is_suspicious(data, BOUNDS)
    assert checked_text(data, BOUNDS)


@pytest.mark.parametrize(
    "data",
    [
        b"apiVersion: v1\nkind: ConfigMap\ndata:\n  a: |\n    " + b"[[ $x ]] {{ y }} " * 5_000,
        b"a: 1\n" + b" " * 60 + b"# far to the right\n",
        b"# " + b"-" * 300 + b"\na: 1\n",
        b"schedule: '*/5 * * * *'\ntext: |\n" + b"  * item *bold*\n" * 100,
    ],
    ids=lambda value: value[:8],
)
def test_what_only_looks_a_little_like_it_is_not_even_suspicious(data: bytes) -> None:
    assert not is_suspicious(data, BOUNDS)
    assert checked_text(data, BOUNDS)


@pytest.mark.parametrize(
    "data",
    [
        b"a: |\n" + b"  [ never closed\n" * 400,
        b"a: |\n" + b" " * 200 + b"x\n",
        b"a: |\n" + b"  *item\n" * 2_000,
        b"a: '" + b"[" * 400 + b"'\nb: [",  # the parser stops at the same place as the measuring
        b"-\t" * 60_000 + b"x",
    ],
    ids=lambda value: value[:8],
)
def test_what_is_suspicious_but_harmless_passes_once_it_is_measured(data: bytes) -> None:
    assert is_suspicious(data, BOUNDS)
    assert checked_text(data, BOUNDS) == data.decode()


@given(st.text(alphabet="[]{}-?: \n\ta*&'\"|", max_size=200))
def test_text_that_passes_is_the_text_that_came(text: str) -> None:
    assert checked_text(text.encode(), BOUNDS) == text
