"""Which two Fabrics would write each other's files."""

from __future__ import annotations

from typing import Any

import pytest

from controller.sync.overlap import overlap
from controller.sync.profile import Installation, Profile, profile_of
from tests.unit.sync.test_profile import fabric

WIDE = Installation(
    id="5f0c3a52-0000-4000-8000-000000000000",
    epoch="cluster/database",
    controller_namespace="tandem-system",
    allowed_namespaces=("*",),
)
URL = "https://git.example.com/r.git"
ONE_WAY: dict[str, Any] = {"sync": {"direction": "GitToCluster"}}


def profile(directory: str = ".", url: str = URL, branch: str = "main", **spec: Any) -> Profile:
    repository = {"url": url, "branch": branch, "directory": directory}
    return profile_of(fabric(repository=repository, **spec), WIDE)


@pytest.mark.parametrize(
    ("mine", "its", "position"),
    [
        (".", ".", "the same as"),
        ("apps", "apps/", "the same as"),
        ("apps/web", "apps", "inside"),
        ("apps", ".", "inside"),
        ("apps", "apps/web", "around"),
        (".", "apps", "around"),
        ("apps", "apps2", ""),
        ("apps/web", "apps/db", ""),
    ],
)
def test_how_directories_lie_to_each_other(mine: str, its: str, position: str) -> None:
    assert overlap(profile(mine), profile(its)) == position


@pytest.mark.parametrize(
    "url", ["https://git.example.com/r", "HTTPS://Git.Example.com:443/r.git/"], ids=["no suffix", "other spelling"]
)
def test_one_repository_has_many_spellings(url: str) -> None:
    assert overlap(profile(), profile(url=url)) == "the same as"


@pytest.mark.parametrize(
    "other", [profile(branch="next"), profile(url="https://git.example.com/other.git")], ids=["branch", "repository"]
)
def test_elsewhere_nothing_overlaps(other: Profile) -> None:
    assert overlap(profile(), other) == ""


@pytest.mark.parametrize(
    ("mine", "its", "clash"),
    [
        ({"target": {"namespaces": ["a"]}}, {"target": {"namespaces": ["b"]}}, False),
        ({"target": {"namespaces": ["a", "c"]}}, {"target": {"namespaces": ["b", "c"]}}, True),
        ({"target": {"namespaces": ["*"]}}, {"target": {"namespaces": ["b"]}}, True),
        (
            {"target": {"namespaces": ["a"], "clusterScoped": True}},
            {"target": {"namespaces": ["b"], "clusterScoped": True}},
            True,
        ),
    ],
    ids=["side by side", "one in common", "all", "cluster-scoped"],
)
def test_one_directory_may_go_to_two_places_if_nothing_is_written_to_it(
    mine: dict[str, Any], its: dict[str, Any], clash: bool
) -> None:
    asker, other = profile(**mine, **ONE_WAY), profile(**its, **ONE_WAY)
    assert bool(overlap(asker, other)) is clash
    assert overlap(profile(**mine), other) == "the same as"
    kinds: dict[str, Any] = {"resources": [{"kind": "ConfigMap", "direction": "Bidirectional"}]}
    assert overlap(asker, profile(**its, **ONE_WAY, **kinds)) == "the same as"
