"""`tandem serve`: the process that listens for Git servers, with settings from flags and the environment."""

from __future__ import annotations

import argparse
import asyncio

from controller.cli.engine import process_settings
from controller.cli.exits import Exit
from controller.cli.parser import Parser, add_engine_flags, add_log_flags, console_of
from controller.errors import Reason, StalledError
from controller.runtime.logging import configure_logging
from controller.serving import run_server
from controller.web.bind import BindError

EXAMPLES = """
tandem serve --data-dir /var/lib/tandem --bind 0.0.0.0:8090     beside a controller with the same data folder
TANDEM_DATABASE=postgresql://… tandem serve
"""


def configure(parser: Parser) -> None:
    """Declare the flags."""
    add_engine_flags(parser)
    parser.add_setting("--bind", metavar="HOST:PORT", help="where to listen; default: 127.0.0.1:8090")
    add_log_flags(parser)


def execute(options: argparse.Namespace) -> int:
    """Serve until SIGTERM or SIGINT."""
    configure_logging(options.log_level, console=console_of(options))
    settings = process_settings(options)
    try:
        asyncio.run(run_server(settings))
    except BindError as error:
        raise StalledError(Reason.INVALID_SPEC, f"--bind: {error}") from error
    except OSError as error:
        raise StalledError(Reason.PROGRESSING, f"--bind {settings.bind}: {error.strerror or error}") from error
    return Exit.DONE
