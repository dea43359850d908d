"""`tandem dev`: everything on this machine, kept up."""

from __future__ import annotations

import argparse
from pathlib import Path

from controller.cli.exits import Exit
from controller.cli.parser import Parser
from controller.cli.screen import say
from controller.dev.cluster import Loan
from controller.dev.dev import DevOptions, run_dev
from controller.dev.errors import ControlPlaneError

EXAMPLES = """
tandem dev                              in a new folder, which is removed at the end
tandem dev --data-dir ~/tandem-dev      goes on where it was when it is started again
tandem dev --use-cluster --context kind-kind
"""


def configure(parser: Parser) -> None:
    """Declare the flags."""
    parser.add_argument("--kubeconfig", type=Path, metavar="FILE", help="use this cluster; default: one of its own")
    parser.add_argument("--context", dest="lent_context", metavar="NAME", help="the context of the kubeconfig")
    parser.add_argument(
        "--use-cluster",
        action="store_true",
        help="use a cluster that Tandem did not make: the current one, or that of --kubeconfig and --context",
    )
    # Not a setting: TANDEM_DATA_DIR is a controller's, and this starts one of its own.
    parser.add_argument(
        "--data-dir", type=Path, metavar="FOLDER", help="for everything it writes; default: a new one, then removed"
    )


def execute(options: argparse.Namespace) -> int:
    """Keep everything up until Ctrl-C or SIGTERM."""
    named = options.kubeconfig is not None or options.lent_context is not None
    context = options.lent_context or options.context
    loan = Loan(options.kubeconfig, context, options.use_cluster) if named or options.use_cluster else None
    try:
        return run_dev(DevOptions(options.data_dir, loan))
    except ControlPlaneError as error:
        say(str(error), label="error: ")
        return Exit.FAILED
