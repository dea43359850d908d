"""What a run tells in Kubernetes Events: transitions only, said once, with stable reasons."""

from __future__ import annotations

from controller.api.conditions import Finding
from controller.errors import Reason
from controller.kube.resources import Resource
from controller.objects import Json
from controller.runtime.events import Announcer, Subject
from controller.sync.plan.model import Action
from controller.sync.service import Run
from controller.sync.state import FabricState

MOST_OBJECTS = 20  # Events about single objects in one run; the status lists the rest


def announce_run(
    announcer: Announcer, resource: Resource, body: Json, run: Run, state: FabricState, findings: tuple[Finding, ...]
) -> None:
    """Say what is news: what the run did, what is wrong now, what is no longer wrong."""
    subject = Subject.of(resource, body)
    worst = min(findings, key=lambda finding: finding.rank, default=None)
    if worst is not None:
        announcer.announce(subject, worst.reason.value, worst.message, topic="ready", warning=True)
    elif run.did_something or run.fetched:
        announcer.announce(subject, Reason.SYNCED.value, f"In step at {state.seen_commit[:12]}", topic="ready")
    for commit in run.commits:
        announcer.announce(subject, "WrittenBack", f"Pushed {commit[:12]}", topic=commit)
    forgotten = run.results.counts.get(Action.FORGET, 0)
    if forgotten:
        message = f"{forgotten} objects are no longer kept in step; nothing was deleted"
        announcer.announce(subject, "Forgotten", message, topic=run.id)
    for problem in state.declared.problems()[:MOST_OBJECTS]:
        where = f"{problem.path}:{problem.line}"
        announcer.announce(subject, problem.reason.value, f"{where}: {problem.message}", topic=where, warning=True)
    for key in sorted(state.exceptions)[:MOST_OBJECTS]:
        found = state.exceptions[key]
        place = f"{found.path}: " if found.path else ""
        message = f"{key}: {place}{found.message}"
        announcer.announce(subject, found.reason.value, message, topic=str(key), warning=True)
