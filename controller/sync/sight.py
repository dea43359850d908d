"""What of a cluster one fabric may see: asked kind by kind and place by place, and kept as long as the answers count.

A place is a namespace, or None: all of them, or where a kind without namespaces lives. Where all namespaces are in
scope but not all may be seen, those are asked about one by one in which the fabric has documents or bases.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from controller.kube.access import AccessReviews, Answer, ServiceAccount
from controller.kube.resources import Resource
from controller.objects import Kind, ObjectKey
from controller.sync.scope import Scope

_FREE = Answer(True, float("inf"))  # who watches with credentials of its own is shown by the server what it may see


class Sight:
    """Asks for one fabric. `who` None: nobody is asked, everything that a watch brings may be seen."""

    def __init__(self, who: ServiceAccount | None, reviews: AccessReviews, scope: Scope) -> None:
        self._who = who
        self._reviews = reviews
        self._scope = scope
        self._named: dict[Kind, set[str]] = {}
        self._answers: dict[Resource, dict[str | None, Answer]] = {}
        self._until = float("inf")  # of the reviews' clock: until when every answer counts
        self._doubts = 0

    @property
    def is_due(self) -> bool:
        """Whether an answer no longer counts."""
        who, reviews = self._who, self._reviews
        return who is not None and (reviews.clock() >= self._until or reviews.doubts(who) != self._doubts)

    @property
    def due_in(self) -> float | None:
        """Seconds until one will no longer count; None where nobody is asked."""
        if self._who is None or not self._answers:
            return None
        return max(0.0, self._until - self._reviews.clock())

    def name_places(self, keys: Iterable[ObjectKey]) -> None:
        """These objects are the ones that matter. Only looked at where all namespaces are in scope."""
        if not self._scope.everywhere:
            return
        self._named = {}
        for key in keys:
            self._named.setdefault(key.group_kind, set()).add(key.namespace)

    async def ask(self, resources: Iterable[Resource]) -> None:
        """Know what may be seen of these kinds, and of no other. Raises UnreachableError."""
        wanted = tuple(dict.fromkeys(resources))
        if self._who is not None:
            self._doubts = self._reviews.doubts(self._who)
        answers = await asyncio.gather(*(self._of_kind(resource) for resource in wanted))
        self._answers = dict(zip(wanted, answers, strict=True))
        self._until = min((answer.until for places in answers for answer in places.values()), default=float("inf"))

    def ask_refusals_again(self) -> None:
        """Somebody asked for a look now: what was refused is asked about at once."""
        if self._who is not None:
            self._reviews.ask_again(self._who)

    def places(self, resource: Resource) -> set[str | None]:
        """Where objects of the kind may be seen."""
        return {place for place, answer in self._answers.get(resource, {}).items() if answer.allowed}

    def objection(self, resource: Resource, namespace: str) -> str:
        """Why objects of the kind there may not be seen, and what to do; "" where they may, or nobody asked."""
        answers = self._answers.get(resource, {})
        found = answers.get(namespace) or answers.get(None)
        return "" if found is None else found.message

    def refusals(self) -> list[str]:
        """Everything that may not be seen and should be, each once."""
        found = (
            answer.message
            for resource, answers in self._answers.items()
            for place, answer in answers.items()
            if not answer.allowed and not (place is None and self._is_asked_one_by_one(resource))
        )
        return list(dict.fromkeys(found))

    async def _of_kind(self, resource: Resource) -> dict[str | None, Answer]:
        if resource.namespaced and not self._scope.everywhere:
            return await self._in(resource, self._scope.namespaces)
        found = await self._in(resource, (None,))
        if resource.namespaced and not found[None].allowed:
            found |= await self._in(resource, sorted(self._named.get(resource.group_kind, ())))
        return found

    async def _in(self, resource: Resource, places: Iterable[str | None]) -> dict[str | None, Answer]:
        who, wanted = self._who, tuple(places)
        if who is None:
            return dict.fromkeys(wanted, _FREE)
        found = await asyncio.gather(*(self._reviews.reading(who, resource, place) for place in wanted))
        return dict(zip(wanted, found, strict=True))

    def _is_asked_one_by_one(self, resource: Resource) -> bool:
        """Whether it is no fault that a kind may not be seen everywhere: only an import wants all there is."""
        rule = self._scope.kinds.get(resource.group_kind)
        return resource.namespaced and not (rule is not None and rule.imports)
