"""What earlier releases left behind is understood: their databases, their definitions, their objects.

`make release-data VERSION=…` stores a release's; tests/support/release.py tells the story behind it.
"""

from __future__ import annotations

import json
import shutil
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

from controller.api.crd import crd
from controller.api.v1alpha1 import KINDS
from controller.store.store import Store
from tests.support.definitions import narrowings
from tests.support.release import DATA, contents, main

RELEASES = sorted(DATA.glob("v[0-9]*"))
TODAY = {kind.plural: crd(kind) for kind in KINDS}


@pytest.fixture(params=RELEASES, ids=lambda folder: folder.name)
def release(request: pytest.FixtureRequest) -> Path:
    folder: Path = request.param
    return folder


@pytest.fixture
def database(release: Path, tmp_path: Path) -> Path:
    """A copy of the release's database, which opening changes."""
    return Path(shutil.copy(release / "tandem.db", tmp_path))


def test_there_is_a_release() -> None:
    assert RELEASES


async def test_its_database_is_brought_to_this_version_and_says_the_same(release: Path, database: Path) -> None:
    """Opened as the controller opens it, then read as `tandem plan` reads it, which takes this very version only."""
    store = await Store.open(f"sqlite:///{database}")
    await store.close()
    assert await contents(database) == json.loads((release / "story.json").read_text())


def test_its_story_has_a_row_of_everything(release: Path) -> None:
    """Else the test above would compare nothing with nothing."""
    story = json.loads((release / "story.json").read_text())["fabrics"]
    shop, catalog = story["shop"], story["catalog"]
    assert {"ConfigMap/shop/adopted", "ConfigMap/shop/made", "Deployment/shop/web"} <= shop["bases"].keys()
    assert {push["state"] for push in shop["pushes"]} == {"pushed", "refused"}
    assert shop["refusals"] == {"ConfigMap/shop/refused": "UnknownField"}
    assert shop["jobs"] == ["once"]
    assert shop["runs"]
    assert [confirmed for _, confirmed, _ in catalog["guards"]] == [False, True]


def test_its_objects_are_read_by_this_version(release: Path) -> None:
    kinds = {kind.__name__: kind for kind in KINDS}
    objects = json.loads((release / "objects.json").read_text())
    assert {found["kind"] for found in objects} == kinds.keys()
    for found in objects:
        spec = kinds[found["kind"]].from_object(found).model_dump(mode="json", by_alias=True)["spec"]
        assert lost(found["spec"], spec) == []


def test_its_definitions_are_superseded(release: Path) -> None:
    for path in sorted((release / "crds").glob("*.yaml")):
        old = yaml.safe_load(path.read_text())
        assert narrowings(old, TODAY[old["spec"]["names"]["plural"]]) == []


def lost(old: Any, new: Any, path: str = "") -> list[str]:
    """The paths of `old` that `new` does not have, or has with another value."""
    if isinstance(old, dict) and isinstance(new, dict):
        return [found for name in old for found in lost(old[name], new.get(name), f"{path}.{name}")]
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        return [
            found
            for i, (left, right) in enumerate(zip(old, new, strict=True))
            for found in lost(left, right, f"{path}[{i}]")
        ]
    return [] if old == new else [path]


def test_a_field_that_got_lost_is_found() -> None:
    assert lost({"a": [{"b": 1, "c": 2}], "d": 3}, {"a": [{"b": 1, "c": 4}]}) == [".a[0].c", ".d"]


@pytest.mark.parametrize(
    ("place", "value", "found"),
    [
        (("scope",), "Cluster", "scope: Namespaced → Cluster"),
        (("names", "kind"), "Fabrik", "kind: Fabric → Fabrik"),
        (("names", "shortNames"), [], "short name fab is gone"),
        (("versions", 0, "served"), False, "v1alpha1 is not served"),
    ],
)
def test_a_definition_that_takes_away_is_found(place: tuple[str | int, ...], value: Any, found: str) -> None:
    assert narrowings(TODAY["fabrics"], changed(TODAY["fabrics"], ("spec", *place), value)) == [found]


SPEC = ("spec", "versions", 0, "schema", "openAPIV3Schema", "properties", "spec")
SYNC = (*SPEC, "properties", "sync", "properties")


@pytest.mark.parametrize(
    ("place", "value", "found"),
    [
        ((*SPEC, "required"), ["repository", "target"], ".spec.target: required"),
        ((*SYNC, "maxEdits", "maximum"), 10, ".spec.sync.maxEdits: maximum 100000 → 10"),
        ((*SYNC, "maxEdits", "minimum"), 1, ".spec.sync.maxEdits: minimum 0 → 1"),
        ((*SYNC, "maxEdits", "default"), 7, ".spec.sync.maxEdits: default 200 → 7"),
        ((*SYNC, "maxEdits", "type"), "string", ".spec.sync.maxEdits: type integer → string"),
        ((*SYNC, "interval", "enum"), ["1m"], ".spec.sync.interval: only some values are allowed"),
        (
            (*SYNC, "direction", "enum"),
            ["Bidirectional", "GitToCluster"],
            ".spec.sync.direction: ClusterToGit is not allowed",
        ),
        ((*SPEC, "properties", "resources", "items", "properties"), {}, ".spec.resources[].group: gone"),
    ],
)
def test_a_schema_that_takes_away_is_found(place: tuple[str | int, ...], value: Any, found: str) -> None:
    assert narrowings(TODAY["fabrics"], changed(TODAY["fabrics"], place, value))[0] == found


def test_a_definition_that_only_adds_supersedes() -> None:
    added = changed(TODAY["fabrics"], (*SYNC, "more"), {"type": "string"})
    added = changed(added, (*SYNC, "direction", "enum"), ["Bidirectional", "GitToCluster", "ClusterToGit", "Other"])
    assert narrowings(TODAY["fabrics"], changed(added, (*SYNC, "maxEdits", "maximum"), 200_000)) == []


def test_a_release_is_not_written_twice(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([RELEASES[0].name.removeprefix("v")]) == 1
    assert "never changes" in capsys.readouterr().err


def changed(definition: Any, place: tuple[str | int, ...], value: Any) -> Any:
    """A copy of the definition with another value at a place."""
    copy = deepcopy(definition)
    inside = copy
    for step in place[:-1]:
        inside = inside[step]
    inside[place[-1]] = value
    return copy
