"""`tandem sync`: makes a SyncJob and shows how it goes."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Iterator
from contextlib import aclosing

from rich.text import Text

from controller.api.conditions import ConditionType
from controller.api.meta import FABRIC_LABEL
from controller.api.v1alpha1.fabric import Direction
from controller.api.v1alpha1.syncconflict import SyncConflict
from controller.api.v1alpha1.syncjob import JobPhase, SyncJob
from controller.cli.cluster import Cluster, on_cluster
from controller.cli.conflicts.finding import object_of, open_conflicts
from controller.cli.exits import Exit
from controller.cli.parser import Parser, parse_list, parse_seconds
from controller.cli.screen import Screen, say
from controller.cli.values import count, short_commit
from controller.errors import RejectedError
from controller.kube.kinds import SYNC_JOBS
from controller.objects import Json

EXAMPLES = """
tandem sync web -n shop
tandem sync web --wait --timeout 2m
tandem sync web --wait --kind Deployment,ConfigMap --name 'web-*'
tandem sync web --wait --direction GitToCluster --force     Git wins, whatever was edited live
"""

_NAME_LENGTH = 57  # of the fabric in a job's name: the server adds five characters, the label allows 63
_STATISTICS = ("created", "updated", "deleted", "written", "skipped", "failed")


def configure(parser: Parser) -> None:
    """Declare the flags."""
    parser.add_argument("fabric", help="the Fabric's name")
    parser.add_argument("--wait", action="store_true", help="show how it goes, and exit by how it ended")
    parser.add_argument("--timeout", type=parse_seconds, default=300.0, metavar="TIME", help="to wait; default: 5m")
    parser.add_argument("--direction", type=_direction, metavar="DIRECTION", help=f"one of {', '.join(Direction)}")
    for flag, what in (("--kind", "kinds, such as Deployment or Deployment.apps"), ("--name", "names, as globs")):
        parser.add_argument(
            flag, dest=f"{flag[2:]}s", type=parse_list, action="extend", default=[], help=f"only these {what}; A,B"
        )
    parser.add_argument(
        "--force", action="store_true", help="the source of --direction wins, whatever the other side changed"
    )


def execute(options: argparse.Namespace) -> int:
    """Make the job; with --wait, follow it to its end."""
    if options.force and options.direction not in {Direction.GIT_TO_CLUSTER, Direction.CLUSTER_TO_GIT}:
        options.parser.error("--force needs --direction GitToCluster or ClusterToGit, so that one side can win")

    async def work(cluster: Cluster) -> Exit:
        fabric = await cluster.fabric(options.fabric)
        if fabric.spec.suspend:
            resume = f"{options.program} resume {options.fabric} -n {cluster.namespace}"
            say(f"the Fabric is suspended, so the job waits; go on with {resume}", label="note: ")
        job = await cluster.create(SYNC_JOBS, job_body(options, await cluster.whoami()))
        name = job["metadata"]["name"]
        Screen().line(f"SyncJob {cluster.namespace}/{name} made")
        return await _followed(cluster, name, options) if options.wait else Exit.DONE

    return on_cluster(options, work)


def job_body(options: argparse.Namespace, asked_by: str) -> Json:
    """The SyncJob that the flags ask for. What they leave open is the fabric's."""
    filters = {"kinds": list(options.kinds), "names": list(options.names)}
    spec: dict[str, Json] = {"fabricRef": {"name": options.fabric}, "type": "Sync", "trigger": "Manual"}
    if asked_by:
        spec["initiatedBy"] = asked_by
    if options.direction:
        spec["direction"] = options.direction.value
    if any(filters.values()):
        spec["filters"] = {name: wanted for name, wanted in filters.items() if wanted}
    if options.force:
        spec["options"] = {"force": True}
    metadata = {"generateName": f"{options.fabric[:_NAME_LENGTH]}-", "labels": {FABRIC_LABEL: options.fabric}}
    return {"metadata": metadata, "spec": spec}


async def _followed(cluster: Cluster, name: str, options: argparse.Namespace) -> Exit:
    """Print each step of the job until it ends; the exit code says how."""
    screen = Screen()
    last = ""
    try:
        async with asyncio.timeout(options.timeout), aclosing(cluster.follow(SYNC_JOBS, name)) as states:
            async for state in states:
                job = SyncJob.from_object(state)
                step = progress_line(job)
                if step != last:
                    screen.line(step)
                    last = step
                if job.status.phase is not None and job.status.phase.is_final:
                    return await _ended(cluster, job, screen, options.program)
    except TimeoutError:
        message = f"SyncJob {name} has not ended within {options.timeout:g} s; it goes on without being watched"
        say(message, label="error: ")
        return Exit.TIMED_OUT
    except RejectedError:  # there is none of that name any more
        pass
    say(f"SyncJob {name} was deleted before it ended", label="error: ")
    return Exit.FAILED


async def _ended(cluster: Cluster, job: SyncJob, screen: Screen, program: str) -> Exit:
    screen.lines(result_lines(job))
    if job.status.phase is not JobPhase.COMPLETED:
        return Exit.FAILED
    waiting = await open_conflicts(cluster, fabric=job.spec.fabric_ref.name)
    if not waiting:
        return Exit.DONE
    screen.lines(conflict_lines(waiting, program))
    return Exit.CONFLICTS


def progress_line(job: SyncJob) -> str:
    """`InProgress   SyncingData   3 of 10 objects`."""
    status = job.status
    parts = [status.phase.value if status.phase else JobPhase.PENDING.value]
    if status.current_phase:
        parts.append(status.current_phase.value)
    if status.progress and status.progress.targeted:
        parts.append(f"{status.progress.processed} of {count(status.progress.targeted, 'object')}")
    if status.phase is JobPhase.PENDING:
        parts += [condition.message for condition in status.conditions if condition.type == ConditionType.RECONCILING]
    return "   ".join(parts)


def result_lines(job: SyncJob) -> Iterator[Text]:
    """What came of the job."""
    status = job.status
    if status.statistics:
        counts = [(name, getattr(status.statistics, name)) for name in _STATISTICS]
        told = [f"{number} {name}" for name, number in counts if number]
        did_nothing = not any(number for name, number in counts if name != "skipped")
        if did_nothing and status.phase is JobPhase.COMPLETED:
            told.insert(0, "nothing to do")
        if told:
            yield Text(", ".join(told))
    if status.commit_sha:
        yield Text(f"commit {short_commit(status.commit_sha)}")
    for warning in status.warnings:
        yield Text.assemble((f"{warning.object or warning.file or 'warning'}: ", "yellow"), warning.message)
    for error in status.errors:
        where = " ".join(part for part in (error.object, error.file) if part)
        yield Text.assemble((f"{where or 'error'}: {error.reason}: ", "red"), error.message)
    if status.phase is not JobPhase.COMPLETED and not status.errors:
        yield from (
            Text(condition.message, "red") for condition in status.conditions if condition.type == ConditionType.READY
        )


def conflict_lines(waiting: list[SyncConflict], program: str) -> Iterator[Text]:
    """Which objects wait for a decision, and how to look at each."""
    yield Text(f"{count(len(waiting), 'conflict')} to decide:", "yellow")
    for conflict in waiting:
        place = f"{conflict.metadata.name} -n {conflict.metadata.namespace}"
        yield Text(f"  {object_of(conflict)}   {program} conflicts show {place}")


def _direction(text: str) -> Direction:
    spelled = {direction.lower(): direction for direction in Direction}
    if text.lower() not in spelled:
        raise argparse.ArgumentTypeError(f"{text!r} is none of {', '.join(Direction)}")
    return spelled[text.lower()]
