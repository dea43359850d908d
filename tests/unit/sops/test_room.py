"""Private folders: for their owner only, gone afterwards, and swept when somebody was killed."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from controller.sops import room
from controller.sops.room import PREFIX, best_place, private_folder, sweep


def test_a_folder_is_its_owners_and_goes_with_what_is_in_it(tmp_path: Path) -> None:
    with pytest.raises(InterruptedError), private_folder(tmp_path) as folder:
        (folder / "text").write_text("x")
        assert folder.stat().st_mode & 0o777 == 0o700
        raise InterruptedError
    assert list(tmp_path.iterdir()) == []


HOLD = """
import sys
from pathlib import Path
from controller.sops.room import private_folder
with private_folder(Path(sys.argv[1])) as folder:
    (folder / "text").write_text("x")
    print("made", flush=True)
    sys.stdin.read()
"""


def test_what_a_killed_process_left_is_swept_and_what_is_used_is_not(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLD, tmp_path], stdin=-1, stdout=-1, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "made\n"
        assert sweep(tmp_path) == 0
        assert len(list(tmp_path.glob(f"{PREFIX}*/text"))) == 1
        holder.send_signal(signal.SIGKILL)
        holder.wait(10)
    (tmp_path / "another").mkdir()
    (tmp_path / f"{PREFIX}link").symlink_to(tmp_path / "another")
    assert sweep(tmp_path) == 1
    assert sorted(found.name for found in tmp_path.iterdir()) == ["another", f"{PREFIX}link"]


def test_memory_is_the_best_place_and_a_private_folder_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = tmp_path / "memory"
    monkeypatch.setattr(room, "MEMORY", memory)
    other = best_place(tmp_path / "data" / "private")
    assert (other, other.stat().st_mode & 0o777) == (tmp_path / "data" / "private", 0o700)
    memory.mkdir()
    assert best_place(tmp_path / "data") == memory
