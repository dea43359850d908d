"""Structured logs: every line of a run says which fabric, which run and which revision, and none shows a secret.

`bind_run` puts the three into the context of the task that works on the run; everything logged in it, by us or by a
library (kopf, aiohttp, kubernetes, alembic log through `logging`), carries them. Lines are JSON, or coloured text on
a terminal.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TextIO

import orjson
import structlog
from structlog.contextvars import bound_contextvars, merge_contextvars
from structlog.typing import EventDict, Processor, WrappedLogger

HIDDEN = "[hidden]"

_SECRET_KEY = re.compile(
    r"passw(or)?d|passphrase|token|secret$|authorization|cookie|credential|private[_-]?key|api[_-]?key|"
    r"^(identity|data|stringdata|tls\.key)$",
    re.IGNORECASE,
)
"""Keys whose values are not shown: the usual names of credentials, and the payload of a Secret."""

_OPEN_KEYS = frozenset({"continue_token", "state_token", "stateToken", "statetoken"})
"""Keys that look like a credential and are none."""

_USERINFO = re.compile(r"(?<=://)[^/\s:@]+(:[^/\s@]*)?(?=@)")
"""`user:password` in a URL."""

_BEARER = re.compile(r"\b(Bearer|Basic) [A-Za-z0-9._~+/=-]{6,}")
"""A credential in the form of a header's value."""

_PICTURES = {code: 0x2400 + code for code in range(0x20) if chr(code) not in "\n\t"} | dict.fromkeys(
    [*range(0x7F, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A)], 0xFFFD
)
"""Control characters, and those that reorder a line, to what a terminal only shows."""

_QUIET = {
    # One line per handler call, and a warning that signals are not handled in a thread, where they must not be.
    "kopf": logging.WARNING,
    "kopf._core.reactor.running": logging.ERROR,
    "aiohttp.access": logging.WARNING,
    "alembic": logging.WARNING,
    "sqlalchemy": logging.WARNING,
    "asyncio": logging.WARNING,
    # It logs whole requests, headers and bodies included, when it is asked for more.
    "kubernetes": logging.WARNING,
}
"""The level from which libraries are heard, whatever our own level is."""


@contextmanager
def bind_run(*, fabric: str, run: str, revision: str = "") -> Iterator[None]:
    """Let every line logged inside carry the run: the fabric as `namespace/name`, its run id, the commit if known."""
    with bound_contextvars(fabric=fabric, run=run, revision=revision):
        yield


def bind_revision(revision: str) -> None:
    """Let the lines of the run that follow carry the commit, once it is known."""
    structlog.contextvars.bind_contextvars(revision=revision)


def configure_logging(level: str = "info", *, stream: TextIO | None = None, console: bool | None = None) -> None:
    """Send everything that is logged, by whatever way, to `stream` (stderr); text if it is a terminal, else JSON."""
    stream = stream or sys.stderr
    console = stream.isatty() if console is None else console
    shared: list[Processor] = [
        merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared, processors=_last_steps(console=console, coloured=stream.isatty())
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name, least in _QUIET.items():
        logging.getLogger(name).setLevel(max(least, root.level))
    logging.captureWarnings(capture=True)


def _last_steps(*, console: bool, coloured: bool) -> list[Processor]:
    drop = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    if console:
        return [
            drop,
            structlog.processors.format_exc_info,
            hide_secrets,
            show_controls,
            structlog.dev.ConsoleRenderer(colors=coloured),
        ]
    return [drop, structlog.processors.format_exc_info, hide_secrets, _as_json]


def show_controls(_: WrappedLogger, __: str, line: EventDict) -> EventDict:
    """Make visible what would steer the terminal, or begin a line that nobody logged; JSON escapes it by itself.

    The renderer does so for all values but these two.
    """
    shown = {key: line[key].translate(_PICTURES) for key in ("event", "exception") if isinstance(line.get(key), str)}
    shown |= {"event": shown["event"].replace("\n", "␊")} if "event" in shown else {}
    return {**line, **shown}


def hide_secrets(_: WrappedLogger, __: str, line: EventDict) -> EventDict:
    """Replace what must not be shown: values under telling keys, at any depth, and credentials inside texts."""
    return {key: _shown(key, value) for key, value in line.items()}


def _shown(key: str, value: Any) -> Any:
    if _SECRET_KEY.search(key) and key not in _OPEN_KEYS and value not in (None, "", False, True):
        return HIDDEN
    return _open(value)


def _open(value: Any) -> Any:
    """A value under a harmless key, with what is inside looked at."""
    if isinstance(value, str):
        return _BEARER.sub(rf"\1 {HIDDEN}", _USERINFO.sub(HIDDEN, value))
    if isinstance(value, Mapping):
        return {str(key): _shown(str(key), item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        return [_open(item) for item in value]
    return value


def _as_json(_: WrappedLogger, __: str, line: EventDict) -> str:
    first = {key: line.pop(key) for key in ("timestamp", "level", "event") if key in line}
    return orjson.dumps({**first, **line}, default=_plain, option=orjson.OPT_NON_STR_KEYS).decode()


def _plain(value: Any) -> str:
    """What JSON has no word for: its text, looked at as any other text."""
    return str(_open(str(value)))
