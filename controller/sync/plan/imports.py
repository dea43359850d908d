"""What an object that only the cluster has becomes in Git, and what is never brought there.

A document says what somebody wants; so everything that a controller, an installer or the system made is left out, and
of the rest whatever the server allocated.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from fnmatch import fnmatchcase
from typing import Final

from controller.objects import Json, Kind, ObjectKey
from controller.sync.plan.fieldpath import parse_path
from controller.sync.plan.normalize import annotations_of, without_notes, without_own_annotations
from controller.sync.plan.schema import Schema
from controller.sync.plan.tree import discard

PRUNE_ANNOTATION: Final = "tandem.dev/prune"

_SYSTEM_KINDS: Final = frozenset(
    {
        Kind("", "Event"),
        Kind("events.k8s.io", "Event"),
        Kind("", "Endpoints"),
        Kind("", "Node"),
        Kind("", "ComponentStatus"),
        Kind("coordination.k8s.io", "Lease"),
        Kind("discovery.k8s.io", "EndpointSlice"),
        Kind("apps", "ControllerRevision"),
        Kind("networking.k8s.io", "IPAddress"),
    }
)

# group kind → (namespace, name) globs of what the system makes by itself
_SYSTEM_NAMES: Final[Mapping[Kind, tuple[tuple[str, str], ...]]] = {
    Kind("", "ConfigMap"): (
        ("*", "kube-root-ca.crt"),
        ("*", "openshift-service-ca.crt"),
        ("*", "tandem-install"),
        ("kube-system", "extension-apiserver-authentication"),
        ("kube-system", "kube-apiserver-legacy-service-account-token-tracking"),
    ),
    Kind("", "ServiceAccount"): (("*", "default"),),
    Kind("", "Service"): (("default", "kubernetes"),),
    Kind("", "Namespace"): (("", "default"), ("", "kube-*")),
    Kind("scheduling.k8s.io", "PriorityClass"): (("", "system-*"),),
    Kind("networking.k8s.io", "ServiceCIDR"): (("", "kubernetes"),),
}
_SYSTEM_SECRETS: Final = frozenset(
    {"kubernetes.io/service-account-token", "bootstrap.kubernetes.io/token", "helm.sh/release.v1"}
)

# annotation or label glob → who made the object
_STAMPS: Final[Mapping[str, str]] = {
    "meta.helm.sh/release-name": "Helm",
    "olm.owner": "OLM",
    "olm.managed": "OLM",
    "operators.coreos.com/*": "OLM",
    "argocd.argoproj.io/tracking-id": "Argo CD",
    "argocd.argoproj.io/instance": "Argo CD",
    "kustomize.toolkit.fluxcd.io/name": "Flux",
    "helm.toolkit.fluxcd.io/name": "Flux",
    "kubernetes.io/bootstrapping": "the API server",
    "kube-aggregator.kubernetes.io/automanaged": "the API server",
    "apf.kubernetes.io/autoupdate-spec": "the API server",
    "endpoints.kubernetes.io/managed-by": "Kubernetes",
}

_ALLOCATED: Final[Mapping[Kind, tuple[str, ...]]] = {
    Kind("", "Service"): ("/spec/clusterIP", "/spec/clusterIPs", "/spec/healthCheckNodePort"),
    Kind("", "PersistentVolumeClaim"): (
        "/spec/volumeName",
        "/metadata/annotations/pv.kubernetes.io~1bind-completed",
        "/metadata/annotations/pv.kubernetes.io~1bound-by-controller",
        "/metadata/annotations/volume.beta.kubernetes.io~1storage-provisioner",
        "/metadata/annotations/volume.kubernetes.io~1storage-provisioner",
        "/metadata/annotations/volume.kubernetes.io~1selected-node",
    ),
    Kind("", "PersistentVolume"): (
        "/spec/claimRef/uid",
        "/spec/claimRef/resourceVersion",
        "/metadata/annotations/pv.kubernetes.io~1bound-by-controller",
        "/metadata/annotations/pv.kubernetes.io~1provisioned-by",
    ),
    Kind("", "Namespace"): ("/spec/finalizers", "/metadata/labels/kubernetes.io~1metadata.name"),
    Kind("", "ServiceAccount"): ("/secrets",),
    Kind("", "Pod"): ("/spec/nodeName",),
}
_JOB: Final = Kind("batch", "Job")
_JOB_STAMPS: Final = (
    "batch.kubernetes.io/controller-uid",
    "batch.kubernetes.io/job-name",
    "controller-uid",
    "job-name",
)


def reason_not_to_import(
    key: ObjectKey, tree: Json, rivals: tuple[str, ...], kept_out: Collection[ObjectKey] = ()
) -> str:
    """Why this object is not somebody's to keep in Git; "" if it is. `kept_out`: what the fabric itself needs."""
    if key in kept_out or _holds_identities(key, tree):
        return "a key of the fabric's own"
    metadata = tree.get("metadata") or {}
    if rivals:
        return f"managed by another fabric ({rivals[0]})"
    if metadata.get("ownerReferences"):
        return "made by the object that owns it"
    if _is_systems(key, tree):
        return "made by the system"
    if annotations_of(tree).get(PRUNE_ANNOTATION) == "disabled":
        return "kept in the cluster after its document was removed (tandem.dev/prune: disabled)"
    stamps = {**(metadata.get("labels") or {}), **annotations_of(tree)}
    makers = [maker for stamp, maker in _STAMPS.items() if any(fnmatchcase(name, stamp) for name in stamps)]
    return f"made by {makers[0]}" if makers else ""


def importable(key: ObjectKey, tree: Json, schema: Schema) -> Json:
    """The document of a live object, made in place: nothing in it that the server or a controller put there."""
    without_own_annotations(without_notes(tree))
    tree["metadata"].pop("ownerReferences", None)
    tree["metadata"].pop("finalizers", None)  # a controller's; an object made anew must not wait for one
    kind = key.group_kind
    for path in _ALLOCATED.get(kind, ()):
        if path != "/spec/clusterIP" or tree.get("spec", {}).get("clusterIP") != "None":  # headless is a wish
            discard(tree, parse_path(path), schema)
    if kind == Kind("", "Service"):
        for port in tree.get("spec", {}).get("ports", ()):
            port.pop("nodePort", None)
    if kind == _JOB and not tree["spec"].get("manualSelector"):
        _strip_job(tree)
    return tree


def _holds_identities(key: ObjectKey, tree: Json) -> bool:
    """Whether it is a Secret with age identities: whoever has them reads what is encrypted."""
    return key.group_kind == Kind("", "Secret") and any(name.endswith(".agekey") for name in tree.get("data") or ())


def _is_systems(key: ObjectKey, tree: Json) -> bool:
    kind = key.group_kind
    if kind in _SYSTEM_KINDS or (kind == Kind("", "Secret") and tree.get("type") in _SYSTEM_SECRETS):
        return True
    return any(
        fnmatchcase(key.namespace, namespace) and fnmatchcase(key.name, name)
        for namespace, name in _SYSTEM_NAMES.get(kind, ())
    )


def _strip_job(tree: Json) -> None:
    """A Job's generated selector names its own uid: a new Job would be refused with it."""
    tree["spec"].pop("selector", None)
    template = tree["spec"].get("template", {}).get("metadata", {})
    for metadata in (tree["metadata"], template):
        labels = metadata.get("labels") or {}
        for name in _JOB_STAMPS:
            labels.pop(name, None)
        if not labels:
            metadata.pop("labels", None)
