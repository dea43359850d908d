"""`tandem suspend` and `tandem resume`."""

from __future__ import annotations

import argparse

from controller.cli.cluster import Cluster, on_cluster
from controller.cli.exits import Exit
from controller.cli.parser import Parser
from controller.cli.screen import Screen
from controller.kube.kinds import FABRICS

EXAMPLES = """
tandem suspend web -n shop      nothing is read, applied, written or deleted
tandem resume web -n shop       goes on; what changed meanwhile on either side is planned
"""


def configure(parser: Parser) -> None:
    """Declare the flags."""
    parser.add_argument("fabric", help="the Fabric's name")


def execute(options: argparse.Namespace) -> int:
    """Set spec.suspend."""
    wanted = options.command == "suspend"

    async def work(cluster: Cluster) -> str:
        fabric = await cluster.fabric(options.fabric)
        name = f"Fabric {cluster.namespace}/{options.fabric}"
        if fabric.spec.suspend is wanted:
            return f"{name} is {'suspended already' if wanted else 'not suspended'}"
        await cluster.patch(FABRICS, options.fabric, {"spec": {"suspend": wanted}})
        return f"{name} {'suspended' if wanted else 'resumed'}"

    Screen().line(on_cluster(options, work))
    return Exit.DONE
