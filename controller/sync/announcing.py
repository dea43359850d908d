"""What a run tells in Kubernetes Events: transitions only, said once, with stable reasons."""

from __future__ import annotations

from collections.abc import Iterator

from controller.api.conditions import Finding
from controller.errors import Reason, TandemError
from controller.kube.resources import Resource
from controller.objects import Json
from controller.runtime.events import Announcer, Subject
from controller.sync.plan.model import Action
from controller.sync.report import errors_of, place_of, untold
from controller.sync.run import Run
from controller.sync.state import FabricState

REQUEST_OPENED = "RequestOpened"  # of Events and of messages
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
    for request in run.requests:
        announcer.announce(subject, REQUEST_OPENED, f"Opened {request}", topic=f"request {request}")
    forgotten = run.results.counts.get(Action.FORGET, 0)
    if forgotten:
        message = f"{forgotten} objects are no longer kept in step; nothing was deleted"
        announcer.announce(subject, "Forgotten", message, topic=run.id)
    faults = dict(_faults(state))
    for topic, (reason, message) in faults.items():
        announcer.announce(subject, reason, message, topic=topic, warning=True)
    for topic in state.told - faults.keys():  # mended: if it breaks again in the same way, that is news
        announcer.settle(subject.uid, topic)
    state.told = set(faults)


def announce_stall(announcer: Announcer, resource: Resource, body: Json, error: TandemError) -> None:
    """Say why a Fabric cannot run at all."""
    announcer.announce(Subject.of(resource, body), error.reason.value, error.message, topic="ready", warning=True)


def _faults(state: FabricState) -> Iterator[tuple[str, tuple[str, str]]]:
    """Topic → (reason, message) of everything that is wrong with single files and objects."""
    for error in errors_of(state)[:MOST_OBJECTS]:
        yield f"{error.file}:{error.line}:{error.object}", (error.reason, f"{place_of(error)}{error.message}")
    for key, found in sorted(untold(state).items())[:MOST_OBJECTS]:
        yield str(key), (found.reason.value, f"{key}: {found.message}")
