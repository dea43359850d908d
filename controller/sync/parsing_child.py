"""The parser child: `python -m controller.sync.parsing_child FD BOUNDS`. Reads requests, writes answers, knows nothing.

It ends when its parent does: at the end of the socket, and where the kernel offers it at the parent's death, so also
in the middle of a file.
"""

from __future__ import annotations

import ctypes
import gc
import json
import signal
import socket
import sys
from collections.abc import Iterable, Iterator

from controller.bounds import Bounds
from controller.sync.parse.documents import read_file, read_opened
from controller.sync.parse.edit import EditRefusedError, edit_file
from controller.sync.parse.frames import (
    LENGTH_BYTES,
    edit_arguments,
    edited_answer,
    refused_answer,
    result_answer,
    unframed,
)
from controller.sync.parse.respell import Text, respelled

PR_SET_PDEATHSIG = 1  # <linux/prctl.h>

# Waking the parent for every small answer would cost it, and us, more than the answer.
_PIECE_BYTES = 64 << 10


def main() -> None:
    """Serve one parent until it goes."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    connection = socket.socket(fileno=int(sys.argv[1]))
    bounds = Bounds(**json.loads(sys.argv[2]))
    # Collecting while a file is read finds nothing and costs a quarter of the time; what is loaded by now stays anyway.
    gc.freeze()
    gc.disable()
    with connection, connection.makefile("rb") as requests:
        while length := requests.read(LENGTH_BYTES):
            answer(connection, requests.read(int.from_bytes(length)), bounds)
            gc.collect()


def answer(connection: socket.socket, payload: bytes, bounds: Bounds) -> None:
    """Answer one request."""
    header, parts = unframed(payload)
    if header["do"] == "parse":
        read = read_opened if header["opened"] else read_file
        for answers in gathered((result_answer(read(blob, bounds)) for blob in parts), singly=header["singly"]):
            connection.sendall(answers)
        return
    try:
        if header["do"] == "respell":
            new = respelled(Text(*parts[:2]), Text(*parts[2:]), header["gone"], bounds)
        else:
            new = edit_file(*edit_arguments(header, parts), bounds)
        connection.sendall(edited_answer(new))
    except EditRefusedError as error:
        connection.sendall(refused_answer(error.message, error.reason))


def gathered(answers: Iterable[bytes], *, singly: bool) -> Iterator[bytes]:
    """Answers in pieces of about 64 KiB, or one by one, so that the parent knows which blob killed us."""
    piece = bytearray()
    for one in answers:
        piece += one
        if singly or len(piece) >= _PIECE_BYTES:
            yield bytes(piece)
            piece.clear()
    yield bytes(piece)


if __name__ == "__main__":
    main()
