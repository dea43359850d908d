"""The probes over a real socket: what Kubernetes and Prometheus would see."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import aiohttp
import pytest
from aiohttp import web
from prometheus_client import CollectorRegistry, Counter

from controller.web.app import serving
from controller.web.bind import BindError
from controller.web.probes import MAX_WORK_AGE, add_probes


@dataclass
class Process:
    """What the probed process would say of itself."""

    age: float = 0.0
    missing: str | None = None
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    url: str = ""


@pytest.fixture
async def process() -> AsyncIterator[Process]:
    it = Process()
    app = web.Application()
    add_probes(app, age=lambda: it.age, missing=lambda: it.missing, registry=it.registry)
    async with serving(app, "127.0.0.1:0") as where:
        it.url = f"http://{where}"
        yield it


async def get(process: Process, path: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(process.url + path) as response:
        return response.status, await response.text()


async def test_idle_is_alive(process: Process) -> None:
    assert await get(process, "/livez") == (200, "ok\n")


async def test_working_for_long_is_alive(process: Process) -> None:
    process.age = MAX_WORK_AGE
    assert await get(process, "/livez") == (200, "ok\n")


async def test_working_for_too_long_is_not_alive(process: Process) -> None:
    process.age = MAX_WORK_AGE + 1
    assert await get(process, "/livez") == (503, "no progress: work has been due for 601 s\n")


async def test_stuck_and_free_again_is_alive_again(process: Process) -> None:
    process.age = 10 * MAX_WORK_AGE
    assert (await get(process, "/livez"))[0] == 503
    process.age = 1
    assert (await get(process, "/livez"))[0] == 200


async def test_not_ready_says_what_is_missing(process: Process) -> None:
    process.missing = "the first list of fabrics"
    assert await get(process, "/readyz") == (503, "not ready: the first list of fabrics\n")
    assert (await get(process, "/livez"))[0] == 200, "not ready is no reason to be restarted"


async def test_ready(process: Process) -> None:
    assert await get(process, "/readyz") == (200, "ok\n")


async def test_metrics_are_those_of_the_registry_it_was_given(process: Process) -> None:
    Counter("tandem_test", "A number.", registry=process.registry).inc(3)
    status, text = await get(process, "/metrics")
    assert status == 200
    assert "tandem_test_total 3.0" in text
    assert "python_info" not in text, "the global registry must not leak in"


@pytest.mark.parametrize("path", ["/", "/healthz", "/livez/more"])
async def test_other_paths_are_not_there(process: Process, path: str) -> None:
    assert (await get(process, path))[0] == 404


async def test_nothing_listens_after_the_block(process: Process) -> None:
    async with serving(web.Application(), "127.0.0.1:0") as where:
        gone = f"http://{where}/"
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.ClientConnectionError):
            await session.get(gone)


async def test_an_address_that_is_taken_says_so() -> None:
    async with serving(web.Application(), "127.0.0.1:0") as where:
        with pytest.raises(OSError, match=r"address already in use"):
            async with serving(web.Application(), str(where)):
                pytest.fail("two servers on one port")


async def test_an_address_that_is_none_is_refused() -> None:
    with pytest.raises(BindError):
        async with serving(web.Application(), "here"):
            pytest.fail("served on nothing")
