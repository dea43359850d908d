"""The writes, exactly as the sync engine needs them: one request each, no decision, no second try.

The guards travel in the request: a create says `resourceVersion: "1"`, which no object ever has, because without it a
create merges into what appeared meanwhile; an update says uid *and* resourceVersion, because with a resourceVersion
alone it re-creates what was deleted meanwhile.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from urllib.parse import quote

import orjson

from controller.kube.answers import JSON_PATCH
from controller.kube.client import APPLY_PATCH, MERGE_PATCH, KubeClient
from controller.kube.errors import NotFoundError
from controller.kube.pool import ReflectorPool
from controller.kube.projection import CachedObject, projected
from controller.kube.resources import Resource
from controller.objects import Json, ObjectKey

_ABSENT = "1"  # etcd's first revision: no object has it, so an apply with it succeeds only where there is none
_METADATA = b'"metadata":{'


class Writer:
    """Writes objects, and tells the reflectors of `pool` what came of it.

    `body` is canonical content (apiVersion, kind and metadata.name in it; no uid, no resourceVersion); the namespace is
    `key`'s. All are sent with `fieldValidation=Strict`. Answers are projected once.
    Raises: RefusedError, ForbiddenError, NamespaceMissingError, UnreachableError, and what each method names.
    """

    def __init__(self, client: KubeClient, pool: ReflectorPool | None = None) -> None:
        self._client = client
        self._pool = pool or ReflectorPool(client)

    async def read(self, resource: Resource, key: ObjectKey) -> CachedObject | None:
        """The live object, or None."""
        try:
            return projected(await self._client.request("GET", resource.path(key.namespace, key.name)))
        except NotFoundError:
            return None

    async def create(self, resource: Resource, key: ObjectKey, body: bytes, manager: str) -> CachedObject:
        """An apply that only succeeds where nothing is. Raises ChangedMeanwhileError when something is."""
        return await self._apply_known(resource, key, guarded(body, resource_version=_ABSENT), _query(manager))

    async def update(
        self, resource: Resource, key: ObjectKey, body: bytes, manager: str, *, uid: str, resource_version: str
    ) -> CachedObject:
        """A forced apply onto exactly this state. Raises ChangedMeanwhileError when it is another."""
        return await self._apply_known(resource, key, guarded(body, uid, resource_version), _query(manager, force=True))

    async def update_unforced(
        self, resource: Resource, key: ObjectKey, body: bytes, manager: str, *, uid: str
    ) -> CachedObject:
        """An apply onto this object in any state. Raises ChangedMeanwhileError (another uid) and ConflictError."""
        return await self._apply(resource, key, guarded(body, uid), _query(manager))

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
        tests = [{"op": "test", "path": "/metadata/uid", "value": uid}]
        if resource_version is not None:
            tests.append({"op": "test", "path": "/metadata/resourceVersion", "value": resource_version})
        patch = orjson.dumps([*tests, *operations])
        path = resource.path(key.namespace, key.name)
        if resource_version is None:
            return projected(await self._client.request("PATCH", path, _query(manager), patch, JSON_PATCH))
        with self._pool.writing(resource, key):
            written = projected(await self._client.request("PATCH", path, _query(manager), patch, JSON_PATCH))
            self._pool.observe(resource, key, written)
        return written

    async def delete(
        self, resource: Resource, key: ObjectKey, *, uid: str, resource_version: str | None = None
    ) -> CachedObject | None:
        """Delete exactly this object, dependants in the background. None: gone; else what finalizers still hold.

        Raises ChangedMeanwhileError, NotFoundError.
        """
        preconditions = {"uid": uid} | ({"resourceVersion": resource_version} if resource_version is not None else {})
        options = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "preconditions": preconditions,
            "propagationPolicy": "Background",  # without it a Job leaves its Pods behind
        }
        path = resource.path(key.namespace, key.name)
        with self._pool.writing(resource, key):
            answer = await self._client.request("DELETE", path, "", orjson.dumps(options))
            if orjson.loads(answer)["kind"] == "Status":
                self._pool.observe_deleted(resource, key, uid)
                return None
        return projected(answer)

    async def dry_run_apply(
        self, resource: Resource, key: ObjectKey, body: bytes, manager: str, *, uid: str = "", force: bool = True
    ) -> CachedObject:
        """What an apply would answer; nothing is stored. Raises ChangedMeanwhileError, ConflictError."""
        return await self._apply(resource, key, guarded(body, uid), _query(manager, force=force, dry_run=True))

    async def dry_run_create(self, resource: Resource, key: ObjectKey, body: bytes, manager: str) -> CachedObject:
        """What the server makes of this body as a new object. Asked under a probe name, not shown."""
        probe = f"tandem-probe-{hashlib.sha256(str(key).encode()).hexdigest()[:8]}"
        document = orjson.loads(body)
        document["metadata"]["name"] = probe
        path = resource.path(key.namespace)
        answer = await self._client.request("POST", path, _query(manager, dry_run=True), orjson.dumps(document))
        return projected(answer.replace(probe.encode(), key.name.encode()))

    async def drop_manager(
        self, resource: Resource, key: ObjectKey, manager: str, *, uid: str, resource_version: str = ""
    ) -> CachedObject:
        """An empty apply under `manager`'s name: its entry goes, co-owned values stay, what it alone owned goes.

        Raises ChangedMeanwhileError when the object is another, or, if it is given, in another state.
        """
        guards = {"uid": uid} | ({"resourceVersion": resource_version} if resource_version else {})
        nothing = {
            "apiVersion": resource.api_version,
            "kind": resource.kind,
            "metadata": {"name": key.name, **guards},
        }
        if not resource_version:
            return await self._apply(resource, key, orjson.dumps(nothing), _query(manager))
        return await self._apply_known(resource, key, orjson.dumps(nothing), _query(manager))

    async def post(self, resource: Resource, namespace: str, body: Json, manager: str) -> CachedObject:
        """A plain create, for our own kinds. Raises AlreadyExistsError."""
        path = resource.path(namespace)
        return projected(await self._client.request("POST", path, _query(manager), orjson.dumps(body)))

    async def merge(
        self, resource: Resource, key: ObjectKey, patch: Json, manager: str, *, subresource: str = ""
    ) -> CachedObject:
        """A merge patch, for our own kinds' metadata, spec or (`subresource="status"`) status. Raises NotFoundError.

        `metadata.uid` and `metadata.resourceVersion` in the patch are preconditions: ChangedMeanwhileError.
        """
        path = resource.path(key.namespace, key.name, subresource)
        return projected(await self._client.request("PATCH", path, _query(manager), orjson.dumps(patch), MERGE_PATCH))

    async def patch_status(self, resource: Resource, key: ObjectKey, status: Json, manager: str) -> CachedObject:
        """A merge patch of `status`. Raises NotFoundError."""
        return await self.merge(resource, key, {"status": status}, manager, subresource="status")

    async def _apply_known(self, resource: Resource, key: ObjectKey, body: bytes, query: str) -> CachedObject:
        """An apply onto a state that is known: its answer goes into the caches, its echo will be dropped."""
        with self._pool.writing(resource, key):
            written = await self._apply(resource, key, body, query)
            self._pool.observe(resource, key, written)
        return written

    async def _apply(self, resource: Resource, key: ObjectKey, body: bytes, query: str) -> CachedObject:
        path = resource.path(key.namespace, key.name)
        return projected(await self._client.request("PATCH", path, query, body, APPLY_PATCH))


def guarded(body: bytes, uid: str = "", resource_version: str = "") -> bytes:
    """A canonical body with uid and resourceVersion put into its metadata.

    Usually the bytes have one place that can be the object's metadata, so nothing is decoded; in a workload, whose
    template has metadata too, finding the right one takes a decoder.
    """
    guards = {name: value for name, value in (("resourceVersion", resource_version), ("uid", uid)) if value}
    if not guards:
        return body
    start = body.find(_METADATA) + len(_METADATA)
    if body.find(_METADATA, start) < 0:
        return body[:start] + orjson.dumps(guards)[1:-1] + b"," + body[start:]
    document = orjson.loads(body)
    document["metadata"] |= guards
    return orjson.dumps(document)


@lru_cache(maxsize=1024)
def _query(manager: str, *, force: bool = False, dry_run: bool = False) -> str:
    """The query of a write. Few managers write many objects, so it is put together once."""
    return (
        f"fieldManager={quote(manager, safe='')}&fieldValidation=Strict"
        + ("&force=true" if force else "")
        + ("&dryRun=All" if dry_run else "")
    )
