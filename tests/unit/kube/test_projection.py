"""What is kept of a live object, and what two states of one are to each other."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.kube.projection import CachedObject, project, projected, revision
from controller.objects import canonical

LIVE: dict[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {
        "name": "web",
        "namespace": "shop",
        "uid": "7d848f95-9b4d-4613-a5c3-130be08c9662",
        "resourceVersion": "207",
        "generation": 3,
        "creationTimestamp": "2026-01-01T00:00:00Z",
        "selfLink": "/apis/apps/v1/namespaces/shop/deployments/web",
        "labels": {"app": "web"},
        "annotations": {"note": "kept"},
        "finalizers": ["a.b/c"],
        "managedFields": [{"manager": "kubectl", "operation": "Apply", "fieldsV1": {"f:spec": {}}}],
    },
    "spec": {"template": {"metadata": {"creationTimestamp": None, "uid": "kept"}}, "status": "kept"},
    "status": {"replicas": 1},
}


def live(**metadata: Any) -> dict[str, Any]:
    body = copy.deepcopy(LIVE)
    body["metadata"] |= metadata
    return body


def cached(
    content: bytes = b"{}", resource_version: str = "1", uid: str = "u", seen: float | None = None
) -> CachedObject:
    return CachedObject(uid, resource_version, 1, content, b"[]", seen_live=seen)


def test_what_the_server_keeps_in_an_object_is_not_its_content() -> None:
    assert project(live()).body == {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": "web",
            "namespace": "shop",
            "labels": {"app": "web"},
            "annotations": {"note": "kept"},
            "finalizers": ["a.b/c"],
        },
        "spec": {"template": {"metadata": {"creationTimestamp": None, "uid": "kept"}}, "status": "kept"},
    }


def test_what_the_server_keeps_is_beside_the_content() -> None:
    kept = project(live())
    assert (kept.uid, kept.resource_version, kept.generation) == (LIVE["metadata"]["uid"], "207", 3)
    assert kept.managed_fields == LIVE["metadata"]["managedFields"]
    assert (kept.deleting, kept.owned, kept.seen_live) == (False, False, None)


def test_an_object_with_a_deletion_timestamp_is_deleting_and_its_content_does_not_show_it() -> None:
    dying = project(live(deletionTimestamp="2026-01-01T00:00:00Z", deletionGracePeriodSeconds=30))
    assert dying.deleting
    assert dying.content == project(live()).content


def test_an_object_with_an_owner_reference_is_owned_and_keeps_it() -> None:
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "o", "uid": "x"}
    owned = project(live(ownerReferences=[owner]))
    assert owned.owned
    assert owned.body["metadata"]["ownerReferences"] == [owner]
    assert not project(live(ownerReferences=[])).owned


def test_an_object_without_what_servers_usually_set_is_projected_too() -> None:
    bare = project({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}})
    assert (bare.uid, bare.resource_version, bare.generation, bare.managers) == ("", "", 0, b"[]")


def test_the_order_of_keys_on_the_wire_does_not_matter() -> None:
    backwards = json.dumps(dict(reversed(LIVE.items()))).encode()
    assert projected(backwards).content == projected(json.dumps(LIVE).encode()).content


@given(
    st.dictionaries(
        st.text(),
        st.recursive(st.none() | st.booleans() | st.text() | st.integers(-(2**53), 2**53), st.lists, max_leaves=5),
    )
)
def test_everything_else_is_kept_as_it_is(data: dict[str, Any]) -> None:
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": data}
    assert project(copy.deepcopy(body)).content == canonical(body)


@pytest.mark.parametrize(("resource_version", "number"), [("", 0), ("0", 0), ("207", 207), ("abc", 0), ("-1", 0)])
def test_a_resource_version_is_a_number_or_none(resource_version: str, number: int) -> None:
    assert revision(resource_version) == number


def test_newer_is_by_number_and_not_by_letters() -> None:
    assert cached(resource_version="10").is_newer_than(cached(resource_version="9"))
    assert not cached(resource_version="9").is_newer_than(cached(resource_version="9"))


def test_equal_content_is_shared_and_keeps_the_time_at_which_it_was_first_seen() -> None:
    before = cached(b"same", "1", seen=5.0)
    after = cached(bytes(bytearray(b"same")), "2").after(before, 9.0)
    assert after.content is before.content
    assert (after.resource_version, after.seen_live) == ("2", 5.0)


@pytest.mark.parametrize("previous", [None, cached(b"other", seen=5.0), cached(b"same", uid="another", seen=5.0)])
def test_new_content_is_seen_now(previous: CachedObject | None) -> None:
    assert cached(b"same", "2").after(previous, 9.0).seen_live == 9.0
    assert cached(b"same", "2").after(previous, None).seen_live is None
