"""Which kinds the API server serves, and how their fields are typed; asked once, and again when a CRD changes.

The server publishes a new CRD's kinds a moment after it takes the CRD, and their OpenAPI document later still; so
after a change we look again until what the CRDs promise is served, only then tell those who wait for a kind, and read
the types of its fields from the CRD itself.
"""

from __future__ import annotations

import asyncio
import logging
import zlib
from collections.abc import Callable

import orjson

from controller.errors import TandemError
from controller.kube.client import JSON, KubeClient
from controller.kube.errors import KindUnknownError
from controller.kube.projection import CachedObject
from controller.kube.resources import Resource
from controller.kube.watch import Change, Reflector, Source
from controller.objects import Json, Kind

_log = logging.getLogger(__name__)

# Both of /api and /apis answer with everything below them in this form since Kubernetes 1.27.
_AGGREGATED = f"{JSON};g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,{JSON}"

# The smallest document that defines ObjectMeta; a CRD's own schema leaves it out.
_META_DOCUMENT = "coordination.k8s.io/v1"
_META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"

# A new CRD is served within a second or two of its event; one with a broken name never is.
_LOOK_AGAIN_SECONDS = (0.1, 0.2, 0.5, 1.0, 1.0, 2.0, 5.0, 10.0)


class Discovery:
    """Kind ↔ resource, cached. In a steady state it makes no request.

    `generation` counts the invalidations: what is derived from an answer is good while it stays the same.
    """

    def __init__(self, client: KubeClient) -> None:
        self.generation = 0
        self._client = client
        self._asking = asyncio.Lock()
        self._served: dict[tuple[str, str], list[Resource]] | None = None  # (group, kind) → versions, preferred first
        self._documents: dict[str, bytes] = {}  # group version → its OpenAPI document, compressed 10:1
        self._subscribers: list[Callable[[frozenset[Kind]], None]] = []
        self._crds: Reflector | None = None
        self._promised: dict[str, frozenset[tuple[str, Kind]]] = {}  # CRD → what it will serve
        self._changed: set[tuple[str, Kind]] = set()
        self._task: asyncio.Task[None] | None = None
        self._unsubscribe: Callable[[], None] = lambda: None

    async def resolve(self, api_version: str, kind: str) -> Resource | None:
        """The resource of a kind in this very version; None if it is not served."""
        group, _, version = api_version.rpartition("/")
        versions = (await self._load()).get((group, kind), ())
        return next((resource for resource in versions if resource.version == version), None)

    async def preferred(self, group: str, kind: str) -> Resource | None:
        """The resource of a kind in the version the server prefers; None if it is not served."""
        versions = (await self._load()).get((group, kind))
        return versions[0] if versions else None

    async def resources(self) -> tuple[Resource, ...]:
        """Everything that is served, each kind in each of its versions, subresources left out."""
        return tuple(resource for versions in (await self._load()).values() for resource in versions)

    async def openapi(self, api_version: str) -> Json | None:
        """The OpenAPI v3 document of a group version, decoded anew at every call; None if it is not served.

        Of a followed CRD's group version it is made from the CRDs, so that it is never older than they are.
        """
        kinds = self._crd_schemas(api_version)
        if not kinds:
            return await self._document(api_version)
        meta = (await self._document(_META_DOCUMENT) or {})["components"]["schemas"][_META]
        return {"openapi": "3.0.0", "components": {"schemas": {_META: meta, **kinds}}}

    def invalidate(self) -> None:
        """Forget which kinds are served; for when one of them turns out not to be, or to be by now."""
        self.generation += 1
        self._served = None

    async def refresh(self, api_versions: frozenset[str]) -> None:
        """These group versions changed: ask anew, and tell subscribers of the kinds that were or are in them."""
        before = self._offered()
        for api_version in api_versions:
            self._documents.pop(api_version, None)
        self.invalidate()
        await self._load()
        kinds = frozenset(kind for served, kind in before | self._offered() if served in api_versions)
        for on_kinds in tuple(self._subscribers):
            on_kinds(kinds)

    def follow(self, crds: Reflector) -> None:
        """Invalidate when a CRD changes, and tell subscribers once its kinds are (or are no longer) served."""
        self._crds = crds
        self._unsubscribe = crds.subscribe(self._note)
        for (_, name), crd in crds.objects.items():
            self._promised[name] = _promise(crd.body)

    def subscribe(self, on_kinds: Callable[[frozenset[Kind]], None]) -> Callable[[], None]:
        """Call `on_kinds` with kinds whose definition changed; the result ends it."""
        self._subscribers.append(on_kinds)
        return lambda: self._subscribers.remove(on_kinds) if on_kinds in self._subscribers else None

    async def close(self) -> None:
        """End what `follow` started."""
        self._unsubscribe()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    # ---- asking ----

    async def _load(self) -> dict[tuple[str, str], list[Resource]]:
        while (served := self._served) is None:
            async with self._asking:
                generation = self.generation
                if self._served is None:
                    found = await self._ask()
                    if generation == self.generation:
                        self._served = found
        return served

    async def _ask(self) -> dict[tuple[str, str], list[Resource]]:
        served: dict[tuple[str, str], list[Resource]] = {}
        for path in ("/api", "/apis"):
            answer = orjson.loads(await self._client.request("GET", path, accept=_AGGREGATED))
            found = _aggregated(answer) if answer["kind"] == "APIGroupDiscoveryList" else await self._one_by_one(answer)
            for resource in found:
                served.setdefault((resource.group, resource.kind), []).append(resource)
        return served

    async def _one_by_one(self, answer: Json) -> list[Resource]:
        """The same from a server that does not aggregate: one request a group version."""
        if answer["kind"] == "APIVersions":
            group_versions = answer["versions"]
        else:
            group_versions = [
                version["groupVersion"] for group in answer["groups"] for version in _preferred_first(group)
            ]
        found: list[Resource] = []
        for group_version in group_versions:
            path = f"/{'apis' if '/' in group_version else 'api'}/{group_version}"
            try:
                found += _listed(orjson.loads(await self._client.request("GET", path)))
            except TandemError as error:  # an aggregated API that is down must not hide the others
                _log.warning("discovery of %s: %s", group_version, error)
        return found

    async def _document(self, api_version: str) -> Json | None:
        if api_version not in self._documents:
            path = f"/openapi/v3/{'apis' if '/' in api_version else 'api'}/{api_version}"
            try:
                self._documents[api_version] = zlib.compress(await self._client.request("GET", path), 1)
            except KindUnknownError:
                return None
        return orjson.loads(zlib.decompress(self._documents[api_version]))

    def _crd_schemas(self, api_version: str) -> Json:
        """The schemas of the kinds that followed CRDs define in this group version, named as the server names them."""
        schemas: dict[str, Json] = {}
        for name, promised in self._promised.items():
            crd = self._crds.get("", name) if self._crds is not None else None
            if crd is not None and any(served == api_version for served, _ in promised):
                schemas |= _schemas(crd.body, api_version)
        return schemas

    # ---- following the CRDs ----

    def _note(self, change: Change) -> None:
        """A CRD came, went or changed. What the first list shows is no news."""
        name = change.key.name
        before = self._promised.pop(name, frozenset())
        promised = _promise(change.new.body) if change.new is not None else frozenset()
        if promised:
            self._promised[name] = promised
        unchanged = change.source is Source.LIST if change.old is None else _content(change.old) == _content(change.new)
        if unchanged and (self._served is None or promised <= self._offered()):
            return
        self.invalidate()
        self._changed |= before | promised
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._settle(), name="discovery")
            self._task.add_done_callback(_ended)

    async def _settle(self) -> None:
        """Look until the server serves what the CRDs promise and nothing they withdrew; then tell who waits for it."""
        for pause in _LOOK_AGAIN_SECONDS:
            await asyncio.sleep(pause)
            self._served = None
            try:
                await self._load()
            except TandemError as error:
                _log.warning("discovery: %s", error)
                continue
            promised = frozenset[tuple[str, Kind]]().union(*self._promised.values())
            if self._changed & promised == self._changed & self._offered():
                break
        self.generation += 1
        kinds = frozenset(kind for _, kind in self._changed)
        self._changed.clear()
        for on_kinds in tuple(self._subscribers):
            on_kinds(kinds)

    def _offered(self) -> frozenset[tuple[str, Kind]]:
        """What the server is known to serve."""
        versions = (self._served or {}).values()
        return frozenset((resource.api_version, resource.group_kind) for served in versions for resource in served)


def _aggregated(answer: Json) -> list[Resource]:
    return [
        Resource(
            group.get("metadata", {}).get("name", ""),
            version["version"],
            resource["responseKind"]["kind"],
            resource["resource"],
            resource["scope"] == "Namespaced",
            frozenset(resource["verbs"]),
        )
        for group in answer["items"]
        for version in group["versions"]
        for resource in version.get("resources", ())
        if resource.get("responseKind", {}).get("kind")
    ]


def _preferred_first(group: Json) -> list[Json]:
    preferred = group["preferredVersion"]
    return [preferred, *(version for version in group["versions"] if version != preferred)]


def _listed(answer: Json) -> list[Resource]:
    group, _, version = answer["groupVersion"].rpartition("/")
    return [
        Resource(group, version, one["kind"], one["name"], one["namespaced"], frozenset(one["verbs"]))
        for one in answer["resources"]
        if "/" not in one["name"]
    ]


def _promise(crd: Json) -> frozenset[tuple[str, Kind]]:
    """The group versions and the kind that a CRD will serve."""
    spec = crd["spec"]
    kind = Kind(spec["group"], spec["names"]["kind"])
    return frozenset((f"{kind.group}/{version['name']}", kind) for version in spec["versions"] if version["served"])


def _schemas(crd: Json, api_version: str) -> Json:
    """A CRD's schema in one version as the server publishes it, with the metadata that the CRD leaves out."""
    spec = crd["spec"]
    group, kind = spec["group"], spec["names"]["kind"]
    schemas = {}
    for version in spec["versions"]:
        if version["served"] and f"{group}/{version['name']}" == api_version:
            schema = version["schema"]["openAPIV3Schema"]
            metadata = {"allOf": [{"$ref": f"#/components/schemas/{_META}"}]}
            schema["properties"] = schema.get("properties", {}) | {"metadata": metadata}
            schema["x-kubernetes-group-version-kind"] = [{"group": group, "kind": kind, "version": version["name"]}]
            schemas[f"{'.'.join(reversed(group.split('.')))}.{version['name']}.{kind}"] = schema
    return schemas


def _content(crd: CachedObject | None) -> bytes:
    return crd.content if crd is not None else b""


def _ended(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.error("discovery failed", exc_info=error)
