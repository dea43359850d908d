"""The rights of the manifests are enough, and a right that is missing is told and waited for."""

from __future__ import annotations

import json
import secrets
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from controller.cli.app import parser_of
from controller.dev.controlplane import ControlPlane
from tests.e2e.conftest import MakeTandem
from tests.e2e.sync.manifests import CONFIG, config_map
from tests.support.api import NAMESPACES, Api
from tests.support.audit import AuditLog
from tests.support.cli import Cli
from tests.support.fabrics import DEADLINE, Fabrics
from tests.support.identity import ACCOUNT, HOME, MANIFESTS, Identity
from tests.support.kubectl import Kubectl
from tests.support.repository import Repository
from tests.support.tandem import Stage, Tandem

WHO = f"{HOME}:{ACCOUNT}"
WORKER = "worker"  # whom the Fabrics act as, with tandem-edit alone
SERVICE = "apiVersion: v1\nkind: Service\nmetadata:\n  name: web\nspec:\n  ports:\n  - port: 80\n"
GADGETS = """\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: gadgets.late.example.com
spec:
  group: late.example.com
  names: {kind: Gadget, plural: gadgets}
  scope: Namespaced
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}
"""


@pytest.fixture
def bare(api: Api, kubectl: Kubectl, stage: Stage) -> Iterator[Fabrics]:
    """The Fabrics of a namespace that nobody has opened."""
    name = f"test-{secrets.token_hex(4)}"
    api.create(NAMESPACES, {"metadata": {"name": name}})
    fabrics = Fabrics(kubectl, name, stage)
    yield fabrics
    fabrics.remove_all()
    api.delete(f"{NAMESPACES}/{name}")


def bind(fabrics: Fabrics, role: str, account: str) -> None:
    """Give a ClusterRole of the manifests to a service account, as the manifest says."""
    fabrics.kubectl("create", "rolebinding", role, f"--clusterrole={role}", f"--serviceaccount={account}")


def test_the_rights_of_the_manifests_are_enough(
    tandem: Tandem, bare: Fabrics, repository: Repository, audit_log: AuditLog
) -> None:
    """Both directions, an import, a prune, a conflict and its resolution, a job, and the end of the Fabric."""
    fabrics = bare
    bind(fabrics, "tandem-reach", WHO)
    bind(fabrics, "tandem-edit", f"{fabrics.namespace}:{WORKER}")
    mark = audit_log.mark()
    first = repository.publish({"web.yaml": config_map("web", color="blue"), "gone.yaml": config_map("gone", a="b")})
    fabrics.apply(
        repository.url,
        target={"serviceAccountName": WORKER},
        resources=[{"kind": "ConfigMap", "import": True}],
    )
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
    asked = [one for one in audit_log.requests("tandem/", since=mark) if "cli" not in one.user_agent]
    itself, worker = f"system:serviceaccount:{WHO}", f"system:serviceaccount:{fabrics.namespace}:{WORKER}"
    assert {one.user for one in asked} == {itself, worker}
    changing = {one.user for one in asked if one.verb not in {"get", "list", "watch"} and "/configmaps/" in one.path}
    assert changing == {worker}
    assert [str(one) for one in asked if one.status == 403] == []


def test_what_may_not_be_listed_is_unknown_until_it_may(tandem: Tandem, bare: Fabrics, repository: Repository) -> None:
    revision = repository.publish({"web.yaml": config_map("web", color="blue"), "service.yaml": SERVICE})
    bind(bare, "tandem-edit", f"{bare.namespace}:default")
    bare.apply(repository.url)
    said = bare.wait_condition("Ready", "False", "Forbidden")
    assert "cannot list resource" in said["message"]
    assert bare.config_map("web") is None
    bind(bare, "tandem-reach", WHO)
    bare.wait_synced(revision=revision, deadline=2 * DEADLINE)
    assert bare.kubectl.find("service", "web") is not None


class TestOneNamespace:
    """`manifests/namespaced`: Roles instead of ClusterRoles."""

    @pytest.fixture
    def only(
        self,
        controlplane: ControlPlane,
        kubectl: Kubectl,
        make_tandem: MakeTandem,
        stage: Stage,
        tmp_path: Path,
        api: Api,
    ) -> Iterator[Fabrics]:
        """The Fabrics of the one namespace that a controller looks after, whose rights end there."""
        name = f"only-{secrets.token_hex(4)}"
        rendered = kubectl("kustomize", str(MANIFESTS / "namespaced")).replace("tandem-system", name)
        documents = [
            one for one in yaml.safe_load_all(rendered) if one["kind"] not in {"Deployment", "PersistentVolumeClaim"}
        ]
        assert {one["kind"] for one in documents} == {"Namespace", "ServiceAccount", "Role", "RoleBinding"}
        kubectl.apply(yaml.safe_dump_all(documents))
        config = json.loads(controlplane.kubeconfig.read_text())
        token = kubectl("create", "token", ACCOUNT, f"--namespace={name}").strip()
        config["users"][0]["user"] = {"token": token}
        kubeconfig = tmp_path / "only.kubeconfig"
        kubeconfig.write_text(json.dumps(config))
        fabrics = Fabrics(kubectl, name, stage)
        bind(fabrics, "tandem-edit", f"{name}:default")
        flags = ("--namespace", name)
        stage.enter(make_tandem(kubeconfig=kubeconfig, namespace=name, allow_namespaces="", flags=flags))
        yield fabrics
        fabrics.remove_all()
        api.delete(f"{NAMESPACES}/{name}")
        kubectl("delete", "role,rolebinding", "tandem-cluster-identity", "--namespace=kube-system")

    def test_it_looks_after_its_own_and_asks_for_nothing_else(
        self, only: Fabrics, fabrics: Fabrics, repository: Repository, audit_log: AuditLog, kubectl: Kubectl
    ) -> None:
        mark = audit_log.mark()
        first = repository.publish({"cm.yaml": CONFIG})
        fabrics.apply(repository.url)
        only.apply(repository.url)
        only.wait_synced(revision=first)
        only.kubectl.patch("configmap", "web", {"data": {"color": "green"}})
        only.eventually(lambda: "color: green" in repository.show("cm.yaml"))
        only.kubectl("delete", "configmap", "web")
        name = only.wait_conflict()["metadata"]["name"]
        only.kubectl.patch("syncconflict", name, {"spec": {"resolution": {"strategy": "GitWins"}}})
        only.wait_synced(revision=repository.head())
        assert fabrics.status() == {}
        refused = [one for one in audit_log.requests("tandem/", since=mark) if one.status == 403]
        kinds = {one.path.rpartition("/")[2] for one in refused}
        assert kinds <= {"subjectaccessreviews"}, [str(one) for one in refused]  # before it asks for its namespace only

    def test_a_kind_that_is_defined_later_is_noticed_without_a_watch(
        self, only: Fabrics, repository: Repository, kubectl: Kubectl
    ) -> None:
        """By the index of definitions, which is looked at once a minute."""
        gadget = "apiVersion: late.example.com/v1\nkind: Gadget\nmetadata:\n  name: one\nspec:\n  size: 1\n"
        repository.publish({"cm.yaml": CONFIG, "gadget.yaml": gadget})
        rules = [{"apiGroups": ["late.example.com"], "resources": ["gadgets"], "verbs": ["*"]}]
        only.kubectl.apply(json.dumps(role("gadgets", rules)))
        for account in (f"{only.namespace}:{ACCOUNT}", f"{only.namespace}:default"):
            name = f"gadgets-{account.rpartition(':')[2]}"
            only.kubectl("create", "rolebinding", name, "--role=gadgets", f"--serviceaccount={account}")
        only.apply(repository.url, sync={"interval": "1h"})
        only.wait_condition("Ready", "False", "DocumentsFailed")
        kubectl.apply(GADGETS)
        try:
            only.wait_synced(revision=repository.head(), deadline=2 * DEADLINE)
            assert only.kubectl.json("get", "gadget", "one")["spec"] == {"size": 1}
        finally:
            only.remove_all()
            kubectl("delete", "crd", "gadgets.late.example.com", timeout=120)


def role(name: str, rules: list[dict[str, list[str]]]) -> dict[str, object]:
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": {"name": name},
        "rules": rules,
    }


@pytest.mark.parametrize("folder", ["", "namespaced"])
def test_the_manifests_are_taken_by_the_api_server_and_start_what_they_say(
    kubectl: Kubectl, identity: Identity, folder: str
) -> None:
    rendered = kubectl("kustomize", str(MANIFESTS / folder))
    kubectl.apply(rendered, "--server-side", "--dry-run=server", "--force-conflicts")
    documents = list(yaml.safe_load_all(rendered))
    (deployment,) = [one for one in documents if one["kind"] == "Deployment"]
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert started_by(container["args"]) == (("tandem-system",) if folder else ())
    assert "ClusterRole" not in {one["kind"] for one in documents} or not folder


def test_the_webhook_is_a_component(kubectl: Kubectl, tmp_path: Path) -> None:
    subprocess.run(["cp", "-r", str(MANIFESTS), str(tmp_path / "manifests")], check=True)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "kustomization.yaml").write_text(
        "resources: [../manifests]\ncomponents: [../manifests/webhook]\n"
    )
    documents = list(yaml.safe_load_all(kubectl("kustomize", str(tmp_path / "mine"))))
    kinds = [one["kind"] for one in documents]
    assert {"ValidatingWebhookConfiguration", "Service"} < set(kinds)
    container = documents[kinds.index("Deployment")]["spec"]["template"]["spec"]["containers"][0]
    started_by(container["args"])
    assert "webhook" in {port["name"] for port in container["ports"]}
    assert "webhook" in {mount["name"] for mount in container["volumeMounts"]}


def started_by(arguments: list[str]) -> tuple[str, ...]:
    """The namespaces that a controller with this command line looks after."""
    command, *flags = arguments
    assert command == "run"
    parser, _ = parser_of("run")
    options = parser.parse(flags, {})
    found: str = options.namespace or ""
    return tuple(name for name in found.split(",") if name)


def test_the_doctor_says_what_a_controller_lacks(
    controlplane: ControlPlane, identity: Identity, crds: None, tmp_path: Path
) -> None:
    own = Cli(identity.kubeconfig, tmp_path, "default")
    said = own("doctor", "-o", "json")
    (check,) = [one for one in said.json() if one["subject"] == "permissions"]
    assert (check["grade"], WHO in check["message"]) == ("ok", True)
