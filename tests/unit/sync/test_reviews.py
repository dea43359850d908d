"""What is kept of an AdmissionReview: who asked, and a digest; of the object nothing."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.kube.projection import project
from controller.objects import Json
from controller.sync.reviews import GROUPS, USER_LENGTH, Operation, Review, digest_of, digest_of_count, review_of

KEY = b"key"
NOW = 12.5


def live(version: str = "7", value: str = "canary", **metadata: Json) -> Json:
    """A live object, as the API server sends it."""
    managers = [{"manager": "kubectl-edit", "operation": "Update", "time": "2026-01-01T00:00:00Z", "fieldsV1": {}}]
    own = {"name": "web", "namespace": "shop", "uid": "u1", "resourceVersion": version, "managedFields": managers}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": own | metadata, "data": {"key": value}}


def admission(operation: str = "UPDATE", **request: Json) -> Json:
    """An AdmissionReview of alice's."""
    defaults: Json = {
        "uid": "r1",
        "operation": operation,
        "userInfo": {"username": "alice", "groups": ["developers"]},
        "options": {"fieldManager": "kubectl-edit"},
        "dryRun": False,
        "object": None if operation == "DELETE" else live(value="canary-2"),
        "oldObject": None if operation == "CREATE" else live(),
    }
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": defaults | request}


def reviewed(operation: str = "UPDATE", **request: Json) -> Review | None:
    return review_of(admission(operation, **request), KEY, NOW)


def known(operation: str = "UPDATE", **request: Json) -> Review:
    found = reviewed(operation, **request)
    assert found is not None
    return found


def test_an_update() -> None:
    review = known()
    digest = digest_of(project(live("9", "canary-2")), KEY)
    assert review == Review(
        Operation.UPDATE, "u1", "7", digest, "alice", ("developers",), "kubectl-edit", NOW, scales=False
    )
    assert "canary" not in repr(review)


def test_a_creation_is_made_from_nothing() -> None:
    review = known("CREATE")
    assert (review.uid, review.before, review.digest) == ("u1", "", digest_of(project(live(value="canary-2")), KEY))


def test_a_deletion_is_of_a_version() -> None:
    review = known("DELETE", options=None)
    assert (review.uid, review.before, review.digest, review.manager) == ("u1", "7", b"", "")


def test_a_scale_is_known_by_its_count() -> None:
    scale = {"metadata": {"uid": "u1", "resourceVersion": "7"}, "spec": {"replicas": 3}}
    review = known(subResource="scale", object=scale, oldObject=scale)
    assert (review.scales, review.before, review.digest) == (True, "7", digest_of_count(3, KEY))
    to_none = known(subResource="scale", object={**scale, "spec": {}}, oldObject=scale)
    assert to_none.digest == digest_of_count(0, KEY)


IGNORED: dict[str, Json] = {
    "a dry-run": {"dryRun": True},
    "a status": {"subResource": "status"},
    "another subresource": {"subResource": "ephemeralcontainers"},
    "a fabric's own": {"options": {"fieldManager": "tandem:abcd:shop/web"}},
    "an unknown operation": {"operation": "CONNECT"},
    "no user": {"userInfo": None},
    "no object": {"object": None},
    "no metadata": {"oldObject": {}},
    "no uid": {"oldObject": {"metadata": {"resourceVersion": "7"}}},
    "no version": {"oldObject": {"metadata": {"uid": "u1"}}},
}


@pytest.mark.parametrize("request_", IGNORED.values(), ids=IGNORED)
def test_what_is_not_noted(request_: Json) -> None:
    assert reviewed(**request_) is None


@pytest.mark.parametrize("body", [None, [], {}, {"request": None}, {"request": []}, "text", 1])
def test_what_is_no_review(body: Json) -> None:
    assert review_of(body, KEY, NOW) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.sampled_from(["operation", "userInfo", "options", "dryRun", "object", "oldObject", "subResource"])


@given(st.sampled_from(["CREATE", "UPDATE", "DELETE"]), st.dictionaries(FIELDS, JSON, max_size=3))
def test_nothing_that_is_sent_is_an_error(operation: str, fields: dict[str, Any]) -> None:
    body = copy.deepcopy(admission(operation))
    body["request"].update(fields)
    found = review_of(body, KEY, NOW)
    assert found is None or (len(found.user) <= USER_LENGTH and len(found.groups) <= GROUPS)


def test_who_is_bounded() -> None:
    groups = [f"g{number}" for number in range(GROUPS + 5)]
    review = known(userInfo={"username": "a" * (USER_LENGTH + 1), "groups": groups})
    assert (review.user, len(review.groups)) == ("", GROUPS)
    assert known(userInfo={"username": "a" * USER_LENGTH}).user == "a" * USER_LENGTH


def test_digests_tell_apart() -> None:
    """Another value, another manager, another time of writing, another key: another digest. A version is none."""
    other = live()
    other["metadata"]["managedFields"][0]["time"] = "2026-01-01T00:00:01Z"
    renamed = live()
    renamed["metadata"]["managedFields"][0]["manager"] = "kubectl-patch"
    digests = [digest_of(project(one), KEY) for one in (live(), live(value="x"), other, renamed)]
    digests.append(digest_of(project(live()), b"another"))
    assert len(set(digests)) == len(digests)
    assert digest_of(project(live("8")), KEY) == digests[0]
