"""W1: what a write costs the API server's clients where the controller is told of it, and where it is not."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable

from tests.benchmarks.bare import DEADLINE, IN_FLIGHT, BenchmarkError, apply_all, config_maps
from tests.benchmarks.figures import Figure
from tests.benchmarks.scene import Scene, config_map, name_of

WRITES = 25  # one after the other for each sample: they take milliseconds
TOLD = 'tandem_attribution_total{outcome="told"}'


async def asked(scene: Scene, samples: int, edits: int) -> list[Figure]:
    """Merge patches of ConfigMaps in two namespaces: of one of them the controller is told, as the manifest says.

    First one after the other, in turns; then so many `edits` with 64 in flight. No Fabric keeps the objects.
    """
    plain, told = [await scene.make_namespace(prefix) for prefix in ("plain", "told")]
    for namespace in (plain, told):
        await apply_all(scene.client, namespace, [config_map(number) for number in range(IN_FLIGHT)])
    with scene.webhook.configured(scene.authority, "attribution", [told]):
        await _effective(scene, told)
        alone: tuple[list[float], list[float]] = ([], [])
        for number in range(samples * WRITES):
            for namespace, took in zip((plain, told), alone, strict=True):
                took.append(await _written(scene, namespace, 0, f"change-{number}"))
        rates = [await _rate(scene, namespace, edits) for namespace in (plain, told)]
    what = "a write that the controller is told of"
    versus = "the same write, told to nobody"
    return [
        Figure("W1", what, "–", "s", tuple(alone[1]), tuple(alone[0]), versus),
        Figure("W1", f"{edits:,} of them, {IN_FLIGHT} in flight", "–", "/s", (rates[1],), (rates[0],), versus),
    ]


async def _effective(scene: Scene, namespace: str) -> None:
    """The API server goes by a new configuration some time after it took it."""
    before, attempt = scene.tandem.metrics().get(TOLD, 0), 0
    end = time.monotonic() + DEADLINE
    while scene.tandem.metrics().get(TOLD, 0) == before:
        if time.monotonic() > end:
            raise BenchmarkError(f"the controller is told of nothing in {namespace}")
        attempt += 1
        await _written(scene, namespace, 0, f"attempt-{attempt}")


async def _written(scene: Scene, namespace: str, number: int, value: str) -> float:
    begin = time.perf_counter()
    await scene.client.merge(f"{config_maps(namespace)}/{name_of(number)}", {"data": {"value": value}})
    return time.perf_counter() - begin


async def _rate(scene: Scene, namespace: str, edits: int) -> float:
    """Writes a second; each worker has an object of its own, so that nobody waits for another's version."""
    waiting = iter(range(edits))

    async def worker(number: int, turns: Iterable[int]) -> None:
        for turn in turns:
            await _written(scene, namespace, number, f"turn-{turn}")

    begin = time.perf_counter()
    await asyncio.gather(*(worker(number, waiting) for number in range(IN_FLIGHT)))
    return edits / (time.perf_counter() - begin)
