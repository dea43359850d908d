"""The story is plain where a program reads it, coloured on a terminal, and never folded in a pipe."""

from __future__ import annotations

import io

import pytest

from controller.dev.narration import Narration


class Terminal(io.StringIO):
    """Says that it is one."""

    def isatty(self) -> bool:
        return True


def test_everything_is_plain_in_a_pipe() -> None:
    out = io.StringIO()
    narration = Narration(out)
    narration.title("1. A title")
    narration.remark("In between.")
    narration.command("kubectl get pods", "all of them")
    narration.output("NAME   READY\nweb    2\n")
    narration.proof("it is so", 1.25)
    narration.failure("not true: [b]nothing[/b]")
    narration.end("The end.")
    assert out.getvalue() == (
        "\n1. A title\n"
        "   In between.\n"
        "   $ kubectl get pods   # all of them\n"
        "     NAME   READY\n"
        "     web    2\n"
        "   ✓ it is so: after 1.2 s\n"
        "   ✗ not true: [b]nothing[/b]\n"
        "\nThe end.\n"
    )


def test_a_diff_begins_at_its_first_hunk() -> None:
    out = io.StringIO()
    Narration(out).diff("diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-old\n+new\n same")
    assert out.getvalue() == "     @@ -1 +1 @@\n     -old\n     +new\n      same\n"


def test_long_lines_stay_whole_and_blank_ones_are_empty() -> None:
    out = io.StringIO()
    Narration(out).output("word " * 200 + "\n\nend")
    first, blank, last = out.getvalue().splitlines()
    assert first.count("word") == 200
    assert (blank, last) == ("", "     end")


def test_it_is_coloured_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    out = Terminal()
    Narration(out).diff("@@ -1 +1 @@\n-old\n+new")
    minus, plus = out.getvalue().splitlines()[1:]
    assert minus.startswith("\x1b[31m")
    assert plus.startswith("\x1b[32m")


def test_colours_can_be_declined(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("NO_COLOR", "1")
    out = Terminal()
    Narration(out).diff("@@ -1 +1 @@\n-old")
    assert "\x1b[3" not in out.getvalue()
