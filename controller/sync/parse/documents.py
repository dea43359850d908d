"""One file's bytes to the objects that it declares, or to the faults that make them unknown.

A file counts whole or not at all: one fault and every object of the file is *unknown*, so a typing error never looks
like a deletion. The objects that could be read are still listed, so that they can be named.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from controller.bounds import Bounds
from controller.errors import Reason
from controller.objects import Json, ObjectKey, group_of
from controller.sync.parse.content import content_refusal, declared_content, key_refusal
from controller.sync.parse.loader import Loaded, UnreadableError, load_json, load_yaml
from controller.sync.parse.scan import checked_text
from controller.sync.parse.sealed import is_encrypted, is_sealed, objection_to


@dataclass(frozen=True, slots=True)
class DocRef:
    """Where in its file an object stands: the YAML document from 0, and the item from 0 if that is a `List`."""

    index: int
    item: int | None = None


class ParsedDocument(NamedTuple):
    """One declared object as its file has it; `namespace` is "" where the document names none. Lines count from 1."""

    api_version: str
    kind: str
    namespace: str
    name: str
    content: bytes
    line: int
    ref: DocRef

    @property
    def key(self) -> ObjectKey:
        """The object's key, before the scope has given it a namespace."""
        return ObjectKey(group_of(self.api_version), self.kind, self.namespace, self.name)


class Fault(NamedTuple):
    """What is wrong in a file. `field` is a JSON pointer, `object` is `Kind/namespace/name`; "" where not known."""

    line: int
    reason: Reason
    message: str
    field: str = ""
    object: str = ""


class Seal(StrEnum):
    """Whether a file is encrypted with SOPS, and what is known of it."""

    NONE = "none"  # it is not
    CLOSED = "closed"  # it is, and may be decrypted
    REFUSED = "refused"  # it is, in a way that must not be tried
    OPEN = "open"  # it is, and this is what it decrypts to


@dataclass(frozen=True, slots=True)
class FileResult:
    """What one blob declares. It depends on the bytes alone, so it may be kept by blob id whatever the path; what an
    encrypted one decrypts to also on the keys."""

    documents: tuple[ParsedDocument, ...] = ()
    faults: tuple[Fault, ...] = ()
    seal: Seal = Seal.NONE

    @property
    def complete(self) -> bool:
        """True if the file was read whole; else its objects, those listed in `documents` too, are unknown."""
        return not self.faults


class Candidate(NamedTuple):
    """A value that claims to be an object: it has `apiVersion` and `kind`."""

    value: dict[str, Json]
    line: int
    ref: DocRef


# How a pointer of Git LFS begins, and how long it may be (its specification says so): plain text that is valid YAML, a
# file without objects. Taken for that, the objects that it had before would be pruned.
LFS_POINTERS = (b"version https://git-lfs.github.com/spec/", b"version https://hawser.github.com/spec/")
LFS_BYTES = 1024
LFS_FAULT = (
    "the file is a Git LFS pointer, its content is not in the repository; put it into Git itself (git lfs migrate "
    "export), or list it in .tandemignore"
)


CLOSED_FAULT = "the file is encrypted, and was not decrypted"
VEILED = "what it decrypts to cannot be used; the value is not shown: look at it with sops edit"


def read_file(data: bytes, bounds: Bounds) -> FileResult:
    """The objects of a YAML or JSON file, or its faults, read as kubectl and the API server read it.

    Of an encrypted file the names alone, as far as they can be read.
    """
    if len(data) < LFS_BYTES and data.startswith(LFS_POINTERS):
        return FileResult(faults=(Fault(1, Reason.LFS_POINTER, LFS_FAULT),))
    try:
        text = checked_text(data, bounds)
        loaded = load_file(text, bounds)
    except UnreadableError as error:
        hint = "; it looks like a template, and templates are not rendered" if b"{{" in data else ""
        return FileResult(faults=(Fault(error.line, Reason.DOCUMENTS_FAILED, error.message + hint),))
    return _closed(text, loaded) if is_sealed(loaded) else _declared(loaded)


def read_opened(data: bytes, bounds: Bounds) -> FileResult:
    """The objects of what an encrypted file decrypts to. Its faults say where, and nothing of what stands there."""
    try:
        result = _declared(load_file(checked_text(data, bounds), bounds))
    except UnreadableError as error:
        result = FileResult(faults=(Fault(error.line, Reason.DOCUMENTS_FAILED, ""),))
    return FileResult(result.documents, tuple(fault._replace(message=VEILED) for fault in result.faults), Seal.OPEN)


def _declared(loaded: Sequence[Loaded]) -> FileResult:
    documents: list[ParsedDocument] = []
    faults: list[Fault] = []
    for candidate in candidates(loaded):
        _read(candidate, documents, faults)
    return FileResult(tuple(documents), tuple(faults))


def _closed(text: str, loaded: Sequence[Loaded]) -> FileResult:
    """What can be told of an encrypted file: that it is one, and what its objects are called if that is readable."""
    objection = objection_to(text, loaded, json=is_json(text))
    line, message = objection or (1, CLOSED_FAULT)
    named = [_named(candidate) for candidate in candidates(loaded) if key_refusal(candidate.value) is None]
    return FileResult(
        tuple(document for document in named if not is_encrypted(document.name)),
        (Fault(line, Reason.DECRYPTION_FAILED, message, "/sops"),),
        Seal.CLOSED if objection is None else Seal.REFUSED,
    )


def _read(candidate: Candidate, documents: list[ParsedDocument], faults: list[Fault]) -> None:
    value, line = candidate.value, candidate.line
    refusal = key_refusal(value)
    if refusal:
        faults.append(Fault(line, Reason.FIELD_REFUSED, refusal.message, refusal.field))
        return
    named = _named(candidate)
    refusal = content_refusal(value)
    if refusal:
        faults.append(Fault(line, Reason.FIELD_REFUSED, refusal.message, refusal.field, str(named.key)))
    documents.append(named._replace(content=b"" if refusal else declared_content(value)))


def _named(candidate: Candidate) -> ParsedDocument:
    value, line, ref = candidate
    metadata = value["metadata"]
    return ParsedDocument(
        value["apiVersion"], value["kind"], metadata.get("namespace") or "", metadata["name"], b"", line, ref
    )


def load_file(text: str, bounds: Bounds) -> list[Loaded]:
    """The documents of a file, of JSON if it is that, else of YAML. Raises the UnreadableError that got further."""
    if not text.endswith("\n"):
        text += "\n"  # as kubectl does, and so a block scalar in the last line has its line break
    if not is_json(text):
        return load_yaml(text, bounds)
    try:
        return [load_json(text, bounds)]
    except UnreadableError as as_json:
        try:
            return load_yaml(text, bounds)
        except UnreadableError as as_yaml:
            raise max(as_json, as_yaml, key=lambda error: error.line) from None


def is_json(text: str) -> bool:
    """Whether a text looks like JSON at its first character; a flow mapping of YAML does too."""
    return text.lstrip()[:1] in ("{", "[")


def candidates(loaded: Sequence[Loaded]) -> Iterator[Candidate]:
    """The objects among a file's documents: `List`s opened, what has no `apiVersion` and `kind` left out."""
    for number, document in enumerate(loaded):
        value = document.value
        if not _claims(value):
            continue
        if not is_list(value):
            yield Candidate(value, document.line, DocRef(number))
            continue
        lines = document.item_lines or [document.line] * len(value["items"])
        implied = implied_by_list(value)
        for position, (item, line) in enumerate(zip(value["items"], lines, strict=True)):
            whole = {**implied, **item} if isinstance(item, dict) else item
            if _claims(whole):
                yield Candidate(whole, line, DocRef(number, position))


def is_list(value: dict[str, Json]) -> bool:
    """Whether a document is a `List`, or a `ConfigMapList` and the like."""
    return str(value["kind"]).endswith("List") and isinstance(value.get("items"), list)


def implied_by_list(value: dict[str, Json]) -> dict[str, Json]:
    """The `apiVersion` and `kind` that items of a typed list need not repeat."""
    kind = str(value["kind"]).removesuffix("List")
    return {"apiVersion": value["apiVersion"], "kind": kind} if kind else {}


def _claims(value: Json) -> bool:
    return isinstance(value, dict) and value.get("apiVersion") is not None and value.get("kind") is not None
