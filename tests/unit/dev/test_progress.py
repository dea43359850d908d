"""Progress on a terminal and in a log."""

from __future__ import annotations

import io

import pytest

from controller.dev.progress import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_on_a_terminal_the_line_of_a_step_is_overwritten() -> None:
    terminal = Terminal()
    shown = Progress(terminal)
    for line in ("one", "two"):
        shown.show(line)
    shown.say("done")
    shown.say("next")
    assert terminal.getvalue() == "one\r\x1b[Ktwo\r\x1b[Kdone\nnext\n"


def test_a_line_longer_than_the_terminal_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "11")
    terminal = Terminal()
    Progress(terminal).show("x" * 50)
    assert terminal.getvalue() == "x" * 10


def test_in_a_log_a_step_is_told_now_and_then() -> None:
    now = 0.0
    log = io.StringIO()
    shown = Progress(log, clock=lambda: now)
    for now in (0.0, 1.0, 9.9, 10.0, 11.0):  # the clock reads it
        shown.show(f"at {now:g}")
    shown.say("done")
    assert log.getvalue() == "at 0\nat 10\ndone\n"
