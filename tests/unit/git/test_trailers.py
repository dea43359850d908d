"""Messages that can be read back, whatever the names in them hold."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.git.trailers import (
    EDITED_BY,
    FABRIC,
    MANAGER,
    OBJECT,
    RUN,
    Trailer,
    commit_message,
    object_trailer,
    parse_trailers,
)
from tests.support.worktree import git


def test_a_message_as_it_is_written() -> None:
    message = commit_message(
        "Write back 1 objects from default/demo",
        [
            Trailer(FABRIC, ("default/demo",)),
            object_trailer("apps/v1", "Deployment", "default/web", "6b1f", "42"),
            Trailer(MANAGER, ("kubectl-edit",)),
            Trailer(RUN, ("r-1",)),
        ],
    )
    assert message == (
        "Write back 1 objects from default/demo\n"
        "\n"
        "Tandem-Fabric: default/demo\n"
        "Tandem-Object: apps/v1 Deployment default/web uid=6b1f rv=42\n"
        "Field-Manager: kubectl-edit\n"
        "Tandem-Run: r-1\n"
    )


def test_without_trailers() -> None:
    assert commit_message("subject", []) == "subject\n"


def test_a_subject_stays_on_its_line() -> None:
    assert commit_message("a\n\nTandem-Fabric: forged\x00", []) == "a Tandem-Fabric: forged\n"


def test_a_name_cannot_forge_a_trailer() -> None:
    evil = Trailer(MANAGER, ("x\nTandem-Install: mine",))
    message = commit_message("s", [evil])
    assert "Field-Manager: x%0ATandem-Install:%20mine" in message
    assert parse_trailers(message) == [evil]


@pytest.mark.parametrize(
    ("word", "encoded"),
    [
        ("plain-_.~/:@=+,*()[]{}", "plain-_.~/:@=+,*()[]{}"),
        ("a b", "a%20b"),
        ("100%", "100%25"),
        ("%41", "%2541"),
        ("tab\t", "tab%09"),
        ("é", "%C3%A9"),
        ("\x7f", "%7F"),
    ],
)
def test_how_words_are_encoded(word: str, encoded: str) -> None:
    trailer = Trailer(MANAGER, (word,))
    assert str(trailer) == f"Field-Manager: {encoded}"
    assert parse_trailers(commit_message("s", [trailer])) == [trailer]


KEYS = st.from_regex(r"[A-Za-z][A-Za-z0-9-]{0,10}", fullmatch=True)
WORDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
TRAILERS = st.builds(Trailer, KEYS, st.lists(WORDS, min_size=1, max_size=4).map(tuple))


@given(st.lists(TRAILERS, min_size=1, max_size=5))
def test_what_was_written_is_read_back(trailers: list[Trailer]) -> None:
    assert parse_trailers(commit_message("Write back", trailers)) == trailers


@given(st.text(max_size=200))
def test_any_message_can_be_read(message: str) -> None:
    for trailer in parse_trailers(message):
        assert trailer.key
        assert trailer.words


@pytest.mark.parametrize(
    ("message", "found"),
    [
        ("subject", []),
        ("Tandem-Run: 1", []),
        ("subject\n\nbody text\n", []),
        ("subject\n\nTandem-Run: 1\nbut then text\n", []),
        ("subject\n\nTandem-Run: 1\n\nlast paragraph\n", []),
        ("subject\n\nbody\n\nTandem-Run: 1\n", [("Tandem-Run", "1")]),
        ("subject\r\n\r\nTandem-Run: 1\r\n", [("Tandem-Run", "1")]),
        ("subject\n \nTandem-Run: 1\n\n\n", [("Tandem-Run", "1")]),
        ("subject\n\nSigned-off-by: Ada <a@b>\nTandem-Run: 1", [("Signed-off-by", "Ada <a@b>"), ("Tandem-Run", "1")]),
        ("subject\n\nTandem-Run:1\n", []),
        ("subject\n\nTandem-Run: \n", []),
    ],
)
def test_messages_of_others(message: str, found: list[tuple[str, str]]) -> None:
    assert [(trailer.key, trailer.value) for trailer in parse_trailers(message)] == found


def test_the_real_git_reads_the_same(tmp_path: Path) -> None:
    message = commit_message(
        "Write back",
        [Trailer(EDITED_BY, ("Ada", "<ada@example.com>")), object_trailer("v1", "ConfigMap", "ns/a b", "u", "1")],
    )
    parsed = git("interpret-trailers", "--parse", cwd=tmp_path, stdin=message.encode())
    assert parsed.splitlines() == [str(trailer) for trailer in parse_trailers(message)]
    assert [trailer.key for trailer in parse_trailers(message)] == [EDITED_BY, OBJECT]
