"""The cluster side against the session's control plane, straight or through the fault proxy."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import orjson
import pytest

from controller.dev.controlplane import ControlPlane
from controller.kube.apply import Writer
from controller.kube.client import KubeClient
from controller.kube.config import load_config
from controller.kube.pool import ReflectorPool
from controller.kube.watch import WatchTiming
from controller.objects import canonical
from tests.support.faults import FaultProxy
from tests.support.kubectl import Kubectl

# Everything a hundred times as impatient as in production, so that a test meets each wait.
IMPATIENT = WatchTiming(inactivity=1.5, backoff_first=0.05, backoff_most=0.3)

MakeClient = Callable[..., Any]


@pytest.fixture
async def make_client() -> AsyncIterator[MakeClient]:
    """Makes clients for kubeconfigs, and closes them."""
    async with AsyncExitStack() as stack:

        async def make(kubeconfig: Path, **options: Any) -> KubeClient:
            return await stack.enter_async_context(KubeClient(await load_config(kubeconfig), **options))

        yield make


@pytest.fixture
async def client(controlplane: ControlPlane, make_client: MakeClient) -> KubeClient:
    """The admin's, straight to the API server."""
    made: KubeClient = await make_client(controlplane.kubeconfig)
    return made


@pytest.fixture
async def shaky_client(faults: FaultProxy, make_client: MakeClient) -> KubeClient:
    """The admin's, through the fault proxy."""
    made: KubeClient = await make_client(faults.kubeconfig, timeout=5.0)
    return made


@pytest.fixture
async def pool(client: KubeClient) -> AsyncIterator[ReflectorPool]:
    """Reflectors with a straight connection."""
    pool = ReflectorPool(client)
    yield pool
    await pool.close()


@pytest.fixture
async def shaky_pool(shaky_client: KubeClient) -> AsyncIterator[ReflectorPool]:
    """Reflectors through the fault proxy."""
    pool = ReflectorPool(shaky_client, IMPATIENT)
    yield pool
    await pool.close()


@pytest.fixture
def writer(client: KubeClient, pool: ReflectorPool) -> Writer:
    """Writes as the admin."""
    return Writer(client, pool)


@pytest.fixture
def here(kubectl: Kubectl, namespace: str) -> Kubectl:
    """kubectl in the test's namespace."""
    return kubectl.within(namespace)


def config_map(name: str, data: dict[str, Any] | None = None, **metadata: Any) -> bytes:
    """The canonical content of a ConfigMap, as a document declares it."""
    body: dict[str, Any] = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, **metadata}}
    if data is not None:
        body["data"] = data
    return canonical(body)


def body_of(content: bytes) -> Any:
    """Decoded, for an assertion."""
    return orjson.loads(content)
