"""T6: live edit → pushed commit, one at a time and many at once."""

from __future__ import annotations

import asyncio
import time

from tests.benchmarks.bare import DEADLINE, BenchmarkError
from tests.benchmarks.figures import Figure
from tests.benchmarks.scene import Place, Scene, document, name_of, path_of
from tests.support.fabrics import is_synced
from tests.support.worktree import git

EDITOR = "kubectl-edit"  # the name under which `kubectl edit` changes objects
WINDOW = "500ms"  # the default: edits are gathered for so long before they are committed
LOOK = 0.002  # seconds between two looks at the server's branch


async def edited(scene: Scene, samples: int, edits: int) -> list[Figure]:
    """From the edit's sending until the server's branch has it: idle, and `edits` objects at once.

    No object is edited twice, because an object's commits are limited by the hour. The bare client pushes a commit
    that it has ready; at the burst, it edits the objects alone.
    """
    place = await scene.make_place("edited", samples + edits)
    await scene.begin(place, batchWindow=WINDOW)
    await scene.settle(place, lambda found: is_synced(found, place.revision))
    single = await scene.make_place("bare", 1)
    bare, ours = [], []
    for number in range(samples):
        bare.append(await _pushed(single, f"change-{number}"))
        ours.append(await _written(scene, place, number, f"change-{number}"))
    alone, burst = await _burst(scene, place, range(samples, samples + edits))
    idle = f"live edit → pushed commit, idle, batch window {WINDOW}"
    at_once = f"{edits:,} edits at once"
    return [
        Figure("T6", idle, "≤ 1 s p95", "s", tuple(ours), tuple(bare), "git push of one commit"),
        Figure("T6", at_once, "≥ 50/s", "/s", (burst,), (alone,), "the same edits, not written back"),
    ]


async def _pushed(place: Place, value: str) -> float:
    before = place.head()
    place.repository.write(path_of(0), document(0, value))
    place.repository.commit(value)
    begin = time.perf_counter()
    pushing = asyncio.create_task(asyncio.to_thread(place.repository.push))
    await _moved(place, before)
    took = time.perf_counter() - begin
    await pushing
    return took


async def _written(scene: Scene, place: Place, number: int, value: str) -> float:
    before = place.head()
    begin = time.perf_counter()
    editing = asyncio.create_task(_edit(scene, place, number, value))
    head = await _moved(place, before)
    took = time.perf_counter() - begin
    await editing
    if f"value: {value}\n" not in place.repository.show(path_of(number), head):
        raise BenchmarkError(f"commit {head} does not hold the edit of {name_of(number)}")
    await scene.settle(place, lambda found: is_synced(found, head))
    return took


async def _burst(scene: Scene, place: Place, numbers: range) -> tuple[float, float]:
    """Edits a second: of the editing itself, and until the branch has them all."""
    first = head = place.head()
    begin = time.perf_counter()
    await asyncio.gather(*(_edit(scene, place, number, "burst") for number in numbers))
    alone = time.perf_counter() - begin
    while len(_changed_files(place, first, head)) < len(numbers):
        head = await _moved(place, head)
    took = time.perf_counter() - begin
    return len(numbers) / alone, len(numbers) / took


def _changed_files(place: Place, old: str, new: str) -> list[str]:
    return git("diff", "--name-only", old, new, cwd=place.repository.bare).splitlines()


async def _edit(scene: Scene, place: Place, number: int, value: str) -> None:
    path = f"{place.config_maps}/{name_of(number)}"
    await scene.client.merge(path, {"data": {"value": value}}, EDITOR)


async def _moved(place: Place, before: str) -> str:
    """The branch's commit, once it is another one."""
    async with asyncio.timeout(DEADLINE):
        while (head := place.head()) == before:
            await asyncio.sleep(LOOK)
    return head
