# ruff: noqa: E501 - tables read as tables
"""Owners as a real API server wrote them (tests/data/managed_fields/live.json), and the edges by hand."""

from __future__ import annotations

from pathlib import Path as File

import orjson
import pytest

from controller.objects import Json
from controller.sync.plan.fieldpath import parse_path
from controller.sync.plan.owners import Owners
from tests.support.plan import MANAGER, VERSION, entry, managers

LIVE: dict[str, Json] = orjson.loads((File(__file__).parents[3] / "data/managed_fields/live.json").read_bytes())
WEB = "/spec/template/spec/containers/{name=web}"
SIDE = "/spec/template/spec/containers/{name=side}"


def owners_of(story: str, api_version: str = "apps/v1") -> Owners:
    return Owners(orjson.dumps(LIVE[story]["metadata"]["managedFields"]), api_version)


STORIES = [
    ("applied by the fabric", "/spec/replicas", {MANAGER}),
    ("applied by the fabric", f"{WEB}/image", {MANAGER}),
    ("applied by the fabric", f"{WEB}/ports/{{containerPort=80,protocol=TCP}}/containerPort", {MANAGER}),
    ("applied by the fabric", f"{WEB}/env/{{name=LEVEL}}/value", {MANAGER}),
    ("applied by the fabric", "/spec/selector/matchLabels/app", {MANAGER}),
    ("applied by the fabric", "/spec/strategy/type", set()),
    ("applied by the fabric", f"{WEB}/imagePullPolicy", set()),
    ("then kubectl edit", "/spec/revisionHistoryLimit", {"kubectl-edit"}),
    ("then kubectl edit", "/spec/template/metadata/annotations/team", {"kubectl-edit"}),
    ("then kubectl edit", "/spec/replicas", {MANAGER}),
    ("then scaled by the autoscaler", "/spec/replicas", {"kube-controller-manager"}),
    ("then scaled by the autoscaler", f"{WEB}/image", {MANAGER}),
    ("then its status", "/spec/replicas", {"kube-controller-manager"}),
    ("kubectl apply", "/spec/replicas", {"kubectl-client-side-apply"}),
    ("kubectl apply", "/spec/strategy/type", {"kubectl-client-side-apply"}),
    ("then kubectl rollout restart", "/spec/template/metadata/annotations/kubectl.kubernetes.io~1restartedAt", {"kubectl-rollout"}),
    ("then a container by kubectl edit", f"{SIDE}/image", {"kubectl-edit"}),
    ("then a container by kubectl edit", f"{SIDE}/imagePullPolicy", {"kubectl-edit"}),
    ("then a container by kubectl edit", f"{WEB}/image", {"kubectl-create"}),
]  # fmt: skip


@pytest.mark.parametrize(("story", "path", "expected"), STORIES, ids=[f"{s}: {p}" for s, p, _ in STORIES])
def test_a_real_servers_entries_tell_the_owner(story: str, path: str, expected: set[str]) -> None:
    assert {found.manager for found in owners_of(story).of(parse_path(path))} == expected


CUSTOM = [
    ("/spec/zones/{=a}", {MANAGER}),
    ("/spec/zones/{=c}", {"k9s"}),
    ("/spec/extra/a/b", {MANAGER}),
    ("/spec/extra/a/c", {"k9s"}),
    ("/spec/pinned", {MANAGER}),
    ("/spec/pinned/x", {MANAGER}),
    ("/spec/ports/{port=1,protocol=UDP}/port", {MANAGER}),
    ("/metadata/finalizers/{=tests.tandem.dev~1x}", {MANAGER}),
]


@pytest.mark.parametrize(("path", "expected"), CUSTOM, ids=[path for path, _ in CUSTOM])
def test_of_a_custom_resource_sets_and_atomic_maps_have_owners_too(path: str, expected: set[str]) -> None:
    owners = owners_of("a custom resource, then k9s", VERSION)
    assert {found.manager for found in owners.of(parse_path(path))} == expected


def test_what_nobody_owns_is_credited_to_the_newest_entry_of_another_version() -> None:
    owners = owners_of("edited through another apiVersion", "autoscaling/v2")
    assert [e.manager for e in owners.of(parse_path("/spec/metrics"))] == ["kubectl-edit"]
    assert [e.manager for e in owners.of(parse_path("/spec/maxReplicas"))] == [MANAGER]
    old = entry("old", "/spec/x", version="v1beta1", time="2026-01-01T00:00:00Z")
    new = entry("new", "/spec/y", version="v1beta2", time="2026-01-02T00:00:00Z")
    status = entry("status", "/status/z", version="v1beta2", subresource="status", time="2026-01-03T00:00:00Z")
    credited = Owners(managers(new, old, status), VERSION).of(("spec", "vlan"))
    assert [e.manager for e in credited] == ["new"]


def test_metadata_reads_the_same_in_every_version() -> None:
    labels = entry("labeller", "/metadata/labels/a", version="v1beta1")
    newest = entry("newest", "/spec/x", version="v1beta1", time="2026-02-02T00:00:00Z")
    owners = Owners(managers(labels, newest), VERSION)
    assert [e.manager for e in owners.of(parse_path("/metadata/labels/a"))] == ["labeller"]


def test_entries_without_fields_tell_nothing() -> None:
    assert not Owners(b"[]", VERSION).is_usable
    assert not Owners(b'[{"manager":"x"}]', VERSION).is_usable
    assert Owners(managers(entry("x", "/spec/vlan", version="other")), VERSION).is_usable


def test_a_manager_holds_what_it_owns() -> None:
    owners = Owners(managers(entry(MANAGER, "/spec/vlan")), VERSION)
    assert owners.hold(MANAGER, ("spec", "vlan"))
    assert not owners.hold("other", ("spec", "vlan"))


def test_rivals_are_other_fabrics_in_any_version() -> None:
    entries = [entry(MANAGER), entry("tandem:b:x/y"), entry("tandem:a:x/y", version="v0"), entry("kubectl")]
    for one in entries:
        one["fieldsV1"] = {"f:spec": {"f:vlan": {}}}
    assert Owners(managers(*entries), VERSION).rivals(MANAGER) == ("tandem:a:x/y", "tandem:b:x/y")


def test_the_status_subresource_is_told() -> None:
    owners = Owners(managers(entry("x", "/spec/vlan", subresource="status")), VERSION)
    assert owners.of(("spec", "vlan"))[0].is_status
