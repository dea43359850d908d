"""The words between the controller and its children, there and back."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from controller.errors import Reason
from controller.sync.parse.documents import DocRef, Fault, FileResult, ParsedDocument
from controller.sync.parse.frames import (
    LENGTH_BYTES,
    edit_arguments,
    edit_request,
    edited_answer,
    frame,
    parse_request,
    refused_answer,
    respell_request,
    result_answer,
    result_of,
    take_frames,
    unframed,
)

REFS = st.builds(DocRef, st.integers(0, 9), st.none() | st.integers(0, 9))
DOCUMENTS = st.builds(ParsedDocument, st.text(), st.text(), st.text(), st.text(), st.binary(), st.integers(1, 99), REFS)
FAULTS = st.builds(Fault, st.integers(1, 99), st.sampled_from(Reason), st.text(), st.text(), st.text())
RESULTS = st.builds(FileResult, st.lists(DOCUMENTS).map(tuple), st.lists(FAULTS).map(tuple))


def payload(framed: bytes) -> bytes:
    assert int.from_bytes(framed[:LENGTH_BYTES]) == len(framed) - LENGTH_BYTES
    return framed[LENGTH_BYTES:]


@given(RESULTS)
def test_a_result_arrives_as_it_was_sent(result: FileResult) -> None:
    assert result_of(payload(result_answer(result))) == result


@given(st.binary(), st.dictionaries(REFS, st.none() | st.binary()), st.lists(st.binary()))
def test_an_edit_arrives_as_it_was_asked(
    old: bytes, intended: dict[DocRef, bytes | None], appended: list[bytes]
) -> None:
    header, parts = unframed(payload(edit_request(old, intended, appended)))
    assert header["do"] == "edit"
    assert edit_arguments(header, parts) == (old, intended, appended)


def test_requests_and_answers_say_what_they_are() -> None:
    assert unframed(payload(parse_request([b"a", b""], singly=True))) == (
        {"do": "parse", "singly": True, "opened": False},
        [b"a", b""],
    )
    assert unframed(payload(edited_answer(b"a"))) == ({"refused": ""}, [b"a"])
    assert unframed(payload(refused_answer("no", Reason.FIELD_REFUSED))) == (
        {"refused": "no", "reason": "FieldRefused"},
        [],
    )
    respelled = unframed(payload(respell_request((b"a", b"b"), (b"c", b""), {2, 1})))
    assert respelled == ({"do": "respell", "gone": [1, 2]}, [b"a", b"b", b"c", b""])


@given(st.lists(st.binary(max_size=20)), st.integers(1, 7))
def test_frames_are_taken_from_a_stream_that_comes_in_pieces(bodies: list[bytes], piece: int) -> None:
    stream = b"".join(frame(number, [body]) for number, body in enumerate(bodies))
    buffer, taken = bytearray(), list[bytes]()
    count = 0
    for start in range(0, len(stream), piece):
        buffer += stream[start : start + piece]
        count += take_frames(buffer, taken.append)
    assert [unframed(one) for one in taken] == [(number, [body]) for number, body in enumerate(bodies)]
    assert (count, bytes(buffer)) == (len(bodies), b"")
