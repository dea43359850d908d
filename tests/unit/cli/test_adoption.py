"""What becomes of a Kustomization or an Application: the Fabric, what stands against it, and the way back."""

from __future__ import annotations

from typing import Any

import pytest

from controller.api.v1alpha1.fabric import Fabric
from controller.cli.adoption.argocd import application_candidate
from controller.cli.adoption.candidate import (
    BEFORE,
    Candidate,
    Held,
    Wishes,
    as_it_was,
    directory_of,
    way_back,
    with_memory,
)
from controller.cli.adoption.flux import kustomization_candidate, taken_off
from controller.cli.adoption.handover import is_held, release_patch
from controller.cli.adoption.tools import TOOLS
from controller.objects import ObjectKey, canonical, decoded
from controller.sync.naming import field_manager

Json = dict[str, Any]

ENTRIES = [
    {"id": "shop_web_apps_Deployment", "v": "v1"},
    {"id": "shop_settings__ConfigMap", "v": "v1"},
    {"id": "_system__reader_rbac.authorization.k8s.io_ClusterRole", "v": "v1"},
]


def kustomization(metadata: Json | None = None, **spec: Any) -> Json:
    wanted = {
        "sourceRef": {"kind": "GitRepository", "name": "fleet"},
        "path": "./apps/",
        "prune": True,
        "interval": "10m",
    }
    return {
        "metadata": {"namespace": "flux-system", "name": "apps"} | (metadata or {}),
        "spec": wanted | spec,
        "status": {"inventory": {"entries": ENTRIES}},
    }


def git_repository(namespace: str = "flux-system", **spec: Any) -> Json:
    wanted = {"url": "https://git.example.com/fleet.git", "ref": {"branch": "prod"}, "secretRef": {"name": "fleet-git"}}
    return {"metadata": {"namespace": namespace, "name": "fleet"}, "spec": wanted | spec}


def adopted(body: Json | None = None, repository: Json | None = None, **wishes: str) -> Candidate:
    return kustomization_candidate(body or kustomization(), [repository or git_repository()], Wishes(**wishes))


def application(metadata: Json | None = None, source: Json | None = None, **spec: Any) -> Json:
    wanted = {
        "source": {"repoURL": "https://git.example.com/fleet.git", "path": "apps", "targetRevision": "prod"}
        | (source or {}),
        "destination": {"server": "https://kubernetes.default.svc", "namespace": "shop"},
        "syncPolicy": {"automated": {"prune": True}},
    }
    resources = [{"group": "apps", "version": "v1", "kind": "Deployment", "namespace": "shop", "name": "web"}]
    return {
        "metadata": {"namespace": "argocd", "name": "shop"} | (metadata or {}),
        "spec": wanted | spec,
        "status": {"resources": resources},
    }


class TestFlux:
    def test_the_fabric_says_the_same(self) -> None:
        found = adopted(kustomization(serviceAccountName="deployer"))
        assert found.problems == ()
        assert found.fabric["metadata"] == {"name": "apps", "namespace": "flux-system"}
        assert found.fabric["spec"] == {
            "repository": {
                "url": "https://git.example.com/fleet.git",
                "branch": "prod",
                "directory": "apps",
                "credentialsSecretRef": {"name": "fleet-git"},
            },
            "target": {"namespaces": ["shop"], "clusterScoped": True, "serviceAccountName": "deployer"},
            "sync": {"interval": "10m"},
            "deletion": {"prune": True},
        }
        assert Fabric.from_object(found.fabric).spec.repository.branch == "prod"

    def test_its_inventory_names_the_objects(self) -> None:
        assert adopted().objects == (
            Held("apps/v1", ObjectKey("apps", "Deployment", "shop", "web")),
            Held("v1", ObjectKey("", "ConfigMap", "shop", "settings")),
            Held(
                "rbac.authorization.k8s.io/v1",
                ObjectKey("rbac.authorization.k8s.io", "ClusterRole", "", "system:reader"),
            ),
        )

    def test_the_flags_come_first(self) -> None:
        found = adopted(
            fabric="mine",
            namespace="shop",
            branch="next",
            direction="GitToCluster",
            credentials="other",
            service_account="robot",
        )
        spec = found.fabric["spec"]
        assert found.place == ("shop", "mine")
        assert spec["repository"]["branch"] == "next"
        assert spec["repository"]["credentialsSecretRef"] == {"name": "other"}
        assert spec["sync"]["direction"] == "GitToCluster"
        assert spec["target"] == {"serviceAccountName": "robot", "clusterScoped": True}
        assert found.problems == ()

    @pytest.mark.parametrize(
        ("body", "repository", "problem"),
        [
            (kustomization(sourceRef={"kind": "OCIRepository", "name": "x"}), None, "its source is a OCIRepository"),
            (kustomization(sourceRef={"kind": "GitRepository", "name": "x"}), None, "GitRepository x is not there"),
            (kustomization(patches=[{"patch": "x"}]), None, "spec.patches: Flux renders"),
            (kustomization(kubeConfig={"secretRef": {"name": "x"}}), None, "its objects are in another cluster"),
            (None, git_repository(ref={"tag": "v1"}), "ref.tag: a Fabric follows a branch"),
            (None, git_repository(ref={"semver": ">1"}), "ref.semver: a Fabric follows a branch"),
            (None, git_repository(provider="azure"), "provider azure"),
            (None, git_repository(include=[{"repository": {"name": "x"}}]), "include: other repositories"),
        ],
    )
    def test_what_cannot_be_adopted(self, body: Json | None, repository: Json | None, problem: str) -> None:
        (told,) = adopted(body, repository).problems
        assert problem in told

    def test_credentials_of_another_namespace_have_to_be_copied(self) -> None:
        body = kustomization(sourceRef={"kind": "GitRepository", "name": "fleet", "namespace": "sources"})
        (told,) = adopted(body, git_repository("sources")).problems
        assert "Secret sources/fleet-git" in told
        assert adopted(body, git_repository("sources"), credentials="copy").problems == ()

    @pytest.mark.parametrize(
        ("spec", "note"),
        [
            ({"dependsOn": [{"name": "x"}]}, "spec.dependsOn"),
            ({"wait": True}, "Ready means applied"),
            ({"force": True}, "tandem.dev/replace"),
            ({"targetNamespace": "shop"}, "documents without a namespace go to shop"),
        ],
    )
    def test_what_should_be_known(self, spec: Json, note: str) -> None:
        assert any(note in told for told in adopted(kustomization(**spec)).notes)

    def test_one_that_comes_from_git_keeps_its_prune_because_its_parent_would_put_it_back(self) -> None:
        labels = {"kustomize.toolkit.fluxcd.io/name": "root", "kustomize.toolkit.fluxcd.io/namespace": "flux-system"}
        found = adopted(kustomization({"labels": labels}))
        assert found.release == {"spec": {"suspend": True}}
        assert any("by Kustomization flux-system/root" in note for note in found.notes)
        assert adopted().release == {"spec": {"suspend": True, "prune": False}}

    @pytest.mark.parametrize(("interval", "kept"), [("10m", "10m"), ("1m0s", "1m0s"), ("48h", None), ("soon", None)])
    def test_an_interval_that_a_fabric_cannot_have_is_left_to_its_default(
        self, interval: str, kept: str | None
    ) -> None:
        assert adopted(kustomization(interval=interval)).fabric["spec"].get("sync", {}).get("interval") == kept


class TestArgoCD:
    def test_the_fabric_says_the_same(self) -> None:
        found = application_candidate(application(), Wishes())
        assert found.problems == ()
        assert found.place == ("shop", "shop")
        assert found.fabric["spec"] == {
            "repository": {"url": "https://git.example.com/fleet.git", "branch": "prod", "directory": "apps"},
            "deletion": {"prune": True},
        }
        assert found.objects == (Held("apps/v1", ObjectKey("apps", "Deployment", "shop", "web")),)

    @pytest.mark.parametrize(
        ("body", "problem"),
        [
            (application(sources=[{}]), "one source"),
            (application(source={"helm": {"values": "x"}}), "spec.source.helm"),
            (application(source={"kustomize": {"images": ["x"]}}), "spec.source.kustomize"),
            (application(source={"directory": {"jsonnet": {"tlas": []}}}), "spec.source.directory.jsonnet"),
            (application(source={"targetRevision": "HEAD"}), "name it by --branch"),
            (application(destination={"server": "https://10.0.0.1"}), "in the cluster https://10.0.0.1"),
            (application(destination={"name": "prod-eu"}), "in the cluster prod-eu"),
            (application({"ownerReferences": [{"kind": "ApplicationSet", "name": "all"}]}), "ApplicationSet all"),
            (application({"annotations": {"argocd.argoproj.io/tracking-id": "root:x"}}), "by Application root"),
        ],
    )
    def test_what_cannot_be_adopted(self, body: Json, problem: str) -> None:
        (told,) = application_candidate(body, Wishes()).problems
        assert problem in told

    def test_differences_that_are_ignored_stay_so(self) -> None:
        rules = [
            {"group": "apps", "kind": "Deployment", "jsonPointers": ["/spec/replicas"]},
            {"kind": "Service", "managedFieldsManagers": ["cloud"]},
            {"kind": "*", "jsonPointers": ["/metadata/labels/x"]},
            {"kind": "Secret", "jqPathExpressions": [".data"]},
        ]
        found = application_candidate(application(ignoreDifferences=rules), Wishes())
        assert found.fabric["spec"]["ignore"] == [
            {"kinds": ["Deployment.apps"], "paths": ["/spec/replicas"]},
            {"kinds": ["Service"], "managers": ["cloud"]},
            {"paths": ["/metadata/labels/x"]},
        ]
        assert any("jqPathExpressions" in note for note in found.notes)

    def test_only_argo_s_own_finalizers_go(self) -> None:
        finalizers = ["example.com/a", "resources-finalizer.argocd.argoproj.io/background"]
        found = application_candidate(application({"finalizers": finalizers}), Wishes())
        assert found.release["metadata"] == {"finalizers": ["example.com/a"]}
        assert found.regret["metadata"] == {"finalizers": finalizers}


@pytest.mark.parametrize("kind", ["flux", "argocd"])
def test_a_second_call_sees_how_things_were_before_the_first(kind: str) -> None:
    def candidate(body: Json) -> Candidate:
        return adopted(body) if kind == "flux" else application_candidate(body, Wishes())

    before = (
        kustomization() if kind == "flux" else application({"finalizers": ["resources-finalizer.argocd.argoproj.io"]})
    )
    first = candidate(before)
    released = as_it_was({**before, "metadata": before["metadata"] | {"annotations": {BEFORE: "not JSON"}}})
    assert released["spec"] == before["spec"]
    patched = merged(before, with_memory(first))
    assert patched["spec"] != before["spec"]
    assert candidate(as_it_was(patched)) == first
    restored = merged(patched, way_back(first))
    assert restored["spec"] == before["spec"] | ({"suspend": False} if kind == "flux" else {})
    assert restored["metadata"].get("finalizers") == before["metadata"].get("finalizers")
    assert not restored["metadata"].get("annotations")


def merged(value: Any, patch: Any) -> Any:
    """As the API server merges."""
    if not isinstance(patch, dict):
        return patch
    found = {**(value if isinstance(value, dict) else {})}
    for name, one in patch.items():
        found[name] = merged(found.get(name), one)
    return decoded(canonical({name: one for name, one in found.items() if one is not None}))


@pytest.mark.parametrize(
    ("path", "directory"), [("./", "."), ("", "."), ("./apps/", "apps"), ("/apps/prod", "apps/prod"), ("a//b", "a/b")]
)
def test_directories(path: str, directory: str) -> None:
    assert directory_of(path) == directory


def live(*managers: str, **metadata: Any) -> Json:
    entries = [{"manager": name, "operation": "Apply"} for name in managers]
    return {"metadata": {"resourceVersion": "7", "managedFields": entries, **metadata}}


@pytest.mark.parametrize(
    ("manager", "held"),
    [
        (field_manager("1234-5678", "shop", "web"), True),
        (field_manager("1234-5678", "s" * 63, "w" * 63), False),
        (field_manager("1234-5678", "shop", "web2"), False),
        ("kubectl", False),
    ],
)
def test_whose_an_object_is(manager: str, held: bool) -> None:
    assert is_held(live("kustomize-controller", manager), ("shop", "web")) is held


def test_a_name_that_was_cut_is_known_by_what_is_left() -> None:
    place = ("s" * 63, "w" * 63)
    assert is_held(live(field_manager("1234-5678", *place)), place)
    assert not is_held(live(field_manager("1234-5678", *place)), ("s" * 63, "x" * 63))


def test_the_patch_takes_names_and_stamps_off_and_leaves_the_rest() -> None:
    found = live(
        "kustomize-controller", "tandem:1234:shop/web", labels={"kustomize.toolkit.fluxcd.io/name": "x", "a": "b"}
    )
    status = {"manager": "kustomize-controller", "operation": "Update", "subresource": "status"}
    found["metadata"]["managedFields"].append(status)
    tool = TOOLS["flux"]
    assert release_patch(found, tool.managers, tool.stamps(found)) == [
        {"op": "test", "path": "/metadata/resourceVersion", "value": "7"},
        {"op": "remove", "path": "/metadata/labels/kustomize.toolkit.fluxcd.io~1name"},
        {
            "op": "replace",
            "path": "/metadata/managedFields",
            "value": [{"manager": "tandem:1234:shop/web", "operation": "Apply"}, status],
        },
    ]
    assert release_patch(live("tandem:1234:shop/web"), tool.managers, ()) == []
    assert taken_off(["a", "kustomize.toolkit.fluxcd.io/x"]) == ["kustomize.toolkit.fluxcd.io/x"]
