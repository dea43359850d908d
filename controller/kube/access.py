"""Who may see what: the API server asked on behalf of the service accounts that fabrics act as.

Watches are shared, and made with the controller's own rights; so what a service account may see of them is asked for,
kind by kind and namespace by namespace, and the answer counts for some minutes.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import orjson

from controller.errors import Reason
from controller.kube.client import KubeClient
from controller.kube.errors import ForbiddenError
from controller.kube.resources import Resource
from controller.objects import Json

ANSWER_AGE = 300.0  # seconds an answer counts: for so long may a right that was taken away go unnoticed
DENIAL_FIRST, DENIAL_MOST = 0.75, 60.0  # seconds after which a refusal is asked about again, doubling

_GROUP = "/apis/authorization.k8s.io/v1"
_ANYTHING = {"verb": "*", "group": "*", "resource": "*"}

# /api/v1/namespaces/x/secrets/y → /api/v1 and secrets; a namespace's own path is that of a kind without one
_PATH = re.compile(r"(?P<version>/api/[^/]+|/apis/[^/]+/[^/]+)(?:/namespaces/[^/]+)?/(?P<plural>[^/]+)")


@dataclass(frozen=True, slots=True)
class ServiceAccount:
    """Whom a fabric acts as. No object of that name has to exist."""

    namespace: str
    name: str

    @property
    def user(self) -> str:
        """The name that RBAC knows it by."""
        return f"system:serviceaccount:{self.namespace}:{self.name}"

    @property
    def groups(self) -> tuple[str, ...]:
        """The groups that the API server puts every service account into."""
        return ("system:serviceaccounts", f"system:serviceaccounts:{self.namespace}", "system:authenticated")

    def __str__(self) -> str:
        return f"service account {self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class Answer:
    """Whether objects of one kind in one namespace, or in all, may be seen; `until` when that counts (the clock's).

    `message`: what is not allowed, and what to do. `denials`: so many refusals in a row.
    """

    allowed: bool
    until: float
    message: str = ""
    denials: int = 0


class AccessReviews:
    """SubjectAccessReviews of one cluster, kept while they count. `clock` is the process' own, in seconds."""

    def __init__(self, client: KubeClient, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self._client = client
        self._answers: dict[ServiceAccount, dict[tuple[Resource | None, str | None], Answer]] = {}
        self._doubts: dict[ServiceAccount, int] = {}
        self._asking: dict[tuple[ServiceAccount, Resource | None, str | None], asyncio.Task[Answer]] = {}
        self._only_local = False  # an installation of some namespaces may ask about these only

    def doubts(self, who: ServiceAccount) -> int:
        """A count that moves whenever answers about this service account stop counting before their time."""
        return self._doubts.get(who, 0)

    async def reading(self, who: ServiceAccount, resource: Resource, namespace: str | None) -> Answer:
        """Whether it may get, list and watch the kind there; `namespace` None: in all, or of a kind without one.

        Who may do anything at all there is asked for first: that is one request for all kinds. Raises UnreachableError.
        """
        whole = await self._kept(who, None, namespace)
        return whole if whole.allowed else await self._kept(who, resource, namespace)

    def doubt(self, who: ServiceAccount, path: str) -> None:
        """A request of this service account was forbidden: nothing that is known about its kind counts any more."""
        found, known = _PATH.match(path), self._answers.get(who, {})
        kind = f"{found['version']}/{found['plural']}" if found else ""
        for place in [place for place, answer in known.items() if answer.allowed and _covers(place[0], kind)]:
            del known[place]
        self._doubts[who] = self.doubts(who) + 1

    def ask_again(self, who: ServiceAccount) -> None:
        """Somebody asked for a look now: refusals need not have had their time."""
        known = self._answers.get(who, {})
        for place in [place for place, answer in known.items() if not answer.allowed]:
            del known[place]
        self._doubts[who] = self.doubts(who) + 1

    async def _kept(self, who: ServiceAccount, resource: Resource | None, namespace: str | None) -> Answer:
        answer = self._answers.get(who, {}).get((resource, namespace))
        if answer is not None and self.clock() < answer.until:
            return answer
        question = (who, resource, namespace)
        asking = self._asking.get(question)
        if asking is None:  # else somebody has just asked the same
            asking = self._asking[question] = asyncio.create_task(self._asked(who, resource, namespace))
            asking.add_done_callback(lambda _: self._asking.pop(question, None))
        return await asyncio.shield(asking)

    async def _asked(self, who: ServiceAccount, resource: Resource | None, namespace: str | None) -> Answer:
        known, doubts = self._answers.setdefault(who, {}), self.doubts(who)
        message = await self._objection(who, resource, namespace)
        answer = self._answer(message, known.get((resource, namespace)), whole=resource is None)
        if answer.allowed and doubts != self.doubts(who):  # refused while this was asked: it may be older than that
            return replace(answer, until=self.clock())
        known[resource, namespace] = answer
        return answer

    def _answer(self, message: str, before: Answer | None, *, whole: bool) -> Answer:
        if not message:
            return Answer(True, self.clock() + ANSWER_AGE)
        if whole:  # most may not do everything; what they may do is asked kind by kind
            return Answer(False, self.clock() + ANSWER_AGE, message)
        denials = before.denials + 1 if before is not None else 1
        pause = min(DENIAL_MOST, DENIAL_FIRST * 2.0 ** min(denials - 1, 20))
        return Answer(False, self.clock() + pause, message, denials)

    async def _objection(self, who: ServiceAccount, resource: Resource | None, namespace: str | None) -> str:
        """What it may not do; "" if it may read there."""
        place = {} if namespace is None else {"namespace": namespace}
        try:
            if resource is None:
                return "" if await self._may(who, _ANYTHING | place) else "not everything"
            kind = {"group": resource.group, "version": resource.version, "resource": resource.plural} | place
            # One at first: most refusals are refusals of all three.
            if await self._may(who, {"verb": "list"} | kind) and all(
                await asyncio.gather(*(self._may(who, {"verb": verb} | kind) for verb in ("get", "watch")))
            ):
                return ""
        except ForbiddenError as error:
            return (
                f"what {who} may see cannot be found out: {error.message}; let the controller's own user create "
                "subjectaccessreviews.authorization.k8s.io, as manifests/rbac.yaml does"
            )
        return _refusal(who, resource, namespace)

    async def _may(self, who: ServiceAccount, attributes: Json) -> bool:
        spec = {"user": who.user, "groups": list(who.groups), "resourceAttributes": attributes}
        namespace = attributes.get("namespace")
        if not self._only_local:
            try:
                return await self._ask("SubjectAccessReview", f"{_GROUP}/subjectaccessreviews", {}, spec)
            except ForbiddenError:
                if namespace is None:
                    raise
        path = f"{_GROUP}/namespaces/{namespace}/localsubjectaccessreviews"
        if namespace is None:
            raise ForbiddenError(Reason.FORBIDDEN, "this installation is one of some namespaces", 403)
        answer = await self._ask("LocalSubjectAccessReview", path, {"namespace": namespace}, spec)
        self._only_local = True
        return answer

    async def _ask(self, kind: str, path: str, metadata: Json, spec: Json) -> bool:
        review = {"apiVersion": "authorization.k8s.io/v1", "kind": kind, "metadata": metadata, "spec": spec}
        answer = orjson.loads(await self._client.request("POST", path, "", orjson.dumps(review)))
        return bool(answer["status"]["allowed"])


def _covers(resource: Resource | None, path: str) -> bool:
    return resource is None or resource.path() == path


def _refusal(who: ServiceAccount, resource: Resource, namespace: str | None) -> str:
    kind = f"{resource.plural}.{resource.group}" if resource.group else resource.plural
    if namespace is None:
        place = " in all namespaces" if resource.namespaced else ""
        role = "ClusterRole by a ClusterRoleBinding"
    else:
        place, role = f" in namespace {namespace}", "Role by a RoleBinding there"
    return f"{who} may not get, list and watch {kind}{place}; give it such a {role}"
