"""Durations, times, references and the reading and writing of resources."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Annotated

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from controller.api.meta import (
    Duration,
    Model,
    ObjectMeta,
    Resource,
    Timestamp,
    Within,
    parse_duration,
    to_rfc3339,
)
from controller.api.v1alpha1 import Fabric, SyncJob
from controller.errors import Reason, StalledError

URL = "https://git.example.com/team/fleet.git"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0.0),
        ("0s", 0.0),
        ("500ms", 0.5),
        ("1s", 1.0),
        ("1.5s", 1.5),
        ("5m", 300.0),
        ("1h30m", 5400.0),
        ("24h", 86400.0),
        ("1h0m1s", 3601.0),
    ],
)
def test_a_duration_in_go_form_is_seconds(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds
    assert Duration(text).seconds == seconds


@pytest.mark.parametrize("text", ["", "5", "s", "5 m", "-1s", "1d", "1h 30m", "PT5M", "5m\n", "1,5s", "5M", "٣s"])
def test_what_go_does_not_read_as_a_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a duration such as 500ms, 30s, 5m or 1h30m"):
        parse_duration(text)


@given(st.integers(0, 99), st.integers(0, 59), st.integers(0, 59), st.integers(0, 999))
def test_parts_of_a_duration_add_up(hours: int, minutes: int, seconds: int, millis: int) -> None:
    text = f"{hours}h{minutes}m{seconds}s{millis}ms"
    assert parse_duration(text) == pytest.approx(hours * 3600 + minutes * 60 + seconds + millis / 1000)


@pytest.mark.parametrize("text", ["1s", "60s", "1m", "24h", "23h59m60s"])
def test_both_bounds_of_a_duration_are_allowed(text: str) -> None:
    adapter = TypeAdapter[Duration](Annotated[Duration, Within("1s", "24h")])
    assert adapter.validate_python(text).seconds == parse_duration(text)


@pytest.mark.parametrize("text", ["0s", "999ms", "24h1ms", "soon", "x" * 33])
def test_a_duration_out_of_bounds_is_refused(text: str) -> None:
    adapter = TypeAdapter[Duration](Annotated[Duration, Within("1s", "24h")])
    with pytest.raises(ValidationError):
        adapter.validate_python(text)


def test_times_are_written_in_utc_with_whole_seconds() -> None:
    moment = datetime(2026, 1, 15, 10, 30, 5, 999_999, tzinfo=timezone(timedelta(hours=1)))
    assert to_rfc3339(moment) == "2026-01-15T09:30:05Z"


def test_times_without_a_zone_are_utc() -> None:
    assert TypeAdapter[datetime](Timestamp).validate_python("2026-01-15T09:30:05") == datetime(
        2026, 1, 15, 9, 30, 5, tzinfo=UTC
    )


def test_metadata_of_an_object_is_read() -> None:
    metadata = ObjectMeta.model_validate(
        {
            "name": "shop",
            "namespace": "default",
            "uid": "u-1",
            "resourceVersion": "17",
            "generation": 3,
            "annotations": None,
            "managedFields": [{"manager": "kubectl"}],
            "deletionTimestamp": "2026-01-15T09:30:05Z",
            "ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "u-2", "controller": True}],
        }
    )
    assert (metadata.name, metadata.uid, metadata.resource_version, metadata.generation) == ("shop", "u-1", "17", 3)
    assert metadata.annotations == {}
    assert metadata.deletion_timestamp == datetime(2026, 1, 15, 9, 30, 5, tzinfo=UTC)
    assert metadata.owner_references[0].controller is True


def test_a_fabric_with_nothing_but_a_url_has_the_documented_defaults() -> None:
    spec = Fabric.from_object(fabric({"repository": {"url": URL}})).spec
    assert spec.to_json() == {
        "repository": {
            "url": URL,
            "branch": "main",
            "directory": ".",
            "author": {"name": "Tandem", "email": "tandem@localhost"},
            "maxBytes": 1_073_741_824,
            "maxFiles": 100_000,
            "verify": {"mode": "None"},
        },
        "layout": "Plain",
        "target": {"namespaces": [], "clusterScoped": False},
        "resources": [],
        "sync": {
            "direction": "Bidirectional",
            "interval": "1m",
            "conflictStrategy": "UserGuided",
            "autoResolveSimple": False,
            "write": "Push",
            "batchWindow": "500ms",
            "maxEdits": 200,
            "maxCommitsPerHour": 20,
            "editors": {"include": [], "exclude": []},
        },
        "deletion": {
            "prune": True,
            "propagate": "Conflict",
            "settle": "30s",
            "maxDeletions": 100,
            "maxDeletionPercent": 50,
            "onRemoval": "Orphan",
        },
        "attribution": {"identities": []},
        "encryption": {"recipients": []},
        "ignore": [],
        "notify": [],
        "suspend": False,
    }


def test_fields_of_a_newer_version_are_ignored() -> None:
    read = Fabric.from_object(fabric({"repository": {"url": URL, "pushBranch": "x"}, "health": {"wait": True}}))
    assert read.spec.repository.url == URL
    assert "health" not in read.spec.to_json()


def test_a_keyword_of_python_is_a_field_outside() -> None:
    read = Fabric.from_object(fabric({"repository": {"url": URL}, "resources": [{"kind": "Secret", "import": True}]}))
    assert read.spec.resources[0].import_ is True
    assert read.spec.resources[0].to_json() == {"group": "", "kind": "Secret", "import": True}


def test_every_wrong_field_is_named_at_once() -> None:
    wrong = {"repository": {"url": URL}, "sync": {"interval": "0s", "maxEdits": -1}, "layout": "Nested"}
    with pytest.raises(StalledError) as caught:
        Fabric.from_object(fabric(wrong))
    assert caught.value.reason is Reason.INVALID_SPEC
    for part in ("Fabric shop", "spec.sync.interval", "from 1s to 24h", "spec.sync.maxEdits", "spec.layout"):
        assert part in caught.value.message


def test_an_annotation_that_is_not_set_is_empty() -> None:
    read = Fabric.from_object(fabric({"repository": {"url": URL}}, annotations={"tandem.dev/requestedAt": "now"}))
    assert read.annotation("tandem.dev/requestedAt") == "now"
    assert read.annotation("tandem.dev/confirm") == ""


def test_another_kind_is_refused() -> None:
    with pytest.raises(StalledError, match="kind"):
        SyncJob.from_object(fabric({"repository": {"url": URL}}))


def test_models_are_values() -> None:
    ref = Fabric.from_object(fabric({"repository": {"url": URL}})).spec.repository
    with pytest.raises(ValidationError, match="frozen"):
        ref.branch = "other"  # type: ignore[misc]


def test_kinds_are_resources_and_say_how_they_are_shown() -> None:
    for kind in (Fabric, SyncJob):
        assert issubclass(kind, Resource)
        assert issubclass(kind, Model)
        assert kind.columns


def fabric(spec: object, **metadata: object) -> dict[str, object]:
    return {
        "apiVersion": "tandem.dev/v1alpha1",
        "kind": "Fabric",
        "metadata": {"name": "shop", "namespace": "default", **metadata},
        "spec": spec,
    }
