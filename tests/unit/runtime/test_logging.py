"""What a line says, and what it never shows."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from controller.runtime.logging import HIDDEN, bind_revision, bind_run, configure_logging


class Stream(io.StringIO):
    """What was logged, decoded."""

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.getvalue().splitlines()]

    @property
    def line(self) -> dict[str, Any]:
        (line,) = self.lines
        return line


@pytest.fixture
def restored() -> Iterator[None]:
    """The logging of the test run, put back as it was."""
    root = logging.getLogger()
    before = root.handlers[:], root.level
    yield
    logging.captureWarnings(capture=False)
    root.handlers[:], level = before
    root.setLevel(level)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


@pytest.fixture
def stream(restored: None) -> Stream:
    stream = Stream()
    configure_logging(stream=stream)
    return stream


def test_a_line_is_json(stream: Stream) -> None:
    structlog.get_logger("controller.sync").info("applied", objects=3)
    line = stream.line
    assert line.pop("timestamp").endswith("Z")
    assert line == {"level": "info", "event": "applied", "logger": "controller.sync", "objects": 3}


def test_time_level_and_event_come_first(stream: Stream) -> None:
    structlog.get_logger("controller.sync").info("applied", a=1)
    assert list(stream.line)[:3] == ["timestamp", "level", "event"]


def test_every_line_of_a_run_says_which(stream: Stream) -> None:
    log = structlog.get_logger("controller.sync")
    with bind_run(fabric="shop/web", run="r-1"):
        log.info("fetching")
        bind_revision("1a2b3c4")
        log.info("planning")
        logging.getLogger("aiohttp.client").warning("slow: %s s", 3)
    log.info("after")
    fetching, planning, library, after = stream.lines
    assert (fetching["fabric"], fetching["run"], fetching["revision"]) == ("shop/web", "r-1", "")
    assert (planning["fabric"], planning["run"], planning["revision"]) == ("shop/web", "r-1", "1a2b3c4")
    assert (library["fabric"], library["run"], library["event"]) == ("shop/web", "r-1", "slow: 3 s")
    assert not {"fabric", "run", "revision"} & set(after)


async def test_runs_side_by_side_do_not_mix(stream: Stream) -> None:
    log = structlog.get_logger("controller.sync")

    async def run(fabric: str) -> None:
        with bind_run(fabric=fabric, run=f"run of {fabric}"):
            for _ in range(5):
                log.info("step")
                await asyncio.sleep(0)

    await asyncio.gather(*(asyncio.create_task(run(fabric)) for fabric in "abc"))
    assert len(stream.lines) == 15
    assert all(line["run"] == f"run of {line['fabric']}" for line in stream.lines)


@pytest.mark.parametrize(
    "key",
    [
        "password",
        "Password",
        "db_passwd",
        "passphrase",
        "token",
        "bearerToken",
        "access_token",
        "Authorization",
        "set-cookie",
        "credentials",
        "private_key",
        "privateKey",
        "api_key",
        "client_secret",
        "data",
        "stringData",
        "identity",
        "tls.key",
    ],
)
def test_values_under_telling_keys_are_not_shown(stream: Stream, key: str) -> None:
    structlog.get_logger("x").info("read", **{key: "hunter2"}, nested={"list": [{key: {"deep": "hunter2"}}]})
    assert "hunter2" not in stream.getvalue()
    assert stream.line[key] == HIDDEN
    assert stream.line["nested"] == {"list": [{key: HIDDEN}]}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("objects", 7),
        ("name", "web"),
        ("stateToken", "abc"),
        ("continue_token", "xyz"),
        ("metadata", {"labels": {"a": "b"}}),
        ("secrets", 3),
        ("database", "sqlite"),
        ("tokens_read", None),
        ("password", ""),
        ("password", None),
    ],
)
def test_what_is_harmless_stays(stream: Stream, key: str, value: object) -> None:
    structlog.get_logger("x").info("read", **{key: value})
    assert stream.line[key] == value


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://me:hunter2@git.example/repo", f"https://{HIDDEN}@git.example/repo"),
        ("https://hunter2@git.example/repo", f"https://{HIDDEN}@git.example/repo"),
        ("could not read https://a:hunter2@h/x: 403", f"could not read https://{HIDDEN}@h/x: 403"),
        ("Authorization: Bearer hunter2hunter2", f"Authorization: Bearer {HIDDEN}"),
        ("Basic aHVudGVyMmh1bnRlcjI=", f"Basic {HIDDEN}"),
        ("https://git.example/a@b", "https://git.example/a@b"),
        ("mail me@example.org", "mail me@example.org"),
        ("ssh://git.example:22/x", "ssh://git.example:22/x"),
        ("Bearer of bad news", "Bearer of bad news"),
    ],
)
def test_credentials_inside_a_text_are_not_shown(stream: Stream, text: str, shown: str) -> None:
    log = structlog.get_logger("x")
    log.info(text)
    log.info("said", what=text, nested=[{"deep": text}])
    first, second = stream.lines
    assert first["event"] == shown
    assert second["what"] == shown
    assert second["nested"] == [{"deep": shown}]


def test_an_exception_is_shown_without_its_credentials(stream: Stream) -> None:
    try:
        raise ValueError("cannot clone https://me:hunter2@h/x")
    except ValueError:
        structlog.get_logger("x").exception("fetch failed")
    assert "hunter2" not in stream.line["exception"].splitlines()[-1]
    assert stream.line["exception"].startswith("Traceback")
    assert stream.line["level"] == "error"


def test_an_exception_that_is_handed_in(stream: Stream) -> None:
    structlog.get_logger("x").error("failed", exc_info=ValueError("broken"))
    assert stream.line["exception"] == "ValueError: broken"


def test_what_json_has_no_word_for_is_its_text(stream: Stream) -> None:
    structlog.get_logger("x").info("read", path=Path("/a"), error=ValueError("at https://u:hunter2@h"), raw=b"\x00")
    assert stream.line["path"] == "/a"
    assert stream.line["error"] == f"at https://{HIDDEN}@h"
    assert stream.line["raw"] == "b'\\x00'"


@pytest.mark.parametrize(
    ("name", "level", "heard"),
    [
        ("kopf.objects", "info", False),
        ("kopf.objects", "warning", True),
        ("kopf._core.reactor.running", "warning", False),
        ("kopf._core.reactor.running", "error", True),
        ("aiohttp.access", "info", False),
        ("alembic.runtime.migration", "info", False),
        ("sqlalchemy.engine", "info", False),
        ("kubernetes.client.rest", "debug", False),
        ("controller.sync", "info", True),
        ("controller.sync", "debug", False),
        ("anything.else", "info", True),
    ],
)
def test_what_is_heard_of_whom(stream: Stream, name: str, level: str, *, heard: bool) -> None:
    getattr(logging.getLogger(name), level)("hello")
    assert bool(stream.lines) == heard


def test_libraries_stay_quiet_when_we_are_verbose(restored: None) -> None:
    stream = Stream()
    configure_logging("debug", stream=stream)
    structlog.get_logger("controller.sync").debug("ours")
    logging.getLogger("kopf.objects").debug("theirs")
    assert [line["event"] for line in stream.lines] == ["ours"]


def test_a_librarys_extras_are_kept_and_looked_at(stream: Stream) -> None:
    logging.getLogger("library").warning("sent", extra={"token": "hunter2", "size": 4})
    assert (stream.line["token"], stream.line["size"]) == (HIDDEN, 4)


def test_warnings_are_logged(stream: Stream) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(capture=True)
        warnings.warn("old", DeprecationWarning, stacklevel=1)
        logging.captureWarnings(capture=False)
    assert "DeprecationWarning: old" in stream.line["event"]


def test_on_a_terminal_it_is_text(restored: None) -> None:
    class Terminal(Stream):
        def isatty(self) -> bool:
            return True

    stream = Terminal()
    configure_logging(stream=stream)
    structlog.get_logger("x").info("applied", password="hunter2", fabric="shop/web")
    text = stream.getvalue()
    assert "applied" in text
    assert "shop/web" in text
    assert "hunter2" not in text


def test_configuring_again_replaces_the_first(stream: Stream) -> None:
    second = Stream()
    configure_logging(stream=second)
    structlog.get_logger("x").info("hello")
    assert stream.lines == []
    assert second.line["event"] == "hello"


def test_nothing_that_is_logged_steers_a_terminal(restored: None) -> None:
    """File names, branch names and servers' words are anybody's."""
    text = "evil\x1b]0;title\x07\x1b[2J\x9b31m\u202e\nforged"
    stream = io.StringIO()
    configure_logging(stream=stream, console=True)
    structlog.get_logger("controller.sync").warning("the run stopped", problem=text)
    logging.getLogger("controller.kube").warning("an event was not written: %s", text)
    try:
        raise ValueError(text)
    except ValueError:
        structlog.get_logger("controller.sync").exception("failed")
    said = stream.getvalue()
    assert [ord(character) for character in said if ord(character) < 0x20 and character not in "\n\t"] == []
    assert not {"\x9b", "\u202e"} & set(said)
    assert [line for line in said.splitlines() if line.startswith("forged")] == ["forged"]  # of the traceback
    assert "an event was not written: evil␛]0;title␇␛[2J" in said
