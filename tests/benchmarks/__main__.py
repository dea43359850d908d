"""`make bench`: Tandem beside the bare client on the same control plane, in the same run.

    python -m tests.benchmarks --objects 1000 --rounds 1 --samples 5

Prints a table and writes it, with every sample, to bench-results/. Nothing here passes or fails by a time.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.benchmarks.asked import asked
from tests.benchmarks.edited import edited
from tests.benchmarks.figures import Figure, machine, table
from tests.benchmarks.first_apply import first_apply
from tests.benchmarks.scene import scene
from tests.benchmarks.told import told

ROOT = Path(__file__).parents[2]
TARGETS = ("T2", "T5", "T6", "W1")


def main() -> None:
    """Measure, print, write."""
    options = _options()
    here = machine()
    begun = {"started": datetime.now(UTC).isoformat(timespec="seconds"), "commit": _commit(), "machine": here}
    with tempfile.TemporaryDirectory(prefix="tandem-bench-") as folder:
        figures = asyncio.run(_measured(Path(folder), options))
    file = _written(options.output, begun | {"settings": _settings(options)}, figures)
    print(table(figures))
    print(f"\n{here['cores']} cores, {here['cpu']}; load before {here['load']:.1f}")
    print(f"written to {file}")


async def _measured(folder: Path, options: argparse.Namespace) -> list[Figure]:
    figures: list[Figure] = []
    async with scene(folder) as stage:
        if "T2" in options.only:
            figures += await _told_of("T2", first_apply(stage, options.objects, options.rounds))
        if "T5" in options.only:
            figures += await _told_of("T5", told(stage, options.objects, options.samples))
        if "T6" in options.only:
            figures += await _told_of("T6", edited(stage, options.samples, options.edits))
        if "W1" in options.only:
            figures += await _told_of("W1", asked(stage, options.samples, options.edits))
    return figures


async def _told_of(target: str, measuring: Any) -> list[Figure]:
    print(f"measuring {target} …", file=sys.stderr, flush=True)
    found: list[Figure] = await measuring
    return found


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__.partition("\n")[0])
    parser.add_argument("--objects", type=int, default=10_000, help="ConfigMaps of T2, manifests of T5 (%(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of T2 (%(default)s)")
    parser.add_argument("--samples", type=int, default=20, help="samples of T5, T6 and W1 (%(default)s)")
    parser.add_argument("--edits", type=int, default=200, help="edits at once in T6 and W1 (%(default)s)")
    parser.add_argument("--only", nargs="+", choices=TARGETS, default=TARGETS)
    parser.add_argument("--output", type=Path, default=ROOT / "bench-results", help="folder of the JSON (%(default)s)")
    return parser.parse_args()


def _settings(options: argparse.Namespace) -> dict[str, Any]:
    return {name: value for name, value in vars(options).items() if name != "output"}


def _commit() -> str:
    asked = ["git", "describe", "--always", "--dirty"]
    return subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip() or "unknown"


def _written(folder: Path, begun: dict[str, Any], figures: list[Figure]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{begun['started'].replace(':', '')}.json"
    file.write_text(json.dumps(begun | {"figures": [figure.to_json() for figure in figures]}, indent=2) + "\n")
    return file


if __name__ == "__main__":
    main()
