"""As whom the suite's controllers run: the service account of the manifests, with the rights of the manifests alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from controller.dev.certificates import write_private
from controller.dev.controlplane import ControlPlane
from tests.support.api import NAMESPACES, Api
from tests.support.kubectl import Kubectl
from tests.support.tenants import RBAC
from tests.support.wait import wait_until

Json = dict[str, Any]

MANIFESTS = Path(__file__).parents[2] / "manifests"
HOME, ACCOUNT = "tandem-system", "tandem"
SUBJECT = {"kind": "ServiceAccount", "name": ACCOUNT, "namespace": HOME}
REACH = "tandem-reach"
_SEE = ["list", "watch"]

# What the tests' fabrics hold beyond what most clusters' do, let in as reach.yaml says: by a labelled ClusterRole.
_OF_THE_TESTS: Json = {
    "apiVersion": "rbac.authorization.k8s.io/v1",
    "kind": "ClusterRole",
    "metadata": {"name": "tandem-reach-tests", "labels": {"tandem.dev/aggregate-to-reach": "true"}},
    "rules": [
        {"apiGroups": [""], "resources": ["namespaces", "pods", "replicationcontrollers"], "verbs": _SEE},
        {"apiGroups": ["apps"], "resources": ["replicasets"], "verbs": _SEE},
        {"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["*"], "verbs": _SEE},
        {"apiGroups": ["example.com", "emptied.example.com", "scalars.example.com"], "resources": ["*"], "verbs": _SEE},
    ],
}


@dataclass(frozen=True)
class Identity:
    """`kubeconfig` with a token of the service account; `name` as the API server says who that is."""

    kubeconfig: Path
    name: str
    _api: Api

    @classmethod
    def of(cls, plane: ControlPlane) -> Identity:
        """Apply the manifests, as whoever installs Tandem does, and have a token made."""
        kubectl = Kubectl.of(plane)
        kubectl("apply", "--filename", str(MANIFESTS / "rbac.yaml"), "--filename", str(MANIFESTS / "reach.yaml"))
        kubectl.apply(json.dumps(_OF_THE_TESTS))
        config = json.loads(plane.kubeconfig.read_text())
        config["users"][0]["user"] = {
            "token": kubectl("create", "token", ACCOUNT, f"--namespace={HOME}", "--duration=24h").strip()
        }
        kubeconfig = plane.folder / "controller.kubeconfig"
        write_private(kubeconfig, json.dumps(config).encode())
        review = kubectl.using(kubeconfig).json("auth", "whoami")
        return cls(kubeconfig, review["status"]["userInfo"]["username"], Api(plane.kubeconfig))

    def install(self, namespace: str) -> None:
        """Let it keep an installation's identity in this namespace, which is made: the Role of rbac.yaml, there."""
        self._api.create(NAMESPACES, {"metadata": {"name": namespace}})
        for document in yaml.safe_load_all((MANIFESTS / "rbac.yaml").read_text()):
            plural = {"Role": "roles", "RoleBinding": "rolebindings"}.get(document["kind"])
            if plural is not None:
                document["metadata"]["namespace"] = namespace
                self._api.create(f"{RBAC}/namespaces/{namespace}/{plural}", document)

    def open(self, namespace: str) -> None:
        """Let fabrics reach this namespace, as far as the controller is concerned."""
        self._api.create(f"{RBAC}/namespaces/{namespace}/rolebindings", _reaching(REACH))

    @contextmanager
    def seeing(self, group: str) -> Iterator[None]:
        """It may watch the kinds of one more group for a while, by a labelled ClusterRole, as the manifest says."""
        name = f"{REACH}-{group}"
        rules = [{"apiGroups": [group], "resources": ["*"], "verbs": _SEE}]
        labels = _OF_THE_TESTS["metadata"]["labels"]
        self._api.create(f"{RBAC}/clusterroles", {"metadata": {"name": name, "labels": labels}, "rules": rules})
        wait_until(lambda: rules[0] in self._api.get(f"{RBAC}/clusterroles/{REACH}")["rules"])
        try:
            yield
        finally:
            self._api.delete(f"{RBAC}/clusterroles/{name}")

    def open_all(self, name: str) -> str:
        """Let fabrics reach every namespace; the path of what says so, for its deletion."""
        self._api.create(f"{RBAC}/clusterrolebindings", _reaching(name))
        return f"{RBAC}/clusterrolebindings/{name}"


def _reaching(name: str) -> Json:
    return {
        "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": REACH},
        "subjects": [SUBJECT],
    }
