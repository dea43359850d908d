"""The builder with a real Go: what it makes runs, and what Go really says when something is missing is understood."""

from __future__ import annotations

import io
import os
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from controller.dev.build import build_programs
from controller.dev.errors import BuildError
from controller.dev.progress import Progress
from controller.dev.recipe import Recipe

PROGRAM = 'package main\n\nvar version = "unstamped"\n\nfunc main() { println(version) }\n'
NEEDS_MODULE = 'package main\n\nimport _ "example.com/dep"\n\nfunc main() {}\n'
GO_MOD = "module example.com/program\n\ngo 1.25.0\n"
REQUIRES = GO_MOD + "\nrequire example.com/dep v1.0.0\n"
WRONG_SUM = "h1:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="  # of nothing

Make = Callable[..., Recipe]


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """The machine's, with a module cache of its own and no proxy for modules."""
    return {**os.environ, "GOMODCACHE": str(tmp_path / "modules"), "GOPROXY": "off", "GONOSUMDB": "*"}


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Makes a recipe of one program."""

    def recipe(program: str, go_mod: str = GO_MOD, go_sum: str = "") -> Recipe:
        folder = tmp_path / "recipe"
        folder.mkdir()
        for name, text in {"main.go": program, "go.mod": go_mod, "go.sum": go_sum}.items():
            (folder / name).write_text(text)
        return Recipe(folder, {"program": "example.com/program"}, {"main.version": "v1.2.3"})

    return recipe


def build(recipe: Recipe, target: Path, environ: dict[str, str]) -> str:
    said = io.StringIO()
    build_programs([recipe], target, environ, Progress(said))
    return said.getvalue()


def failure(recipe: Recipe, target: Path, environ: dict[str, str]) -> str:
    with pytest.raises(BuildError) as caught:
        build(recipe, target, environ)
    assert not target.exists()
    return str(caught.value)


def proxy_with_dep(folder: Path) -> str:
    """A folder that serves example.com/dep v1.0.0 as a module proxy would. Returns its URL."""
    versions = folder / "example.com" / "dep" / "@v"
    versions.mkdir(parents=True)
    (versions / "v1.0.0.info").write_text('{"Version": "v1.0.0"}')
    (versions / "v1.0.0.mod").write_text("module example.com/dep\n")
    with zipfile.ZipFile(versions / "v1.0.0.zip", "w") as content:
        content.writestr("example.com/dep@v1.0.0/go.mod", "module example.com/dep\n")
        content.writestr("example.com/dep@v1.0.0/dep.go", "package dep\n")
    return folder.as_uri()


def test_what_is_built_runs_and_says_its_version(make: Make, tmp_path: Path, environ: dict[str, str]) -> None:
    said = build(make(PROGRAM), tmp_path / "cache" / "v1", environ)
    assert "[1/1] program: done" in said
    ran = subprocess.run([tmp_path / "cache" / "v1" / "program"], capture_output=True, text=True, check=True)
    assert ran.stderr == "v1.2.3\n"


def test_a_program_that_does_not_compile_is_told_in_go_s_words(
    make: Make, tmp_path: Path, environ: dict[str, str]
) -> None:
    message = failure(make("package main\n\nfunc main() { nothing() }\n"), tmp_path / "cache" / "v1", environ)
    assert "undefined: nothing" in message


def test_a_network_that_does_not_answer_is_told(make: Make, tmp_path: Path, environ: dict[str, str]) -> None:
    environ["GOPROXY"] = "http://127.0.0.1:1"
    sums = f"example.com/dep v1.0.0 {WRONG_SUM}\nexample.com/dep v1.0.0/go.mod {WRONG_SUM}\n"
    message = failure(make(NEEDS_MODULE, REQUIRES, sums), tmp_path / "cache" / "v1", environ)
    assert "the network is needed once" in message
    assert "connection refused" in message


def test_a_network_that_may_not_be_used_is_told(make: Make, tmp_path: Path, environ: dict[str, str]) -> None:
    sums = f"example.com/dep v1.0.0 {WRONG_SUM}\nexample.com/dep v1.0.0/go.mod {WRONG_SUM}\n"
    assert "the network is needed once" in failure(
        make(NEEDS_MODULE, REQUIRES, sums), tmp_path / "cache" / "v1", environ
    )


def test_a_module_that_was_tampered_with_is_not_built(make: Make, tmp_path: Path, environ: dict[str, str]) -> None:
    environ["GOPROXY"] = proxy_with_dep(tmp_path / "proxy")
    sums = f"example.com/dep v1.0.0 {WRONG_SUM}\nexample.com/dep v1.0.0/go.mod {WRONG_SUM}\n"
    message = failure(make(NEEDS_MODULE, REQUIRES, sums), tmp_path / "cache" / "v1", environ)
    assert "something downloaded is not what go.sum says" in message
