"""A restored cluster is noticed by its lists, and its record counts as another life's."""

from __future__ import annotations

from typing import Any

import pytest

from controller.api.v1alpha1.fabric import Fabric
from controller.objects import Base, Provenance
from controller.sync.lives import are_older, is_older, latest, next_epoch, profile_in
from controller.sync.plan.model import Actual, Presence
from controller.sync.profile import Installation, Profile, profile_of


@pytest.mark.parametrize(
    ("recorded", "seen", "restored"),
    [
        pytest.param({}, {"/api/v1/pods": "7"}, False, id="nothing was recorded"),
        pytest.param({"/api/v1/pods": "7"}, {}, False, id="nothing was listed yet"),
        pytest.param({"/api/v1/pods": "7"}, {"/api/v1/pods": "7"}, False, id="the same list"),
        pytest.param({"/api/v1/pods": "7"}, {"/api/v1/pods": "10"}, False, id="later, as a number"),
        pytest.param({"/api/v1/pods": "10"}, {"/api/v1/pods": "9"}, True, id="earlier, as a number"),
        pytest.param({"/api/v1/pods": "10"}, {"/api/v1/services": "9"}, False, id="another list"),
        pytest.param({"/api/v1/pods": "10"}, {"/api/v1/pods": ""}, False, id="a server without versions"),
        pytest.param({"/a": "abc"}, {"/a": "abb"}, False, id="versions that are no numbers"),
    ],
)
def test_a_list_that_is_older_than_before_tells(recorded: dict[str, str], seen: dict[str, str], restored: bool) -> None:
    assert are_older(seen, recorded) is restored


@pytest.mark.parametrize(
    ("uid", "live", "recorded", "listed", "older"),
    [
        pytest.param("u", "7", "7", "9", False, id="as it was recorded"),
        pytest.param("u", "8", "7", "9", False, id="written since"),
        pytest.param("u", "7", "10", "12", True, id="before our write, in a list after it"),
        pytest.param("u", "7", "10", "9", False, id="before our write, in a list before it"),
        pytest.param("v", "7", "10", "12", False, id="another object of that name"),
        pytest.param("u", "", "10", "12", False, id="no object"),
        pytest.param("u", "x", "10", "12", False, id="a version that is no number"),
    ],
)
def test_an_object_that_is_older_than_our_write_tells(
    uid: str, live: str, recorded: str, listed: str, older: bool
) -> None:
    actual = Actual(Presence.PRESENT, uid=uid, resource_version=live)
    assert is_older(actual, base(resource_version=recorded), listed) is older


def base(resource_version: str) -> Base:
    return Base(b"{}", b"{}", "u", resource_version, "cluster/database", "v1", Provenance("a.yaml"))


def test_the_later_version_of_each_list_is_kept() -> None:
    assert latest({"/a": "9", "/b": "3"}, {"/a": "10", "/c": "1"}) == {"/a": "10", "/b": "3", "/c": "1"}
    assert latest({"/a": "9"}, {"/a": "8"}) == {"/a": "9"}


def test_epochs_are_counted() -> None:
    assert next_epoch("cluster/database") == "cluster/database/1"
    assert next_epoch("cluster/database/1") == "cluster/database/2"


def profile() -> Profile:
    body: dict[str, Any] = {
        "apiVersion": "tandem.dev/v1alpha1",
        "kind": "Fabric",
        "metadata": {"namespace": "shop", "name": "web", "uid": "u", "generation": 1},
        "spec": {"repository": {"url": "https://git.example/shop.git"}},
    }
    return profile_of(Fabric.from_object(body), Installation("install", "cluster/database", "tandem-system"))


@pytest.mark.parametrize(
    ("recorded", "epoch"),
    [
        pytest.param("", "cluster/database", id="never recorded"),
        pytest.param("cluster/database", "cluster/database", id="the first life"),
        pytest.param("cluster/database/3", "cluster/database/3", id="a later life"),
        pytest.param("other/database/3", "cluster/database", id="of another cluster"),
        pytest.param("cluster/database2/3", "cluster/database", id="of another database"),
    ],
)
def test_a_profile_is_in_the_recorded_life(recorded: str, epoch: str) -> None:
    assert profile_in(recorded, profile()).rules.epoch == epoch
