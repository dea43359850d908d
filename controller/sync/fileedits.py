"""What one file is about to become: the changes of its objects, each with its place in the file. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from controller.sync.authorship import Part
from controller.sync.parse.documents import DocRef
from controller.sync.plan.conflicts import is_secret
from controller.sync.plan.model import Action, Change


@dataclass(slots=True)
class FileEdits:
    """What one file is about to become: each change with the document that it replaces, None if it adds one."""

    placed: list[tuple[Change, DocRef | None]] = field(default_factory=list)

    @property
    def changes(self) -> list[Change]:
        """The changes of the file's objects."""
        return [change for change, _ in self.placed]

    @property
    def intended(self) -> dict[DocRef, bytes | None]:
        """What becomes of documents that are there; None: they go."""
        return {ref: content_of(change) for change, ref in self.placed if ref is not None}

    @property
    def appended(self) -> list[bytes]:
        """The documents that are added."""
        contents = (content_of(change) for change, ref in self.placed if ref is None)
        return [content for content in contents if content is not None]

    def is_touched_by(self, part: Part) -> bool:
        """Whether the part has any of the file's changes."""
        return any(change.key in part.changes for change, _ in self.placed)

    def up_to(self, parts: Iterable[Part]) -> FileEdits:
        """The same with what these parts have of it."""
        latest = {key: change for part in parts for key, change in part.changes.items()}
        return FileEdits([(latest[change.key], ref) for change, ref in self.placed if change.key in latest])

    @property
    def removed(self) -> set[DocRef]:
        """The documents that go."""
        return {ref for ref, content in self.intended.items() if content is None}

    @property
    def writes_secret(self) -> bool:
        """Whether the file gets anything of a Secret's."""
        return any(is_secret(change.key) and change.document is not None for change in self.changes)


def content_of(change: Change) -> bytes | None:
    """What the object's document is to hold; None if there is to be none."""
    return None if change.action is Action.REMOVE_DOCUMENT else change.document
