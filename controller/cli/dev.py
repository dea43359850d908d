"""`tandem dev`: everything on this machine, kept up."""

from __future__ import annotations

import argparse
from pathlib import Path

from controller.cli.exits import Exit
from controller.cli.parser import Parser
from controller.cli.screen import say
from controller.dev.dev import DevOptions, run_dev
from controller.dev.errors import ControlPlaneError

EXAMPLES = """
tandem dev                              in a new folder, which is removed at the end
tandem dev --data-dir ~/tandem-dev      goes on where it was when it is started again
"""


def configure(parser: Parser) -> None:
    """Declare the flags."""
    # Not a setting: TANDEM_DATA_DIR is a controller's, and this starts one of its own.
    parser.add_argument(
        "--data-dir", type=Path, metavar="FOLDER", help="for everything it writes; default: a new one, then removed"
    )


def execute(options: argparse.Namespace) -> int:
    """Keep everything up until Ctrl-C or SIGTERM."""
    try:
        return run_dev(DevOptions(options.data_dir))
    except ControlPlaneError as error:
        say(str(error), label="error: ")
        return Exit.FAILED
