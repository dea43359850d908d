"""What the service accounts that Fabrics act as are allowed, as whoever runs a cluster gives it to tenants."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from tests.support.api import Api, Json

RBAC = "/apis/rbac.authorization.k8s.io/v1"
ACCOUNT = "default"  # of the Fabric's namespace: whom a Fabric acts as that names nobody


def let_reign(api: Api, namespace: str, account: str = ACCOUNT) -> None:
    """A service account may do anything in its namespace; it ends with the namespace."""
    api.create(f"{RBAC}/namespaces/{namespace}/rolebindings", reigning(namespace, account))


def reigning(namespace: str, account: str = ACCOUNT) -> Json:
    """The RoleBinding that says so."""
    return _binding(f"{account}-reigns", account, namespace, "cluster-admin")


@contextmanager
def reaching_everywhere(api: Api, namespace: str, account: str = ACCOUNT) -> Iterator[None]:
    """A service account of this namespace may do anything in the whole cluster, for a while."""
    name = f"reaches-{secrets.token_hex(4)}"
    api.create(f"{RBAC}/clusterrolebindings", _binding(name, account, namespace, "cluster-admin"))
    try:
        yield
    finally:
        api.delete(f"{RBAC}/clusterrolebindings/{name}")


EVERYTHING = ("get", "list", "watch", "create", "patch", "delete")


@dataclass(frozen=True)
class Tenant:
    """A service account of a namespace that may do what a test lets it do, place by place."""

    api: Api
    namespace: str
    name: str = "tenant"

    @property
    def user(self) -> str:
        """As the API server names it."""
        return f"system:serviceaccount:{self.namespace}:{self.name}"

    def allow(self, *kinds: str, verbs: Sequence[str] = EVERYTHING, namespace: str = "", group: str = "") -> str:
        """Let it do this with kinds (plurals) of a group there; the name of the grant, for `revoke`."""
        name = f"{self.name}-{secrets.token_hex(4)}"
        place = f"{RBAC}/namespaces/{namespace or self.namespace}"
        rules = [{"apiGroups": [group], "resources": list(kinds), "verbs": list(verbs)}]
        self.api.create(f"{place}/roles", {"metadata": {"name": name}, "rules": rules})
        binding = _binding(name, self.name, self.namespace, name) | {
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name}
        }
        self.api.create(f"{place}/rolebindings", binding)
        return name

    def revoke(self, grant: str, namespace: str = "") -> None:
        """Take a grant back."""
        self.api.delete(f"{RBAC}/namespaces/{namespace or self.namespace}/rolebindings/{grant}")


def _binding(name: str, account: str, namespace: str, role: str) -> Json:
    return {
        "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
        "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": namespace}],
    }
