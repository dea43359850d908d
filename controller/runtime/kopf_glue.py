"""kopf, kept to what it is good at: it tells which configuration objects there are and that they changed.

It runs in a thread and a loop of its own, because it cancels every task that was started after it, wants the signals,
and ends for any watch error but 410; its owner then starts it again. It writes nothing: its handlers only hand events
over to our loop, and what it would keep on the objects is stored nowhere.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from itertools import chain, count, product, repeat
from typing import Any

import kopf
import structlog
from yarl import URL

from controller.kube.config import ClusterConfig
from controller.kube.resources import Resource
from controller.kube.session import Lender, lent_server
from controller.objects import Json
from controller.runtime.configs import ConfigCache
from controller.runtime.tasks import Supervisor
from controller.runtime.threads import run_in_thread

log = structlog.get_logger(__name__)

ALL = ""
"""The scope of a list over all namespaces."""

USER_AGENT = f"tandem/{version('tandem-gitops')} (kopf)"
"""As whom kopf asks the API server; in its audit log it is told from our own client."""

ListObjects = Callable[[Resource, str | None], Awaitable[list[Json]]]
"""A complete list of a resource in one namespace, or (None) in all."""

Review = Callable[[Json, Json | None], Awaitable[str]]
"""What speaks against writing an object, given as it would be and as it is (None: not there yet); "" for nothing."""

_DISCOVERY = "/apis"
"""What kopf asks for once, at its start, to find the kinds that it is to watch."""

_LISTING_SECONDS = 30.0
"""After discovery: by then each kind was found and listed, or kopf overlooked it and never will watch it."""

_REVIEW_SECONDS = 3.0
"""Less than the API server waits by our manifest (5 s)."""

_UNPROCESSABLE = 422

_QUIET_SECONDS = 130.0
"""A watch is opened anew after this silence: bookmarks come every minute, two may be missed."""


@dataclass(frozen=True, slots=True)
class Admission:
    """A question of the API server before it writes objects of a kind: `server` carries it, `review` decides."""

    resource: Resource
    server: Any  # kopf's WebhookServerProtocol
    review: Review


class KopfEndedError(Exception):
    """kopf's operator ended although nobody asked it to."""


class _Endless:
    """Pauses between attempts, without end: an API server that is away comes back."""

    def __iter__(self) -> Iterator[float]:
        return chain((0.5, 1.0, 2.0, 4.0), repeat(8.0))


class _NoDiffBase(kopf.DiffBaseStorage):
    """kopf compares nothing, so nothing is copied, and nothing is kept on the objects."""

    def build(self, *, body: kopf.Body, extra_fields: Iterable[Any] | None = None) -> kopf.BodyEssence:
        """Nothing of the object."""
        return kopf.BodyEssence()

    def fetch(self, *, body: kopf.Body) -> kopf.BodyEssence | None:
        """Nothing was stored."""
        return None

    def store(self, *, body: kopf.Body, patch: Any, essence: kopf.BodyEssence) -> None:
        """Store nothing."""


class KopfOperator:
    """Fills caches from kopf's events. `run` is one life of kopf; keep it up with `Supervisor.keep_up`."""

    def __init__(
        self,
        config: ClusterConfig,
        caches: Collection[ConfigCache],
        list_objects: ListObjects,
        supervisor: Supervisor,
        *,
        namespaces: Collection[str] = (),
        user_agent: str = USER_AGENT,
        patience: float = _LISTING_SECONDS,
    ) -> None:
        """`namespaces`: to watch each by itself; none watches all at once. The caches have these as their scopes.

        `patience`: seconds that kopf has after discovery to list what it is to watch.
        """
        self._config = config
        self._caches = tuple(caches)
        self._list_objects = list_objects
        self._supervisor = supervisor
        self._namespaces = tuple(namespaces)
        self._admission: Admission | None = None
        self._user_agent = user_agent
        self._patience = patience
        self._discovered = asyncio.Event()
        self._unlisted: set[str] = set()
        self._all_listed = asyncio.Event()
        self._lists = {
            cache.resource.path(scope): (cache, scope)
            for cache, scope in product(self._caches, self._namespaces or (ALL,))
        }

    def answer(self, admission: Admission) -> None:
        """From the next `run` on, have the API server's questions answered as well."""
        self._admission = admission

    async def run(self) -> None:
        """List every kind, then let kopf watch until it fails or this is cancelled.

        Raises KubeError when a kind cannot be listed (its definition may not be there yet), KopfEndedError, or what
        kopf ended with.
        """
        for cache, scope in self._lists.values():
            await self._list(cache, scope)
        self._discovered.clear()
        self._unlisted = set(self._lists)
        self._all_listed.clear()
        watching = asyncio.create_task(run_in_thread("kopf", partial(self._operate, asyncio.get_running_loop())))
        seeing = asyncio.create_task(self._see_listed())
        try:
            await asyncio.wait({watching, seeing}, return_when=asyncio.FIRST_COMPLETED)
            if not watching.done():
                await seeing
            await watching
        finally:
            for task in (watching, seeing):
                task.cancel()
            await asyncio.wait({watching, seeing})
        raise KopfEndedError("kopf ended without an error")

    async def _see_listed(self) -> None:
        """Raise KopfEndedError if kopf overlooks a kind.

        An API server that starts serves its own kinds a moment before ours. A kopf that asks in that moment never
        watches them, and says so in its log only.
        """
        await self._discovered.wait()
        try:
            async with asyncio.timeout(self._patience):
                await self._all_listed.wait()
        except TimeoutError:
            raise KopfEndedError(f"kopf found no {', '.join(sorted(self._unlisted))}; it is started again") from None

    async def _list(self, cache: ConfigCache, scope: str) -> None:
        cache.begin_list(scope)
        cache.finish_list(scope, await self._list_objects(cache.resource, scope or None))

    def _on_listed(self, cache: ConfigCache, scope: str) -> None:
        """kopf has a new list, which it compares with nothing: make one to compare with what is known."""
        self._unlisted.discard(cache.resource.path(scope))
        if not self._unlisted:
            self._all_listed.set()
        name = f"list {cache.resource.plural}"
        self._supervisor.keep_up(name, partial(self._list, cache, scope))

    async def _operate(self, main: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
        """In kopf's own thread and loop."""
        async with self._registry(main) as registry:
            await kopf.operator(
                registry=registry,
                settings=_settings(self._admission),
                standalone=True,
                clusterwide=not self._namespaces,
                namespaces=self._namespaces,
                stop_flag=stop,
            )

    @asynccontextmanager
    async def _registry(self, main: asyncio.AbstractEventLoop) -> AsyncIterator[kopf.OperatorRegistry]:
        """The handlers: one a kind, and the one that logs in, whose sessions are closed in the end."""
        post = partial(_post, main)
        registry = kopf.OperatorRegistry()
        for cache in self._caches:
            _watch(registry, cache, post)
        if self._admission is not None:
            _admit(registry, self._admission, main)
        lender = Lender(self._config, user_agent=self._user_agent, answered=partial(self._on_answer, post))
        logins = count()

        @kopf.on.login(registry=registry, backoff=5.0)
        async def login(**_: Any) -> kopf.AiohttpSession:
            """Called at the start, and again when the API server rejected what it got."""
            header = self._config.credentials.header(rejected=next(logins) > 0)
            authorization = await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(header, main))
            return kopf.AiohttpSession(server=lent_server(self._config), aiohttp_session=lender.lend(authorization))

        try:
            yield registry
        finally:
            await lender.close()

    def _on_answer(self, post: Callable[..., None], method: str, url: URL, status: int) -> None:
        """In kopf's thread, for each answer it gets: discovery, and the first page of each list, are what counts."""
        if url.path == _DISCOVERY and status == 200:
            post(self._discovered.set)
        listed = self._lists.get(url.path)
        if listed and method == "GET" and status == 200 and not {"watch", "continue"} & url.query.keys():
            post(self._on_listed, *listed)


def _watch(registry: kopf.OperatorRegistry, cache: ConfigCache, post: Callable[..., None]) -> None:
    kind = cache.resource

    @kopf.on.event(kind.group, kind.version, kind.plural, registry=registry, id=kind.plural)
    async def tell(event: kopf.RawEvent, **_: Any) -> None:
        post(cache.observe, event["type"], event["object"])


def _admit(registry: kopf.OperatorRegistry, admission: Admission, main: asyncio.AbstractEventLoop) -> None:
    """Have `review` asked, in our loop. It fails open: what cannot be judged in time, the engine judges later."""
    kind = admission.resource
    logging.getLogger("kopf.objects").addFilter(_is_no_refusal)

    @kopf.on.validate(
        kind.group, kind.version, kind.plural, registry=registry, id=kind.plural, operations=["CREATE", "UPDATE"]
    )
    async def review(body: kopf.Body, **known: Any) -> None:
        before = None if known["old"] is None else dict(known["old"])
        asked = asyncio.run_coroutine_threadsafe(_in_time(admission.review, dict(body), before), main)
        if objection := await asyncio.wrap_future(asked):
            log.info(
                "a write is refused", kind=kind.kind, object=f"{body.meta.namespace}/{body.meta.name}", why=objection
            )
            raise kopf.AdmissionError(objection, code=_UNPROCESSABLE)


def _is_no_refusal(record: logging.LogRecord) -> bool:
    """A refusal is an answer like any other; kopf takes it for the failure of a handler."""
    return not record.getMessage().startswith("Webhook ")


async def _in_time(review: Review, new: Json, old: Json | None) -> str:
    try:
        async with asyncio.timeout(_REVIEW_SECONDS):
            return await review(new, old)
    except Exception:  # a webhook that is in doubt must not keep anybody from writing
        log.warning("an object is admitted without a look", name=new["metadata"].get("name"), exc_info=True)
        return ""


def _post(main: asyncio.AbstractEventLoop, callback: Callable[..., None], *arguments: Any) -> None:
    """Call in our loop, from kopf's thread."""
    with suppress(RuntimeError):  # ours is closed already: the process ends
        main.call_soon_threadsafe(callback, *arguments)


def _settings(admission: Admission | None) -> kopf.OperatorSettings:
    settings = kopf.OperatorSettings()
    settings.admission.server = None if admission is None else admission.server
    settings.admission.managed = None  # the configuration is the manifests': it needs rights that we do without
    settings.process.ultimate_exiting_timeout = None  # it would kill the process, which is not kopf's
    settings.posting.enabled = False
    settings.scanning.disabled = True  # the kinds are known; no watch of CRDs and namespaces beside ours
    settings.persistence.diffbase_storage = _NoDiffBase()
    settings.persistence.finalizer = "tandem.dev/not-used-by-kopf"  # one that it finds, it takes off
    settings.networking.error_backoffs = _Endless()
    settings.networking.request_timeout = 30.0
    settings.networking.connect_timeout = 10.0
    settings.watching.inactivity_timeout = _QUIET_SECONDS
    settings.watching.chunk_size = 500
    settings.queueing.error_delays = (1.0, 2.0, 5.0, 10.0)
    settings.queueing.exit_timeout = 0.5
    return settings
