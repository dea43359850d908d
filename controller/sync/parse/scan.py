"""Bounds what a file may do to the parsers, before they see it.

PyYAML's C composer recurses and dies of a few ten thousand nested brackets, taking its process with it. Searching the
bytes is cheap and errs towards suspicion; only a suspicious file is then measured exactly, by the events of the C
scanner, which does not recurse. What passes here and is still too deep is refused when its values are read.
"""

from __future__ import annotations

import re
from itertools import pairwise

import yaml

from controller.bounds import Bounds
from controller.sync.parse.loader import UnreadableError

BOM = b"\xef\xbb\xbf"

# Far from what kills the composer (30,000 levels), and more than any real manifest reaches, so none is measured.
_SAFE_DEPTH = 256

_MARKER = re.compile(rb"^---(?=[ \t\r\n]|\Z)", re.MULTILINE)
_NOT_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[]{}")
# A block collection starts after blanks and indicators only, and the column grows by one with each but for a list at
# the column of its key: this many columns are safe. Unicode's line breaks are breaks in YAML 1.1.
_DEEP_LINE = re.compile(rb"(?:\A|[\n\r\x85\xa8\xa9])[ \t?:-]{%d}" % (_SAFE_DEPTH // 2))
# One of these stands between any two values; the composer keeps a kilobyte for each, so 4 MB could become 2 GB.
_DIVIDERS = (b",", b":", b"\n", b"\r", b"\xc2\x85", b"\xe2\x80\xa8", b"\xe2\x80\xa9")
_ALIAS = re.compile(rb"\*[^\s,\[\]{}]")


def checked_text(data: bytes, bounds: Bounds) -> str:
    """The text of a file that is safe to parse, without its byte order mark. Raises UnreadableError."""
    if len(data) > bounds.file_bytes:
        raise UnreadableError(1, f"the file has {len(data)} bytes; at most {bounds.file_bytes} are read. Split it")
    text = _decoded(data.removeprefix(BOM))
    _check_documents(data, bounds)
    if is_suspicious(data, bounds):
        _measure(text, bounds)
    return text


def is_suspicious(data: bytes, bounds: Bounds) -> bool:
    """Whether a file could, going by its bytes, nest or repeat itself beyond the bounds. False is certain."""
    if data.count(b"[") + data.count(b"{") > _SAFE_DEPTH and _bracket_depth(data) > _SAFE_DEPTH:
        return True
    if _DEEP_LINE.search(data) or sum(map(data.count, _DIVIDERS)) > bounds.expanded_nodes:
        return True
    return data.count(b"*") > bounds.aliases_per_file and len(_ALIAS.findall(data)) > bounds.aliases_per_file


def _bracket_depth(data: bytes) -> int:
    depth = deepest = 0
    for bracket in data.translate(None, _NOT_BRACKETS):
        if bracket in b"[{":
            depth += 1
            deepest = max(deepest, depth)
        else:
            depth = max(0, depth - 1)
    return deepest


def _decoded(data: bytes) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise UnreadableError(1, "the file is UTF-16; save it as UTF-8")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UnreadableError(line, f"byte {data[error.start]:#04x} is not UTF-8; save the file as UTF-8") from None


def _check_documents(data: bytes, bounds: Bounds) -> None:
    starts = [0, *(match.start() for match in _MARKER.finditer(data)), len(data)]
    if len(starts) - 2 > bounds.documents_per_file:
        raise UnreadableError(1, f"the file has more than {bounds.documents_per_file} documents. Split it")
    for start, end in pairwise(starts):
        if end - start > bounds.document_bytes:
            line = data.count(b"\n", 0, start) + 1
            raise UnreadableError(
                line, f"the document has {end - start} bytes; at most {bounds.document_bytes} are read"
            )


def _measure(text: str, bounds: Bounds) -> None:
    depth = aliases = values = 0
    try:
        for event in yaml.parse(text, Loader=yaml.CSafeLoader):
            if isinstance(event, yaml.CollectionStartEvent):
                depth += 1
            elif isinstance(event, yaml.CollectionEndEvent):
                depth -= 1
            elif isinstance(event, yaml.AliasEvent):
                aliases += 1
            values += isinstance(event, yaml.NodeEvent)
            if depth > bounds.depth:
                raise UnreadableError(_line(event), f"nested deeper than {bounds.depth} levels")
            if aliases > bounds.aliases_per_file:
                raise UnreadableError(_line(event), f"more than {bounds.aliases_per_file} aliases")
            if values > bounds.expanded_nodes:
                raise UnreadableError(_line(event), f"more than {bounds.expanded_nodes} values. Split the file")
    except yaml.YAMLError:
        return  # up to here it is harmless, and the parser says better what is wrong


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 1
