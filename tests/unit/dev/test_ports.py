"""Ports that a server can come back on."""

from __future__ import annotations

import socket

import pytest

from controller.dev import ports


def test_a_port_is_free_and_outside_the_range_of_outgoing_connections() -> None:
    port = ports.free_port()
    assert ports.FIRST <= port <= ports.LAST < 32768
    with socket.create_server(("127.0.0.1", port)):
        pass


def test_a_port_in_use_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    port = ports.free_port()
    with socket.create_server(("127.0.0.1", port)):
        monkeypatch.setattr(ports, "FIRST", port)
        monkeypatch.setattr(ports, "LAST", port)
        with pytest.raises(OSError, match=r"no free port on 127\.0\.0\.1"):
            ports.free_port()
    assert ports.free_port() == port
