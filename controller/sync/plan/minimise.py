"""What a document need not say, because the server would fill it in all the same.

Whoever creates or edits an object owns its defaults too, so what comes back from a cluster is ten times what anybody
wrote. The candidate is tried without the fields in question, as a dry-run creation under another name; what the answer
holds with the same value is dropped. The pure half is here:

    leaves → probe → (refused: needed, and probe again) → minimised
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import replace
from typing import Final

from controller.objects import Json, canonical, decoded
from controller.sync.plan.fieldpath import Path, Segment, meet
from controller.sync.plan.model import Action, Change
from controller.sync.plan.schema import Schema, indexed
from controller.sync.plan.tree import ABSENT, discard, is_key, is_same, leaves, lookup

_STEP: Final = re.compile(r"\.?([^.\[\]]+)|\[([^\]]*)\]")


def droppable(change: Change, schema: Schema) -> tuple[Path, ...]:
    """The leaves of the change's document that it adds and that the server might fill in by itself."""
    if change.document is None:
        return ()
    if change.action is Action.IMPORT:
        added = list(leaves(decoded(change.document), schema))
    else:
        added = [(edit.path, edit.new) for edit in change.edits if edit.new_present and not edit.old_present]
    return tuple(path for path, value in added if not _is_needed(path, value, schema))


def probe(document: bytes, dropped: Iterable[Path], schema: Schema) -> bytes:
    """The candidate without these leaves."""
    tree = decoded(document)
    for path in dropped:
        discard(tree, path, schema)
    return canonical(tree)


def needed(fields: Iterable[str], probed: bytes, dropped: Collection[Path], schema: Schema) -> frozenset[Path]:
    """Of the dropped leaves, those that a refusal asks for; none if it is about something else.

    `fields` are the causes' fields as the API server writes them: `spec.template.spec.containers[1].image`.
    """
    tree = decoded(probed)
    asked = [_path_of_cause(field, tree, schema) for field in fields]
    return frozenset(path for path in dropped if any(meet(path, cause) for cause in asked))


def minimised(change: Change, dropped: Iterable[Path], answer: bytes, schema: Schema) -> Change:
    """The change with its document less what the server's answer holds with the same value."""
    if change.document is None:
        return change
    filled, wanted = decoded(answer), decoded(change.document)
    gone = [path for path in dropped if is_same(lookup(filled, path, schema), lookup(wanted, path, schema))]
    return replace(
        change,
        document=probe(change.document, gone, schema),
        intended=None if change.intended is None else probe(change.intended, gone, schema),
        record=None if change.record is None else probe(change.record, gone, schema),
        edits=tuple(edit for edit in change.edits if edit.path not in gone),
        omitted=tuple(gone),
    )


def _is_needed(path: Path, value: Json, schema: Schema) -> bool:
    """Whether no document is one without it: identity, metadata, an element's keys, what the schema requires."""
    if len(path) < 2 or path[0] == "metadata":
        return True
    if is_key(path, schema):
        return not is_same(schema.at(path[:-2]).defaults.get(str(path[-1])), value)
    return path[-1] in schema.at(path[:-1]).required


def _path_of_cause(field: str, tree: Json, schema: Schema) -> Path:
    path: list[Segment] = []
    for name, index in _STEP.findall(field):
        segment: Segment = name or index
        if index.isdecimal() and isinstance(tree, list):
            elements = list(indexed(tree, schema) or {})
            if int(index) >= len(elements):
                break
            segment = elements[int(index)]
        path.append(segment)
        tree = ABSENT if tree is ABSENT else lookup(tree, (segment,), schema)
        schema = schema.child(segment)
    return tuple(path)
