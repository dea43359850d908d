"""Where the objects of a kind are found."""

from __future__ import annotations

import pytest

from controller.kube.resources import CONFIG_MAPS, NAMESPACES, Resource
from controller.objects import ObjectKey

DEPLOYMENTS = Resource("apps", "v1", "Deployment", "deployments", namespaced=True)
ROLES = Resource("rbac.authorization.k8s.io", "v1", "ClusterRole", "clusterroles", namespaced=False)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (CONFIG_MAPS.path(), "/api/v1/configmaps"),
        (CONFIG_MAPS.path(None), "/api/v1/configmaps"),
        (CONFIG_MAPS.path("shop"), "/api/v1/namespaces/shop/configmaps"),
        (CONFIG_MAPS.path("shop", "web"), "/api/v1/namespaces/shop/configmaps/web"),
        (DEPLOYMENTS.path("shop", "web", "status"), "/apis/apps/v1/namespaces/shop/deployments/web/status"),
        (NAMESPACES.path("", "shop"), "/api/v1/namespaces/shop"),
        (NAMESPACES.path("ignored", "shop"), "/api/v1/namespaces/shop"),
        (ROLES.path("", "system:node"), "/apis/rbac.authorization.k8s.io/v1/clusterroles/system:node"),
        (ROLES.path("", "a/../b?c#d e"), "/apis/rbac.authorization.k8s.io/v1/clusterroles/a%2F..%2Fb%3Fc%23d%20e"),
        (CONFIG_MAPS.path("a/b", "c"), "/api/v1/namespaces/a%2Fb/configmaps/c"),
    ],
)
def test_paths(path: str, expected: str) -> None:
    assert path == expected


def test_a_key_of_a_cluster_scoped_kind_has_no_namespace() -> None:
    assert NAMESPACES.key("ignored", "shop") == ObjectKey("", "Namespace", "", "shop")
    assert DEPLOYMENTS.key("shop", "web") == ObjectKey("apps", "Deployment", "shop", "web")


def test_the_version_a_resource_is_of() -> None:
    assert (DEPLOYMENTS.api_version, CONFIG_MAPS.api_version) == ("apps/v1", "v1")
    assert str(DEPLOYMENTS) == "Deployment (apps/v1)"
