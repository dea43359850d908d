"""Build the control plane's programs, and sops, from their recipes, once, into Tandem's cache:
`python -m controller.dev.build`.

Can be interrupted and goes on where it was: Go keeps the compiled packages, we keep the finished programs. A lock lets
one build at a time run; the cache is filled by a rename, so what is there is whole.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from controller.dev.children import spawn, stop_process
from controller.dev.errors import BuildError, ControlPlaneError
from controller.dev.gotool import Go, find_go
from controller.dev.locate import Search, cache_folder, find_programs
from controller.dev.progress import Progress
from controller.dev.recipe import (
    LABEL,
    Recipe,
    control_plane_recipes,
    is_built,
    kubernetes_version,
    label_of,
    sops_recipe,
)
from controller.sops.locate import VERSION, Found, built_sops, find_sops

GIGABYTE = 10**9
LEAST_SPACE = 1 * GIGABYTE  # the programs (0.3 GB), and the linker's work
USUAL_SPACE = 5 * GIGABYTE  # from nothing: modules 1 GB, Go's build cache 3 GB, measured
KEPT_LINES = 40  # of what Go says, for the message when it fails


def ensure_programs(environ: Mapping[str, str], progress: Progress, *, controllers: bool = False) -> Search:
    """The programs as found, else as built now; `Search.programs` is never None. Raises `BuildError`.

    With `controllers`, a place without a kube-controller-manager is not enough: one is built to go with it.
    """
    search = find_programs(environ)
    if search.programs and (search.programs.kube_controller_manager or not controllers):
        return search
    build_control_plane(environ, progress)
    search = find_programs(environ)
    if search.programs is None:
        raise BuildError(f"the programs were built but are not found again:\n{search.describe()}")
    return search


def ensure_sops(environ: Mapping[str, str], progress: Progress) -> Found:
    """The sops program as found, else as built now; `Found.program` is never None. Raises `BuildError`."""
    target = built_sops(environ).parent
    found = find_sops("", environ)
    if found.program is not None and (found.program.parent != target or is_built(target, [sops_recipe()])):
        return found
    if not is_built(target, [sops_recipe()]):
        progress.say(f"sops {VERSION} is built once: a bit more than a minute on 2 cores.")
    build_programs([sops_recipe()], target, environ, progress)
    return find_sops("", environ)


def build_control_plane(environ: Mapping[str, str], progress: Progress) -> Path:
    """Fill Tandem's cache with etcd and the Kubernetes programs."""
    target, recipes = cache_folder(environ), control_plane_recipes()
    if not is_built(target, recipes):
        progress.say(
            f"Kubernetes {kubernetes_version()} is built once: about 6 minutes on 2 cores, and 5 GB of disk for Go's "
            "caches. An interrupted build goes on where it was."
        )
    build_programs(recipes, target, environ, progress)
    return target


def build_programs(recipes: Sequence[Recipe], target: Path, environ: Mapping[str, str], progress: Progress) -> None:
    """Build every program of `recipes` into the folder `target`, which then is whole or was not touched.

    A target that was built from the same recipes is left as it is.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _lock(target.with_name(f"{target.name}.lock"), progress):
            if is_built(target, recipes):
                progress.say(f"{target} is built already.")
                return
            label = label_of(recipes)
            staging = target.with_name(f".{target.name}.{label['recipe']}.building")
            staging.mkdir(exist_ok=True)
            _build_missing(recipes, staging, environ, progress)
            (staging / LABEL).write_text(json.dumps(label, indent=2) + "\n")
            _swap(staging, target)
            progress.say(f"Built {target}.")
    except OSError as error:
        raise BuildError(_explain(str(error), f"{target} cannot be written")) from error


def _build_missing(recipes: Sequence[Recipe], staging: Path, environ: Mapping[str, str], progress: Progress) -> None:
    todo = [(recipe, name) for recipe in recipes for name in recipe.programs if not (staging / name).exists()]
    if not todo:
        return
    _check_space(staging, progress)
    go = find_go(environ, progress, max(recipe.oldest_go() for recipe, _ in todo))
    progress.say(f"Compiling {', '.join(name for _, name in todo)} with {go.version} ({go.program}).")
    for number, (recipe, name) in enumerate(todo, start=1):
        _compile(_Step(go, recipe, name, f"[{number}/{len(todo)}] {name}"), staging, environ, progress)


class _Step:
    """One program of a build."""

    def __init__(self, go: Go, recipe: Recipe, name: str, title: str) -> None:
        self.go = go
        self.recipe = recipe
        self.name = name
        self.package = recipe.programs[name]
        self.title = title

    def run(self, arguments: Sequence[str], environ: Mapping[str, str], on_line: Callable[[str], bool]) -> str:
        """Run go in the recipe's folder; `on_line` gets each line of its messages and says whether it was progress."""
        failure: deque[str] = deque(maxlen=KEPT_LINES)
        environment = self.go.environment(environ)
        with tempfile.TemporaryFile() as output:
            process = spawn(
                [self.go.program, *arguments],
                stdout=output,
                stderr=subprocess.PIPE,
                cwd=self.recipe.folder,
                env=environment,
            )
            assert process.stderr is not None  # noqa: S101  # it was asked for
            try:
                with process.stderr:
                    for raw in process.stderr:
                        line = raw.decode(errors="replace").rstrip()
                        if not on_line(line):
                            failure.append(line)
                code = process.wait()
            except BaseException:  # an interrupt ends go, too; what it compiled so far stays in its cache
                stop_process(process, grace=5.0)
                raise
            if code != 0:
                raise BuildError(_explain("\n".join(failure), f"{self.name} cannot be built with {self.go.version}"))
            output.seek(0)
            return output.read().decode()


def _compile(step: _Step, staging: Path, environ: Mapping[str, str], progress: Progress) -> None:
    """Download what the program needs, compile it, and give it its name only when it is whole."""

    def downloading(line: str) -> bool:
        if line.startswith("go: downloading "):
            progress.show(f"{step.title}: {line.removeprefix('go: ')}")
            return True
        return False

    packages = set(step.run(["list", "-deps", step.package], environ, downloading).split())
    compiled: set[str] = set()

    def compiling(line: str) -> bool:
        if line not in packages:
            return downloading(line)
        compiled.add(line)
        progress.show(f"{step.title}: {len(compiled)} of at most {len(packages)} packages compiled, {line}")
        return True

    part = staging / f"{step.name}.part"
    linker = " ".join(["-s -w", *(f"-X {name}={value}" for name, value in step.recipe.stamps.items())])
    step.run(["build", "-v", "-o", str(part), "-ldflags", linker, step.package], environ, compiling)
    if step.recipe.beside:
        module = Path(step.run(["list", "-f", "{{.Module.Dir}}", step.package], environ, downloading).strip())
        for name in step.recipe.beside:
            _copy_folder(module / name, staging / name)
    part.rename(staging / step.name)
    progress.say(f"{step.title}: done, {len(compiled)} packages compiled")


def _copy_folder(source: Path, target: Path) -> None:
    """Copy the files, not their modes: what Go keeps is for reading only, and could not be removed again."""
    for path in source.rglob("*"):
        if path.is_file():
            place = target / path.relative_to(source)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, place)


def _swap(staging: Path, target: Path) -> None:
    """Put the new folder in the old one's place. Programs that run from the old one go on running."""
    old = target.with_name(f".{target.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        target.rename(old)
    staging.rename(target)
    for leftover in target.parent.glob(f".{target.name}.*"):
        shutil.rmtree(leftover, ignore_errors=True)


@contextmanager
def _lock(path: Path, progress: Progress) -> Iterator[None]:
    """Let one build at a time into a target. The kernel drops the lock with the process, however that ends."""
    with path.open("a+") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            handle.seek(0)
            progress.say(f"Another build is running ({handle.read() or 'just started'}): waiting for it.")
            fcntl.flock(handle, fcntl.LOCK_EX)
        handle.truncate(0)
        handle.write(f"process {os.getpid()}")
        handle.flush()
        yield


def _check_space(folder: Path, progress: Progress) -> None:
    free = shutil.disk_usage(folder).free
    if free < LEAST_SPACE:
        raise BuildError(
            f"{folder} has {free / GIGABYTE:.1f} GB of disk left; a build from nothing needs about 5 GB. "
            "Make room, or set XDG_CACHE_HOME, GOCACHE and GOMODCACHE to another disk."
        )
    if free < USUAL_SPACE:
        progress.say(f"There are {free / GIGABYTE:.1f} GB of disk left; a build from nothing needs about 5 GB.")


# What Go says when … → what to tell the person. The first that matches counts.
EXPLANATIONS: Sequence[tuple[Sequence[str], str]] = (
    (
        ("no space left on device", "disk quota exceeded"),
        "the disk is full. A build from nothing needs about 5 GB: make room, or set XDG_CACHE_HOME, GOCACHE and "
        "GOMODCACHE to another disk. It goes on where it was",
    ),
    (
        ("checksum mismatch", "security error"),
        "something downloaded is not what go.sum says, so nothing was built from it. See whether GOPROXY, or a proxy "
        "on the way, changes what it passes on",
    ),
    (
        ("permission denied", "read-only file system"),
        "a folder cannot be written. Set XDG_CACHE_HOME, GOCACHE and GOMODCACHE to folders that can",
    ),
    (
        ("signal: killed", "cannot allocate memory", "out of memory"),
        "the compiler was killed, most likely for want of memory: it needs about 3 GB. GOFLAGS cannot help here; close "
        "something, or set GOMAXPROCS=1. It goes on where it was",
    ),
    (
        (
            "dial tcp",
            "no such host",
            "i/o timeout",
            "connection refused",
            "connection reset",
            "network is unreachable",
            "tls handshake timeout",
            "proxyconnect",
            "unrecognized import path",
            "module lookup disabled",
            "server misbehaving",
        ),
        "the network is needed once, to fetch Go modules, and did not answer. See HTTPS_PROXY and GOPROXY; it goes on "
        "where it was",
    ),
)


def _explain(said: str, what: str) -> str:
    lowered = said.lower()
    for signs, advice in EXPLANATIONS:
        if any(sign in lowered for sign in signs):
            return f"{what}: {advice}.\n{said}"
    return f"{what}:\n{said}"


def main() -> int:
    """See to it that all programs are there, and tell where."""
    progress = Progress()
    try:
        search = ensure_programs(os.environ, progress, controllers=True)
        sops = ensure_sops(os.environ, progress)
    except ControlPlaneError as error:
        progress.say(f"error: {error}")
        return 1
    except KeyboardInterrupt:
        progress.say("Interrupted. The next build goes on from here.")
        return 130
    print(search.describe())
    print(f"sops: {sops.describe()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
