"""Changed objects back into their file: the fewest lines that say it, every other byte kept.

The edited file is read again, and *all* its objects must equal the intended ones, or the edit is refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from controller.bounds import Bounds
from controller.errors import Reason, RejectedError
from controller.objects import decoded
from controller.sync.parse.content import declared_content
from controller.sync.parse.conventions import style_of
from controller.sync.parse.cuts import spliced
from controller.sync.parse.documents import DocRef, implied_by_list, is_json, is_list, read_file
from controller.sync.parse.loader import UnreadableError, load_json
from controller.sync.parse.render import AwkwardError, Renderer, Style
from controller.sync.parse.restore import restored
from controller.sync.parse.splice import Splicer
from controller.sync.parse.stream import FileText, documents_of, holds_content, remains_of, with_documents
from controller.sync.parse.tree import json_tree, json_unit, yaml_tree


class EditRefusedError(RejectedError):
    """The file cannot be made to say what is intended without saying something else as well."""

    def __init__(self, message: str, reason: Reason = Reason.FIELD_REFUSED) -> None:
        super().__init__(reason, message)


@dataclass(frozen=True, slots=True)
class Edit:
    """What the objects of a file, or of one document, say now; what some are to say (None: go); what is new."""

    before: dict[DocRef, bytes]
    changes: dict[DocRef, bytes | None]
    added: list[bytes]

    @property
    def expected(self) -> list[bytes]:
        """The contents in the order in which they will be read."""
        return [content for content in {**self.before, **self.changes}.values() if content is not None] + self.added

    def by_document(self) -> dict[int, Edit]:
        """The parts that concern one document each, of those in which something changes."""
        parts = {ref.index: Edit({}, {}, []) for ref in self.changes}
        for ref in self.before:
            if ref.index in parts:
                parts[ref.index].before[ref] = self.before[ref]
        for ref, content in self.changes.items():
            parts[ref.index].changes[ref] = content
        return parts


def edit_file(
    old: bytes, intended: Mapping[DocRef, bytes | None], appended: Sequence[bytes] = (), bounds: Bounds | None = None
) -> bytes:
    """The file with the named objects made equal to `intended` (None removes one) and `appended` added at its end.

    Contents are canonical bytes as `read_file` gives them: without status and server-set metadata, a Secret's values
    in `data`, no namespace where the document has none. What is left of a file without any object may be b"".
    Raises EditRefusedError.
    """
    bounds = bounds or Bounds()
    edit = _edit(old, intended, appended, bounds)
    if not edit.changes and not edit.added:
        return old
    file = FileText.of(old)
    new = file.encoded((_edited_json if _is_json(file.text, bounds) else _edited_yaml)(file.text, edit, bounds))
    if not _says(new, edit.expected, bounds):
        raise EditRefusedError("the edited file would not say what is intended; edit it by hand")
    return new


def render_document(content: bytes, style: Style | None = None) -> str:
    """A new YAML document for canonical content: the conventional key order, strings that look like more in quotes."""
    style = style or Style()
    for attempt in (style, replace(style, careful=True)):
        with suppress(AwkwardError):
            text = "\n".join(Renderer(attempt).map_lines(decoded(content), 0)) + "\n"
            if _says(text.encode(), [content], Bounds()):
                return text
    raise EditRefusedError("the object cannot be written as YAML")


def _edit(old: bytes, intended: Mapping[DocRef, bytes | None], appended: Sequence[bytes], bounds: Bounds) -> Edit:
    result = read_file(old, bounds)
    if not result.complete:
        line, message = result.faults[0].line, result.faults[0].message
        raise EditRefusedError(f"the file cannot be read, so nothing is written to it: line {line}: {message}")
    before = {document.ref: document.content for document in result.documents}
    if intended.keys() - before.keys():
        raise EditRefusedError("the file does not hold the document that is to be changed; it is another file by now")
    wanted = {ref: content and declared_content(decoded(content)) for ref, content in intended.items()}
    changes = {ref: content for ref, content in wanted.items() if content != before[ref]}
    return Edit(before, changes, [declared_content(decoded(content)) for content in appended])


def _says(data: bytes, expected: list[bytes], bounds: Bounds) -> bool:
    result = read_file(data, bounds)
    return result.complete and [document.content for document in result.documents] == expected


def _is_json(text: str, bounds: Bounds) -> bool:
    try:
        return is_json(text) and load_json(text, bounds) is not None
    except UnreadableError:
        return False


def _edited_json(text: str, edit: Edit, bounds: Bounds) -> str:
    if edit.changes.get(DocRef(0), b"") is None and not edit.added:
        return ""
    return _rewritten(text, edit, bounds, json=True)


def _edited_yaml(text: str, edit: Edit, bounds: Bounds) -> str:
    documents = documents_of(text)
    for index, part in edit.by_document().items():
        if index >= len(documents):
            raise EditRefusedError(
                "lines that end with a carriage return alone are not edited; save the file with others"
            )
        if part.changes.get(DocRef(index), b"") is None:
            documents[index] = remains_of(documents[index], first=index == 0)
        else:
            documents[index] = _rewritten(documents[index], part, bounds, json=False)
    if not edit.added:
        return "".join(documents)
    style = Style()
    if holds_content(documents[-1]):
        style = style_of(yaml_tree(documents[-1]), documents[-1])
    return with_documents("".join(documents), [render_document(content, style) for content in edit.added])


def _rewritten(text: str, edit: Edit, bounds: Bounds, *, json: bool) -> str:
    """One document's text, in the first way of writing it that says what is intended."""
    for careful in (False, True):
        try:
            new = _spliced(text, edit, json=json, careful=careful)
        except AwkwardError:
            continue
        if _says(new.encode(), edit.expected, bounds):
            return new
    raise EditRefusedError("the document is written in a way that cannot be edited without loss; edit it by hand")


def _spliced(text: str, edit: Edit, *, json: bool, careful: bool) -> str:
    tree = json_tree(text) if json else yaml_tree(text)
    style = replace(style_of(tree, text), careful=careful)
    splicer = Splicer(text, style, json=json, unit=json_unit(tree, text))
    raw = tree.value
    if not is_list(raw):
        if edit.added:
            raise AwkwardError("there is one object, and no list that could take another one")
        (content,) = edit.changes.values()
        splicer.change_root(tree, restored(raw, decoded(content or b""), {}))
        return spliced(text, splicer.splices)
    items, implied = raw["items"], implied_by_list(raw)
    targets = dict(enumerate(items))
    for ref, content in edit.changes.items():
        index = ref.item or 0
        if content is None:
            del targets[index]
        else:
            targets[index] = restored(items[index], decoded(content), implied)
    splicer.change_items(tree, targets, [decoded(content) for content in edit.added])
    return spliced(text, splicer.splices)
