"""Ports that nobody uses, and that no two processes are given at once."""

from __future__ import annotations

import os
import random
import socket
import tempfile
from pathlib import Path

import pytest

from controller.dev import ports
from controller.dev.ports import FIRST, HELD, LAST, free_port


@pytest.fixture(autouse=True)
def marks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A place for marks of the test's own."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def test_ports_are_apart_and_in_range() -> None:
    given = [free_port() for _ in range(100)]
    assert len(set(given)) == 100
    assert all(FIRST <= port <= LAST for port in given)


def test_a_port_that_is_listened_on_is_not_given(monkeypatch: pytest.MonkeyPatch) -> None:
    free = free_port()
    age_mark(free)
    with socket.create_server(("127.0.0.1", 0)) as server:
        offered = iter([server.getsockname()[1], free])
        monkeypatch.setattr(random, "randint", lambda *_: next(offered))
        assert free_port() == free


def test_a_port_that_another_process_was_given_is_not_given_until_its_time_is_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ports, "TRIES", 3)
    port = free_port()
    monkeypatch.setattr(random, "randint", lambda *_: port)
    with pytest.raises(OSError, match=r"no free port on 127\.0\.0\.1 in 3 tries"):
        free_port()
    age_mark(port)
    assert free_port() == port


def age_mark(port: int) -> None:
    """Let the time pass that a port is held for."""
    mark = Path(tempfile.gettempdir()) / f"tandem-ports-{os.getuid()}" / str(port)
    old = mark.stat().st_mtime - HELD - 1
    os.utime(mark, (old, old))
