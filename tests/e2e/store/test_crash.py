"""What another process does to the database: kill -9 in the middle of a transaction, a second controller, its death."""

from __future__ import annotations

import asyncio
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from controller.objects import Base, ObjectKey, Provenance
from controller.store import Store
from controller.store.errors import DatabaseLockedError
from controller.store.pushlog import PushState
from tests.support.postgres import PostgresServer

ROOT = Path(__file__).parents[3]

OPENING = """
import asyncio, sys
from controller.objects import Base, ObjectKey, Provenance
from controller.store import Store
from controller.store.pushlog import Push, PushState

def base(number):
    return Base(b'{"n":%d}' % number, b'{}', "uid", str(number), "epoch", "v1", Provenance("a.yaml"))

def key(number):
    return ObjectKey("", "ConfigMap", "shop", f"c{number}")

def pause():
    print("now", flush=True)
    sys.stdin.readline()  # until killed

async def main():
    store = await Store.open(sys.argv[1])
    fabric = await store.fabrics.register("uid-1", "default", "shop")
"""

HOLDING = """
    pause()
"""

IN_A_BATCH = """
    await store.bases.write(fabric.id, {key(n): base(n) for n in range(100)})
    async with store.transaction():
        await store.bases.write(fabric.id, {key(n): base(n + 1000) for n in range(50, 1500)}, [key(1)])
        pause()
"""

BETWEEN_BASES_AND_REVISION = """
    await store.pushes.prepare(fabric.id, Push("c1", "main", "run", PushState.PREPARED, 1.0, ()))
    writer = store.bases.writer(fabric.id)
    writer.put(key(1), base(1))
    async with writer.flushing():
        await store.pushes.mark(fabric.id, "c1", PushState.PUSHED)
        pause()
"""

AFTER_A_COMMIT = """
    await store.bases.write(fabric.id, {key(n): base(n) for n in range(100)})
    await store.pushes.prepare(fabric.id, Push("c1", "main", "run", PushState.PREPARED, 1.0, ()))
    pause()
"""

RUNNING = """
asyncio.run(main())
"""


@contextmanager
def process(program: str, url: str) -> Iterator[subprocess.Popen[str]]:
    """A controller-like process that has run the program up to `pause()`."""
    command = [sys.executable, "-c", OPENING + program + RUNNING, url]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as child:
        try:
            assert child.stdout is not None
            assert child.stdout.readline() == "now\n"
            yield child
        finally:
            child.kill()


def kill(child: subprocess.Popen[str]) -> None:
    child.send_signal(signal.SIGKILL)
    assert child.wait(10) == -signal.SIGKILL


def key(number: int) -> ObjectKey:
    return ObjectKey("", "ConfigMap", "shop", f"c{number}")


def base(number: int) -> Base:
    return Base(b'{"n":%d}' % number, b"{}", "uid", str(number), "epoch", "v1", Provenance("a.yaml"))


@pytest.fixture
def file_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/tandem.db"


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, file_url: str) -> str:
    if request.param == "sqlite":
        return file_url
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.url(request.getfixturevalue("postgres_database"))


async def test_of_a_killed_transaction_nothing_remains_and_all_before_it_does(url: str) -> None:
    with process(IN_A_BATCH, url) as child:
        kill(child)
    store = await Store.open(url)
    (fabric,) = await store.fabrics.all()
    assert await store.bases.load_all(fabric.id) == {key(n): base(n) for n in range(100)}
    await store.bases.write(fabric.id, {key(0): base(7)}, [key(1)])
    assert await store.bases.count(fabric.id) == 99
    await store.close()


async def test_bases_and_what_is_recorded_with_them_die_together(url: str) -> None:
    with process(BETWEEN_BASES_AND_REVISION, url) as child:
        kill(child)
    store = await Store.open(url)
    (fabric,) = await store.fabrics.all()
    assert await store.bases.count(fabric.id) == 0
    assert (await store.pushes.find(fabric.id, ["c1"]))["c1"].state is PushState.PREPARED
    await store.close()


async def test_what_was_committed_survives_the_death_of_the_process(url: str) -> None:
    with process(AFTER_A_COMMIT, url) as child:
        kill(child)
    store = await Store.open(url)
    (fabric,) = await store.fabrics.all()
    assert await store.bases.count(fabric.id) == 100
    assert set(await store.pushes.find(fabric.id, ["c1"])) == {"c1"}
    await store.close()


@pytest.mark.parametrize("steps", range(6))
async def test_a_first_start_that_is_killed_at_any_step_can_be_repeated(file_url: str, steps: int) -> None:
    """The process dies when the migration makes its `steps`th table."""
    dying = f"""
import asyncio, os, signal, sys
from alembic.operations import Operations
from controller.store import Store
left = [{steps}]
create = Operations.create_table
def create_table(self, *arguments, **options):
    if left[0] == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    left[0] -= 1
    return create(self, *arguments, **options)
Operations.create_table = create_table
import alembic.op
alembic.op.create_table = lambda *a, **o: create_table(alembic.op._proxy, *a, **o)
asyncio.run(Store.open(sys.argv[1]))
"""
    done = subprocess.run([sys.executable, "-c", dying, file_url], cwd=ROOT, timeout=60, check=False)
    assert done.returncode == -signal.SIGKILL
    store = await Store.open(file_url)
    assert await store.fabrics.all() == []
    await store.close()


async def test_a_second_controller_is_told_the_first_and_gets_its_turn_when_that_dies(url: str) -> None:
    with process(HOLDING, url) as child:
        with pytest.raises(DatabaseLockedError) as caught:
            await Store.open(url)
        holder = rf"in use by pid {child.pid} on {re.escape(socket.gethostname())}, (started|connected) 20"
        assert re.search(holder, caught.value.message)
        kill(child)
    store = await Store.open(url)
    assert [fabric.uid for fabric in await store.fabrics.all()] == ["uid-1"]
    await store.close()


async def test_children_do_not_keep_the_lock(file_url: str) -> None:
    store = await Store.open(file_url)
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, close_fds=False)
    await store.close()
    again = await Store.open(file_url)
    await again.close()
    child.communicate(b"\n", timeout=10)
    assert child.returncode == 0


async def test_a_reader_in_another_process_goes_on_while_the_controller_writes(file_url: str) -> None:
    store = await Store.open(file_url)
    fabric = await store.fabrics.register("uid-1", "default", "shop")
    reading = f"""
import asyncio
from controller.store import Store
async def main():
    store = await Store.open({file_url!r}, exclusive=False)
    print(await store.bases.count({fabric.id}))
    await store.close()
asyncio.run(main())
"""

    async def seen() -> str:
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-c", reading, stdout=asyncio.subprocess.PIPE, cwd=ROOT
        )
        output, _ = await asyncio.wait_for(child.communicate(), 60)
        assert child.returncode == 0
        return output.decode().strip()

    async with store.transaction():
        await store.bases.write(fabric.id, {key(n): base(n) for n in range(300)})
        assert await seen() == "0"
    assert await seen() == "300"
    await store.close()


def test_nobody_else_can_read_the_files(file_url: str, tmp_path: Path) -> None:
    with process(AFTER_A_COMMIT, file_url):
        modes = {file.name: file.stat().st_mode & 0o777 for file in tmp_path.iterdir()}
    assert modes == dict.fromkeys(("tandem.db", "tandem.db-wal", "tandem.db-shm", "tandem.db.lock"), 384)
