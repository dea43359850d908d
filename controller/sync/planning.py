"""From a fabric's memory to the plan: the situation of every dirty object, and the answers that the planner asks for.

The planner itself is pure. This module gathers what it needs (three sides, schema, facts) and asks the API server the
few questions that no memory can answer; the answers are kept, so that the same question costs one request.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import timedelta

from controller.errors import Reason
from controller.kube.errors import KubeError, UnreachableError
from controller.kube.resources import API_SERVICES, CRDS, NAMESPACES, Resource
from controller.objects import Kind, ObjectKey
from controller.sync.plan.editors import FABRIC_PREFIX
from controller.sync.plan.model import (
    Actual,
    Ask,
    Change,
    Declared,
    Facts,
    Presence,
    Question,
    Rules,
    Situation,
    Strategy,
    Target,
)
from controller.sync.plan.plan import plan_object
from controller.sync.rivalry import NO_RIVAL, Rivalry, Rivals
from controller.sync.state import FabricState
from controller.sync.tools import Tools

JOB = Kind("batch", "Job")
BUILT_IN = frozenset(
    {
        "admissionregistration.k8s.io",
        "apiextensions.k8s.io",
        "apiregistration.k8s.io",
        "certificates.k8s.io",
        "coordination.k8s.io",
        "discovery.k8s.io",
        "events.k8s.io",
        "flowcontrol.apiserver.k8s.io",
        "networking.k8s.io",
        "node.k8s.io",
        "rbac.authorization.k8s.io",
        "resource.k8s.io",
        "scheduling.k8s.io",
        "storage.k8s.io",
    }
)
"""Groups with a dot that the API server itself serves: their kinds cannot be deleted."""
UNTIL_BACK = "nothing is inferred until its definition is back: apply it, or remove the documents"
QUOTED_PREFIX = f'"{FABRIC_PREFIX}'.encode()
DRY_RUN_ANSWERS = 4096  # per fabric; an answer is a bool, its key 80 bytes


@dataclass(frozen=True, slots=True)
class Request:
    """What is special about this run. `None` filters mean everything."""

    manual: bool = False
    rules: Rules | None = None  # a job's direction and strategies instead of the fabric's
    force: Strategy | None = None
    wanted: Callable[[ObjectKey], bool] | None = None


@dataclass(slots=True)
class Planner:
    """Plans the objects of one fabric."""

    state: FabricState
    tools: Tools
    rivals: Rivals
    has_open_conflict: Callable[[ObjectKey], bool]
    _same: dict[tuple[ObjectKey, str, str], bool] = field(default_factory=dict)

    async def changes(self, keys: Iterable[ObjectKey], request: Request) -> list[Change]:
        """The change of each object, in the order of keys. Raises UnreachableError."""
        targets: dict[tuple[str, Kind], Target] = {}
        return [(await self._planned(key, request, targets))[1] for key in sorted(keys)]

    async def answered(self, key: ObjectKey, request: Request) -> Situation:
        """The situation with every answer that its plan asks for. Raises UnreachableError."""
        return (await self._planned(key, request, {}))[0]

    async def _planned(
        self, key: ObjectKey, request: Request, targets: dict[tuple[str, Kind], Target]
    ) -> tuple[Situation, Change]:
        rules = request.rules or self.state.profile.rules
        situation = self.situation(key, request)
        result = plan_object(situation, rules)
        while isinstance(result, Question):
            facts = await self._answer(result, situation, targets)
            situation = replace(situation, facts=facts)
            result = plan_object(situation, rules)
        return situation, result

    def situation(self, key: ObjectKey, request: Request) -> Situation:
        """The three sides of one object and what is known about it."""
        state = self.state
        base = state.bases.get(key)
        declared = state.declared.declared(key, base)
        api_version = declared.api_version or (base.api_version if base else "")
        actual = state.view.actual(key, api_version)
        if base is not None and actual.reason is Reason.KIND_UNKNOWN:
            actual = replace(actual, reason=Reason.TARGET_GONE, message=f"{actual.message}; {UNTIL_BACK}")
        if not api_version:
            resource = state.view.resource(key, "")
            api_version = resource.api_version if resource else ""
        return Situation(
            key=key,
            base=base,
            declared=declared,
            actual=actual,
            schema=state.reach.cluster.schemas.get(api_version, key.kind),
            pending=state.pending.get(key),
            facts=self._facts(key, declared, actual, request),
        )

    def _facts(self, key: ObjectKey, declared: Declared, actual: Actual, request: Request) -> Facts:
        state, now, attribution = self.state, self.tools.wall(), self.tools.attribution
        base = state.bases.get(key)
        since = base.resource_version if base is not None and base.uid == actual.uid else ""
        vanished = self._vanished(key, actual, now)
        refused = state.refused.get(key)
        blob = declared.origin.blob if declared.origin else ""
        remembered = refused is not None and (refused.blob, refused.live) == (blob, live_digest(actual.content))
        rivalry = self._rivalry(key, declared, actual)
        state.released.pop(key, None)
        if rivalry.released:
            state.released[key] = rivalry.released
        return Facts(
            gone_for=None if vanished is None else timedelta(seconds=now - vanished),
            credits=attribution.credits(actual.uid, actual.resource_version, since),
            deletion=attribution.deletion(base.uid) if base is not None else None,
            takeover=rivalry.takeover,
            handover=rivalry.handover,
            declared_elsewhere=rivalry.declared_elsewhere,
            in_scope=self._in_scope(key),
            refused=(refused.reason, refused.message) if refused and remembered else None,
            fighting=frozenset(state.fights.fighting(key, now)),
            flooded=state.fights.flooded(key, state.profile.max_commits_per_hour, now),
            open_conflict=self.has_open_conflict(key),
            resolution=state.resolutions.get(key),
            force=request.force,
            manual=request.manual,
            job_ended=key.group_kind == JOB,
            schema_changed=key in state.rebased,
            git_changed_at=state.git_changed_at,
        )

    def _vanished(self, key: ObjectKey, actual: Actual, now: float) -> float | None:
        """When the object was first seen to be gone: by its watch, or by a complete list of the same cluster."""
        state = self.state
        base = state.bases.get(key)
        if actual.presence is Presence.ABSENT and base is not None and base.epoch == state.profile.rules.epoch:
            return state.vanished.setdefault(key, now)
        return state.vanished.get(key)

    def is_anothers(self, key: ObjectKey, actual: Actual) -> bool:
        """Whether another fabric's name is on the object, and stands for something."""
        return self._is_shared(actual) and not self.rivals(self.state.profile, key, actual).takeover

    def _rivalry(self, key: ObjectKey, declared: Declared, actual: Actual) -> Rivalry:
        """Other fabrics matter where one of their names is on the object, or where ours is about to let go of it."""
        if self._is_shared(actual) or (declared.presence is Presence.ABSENT and key in self.state.bases):
            return self.rivals(self.state.profile, key, actual)
        return NO_RIVAL

    def _is_shared(self, actual: Actual) -> bool:
        own = self.state.profile.rules.manager.encode()
        return actual.managers.count(QUOTED_PREFIX) > actual.managers.count(b'"' + own + b'"')

    def _in_scope(self, key: ObjectKey) -> bool:
        """Whether the fabric still holds the object: its kind, its namespace, and the file it stood in."""
        state = self.state
        if not state.profile.scope.holds(key):
            return False
        base = state.bases.get(key)
        if base is None or not base.origin.path or state.path_rules is None or state.declared.knows(key):
            return True
        directory = state.profile.source.directory
        below = base.origin.path.removeprefix(f"{directory}/") if directory else base.origin.path
        return state.path_rules.counts(below)

    async def _answer(self, question: Question, situation: Situation, targets: dict[tuple[str, Kind], Target]) -> Facts:
        if question.ask is Ask.SAME:
            return replace(situation.facts, same=await self._is_same(question, situation))
        place = (question.key.namespace, question.key.group_kind)
        if place not in targets:
            targets[place] = await self._target(question.key)
        if targets[place] is Target.GONE:  # it went with its target, and nobody meant it
            self.state.vanished.pop(question.key, None)
        return replace(situation.facts, target=targets[place])

    async def _is_same(self, question: Question, situation: Situation) -> bool:
        """Whether a forced apply of the document would change a value: one dry-run per (blob, live state)."""
        key, actual = question.key, situation.actual
        blob = situation.declared.origin.blob if situation.declared.origin else ""
        seen = (key, blob, actual.resource_version)
        if seen not in self._same:
            if len(self._same) >= DRY_RUN_ANSWERS:
                self._same.clear()
            self._same[seen] = await self._dry_run(question, situation)
        return self._same[seen]

    async def _dry_run(self, question: Question, situation: Situation) -> bool:
        resource = self.state.view.resource(question.key, situation.declared.api_version)
        if resource is None:
            return False
        manager = self.state.profile.rules.manager
        try:
            answer = await self.state.reach.writer.dry_run_apply(
                resource, question.key, question.content, manager, uid=situation.actual.uid
            )
        except UnreachableError:
            raise
        except KubeError:
            return False  # refused or changed meanwhile: the apply itself will say so, with its own handling
        return answer.content == situation.actual.content

    async def _target(self, key: ObjectKey) -> Target:
        """Whether the namespace and the definition of an object that vanished are there and not about to go."""
        try:
            if key.namespace:
                namespace = await self.state.reach.cluster.writer.read(NAMESPACES, NAMESPACES.key("", key.namespace))
                if namespace is None or namespace.deleting:
                    return Target.GONE
            resource = self.state.view.resource(key, self.state.api_version(key))
            if resource is None:
                return Target.GONE
            if "." in resource.group and resource.group not in BUILT_IN:
                return await self._definition(resource)
        except UnreachableError:
            raise
        except KubeError:
            return Target.GONE  # not served, or not ours to know: nothing is inferred
        return Target.THERE

    async def _definition(self, resource: Resource) -> Target:
        """Whether what defines a kind is there: its CRD, or the service of an aggregated API, which has none.

        That the API server still serves the kind proves nothing: it goes on for a moment after the CRD is gone.
        """
        definition = await self.state.reach.cluster.writer.read(
            CRDS, CRDS.key("", f"{resource.plural}.{resource.group}")
        )
        if definition is not None:
            return Target.GONE if definition.deleting else Target.THERE
        service = await self.state.reach.cluster.client.get(API_SERVICES, "", f"{resource.version}.{resource.group}")
        return Target.THERE if service["spec"].get("service") else Target.GONE


def live_digest(content: bytes) -> str:
    """What tells two live contents apart in a remembered refusal; "" for an absent object."""
    return hashlib.sha256(content).hexdigest() if content else ""
