"""The table of scalars is still what the API server says."""

from __future__ import annotations

from collections.abc import Iterator

import orjson
import pytest

from controller.dev.controlplane import ControlPlane
from controller.objects import Json, canonical
from tests.support.scalars import ALL, TABLE, Reader


@pytest.fixture(scope="module")
def reader(controlplane: ControlPlane) -> Iterator[Reader]:
    reader = Reader(controlplane)
    yield reader
    reader.close()


def test_the_api_server_still_reads_yaml_as_the_table_says(reader: Reader) -> None:
    table: list[Json] = orjson.loads(TABLE.read_bytes())
    differ = [entry for entry in table if canonical(reader.read(entry["yaml"])) != canonical(entry)]
    assert not differ, "run python -m tests.support.scalars, and make controller.sync.parse.scalars agree"
    assert len(table) == len(ALL)
