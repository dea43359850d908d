"""The writes, exactly as the sync engine needs them: one request each, no decision, no second try."""

from __future__ import annotations

from collections.abc import Sequence

from controller.kube.client import KubeClient
from controller.kube.pool import ReflectorPool
from controller.kube.projection import CachedObject
from controller.kube.resources import Resource
from controller.objects import Json, ObjectKey


class Writer:
    """Writes objects, and tells the reflectors of `pool` what came of it.

    `body` is canonical content (apiVersion, kind and metadata.name in it; no uid, no resourceVersion); the namespace is
    `key`'s. All are sent with `fieldValidation=Strict`. Answers are projected once.
    Raises: RefusedError, ForbiddenError, NamespaceMissingError, UnreachableError, and what each method names.
    """

    def __init__(self, client: KubeClient, pool: ReflectorPool | None = None) -> None:
        raise NotImplementedError

    async def read(self, resource: Resource, key: ObjectKey) -> CachedObject | None:
        """The live object, or None."""
        raise NotImplementedError

    async def create(self, resource: Resource, key: ObjectKey, body: bytes, manager: str) -> CachedObject:
        """An apply that only succeeds where nothing is. Raises ChangedMeanwhileError when something is."""
        raise NotImplementedError

    async def update(
        self, resource: Resource, key: ObjectKey, body: bytes, manager: str, *, uid: str, resource_version: str
    ) -> CachedObject:
        """A forced apply onto exactly this state. Raises ChangedMeanwhileError when it is another."""
        raise NotImplementedError

    async def update_unforced(
        self, resource: Resource, key: ObjectKey, body: bytes, manager: str, *, uid: str
    ) -> CachedObject:
        """An apply onto this object in any state. Raises ChangedMeanwhileError (another uid) and ConflictError."""
        raise NotImplementedError

    async def patch_json(
        self,
        resource: Resource,
        key: ObjectKey,
        operations: Sequence[Json],
        manager: str,
        *,
        uid: str,
        resource_version: str | None = None,
    ) -> CachedObject:
        """A JSON patch (RFC 6902 operations) behind tests on uid and, if given, resourceVersion.

        Raises ChangedMeanwhileError when a test fails, NotFoundError.
        """
        raise NotImplementedError

    async def delete(
        self, resource: Resource, key: ObjectKey, *, uid: str, resource_version: str | None = None
    ) -> CachedObject | None:
        """Delete exactly this object, dependants in the background. None: gone; else what finalizers still hold.

        Raises ChangedMeanwhileError, NotFoundError.
        """
        raise NotImplementedError

    async def dry_run_apply(
        self, resource: Resource, key: ObjectKey, body: bytes, manager: str, *, uid: str = "", force: bool = True
    ) -> CachedObject:
        """What a forced apply would answer; nothing is stored. Raises ChangedMeanwhileError, ConflictError."""
        raise NotImplementedError

    async def dry_run_create(self, resource: Resource, key: ObjectKey, body: bytes, manager: str) -> CachedObject:
        """What the server makes of this body as a new object. Asked under a probe name, not shown."""
        raise NotImplementedError

    async def drop_manager(self, resource: Resource, key: ObjectKey, manager: str, *, uid: str) -> CachedObject:
        """An empty apply under `manager`'s name: its entry goes, co-owned values stay, what it alone owned goes."""
        raise NotImplementedError

    async def post(self, resource: Resource, namespace: str, body: Json, manager: str) -> CachedObject:
        """A plain create, for our own kinds. Raises AlreadyExistsError."""
        raise NotImplementedError

    async def merge(
        self, resource: Resource, key: ObjectKey, patch: Json, manager: str, *, subresource: str = ""
    ) -> CachedObject:
        """A merge patch, for our own kinds' metadata, spec or (`subresource="status"`) status. Raises NotFoundError.

        `metadata.uid` and `metadata.resourceVersion` in the patch are preconditions: ChangedMeanwhileError.
        """
        raise NotImplementedError

    async def patch_status(self, resource: Resource, key: ObjectKey, status: Json, manager: str) -> CachedObject:
        """A merge patch of `status`. Raises NotFoundError."""
        raise NotImplementedError
