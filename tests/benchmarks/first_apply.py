"""T2: many ConfigMaps of one repository, from the Fabric's creation until it is Ready and everything is recorded."""

from __future__ import annotations

import time

from tests.benchmarks.bare import apply_all
from tests.benchmarks.figures import Figure
from tests.benchmarks.scene import Place, Scene, config_map
from tests.support.fabrics import is_synced


async def first_apply(scene: Scene, objects: int, rounds: int) -> list[Figure]:
    """Rates of `rounds` rounds, each in namespaces of its own, the bare client first."""
    ours, theirs = [], []
    for _ in range(rounds):
        bodies = [config_map(number) for number in range(objects)]
        theirs.append(objects / await apply_all(scene.client, await scene.make_namespace("bare"), bodies))
        ours.append(objects / await _synced(scene, await scene.make_place("first", objects, together=True)))
    return [
        Figure(
            "T2",
            f"{objects:,} ConfigMaps of one repository, first sync",
            "≥ 0.75 of bare",
            "/s",
            tuple(ours),
            tuple(theirs),
            "the same objects applied by 64 workers",
        )
    ]


async def _synced(scene: Scene, place: Place) -> float:
    begin = time.perf_counter()
    await scene.begin(place)
    await scene.settle(place, lambda found: is_synced(found, place.revision))
    took = time.perf_counter() - begin
    await scene.client.delete(place.fabric_path)
    return took
