"""A Fabric's spec in the engine's words, and what of it is refused although the API server took it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from controller.api.v1alpha1.fabric import Fabric
from controller.errors import Reason, StalledError
from controller.objects import Kind, ObjectKey
from controller.sync.plan.model import Direction
from controller.sync.profile import Identity, Installation, profile_of

HERE = Installation(
    id="5f0c3a52-0000-4000-8000-000000000000",
    epoch="cluster/database",
    controller_namespace="tandem-system",
    allowed_namespaces=("open",),
    salt=b"0123456789abcdef",
)


def fabric(annotations: dict[str, str] | None = None, **spec: Any) -> Fabric:
    return Fabric.from_object(
        {
            "apiVersion": "tandem.dev/v1alpha1",
            "kind": "Fabric",
            "metadata": {
                "name": "shop",
                "namespace": "team",
                "uid": "the-uid",
                "generation": 3,
                "annotations": annotations or {},
            },
            "spec": {"repository": {"url": "https://git.example.com/r.git"} | spec.pop("repository", {}), **spec},
        }
    )


def test_a_plain_fabric_keeps_to_its_own_namespace() -> None:
    profile = profile_of(fabric(), HERE)
    assert (profile.fabric, profile.uid, profile.generation) == ("team/shop", "the-uid", 3)
    assert profile.scope.namespaces == ("team",)
    assert (profile.source.branch, profile.source.directory) == ("main", "")
    assert (profile.source.max_bytes, profile.source.max_files) == (1 << 30, 100_000)
    assert profile.rules.manager == "tandem:5f0c:team/shop"
    assert profile.rules.epoch == "cluster/database"


def test_the_bounds_of_a_repository_are_the_fabric_s() -> None:
    source = profile_of(fabric(repository={"maxBytes": 5 << 20, "maxFiles": 7}), HERE).source
    assert (source.max_bytes, source.max_files) == (5 << 20, 7)


def test_a_forge_is_found_by_the_url() -> None:
    url = "https://git.example.com/team/fleet.git"
    forge = {"type": "Gitea", "tokenSecretRef": {"name": "forge"}}
    found = profile_of(fabric(repository={"url": url, "forge": forge}), HERE).source.forge
    assert found is not None
    assert (found.place.api, found.secret.name) == ("https://git.example.com/api/v1", "forge")
    there = forge | {"apiURL": "https://api.example.com/"}
    found = profile_of(fabric(repository={"url": url, "forge": there}), HERE).source.forge
    assert found is not None
    assert found.place.api == "https://api.example.com"
    assert profile_of(fabric(repository={"url": url, "forge": {"type": "Local"}}), HERE).source.forge is None


@pytest.mark.parametrize(
    ("url", "forge", "why"),
    [
        ("https://h/r.git", {"type": "GitHub", "tokenSecretRef": {"name": "x"}}, "is not owner/name"),
        ("https://h/a/r.git", {"type": "GitHub"}, "forge.tokenSecretRef: name the Secret"),
        ("https://h/a/r", {"type": "Gitea", "apiURL": "http://h", "tokenSecretRef": {"name": "x"}}, "is not encrypted"),
    ],
)
def test_a_forge_that_cannot_be_is_invalid(url: str, forge: dict[str, Any], why: str) -> None:
    with pytest.raises(StalledError, match=why) as caught:
        profile_of(fabric(repository={"url": url, "forge": forge}), HERE)
    assert caught.value.reason is Reason.INVALID_SPEC


def test_digests_are_keyed_with_the_installations_secret() -> None:
    assert profile_of(fabric(), HERE).rules.salt == HERE.salt
    assert "0123456789abcdef" not in repr(HERE)


def test_the_installations_own_objects_are_out_of_scope() -> None:
    scope = profile_of(fabric(target={"namespaces": ["open"]}), HERE).scope
    assert not scope.holds(ObjectKey("", "ConfigMap", "tandem-system", "tandem-install"))


def test_tokens_and_requests_are_read_from_annotations() -> None:
    profile = profile_of(fabric({"tandem.dev/confirm": " a, b,,", "tandem.dev/requestedAt": "now"}), HERE)
    assert (profile.confirmed, profile.requested_at) == (frozenset({"a", "b"}), "now")


def test_edits_are_gathered_but_where_git_always_wins() -> None:
    kinds = [{"kind": "ConfigMap"}, {"kind": "Secret", "direction": "GitToCluster"}]
    profile = profile_of(fabric(resources=kinds), HERE)
    assert profile.rules.directions == {Kind("", "Secret"): Direction.GIT_TO_CLUSTER}
    assert profile.batches(Kind("", "ConfigMap"))
    assert not profile.batches(Kind("", "Secret"))


INVALID: dict[str, tuple[dict[str, Any], str]] = {
    "a namespace that is not open": (
        {"target": {"namespaces": ["team", "closed"]}},
        "spec.target.namespaces: closed is not open to fabrics of namespace team",
    ),
    "all namespaces": ({"target": {"namespaces": ["*"]}}, "spec.target.namespaces: * is not open"),
    "a pattern that is no path": (
        {"ignore": [{"paths": ["/data"]}, {"paths": ["/spec/x", "/spec/ports/{port}"]}]},
        "spec.ignore[1].paths[1]: '/spec/ports/{port}' is not a path",
    ),
    "a manager of ours": ({"ignore": [{"managers": ["tandem:*"]}]}, "spec.ignore[0].managers[0]:"),
    "a directory outside": ({"repository": {"directory": "../x"}}, "spec.repository.directory: '../x' leads outside"),
    "one directory for two kinds": (
        {"resources": [{"kind": "A"}, {"kind": "B", "directory": "as"}]},
        "spec.resources[1].directory: B and A (spec.resources[0]) would share the directory as",
    ),
}


@pytest.mark.parametrize(("spec", "message"), INVALID.values(), ids=INVALID)
def test_what_no_schema_can_refuse_is_refused_here(spec: dict[str, Any], message: str) -> None:
    with pytest.raises(StalledError) as caught:
        profile_of(fabric(**spec), HERE, {Kind("", "A"): "as", Kind("", "B"): "bs"})
    assert caught.value.reason is Reason.INVALID_SPEC
    assert message in caught.value.message


def test_everything_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(StalledError) as caught:
        profile_of(fabric(ignore=[{"paths": ["/a/{b}"], "managers": ["tandem:x"]}]), HERE)
    assert "ignore[0].managers" in caught.value.message
    assert "ignore[0].paths" in caught.value.message


def test_cluster_scoped_objects_take_part_only_where_all_namespaces_are_open() -> None:
    with pytest.raises(StalledError, match="--allow-namespaces '\\*'") as refused:
        profile_of(fabric(target={"clusterScoped": True}), HERE)
    assert refused.value.reason is Reason.INVALID_SPEC
    scope = profile_of(fabric(target={"clusterScoped": True}), replace(HERE, allowed_namespaces=("*",))).scope
    assert scope.holds(ObjectKey("", "Namespace", "", "shop"))


@pytest.mark.parametrize("kind", ["Fabric", "SyncJob", "SyncConflict"])
@pytest.mark.parametrize("spec", [{}, {"resources": [{"group": "tandem.dev", "kind": "Fabric"}]}])
def test_tandems_own_kinds_are_not_taken_from_git(kind: str, spec: dict[str, Any]) -> None:
    objection = profile_of(fabric(**spec), HERE).scope.objection(ObjectKey("tandem.dev", kind, "team", "shop"))
    assert objection is not None
    assert (objection.reason, objection.field) == (Reason.OUT_OF_SCOPE, "/kind")
    assert "own kinds" in objection.message


@pytest.mark.parametrize(
    ("spec", "admitted"),
    [
        ({}, {"ConfigMap", "Secret"}),
        ({"resources": [{"kind": "ConfigMap"}]}, {"ConfigMap"}),
        ({"target": {"clusterScoped": True}}, {"ConfigMap", "Secret", "Namespace"}),
        ({"target": {"clusterScoped": True}, "resources": [{"kind": "Namespace"}]}, {"Namespace"}),
        ({"resources": [{"group": "tandem.dev", "kind": "Fabric"}]}, set()),
    ],
)
def test_only_kinds_that_can_be_in_scope_are_looked_at(spec: dict[str, Any], admitted: set[str]) -> None:
    scope = profile_of(fabric(**spec), replace(HERE, allowed_namespaces=("*",))).scope
    kinds = {Kind("", "ConfigMap"): True, Kind("", "Secret"): True, Kind("", "Namespace"): False}
    kinds[Kind("tandem.dev", "Fabric")] = True
    assert {kind.kind for kind, namespaced in kinds.items() if scope.admits(kind, namespaced=namespaced)} == admitted


RECIPIENT = "age1ynef964y9td00t69wuvf3qeq8unn4ty7rt2xjy9lql0w2jhs9pkqr02pgv"
IDENTITY = {"identitySecretRef": {"name": "age"}}


def test_encryption_is_for_recipients_and_by_identities() -> None:
    profile = profile_of(fabric(encryption={**IDENTITY, "recipients": [RECIPIENT]}), HERE)
    assert profile.encryption.recipients == (RECIPIENT,)
    assert profile.encryption.identity is not None
    assert profile.encryption.identity.name == "age"
    assert profile.rules.encrypts
    plain = profile_of(fabric(), HERE)
    assert (plain.encryption.recipients, plain.encryption.identity, plain.rules.encrypts) == ((), None, False)


def test_each_wrong_recipient_is_named() -> None:
    wrong = [RECIPIENT, f"{RECIPIENT[:-1]}x", RECIPIENT.replace("ynef", "yyyy")]
    with pytest.raises(StalledError) as caught:
        profile_of(fabric(encryption={**IDENTITY, "recipients": wrong}), HERE)
    assert caught.value.reason is Reason.INVALID_SPEC
    assert "recipients[0]" not in caught.value.message
    for number in (1, 2):
        assert f"spec.encryption.recipients[{number}]: '{wrong[number]}' is no age recipient" in caught.value.message


def test_the_secrets_that_a_fabric_names_are_not_imported() -> None:
    repository = {
        "url": "https://git.example.com/team/fleet.git",
        "credentialsSecretRef": {"name": "git"},
        "signWithSecretRef": {"name": "signer"},
        "hookSecretRef": {"name": "hook"},
        "forge": {"type": "Gitea", "tokenSecretRef": {"name": "forge"}},
        "verify": {"mode": "Head", "keysSecretRef": {"name": "keys"}},
    }
    kept = profile_of(fabric(repository=repository, encryption=IDENTITY), HERE).rules.kept_out
    assert kept == {ObjectKey("", "Secret", "team", name) for name in ("git", "signer", "hook", "forge", "keys", "age")}
    assert profile_of(fabric(), HERE).rules.kept_out == frozenset()


@pytest.mark.parametrize(
    ("spec", "writes"),
    [
        ({}, True),
        ({"sync": {"direction": "GitToCluster"}}, False),
        ({"sync": {"direction": "GitToCluster"}, "resources": [{"kind": "A", "direction": "ClusterToGit"}]}, True),
    ],
)
def test_whether_anything_is_written(spec: dict[str, Any], writes: bool) -> None:
    assert profile_of(fabric(**spec), HERE).writes is writes


def test_identities_are_found_by_user() -> None:
    entries = [{"user": "ada@example.com", "name": "Ada Lovelace", "email": "ada@git.example.com"}]
    found = profile_of(fabric(attribution={"identities": entries}), HERE).identities
    assert found == {"ada@example.com": Identity("Ada Lovelace", "ada@git.example.com")}
    assert profile_of(fabric(), HERE).identities == {}
