"""Edits through the child processes, and what the bounds keep away from them."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator

import pytest

from controller.bounds import Bounds
from controller.objects import canonical, decoded
from controller.sync.parse.documents import DocRef, read_file
from controller.sync.parse.edit import EditRefusedError, edit_file
from controller.sync.parsing import DEADLY, ParserPool
from tests.support.fragile_child import HANG

BOUNDS = Bounds()
FRAGILE = "tests.support.fragile_child"
OLD = b"""\
# keep
apiVersion: v1
kind: ConfigMap
metadata: {name: a}
data: {k: v} # keep
---
apiVersion: v1
kind: Pod
metadata: {name: b}
"""


@pytest.fixture
async def pool() -> AsyncIterator[ParserPool]:
    async with ParserPool(BOUNDS, children=1) as pool:
        yield pool


def changed(data: bytes) -> dict[DocRef, bytes | None]:
    first, second = read_file(data, BOUNDS).documents
    return {first.ref: canonical({**decoded(first.content), "data": {"k": "yes\n"}}), second.ref: None}


async def test_a_child_edits_as_the_editor_does(pool: ParserPool) -> None:
    added = [canonical({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}}) for name in "xé"]
    for intended, appended in (({}, []), (changed(OLD), []), ({}, added), (changed(OLD), added)):
        assert await pool.edit(OLD, intended, appended) == edit_file(OLD, intended, appended)
    assert await pool.edit(b"", {}, added) == edit_file(b"", {}, added)


async def test_a_refusal_comes_through_with_its_words(pool: ParserPool) -> None:
    with pytest.raises(EditRefusedError, match=r"line 2: .* is there twice"):
        await pool.edit(b"a: 1\na: 2", {}, [b"{}"])
    with pytest.raises(EditRefusedError, match="another file by now"):
        await pool.edit(OLD, {DocRef(7): None})
    assert await pool.edit(OLD, changed(OLD)) == edit_file(OLD, changed(OLD))


async def test_an_edit_survives_the_death_of_its_child(pool: ParserPool) -> None:
    (pid,) = pool.pids
    os.kill(pid, signal.SIGKILL)
    assert await pool.edit(OLD, changed(OLD)) == edit_file(OLD, changed(OLD))
    assert pool.pids != [pid]


async def test_an_edit_that_does_not_end_is_refused() -> None:
    async with ParserPool(BOUNDS, children=1, timeout=1.0, program=FRAGILE) as impatient:
        with pytest.raises(EditRefusedError, match="given up") as caught:
            await impatient.edit(HANG + OLD, {})
        assert DEADLY in caught.value.message


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"a: " + b"[" * 60_000, "nested deeper than 64 levels"),
        (b"a:\n" + b"".join(b" " * depth + b"- \n" for depth in range(200)), "nested deeper than 64 levels"),
        (
            b"a0: &a0 [x]\n" + b"".join(b"a%d: &a%d [*a%d, *a%d]\n" % (n, n, n - 1, n - 1) for n in range(1, 40)),
            "alias",
        ),
        (b"a: &a 1\nb: [" + b"*a, " * 1_001 + b"]\n", "more than 1000 aliases"),
        (b"# x\n" * (1 << 20) + b"a: 1", "at most 4194304 are read"),
        (b"a: " + b"x" * (1 << 20), "at most 1048576 are read"),
        (b"---\na: 1\n" * 2_001, "more than 2000 documents"),
        (b"a: &a " + b"x" * 10_000 + b"\nb: [" + b"*a, " * 900 + b"]\n", "too much text"),
    ],
    ids=["brackets", "dashes", "alias bomb", "aliases", "file", "document", "documents", "text behind aliases"],
)
async def test_what_exceeds_a_bound_is_refused_by_name_and_costs_no_child(
    pool: ParserPool, data: bytes, message: str
) -> None:
    (pid,) = pool.pids
    results = await pool.parse([("large", data), ("fine", OLD)])
    (fault,) = results["large"].faults
    assert message in fault.message
    assert results["fine"].complete
    with pytest.raises(EditRefusedError, match="nothing is written"):
        await pool.edit(data, {}, [b"{}"])
    assert pool.pids == [pid]
