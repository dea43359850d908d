"""T5: told of a commit → live, with one file changed among many manifests."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial

from tests.benchmarks.bare import DEADLINE, BenchmarkError, Json, apply_all, config_maps
from tests.benchmarks.figures import Figure
from tests.benchmarks.scene import Place, Scene, config_map, document, name_of, path_of
from tests.support.fabrics import is_synced
from tests.support.serve import TOKEN, Serve, serving

Tell = Callable[[str], Awaitable[None]]
"""Says that there is a new commit, which is given."""


async def told(scene: Scene, manifests: int, samples: int) -> list[Figure]:
    """From the request (`requestedAt`) until a watch shows the new value; so many manifests, and a tenth of them.

    The bare client applies an object of its own until the same kind of watch shows it.
    """
    sizes = (manifests, max(manifests // 10, 1))
    places = [await _synced(scene, size) for size in sizes]
    alone = await scene.make_namespace("bare")
    await apply_all(scene.client, alone, [config_map(0)])
    bare: list[float] = []
    ours: list[list[float]] = [[] for _ in places]
    hooked: list[float] = []
    with serving(scene.tandem.launch) as serve:
        serve.wait_ready()
        for number in range(samples):
            value = f"change-{number}"
            bare.append(await _applied(scene, alone, value))
            for place, found in zip(places, ours, strict=True):
                found.append(await _brought(scene, place, number, value, partial(_request, scene, place, value)))
            value = f"hook-{number}"
            hooked.append(await _brought(scene, places[0], number, value, partial(_push, serve, places[0])))
    goals = ("≤ 0.5 s p95", "the other ≤ 1.2× of this", "≤ 0.5 s p95")
    whats = [f"told → live, 1 of {size:,} manifests" for size in sizes]
    whats.append(f"told by a hook → live, 1 of {sizes[0]:,} manifests")
    return [
        Figure("T5", what, goal, "s", tuple(found), tuple(bare), "one apply → seen")
        for what, goal, found in zip(whats, goals, [*ours, hooked], strict=True)
    ]


async def _synced(scene: Scene, count: int) -> Place:
    place = await scene.make_place("told", count)
    token = {"metadata": {"name": "hook"}, "stringData": {"token": TOKEN}}
    await scene.client.create(f"/api/v1/namespaces/{place.name}/secrets", token)
    await scene.begin(place, hook="hook")
    await scene.settle(place, lambda found: is_synced(found, place.revision))
    return place


async def _applied(scene: Scene, namespace: str, value: str) -> float:
    path = f"{config_maps(namespace)}/{name_of(0)}"
    return await _until_seen(
        scene, config_maps(namespace), 0, value, lambda: scene.client.apply(path, config_map(0, value))
    )


async def _brought(scene: Scene, place: Place, number: int, value: str, tell: Tell) -> float:
    number %= place.count
    revision = place.repository.publish({path_of(number): document(number, value)})
    took = await _until_seen(scene, place.config_maps, number, value, lambda: tell(revision))
    await scene.settle(place, lambda found: is_synced(found, revision))
    return took


async def _request(scene: Scene, place: Place, value: str, _revision: str) -> None:
    await scene.request(place, value)


async def _push(serve: Serve, place: Place, revision: str) -> None:
    status, answer = await asyncio.to_thread(serve.push, place.name, place.name, revision)
    if status != 202:
        raise BenchmarkError(f"the hook was answered {status}: {answer}")


async def _until_seen(
    scene: Scene, collection: str, number: int, value: str, act: Callable[[], Awaitable[object]]
) -> float:
    async with asyncio.timeout(DEADLINE), scene.client.watching(collection, name_of(number)) as states:
        await anext(states)
        begin = time.perf_counter()
        acting = asyncio.ensure_future(act())
        await _shown(states, value)
        took = time.perf_counter() - begin
        await acting
    return took


async def _shown(states: AsyncIterator[Json], value: str) -> None:
    async for state in states:
        if state["data"]["value"] == value:
            return
