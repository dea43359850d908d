"""What a run would do, without doing any of it: the engine of `tandem plan`.

It walks the first half of the way (fetch, read, watch, plan) with a store that is only read and a mirror of its own,
so it can run beside a controller, or without one. Nothing is written to the cluster, to Git or to the database.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from controller.api.v1alpha1.fabric import Fabric
from controller.errors import Reason, RejectedError
from controller.kube.errors import NotFoundError
from controller.kube.kinds import FABRICS
from controller.objects import ObjectKey
from controller.sync.admission import admitted_profile
from controller.sync.declared import Problem
from controller.sync.ledger import Ledger
from controller.sync.plan.explain import Explanation, explain
from controller.sync.plan.model import Change, Guard, Plan
from controller.sync.plan.schema import Schema
from controller.sync.planning import Request
from controller.sync.rivalry import NO_RIVAL
from controller.sync.run import new_run
from controller.sync.service import FabricService
from controller.sync.state import FabricState
from controller.sync.target import ClusterView
from controller.sync.tools import Tools


@dataclass(frozen=True, slots=True)
class Preview:
    """What a run would do. `commit` is the one that was planned; `problems` are faults of documents; `schema` gives
    the field types of (apiVersion, kind) in the cluster that it would be done in."""

    fabric: str
    commit: str
    changes: tuple[Change, ...]
    guards: tuple[Guard, ...]
    problems: tuple[Problem, ...]
    explanations: tuple[Explanation, ...] = ()
    schema: Callable[[str, str], Schema] = lambda *_: Schema.open()

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do and nothing wrong."""
        return not (self.guards or self.problems or any(change.is_telling for change in self.changes))


async def preview(tools: Tools, namespace: str, name: str, why: tuple[str, str] | None = None) -> Preview:
    """Plan the Fabric. `why` is (kind, name) of objects whose decision is to be explained.

    Raises RejectedError if there is no such Fabric, and what a run would stop at.
    """
    try:
        body = await tools.client.get(FABRICS, namespace, name)
    except NotFoundError:
        raise RejectedError(Reason.INVALID_SPEC, f"there is no Fabric {name} in namespace {namespace}") from None
    fabric = Fabric.from_object(body)
    reach = await tools.targets.reach(fabric)
    profile = await admitted_profile(tools.installation, reach.cluster, fabric)
    view = ClusterView(reach, profile.scope, lambda _: None, lambda _: None)
    try:
        state = FabricState(profile, reach, view)
        row = await tools.store.fabrics.register(profile.uid, namespace, name)
        service = FabricService(tools, state, Ledger(tools.store, row, state), lambda *_: NO_RIVAL)
        plan = await service.preview(new_run(tools.wall(), Request(manual=True)))
        explained = () if why is None else await _explained(service, plan, *why)
        problems = tuple(state.declared.problems())
        schema = reach.cluster.schemas.get
        return Preview(profile.fabric, state.seen_commit, plan.changes, plan.guards, problems, explained, schema)
    finally:
        view.close()


async def _explained(service: FabricService, plan: Plan, kind: str, name: str) -> tuple[Explanation, ...]:
    state = service.state
    known: set[ObjectKey] = {*state.known_keys(), *(change.key for change in plan.changes)}
    found = [key for key in sorted(known) if key.name == name and kind.lower() in _names_of(service, key)]
    return tuple([explain(*await service.situation(key)) for key in found])


def _names_of(service: FabricService, key: ObjectKey) -> set[str]:
    """What kubectl users call the object's kind: Deployment, deployment.apps, deployments."""
    resource = service.state.view.resource(key, service.state.api_version(key))
    return {key.kind.lower(), str(key.group_kind).lower()} | ({resource.plural} if resource else set())
