"""The composition root of `tandem run`: builds every concrete thing in the order it is needed, and takes it down again.

Nothing below this module knows which implementation it is given; nothing above it builds anything.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, closing, contextmanager
from functools import partial
from importlib.metadata import version
from ipaddress import ip_network
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

import structlog
from aiohttp import web

from controller.git.forge.network import Network
from controller.git.mirrors import Mirrors
from controller.git.proxy import Proxy
from controller.git.remote import UrlRules
from controller.kube.apply import Writer
from controller.kube.client import KubeClient
from controller.kube.config import load_config
from controller.kube.events import EventRecorder
from controller.kube.kinds import FABRICS, SYNC_CONFLICTS, SYNC_JOBS
from controller.kube.pool import ReflectorPool
from controller.kube.secrets import SecretReader
from controller.notify.addresses import AddressRules
from controller.notify.mail import Mailer, mail_server_at
from controller.notify.posting import Poster
from controller.objects import Json, ObjectKey
from controller.runtime.configs import Change as ConfigChange
from controller.runtime.configs import ConfigCache
from controller.runtime.events import Announcer
from controller.runtime.kopf_glue import ALL, Admission, KopfOperator
from controller.runtime.metrics import Metrics
from controller.runtime.queue import WorkQueue
from controller.runtime.status import StatusWriter, status_replacer
from controller.runtime.tasks import Supervisor
from controller.settings import Settings
from controller.sops.locate import find_sops
from controller.sops.program import Sops
from controller.sops.room import best_place, sweep
from controller.store.copy import copy_database, told_as
from controller.store.store import Store
from controller.sync.attribution import Attribution
from controller.sync.conflicts import MANAGER
from controller.sync.courier import Courier
from controller.sync.fabrics import Fabrics
from controller.sync.forges import Forges
from controller.sync.hints import HintDesk
from controller.sync.installation import Lifetime, installation_of, known_installation
from controller.sync.mailroom import Mailroom
from controller.sync.parsing import ParserPool
from controller.sync.reach import TargetCluster
from controller.sync.review import FabricReview
from controller.sync.sealing import Sealing
from controller.sync.source import SourceReader
from controller.sync.targets import Connect, Targets
from controller.sync.tidying import tidy
from controller.sync.tools import Tools
from controller.sync.trust import Trust
from controller.sync.writeback import WriteBack
from controller.web.admission import AdmissionServer
from controller.web.app import serving
from controller.web.probes import add_probes

VERSION = version("tandem-gitops")
DRAIN = 8.0  # seconds a run may take to end after SIGTERM; the whole stop has 10
JANITOR = 60.0  # seconds between two looks for what has had its time

log = structlog.get_logger(__name__)


@asynccontextmanager
async def assembled(
    settings: Settings, supervisor: Supervisor, metrics: Metrics, *, makes_identity: bool = True
) -> AsyncIterator[Tools]:
    """Everything the sync engine stands on, for one process. Raises TandemError when the outside cannot be reached.

    `makes_identity`: whether an installation that has no identity yet is given one, in the cluster.
    """
    async with AsyncExitStack() as stack:
        config = await load_config(settings.kubeconfig, settings.context)
        connect = _connect(settings, metrics, "controller" if makes_identity else "cli")
        client = await stack.enter_async_context(connect.client(config))
        store = await Store.open(settings.database_url)
        stack.push_async_callback(store.close)
        parser = await stack.enter_async_context(ParserPool(settings.bounds, died=metrics.parser_restarted))
        rules = _url_rules(settings, config.server)
        folder = settings.data_dir / "mirrors"
        mirrors = Mirrors(folder, rules, settings.git_timeout, metrics.git_call, proxy=_proxy(settings))
        stack.callback(mirrors.close)
        recorder = EventRecorder(client, dropped=metrics.event_dropped)
        stack.push_async_callback(recorder.close)
        secrets = SecretReader(client, time.monotonic)
        sealing = Sealing(secrets, _sops(settings), parser)
        installation = (
            await installation_of(settings, client, Writer(client), store)
            if makes_identity
            else await known_installation(settings, client, store)
        )
        home = TargetCluster(client, Lifetime(client, installation.cluster), pool=connect.pool(client))
        stack.push_async_callback(home.close)
        targets = Targets(home, secrets, rules, connect)
        stack.push_async_callback(targets.close)
        forges = Forges(secrets, Network(rules, _proxy(settings)))
        stack.push_async_callback(forges.aclose)

        yield Tools(
            installation=installation,
            client=client,
            writer=home.writer,
            targets=targets,
            source=SourceReader(secrets, mirrors, parser, sealing, settings.bounds),
            forges=forges,
            trust=Trust(secrets),
            sealing=sealing,
            parser=parser,
            writeback=WriteBack(parser, sealing, installation.id),
            store=store,
            statuses=StatusWriter(status_replacer(client, MANAGER), supervisor),
            announcer=Announcer(recorder.record),
            metrics=metrics,
            mailroom=_mailroom(settings, secrets),
            attribution=Attribution(time.time, metrics.attributed),
            wall=time.time,
        )


@asynccontextmanager
async def previewing(settings: Settings, missing: Callable[[], None]) -> AsyncIterator[Tools]:
    """The same for a plan that is only looked at, beside a controller or without one: it leaves no trace.

    The database is a copy, the mirrors are its own. Without a database everything is planned as by a controller
    that has lost its own; `missing` is called then.
    """
    with TemporaryDirectory(prefix="tandem-plan-") as scratch:
        folder = Path(scratch)
        copy = folder / "tandem.db"
        if not await copy_database(settings.database_url, copy):
            missing()
        private = settings.model_copy(update={"database": f"sqlite:///{copy}", "data_dir": folder})
        supervisor = Supervisor()
        try:
            with told_as(settings.database_url, copy):
                async with assembled(private, supervisor, Metrics(VERSION), makes_identity=False) as tools:
                    yield tools
        finally:
            await supervisor.stop()


@asynccontextmanager
async def looking_at_git(settings: Settings, client: KubeClient) -> AsyncIterator[SourceReader]:
    """The Git side alone, to ask remotes where their branches are; what it has to keep is dropped at the end."""
    with TemporaryDirectory(prefix="tandem-git-") as scratch:
        rules = _url_rules(settings, client.server)
        mirrors = Mirrors(Path(scratch), rules, settings.git_timeout, proxy=_proxy(settings))
        try:
            secrets = SecretReader(client, time.monotonic)
            parser = ParserPool(settings.bounds)
            sealing = Sealing(secrets, _sops(settings), parser)
            yield SourceReader(secrets, mirrors, parser, sealing, settings.bounds)
        finally:
            mirrors.close()


def _connect(settings: Settings, metrics: Metrics, component: str) -> Connect:
    """How API servers are spoken to, and what of it is measured."""
    return Connect(
        client=partial(
            KubeClient,
            in_flight=settings.in_flight,
            timeout=settings.request_timeout,
            observe=metrics.api_request,
            component=component,
        ),
        pool=partial(ReflectorPool, broken=metrics.watch_restarted),
    )


def _url_rules(settings: Settings, server: str) -> UrlRules:
    """Which Git servers may be spoken to. The API server is none: a Fabric must not make the controller talk to it."""
    host = urlsplit(server).hostname
    if settings.allow_insecure_git or host is None:
        return UrlRules(settings.allow_insecure_git)
    return UrlRules(refused_hosts=frozenset({host}))


def _proxy(settings: Settings) -> Proxy:
    return Proxy(settings.git_proxy, settings.git_no_proxy)


def _mailroom(settings: Settings, secrets: SecretReader) -> Mailroom:
    """The senders of notifications. Raises StalledError: a flag for them cannot be worked with."""
    return Mailroom(
        secrets,
        Poster(AddressRules(tuple(ip_network(network) for network in settings.webhook_allow_cidr))),
        Mailer(mail_server_at(settings.smtp_url), settings.smtp_from) if settings.smtp_url else None,
        settings.notify_after,
        time.time,
    )


def _sops(settings: Settings) -> Sops:
    """The sops program; what one that was killed here left behind is removed."""
    place = best_place(settings.data_dir / "private")
    sweep(place)
    return Sops(lambda: find_sops(settings.sops, os.environ), place)


class Controller:
    """`tandem run`: one process that looks after every Fabric it may see."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._metrics = Metrics(VERSION)
        self._supervisor = Supervisor(restarted=self._metrics.task_restarted)
        self._queue: WorkQueue[ObjectKey] = WorkQueue(hooks=self._metrics.queue_hooks())
        self._cache: ConfigCache | None = None

    async def run(self) -> None:
        """Run until SIGTERM or SIGINT. Raises TandemError when the start fails, TaskEndedError when a part dies."""
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        self._metrics.watch_queue(self._queue)
        app = web.Application()
        add_probes(
            app,
            age=self._queue.oldest_unfinished_age,
            missing=self._missing,
            registry=self._metrics.registry,
        )
        async with serving(app, self._settings.metrics_bind) as bind:
            log.info("the probes answer", bind=str(bind), version=VERSION)
            tools_ready = assembled(self._settings, self._supervisor, self._metrics)
            async with tools_ready as tools:
                try:
                    await self._work(tools, stop)
                finally:
                    log.info("stopping")
                    await self._queue.stop(DRAIN)
                    await self._supervisor.stop()

    async def _work(self, tools: Tools, stop: asyncio.Event) -> None:
        cache = ConfigCache(FABRICS, self._on_fabric, self._settings.namespaces or (ALL,))
        fabrics = Fabrics(tools, cache, self._queue, time.monotonic)
        await self._follow(tools, fabrics)
        with self._admission_server(tools.attribution) as server:
            await self._watch_fabrics(tools, cache, server)
            await self._work_on(tools, cache, fabrics, stop)

    async def _work_on(self, tools: Tools, cache: ConfigCache, fabrics: Fabrics, stop: asyncio.Event) -> None:
        """Work off the queue until a part is lost or the process is to stop."""
        self._supervisor.start("queue", self._queue.run(self._settings.workers, fabrics.handle), essential=True)
        self._supervisor.start("the database's lock", tools.store.keep(), essential=True)
        self._supervisor.start("the cluster's identity", tools.targets.home.lifetime.watch(), essential=True)
        desk = HintDesk(tools, cache, fabrics, self._queue, time.monotonic)
        self._supervisor.keep_up("hints", desk.run)
        self._supervisor.keep_up("plans on requests", fabrics.pulls.run)
        self._supervisor.keep_up("notifications", Courier(tools, cache).run)
        self._supervisor.keep_up("janitor", lambda: _tidy(tools, fabrics, self._settings.mirror_quota))
        self._cache = cache
        log.info("running", server=tools.client.server, install=tools.installation.id)
        lost = asyncio.create_task(self._supervisor.lost())
        stopped = asyncio.create_task(stop.wait())
        done, pending = await asyncio.wait({lost, stopped}, return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()
        for task in done:
            task.result()

    def _missing(self) -> str | None:
        """What is still missing before the process is of use; asked anew at every probe."""
        if self._cache is None:
            return "the controller is starting"
        return None if self._cache.filled else "the Fabrics have not been listed yet"

    @contextmanager
    def _admission_server(self, attribution: Attribution) -> Iterator[AdmissionServer | None]:
        """The server for the API server's questions, listening; None if it is not to ask."""
        settings, loop = self._settings, asyncio.get_running_loop()

        def take_note(body: Json) -> None:
            """In the server's thread: what is small enough goes on to ours, before the API server is answered."""
            if (review := attribution.read(body)) is not None:
                loop.call_soon_threadsafe(attribution.note, review)

        if not settings.webhook_bind or settings.webhook_cert_dir is None:
            yield None
            return
        server = AdmissionServer(
            settings.webhook_bind, settings.webhook_cert_dir, take_note, settings.webhook_client_ca
        )
        with closing(server):
            log.info("the webhook answers", bind=server.open())
            yield server

    async def _watch_fabrics(self, tools: Tools, cache: ConfigCache, server: AdmissionServer | None) -> None:
        config = await load_config(self._settings.kubeconfig, self._settings.context)
        operator = KopfOperator(
            config,
            [cache],
            tools.client.list_all,
            self._supervisor,
            namespaces=self._settings.namespaces,
        )
        if server is not None:
            operator.answer(Admission(FABRICS, server, FabricReview(tools, cache).objection))
        self._supervisor.keep_up("kopf", operator.run)

    async def _follow(self, tools: Tools, fabrics: Fabrics) -> None:
        """Watch definitions, conflicts and jobs: what they tell goes to the fabric they belong to."""
        home = tools.targets.home
        await home.follow_definitions()
        for namespace in self._settings.namespaces or (None,):
            await fabrics.jobs.load(namespace)
            home.pool.acquire(SYNC_JOBS, namespace).subscribe(fabrics.jobs.on_change)
            home.pool.acquire(SYNC_CONFLICTS, namespace).subscribe(fabrics.on_conflict)

    def _on_fabric(self, change: ConfigChange) -> None:
        if change.by_somebody:
            self._queue.forget(change.key)
        self._queue.add(change.key)


async def _tidy(tools: Tools, fabrics: Fabrics, mirror_quota: int) -> None:
    while True:
        await tidy(tools, fabrics, mirror_quota)
        await asyncio.sleep(JANITOR)


async def run_controller(settings: Settings) -> None:
    """`tandem run`, whole."""
    await Controller(settings).run()
