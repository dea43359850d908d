"""The numbers Prometheus reads. Each name and label is declared here once; docs/metrics.md lists them, a test compares.

Label values come from closed sets or from what is installed (kinds), never from names of objects: a series per object
would cost more than the work it counts. Rooms below this one know nothing of it; `bootstrap` hands them the methods.
"""

from __future__ import annotations

from collections import Counter as Tally
from functools import partial
from typing import Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from controller.runtime.queue import QueueCounts, QueueHooks

_SHORT = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Seconds: requests, waits, network calls."""

_LONG = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0)
"""Seconds: whole runs, from one file changed to ten thousand objects applied for the first time."""


class Watched(Protocol):
    """The queue, as far as its gauges look at it."""

    def counts(self) -> QueueCounts:
        """Keys due, waiting, active."""

    def oldest_unfinished_age(self) -> float:
        """Seconds."""


def process_registry(version: str) -> CollectorRegistry:
    """A registry with what every process of ours tells: itself, and its version."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    Info("tandem_build", "The version that runs.", registry=registry).info({"version": version})
    return registry


class Metrics:
    """Every metric of one process, in a registry of its own."""

    def __init__(self, version: str) -> None:
        self.registry = registry = process_registry(version)

        self._runs = Counter("tandem_runs", "Runs that ended, by outcome.", ["outcome"], registry=registry)
        self._run_seconds = Histogram(
            "tandem_run_seconds", "How long runs took, by outcome.", ["outcome"], buckets=_LONG, registry=registry
        )
        self._changes = Counter(
            "tandem_changes", "Changes carried out on either side, by action.", ["action"], registry=registry
        )
        self._fabrics = Gauge("tandem_fabrics", "Fabrics this process looks after.", registry=registry)
        self._conflicts = Gauge("tandem_conflicts_open", "Conflicts that wait for a decision.", registry=registry)
        self._guard_trips = Counter(
            "tandem_guard_trips", "Plans that a guard stopped, by reason.", ["reason"], registry=registry
        )
        self._base_rows = Gauge("tandem_base_rows", "Objects whose agreed state is on record.", registry=registry)

        self._watch_restarts = Counter(
            "tandem_watch_restarts", "Watches that broke and were opened again, by kind.", ["kind"], registry=registry
        )
        self._api_requests = Counter(
            "tandem_api_requests",
            "Requests to the Kubernetes API, by verb and code.",
            ["verb", "code"],
            registry=registry,
        )
        self._api_seconds = Histogram(
            "tandem_api_request_seconds",
            "How long Kubernetes requests took, by verb.",
            ["verb"],
            buckets=_SHORT,
            registry=registry,
        )
        self._git_seconds = Histogram(
            "tandem_git_seconds",
            "How long Git network calls took, by call and result.",
            ["call", "result"],
            buckets=_SHORT,
            registry=registry,
        )
        self._hints = Counter(
            "tandem_hints", "Branches that were said to have moved, by how it ended.", ["outcome"], registry=registry
        )
        self._attribution = Counter(
            "tandem_attribution",
            "Writes that the API server told of before it made them, by outcome.",
            ["outcome"],
            registry=registry,
        )
        self._mirror_bytes = Gauge("tandem_mirror_bytes", "What the Git mirrors take of the disk.", registry=registry)
        self._child_restarts = Counter(
            "tandem_parser_restarts", "Parser processes that died and were started again.", registry=registry
        )
        self._task_restarts = Counter(
            "tandem_task_restarts",
            "Background tasks that failed and were started again, by task.",
            ["task"],
            registry=registry,
        )
        self._events_dropped = Counter(
            "tandem_events_dropped", "Kubernetes Events that could not be sent.", registry=registry
        )
        self._notices = Counter(
            "tandem_notices",
            "Tries to deliver a notification, by outcome.",
            ["outcome"],
            registry=registry,
        )
        self._conflicts_of: Tally[str] = Tally()

    def watch_queue(self, queue: Watched) -> None:
        """Let the queue's gauges look at `queue` whenever they are read."""
        gauges = {
            "due": "Keys that are due and not worked on yet.",
            "waiting": "Keys that wait for their time.",
            "active": "Keys that are being worked on.",
        }
        for name, text in gauges.items():
            gauge = Gauge(f"tandem_queue_{name}", text, registry=self.registry)
            gauge.set_function(partial(_count, queue, name))
        Gauge(
            "tandem_queue_oldest_age_seconds", "How long the longest-due key has been due.", registry=self.registry
        ).set_function(queue.oldest_unfinished_age)

    def queue_hooks(self) -> QueueHooks:
        """The hooks to make the queue with."""
        return _CountingHooks(self.registry)

    def run_ended(self, outcome: str, seconds: float) -> None:
        """A run ended; `outcome` is one of a closed set: changed, unchanged, conflicted, failed, stalled, cancelled."""
        self._runs.labels(outcome).inc()
        self._run_seconds.labels(outcome).observe(seconds)

    def changed(self, action: str, count: int = 1) -> None:
        """`count` changes with this action of a plan were carried out."""
        self._changes.labels(action).inc(count)

    def conflicts_open(self, fabric: str, count: int) -> None:
        """How many conflicts of the fabric (its uid) are open now; 0 also when the fabric is gone."""
        self._conflicts_of[fabric] = count
        if not count:
            del self._conflicts_of[fabric]
        self._conflicts.set(self._conflicts_of.total())

    def fabrics(self, count: int) -> None:
        """How many fabrics there are."""
        self._fabrics.set(count)

    def guard_tripped(self, reason: str) -> None:
        """A guard stopped a plan."""
        self._guard_trips.labels(reason).inc()

    def base_rows(self, count: int) -> None:
        """How many rows the base has."""
        self._base_rows.set(count)

    def watch_restarted(self, kind: str) -> None:
        """A watch of this kind broke and is opened again."""
        self._watch_restarts.labels(kind).inc()

    def api_request(self, verb: str, code: int, seconds: float) -> None:
        """A Kubernetes request was answered; code 0 means that there was no answer."""
        self._api_requests.labels(verb, str(code)).inc()
        self._api_seconds.labels(verb).observe(seconds)

    def git_call(self, call: str, succeeded: bool, seconds: float) -> None:
        """A Git network call ended: `call` is fetch (a poll that finds nothing new, too) or push."""
        self._git_seconds.labels(call, "ok" if succeeded else "failed").observe(seconds)

    def hint(self, outcome: str) -> None:
        """Somebody said that a branch moved: `known` before, `met`, `lapsed`, or `taken` where no commit was named."""
        self._hints.labels(outcome).inc()

    def mirror_bytes(self, count: int) -> None:
        """What the Git mirrors take of the disk."""
        self._mirror_bytes.set(count)

    def attributed(self, outcome: str) -> None:
        """The API server told of a write, or one was seen to be somebody's."""
        self._attribution.labels(outcome).inc()

    def parser_restarted(self) -> None:
        """A parser process died and is started again."""
        self._child_restarts.inc()

    def task_restarted(self, task: str) -> None:
        """A background task failed and is started again."""
        self._task_restarts.labels(task).inc()

    def event_dropped(self) -> None:
        """A Kubernetes Event could not be sent."""
        self._events_dropped.inc()

    def notice(self, outcome: str, count: int = 1) -> None:
        """Notifications were `delivered`, `delayed`, `refused`, `expired`, `withdrawn`, or `crowded-out`."""
        self._notices.labels(outcome).inc(count)


def _count(queue: Watched, name: str) -> float:
    return float(getattr(queue.counts(), name))


class _CountingHooks(QueueHooks):
    """What the queue tells, as metrics."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._wait = Histogram(
            "tandem_queue_wait_seconds", "How long keys were due before work began.", buckets=_SHORT, registry=registry
        )
        self._work = Histogram(
            "tandem_queue_work_seconds", "How long keys were worked on.", buckets=_LONG, registry=registry
        )
        self._retries = Counter("tandem_queue_retries", "Keys put back with back-off.", registry=registry)

    def started(self, waited: float) -> None:
        self._wait.observe(waited)

    def finished(self, took: float) -> None:
        self._work.observe(took)

    def retried(self) -> None:
        self._retries.inc()
