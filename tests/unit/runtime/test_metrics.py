"""The numbers, as Prometheus would read them."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest
from prometheus_client import generate_latest

from controller.runtime.metrics import Metrics
from controller.runtime.queue import WorkQueue
from controller.runtime.servemetrics import ServeMetrics
from tests.support.clock import ManualClock, settle

PAGE = Path(__file__).parents[3] / "docs" / "metrics.md"


@pytest.fixture
def metrics() -> Metrics:
    return Metrics("1.2.3")


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


def test_the_version(metrics: Metrics) -> None:
    assert value(metrics, "tandem_build_info", version="1.2.3") == 1


def test_runs_by_outcome_and_duration(metrics: Metrics) -> None:
    metrics.run_ended("changed", 0.2)
    metrics.run_ended("changed", 2.0)
    metrics.run_ended("failed", 1.0)
    assert value(metrics, "tandem_runs_total", outcome="changed") == 2
    assert value(metrics, "tandem_runs_total", outcome="failed") == 1
    assert value(metrics, "tandem_run_seconds_sum", outcome="changed") == pytest.approx(2.2)
    assert value(metrics, "tandem_run_seconds_bucket", outcome="changed", le="0.25") == 1


def test_changes_by_action(metrics: Metrics) -> None:
    metrics.changed("create", 500)
    metrics.changed("create")
    metrics.changed("prune")
    assert value(metrics, "tandem_changes_total", action="create") == 501
    assert value(metrics, "tandem_changes_total", action="prune") == 1


def test_notices_by_outcome(metrics: Metrics) -> None:
    metrics.notice("delivered")
    metrics.notice("crowded-out", 3)
    assert value(metrics, "tandem_notices_total", outcome="delivered") == 1
    assert value(metrics, "tandem_notices_total", outcome="crowded-out") == 3


def test_open_conflicts_are_summed_over_fabrics(metrics: Metrics) -> None:
    metrics.conflicts_open("uid-1", 2)
    metrics.conflicts_open("uid-2", 3)
    metrics.conflicts_open("uid-1", 1)
    assert value(metrics, "tandem_conflicts_open") == 4
    metrics.conflicts_open("uid-2", 0)
    assert value(metrics, "tandem_conflicts_open") == 1
    assert "uid" not in generate_latest(metrics.registry).decode(), "no series per fabric"


def test_a_fabric_without_conflicts_leaves_nothing_behind(metrics: Metrics) -> None:
    for number in range(100):
        metrics.conflicts_open(f"uid-{number}", 1)
        metrics.conflicts_open(f"uid-{number}", 0)
        metrics.conflicts_open(f"uid-{number}", 0)
    assert value(metrics, "tandem_conflicts_open") == 0
    assert not metrics._conflicts_of


def test_gauges(metrics: Metrics) -> None:
    metrics.fabrics(7)
    metrics.base_rows(10_000)
    assert value(metrics, "tandem_fabrics") == 7
    assert value(metrics, "tandem_base_rows") == 10_000


def test_requests_by_verb_and_code(metrics: Metrics) -> None:
    metrics.api_request("PATCH", 200, 0.004)
    metrics.api_request("PATCH", 409, 0.004)
    metrics.api_request("GET", 0, 30.0)
    assert value(metrics, "tandem_api_requests_total", verb="PATCH", code="200") == 1
    assert value(metrics, "tandem_api_requests_total", verb="PATCH", code="409") == 1
    assert value(metrics, "tandem_api_requests_total", verb="GET", code="0") == 1
    assert value(metrics, "tandem_api_request_seconds_count", verb="PATCH") == 2


def test_git_calls(metrics: Metrics) -> None:
    metrics.git_call("push", False, 1.5)
    assert value(metrics, "tandem_git_seconds_sum", call="push", result="failed") == 1.5


def test_counters_of_what_went_wrong(metrics: Metrics) -> None:
    metrics.guard_tripped("DeletionGuard")
    metrics.watch_restarted("Fabric")
    metrics.parser_restarted()
    metrics.task_restarted("kopf")
    metrics.event_dropped()
    assert value(metrics, "tandem_guard_trips_total", reason="DeletionGuard") == 1
    assert value(metrics, "tandem_watch_restarts_total", kind="Fabric") == 1
    assert value(metrics, "tandem_parser_restarts_total") == 1
    assert value(metrics, "tandem_task_restarts_total", task="kopf") == 1
    assert value(metrics, "tandem_events_dropped_total") == 1


async def test_the_queue(metrics: Metrics) -> None:
    clock = ManualClock()
    gate = asyncio.Event()
    queue: WorkQueue[str] = WorkQueue(clock=clock, hooks=metrics.queue_hooks())
    metrics.watch_queue(queue)

    async def work(_: str) -> None:
        await gate.wait()
        queue.retry("slow", cap=60)

    task = asyncio.create_task(queue.run(1, work))
    queue.add("slow")
    await settle()
    queue.add("behind")
    queue.add_after("later", 100)
    await clock.advance(3)
    assert value(metrics, "tandem_queue_active") == 1
    assert value(metrics, "tandem_queue_due") == 1
    assert value(metrics, "tandem_queue_waiting") == 1
    assert value(metrics, "tandem_queue_oldest_age_seconds") == 3
    gate.set()
    await settle()
    assert value(metrics, "tandem_queue_retries_total") == 2
    assert value(metrics, "tandem_queue_work_seconds_sum") == 3
    assert value(metrics, "tandem_queue_wait_seconds_sum") == 3
    await queue.stop(drain=0)
    await task


def test_the_process_is_measured_too(metrics: Metrics) -> None:
    text = generate_latest(metrics.registry).decode()
    assert "process_resident_memory_bytes" in text
    assert "python_info" in text


def test_two_processes_in_one_do_not_clash() -> None:
    first, second = Metrics("1"), Metrics("2")
    first.fabrics(1)
    assert value(second, "tandem_fabrics") == 0


async def test_the_page_lists_every_metric_with_its_type_and_labels(metrics: Metrics) -> None:
    metrics.queue_hooks()
    metrics.watch_queue(WorkQueue[str]())
    declared = {}
    served = ServeMetrics("1.2.3")
    for collector in [*metrics.registry._collector_to_names, *served.registry._collector_to_names]:
        for family in collector.collect():
            if family.name.startswith("tandem_"):
                kind = {"info": "gauge"}.get(family.type, family.type)
                suffix = {"counter": "_total", "info": "_info"}.get(family.type, "")
                labels = ("version",) if family.type == "info" else getattr(collector, "_labelnames", ())
                declared[family.name + suffix] = (kind, tuple(labels))
    rows = re.findall(r"^\| `(tandem_\w+)` \| (\w+) \| (.*?) \|", PAGE.read_text(), re.MULTILINE)
    documented = {name: (kind, tuple(re.findall(r"`(\w+)`", labels))) for name, kind, labels in rows}
    assert documented == declared
