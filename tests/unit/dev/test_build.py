"""The builder: what it makes, how it fails, how it goes on, and that two do not run at once."""

from __future__ import annotations

import io
import os
import shutil
import signal
import stat
import subprocess
import sys
from collections import namedtuple
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from controller.dev.build import build_programs, ensure_programs
from controller.dev.errors import BuildError
from controller.dev.locate import CONTROLLERS, NEEDED, cache_folder, find_programs
from controller.dev.progress import Progress
from controller.dev.recipe import Recipe, is_built
from controller.sops.locate import built_sops
from tests.support.fake_go import FakeGo
from tests.support.processes import is_alive
from tests.support.wait import wait_until

SYSTEM_PATH = "/usr/bin:/bin"
REPOSITORY = Path(__file__).parents[3]


@pytest.fixture
def go(tmp_path: Path) -> FakeGo:
    return FakeGo(tmp_path / "go")


@pytest.fixture
def environ(tmp_path: Path, go: FakeGo) -> dict[str, str]:
    return {"HOME": str(tmp_path / "home"), "PATH": f"{go.bin}:{SYSTEM_PATH}"}


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    folder = tmp_path / "recipe"
    folder.mkdir()
    (folder / "go.mod").write_text("module example.com/recipe\n\ngo 1.25.0\n\nrequire example.com/dep v1.0.0\n")
    (folder / "go.sum").write_text("")
    return Recipe(folder, {"one": "example.com/one", "two": "example.com/two"}, {"main.version": "v1"})


@pytest.fixture
def said() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def build(recipe: Recipe, environ: dict[str, str], tmp_path: Path, said: io.StringIO) -> Builder:
    return Builder(recipe, tmp_path / "cache" / "v1", environ, said)


class Builder:
    """A build of one recipe, again and again."""

    def __init__(self, recipe: Recipe, target: Path, environ: dict[str, str], said: io.StringIO) -> None:
        self.recipe, self.target, self.environ, self.said = recipe, target, environ, said

    def __call__(self) -> str:
        self.said.truncate(0)
        build_programs([self.recipe], self.target, self.environ, Progress(self.said))
        return self.said.getvalue()

    def fails(self) -> str:
        with pytest.raises(BuildError) as caught:
            self()
        return str(caught.value)


def test_every_program_is_built_and_labelled(build: Builder, go: FakeGo) -> None:
    said = build()
    assert sorted(path.name for path in build.target.iterdir()) == ["built.json", "one", "two"]
    assert is_built(build.target, [build.recipe])
    assert os.access(build.target / "one", os.X_OK)
    assert "[1/2] one: done, 2 packages compiled" in said
    assert "-ldflags -s -w -X main.version=v1 example.com/two" in (go.notes / "calls").read_text()
    assert [path.name for path in build.target.parent.iterdir() if path.name.startswith(".")] == []


def test_what_is_built_is_not_built_again(build: Builder, go: FakeGo) -> None:
    build()
    assert "is built already" in build()
    assert go.built() == ["one", "two"]


def test_another_recipe_replaces_what_is_there(build: Builder, go: FakeGo) -> None:
    build()
    (build.recipe.folder / "go.sum").write_text("example.com/dep v1.0.0 h1:another\n")
    assert not is_built(build.target, [build.recipe])
    build()
    assert is_built(build.target, [build.recipe])
    assert go.built() == ["one", "two", "one", "two"]


def test_what_the_programs_read_lies_beside_them_and_can_be_removed(build: Builder, go: FakeGo) -> None:
    kept = go.notes / "module" / "templates" / "deep"
    kept.mkdir(parents=True)
    (kept / "page.tmpl").write_text("a page")
    (kept / "page.tmpl").chmod(0o444)
    kept.chmod(0o555)
    build.recipe = replace(build.recipe, beside=("templates",))
    build()
    copied = build.target / "templates" / "deep" / "page.tmpl"
    assert copied.read_text() == "a page"
    assert os.access(copied, os.W_OK)
    assert copied.parent.stat().st_mode & stat.S_IWUSR
    assert is_built(build.target, [build.recipe])


def test_a_recipe_says_how_new_go_must_be(build: Builder, go: FakeGo) -> None:
    mod = build.recipe.folder / "go.mod"
    mod.write_text(mod.read_text().replace("go 1.25.0", "go 1.26.9"))
    (go.bin / "uv").write_text("#!/bin/sh\nexit 2\n")
    (go.bin / "uv").chmod(0o755)
    assert "built with Go 1.26.9 or newer, but the go on PATH is go1.26.8" in build.fails()
    mod.write_text(mod.read_text().replace("go 1.26.9", "go 1.26.8"))
    build()
    assert go.built() == ["one", "two"]


@pytest.mark.parametrize(
    ("go_says", "advice"),
    [
        ("write /x/y: no space left on device", "the disk is full"),
        ("write /x/y: disk quota exceeded", "the disk is full"),
        ("verifying example.com/dep@v1.0.0: checksum mismatch", "not what go.sum says"),
        ("open /root/go/pkg: permission denied", "a folder cannot be written"),
        ("mkdir /x: read-only file system", "a folder cannot be written"),
        ("k8s.io/api/core/v1: compile: signal: killed", "for want of memory"),
        ('Get "https://proxy/": dial tcp: lookup proxy: no such host', "the network is needed once"),
        ('Get "https://proxy/": proxyconnect tcp: EOF', "the network is needed once"),
        ('Get "https://proxy/": net/http: TLS handshake timeout', "the network is needed once"),
        ("./main.go:3:1: syntax error", "cannot be built with go1.26.8:\n./main.go:3:1: syntax error"),
    ],
)
def test_a_failure_says_what_is_needed(build: Builder, go: FakeGo, go_says: str, advice: str) -> None:
    go.fail(go_says)
    message = build.fails()
    assert message.startswith("one cannot be built with go1.26.8:")
    assert advice in message
    assert message.endswith(go_says)
    assert not build.target.exists()


def test_a_failed_build_leaves_what_was_there(build: Builder, go: FakeGo) -> None:
    build()
    (build.recipe.folder / "go.sum").write_text("example.com/dep v1.0.0 h1:another\n")
    go.fail("no space left on device")
    build.fails()
    assert (build.target / "one").exists() and (build.target / "two").exists()


def test_the_next_build_goes_on_where_the_last_one_failed(build: Builder, go: FakeGo) -> None:
    real = go.program.read_text()
    go.program.write_text(
        real.replace('if [ -e "$notes/fail" ]', 'case "$4" in *two.part) echo broken >&2; exit 1;; esac; if false')
    )
    build.fails()
    go.program.write_text(real)
    build()
    assert go.built() == ["one", "two", "two"]
    assert is_built(build.target, [build.recipe])


def test_too_little_disk_is_told_before_the_work(build: Builder, go: FakeGo, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(0, 0, 400_000_000))
    assert "has 0.4 GB of disk left; a build from nothing needs about 5 GB" in build.fails()
    assert go.built() == []
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(0, 0, 2_000_000_000))
    assert "There are 2.0 GB of disk left" in build()


def test_a_cache_that_cannot_be_made_is_told(build: Builder, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    assert f"{build.target} cannot be written" in build.fails()


def test_the_user_s_settings_for_go_do_not_change_what_is_built(build: Builder, go: FakeGo) -> None:
    go.program.write_text(go.program.read_text().replace("case ", 'env > "$notes/env-$1"; case ', 1))
    build.environ |= {"GOFLAGS": "-mod=vendor", "GOOS": "plan9", "GOWORK": "/x/go.work", "GOPROXY": "https://mine"}
    build()
    seen = dict(line.split("=", 1) for line in (go.notes / "env-build").read_text().splitlines() if "=" in line)
    assert seen["GOFLAGS"] == "-mod=readonly -trimpath -buildvcs=false"
    assert seen["GOWORK"] == "off"
    assert seen["CGO_ENABLED"] == "0"
    assert seen["GOPROXY"] == "https://mine"
    assert "GOOS" not in seen


def test_programs_that_are_found_are_not_built(environ: dict[str, str], go: FakeGo, tmp_path: Path) -> None:
    assets = tmp_path / "assets"
    assets.mkdir()
    for name in NEEDED:
        shutil.copy(go.program, assets / name)
    environ["KUBEBUILDER_ASSETS"] = str(assets)
    progress = Progress(io.StringIO())
    assert ensure_programs(environ, progress).programs == find_programs(environ).programs
    assert go.built() == []
    completed = ensure_programs(environ, progress, controllers=True).programs
    assert completed is not None
    assert completed.etcd == assets / "etcd"
    assert completed.kube_controller_manager == cache_folder(environ) / CONTROLLERS


class TestCommand:
    """`python -m controller.dev.build`, with everything real but `go`."""

    @pytest.fixture
    def processes(self) -> Iterator[list[subprocess.Popen[str]]]:
        started: list[subprocess.Popen[str]] = []
        yield started
        for process in started:
            process.kill()
            process.communicate()

    @pytest.fixture
    def start(self, environ: dict[str, str], processes: list[subprocess.Popen[str]]) -> Starter:
        return Starter(environ, processes)

    def test_it_fills_the_cache_and_says_so(self, start: Starter, environ: dict[str, str], go: FakeGo) -> None:
        process = start()
        out, err = process.communicate(timeout=30)
        assert process.returncode == 0
        assert "(Tandem's own cache)" in out
        assert "Compiling etcd, kube-apiserver, kube-controller-manager, kubectl with go1.26.8" in err
        assert go.built() == ["etcd", "kube-apiserver", "kube-controller-manager", "kubectl", "sops"]
        assert f"sops: {built_sops(environ)} (Tandem's own cache)" in out
        assert find_programs(environ).programs is not None

    def test_it_builds_nothing_where_everything_is_found(
        self, start: Starter, environ: dict[str, str], go: FakeGo, tmp_path: Path
    ) -> None:
        (tmp_path / "assets").mkdir()
        for name in (*NEEDED, CONTROLLERS):
            shutil.copy(go.program, tmp_path / "assets" / name)
        shutil.copy(go.program, go.bin / "sops")
        environ["KUBEBUILDER_ASSETS"] = str(tmp_path / "assets")
        out, err = start().communicate(timeout=30)
        assert out == f"{tmp_path / 'assets'} (KUBEBUILDER_ASSETS)\nsops: {go.bin / 'sops'} (PATH)\n"
        assert err == ""
        assert go.built() == []

    def test_a_failure_is_an_exit_code(self, start: Starter, go: FakeGo) -> None:
        go.fail("no space left on device")
        process = start()
        _, err = process.communicate(timeout=30)
        assert process.returncode == 1
        assert "error: etcd cannot be built with go1.26.8: the disk is full" in err

    def test_an_interrupt_ends_go_and_the_next_build_goes_on(self, start: Starter, go: FakeGo) -> None:
        go.wait(True)
        first = start()
        compiler = wait_until(lambda: go.building)
        first.send_signal(signal.SIGINT)
        _, err = first.communicate(timeout=30)
        assert first.returncode == 130
        assert "Interrupted. The next build goes on from here." in err
        wait_until(lambda: not is_alive(compiler))
        go.wait(False)
        assert start().wait(30) == 0

    def test_a_killed_build_takes_go_with_it_and_frees_the_lock(self, start: Starter, go: FakeGo) -> None:
        go.wait(True)
        first = start()
        compiler = wait_until(lambda: go.building)
        first.kill()
        wait_until(lambda: not is_alive(compiler))
        go.wait(False)
        assert start().wait(30) == 0

    def test_two_builds_do_not_run_at_once(self, start: Starter, go: FakeGo) -> None:
        go.wait(True)
        first = start()
        wait_until(lambda: go.building)
        second = start()
        assert second.stderr is not None
        heard = ""
        while "waiting for it" not in heard:
            heard = second.stderr.readline()
            assert heard, "the second build ended without waiting"
        assert f"Another build is running (process {first.pid})" in heard
        go.wait(False)
        assert first.wait(30) == 0
        assert "is built already" in second.communicate(timeout=30)[1]
        assert second.returncode == 0
        assert len(go.built()) == 5


class Starter:
    """Starts the command."""

    def __init__(self, environ: dict[str, str], started: list[subprocess.Popen[str]]) -> None:
        self._environ, self._started = environ, started

    def __call__(self) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "controller.dev.build"],
            cwd=REPOSITORY,
            env=self._environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._started.append(process)
        return process
