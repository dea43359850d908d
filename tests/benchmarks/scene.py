"""Where is measured: a real control plane, a Git server, the real controller as a process, and the bare client."""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from controller.api.meta import API_VERSION, REQUESTED_AT
from controller.dev.build import ensure_programs
from controller.dev.certificates import Authority
from controller.dev.controlplane import ControlPlane, Options
from controller.dev.gitserver import GitServer
from controller.dev.ports import free_port
from controller.dev.progress import Progress
from tests.benchmarks.bare import DEADLINE, BareClient, BenchmarkError, Json, config_maps
from tests.support.fabrics import fabric
from tests.support.kubectl import Kubectl
from tests.support.repository import Repository
from tests.support.tandem import Launch, Tandem
from tests.support.tenants import RBAC, reigning
from tests.support.webhook import Webhook, flags

CRDS = Path(__file__).parents[2] / "crds"
DOCUMENTS_A_FILE = FILES_A_FOLDER = 100
PAYLOAD = "the quick brown fox jumps over the lazy dog; " * 5


@dataclass(frozen=True)
class Place:
    """A Fabric, its repository and its namespace, which has the Fabric's name."""

    name: str
    repository: Repository
    revision: str
    count: int

    @property
    def fabric_path(self) -> str:
        return f"/apis/{API_VERSION}/namespaces/{self.name}/fabrics/{self.name}"

    @property
    def config_maps(self) -> str:
        return config_maps(self.name)

    def head(self) -> str:
        """The commit the server's branch is at, read without starting a git: what waits for a push looks often."""
        return (self.repository.bare / "refs" / "heads" / self.repository.branch).read_text().strip()


@dataclass
class Scene:
    """Everything that runs during a benchmark."""

    folder: Path
    client: BareClient
    server: GitServer
    tandem: Tandem
    webhook: Webhook
    authority: Authority
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    async def make_namespace(self, prefix: str) -> str:
        """A new namespace, in which Fabrics may do anything."""
        name = f"{prefix}-{next(self._numbers)}"
        await self.client.create("/api/v1/namespaces", {"metadata": {"name": name}})
        await self.client.create(f"{RBAC}/namespaces/{name}/rolebindings", reigning(name))
        return name

    async def make_place(self, prefix: str, count: int, *, together: bool = False) -> Place:
        """A repository with so many ConfigMaps, one a file or many `together`, pushed; the Fabric is still to come."""
        name = await self.make_namespace(prefix)
        repository = Repository(self.server, name, self.folder / "clones" / name)
        revision = repository.publish(_files(count, together=together))
        return Place(name, repository, revision, count)

    async def begin(self, place: Place, *, hook: str = "", **sync: Any) -> None:
        """Make the place's Fabric; Tandem starts on it. Nothing runs by the clock afterwards.

        `hook`: the name of the Secret for messages of the Git server.
        """
        source = {"hookSecretRef": {"name": hook}} if hook else {}
        timing = {"interval": "1h", "maxEdits": 10_000, **sync}
        body = fabric(place.repository.url, place.name, repository=source, sync=timing)
        await self.client.create(place.fabric_path.rpartition("/")[0], body)

    async def settle(self, place: Place, holds: Callable[[Json], bool]) -> None:
        """Wait until it holds of the Fabric; told by a watch, so at once and at the cost of one request."""
        collection = place.fabric_path.rpartition("/")[0]
        try:
            async with asyncio.timeout(DEADLINE), self.client.watching(collection, place.name) as states:
                async for state in states:
                    if holds(state):
                        return
        except TimeoutError:
            pass
        status = (await self.client.get(place.fabric_path)).get("status")
        raise BenchmarkError(f"Fabric {place.name} did not get there: {status}\n{self.tandem.logs()}")

    async def request(self, place: Place, text: str) -> None:
        """Tell Tandem that there is something new."""
        await self.client.merge(place.fabric_path, {"metadata": {"annotations": {REQUESTED_AT: text}}})


@asynccontextmanager
async def scene(folder: Path) -> AsyncIterator[Scene]:
    """Start everything below a folder; stop it in the end. Only from the main thread."""
    programs = ensure_programs(os.environ, Progress(), controllers=True).programs
    if programs is None:
        raise BenchmarkError("there are no programs of a control plane")
    with ControlPlane(programs, folder / "plane", Options(fsync=False)) as plane, GitServer(folder / "git") as server:
        kubectl = Kubectl.of(plane)
        kubectl("apply", "--server-side", "--filename", str(CRDS))
        kubectl("wait", "--for=condition=Established", "--filename", str(CRDS))
        port, tls = free_port(), folder / "tls"
        tandem = Tandem(Launch(plane.kubeconfig, folder / "tandem", "tandem-system", flags=flags(tls, port)))
        webhook = Webhook(tandem, tls, kubectl, port)
        authority = webhook.certify("authority")
        tandem.start()
        try:
            async with BareClient(plane) as client:
                yield Scene(folder, client, server, tandem, webhook, authority)
        finally:
            tandem.stop()


def name_of(number: int) -> str:
    """The ConfigMap of this number."""
    return f"settings-{number:05}"


def path_of(number: int) -> str:
    """Its file, where each has its own; a folder holds a hundred, because a fetch brings the tree of a changed one."""
    return f"config/{number // FILES_A_FOLDER:03}/{name_of(number)}.yaml"


def config_map(number: int, value: str = "first") -> Json:
    """A ConfigMap of the usual size, about half a kilobyte."""
    data = {"value": value, "colour": "blue", "text": PAYLOAD}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name_of(number)}, "data": data}


def document(number: int, value: str = "first") -> str:
    """The same as people write it."""
    data = config_map(number, value)["data"]
    lines = "".join(f"  {key}: {text}\n" for key, text in data.items())
    return f"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name_of(number)}\ndata:\n{lines}"


def _files(count: int, *, together: bool) -> Mapping[str, str]:
    if not together:
        return {path_of(number): document(number) for number in range(count)}
    starts = range(0, count, DOCUMENTS_A_FILE)
    return {
        f"config/{start:05}.yaml": "---\n".join(
            document(number) for number in range(start, min(start + DOCUMENTS_A_FILE, count))
        )
        for start in starts
    }
