"""The API server as a command sees it: our own kinds by name, with errors that say what to type next."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TypeVar

import orjson

from controller.api.meta import FABRIC_LABEL
from controller.api.v1alpha1 import Fabric
from controller.errors import Reason, RejectedError
from controller.kube.answers import JSON_PATCH
from controller.kube.client import MERGE_PATCH, KubeClient
from controller.kube.config import load_config
from controller.kube.errors import GoneError, KindUnknownError, KubeError, NotFoundError, UnreachableError
from controller.kube.kinds import FABRICS
from controller.kube.resources import Resource
from controller.objects import Json

MANAGER = "tandem-cli"
_WATCH_SILENCE = 130.0  # seconds; an API server sends a bookmark every minute
_PAUSE = 1.0  # seconds before an API server that failed is asked again

T = TypeVar("T")


class Cluster:
    """One API server and the namespace that the command works in."""

    def __init__(self, client: KubeClient, namespace: str, program: str, origin: str) -> None:
        self.client = client
        self.namespace = namespace
        self.program = program
        self.origin = origin

    async def get(self, resource: Resource, name: str) -> Json:
        """One object of the namespace. Raises RejectedError that says where to look if there is none."""
        with self._explained(resource):
            try:
                return await self.client.get(resource, self.namespace, name)
            except NotFoundError:
                message = f"there is no {resource.kind} {name} in namespace {self.namespace}{self._hint(resource)}"
                raise RejectedError(Reason.INVALID_SPEC, message) from None

    async def fabric(self, name: str) -> Fabric:
        """One Fabric of the namespace."""
        return Fabric.from_object(await self.get(FABRICS, name))

    async def list(self, resource: Resource, *, everywhere: bool = False, fabric: str = "") -> list[Json]:
        """The objects of the namespace, or of all; of one fabric if it is given."""
        selector = f"labelSelector={FABRIC_LABEL}%3D{fabric}" if fabric else ""
        with self._explained(resource):
            return await self.client.list_all(resource, None if everywhere else self.namespace, selector)

    async def create(self, resource: Resource, body: Json) -> Json:
        """Make an object in the namespace; returns it as it is stored."""
        with self._explained(resource):
            whole = orjson.dumps({"apiVersion": resource.api_version, "kind": resource.kind, **body})
            return orjson.loads(await self.client.request("POST", resource.path(self.namespace), _QUERY, whole))

    async def patch(self, resource: Resource, name: str, patch: Json) -> Json:
        """A merge patch, or a JSON patch if it is a list; returns the object as it is stored."""
        path, how = resource.path(self.namespace, name), JSON_PATCH if isinstance(patch, list) else MERGE_PATCH
        with self._explained(resource):
            return orjson.loads(await self.client.request("PATCH", path, _QUERY, orjson.dumps(patch), how))

    async def follow(self, resource: Resource, name: str) -> AsyncGenerator[Json, None]:
        """The object as it is now, then each state it takes on; ends when it is deleted.

        An API server that goes away for a while is waited for: the caller has the deadline.
        """
        while True:
            try:
                seen = await self.get(resource, name)
                yield seen
                async for state in self._states(resource, name, seen["metadata"]["resourceVersion"]):
                    if state is None:
                        return
                    yield state
            except (UnreachableError, GoneError):
                await asyncio.sleep(_PAUSE)

    async def whoami(self) -> str:
        """Who the API server takes us for; "" where it does not say (before Kubernetes 1.28)."""
        review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
        try:
            answer = await self.client.request(
                "POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", "", orjson.dumps(review)
            )
        except KubeError:
            return ""
        return str(orjson.loads(answer)["status"]["userInfo"].get("username", ""))

    async def _states(self, resource: Resource, name: str, version: str) -> AsyncIterator[Json | None]:
        """What a watch of one object shows, None when it is deleted; ends when the server ends the watch."""
        query = f"watch=true&allowWatchBookmarks=true&fieldSelector=metadata.name%3D{name}&resourceVersion={version}"
        async for lines in self.client.watch(resource.path(self.namespace), query, _WATCH_SILENCE):
            for event in map(orjson.loads, lines):
                match event["type"]:
                    case "ADDED" | "MODIFIED":
                        yield event["object"]
                    case "DELETED":
                        yield None
                    case "ERROR":
                        return

    @contextmanager
    def _explained(self, resource: Resource) -> Iterator[None]:
        try:
            yield
        except KindUnknownError:
            raise RejectedError(
                Reason.KIND_UNKNOWN,
                f"{self.client.server} does not know {resource.plural}.{resource.group}; "
                f"install the definitions: {self.program} crds --install",
            ) from None

    def _hint(self, resource: Resource) -> str:
        commands = {"Fabric": "status -A", "SyncConflict": "conflicts list -A"}
        command = commands.get(resource.kind)
        return f"; `{self.program} {command}` lists them all" if command else ""


_QUERY = f"fieldManager={MANAGER}&fieldValidation=Strict"


@asynccontextmanager
async def connected(options: argparse.Namespace) -> AsyncIterator[Cluster]:
    """The cluster that the flags name. Raises TandemError when it cannot be found; it is not asked anything yet."""
    config = await load_config(options.kubeconfig, options.context)
    async with KubeClient(config, component="cli") as client:
        namespace = options.namespace or config.namespace or "default"
        yield Cluster(client, namespace, options.program, config.origin)


def on_cluster(options: argparse.Namespace, work: Callable[[Cluster], Awaitable[T]]) -> T:
    """Run a command's work in a loop of its own."""

    async def run() -> T:
        async with connected(options) as cluster:
            return await work(cluster)

    return asyncio.run(run())
