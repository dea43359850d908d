# ruff: noqa: E501 - tables read as tables
from __future__ import annotations

from copy import deepcopy
from dataclasses import replace

import pytest

from controller.objects import Json, Kind, ObjectKey, decoded, group_of
from controller.sync.plan.model import Action, Change
from controller.sync.plan.rows import Row
from controller.sync.plan.schema import Schema
from tests.support.openapi import EXTRACTS, schema
from tests.support.plan import RULES, planned, situation


def thing(kind: str, name: str = "web", namespace: str = "shop", api_version: str = "v1", **fields: Json) -> Json:
    metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
    metadata |= fields.pop("metadata", {})
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **fields}


def imported(live: Json, manager: str = "kubectl-create") -> Change:
    metadata = live["metadata"]
    key = ObjectKey(group_of(live["apiVersion"]), live["kind"], metadata.get("namespace", ""), metadata["name"])
    known = live["kind"] in EXTRACTS.get(live["apiVersion"], ())
    node = schema(live["apiVersion"], live["kind"]) if known else Schema.open()
    rules = replace(RULES, imports=frozenset({Kind(key.group, key.kind)}))
    return planned(situation(None, None, live, {manager: ["/metadata/name"]}, key=key, schema=node), rules)


def document(live: Json) -> Json:
    change = imported(live)
    assert (change.action, change.row, change.document) == (Action.IMPORT, Row.ACTUAL_ONLY, change.record)
    assert change.api_version == live["apiVersion"]
    assert change.document is not None
    return decoded(change.document)


NEVER = [
    ("owned", thing("ConfigMap", metadata={"ownerReferences": [{"uid": "u"}]}), "the object that owns it"),
    ("Helm", thing("ConfigMap", metadata={"annotations": {"meta.helm.sh/release-name": "r"}}), "Helm"),
    ("OLM", thing("ConfigMap", metadata={"labels": {"olm.owner": "x"}}), "OLM"),
    ("OLM's operators", thing("ConfigMap", metadata={"labels": {"operators.coreos.com/x.y": ""}}), "OLM"),
    ("Argo CD", thing("ConfigMap", metadata={"annotations": {"argocd.argoproj.io/tracking-id": "x"}}), "Argo CD"),
    ("Flux", thing("ConfigMap", metadata={"labels": {"kustomize.toolkit.fluxcd.io/name": "x"}}), "Flux"),
    ("Flux's Helm", thing("ConfigMap", metadata={"labels": {"helm.toolkit.fluxcd.io/name": "x"}}), "Flux"),
    ("a bootstrap role", thing("ClusterRole", namespace="", metadata={"labels": {"kubernetes.io/bootstrapping": "x"}}), "the API server"),
    ("kept after its document", thing("ConfigMap", metadata={"annotations": {"tandem.dev/prune": "disabled"}}), "tandem.dev/prune"),
    ("the root certificates", thing("ConfigMap", "kube-root-ca.crt"), "the system"),
    ("Tandem's own", thing("ConfigMap", "tandem-install"), "the system"),
    ("a default account", thing("ServiceAccount", "default"), "the system"),
    ("a token", thing("Secret", type="kubernetes.io/service-account-token"), "the system"),
    ("a Helm release", thing("Secret", type="helm.sh/release.v1"), "the system"),
    ("an event", thing("Event"), "the system"),
    ("a lease", thing("Lease", api_version="coordination.k8s.io/v1"), "the system"),
    ("endpoint slices", thing("EndpointSlice", api_version="discovery.k8s.io/v1"), "the system"),
    ("the API's own service", thing("Service", "kubernetes", "default"), "the system"),
    ("a namespace of Kubernetes", thing("Namespace", "kube-system", ""), "the system"),
]  # fmt: skip


@pytest.mark.parametrize(("live", "maker"), [case[1:] for case in NEVER], ids=[case[0] for case in NEVER])
def test_never_imported(live: Json, maker: str) -> None:
    change = imported(live)
    assert (change.action, change.document) == (Action.IGNORE, None)
    assert maker in change.message


def test_what_another_fabric_manages_is_not_imported() -> None:
    change = imported(thing("ConfigMap"), "tandem:abcd:other/fabric")
    assert (change.action, "tandem:abcd:other/fabric" in change.message) == (Action.IGNORE, True)


SERVICE: Json = thing(
    "Service",
    spec={
        "clusterIP": "10.0.0.7",
        "clusterIPs": ["10.0.0.7"],
        "healthCheckNodePort": 31000,
        "type": "LoadBalancer",
        "ports": [{"port": 80, "protocol": "TCP", "targetPort": 80, "nodePort": 30080}],
    },
)


def test_what_the_server_allocated_is_left_out() -> None:
    assert document(SERVICE)["spec"] == {
        "type": "LoadBalancer",
        "ports": [{"port": 80, "protocol": "TCP", "targetPort": 80}],
    }


def test_a_headless_service_stays_headless() -> None:
    headless = deepcopy(SERVICE)
    headless["spec"] |= {"clusterIP": "None", "clusterIPs": ["None"]}
    assert document(headless)["spec"]["clusterIP"] == "None"


def test_a_service_without_ports() -> None:
    assert document(thing("Service", spec={"type": "ExternalName"}))["spec"] == {"type": "ExternalName"}


def test_a_claim_is_not_bound() -> None:
    notes = {"pv.kubernetes.io/bind-completed": "yes", "volume.kubernetes.io/selected-node": "n1", "mine": "x"}
    claim = thing(
        "PersistentVolumeClaim",
        spec={"volumeName": "pv-1", "storageClassName": "fast"},
        metadata={"annotations": notes},
    )
    found = document(claim)
    assert found["spec"] == {"storageClassName": "fast"}
    assert found["metadata"]["annotations"] == {"mine": "x"}


def test_a_namespace_has_neither_its_finalizer_nor_its_name_as_a_label() -> None:
    space = thing(
        "Namespace",
        "team",
        "",
        spec={"finalizers": ["kubernetes"]},
        metadata={"labels": {"kubernetes.io/metadata.name": "team"}},
    )
    assert document(space) == thing("Namespace", "team", "")


STAMPS = {
    "batch.kubernetes.io/controller-uid": "u",
    "controller-uid": "u",
    "job-name": "j",
    "batch.kubernetes.io/job-name": "j",
}


def test_a_jobs_generated_selector_is_left_out() -> None:
    template: Json = {"metadata": {"labels": STAMPS | {"app": "x"}}, "spec": {"restartPolicy": "Never"}}
    spec: Json = {"selector": {"matchLabels": STAMPS}, "template": template}
    job = thing("Job", api_version="batch/v1", metadata={"labels": dict(STAMPS)}, spec=spec)
    found = document(job)
    assert "labels" not in found["metadata"]
    assert found["spec"] == {"template": {"metadata": {"labels": {"app": "x"}}, "spec": {"restartPolicy": "Never"}}}
    by_hand = thing("Job", api_version="batch/v1", spec={**spec, "manualSelector": True})
    assert document(by_hand)["spec"]["selector"] == {"matchLabels": STAMPS}


def test_what_nobody_wishes_is_left_out_of_metadata() -> None:
    metadata: Json = {
        "finalizers": ["kubernetes.io/pvc-protection"],
        "uid": "u",
        "resourceVersion": "5",
        "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}", "tandem.dev/apply": "x"},
        "labels": {"app": "web"},
    }
    found = document(thing("ConfigMap", metadata=metadata, data={"a": "b"}, status={"x": 1}))
    assert found == thing("ConfigMap", metadata={"labels": {"app": "web"}}, data={"a": "b"})
