"""A write-back changes the edited lines only: hundreds of edits of realistic files, judged by another YAML reader."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from controller.bounds import Bounds
from controller.objects import canonical, decoded
from controller.sync.parse.documents import DocRef, FileResult, read_file
from controller.sync.parse.edit import edit_file
from tests.support.edits import AWKWARD, FILES, MANIFESTS, Edit, applied, generated
from tests.support.oracle import complaints

EDITS = generated()


@cache
def manifest(name: str) -> tuple[bytes, FileResult]:
    data = (MANIFESTS / name).read_bytes()
    return data, read_file(data, Bounds())


def edited(edit: Edit) -> tuple[bytes, list[bytes]]:
    """The edited file, and the contents that it has to have."""
    old, result = manifest(edit.file)
    contents = {document.ref: document.content for document in result.documents}
    if edit.kind == "document added":
        return edit_file(old, {}, [canonical(edit.value)]), [*contents.values(), canonical(edit.value)]
    if edit.kind == "document removed":
        new = edit_file(old, {edit.ref: None})
        del contents[edit.ref]
    else:
        contents[edit.ref] = canonical(applied(decoded(contents[edit.ref]), edit, edit.value))
        new = edit_file(old, {edit.ref: contents[edit.ref]})
    return new, list(contents.values())


def faults(edit: Edit) -> list[str]:
    new, wanted = edited(edit)
    after = read_file(new, Bounds())
    if not after.complete or [document.content for document in after.documents] != wanted:
        return [f"it is read as {after}"]
    return complaints(manifest(edit.file)[0], new, edit)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_edit_changes_its_own_lines_only(path: Path) -> None:
    edits = [edit for edit in EDITS if edit.file == path.name]
    assert {str(edit): found for edit in edits if (found := faults(edit))} == {}


def test_there_are_enough_edits_of_every_kind() -> None:
    kinds = Counter(edit.kind for edit in EDITS)
    assert len({edit.file for edit in EDITS}) == len(FILES) >= 40
    assert len(EDITS) >= 200
    assert set(kinds) == {
        "value changed", "value behind an alias changed", "value with an anchor changed", "key added", "key removed",
        "item added", "item added in the middle", "item removed", "item in the middle removed", "document added",
        "document removed",
    }  # fmt: skip
    assert min(kinds.values()) >= 5, kinds
    values = [edit.value for edit in EDITS]
    assert all(text in values for text in AWKWARD)


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (lambda text: text.replace(b"name: win\r", b"name:  win\r", 1), "characters"),
        (lambda text: text.replace(b"# Edited on Windows\r\n", b""), "characters"),
        (lambda text: text.replace(b"\r\n", b"\n"), "line end"),
        (lambda text: b"\xef\xbb\xbf" + text, "byte order mark"),
        (lambda text: text.replace(b"replicas: 101", b"replicas: 102"), "it says"),
        (lambda text: text.replace(b"replicas: 101", b"replicas:\r\n    101"), "came"),
        (lambda text: text + b"\r\n", "characters"),
    ],
)
def test_the_judge_sees_what_an_edit_must_not_do(damage: Callable[[bytes], bytes], complaint: str) -> None:
    edit = Edit("windows-deployment.yaml", "value changed", DocRef(0), ("spec", "replicas"), 101)
    new, _ = edited(edit)
    old, _ = manifest(edit.file)
    assert not complaints(old, new, edit)
    assert any(complaint in found for found in complaints(old, damage(new), edit))
