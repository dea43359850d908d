"""The parser's child processes: what they answer, what they die of, and what that costs the others."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from controller.bounds import Bounds
from controller.errors import Reason
from controller.sync.parse.documents import FileResult, read_file
from controller.sync.parsing import DEADLY, Blob, ParserPool, ResultCache, batches
from tests.support.fragile_child import HANG
from tests.support.wait import eventually, wait_until

BOUNDS = Bounds()
FRAGILE = "tests.support.fragile_child"
DEADLY_BLOB = b"a: " + b"[" * 60_000  # kills the C composer; the scan would refuse it


def config_map(name: str) -> bytes:
    return f"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\n".encode()


def config_maps(count: int, prefix: str = "a") -> list[Blob]:
    return [(f"{prefix}{number}", config_map(f"{prefix}{number}")) for number in range(count)]


def is_alive(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


@pytest.fixture
async def pool() -> AsyncIterator[ParserPool]:
    async with ParserPool(BOUNDS) as pool:
        yield pool


@pytest.fixture
async def fragile() -> AsyncIterator[ParserPool]:
    async with ParserPool(BOUNDS, program=FRAGILE) as pool:
        yield pool


@pytest.fixture
async def impatient() -> AsyncIterator[ParserPool]:
    async with ParserPool(BOUNDS, timeout=3.0, program=FRAGILE) as pool:
        yield pool


async def test_children_read_as_the_parser_does(pool: ParserPool) -> None:
    blobs = [*config_maps(500), ("broken", b"a: ["), ("empty", b""), ("large", b"# x\n" * 300_000)]
    results = await pool.parse(blobs)
    assert results == {blob: read_file(data, BOUNDS) for blob, data in blobs}
    assert len(pool.pids) == 2


async def test_who_asks_little_has_one_child(pool: ParserPool) -> None:
    (pid,) = pool.pids
    await pool.parse(config_maps(1))
    await pool.parse(config_maps(1, "b"))
    assert pool.pids == [pid]


async def test_nothing_to_parse_is_no_question(pool: ParserPool) -> None:
    assert await pool.parse([]) == {}


async def test_what_was_parsed_is_kept_by_blob_id(pool: ParserPool) -> None:
    first = await pool.parse(config_maps(3))
    for pid in pool.pids:
        os.kill(pid, signal.SIGSTOP)  # nobody is asked
    again = await pool.parse([("a0", b"whatever is said to be in it"), ("a2", b"")])
    assert again["a0"] is first["a0"] is pool.cached("a0")
    assert again["a2"] is first["a2"]
    assert pool.cached("b") is None


async def test_many_callers_share_the_children(pool: ParserPool) -> None:
    names = "abcdefgh"
    answers = await asyncio.gather(*(pool.parse(config_maps(40, name)) for name in names))
    for name, results in zip(names, answers, strict=True):
        assert {blob: result.documents[0].name for blob, result in results.items()} == {
            f"{name}{number}": f"{name}{number}" for number in range(40)
        }


async def test_the_loop_goes_on_while_children_work(pool: ParserPool) -> None:
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0)

    ticker = asyncio.create_task(tick())
    await pool.parse([("large", b"---\n".join(config_map(f"a{number}") for number in range(1_500)))])
    ticker.cancel()
    assert ticks > 10


async def test_a_blob_that_kills_its_child_is_marked_and_no_other(fragile: ParserPool) -> None:
    blobs = config_maps(200)
    blobs[100:100] = [("deadly", DEADLY_BLOB)]
    blobs.append(("deadly too", DEADLY_BLOB + b" "))
    (before,) = fragile.pids
    results = await fragile.parse(blobs)
    assert list(results) == [blob for blob, _ in blobs]
    bad = {blob for blob, result in results.items() if not result.complete}
    assert bad == {"deadly", "deadly too"}
    (fault,) = results["deadly"].faults
    assert (fault.line, fault.reason, fault.message) == (1, Reason.DOCUMENTS_FAILED, DEADLY)
    assert len([result for result in results.values() if result.documents]) == 200
    assert before not in fragile.pids
    assert fragile.cached("deadly") is results["deadly"]  # or every run would kill children again


async def test_a_blob_that_never_ends_is_marked_and_no_other(impatient: ParserPool) -> None:
    results = await impatient.parse([*config_maps(3), ("endless", HANG), *config_maps(3, "b")])
    assert [blob for blob, result in results.items() if not result.complete] == ["endless"]
    assert len(results) == 7


async def test_a_child_that_was_killed_for_nothing_costs_nothing(pool: ParserPool) -> None:
    await pool.parse(config_maps(1))
    old = pool.pids
    for pid in old:
        os.kill(pid, signal.SIGKILL)
    await eventually(lambda: not any(is_alive(pid) for pid in old))
    results = await pool.parse(config_maps(100, "b"))
    assert all(result.complete for result in results.values())
    assert len(results) == 100
    assert not set(pool.pids) & set(old)


async def test_a_question_given_up_does_not_spoil_the_next_answer(fragile: ParserPool) -> None:
    asked = asyncio.create_task(fragile.parse([("endless", HANG)]))
    await eventually(lambda: fragile.pids)
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    results = await fragile.parse(config_maps(10))
    assert [result.documents[0].name for result in results.values()] == [f"a{number}" for number in range(10)]


async def test_closing_ends_the_children() -> None:
    async with ParserPool(BOUNDS, children=3) as pool:
        await asyncio.gather(*(pool.parse(config_maps(200, name)) for name in "abc"))
        pids = pool.pids
        assert len(pids) == 3
        assert all(is_alive(pid) for pid in pids)
    assert not any(is_alive(pid) for pid in pids)
    assert pool.pids == []


PARENT = """
import asyncio, sys
from controller.sync.parsing import ParserPool
async def main():
    async with ParserPool(program=sys.argv[1]) as pool:
        await pool.parse([(str(number), b"") for number in range(64)])
        print(*pool.pids, flush=True)
        await pool.parse([("b", sys.argv[2].encode())] if sys.argv[2] else [])
        await asyncio.Event().wait()
asyncio.run(main())
"""


@pytest.mark.parametrize("busy_with", ["", HANG.decode()], ids=["idle", "busy"])
def test_children_end_with_a_parent_that_is_killed(busy_with: str) -> None:
    command = [sys.executable, "-c", PARENT, FRAGILE, busy_with]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[3]) as parent:
        assert parent.stdout
        pids = [int(pid) for pid in parent.stdout.readline().split()]
        parent.kill()
    assert len(pids) == 2
    wait_until(lambda: not any(is_alive(pid) for pid in pids))


def test_batches_are_a_thirty_second_of_the_work() -> None:
    sizes = [len(batch) for batch in batches(config_maps(10_000))]
    assert sizes == [313] * 31 + [297]
    assert [len(batch) for batch in batches(config_maps(5))] == [1] * 5
    assert list(batches([])) == []


def test_a_batch_is_at_most_a_mebibyte_unless_a_blob_is_larger() -> None:
    blobs = [(str(number), b"x" * size) for number, size in enumerate([2_000_000] + [300_000] * 127)]
    sizes = [[len(data) for _, data in batch] for batch in batches(blobs)]
    assert sizes[0] == [2_000_000]
    assert max(len(batch) for batch in sizes) == 3
    assert sum(map(len, sizes)) == 128


def test_the_cache_drops_what_was_not_used_for_longest() -> None:
    cache = ResultCache(limit=1_200)  # three results without documents
    results = [FileResult() for _ in range(4)]
    for number, result in enumerate(results[:3]):
        cache.put(str(number), result)
    assert cache.get("0") is results[0]
    cache.put("3", results[3])
    assert [cache.get(str(number)) for number in range(4)] == [results[0], None, results[2], results[3]]


def test_the_cache_counts_what_it_holds() -> None:
    large = read_file(config_map("x" * 200), BOUNDS)
    cache = ResultCache(limit=2_000)
    cache.put("a", large)
    cache.put("a", large)  # once more is not twice
    cache.put("b", FileResult())
    assert cache.get("a") is large
    cache.put("c", large)
    assert cache.get("b") is None
    assert cache.get("c") is large
