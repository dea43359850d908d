"""Keeping a copy's packs few. Each fetch that brings something leaves a pack; none is ever garbage collected.

With 1,000 packs every look-up of a new object takes twenty times as long, and every pack that was read holds an open
file. So the small ones are merged into one now and then. Nothing is dropped: what is on no branch any more may still be
a base.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pygit2

MOST_PACKS = 50  # small ones, until they are merged: at one fetch a minute, about once an hour
SMALL = 4 << 20  # bytes; what the first clone brought stays as it is

IDS_AT = 8 + 4 * 256  # bytes of a pack's index before the ids: magic and version, then 256 counters (gitformat-pack)
ID = 20  # bytes


def small_packs(path: Path) -> list[Path]:
    """The copy's small packs. A pack without its index is none."""
    packs = (path / "objects" / "pack").glob("pack-*.pack")
    return [pack for pack in packs if pack.with_suffix(".idx").exists() and pack.stat().st_size < SMALL]


def packed_bytes(path: Path) -> int:
    """How much the copy's packs hold. What is not packed are a few commits that were built here."""
    return sum(pack.stat().st_size for pack in (path / "objects" / "pack").glob("pack-*.pack"))


def loose_bytes(path: Path) -> int:
    """How much the copy's objects outside of packs hold."""
    return sum(file.stat().st_size for file in (path / "objects").glob("[0-9a-f][0-9a-f]/*"))


def all_bytes(path: Path) -> int:
    """How much the copy's objects hold just now, also while a fetch writes them."""
    total = 0
    for folder, _, files in os.walk(path / "objects"):
        for name in files:
            with suppress(OSError):  # renamed meanwhile
                total += os.stat(f"{folder}/{name}").st_size  # noqa: PTH116 - ten times as fast
    return total


def merge_packs(repository: pygit2.Repository, path: Path, small: list[Path]) -> list[Path]:
    """Write one pack with everything that the small ones hold; returns those that are not needed any more.

    A process that dies in between leaves objects twice, which does no harm.
    """
    folder = path / "objects" / "pack"
    before = set(folder.glob("pack-*.pack"))
    builder = pygit2.PackBuilder(repository)
    for pack in small:
        for identity in ids_in(pack.with_suffix(".idx")):
            builder.add(identity)
    builder.write(str(folder))
    return small if set(folder.glob("pack-*.pack")) - before else []


def drop_packs(path: Path, packs: list[Path]) -> None:
    """Remove packs, index first: a pack without one is not looked at. Touching HEAD makes every reader open anew."""
    for pack in packs:
        pack.with_suffix(".idx").unlink(missing_ok=True)
        pack.unlink(missing_ok=True)
    os.utime(path / "HEAD")


def ids_in(index: Path) -> Iterator[pygit2.Oid]:
    """The ids of the objects in a pack, from its index (version 2, the only one that libgit2 writes)."""
    content = index.read_bytes()
    count = int.from_bytes(content[IDS_AT - 4 : IDS_AT], "big")
    for number in range(count):
        start = IDS_AT + ID * number
        yield pygit2.Oid(raw=content[start : start + ID])
