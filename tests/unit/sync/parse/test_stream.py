"""A file as text and documents, and back into its own bytes."""

from __future__ import annotations

import pytest

from controller.sync.parse.stream import FileText, documents_of, holds_content, remains_of, with_documents

BOM = b"\xef\xbb\xbf"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"a: 1",
        b"a: 1\n",
        b"a: 1\r\n",
        BOM + b"a: 1\r\nb: 2\r\n",
        b"a: 1\r\nb: 2\nc: 3\r\n",
        b"a: 1\nb: 2\r\nc: 3",
        b"a: 1\rb: 2\n",
        "é: ü\n".encode(),
    ],
)
def test_a_file_comes_back_byte_by_byte(data: bytes) -> None:
    file = FileText.of(data)
    assert file.encoded(file.text) == data
    assert "\r\n" not in file.text


@pytest.mark.parametrize(
    ("old", "text", "new"),
    [
        (b"a: 1\r\n", "a: 1\nb: 2\n", b"a: 1\r\nb: 2\r\n"),
        (b"a: 1\n", "b: 2\n", b"b: 2\n"),
        (BOM + b"a: 1", "a: 2\n", BOM + b"a: 2"),
        (b"a: 1", "a: |+\n  b\n\n", b"a: |+\n  b\n\n"),
        (BOM + b"a: 1", " \n", b""),
        # Where each line has an end of its own it keeps it, whatever comes, goes or changes beside it.
        (b"a\r\nb\nc\r\n", "a\nc\n", b"a\r\nc\r\n"),
        (b"a\r\nb\nc\r\n", "a\nb2\nc\n", b"a\r\nb2\nc\r\n"),
        (b"a\r\nb\nc\r\n", "a\nb\nnew\nc\n", b"a\r\nb\nnew\r\nc\r\n"),
        (b"a\r\nb\nc\nd", "a\nb\nc\n", b"a\r\nb\nc"),
        (b"a\r\nb\nc", "a\nb\nc\nd\n", b"a\r\nb\nc\r\nd"),
        (b"a\nb\r\n\r\nc\r\n", "a\nb\n", b"a\nb\r\n"),
    ],
)
def test_other_text_goes_into_the_same_file(old: bytes, text: str, new: bytes) -> None:
    assert FileText.of(old).encoded(text) == new


@pytest.mark.parametrize(
    ("text", "documents"),
    [
        ("a: 1\n", ["a: 1\n"]),
        ("", [""]),
        ("---\na: 1\n---\nb: 2\n", ["---\na: 1\n", "---\nb: 2\n"]),
        ("# head\n---\na: 1\n--- # x\nb: 2", ["# head\n---\na: 1\n", "--- # x\nb: 2"]),
        ("%YAML 1.1\n---\na: 1\n", ["%YAML 1.1\n---\na: 1\n"]),
        ("a: 1\n---\n---\nb: 2\n", ["a: 1\n", "---\n", "---\nb: 2\n"]),
        ("a: |\n  ---\n  x\n---x: 1\n", ["a: |\n  ---\n  x\n---x: 1\n"]),
        ("a: 1\n---", ["a: 1\n", "---"]),
    ],
)
def test_documents_keep_the_marker_before_them(text: str, documents: list[str]) -> None:
    assert documents_of(text) == documents
    assert "".join(documents) == text


@pytest.mark.parametrize(
    ("document", "first", "remains"),
    [
        ("a: 1\n", True, ""),
        ("---\na: 1\n", False, ""),
        ("# of a\na: 1\n", True, ""),
        ("# of the file\n\n# of a\na: 1\n", True, "# of the file\n\n"),
        ("# of the file\n---\n# of a\na: 1\n", True, "# of the file\n"),
        ("---\n# of a\na: 1\n", True, ""),
        ("%YAML 1.1\n---\na: 1\n", True, ""),
        ("---\na: 1\n\n# of what follows\n", False, "\n# of what follows\n"),
        ("a: 1 # of a\n# of what follows\n", True, "# of what follows\n"),
        ("---\na: 1\n\n", False, ""),
    ],
)
def test_comments_about_something_else_stay(document: str, first: bool, remains: str) -> None:
    assert remains_of(document, first=first) == remains


@pytest.mark.parametrize(
    ("text", "holds"),
    [("", False), ("# a\n", False), ("%YAML 1.1\n\n  \n", False), ("\t# a\n", False), ("a", True), ("# a\n- b", True)],
)
def test_comments_and_directives_are_no_content(text: str, holds: bool) -> None:
    assert holds_content(text) is holds


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("", "b: 2\n---\nc: 3\n"),
        ("# head\n", "# head\nb: 2\n---\nc: 3\n"),
        ("a: 1\n", "a: 1\n---\nb: 2\n---\nc: 3\n"),
        ("a: 1\n---\n", "a: 1\n---\n---\nb: 2\n---\nc: 3\n"),
    ],
)
def test_new_documents_are_divided_from_what_is_there(text: str, result: str) -> None:
    assert with_documents(text, ["b: 2\n", "c: 3\n"]) == result
