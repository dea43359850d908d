"""Where the programs come from: the order of the places, and what makes one be passed over."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterable
from pathlib import Path

import pytest

from controller.dev.locate import CONTROLLERS, NEEDED, cache_folder, envtest_folder, find_programs
from controller.dev.recipe import LABEL, control_plane_recipes, go_platform, label_of

ALL = (*NEEDED, CONTROLLERS)
PLATFORM = "-".join(go_platform())


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """A user with an empty home."""
    return {"HOME": str(tmp_path / "home")}


def fill(folder: Path, names: Iterable[str] = ALL) -> Path:
    folder.mkdir(parents=True)
    for name in names:
        (folder / name).touch()
        (folder / name).chmod(0o755)
    return folder


def fill_cache(environ: dict[str, str], names: Iterable[str] = ALL, **label: str) -> Path:
    folder = fill(cache_folder(environ), names)
    (folder / LABEL).write_text(json.dumps(label_of(control_plane_recipes()) | label))
    return folder


def folder_found(environ: dict[str, str]) -> Path | None:
    programs = find_programs(environ).programs
    return programs.etcd.parent if programs else None


def test_nothing_anywhere_names_every_place_that_was_looked_at(environ: dict[str, str]) -> None:
    search = find_programs(environ)
    assert search.programs is None
    assert [place.split(":")[0] for place in search.passed_over] == [
        "KUBEBUILDER_ASSETS",
        "the store of setup-envtest",
        "Tandem's own cache",
    ]
    assert "python -m controller.dev.build" in search.describe()


def test_the_first_place_wins(environ: dict[str, str], tmp_path: Path) -> None:
    cache = fill_cache(environ)
    assert folder_found(environ) == cache
    store = fill(envtest_folder(environ) / f"1.34.1-{PLATFORM}")
    assert folder_found(environ) == store
    assets = fill(tmp_path / "assets")
    assert folder_found({**environ, "KUBEBUILDER_ASSETS": str(assets)}) == assets


def test_the_place_is_told_and_those_before_it(environ: dict[str, str]) -> None:
    cache = fill_cache(environ)
    lines = find_programs(environ).describe().splitlines()
    assert lines[0] == f"{cache} (Tandem's own cache)"
    assert lines[1] == "  passed over KUBEBUILDER_ASSETS: not set"
    assert lines[2].startswith("  passed over the store of setup-envtest: there is no ")


@pytest.mark.parametrize("missing", NEEDED)
def test_a_folder_that_lacks_a_program_is_passed_over(environ: dict[str, str], tmp_path: Path, missing: str) -> None:
    assets = fill(tmp_path / "assets", set(ALL) - {missing})
    cache = fill_cache(environ)
    search = find_programs({**environ, "KUBEBUILDER_ASSETS": str(assets)})
    assert search.passed_over[0] == f"KUBEBUILDER_ASSETS: {assets} lacks {missing}"
    assert search.programs is not None and search.programs.etcd.parent == cache


def test_a_file_that_cannot_be_executed_is_no_program(environ: dict[str, str]) -> None:
    cache = fill_cache(environ)
    (cache / "etcd").chmod(stat.S_IRUSR)
    assert "lacks etcd" in find_programs(environ).passed_over[-1]


@pytest.mark.parametrize(
    ("names", "taken"),
    [
        (["1.33.0", "1.34.10", "1.34.9"], "1.34.10"),
        (["1.28.9", "1.29.0"], "1.29.0"),
        (["1.28.9"], None),
        (["not-a-version"], None),
        ([], None),
    ],
    ids=["newest", "just new enough", "too old", "something else", "empty"],
)
def test_the_newest_version_of_the_store_is_taken(environ: dict[str, str], names: list[str], taken: str | None) -> None:
    store = envtest_folder(environ)
    store.mkdir(parents=True)
    for name in names:
        fill(store / f"{name}-{PLATFORM}")
    assert folder_found(environ) == (store / f"{taken}-{PLATFORM}" if taken else None)


def test_versions_for_other_machines_do_not_count(environ: dict[str, str]) -> None:
    fill(envtest_folder(environ) / "1.34.0-plan9-mips")
    assert f"holds nothing for {PLATFORM}" in find_programs(environ).passed_over[1]


@pytest.mark.parametrize("label", [{"recipe": "another"}, {"os": "plan9"}, {"architecture": "mips"}])
def test_a_cache_from_another_recipe_or_machine_is_passed_over(environ: dict[str, str], label: dict[str, str]) -> None:
    fill_cache(environ, **label)
    search = find_programs(environ)
    assert search.programs is None
    assert "was built from another recipe" in search.passed_over[-1]


def test_a_cache_without_a_label_is_passed_over(environ: dict[str, str]) -> None:
    (fill_cache(environ) / LABEL).write_text("{")
    assert find_programs(environ).programs is None


def test_the_controller_manager_comes_from_the_cache_where_it_is_missing(
    environ: dict[str, str], tmp_path: Path
) -> None:
    environ["KUBEBUILDER_ASSETS"] = str(fill(tmp_path / "assets", NEEDED))
    alone = find_programs(environ)
    assert alone.programs is not None and alone.programs.kube_controller_manager is None
    assert "there is no kube-controller-manager, so nothing collects garbage" in alone.why

    cache = fill_cache(environ)
    together = find_programs(environ)
    assert together.programs is not None
    assert together.programs.kube_apiserver == tmp_path / "assets" / "kube-apiserver"
    assert together.programs.kube_controller_manager == cache / CONTROLLERS
    assert f"kube-controller-manager from {cache}" in together.why


def test_xdg_folders_count_only_if_absolute(environ: dict[str, str], tmp_path: Path) -> None:
    assert cache_folder(environ).is_relative_to(tmp_path / "home" / ".cache")
    assert cache_folder({**environ, "XDG_CACHE_HOME": "relative"}) == cache_folder(environ)
    assert cache_folder({**environ, "XDG_CACHE_HOME": "/elsewhere"}).is_relative_to("/elsewhere/tandem/controlplane")
