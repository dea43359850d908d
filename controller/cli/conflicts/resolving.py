"""`tandem conflicts resolve`: one decision, or a standing one about a field manager, and what became of it."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import NamedTuple

from controller.api.v1alpha1.syncconflict import ConflictState, ResolutionStrategy, SyncConflict
from controller.cli.cluster import Cluster, on_cluster
from controller.cli.conflicts.editors import decide_manager
from controller.cli.conflicts.finding import find_conflict, is_open, object_of
from controller.cli.conflicts.resolutions import DecisionError, FieldChoice, parse_field, resolution_of
from controller.cli.conflicts.showing import ready_message
from controller.cli.exits import Exit
from controller.cli.parser import Parser, parse_seconds
from controller.cli.screen import Screen, say
from controller.errors import Reason, RejectedError
from controller.kube.kinds import SYNC_CONFLICTS
from controller.objects import Json

EXAMPLES = """
tandem conflicts resolve web-deployment-web-1f3a9c02 --git
tandem conflicts resolve deployment/web --cluster --comment "tuned during the incident"
tandem conflicts resolve deployment/web --field /spec/replicas=cluster --field /spec/paused=value:true
tandem conflicts resolve deployment/web --field '/spec/template/spec/containers/{name=web}/image=git'
tandem conflicts resolve deployment/web --git --field /spec/replicas=value:5
tandem conflicts resolve deployment/web --manager my-tool --as edit
tandem conflicts resolve --fabric web --manager my-tool --as ignore
"""

_SETTLE = 2.0  # seconds between the decision being taken away and the status that says why


class Outcome(NamedTuple):
    """What became of a decision."""

    code: Exit
    message: str


def configure(parser: Parser) -> None:
    """Declare the flags."""
    parser.add_argument("conflict", nargs="?", help="its name, or its object as Kind/name or Kind/namespace/name")
    sides = parser.add_mutually_exclusive_group()
    for flag, strategy, what in (
        ("--git", ResolutionStrategy.GIT_WINS, "Git's value for every clashing field"),
        ("--cluster", ResolutionStrategy.CLUSTER_WINS, "the cluster's value for every clashing field"),
        ("--merge", ResolutionStrategy.MERGE, "unite lists; scalars that clash need a --field each"),
    ):
        sides.add_argument(flag, dest="strategy", action="store_const", const=strategy, help=what)
    parser.add_argument(
        "--field",
        metavar="PATH=CHOICE",
        dest="fields",
        action="append",
        type=_field,
        default=[],
        help="git, cluster, both (lists), or value:YAML for one field; `value:` alone removes it. Repeatable; with "
        "--git, --cluster or --merge for the fields that are left",
    )
    parser.add_argument("--comment", help="why; kept in the SyncConflict")
    parser.add_argument("--state-token", metavar="TOKEN", help="decide only if the values are those of this token")
    parser.add_argument("--manager", metavar="NAME", help="decide about a field manager, for good; needs --as")
    parser.add_argument(
        "--as", dest="verdict", choices=("edit", "ignore"), help="its changes are edits, or are ignored"
    )
    parser.add_argument("--fabric", metavar="NAME", help="with --manager and without a conflict: whose editors")
    parser.add_argument("--wait", action=argparse.BooleanOptionalAction, default=True, help="for the outcome (default)")
    parser.add_argument("--timeout", type=parse_seconds, default=60.0, metavar="TIME", help="to wait; default: 60s")


def execute(options: argparse.Namespace) -> int:
    """Decide, and say what became of it."""
    _check_usage(options)

    async def work(cluster: Cluster) -> Outcome:
        if options.manager:
            conflict = await find_conflict(cluster, options.conflict) if options.conflict else None
            fabric = conflict.spec.fabric_ref.name if conflict else options.fabric
            await decide_manager(cluster, fabric, options.manager, is_edit=options.verdict == "edit")
            if conflict is None or not options.wait:
                return Outcome(Exit.DONE, f"{options.manager} is now among {fabric}'s editors to {options.verdict}")
            return await _awaited(cluster, conflict, options.timeout)
        return await _resolve(cluster, options)

    outcome = on_cluster(options, work)
    if outcome.code is Exit.DONE:
        Screen().line(outcome.message)
    else:
        say(outcome.message, label="error: ")
    return outcome.code


def _check_usage(options: argparse.Namespace) -> None:
    decides = options.strategy is not None or bool(options.fields)
    error = options.parser.error
    if bool(options.manager) != bool(options.verdict):
        error("--manager and --as go together")
    if options.manager and decides:
        error("--manager decides about a field manager; decide about the fields in another call")
    if options.fabric and (options.conflict or not options.manager):
        error("--fabric goes with --manager, and without a conflict")
    if options.manager and not (options.conflict or options.fabric):
        error("name a conflict or a --fabric: whose editors are meant?")
    if not options.manager and not options.conflict:
        error("name the conflict; `conflicts list` shows them")
    if not options.manager and not decides:
        error("say who wins: --git, --cluster, --merge, or --field PATH=CHOICE")


async def _resolve(cluster: Cluster, options: argparse.Namespace) -> Outcome:
    conflict = await find_conflict(cluster, options.conflict)
    name = conflict.metadata.name
    if not is_open(conflict):
        state = conflict.status.state
        raise RejectedError(Reason.INVALID_SPEC, f"{name} is {state} already: there is nothing to decide")
    token = options.state_token
    if token and conflict.spec.state_token and token != conflict.spec.state_token:
        return Outcome(Exit.FAILED, _stale(conflict, cluster.program))
    try:
        resolution = resolution_of(
            conflict,
            options.strategy,
            options.fields,
            comment=options.comment,
            resolved_by=await cluster.whoami(),
            state_token=token,
        )
    except DecisionError as error:
        raise RejectedError(Reason.INVALID_SPEC, str(error)) from error
    # An "add", because a merge patch keeps what it does not name, and drops the nulls of a list's items.
    decision = {"op": "add", "path": "/spec/resolution", "value": resolution.to_json()}
    decided = SyncConflict.from_object(await cluster.patch(SYNC_CONFLICTS, name, [decision]))
    if not options.wait:
        return Outcome(Exit.DONE, f"{name}: decided; the controller carries it out")
    return await _awaited(cluster, decided, options.timeout)


async def _awaited(cluster: Cluster, decided: SyncConflict, patience: float) -> Outcome:
    """Wait until the decision was carried out, or taken away."""
    name = decided.metadata.name
    try:
        async with asyncio.timeout(patience), aclosing(cluster.follow(SYNC_CONFLICTS, name)) as states:
            async for state in states:
                seen = SyncConflict.from_object(state)
                if not is_open(seen):
                    return Outcome(Exit.DONE, f"{object_of(seen)}: {seen.status.state}: {ready_message(seen)}")
                if decided.spec.resolution is not None and seen.spec.resolution is None:
                    return _taken_away(await _latest(states, seen), cluster.program)
                if seen.spec.type is not decided.spec.type:
                    return Outcome(Exit.FAILED, f"{name} is still open, now as {seen.spec.type}: look at it again")
    except RejectedError:  # there is none of that name any more
        return Outcome(Exit.FAILED, f"{name} was deleted before the controller said what came of it")
    except TimeoutError:
        return Outcome(
            Exit.TIMED_OUT,
            f"{name}: the controller did not say within {patience:g} s what came of it; is it running, is the fabric "
            "suspended? The decision stands and is carried out then",
        )
    return Outcome(Exit.FAILED, f"{name} was deleted before the controller said what came of it")


async def _latest(states: AsyncGenerator[Json, None], seen: SyncConflict) -> SyncConflict:
    """The state with the reason in it: the status follows the decision's removal in a request of its own."""
    try:
        async with asyncio.timeout(_SETTLE):
            return SyncConflict.from_object(await anext(states))
    except (TimeoutError, StopAsyncIteration):
        return seen


def _taken_away(conflict: SyncConflict, program: str) -> Outcome:
    if conflict.status.state is ConflictState.FAILED:
        message = f"{conflict.metadata.name}: the decision could not be carried out: {ready_message(conflict)}"
        return Outcome(Exit.FAILED, message)
    return Outcome(Exit.FAILED, _stale(conflict, program))


def _stale(conflict: SyncConflict, program: str) -> str:
    name = conflict.metadata.name
    look = f"{program} conflicts show {name} -n {conflict.metadata.namespace}"
    return f"{name}: Stale: a side has moved since these values were shown, nothing was done; look again: {look}"


def _field(text: str) -> FieldChoice:
    try:
        return parse_field(text)
    except DecisionError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
