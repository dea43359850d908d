"""One walk of one fabric: what was asked for, and what came of it. Pure."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field

from controller.errors import StalledError, TandemError
from controller.objects import ObjectKey
from controller.sync.execution import Results
from controller.sync.plan.model import Action, Change
from controller.sync.planning import Request

_SILENT = frozenset({Action.UNCHANGED, Action.IGNORE})


@dataclass(slots=True)
class Run:
    """One walk: who asked for what, and what came of it."""

    id: str
    started: float
    request: Request = field(default_factory=Request)
    results: Results = field(default_factory=Results)
    changes: dict[ObjectKey, Change] = field(default_factory=dict)
    problem: TandemError | None = None  # what kept the run from going its whole way
    commits: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)  # pull requests that were opened: their URLs, or branches
    commit_subject: str = ""
    fetched: str = ""
    conflicts_opened: int = 0
    conflicts_settled: int = 0
    guarded: bool = False
    job: str = ""  # the SyncJob that asked for it
    kind: str = "Sync"
    trigger: str = "Automatic"
    initiated_by: str = ""
    revision_before: str = ""
    cancelled: Callable[[], bool] = lambda: False  # asked between two rounds
    was_cancelled: bool = False

    @property
    def did_something(self) -> bool:
        """Whether the run changed, refused or failed something: worth a row in the history."""
        changed = any(action not in _SILENT for action in self.results.counts)
        return bool(
            changed or self.commits or self.results.failed or self.problem or self.guarded
            or self.conflicts_opened or self.conflicts_settled
        )  # fmt: skip

    @property
    def outcome(self) -> str:
        """One word for the history and the metrics."""
        if self.was_cancelled:
            return "cancelled"
        if self.problem is not None or self.guarded:
            return "stalled" if self.guarded or isinstance(self.problem, StalledError) else "failed"
        if self.results.failed:
            return "failed"
        if self.conflicts_opened:
            return "conflicted"
        return "changed" if self.did_something else "unchanged"


def new_run(now: float, request: Request | None = None) -> Run:
    """A run with an id of its own."""
    return Run(str(uuid.uuid4()), now, request or Request())
