"""The requests that people opened: the plan of each is put on it, as a comment and a commit status.

Beside the fabrics' own runs, because a forge that is slow or down must not hold what is applied and pushed. Every run
of a fabric that asks for plans wakes a look at its open requests: at its interval, when a webhook told of one, after a
live edit. Nothing is kept but in memory: the forge has the comments, and what it has is not written again.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from controller.errors import Reason, TandemError, WaitingError
from controller.git.errors import ForgeRefusedError
from controller.git.forge.model import Forge, Request
from controller.objects import ObjectKey
from controller.runtime.agenda import backoff
from controller.sync.naming import REQUEST_PREFIX
from controller.sync.profile import Profile
from controller.sync.pullplan import Planned, plan_request
from controller.sync.service import FabricService
from controller.sync.tools import Tools

MOST_REQUESTS = 20  # of one fabric, the newest
AT_ONCE = 4  # fabrics whose forges are spoken to; only one plan is made at a time
PATIENCE = 300.0  # seconds for one look, after which others have their turn

_OF_ONE_REQUEST = frozenset({404, 409, 410, 422, 423})
"""Answers that say nothing about other requests: it was closed, moved or locked meanwhile."""

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Known:
    """What is known of one fabric's requests. Times are of the process' clock."""

    planned: dict[int, Planned] = field(default_factory=dict)  # number of a request → what was said on it
    failures: int = 0
    quiet_until: float = 0.0


class PullDesk:
    """Looks at the requests of all fabrics. `again` has a fabric run once more, so that its status tells."""

    def __init__(
        self,
        tools: Tools,
        service: Callable[[ObjectKey], FabricService | None],
        again: Callable[[ObjectKey], object],
        clock: Callable[[], float],
    ) -> None:
        self._tools = tools
        self._service = service
        self._again = again
        self._clock = clock
        self._known: dict[str, _Known] = {}  # by the uid of the fabric
        self._waiting: set[ObjectKey] = set()
        self._busy: set[ObjectKey] = set()
        self._turns: asyncio.Queue[ObjectKey] = asyncio.Queue()
        self._planning = asyncio.Lock()

    def wake(self, key: ObjectKey) -> None:
        """A run of this fabric has ended: either side, or a request, may be another by now."""
        service = self._service(key)
        if service is None or not _asks_for_plans(service.state.profile):
            if service is not None:
                service.forge_trouble = None
            return
        if key not in self._waiting:
            self._waiting.add(key)
            if key not in self._busy:
                self._turns.put_nowait(key)

    def forget(self, fabric: str) -> None:
        """The fabric of this uid is gone."""
        self._known.pop(fabric, None)

    async def run(self) -> None:
        """Look at the requests of fabrics that were woken, for ever."""
        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(self._work())

    async def _work(self) -> None:
        while True:
            key = await self._turns.get()
            self._waiting.discard(key)
            self._busy.add(key)
            try:
                await self._take_turn(key)
            finally:
                self._busy.discard(key)
                if key in self._waiting:  # woken meanwhile
                    self._turns.put_nowait(key)

    async def _take_turn(self, key: ObjectKey) -> None:
        """One look, and what became of it."""
        service = self._service(key)
        if service is None or not service.state.seen_commit or not _asks_for_plans(service.state.profile):
            return
        profile = service.state.profile
        known = self._known.setdefault(profile.uid, _Known())
        if self._clock() < known.quiet_until:
            return
        trouble: ForgeRefusedError | None = None
        try:
            async with asyncio.timeout(PATIENCE):
                await self._look(service, known)
            known.failures = 0
        except ForgeRefusedError as error:
            trouble = error
            known.failures += 1
            pause = backoff(known.failures, profile.interval)
            known.quiet_until = self._clock() + max(pause, error.after or 0.0)
            log.warning("the forge refuses", fabric=profile.fabric, problem=error.message)
        except (TandemError, TimeoutError) as error:
            log.warning(
                "requests cannot be planned",
                fabric=profile.fabric,
                problem=str(error) or f"no end within {PATIENCE:g} s",
            )
            return
        before, service.forge_trouble = service.forge_trouble, trouble
        if (before and before.status) != (trouble and trouble.status):
            self._again(key)

    async def _look(self, service: FabricService, known: _Known) -> None:
        """Plan and speak where something is new. Raises what stopped it, or what one request was refused with."""
        profile = service.state.profile
        forge = await self._forge(profile, reread=known.failures > 0)
        opened = [one for one in await forge.all_open() if one.head and not _is_own(one, profile)][:MOST_REQUESTS]
        numbers = {request.number for request in opened}
        known.planned = {number: planned for number, planned in known.planned.items() if number in numbers}
        refused: ForgeRefusedError | None = None
        for request in opened:
            try:
                await self._attend(service, known, forge, request)
            except ForgeRefusedError as error:
                if error.status not in _OF_ONE_REQUEST:
                    raise
                refused = error
        if refused is not None:
            raise refused

    async def _attend(self, service: FabricService, known: _Known, forge: Forge, request: Request) -> None:
        """See to one request."""
        before = known.planned.get(request.number)
        if before is not None and before.holds(request, service.state):
            return
        async with self._planning:
            if service.is_running:  # its end wakes another look
                return
            found = await plan_request(self._tools, service, request)
        profile, told = service.state.profile, found.told
        if before is None or (before.told, before.head) != (told, request.head):
            await forge.comment(request, self._marker(profile, request), told.text, amend=told.silent)
            await forge.set_status(request.head, f"tandem/{profile.fabric}", told.state, told.line)
            log.info("a plan is on its request", fabric=profile.fabric, request=request.number, plan=told.line)
        known.planned[request.number] = found

    async def _forge(self, profile: Profile, *, reread: bool) -> Forge:
        try:
            return await self._tools.forges.of(profile, _nowhere, reread=reread)
        except WaitingError as error:  # its Secret is missing, or may not be read
            if error.reason is Reason.FORGE_REFUSED and not isinstance(error, ForgeRefusedError):
                raise ForgeRefusedError(error.message) from None
            raise

    def _marker(self, profile: Profile, request: Request) -> str:
        """What our comment on a request is known by: nobody else can write it there before us."""
        about = f"{profile.uid}/{request.number}".encode()
        proof = hmac.new(self._tools.installation.salt, about, hashlib.sha256).hexdigest()[:12]
        return f"tandem/{profile.fabric}/{proof}"


def _asks_for_plans(profile: Profile) -> bool:
    return profile.source.forge is not None and profile.source.forge.comment_plans


async def _nowhere(branch: str) -> str | None:
    """Where no forge is, there are no requests of others."""
    return None


def _is_own(request: Request, profile: Profile) -> bool:
    """Whether it was opened by this installation or another one: those say by themselves what they are about."""
    ours = request.branch.startswith(REQUEST_PREFIX) or request.branch == profile.source.push_branch
    return ours and not request.fork
