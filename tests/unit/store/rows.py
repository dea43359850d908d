"""One row of every table."""

from __future__ import annotations

from controller.errors import Reason
from controller.objects import Base, ObjectKey, Provenance
from controller.store.guards import GuardRow
from controller.store.history import Archived, RunRow
from controller.store.outbox import Letter
from controller.store.pushlog import Push, PushedObject, PushState
from controller.store.refusals import Refusal
from controller.store.requests import Cause, PendingRow, RequestRow, RequestStep
from controller.store.told import Told

WEB = ObjectKey("apps", "Deployment", "shop", "web")
CONFIG = ObjectKey("", "ConfigMap", "shop", "settings")
NAMESPACE = ObjectKey("", "Namespace", "", "shop")
BASE = Base(b'{"a":1}', b'{"a":1,"b":null}', "u-1", "7", "epoch", "v1", Provenance("a.yaml", 3, 1, None, "b", "c"))
PUSH = Push("c1", "main", "run-1", PushState.PREPARED, 100.0, (PushedObject(WEB, BASE), PushedObject(CONFIG, None)))
REFUSAL = Refusal("blob", "digest", Reason.FIELD_REFUSED, "spec.x", "unknown field")
GUARD = GuardRow("t1", Reason.DELETION_GUARD, "2 deletions", frozenset({(WEB, "prune"), (CONFIG, "prune")}), 100.0, 2)
RUN = RunRow(
    "op-1",
    kind="sync",
    trigger="Poll",
    outcome="Completed",
    started=100.0,
    finished=101.5,
    initiated_by="ada",
    revision_before="c0",
    revision_after="c1",
    counts={"create": 3},
    errors=({"file": "a.yaml", "line": 3, "reason": "FieldRefused"},),
    commits=("c1",),
)
ARCHIVED = Archived("job-uid", "SyncJob", "job", 100.0, {"spec": {"type": "Sync"}, "status": {"phase": "Completed"}})
TOLD = Told(True, "Unreachable", (100.0, 160.5))
LETTER = Letter("a1b2c3", "d1", {"event": "Failed", "objects": ["ConfigMap/shop/settings"]}, made=100.0, due=100.0)
REQUEST = RequestRow(
    "https://git.example/shop.git",
    "main",
    "tandem/shop/demo-1a2b",
    Cause.SPEC,
    RequestStep.OPEN,
    commit="c1",
    prepared="c2",
    digest="d1",
    opened=True,
    number=7,
    link="https://git.example/shop/pulls/7",
)
WAITING = PendingRow({"edits": [["/spec/vlan", [1], [2], "kubectl-edit"]]})
