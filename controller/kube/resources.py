"""A kind as the API server serves it: where its objects are found.

A value without I/O, apart from `discovery`, because constants such as NAMESPACES are known before anything is asked.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from controller.objects import Kind, ObjectKey


@dataclass(frozen=True, slots=True)
class Resource:
    """One kind in one version. `verbs` is empty for the constants below, which every cluster serves whole."""

    group: str
    version: str
    kind: str
    plural: str
    namespaced: bool
    verbs: frozenset[str] = frozenset()

    @property
    def api_version(self) -> str:
        """`apps/v1`, `v1`."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def group_kind(self) -> Kind:
        """The kind without its version."""
        return Kind(self.group, self.kind)

    def path(self, namespace: str | None = None, name: str = "", subresource: str = "") -> str:
        """The URL path of the collection, of one object, or of its subresource.

        None or "" as namespace: all namespaces of a namespaced kind; it is not looked at for a cluster-scoped one.
        """
        parts = ["/apis", self.group, self.version] if self.group else ["/api", self.version]
        if namespace and self.namespaced:
            parts += ["namespaces", _segment(namespace)]
        parts.append(self.plural)
        if name:
            parts.append(_segment(name))
        if subresource:
            parts.append(subresource)
        return "/".join(parts)

    def key(self, namespace: str, name: str) -> ObjectKey:
        """The key of one of its objects."""
        return ObjectKey(self.group, self.kind, namespace if self.namespaced else "", name)

    def __str__(self) -> str:
        return f"{self.kind} ({self.api_version})"


def _segment(name: str) -> str:
    """A name as a path segment. RBAC names may hold `:`, which needs no escape; anything else odd is escaped."""
    return name if name.isalnum() else quote(name, safe=":")


NAMESPACES = Resource("", "v1", "Namespace", "namespaces", namespaced=False)
CONFIG_MAPS = Resource("", "v1", "ConfigMap", "configmaps", namespaced=True)
SECRETS = Resource("", "v1", "Secret", "secrets", namespaced=True)
EVENTS = Resource("events.k8s.io", "v1", "Event", "events", namespaced=True)
CRDS = Resource("apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions", namespaced=False)
API_SERVICES = Resource("apiregistration.k8s.io", "v1", "APIService", "apiservices", namespaced=False)
HORIZONTAL_POD_AUTOSCALERS = Resource(
    "autoscaling", "v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers", namespaced=True
)
