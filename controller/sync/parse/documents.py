"""One file's bytes to the objects that it declares, or to the faults that make them unknown.

A file counts whole or not at all: one fault and every object of the file is *unknown*, so a typing error never looks
like a deletion. The objects that could be read are still listed, so that they can be named.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from controller.errors import Reason
from controller.objects import ObjectKey, group_of


class DocRef(NamedTuple):
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


@dataclass(frozen=True, slots=True)
class FileResult:
    """What one blob declares. It depends on the bytes alone, so it may be kept by blob id whatever the path."""

    documents: tuple[ParsedDocument, ...] = ()
    faults: tuple[Fault, ...] = ()

    @property
    def complete(self) -> bool:
        """True if the file was read whole; else its objects, those listed in `documents` too, are unknown."""
        return not self.faults
