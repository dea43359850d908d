"""A fabric acts as its service account: it writes what that one may write, and knows only what that one may see.

The controller itself may do anything on this control plane, so whatever a tenant must not get is kept from it by the
impersonation and the reviews alone.
"""

from __future__ import annotations

import base64
import json
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from controller.dev.controlplane import ControlPlane
from tests.e2e.conftest import MakeTandem
from tests.e2e.sync.looking import data, wait_error, wait_event
from tests.e2e.sync.manifests import config_map
from tests.support.api import NAMESPACES, Api
from tests.support.audit import AuditedRequest, AuditLog
from tests.support.cli import Cli
from tests.support.fabrics import NAME, Fabrics, condition_of
from tests.support.identity import Identity
from tests.support.kubectl import Kubectl
from tests.support.repository import Repository
from tests.support.tandem import Stage, Tandem
from tests.support.tenants import RBAC, Tenant

CANARY = "canary-4d1f-value"
NAMED = "canary-object"  # the name of an object that no document names
IMPORTS = [{"kind": kind, "import": True} for kind in ("Service", "ConfigMap", "Secret")]
READING = ("get", "list", "watch")
WRITING = ("create", "patch", "delete")

SERVICE = "apiVersion: v1\nkind: Service\nmetadata:\n  name: web\nspec:\n  ports:\n  - port: 80\n"
SECRET = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: token\nstringData:\n  key: declared\n"


@pytest.fixture
def tenant(api: Api, namespace: str) -> Tenant:
    """A service account that may do nothing yet; no object of its name exists."""
    return Tenant(api, namespace)


def begin(fabrics: Fabrics, repository: Repository, tenant: Tenant, **spec: Any) -> None:
    target = {"serviceAccountName": tenant.name} | spec.pop("target", {})
    fabrics.apply(repository.url, target=target, **spec)


def shown(tandem: Tandem, fabrics: Fabrics, repository: Repository, cli: Cli) -> dict[str, str]:
    """Everything that anybody but the cluster's own admins can look at."""
    plans = [cli("plan", NAME), cli("plan", NAME, "-o", "json")]
    plans += [cli("plan", NAME, "--why", one) for one in ("secret/token", "configmap/settings")]
    with closing(sqlite3.connect(tandem.launch.database_file)) as database:
        runs = database.execute("SELECT * FROM runs").fetchall()
    return {
        "plan": "\n".join(f"{said.out}{said.err}" for said in plans),
        "log": tandem.logs(lines=100_000),
        "metrics": tandem.probe("/metrics")[1],
        "Fabrics": json.dumps(fabrics.kubectl.json("get", "fabrics", "--show-managed-fields")),
        "Events": json.dumps(fabrics.kubectl.json("get", "events")),
        "conflicts": json.dumps(fabrics.kubectl.json("get", "syncconflicts", "--show-managed-fields")),
        "history": repr(runs),
        "Git": "\n".join([*(one.message for one in repository.log()), *map(repository.show, repository.files())]),
    }


def assert_hidden(shown: dict[str, str]) -> None:
    for canary in (CANARY, base64.b64encode(CANARY.encode()).decode(), NAMED):
        for where, said in shown.items():
            assert canary not in said, f"{canary} is in the {where}"


@pytest.fixture
def cli(controlplane: ControlPlane, tmp_path: Path, fabrics: Fabrics, tandem: Tandem) -> Cli:
    (tmp_path / "home").mkdir()
    return Cli.of(controlplane, tmp_path / "home", fabrics.namespace).using(launched=tandem.launch)


def exceptions(fabrics: Fabrics) -> dict[str, str]:
    """Kind/name → reason, of every object that is not in step."""
    found = fabrics.status().get("exceptions", [])
    return {f"{one['kind']}/{one['name']}": one["reason"] for one in found}


def test_what_a_tenant_may_not_see_is_shown_nowhere(
    tandem: Tandem, tenant: Tenant, fabrics: Fabrics, repository: Repository, cli: Cli
) -> None:
    """Live objects beside documents of other content, to be imported, edited live, and deleted."""
    tenant.allow("services")
    tenant.allow("secrets", "configmaps", verbs=WRITING)  # to write is not to see
    live = [
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": {"key": CANARY}}
        for name in ("token", NAMED)
    ] + [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"key": CANARY}}
        for name in ("settings", NAMED)
    ]
    fabrics.kubectl.apply(json.dumps({"apiVersion": "v1", "kind": "List", "items": live}))
    files = {"web.yaml": SERVICE, "token.yaml": SECRET, "settings.yaml": config_map("settings", key="declared")}
    first = repository.publish(files)
    begin(fabrics, repository, tenant, resources=IMPORTS)
    fabrics.wait_condition("Ready", "False", "Forbidden")
    told = wait_error(fabrics, object=f"Secret/{fabrics.namespace}/token", reason="Forbidden")
    assert f"{fabrics.namespace}/tenant may not get, list and watch secrets" in told["message"]
    wait_event(fabrics, "Forbidden")
    assert fabrics.kubectl.find("service", "web") is not None, "what may be seen goes on"

    fabrics.kubectl.patch("configmap", "settings", {"data": {"more": CANARY}})
    fabrics.kubectl.patch("secret", "token", {"stringData": {"more": CANARY}})
    fabrics.kubectl("create", "configmap", f"{NAMED}-2", f"--from-literal=key={CANARY}")
    fabrics.wait_handled(fabrics.request())
    before = shown(tandem, fabrics, repository, cli)
    fabrics.kubectl("delete", "configmap/settings", "secret/token", f"configmap/{NAMED}-2")
    fabrics.wait_handled(fabrics.request())
    after = shown(tandem, fabrics, repository, cli)
    assert exceptions(fabrics) == {"Secret/token": "Forbidden", "ConfigMap/settings": "Forbidden"}
    assert fabrics.conflicts() == []
    assert repository.head() == first
    assert fabrics.config_map("settings") is None, "an object that nobody may see is not made, either"
    for told_of in (before, after):
        assert "Forbidden" in told_of["plan"]
        assert_hidden(told_of)

    tenant.allow("configmaps", "secrets", verbs=READING)
    fabrics.eventually(lambda: data(fabrics, "settings") == {"key": "declared"})
    fabrics.eventually(lambda: fabrics.kubectl.find("secret", "token") is not None)


def test_a_right_that_is_taken_back_takes_an_open_conflict_with_it(
    tandem: Tandem, tenant: Tenant, fabrics: Fabrics, repository: Repository, cli: Cli
) -> None:
    """Noticed at the first request that is refused, here; or within five minutes."""
    grant = tenant.allow("configmaps")
    first = repository.publish(
        {"settings.yaml": config_map("settings", key="a"), "other.yaml": config_map("other", size="small")}
    )
    begin(fabrics, repository, tenant, sync={"interval": "1s"})
    fabrics.wait_synced(revision=first)
    fabrics.patch({"suspend": True})
    fabrics.kubectl.patch("configmap", "settings", {"data": {"key": CANARY}})
    repository.publish({"settings.yaml": config_map("settings", key="b")})
    fabrics.patch({"suspend": False})
    conflict = fabrics.wait_conflict()
    assert [field["cluster"] for field in conflict["spec"]["fields"]] == [CANARY]

    tenant.revoke(grant)
    second = repository.publish({"other.yaml": config_map("other", size="large")})
    fabrics.eventually(lambda: fabrics.conflicts() == [])
    wait_error(fabrics, object=f"ConfigMap/{fabrics.namespace}/settings", reason="Forbidden")
    assert fabrics.status()["conflicts"] == 0
    assert fabrics.kubectl.json("get", "syncconflicts")["items"] == []
    assert CANARY not in cli("plan", NAME, "--why", "configmap/settings").out
    assert data(fabrics, "other") == {"size": "small"}

    tenant.allow("configmaps")
    again = fabrics.wait_conflict()
    assert [field["cluster"] for field in again["spec"]["fields"]] == [CANARY]
    fabrics.kubectl.patch("syncconflict", again["metadata"]["name"], {"spec": {"resolution": {"strategy": "GitWins"}}})
    fabrics.wait_synced(revision=second)
    assert (data(fabrics, "other"), data(fabrics, "settings")) == ({"size": "large"}, {"key": "b"})


def test_a_tenant_without_the_right_to_write_waits_for_it(
    tandem: Tandem, tenant: Tenant, fabrics: Fabrics, repository: Repository
) -> None:
    tenant.allow("configmaps", verbs=READING)
    first = repository.publish({"web.yaml": config_map("web", color="blue")})
    begin(fabrics, repository, tenant)
    told = wait_error(fabrics, object=f"ConfigMap/{fabrics.namespace}/web", reason="Forbidden")
    assert f'User "{tenant.user}" cannot patch resource "configmaps"' in told["message"]
    assert data(fabrics, "web") is None
    tenant.allow("configmaps", verbs=WRITING)
    fabrics.wait_synced(revision=first)
    assert data(fabrics, "web") == {"color": "blue"}


def is_of_objects(request: AuditedRequest) -> bool:
    """Whether it is about an object of the fabric, or about what stands beside it: no kind of ours, no Event."""
    kind = request.path.removeprefix("/api/v1/namespaces/").partition("/")[2]
    return kind.startswith("configmaps")


def test_every_write_of_a_fabrics_objects_is_made_as_its_service_account_and_no_other(
    tandem: Tandem, tenant: Tenant, fabrics: Fabrics, repository: Repository, audit_log: AuditLog
) -> None:
    """Creation, update, probe of an edit, import, prune, a decision, a job, and the end of the Fabric."""
    tenant.allow("configmaps")
    mark = audit_log.mark()
    first = repository.publish({"web.yaml": config_map("web", color="blue"), "gone.yaml": config_map("gone", a="b")})
    imports = [{"kind": "ConfigMap", "import": True}]
    begin(fabrics, repository, tenant, resources=imports, deletion={"onRemoval": "Prune"})
    fabrics.wait_synced(revision=first)
    fabrics.kubectl.patch("configmap", "web", {"data": {"color": "red"}})
    fabrics.kubectl("create", "configmap", "made", "--from-literal=a=b")
    fabrics.eventually(lambda: "color: red" in repository.show("web.yaml") and len(repository.files()) == 3)
    second = repository.publish({"gone.yaml": None, "web.yaml": config_map("web", color="green")})
    fabrics.wait_synced(revision=second)
    assert (data(fabrics, "web"), data(fabrics, "gone")) == ({"color": "green"}, None)
    fabrics.remove_all()
    assert data(fabrics, "web") is None

    asked = audit_log.requests("tandem/", since=mark)
    watches = [one for one in asked if is_of_objects(one) and one.verb in {"list", "watch"}]
    touched = [one for one in asked if is_of_objects(one) and one not in watches]
    assert {one.verb for one in touched} >= {"create", "patch", "delete"}
    assert {one.user for one in touched} == {tenant.user}
    assert all(one.impersonated for one in touched)
    groups = {"system:serviceaccounts", f"system:serviceaccounts:{fabrics.namespace}", "system:authenticated"}
    assert all(set(one.groups) == groups for one in touched), "the API server adds them by itself"
    others = [one for one in asked if one not in touched]
    assert watches
    assert [str(one) for one in others if one.impersonated] == []


@pytest.fixture
def overlooked(api: Api, fabrics: Fabrics, identity: Identity) -> Iterator[None]:
    """The controllers may look into every namespace, whatever the tenants there may."""
    path = identity.open_all(f"reach-{fabrics.namespace}")
    yield
    api.delete(path)


@pytest.mark.usefixtures("overlooked")
def test_of_all_namespaces_those_are_seen_that_a_tenant_may_see(
    tandem: Tandem, tenant: Tenant, api: Api, fabrics: Fabrics, repository: Repository, cli: Cli
) -> None:
    tenant.allow("configmaps")
    there = f"{fabrics.namespace}-there"
    api.create(NAMESPACES, {"metadata": {"name": there}})
    try:
        body = {"metadata": {"name": "settings"}, "data": {"key": CANARY}}
        api.create(f"{NAMESPACES}/{there}/configmaps", body)
        documents = {
            "here.yaml": config_map("web", color="blue"),
            "there.yaml": config_map("settings", key="b").replace("metadata:", f"metadata:\n  namespace: {there}"),
        }
        revision = repository.publish(documents)
        begin(fabrics, repository, tenant, target={"namespaces": ["*"]}, sync={"conflictStrategy": "GitWins"})
        told = wait_error(fabrics, object=f"ConfigMap/{there}/settings", reason="Forbidden")
        assert f"configmaps in namespace {there}" in told["message"]
        fabrics.eventually(lambda: data(fabrics, "web") == {"color": "blue"})
        assert_hidden(shown(tandem, fabrics, repository, cli))
        tenant.allow("configmaps", namespace=there)
        fabrics.wait_synced(revision=revision)
        assert api.get(f"{NAMESPACES}/{there}/configmaps/settings")["data"] == {"key": "b"}
    finally:
        api.delete(f"{NAMESPACES}/{there}")


CONTROLLER = [
    {"apiGroups": ["*"], "resources": ["*"], "verbs": ["get", "list", "watch", "patch", "delete"]},
    {"apiGroups": ["tandem.dev", "", "events.k8s.io"], "resources": ["*"], "verbs": ["create"]},
]
REVIEWS = {"apiGroups": ["authorization.k8s.io"], "resources": ["subjectaccessreviews"], "verbs": ["create"]}
IMPERSONATE = {"apiGroups": [""], "resources": ["serviceaccounts"], "verbs": ["impersonate"]}


@pytest.fixture
def weak(controlplane: ControlPlane, api: Api, make_tandem: MakeTandem, stage: Stage) -> Iterator[str]:
    """A controller whose user may neither ask for others' rights nor act as them; the name of its ClusterRole."""
    name = f"weak-{secrets.token_hex(4)}"
    api.create(f"{RBAC}/clusterroles", {"metadata": {"name": name}, "rules": CONTROLLER})
    binding = {
        "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name},
        "subjects": [{"kind": "User", "name": "tandem", "apiGroup": "rbac.authorization.k8s.io"}],
    }
    api.create(f"{RBAC}/clusterrolebindings", binding)
    stage.enter(make_tandem(kubeconfig=controlplane.kubeconfig_of("tandem")))
    yield name
    api.delete(f"{RBAC}/clusterrolebindings/{name}")
    api.delete(f"{RBAC}/clusterroles/{name}")


def test_a_controller_that_may_act_as_nobody_says_what_it_needs(
    weak: str, tenant: Tenant, api: Api, fabrics: Fabrics, repository: Repository
) -> None:
    tenant.allow("configmaps")
    first = repository.publish({"web.yaml": config_map("web", color="blue")})
    begin(fabrics, repository, tenant)
    told = wait_error(fabrics, object=f"ConfigMap/{fabrics.namespace}/web", reason="Forbidden")
    assert "create subjectaccessreviews.authorization.k8s.io, as manifests/rbac.yaml does" in told["message"]
    api.merge(f"{RBAC}/clusterroles/{weak}", {"rules": [*CONTROLLER, REVIEWS]})
    told = wait_error(fabrics, reason="Forbidden", message="cannot impersonate")
    assert "let the controller's own user impersonate serviceaccounts" in told["message"]
    assert data(fabrics, "web") is None
    api.merge(f"{RBAC}/clusterroles/{weak}", {"rules": [*CONTROLLER, REVIEWS, IMPERSONATE]})
    fabrics.wait_synced(revision=first)
    assert data(fabrics, "web") == {"color": "blue"}


def test_a_removed_fabric_stays_until_it_may_prune_what_it_holds(
    tandem: Tandem, tenant: Tenant, fabrics: Fabrics, repository: Repository
) -> None:
    grant = tenant.allow("configmaps")
    first = repository.publish({"web.yaml": config_map("web", color="blue")})
    begin(fabrics, repository, tenant, deletion={"onRemoval": "Prune"})
    fabrics.wait_synced(revision=first)
    tenant.revoke(grant)
    tenant.allow("configmaps", verbs=READING)
    fabrics.kubectl("delete", "fabric", NAME, "--wait=false")

    def told(found: dict[str, Any]) -> bool:
        message: str = condition_of(found, "Ready")["message"]
        return "cannot delete resource" in message and "onRemoval to Orphan" in message

    fabrics.wait(told)
    assert data(fabrics, "web") == {"color": "blue"}
    tenant.allow("configmaps", verbs=WRITING)
    fabrics.kubectl("wait", "--for=delete", f"fabric/{NAME}", "--timeout=60s")
    assert data(fabrics, "web") is None


def test_a_namespace_can_be_deleted_with_its_fabric_and_its_rights(
    tandem: Tandem, api: Api, kubectl: Kubectl, stage: Stage, repository: Repository, identity: Identity
) -> None:
    """The rights may go before the Fabric does: it must not wait for what it can never see again."""
    namespace = f"going-{secrets.token_hex(4)}"
    api.create(NAMESPACES, {"metadata": {"name": namespace}})
    identity.open(namespace)
    tenant = Tenant(api, namespace)
    grant = tenant.allow("configmaps")
    fabrics = Fabrics(kubectl, namespace, stage)
    first = repository.publish({"web.yaml": config_map("web", color="blue")})
    begin(fabrics, repository, tenant, deletion={"onRemoval": "Prune"})
    fabrics.wait_synced(revision=first)
    tenant.revoke(grant)
    repository.publish({"web.yaml": config_map("web", color="red")})
    wait_error(fabrics, reason="Forbidden", message="list and watch configmaps")
    kubectl("delete", "namespace", namespace, "--timeout=60s")
