"""`tandem demo`: the story of a commit, a live edit and a conflict, with everything real."""

from __future__ import annotations

import argparse
from pathlib import Path

from controller.cli.exits import Exit
from controller.cli.parser import Parser, parse_seconds
from controller.cli.screen import say
from controller.dev.demo import DemoOptions, run_demo
from controller.dev.errors import ControlPlaneError

EXAMPLES = """
tandem demo
tandem demo --data-dir ./story          keeps the repository, the logs and the cluster's state
tandem demo --no-controller             every step must fail: nothing else does the work
"""


def configure(parser: Parser) -> None:
    """Declare the flags."""
    # Not a setting: TANDEM_DATA_DIR is a controller's, and this starts one of its own.
    parser.add_argument(
        "--data-dir", type=Path, metavar="FOLDER", help="for everything it writes, kept; default: a new one, removed"
    )
    parser.add_argument(
        "--timeout", type=parse_seconds, default=20.0, metavar="TIME", help="for each step to be true; default: 20s"
    )
    parser.add_argument("--no-controller", action="store_true", help="do everything but start the controller")


def execute(options: argparse.Namespace) -> int:
    """Walk through it; 1 as soon as a step is not true."""
    if options.kubeconfig is not None:
        options.parser.error("the demo makes a cluster of its own; `dev --use-cluster` works on yours")
    try:
        return run_demo(DemoOptions(options.data_dir, options.timeout, controller=not options.no_controller))
    except ControlPlaneError as error:
        say(str(error), label="error: ")
        return Exit.FAILED
