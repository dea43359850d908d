"""Recipes: what they pin, and when what was built from them is out of date."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from controller.dev.recipe import (
    Recipe,
    control_plane_recipes,
    etcd_recipe,
    kubernetes_recipe,
    label_of,
    sops_recipe,
)
from controller.sops.locate import VERSION
from tests.support.giteabuild import gitea_recipe

RECIPES = pytest.mark.parametrize(
    "recipe", [*control_plane_recipes(), sops_recipe(), gitea_recipe()], ids=lambda recipe: recipe.folder.name
)


@RECIPES
def test_everything_that_goes_in_has_a_checksum(recipe: Recipe) -> None:
    text = (recipe.folder / "go.mod").read_text()
    required = dict(re.findall(r"^\t?(?:require )?(\S+) (v\S+)", text, re.MULTILINE))
    sums = (recipe.folder / "go.sum").read_text()
    assert len(required) > 50
    replaced = dict(re.findall(r"^(?:replace |\t)(\S+) => (\S+ v\S+)", text, re.MULTILINE))
    pinned = [replaced.get(module, f"{module} {version}") for module, version in required.items()]
    assert [module for module in pinned if module not in sums] == []


@RECIPES
def test_the_programs_are_named_for_go_mod_tidy(recipe: Recipe) -> None:
    kept = (recipe.folder / "tools.go").read_text()
    assert [package for package in recipe.programs.values() if f'_ "{package}"' not in kept] == []


def test_the_staged_modules_of_kubernetes_are_those_of_its_release() -> None:
    recipe = kubernetes_recipe()
    replaced = re.findall(r"^\t(k8s\.io/\S+) => (\S+) (v\S+)$", (recipe.folder / "go.mod").read_text(), re.MULTILINE)
    assert len(replaced) == 31
    staged = recipe.version("k8s.io/kubernetes").replace("v1.", "v0.")
    assert {(module == target, version) for module, target, version in replaced} == {(True, staged)}


def test_the_programs_are_stamped_with_their_version() -> None:
    recipe = kubernetes_recipe()
    version = recipe.version("k8s.io/kubernetes")
    assert recipe.stamps["k8s.io/component-base/version.gitVersion"] == version
    assert recipe.stamps["k8s.io/component-base/version.gitMajor"] == "1"
    assert f"v1.{recipe.stamps['k8s.io/component-base/version.gitMinor']}." in version


def test_a_module_that_is_not_required_is_an_error() -> None:
    with pytest.raises(LookupError, match=r"etcd/go\.mod does not require k8s\.io/kubernetes"):
        etcd_recipe().version("k8s.io/kubernetes")


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    (tmp_path / "go.mod").write_text("module a\n")
    (tmp_path / "go.sum").write_text("")
    return Recipe(tmp_path, {"one": "a/one"})


def test_every_part_of_a_recipe_counts(recipe: Recipe) -> None:
    labels = [label_of([recipe])["recipe"]]
    labels.append(label_of([replace(recipe, programs={"one": "a/other"})])["recipe"])
    labels.append(label_of([replace(recipe, stamps={"main.version": "v2"})])["recipe"])
    for name in ("go.mod", "go.sum"):
        (recipe.folder / name).write_text(f"another {name}\n")
        labels.append(label_of([recipe])["recipe"])
    labels.append(label_of([replace(recipe, beside=("templates",))])["recipe"])
    assert len(set(labels)) == 6


def test_the_go_that_is_needed_is_the_one_of_go_mod(recipe: Recipe) -> None:
    assert recipe.oldest_go() == ()
    (recipe.folder / "go.mod").write_text("module a\n\ngo 1.26.2\n")
    assert recipe.oldest_go() == (1, 26, 2)


def test_the_sops_that_is_looked_for_is_the_one_that_is_built() -> None:
    assert sops_recipe().version("github.com/getsops/sops/v3") == VERSION
