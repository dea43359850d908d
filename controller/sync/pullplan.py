"""The plan of a request: what merging it would do, found beside the fabric's own runs and without touching them.

The head is fetched into a mirror of its own, so that nothing a stranger proposes lies beside the branch or counts
against its bounds. The directory as it would be after the merge is read and planned like a commit, on a copy of what
the fabric knows. Nothing is recorded, and nothing is asked of the cluster but what every plan asks: lists that the
fabric's service account may see, and dry-runs as that account. Encrypted files are not opened: what they hold is not
for whoever reads the request.
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass, replace

from controller.errors import Reason, TandemError
from controller.git.errors import RepositoryTooLargeError, UnreachableError
from controller.git.forge.model import Request
from controller.git.mirror import Mirror
from controller.objects import Kind, ObjectKey, group_of
from controller.sync.declared import Problem
from controller.sync.minimising import minimised_changes
from controller.sync.parse.documents import Seal
from controller.sync.plan.guard import Context
from controller.sync.plan.plan import make_plan
from controller.sync.planning import Planner, live_digest
from controller.sync.planning import Request as Asked
from controller.sync.pulltext import Told, told_conflicts, told_failure, told_nothing, told_plan
from controller.sync.rivalry import NO_RIVAL
from controller.sync.sealing import Key
from controller.sync.seeing import LIST_PATIENCE, versions_of
from controller.sync.service import FabricService
from controller.sync.state import FabricState
from controller.sync.target import ClusterView
from controller.sync.tools import Tools

PURPOSE = "requests"  # the mirror that heads of requests are fetched into
MOST_OBJECTS = 1_000  # that one request may touch: each may cost a dry-run
_OF_THE_REQUEST = frozenset({Reason.NEEDS_RENDERING, Reason.REPOSITORY_TOO_LARGE})
_CLOSED = Key(trouble="it is encrypted; files of a request are not opened before it is merged")


@dataclass(frozen=True, slots=True)
class Planned:
    """What was found, and from what: it stands as long as these are the same."""

    head: str
    base: str
    live: frozenset[tuple[ObjectKey, str]]
    told: Told

    def holds(self, request: Request, state: FabricState) -> bool:
        """Whether another plan would find the same."""
        if (request.head, state.seen_commit) != (self.head, self.base):
            return False
        return self.live == _live(state, {key for key, _ in self.live})


async def plan_request(tools: Tools, service: FabricService, request: Request) -> Planned:
    """Plan an open request, while no run of the fabric is under way: what it knows is copied before anything is waited
    for. Raises the errors of Git and of the client: it is tried again then.
    """
    view = ClusterView(service.state.reach, service.state.profile.scope, lambda _: None, lambda _: None)
    state, known = _beside(service.state, view), frozenset(service.state.declared.problems())
    try:
        keys, told = await _planned(tools, service, state, known, request)
    except TandemError as error:
        if error.reason not in _OF_THE_REQUEST:
            raise
        keys, told = frozenset(), told_failure(state.profile.fabric, error.message)
    finally:
        view.close()
    return Planned(request.head, state.seen_commit, _live(service.state, keys), told)


async def _planned(
    tools: Tools, service: FabricService, state: FabricState, known: Set[Problem], request: Request
) -> tuple[Set[ObjectKey], Told]:
    """The objects that the request touches, and what is said of them. `known`: faults that were there before."""
    profile, source = state.profile, state.profile.source
    mirror = await _fetched(tools, state, request)
    merged = await mirror.merge(state.seen_commit, request.head, source.directory)
    if not merged.touched:
        return frozenset(), told_nothing(profile.fabric, source.directory)
    if merged.conflicts:
        return frozenset(), told_conflicts(profile.fabric, source.branch, merged.conflicts)
    diff = await tools.source.diff(mirror, source, state.seen_tree, merged.tree, _CLOSED)
    state.kinds |= await state.view.resolve(versions_of(diff.files.values()))
    touched = state.declared.update(diff.files, profile.scope, state.kinds, state.bases)
    if len(touched) > MOST_OBJECTS:
        message = f"it touches {len(touched)} objects, more than the {MOST_OBJECTS} that are planned for a request"
        return frozenset(), told_failure(profile.fabric, f"{message}; divide it")
    await _watch(state, touched)
    planner = Planner(state, tools, lambda *_: NO_RIVAL, service.desk.is_open)
    changes = await minimised_changes(state, await planner.changes(touched, Asked()))
    context = Context(based=len(state.bases), source_empty=not state.declared.files)
    plan = make_plan(changes, profile.rules, context)
    schemas = state.reach.cluster.schemas.get
    return touched, told_plan(profile.fabric, plan, _brought(state, known), schemas, values=not request.fork)


async def _fetched(tools: Tools, state: FabricState, request: Request) -> Mirror:
    """The mirror for requests, with both commits in it, neither of which holds more than the fabric takes."""
    source = state.profile.source
    mirror = await tools.source.mirror(state.profile, PURPOSE)
    if not mirror.path.is_dir() or not mirror.snapshot.has(state.seen_commit):
        await mirror.fetch(source.branch, source.max_bytes)
    if not mirror.snapshot.has(request.head):
        await mirror.fetch(f"refs/pull/{request.number}/head", source.max_bytes)
    if not all(mirror.snapshot.has(commit) for commit in (request.head, state.seen_commit)):
        raise UnreachableError(f"request {request.number} or {source.branch} moved while it was fetched")
    tree = mirror.snapshot.tree_of(request.head, source.directory)
    if tree is not None and (count := mirror.snapshot.count(tree)) > source.max_files:
        raise RepositoryTooLargeError(f"it holds {count} files, more than the {source.max_files} that are taken")
    return mirror


def _beside(state: FabricState, view: ClusterView) -> FabricState:
    """A copy that planning may change: the fabric's own runs go on meanwhile."""
    return replace(
        state,
        view=view,
        declared=state.declared.copy(),
        bases=dict(state.bases),
        pending=dict(state.pending),
        kinds=dict(state.kinds),
        dirty=set(),
        vanished=dict(state.vanished),
        released={},
        resolutions=dict(state.resolutions),
        refused=dict(state.refused),
    )


async def _watch(state: FabricState, touched: Set[ObjectKey]) -> None:
    """Have a complete list of every kind that the plan is about, as far as it may be seen."""
    cluster, scope = state.reach.cluster, state.profile.scope
    named = {(state.api_version(key), key.kind) for key in touched}
    fresh = await state.view.resolve(named)
    versions = {
        version
        for version, namespaced in fresh.items()
        if namespaced is not None and scope.admits(Kind(group_of(version[0]), version[1]), namespaced=namespaced)
    }
    await state.view.cover(versions, state.known_keys())
    await cluster.schemas.load(versions)
    await state.view.wait_synced(LIST_PATIENCE)


def _brought(state: FabricState, known: Set[Problem]) -> list[Problem]:
    """The faults that were not there before; an encrypted file that stays closed is none."""
    closed = {path for path in state.declared.sealed if state.declared.files[path].result.seal is Seal.CLOSED}
    return [problem for problem in state.declared.problems() if problem not in known and problem.path not in closed]


def _live(state: FabricState, keys: Set[ObjectKey]) -> frozenset[tuple[ObjectKey, str]]:
    """What the fabric sees of these objects now."""
    return frozenset((key, live_digest(state.view.actual(key, state.api_version(key)).content)) for key in keys)
