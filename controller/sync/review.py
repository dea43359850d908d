"""What speaks against a Fabric that somebody is about to write: asked by the API server, through the webhook.

The same checks that a run begins with, earlier, and with the other Fabrics in view. What stood there before and is left
as it is never an objection: a Fabric can always be suspended, annotated and deleted.
"""

from __future__ import annotations

from collections.abc import Iterator

from controller.api.v1alpha1.fabric import Fabric
from controller.errors import StalledError, TandemError
from controller.objects import Json
from controller.runtime.configs import ConfigCache
from controller.sync.admission import admitted_profile
from controller.sync.overlap import Place, overlap, place_of
from controller.sync.profile import Profile, profile_of
from controller.sync.tools import Tools


class FabricReview:
    """Judges Fabrics by what the cache knows of the others."""

    def __init__(self, tools: Tools, cache: ConfigCache) -> None:
        self._tools = tools
        self._cache = cache

    async def objection(self, new: Json, old: Json | None) -> str:
        """Everything that speaks against writing `new` over `old` (None: nothing is there); "" for nothing.

        Raises UnreachableError.
        """
        if old is not None and (new["spec"] == old["spec"] or "deletionTimestamp" in new["metadata"]):
            return ""
        stood = set() if old is None else set(await self._objections(old))
        return "; ".join(one for one in await self._objections(new) if one not in stood)

    async def _objections(self, body: Json) -> list[str]:
        try:
            fabric = Fabric.from_object(_complete(body))
            profile = await admitted_profile(self._tools.installation, self._tools.targets.home, fabric)
        except StalledError as error:
            return [error.message]
        return [*self._overlaps(profile, place_of(body))]

    def _overlaps(self, profile: Profile, place: Place | None) -> Iterator[str]:
        source = profile.source
        for key in self._cache:
            body = self._cache.get(key)
            if (key.namespace, key.name) == (profile.namespace, profile.name) or body is None:
                continue
            if place_of(body) != place:  # asked first: to read a whole Fabric takes a hundred times as long
                continue
            other = self._other(body)
            position = "" if other is None else overlap(profile, other)
            if other is not None and position:
                its = f"{other.source.directory or '.'} of {_named(other, profile.namespace)}"
                yield (
                    f"spec.repository.directory: {source.directory or '.'} is {position} {its}, on the same branch "
                    f"{source.branch} of the same repository; each would write the other's files. Give the two "
                    "directories that lie side by side, or branches of their own"
                )

    def _other(self, body: Json) -> Profile | None:
        """The profile of another Fabric; None for one that is about to go, or cannot be worked with."""
        if "deletionTimestamp" in body["metadata"]:
            return None
        try:
            return profile_of(Fabric.from_object(body), self._tools.installation)
        except TandemError:
            return None


def _named(other: Profile, namespace: str) -> str:
    """What is said of the other Fabric: to other namespaces, not even its name."""
    return f"Fabric {other.name}" if other.namespace == namespace else "a Fabric of another namespace"


def _complete(body: Json) -> Json:
    """The object as it will be stored: what the API server fills in after it asked."""
    metadata = {"uid": "new", "generation": 1} | body["metadata"]
    return {**body, "metadata": metadata}
