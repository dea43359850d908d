"""What every fabric of one process shares: made once by the composition root, handed to each fabric's service."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from controller.kube.apply import Writer
from controller.kube.client import KubeClient
from controller.runtime.events import Announcer
from controller.runtime.metrics import Metrics
from controller.runtime.status import StatusWriter
from controller.store.store import Store
from controller.sync.attribution import Attribution
from controller.sync.forges import Forges
from controller.sync.mailroom import Mailroom
from controller.sync.parsing import ParserPool
from controller.sync.profile import Installation
from controller.sync.sealing import Sealing
from controller.sync.source import SourceReader
from controller.sync.targets import Targets
from controller.sync.trust import Trust
from controller.sync.writeback import WriteBack


@dataclass(frozen=True, slots=True)
class Tools:
    """The outside of the sync engine. `wall` is the time in seconds since 1970.

    `client` and `writer` are the controller's own, for its own kinds; a fabric's objects are reached by `targets`.
    """

    installation: Installation
    client: KubeClient
    writer: Writer
    targets: Targets
    source: SourceReader
    trust: Trust
    forges: Forges
    sealing: Sealing
    parser: ParserPool
    writeback: WriteBack
    store: Store
    statuses: StatusWriter
    announcer: Announcer
    metrics: Metrics
    mailroom: Mailroom
    attribution: Attribution
    wall: Callable[[], float]

    def now(self) -> datetime:
        """The time as an aware datetime."""
        return datetime.fromtimestamp(self.wall(), UTC)
