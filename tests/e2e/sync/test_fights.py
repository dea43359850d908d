"""Somebody who undoes what we do, again and again: noticed, told by name, and left alone until it is quiet."""

from __future__ import annotations

import pytest

from controller.sync.fights import CORRECTIONS
from tests.e2e.sync.looking import data, wait_event
from tests.e2e.sync.manifests import CONFIG, config_map
from tests.support.fabrics import Fabrics
from tests.support.repository import Repository

pytestmark = pytest.mark.usefixtures("tandem")

AGREED = {"color": "blue", "size": "big"}


def started(fabrics: Fabrics, repository: Repository, **sync: object) -> str:
    first = repository.publish({"cm.yaml": CONFIG, "other.yaml": config_map("other", key="one")})
    fabrics.apply(repository.url, sync=sync)
    fabrics.wait_synced(revision=first)
    return first


def set_color(fabrics: Fabrics, color: str) -> None:
    fabrics.kubectl.patch("configmap", "web", {"data": {"color": color}}, "--field-manager=kubectl-opponent")


def fight(fabrics: Fabrics) -> None:
    """Undo every correction, until the last is not put back any more."""
    for turn in range(CORRECTIONS + 1):
        set_color(fabrics, f"red{turn}")
        fabrics.eventually(lambda: data(fabrics, "web") == AGREED)
    set_color(fabrics, "red")
    fabrics.wait(lambda found: [e["reason"] for e in found["status"]["exceptions"]] == ["Fighting"])


def test_a_field_that_is_put_back_again_and_again_is_left_alone(fabrics: Fabrics, repository: Repository) -> None:
    started(fabrics, repository, direction="GitToCluster")
    fight(fabrics)
    (exception,) = fabrics.status()["exceptions"]
    assert "kubectl-opponent keeps changing /data/color" in exception["message"]
    ready = fabrics.wait_condition("Ready", "False", "DocumentsFailed")
    assert "Fighting" in ready["message"]
    wait_event(fabrics, "Fighting", "kubectl-opponent")
    second = repository.publish({"other.yaml": config_map("other", key="two")})
    fabrics.wait_applied(second)
    assert data(fabrics, "web") == {"color": "red", "size": "big"}, "although a run has been over since"


def test_the_rest_of_a_fought_over_object_and_all_others_go_on(fabrics: Fabrics, repository: Repository) -> None:
    started(fabrics, repository, direction="GitToCluster")
    fight(fabrics)
    second = repository.publish(
        {"cm.yaml": CONFIG.replace("big", "huge"), "other.yaml": config_map("other", key="two")}
    )
    fabrics.eventually(lambda: data(fabrics, "other") == {"key": "two"})
    fabrics.eventually(lambda: data(fabrics, "web") == {"color": "red", "size": "huge"})
    status = fabrics.wait_applied(second)
    assert [entry["reason"] for entry in status["exceptions"]] == ["Fighting"]
    fabrics.kubectl.patch("configmap", "web", {"data": {"size": "tiny"}})
    fabrics.eventually(lambda: data(fabrics, "web") == {"color": "red", "size": "huge"})


def test_a_request_ends_a_fight(fabrics: Fabrics, repository: Repository) -> None:
    first = started(fabrics, repository, direction="GitToCluster")
    fight(fabrics)
    fabrics.request()
    fabrics.eventually(lambda: data(fabrics, "web") == AGREED)
    status = fabrics.wait_synced(revision=first)
    assert status["exceptions"] == []


def test_a_value_that_goes_to_and_fro_is_not_written_to_git_for_ever(fabrics: Fabrics, repository: Repository) -> None:
    first = started(fabrics, repository)
    written = 0
    for turn in range(12):
        before = repository.head()
        set_color(fabrics, "red" if turn % 2 else "green")
        fabrics.eventually(
            lambda before=before: (
                repository.head() != before  # type: ignore[misc]
                or bool(fabrics.status()["exceptions"])
            )
        )
        if repository.head() == before:
            break
        written += 1
    assert 3 <= written < 12
    assert len(repository.log(f"{first}..main")) == written
    (exception,) = fabrics.status()["exceptions"]
    assert exception["reason"] == "Fighting"
    assert "kubectl-opponent" in exception["message"]
    wait_event(fabrics, "Fighting", "/data/color")
    fabrics.kubectl.patch("configmap", "web", {"data": {"size": "huge"}})
    fabrics.eventually(lambda: "huge" in repository.show("cm.yaml"))
