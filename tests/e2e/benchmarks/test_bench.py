"""`make bench` runs: every figure is measured and written, whatever it is."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from controller.dev.locate import Programs

ROOT = Path(__file__).parents[3]
TINY = ["--objects", "20", "--rounds", "1", "--samples", "2", "--edits", "5"]
LAST = ["T6", "T6", "W1", "W1"]
KEYS = {"target", "what", "goal", "unit", "median", "p95", "samples", "bare", "ratio"}


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.benchmarks", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=170)


def test_a_tiny_run_prints_a_table_and_writes_every_figure(programs: Programs, tmp_path: Path) -> None:
    done = bench(*TINY, "--output", str(tmp_path / "results"))
    assert done.returncode == 0, done.stderr
    (file,) = (tmp_path / "results").glob("*.json")
    written = json.loads(file.read_text())
    assert written.keys() == {"started", "commit", "machine", "settings", "figures"}
    assert written["settings"]["objects"] == 20
    assert all(figure.keys() == KEYS for figure in written["figures"])
    assert [figure["target"] for figure in written["figures"]] == ["T2", "T5", "T5", "T5", *LAST]
    for figure in written["figures"]:
        assert len(figure["samples"]) == len(figure["bare"]["samples"]) >= 1
        assert min(*figure["samples"], *figure["bare"]["samples"], figure["ratio"]) > 0
    printed = [line.split()[0] for line in done.stdout.splitlines() if line.startswith(("T", "W"))]
    assert printed == ["T2", "T5", "T5", "T5", *LAST]
    assert str(file) in done.stdout


def test_an_unknown_target_is_refused_before_anything_starts() -> None:
    done = bench("--only", "T99")
    assert done.returncode == 2
    assert "T99" in done.stderr
