"""`tandem confirm`: lets a plan through that a guard stopped, by the token that stands for exactly its entries."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from controller.api.meta import CONFIRM
from controller.api.v1alpha1.fabric import Fabric
from controller.cli.cluster import Cluster, on_cluster
from controller.cli.exits import Exit
from controller.cli.parser import Parser
from controller.cli.screen import Screen
from controller.errors import Reason, RejectedError
from controller.kube.kinds import FABRICS

EXAMPLES = """
tandem status web -n shop                   shows what is stopped, and the token
tandem confirm web -n shop 4f2a91c07be1     lets exactly that through
"""


def configure(parser: Parser) -> None:
    """Declare the flags."""
    parser.add_argument("fabric", help="the Fabric's name")
    parser.add_argument("tokens", nargs="+", metavar="token", help="as `tandem status` shows it")


def execute(options: argparse.Namespace) -> int:
    """Write the tokens into the annotation that the controller looks for."""

    async def work(cluster: Cluster) -> str:
        fabric = await cluster.fabric(options.fabric)
        value = confirmation(fabric, options.tokens)
        await cluster.patch(FABRICS, options.fabric, {"metadata": {"annotations": {CONFIRM: value}}})
        return f"Fabric {cluster.namespace}/{options.fabric}: confirmed; the controller goes on with the plan"

    Screen().line(on_cluster(options, work))
    return Exit.DONE


def confirmation(fabric: Fabric, tokens: Sequence[str]) -> str:
    """The annotation's value: these tokens, and those confirmed before that still stop the plan.

    Raises RejectedError for a token that stands for nothing (any more).
    """
    known = {guard.token for guard in fabric.status.guards}
    unknown = [token for token in tokens if token not in known]
    if unknown:
        waiting = f"it waits for {', '.join(sorted(known))}" if known else "no guard stops its plan"
        message = f"{', '.join(unknown)} confirms nothing of Fabric {fabric.metadata.name}: {waiting}"
        raise RejectedError(Reason.INVALID_SPEC, message)
    before = [token.strip() for token in fabric.annotation(CONFIRM).split(",")]
    return ",".join(dict.fromkeys([*(token for token in before if token in known), *tokens]))
