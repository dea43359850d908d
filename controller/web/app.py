"""A server that runs inside another process's loop: started, told where it listens, stopped."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from controller.web.bind import Bind, parse_bind

_SHUTDOWN = 1.0
"""Seconds that open connections have to finish: probes and scrapes are short."""


@asynccontextmanager
async def serving(app: web.Application, bind: str) -> AsyncIterator[Bind]:
    """Serve `app` on `bind` (HOST:PORT) while the block runs; gives the address it really listens on.

    Raises BindError for an address that is none, OSError for one that is taken or not ours.
    """
    where = parse_bind(bind)
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=_SHUTDOWN)
    await runner.setup()
    try:
        await web.TCPSite(runner, where.host or None, where.port).start()
        host, port = runner.addresses[0][:2]
        yield Bind(host, port)
    finally:
        await runner.cleanup()
