"""In which order changes are executed.

    1. what is made or changed, what others need first: namespaces, CRDs, then kinds by their place below, webhooks last
    2. what only touches Git
    3. what is deleted, the other way round

Within one place by namespace and name, so that the same changes always have the same order.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from controller.objects import Kind, ObjectKey
from controller.sync.plan.model import Action, Change

NAMESPACES: Final = 0
DEFINITIONS: Final = 1
REST: Final = 2

# What others refer to comes first: a workload that starts before its configuration starts twice.
_PLACES: Final = (
    Kind("", "Namespace"),
    Kind("apiextensions.k8s.io", "CustomResourceDefinition"),
    Kind("scheduling.k8s.io", "PriorityClass"),
    Kind("storage.k8s.io", "StorageClass"),
    Kind("networking.k8s.io", "IngressClass"),
    Kind("", "ResourceQuota"),
    Kind("", "LimitRange"),
    Kind("networking.k8s.io", "NetworkPolicy"),
    Kind("", "ServiceAccount"),
    Kind("rbac.authorization.k8s.io", "ClusterRole"),
    Kind("rbac.authorization.k8s.io", "ClusterRoleBinding"),
    Kind("rbac.authorization.k8s.io", "Role"),
    Kind("rbac.authorization.k8s.io", "RoleBinding"),
    Kind("", "ConfigMap"),
    Kind("", "Secret"),
    Kind("", "PersistentVolume"),
    Kind("", "PersistentVolumeClaim"),
    Kind("", "Service"),
    Kind("policy", "PodDisruptionBudget"),
    Kind("apps", "DaemonSet"),
    Kind("apps", "Deployment"),
    Kind("apps", "StatefulSet"),
    Kind("", "Pod"),
    Kind("batch", "Job"),
    Kind("batch", "CronJob"),
    Kind("autoscaling", "HorizontalPodAutoscaler"),
    Kind("networking.k8s.io", "Ingress"),
)
_LAST: Final = (
    Kind("apiregistration.k8s.io", "APIService"),
    Kind("admissionregistration.k8s.io", "ValidatingAdmissionPolicy"),
    Kind("admissionregistration.k8s.io", "ValidatingAdmissionPolicyBinding"),
    Kind("admissionregistration.k8s.io", "MutatingWebhookConfiguration"),
    Kind("admissionregistration.k8s.io", "ValidatingWebhookConfiguration"),
)
_PLACE: Final = {kind: place for place, kind in enumerate(_PLACES)} | {
    kind: len(_PLACES) + 1 + place for place, kind in enumerate(_LAST)
}


def phase_of(kind: Kind) -> int:
    """NAMESPACES, DEFINITIONS or REST: a phase starts when what the one before made is ready to be used."""
    return min(place_of(kind), REST)


def place_of(kind: Kind) -> int:
    """Where a kind stands among the others; unknown kinds (custom resources) before the webhooks."""
    return _PLACE.get(kind, len(_PLACES))


def in_order(changes: Iterable[Change]) -> tuple[Change, ...]:
    """The changes in the order of their execution."""
    every = sorted(changes, key=lambda change: _key(change.key))
    deletes = [change for change in every if change.action is Action.PRUNE]
    applies = [change for change in every if change.intended is not None]
    others = [change for change in every if change.intended is None and change.action is not Action.PRUNE]
    return (*applies, *others, *reversed(deletes))


def _key(key: ObjectKey) -> tuple[int, ObjectKey]:
    return place_of(key.group_kind), key
