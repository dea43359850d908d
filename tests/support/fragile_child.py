"""A parser child without the byte scan, and one that hangs where a file says so: what a child may die of, made to."""

from __future__ import annotations

import signal

import controller.sync.parse.documents
from controller.bounds import Bounds
from controller.sync import parsing_child

HANG = b"# hang here\n"


def unscanned_text(data: bytes, bounds: Bounds) -> str:
    if data.startswith(HANG):
        signal.pause()
    return data.decode()


if __name__ == "__main__":
    controller.sync.parse.documents.checked_text = unscanned_text  # type: ignore[attr-defined]
    parsing_child.main()
