"""The sample that `tandem dev` and the demo start with: documents for a repository, and a Fabric that keeps them."""

from __future__ import annotations

from pathlib import Path

from controller.api.meta import API_VERSION
from controller.objects import Json

DOCUMENTS = Path(__file__).with_name("sample")
WEB, SETTINGS = "web.yaml", "settings.yaml"

NAME = "shop"  # of the repository and of the Fabric
NAMESPACE = "default"  # kubectl's own default: whoever tries things types no -n
CREDENTIALS = "shop-git"  # the Secret
ACCOUNT = "shop"  # the service account that the Fabric acts as
INTERVAL = "1s"  # between two looks at the repository: a push is seen at once, and the server is on this machine


def document(name: str) -> str:
    """The text of one of the sample's files."""
    return (DOCUMENTS / name).read_text(encoding="utf-8")


def documents() -> dict[str, str]:
    """All of them, by name."""
    return {name: document(name) for name in (SETTINGS, WEB)}


def credentials(username: str, password: str) -> Json:
    """The Secret with which the Fabric reads and writes the repository."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": CREDENTIALS, "namespace": NAMESPACE},
        "stringData": {"username": username, "password": password},
    }


def account() -> list[Json]:
    """The service account that the Fabric acts as, and its rights: to try anything, in this namespace only."""
    metadata = {"name": ACCOUNT, "namespace": NAMESPACE}
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata},
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": metadata,
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
            "subjects": [{"kind": "ServiceAccount", **metadata}],
        },
    ]


def fabric(url: str) -> Json:
    """The Fabric: everything but the interval and the service account is as by default."""
    return {
        "apiVersion": API_VERSION,
        "kind": "Fabric",
        "metadata": {"name": NAME, "namespace": NAMESPACE},
        "spec": {
            "repository": {"url": url, "credentialsSecretRef": {"name": CREDENTIALS}},
            "target": {"serviceAccountName": ACCOUNT},
            "sync": {"interval": INTERVAL},
        },
    }
