"""`tandem crds`: the custom resource definitions, printed or installed."""

from __future__ import annotations

import argparse
import asyncio
import sys
from contextlib import aclosing

import orjson

from controller.api.crd import crd_files
from controller.cli.cluster import MANAGER, Cluster, on_cluster
from controller.cli.definitions import is_established, wanted_definitions
from controller.cli.exits import Exit
from controller.cli.parser import Parser, parse_seconds
from controller.cli.screen import Screen, say
from controller.kube.client import APPLY_PATCH
from controller.kube.errors import NotFoundError
from controller.kube.resources import CRDS
from controller.objects import Json

EXAMPLES = """
tandem crds                       prints them
tandem crds | kubectl apply --server-side -f -
tandem crds --install             applies them, and waits until they are served
"""


def configure(parser: Parser) -> None:
    """Declare the flags."""
    parser.add_argument(
        "--install", action="store_true", help="apply them to the cluster and wait until they are served"
    )
    parser.add_argument("--timeout", type=parse_seconds, default=60.0, metavar="TIME", help="to wait; default: 60s")


def execute(options: argparse.Namespace) -> int:
    """Print or install the definitions."""
    if not options.install:
        sys.stdout.write("---\n".join(crd_files().values()))
        return Exit.DONE
    try:
        Screen().lines(on_cluster(options, lambda cluster: install(cluster, options.timeout)))
    except TimeoutError:
        say(f"the definitions are applied, but not served within {options.timeout:g} s", label="error: ")
        return Exit.TIMED_OUT
    return Exit.DONE


async def install(cluster: Cluster, patience: float) -> list[str]:
    """Apply every definition and wait until all are served; a line for each. Raises TimeoutError, KubeError."""
    lines = [await _apply(cluster, definition) for definition in wanted_definitions()]
    async with asyncio.timeout(patience):
        for definition in wanted_definitions():
            await _until_served(cluster, definition["metadata"]["name"])
    return lines


async def _until_served(cluster: Cluster, name: str) -> None:
    async with aclosing(cluster.follow(CRDS, name)) as states:
        async for state in states:
            if is_established(state):
                return


async def _apply(cluster: Cluster, definition: Json) -> str:
    name = definition["metadata"]["name"]
    try:
        before = (await cluster.client.get(CRDS, "", name))["metadata"]["generation"]
    except NotFoundError:
        before = 0
    query = f"fieldManager={MANAGER}&force=true&fieldValidation=Strict"
    body = orjson.dumps(definition)
    answer = orjson.loads(
        await cluster.client.request("PATCH", CRDS.path(name=name), query, body, content_type=APPLY_PATCH)
    )
    after = answer["metadata"]["generation"]
    return f"{name} {'created' if not before else 'unchanged' if before == after else 'updated'}"
