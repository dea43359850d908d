"""Changed objects back into their file: the fewest lines that say it, every other byte kept.

The edited file is read again, and *all* its objects must equal the intended ones, or the edit is refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from controller.errors import Reason, RejectedError
from controller.settings import Bounds
from controller.sync.parse.documents import DocRef


class EditRefusedError(RejectedError):
    """The file cannot be made to say what is intended without saying something else as well."""

    def __init__(self, message: str) -> None:
        super().__init__(Reason.FIELD_REFUSED, message)


def edit_file(
    old: bytes, intended: Mapping[DocRef, bytes | None], appended: Sequence[bytes] = (), bounds: Bounds | None = None
) -> bytes:
    """The file with the named objects made equal to `intended` (None removes one) and `appended` added at its end.

    Contents are canonical bytes as `read_file` gives them: without status and server-set metadata, a Secret's values
    in `data`, no namespace where the document has none. An empty result means that nothing is left of the file.
    Raises EditRefusedError.
    """
    raise NotImplementedError


def render_document(content: bytes) -> bytes:
    """A new YAML document for canonical content: the conventional key order, ambiguous strings quoted."""
    raise NotImplementedError
