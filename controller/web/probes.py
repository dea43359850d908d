"""What Kubernetes and Prometheus ask a process: `/livez`, `/readyz`, `/metrics`.

Liveness is bound to progress: a process whose oldest piece of work has been due for too long is stuck, whatever its
loop says. Readiness means that the caches are filled and a first look at the world is complete.
"""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.aiohttp import make_aiohttp_handler

MAX_WORK_AGE = 600.0
"""Seconds that work may be due or under way: well beyond the slowest clone, well below anybody's patience."""

Age = Callable[[], float]
"""Seconds since the longest-due piece of work became due; 0 when nothing is due."""

Missing = Callable[[], str | None]
"""What is still missing before the process is of use, in words; None when it is ready."""


def add_probes(
    app: web.Application, age: Age, missing: Missing, registry: CollectorRegistry, max_age: float = MAX_WORK_AGE
) -> None:
    """Let `app` answer the three paths."""

    async def livez(_: web.Request) -> web.Response:
        oldest = age()
        if oldest > max_age:
            return web.Response(status=503, text=f"no progress: work has been due for {oldest:.0f} s\n")
        return web.Response(text="ok\n")

    async def readyz(_: web.Request) -> web.Response:
        wanting = missing()
        if wanting is not None:
            return web.Response(status=503, text=f"not ready: {wanting}\n")
        return web.Response(text="ok\n")

    app.router.add_get("/livez", livez)
    app.router.add_get("/readyz", readyz)
    app.router.add_get("/metrics", make_aiohttp_handler(registry))
