"""The words between the controller and its parser children: frames of a JSON header and raw bytes.

Contents travel raw, so neither side decodes a document that it does not look at. Nothing that a child says is code
(no pickle): the child has read what strangers wrote.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import accumulate, pairwise
from sys import intern

import orjson

from controller.errors import Reason
from controller.objects import Json
from controller.sync.parse.documents import DocRef, Fault, FileResult, ParsedDocument, Seal

LENGTH_BYTES = 4


def frame(header: Json, parts: Iterable[bytes] = ()) -> bytes:
    """A frame: its length, then the header with the sizes of the parts, then the parts."""
    bodies = list(parts)
    head = orjson.dumps([header, [len(body) for body in bodies]])
    payload = b"".join([len(head).to_bytes(LENGTH_BYTES), head, *bodies])
    return len(payload).to_bytes(LENGTH_BYTES) + payload


def unframed(payload: bytes) -> tuple[Json, list[bytes]]:
    """The header and the parts of a frame's payload (what follows its length)."""
    start = LENGTH_BYTES + int.from_bytes(payload[:LENGTH_BYTES])
    header, sizes = orjson.loads(payload[LENGTH_BYTES:start])
    return header, [payload[begin:end] for begin, end in pairwise(accumulate(sizes, initial=start))]


def take_frames(buffer: bytearray, keep: Callable[[bytes], None]) -> int:
    """Hand over the payload of each frame that is whole in the buffer, and take it out. Returns their number."""
    taken = start = 0
    while len(buffer) - start >= LENGTH_BYTES:
        end = start + LENGTH_BYTES + int.from_bytes(buffer[start : start + LENGTH_BYTES])
        if len(buffer) < end:
            break
        keep(bytes(buffer[start + LENGTH_BYTES : end]))
        taken, start = taken + 1, end
    del buffer[:start]
    return taken


def parse_request(blobs: Iterable[bytes], *, singly: bool, opened: bool = False) -> bytes:
    """Asks for each blob's FileResult; there is one answer to each, in order. `singly`: at once, not gathered.

    `opened`: the blobs are what encrypted files decrypt to.
    """
    return frame({"do": "parse", "singly": singly, "opened": opened}, blobs)


def result_answer(result: FileResult) -> bytes:
    """The answer for one blob."""
    documents = [[*document[:4], document.line, document.ref.index, document.ref.item] for document in result.documents]
    faults = [[*fault] for fault in result.faults]
    return frame([documents, faults, result.seal], [document.content for document in result.documents])


def result_of(payload: bytes) -> FileResult:
    """The FileResult of an answer. Names that recur in thousands of documents are held once."""
    (documents, faults, seal), contents = unframed(payload)
    return FileResult(
        tuple(
            ParsedDocument(intern(version), intern(kind), intern(namespace), name, content, line, DocRef(number, item))
            for (version, kind, namespace, name, line, number, item), content in zip(documents, contents, strict=True)
        ),
        tuple(Fault(line, Reason(reason), *rest) for line, reason, *rest in faults),
        Seal(seal),
    )


def edit_request(old: bytes, intended: Mapping[DocRef, bytes | None], appended: Sequence[bytes]) -> bytes:
    """Asks for the file `old` with the named objects changed, removed (None) or added."""
    refs = [[ref.index, ref.item, content is None] for ref, content in intended.items()]
    return frame({"do": "edit", "refs": refs}, [old, *(content or b"" for content in intended.values()), *appended])


def edit_arguments(header: Json, parts: list[bytes]) -> tuple[bytes, dict[DocRef, bytes | None], list[bytes]]:
    """What `edit_request` was given."""
    refs = header["refs"]
    changes = parts[1 : 1 + len(refs)]
    intended = {
        DocRef(number, item): None if gone else content
        for (number, item, gone), content in zip(refs, changes, strict=True)
    }
    return parts[0], intended, parts[1 + len(refs) :]


def respell_request(old: Iterable[bytes], new: Iterable[bytes], gone: Iterable[int]) -> bytes:
    """Asks for the encrypted file `new` in the spelling of the file `old`, of which the documents `gone` went.

    Each is the encrypted bytes, and what they decrypt to.
    """
    return frame({"do": "respell", "gone": sorted(gone)}, [*old, *new])


def edited_answer(data: bytes) -> bytes:
    """The edited file."""
    return frame({"refused": ""}, [data])


def refused_answer(message: str, reason: Reason) -> bytes:
    """The edit was refused."""
    return frame({"refused": message, "reason": reason})
