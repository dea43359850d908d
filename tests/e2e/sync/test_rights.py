"""The rights of manifests/rbac.yaml are enough, and a right that is missing is told and waited for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from controller.dev.controlplane import ControlPlane
from tests.e2e.conftest import MakeTandem
from tests.e2e.sync.manifests import config_map
from tests.support.audit import AuditLog
from tests.support.fabrics import DEADLINE, Fabrics
from tests.support.kubectl import Kubectl
from tests.support.repository import Repository
from tests.support.tandem import Stage

MANIFEST = Path(__file__).parents[3] / "manifests" / "rbac.yaml"
NAMESPACE = "tandem-system"
WHO = f"{NAMESPACE}:tandem"
SERVICE = "apiVersion: v1\nkind: Service\nmetadata:\n  name: web\nspec:\n  ports:\n  - port: 80\n"


@pytest.fixture
def restricted(
    controlplane: ControlPlane, kubectl: Kubectl, make_tandem: MakeTandem, stage: Stage, tmp_path: Path
) -> None:
    """A controller that runs as the manifest's service account."""
    kubectl("apply", "--filename", str(MANIFEST))
    token = kubectl("create", "token", "tandem", f"--namespace={NAMESPACE}").strip()
    config = json.loads(controlplane.kubeconfig.read_text())
    config["users"][0]["user"] = {"token": token}
    kubeconfig = tmp_path / "restricted.kubeconfig"
    kubeconfig.write_text(json.dumps(config))
    stage.enter(make_tandem(kubeconfig=kubeconfig, namespace=NAMESPACE, allow_namespaces=""))


def bind(fabrics: Fabrics, role: str) -> None:
    """Let the controller work on the kinds of a ClusterRole in the Fabrics' namespace."""
    fabrics.kubectl("create", "rolebinding", f"tandem-{role}", f"--clusterrole={role}", f"--serviceaccount={WHO}")


@pytest.mark.usefixtures("restricted")
def test_the_rights_of_the_manifest_are_enough(fabrics: Fabrics, repository: Repository, audit_log: AuditLog) -> None:
    """Both directions, an import, a prune, a conflict and its resolution, a job, and the end of the Fabric."""
    watching = ["--verb=list,watch", "--resource=configmaps"]  # the rest is done as the Fabric's service account
    fabrics.kubectl("create", "role", "watching", *watching)
    fabrics.kubectl("create", "rolebinding", "watching", "--role=watching", f"--serviceaccount={WHO}")
    mark = audit_log.mark()
    first = repository.publish({"web.yaml": config_map("web", color="blue"), "gone.yaml": config_map("gone", a="b")})
    fabrics.apply(repository.url, resources=[{"kind": "ConfigMap", "import": True}])
    fabrics.wait_synced(revision=first)
    fabrics.kubectl.patch("configmap", "web", {"data": {"color": "red"}})
    fabrics.kubectl("create", "configmap", "made", "--from-literal=a=b")
    fabrics.eventually(lambda: "color: red" in repository.show("web.yaml") and len(repository.files()) == 3)
    second = repository.publish({"gone.yaml": None})
    fabrics.wait_synced(revision=second)
    assert fabrics.config_map("gone") is None
    fabrics.kubectl("delete", "configmap", "web")
    conflict = fabrics.wait_conflict()["metadata"]["name"]
    fabrics.kubectl.patch("syncconflict", conflict, {"spec": {"resolution": {"strategy": "GitWins"}}})
    fabrics.eventually(lambda: fabrics.config_map("web") is not None)
    fabrics.kubectl.apply(
        "apiVersion: tandem.dev/v1alpha1\nkind: SyncJob\nmetadata:\n  name: now\nspec:\n  fabricRef:\n    name: demo\n"
    )
    fabrics.kubectl("wait", "syncjob/now", "--for=jsonpath={.status.phase}=Completed", f"--timeout={DEADLINE:g}s")
    assert fabrics.eventually(lambda: [event for event in fabrics.events() if event["reason"] == "WrittenBack"])
    fabrics.remove_all()
    asked = audit_log.requests("tandem/", since=mark)
    assert asked
    assert {one.user for one in asked if not one.impersonated} == {f"system:serviceaccount:{WHO}"}
    assert {one.user for one in asked if one.impersonated} == {f"system:serviceaccount:{fabrics.namespace}:default"}
    assert [str(one) for one in asked if one.status == 403] == []


@pytest.mark.usefixtures("restricted")
def test_what_may_not_be_listed_is_unknown_until_it_may(fabrics: Fabrics, repository: Repository) -> None:
    revision = repository.publish({"web.yaml": config_map("web", color="blue"), "service.yaml": SERVICE})
    fabrics.apply(repository.url)
    said = fabrics.wait_condition("Ready", "False", "Forbidden")
    assert "cannot list resource" in said["message"]
    assert fabrics.config_map("web") is None
    bind(fabrics, "tandem-edit")
    fabrics.wait_synced(revision=revision, deadline=2 * DEADLINE)
    assert fabrics.kubectl.find("service", "web") is not None
