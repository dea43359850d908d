"""The composition root of `tandem serve`: the process that listens, beside the controller and without its lock.

It keeps nothing but what it can find again: the Fabrics from a watch, Secrets for some minutes. What it is told it
writes into the controller's database, and the controller does the rest.
"""

from __future__ import annotations

import asyncio
import signal
import time
from contextlib import AsyncExitStack
from importlib.metadata import version

import structlog
from aiohttp import web

from controller.errors import Reason, TandemError
from controller.git.remote import normalized_url
from controller.kube.client import KubeClient
from controller.kube.config import load_config
from controller.kube.kinds import FABRICS
from controller.kube.pool import ReflectorPool
from controller.kube.secrets import Entries, SecretReader
from controller.kube.watch import Reflector
from controller.objects import Json
from controller.runtime.servemetrics import ServeMetrics
from controller.settings import Settings
from controller.store.hints import Hint, HintBox
from controller.web.app import serving
from controller.web.hooks.protocol import HookRefusedError
from controller.web.hooks.routes import Hooks, Listener
from controller.web.probes import add_probes

VERSION = version("tandem-gitops")
TOKEN = "token"  # noqa: S105 - the key in the Secret
SECRET_PAUSE = 5.0  # seconds between two looks at one Secret whose token does not fit: anybody may send nonsense
OPEN_PAUSE = 1.0  # seconds between two attempts to open a database that no controller has made yet

log = structlog.get_logger(__name__)


class HookPost:
    """What is behind the hooks: the Fabrics, their Secrets, and the box that the controller empties."""

    def __init__(self, settings: Settings, secrets: SecretReader, fabrics: list[Reflector]) -> None:
        self._settings = settings
        self._secrets = secrets
        self._fabrics = fabrics
        self._box: HintBox | None = None
        self._reread: dict[tuple[str, str], float] = {}

    def listener(self, namespace: str, name: str) -> Listener | None:
        """The Fabric of that name, as the watch shows it."""
        body = self._body(namespace, name)
        if body is None:
            return None
        repository = body["spec"]["repository"]
        secret = (repository.get("hookSecretRef") or {}).get("name", "")
        return Listener(namespace, name, repository["branch"], secret)

    async def secret(self, listener: Listener, *, reread: bool) -> bytes:
        """The token of the Fabric's Secret."""
        place = (listener.namespace, listener.secret_name)
        if reread:
            now = time.monotonic()
            reread = now - self._reread.get(place, float("-inf")) >= SECRET_PAUSE
            self._reread[place] = now if reread else self._reread[place]
        try:
            return await self._secrets.made(
                *place, "spec.repository.hookSecretRef", Reason.AUTHENTICATION_FAILED, _token, reread=reread
            )
        except TandemError as error:
            log.warning("a hook's Secret cannot be used", fabric=f"{place[0]}/{listener.name}", problem=error.message)
            message = "the token of spec.repository.hookSecretRef cannot be read now; the log says why"
            raise HookRefusedError(503, "secret_unavailable", message) from None

    async def put(self, listener: Listener, commit: str) -> None:
        """Write a hint for the Fabric's branch."""
        body = self._body(listener.namespace, listener.name)
        if body is None:
            return
        url = normalized_url(body["spec"]["repository"]["url"])
        try:
            if self._box is None:
                raise TandemError(Reason.PROGRESSING, "the database is not open yet")
            await self._box.put(Hint(url, listener.branch, commit, time.time()))
        except TandemError as error:
            log.warning("a hint cannot be written", problem=error.message)
            message = "the controller's database cannot be written to now; send it again"
            raise HookRefusedError(503, "database_unavailable", message) from None

    def missing(self) -> str | None:
        """What is still missing before hooks can be taken."""
        if not all(reflector.synced for reflector in self._fabrics):
            return "the Fabrics have not been listed yet"
        return "the controller's database is not there yet" if self._box is None else None

    async def open_box(self) -> None:
        """Open the controller's database as soon as there is one of this version."""
        told = ""
        while self._box is None:
            try:
                self._box = await HintBox.open(self._settings.database_url)
            except TandemError as error:
                if error.message != told:
                    log.warning("the database cannot be opened", problem=error.message)
                told = error.message
                await asyncio.sleep(OPEN_PAUSE)

    async def close(self) -> None:
        """Close the database."""
        if self._box is not None:
            await self._box.close()

    def _body(self, namespace: str, name: str) -> Json | None:
        for reflector in self._fabrics:
            if (found := reflector.get(namespace, name)) is not None:
                return found.body_in(namespace)
        return None


def _token(entries: Entries, where: str) -> bytes:
    """The token of a hook's Secret; a newline at its end is the editor's."""
    token = entries.get(TOKEN, b"").strip()
    if not token:
        raise TandemError(Reason.AUTHENTICATION_FAILED, f"{where} has no {TOKEN}; write the webhook's secret there")
    return token


async def run_server(settings: Settings) -> None:
    """`tandem serve`, whole: until SIGTERM or SIGINT. Raises TandemError, BindError, OSError when the start fails."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    metrics = ServeMetrics(VERSION)
    async with AsyncExitStack() as stack:
        config = await load_config(settings.kubeconfig, settings.context)
        client = await stack.enter_async_context(
            KubeClient(config, timeout=settings.request_timeout, component="serve")
        )
        pool = ReflectorPool(client)
        stack.push_async_callback(pool.close)
        fabrics = [pool.acquire(FABRICS, namespace) for namespace in settings.namespaces or (None,)]
        post = HookPost(settings, SecretReader(client, time.monotonic), fabrics)
        stack.push_async_callback(post.close)
        opening = asyncio.create_task(post.open_box())
        stack.callback(opening.cancel)
        app = web.Application()
        add_probes(app, age=lambda: 0.0, missing=post.missing, registry=metrics.registry)
        Hooks(post, metrics.hook).add_to(app)
        bind = await stack.enter_async_context(serving(app, settings.bind))
        log.info("serving", bind=str(bind), version=VERSION, server=client.server)
        stopped = asyncio.create_task(stop.wait())
        await asyncio.wait({stopped, opening}, return_when=asyncio.FIRST_COMPLETED)
        if opening.done():
            opening.result()
        await stopped
