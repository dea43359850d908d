"""`tandem version`: of this program, of the cluster, and of the definitions in it."""

from __future__ import annotations

import argparse
from importlib.metadata import version
from typing import Any

import orjson

from controller.cli.cluster import Cluster, on_cluster
from controller.cli.definitions import Definition, installed_definitions
from controller.cli.exits import Exit
from controller.cli.parser import Parser
from controller.cli.screen import Screen

EXAMPLES = """
tandem version
tandem version --client
tandem version -o json
"""


def configure(parser: Parser) -> None:
    """Declare the flags."""
    parser.add_argument("--client", action="store_true", help="of this program only; asks no cluster")
    parser.add_argument("-o", "--output", choices=("json",), help="for programs")


def execute(options: argparse.Namespace) -> int:
    """Print the versions; what is known of this program is printed also when no cluster answers."""
    told: dict[str, Any] = {"client": version("tandem-gitops")}
    screen = Screen()
    if not options.output:
        screen.line(f"client   {told['client']}")
    if not options.client:
        server, definitions = on_cluster(options, _ask)
        told |= {"server": server, "definitions": [_told(definition) for definition in definitions]}
        if not options.output:
            screen.line(f"server   {server}")
            screen.lines(definition_line(definition) for definition in definitions)
    if options.output:
        screen.json(told)
    return Exit.DONE


async def _ask(cluster: Cluster) -> tuple[str, list[Definition]]:
    server = orjson.loads(await cluster.client.request("GET", "/version"))["gitVersion"]
    return server, await installed_definitions(cluster.client)


def definition_line(definition: Definition) -> str:
    """`fabrics.tandem.dev   v1alpha1, same as this program's`."""
    served = ", ".join(definition.served)
    return f"{definition.name}   {f'{served}, ' if served else ''}{definition.state}"


def _told(definition: Definition) -> dict[str, Any]:
    return {"name": definition.name, "served": list(definition.served), "state": definition.state.name.lower()}
