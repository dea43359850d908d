"""What was measured, and how it is told: samples, their median and tail, beside those of the bare client."""

from __future__ import annotations

import math
import os
import platform
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HEADS = ("target", "what", "goal", "median", "p95", "bare", "p95", "ratio")


@dataclass(frozen=True)
class Figure:
    """Samples of one thing, each taken right after the bare client's of the same place in `bare`.

    `unit` is "s" for durations and "/s" for rates; the tail of a rate is its slow end. `versus` says what `bare` did.
    """

    target: str
    what: str
    goal: str
    unit: str
    samples: tuple[float, ...]
    bare: tuple[float, ...]
    versus: str

    @property
    def ratio(self) -> float:
        """The median of the samples over the bare client's, pair by pair."""
        return statistics.median(ours / theirs for ours, theirs in zip(self.samples, self.bare, strict=True))

    def tail(self, samples: Sequence[float]) -> float:
        """What 95 of 100 samples are not worse than (nearest rank)."""
        ordered = sorted(samples, reverse=self.unit == "/s")
        return ordered[math.ceil(len(ordered) * 0.95) - 1]

    def to_json(self) -> dict[str, Any]:
        """Everything, with what is computed from it."""
        return {
            "target": self.target,
            "what": self.what,
            "goal": self.goal,
            "unit": self.unit,
            "median": statistics.median(self.samples),
            "p95": self.tail(self.samples),
            "samples": list(self.samples),
            "bare": {
                "what": self.versus,
                "median": statistics.median(self.bare),
                "p95": self.tail(self.bare),
                "samples": list(self.bare),
            },
            "ratio": self.ratio,
        }

    def row(self) -> tuple[str, ...]:
        """Its line of the table."""
        columns = [statistics.median(self.samples), self.tail(self.samples)]
        columns += [statistics.median(self.bare), self.tail(self.bare)]
        values = [f"{value:,.0f}{self.unit}" if self.unit == "/s" else f"{value:.3f} s" for value in columns]
        return (self.target, self.what, self.goal, *values, f"{self.ratio:.2f}")


def table(figures: Iterable[Figure]) -> str:
    """The figures as aligned columns."""
    rows = [HEADS, *(figure.row() for figure in figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADS))]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


def machine() -> dict[str, Any]:
    """Where it was measured. The load is that of the minute before: others' work makes figures worse."""
    return {
        "cores": len(os.sched_getaffinity(0)),
        "cpu": _line_of(Path("/proc/cpuinfo"), "model name"),
        "memory": _line_of(Path("/proc/meminfo"), "MemTotal"),
        "system": platform.platform(),
        "python": platform.python_version(),
        "load": os.getloadavg()[0],
    }


def _line_of(file: Path, name: str) -> str:
    lines = file.read_text().splitlines() if file.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), "unknown")
