"""What Flux or Argo CD manages goes on as a Fabric. Both are played here, by what they leave on objects."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from controller.api.meta import API_VERSION
from controller.dev.controlplane import ControlPlane
from tests.e2e.sync.manifests import DEPLOYMENT, config_map
from tests.support.audit import AuditLog
from tests.support.cli import Cli
from tests.support.fabrics import DEADLINE, Fabrics
from tests.support.kubectl import Kubectl, KubectlError
from tests.support.repository import Repository

Json = dict[str, Any]

KINDS = {
    "kustomizations.kustomize.toolkit.fluxcd.io": ("Kustomization", "v1"),
    "gitrepositories.source.toolkit.fluxcd.io": ("GitRepository", "v1"),
    "applications.argoproj.io": ("Application", "v1alpha1"),
}
FLUX_LABELS = {"kustomize.toolkit.fluxcd.io/name": "apps", "kustomize.toolkit.fluxcd.io/namespace": ""}
FLUX_FINALIZER = "finalizers.fluxcd.io"
ARGO_FINALIZER = "resources-finalizer.argocd.argoproj.io"


def definition(name: str) -> Json:
    """A kind of theirs, which holds whatever it is given."""
    plural, _, group = name.partition(".")
    kind, version = KINDS[name]
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    served = {"name": version, "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    names = {"plural": plural, "singular": kind.lower(), "kind": kind}
    spec = {"group": group, "names": names, "scope": "Namespaced", "versions": [served]}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": name},
        "spec": spec,
    }


@pytest.fixture(scope="module")
def kinds(controlplane: ControlPlane) -> Iterator[None]:
    kubectl = Kubectl.of(controlplane)
    for name in KINDS:
        kubectl.apply(json.dumps(definition(name)), "--server-side")
    for name in KINDS:
        kubectl("wait", f"crd/{name}", "--for=condition=Established", f"--timeout={DEADLINE:g}s")
    yield
    for name in KINDS:
        for item in kubectl.json("get", name, "--all-namespaces")["items"]:
            place = kubectl.within(item["metadata"]["namespace"])
            with suppress(KubectlError):  # its namespace goes at the same time; what is left would hold the next line
                place.patch(name, item["metadata"]["name"], {"metadata": {"finalizers": None}})
    kubectl("delete", "crd", *KINDS, timeout=120)


class Flux:
    """What the kustomize-controller does, by hand: its source, its Kustomization, and what it applied."""

    def __init__(self, fabrics: Fabrics, repository: Repository) -> None:
        self._kubectl, self._namespace, self._repository = fabrics.kubectl, fabrics.namespace, repository

    def install(self, objects: dict[str, str], **spec: Any) -> None:
        """The Kustomization `apps` with these objects (file → document) in its inventory."""
        source = {"interval": "1m", "url": self._repository.url, "ref": {"branch": "main"}}
        self._make("source.toolkit.fluxcd.io/v1", "GitRepository", "fleet", source)
        wanted: Json = {"interval": "10m", "path": "./apps", "prune": True}
        wanted |= {"sourceRef": {"kind": "GitRepository", "name": "fleet"}} | spec
        entries = []
        for document in objects.values():
            body = self.apply(document)
            group, _, version = body["apiVersion"].rpartition("/")
            name = f"{self._namespace}_{body['metadata']['name']}_{group}_{body['kind']}"
            entries.append({"id": name, "v": version})
        status = {"inventory": {"entries": entries}}
        metadata = {"finalizers": [FLUX_FINALIZER]}
        self._make("kustomize.toolkit.fluxcd.io/v1", "Kustomization", "apps", wanted, metadata=metadata, status=status)

    def apply(self, document: str) -> Json:
        """One object, as the kustomize-controller applies it."""
        body: Json = json.loads(self._kubectl("create", "--dry-run=client", "-o=json", "-f=-", stdin=document))
        body["metadata"]["labels"] = FLUX_LABELS | {"kustomize.toolkit.fluxcd.io/namespace": self._namespace}
        self._kubectl.apply(
            json.dumps(body), "--server-side", "--force-conflicts", "--field-manager=kustomize-controller"
        )
        return body

    def reconcile(self) -> bool:
        """What a turn of the controller would do; whether it would do anything at all."""
        kustomization = self._get()
        return not kustomization["spec"].get("suspend")

    def finalize(self) -> list[str]:
        """A deletion as the controller carries it out; what it prunes: nothing of a suspended Kustomization."""
        kustomization = self._get()
        spec = kustomization["spec"]
        pruned = [] if spec.get("suspend") or not spec.get("prune") else kustomization["status"]["inventory"]["entries"]
        self._kubectl.patch("kustomization.kustomize.toolkit.fluxcd.io", "apps", {"metadata": {"finalizers": None}})
        return [entry["id"] for entry in pruned]

    def _get(self) -> Json:
        found: Json = self._kubectl.json("get", "kustomization.kustomize.toolkit.fluxcd.io", "apps")
        return found

    def _make(
        self,
        api_version: str,
        kind: str,
        name: str,
        spec: Json,
        metadata: Json | None = None,
        status: Json | None = None,
    ) -> None:
        body = {"apiVersion": api_version, "kind": kind, "metadata": {"name": name} | (metadata or {}), "spec": spec}
        self._kubectl.apply(json.dumps(body | ({"status": status} if status else {})), "--server-side")


def managers(found: Json) -> set[str]:
    """Who is named as an owner of fields; the Fabric without its installation."""
    names = [entry["manager"] for entry in found["metadata"]["managedFields"] if not entry.get("subresource")]
    return {"the Fabric" if name.startswith("tandem:") else name for name in names}


def with_owners(kubectl: Kubectl, kind: str, name: str) -> Json:
    found: Json = kubectl.json("get", kind, name, "--show-managed-fields")
    return found


def test_without_the_tool_it_says_so(cli: Cli) -> None:
    said = cli("adopt", "--from", "argocd", "--dry-run")
    assert (said.code, said.out) == (1, "")
    assert "does not know applications.argoproj.io/v1alpha1: Argo CD is not there, or another version" in said.err


@pytest.mark.usefixtures("kinds")
class TestFlux:
    def test_a_kustomization_is_adopted_without_a_prune_by_either_side(
        self, cli: Cli, fabrics: Fabrics, repository: Repository, audit_log: AuditLog
    ) -> None:
        files = {"apps/web.yaml": DEPLOYMENT, "apps/cm.yaml": config_map("settings", color="blue", size="big")}
        repository.publish(files)
        flux = Flux(fabrics, repository)
        flux.install(files | {"gone": config_map("gone", a="b")})
        assert flux.reconcile()

        said = cli("adopt", "--from", "flux", "--dry-run")
        assert said.code == 0, said.err
        assert f"Kustomization {fabrics.namespace}/apps → Fabric {fabrics.namespace}/apps, 3 objects" in said.out
        assert flux.reconcile(), "a dry run changed something"
        shown = cli("adopt", "--from", "flux", "apps", "--dry-run", "-o", "yaml")
        fabrics.kubectl.apply(shown.out, "--server-side", "--dry-run=server")

        mark = audit_log.mark()
        said = cli("adopt", "--from", "flux", "apps")
        assert said.code == 0, said.out + said.err
        assert "2 objects handed over" in said.out
        assert "left as it is: ConfigMap" in said.out  # Git has it no more, and neither side may delete it
        status = fabrics.wait_synced("apps")
        assert status["inventory"]["kept"] == 2
        spec = fabrics.get("apps")["spec"]
        assert (spec["repository"]["directory"], spec["sync"]["interval"]) == ("apps", "10m")
        assert not flux.reconcile()
        for kind, name in (("deployment", "web"), ("configmap", "settings")):
            found = with_owners(fabrics.kubectl, kind, name)
            assert managers(found) == {"the Fabric"}
            assert "kustomize.toolkit.fluxcd.io/name" not in found["metadata"].get("labels", {})
        assert managers(with_owners(fabrics.kubectl, "configmap", "gone")) == {"kustomize-controller"}

        second = repository.publish({"apps/cm.yaml": config_map("settings", color="blue")})
        fabrics.request("apps")
        fabrics.wait_synced("apps", second)
        assert fabrics.kubectl.json("get", "configmap", "settings")["data"] == {"color": "blue"}
        fabrics.kubectl.patch("configmap", "settings", {"data": {"color": "red"}})
        fabrics.eventually(lambda: "color: red" in repository.show("apps/cm.yaml"), "apps")

        fabrics.kubectl("delete", "kustomization.kustomize.toolkit.fluxcd.io", "apps", "--wait=false")
        assert flux.finalize() == []
        deleted = [one for one in audit_log.requests("", since=mark) if one.verb == "delete"]
        kept = ("deployments", "configmaps")
        assert [str(one) for one in deleted if any(f"/{kind}/" in one.path for kind in kept)] == []
        assert fabrics.config_map("gone") is not None

    def test_what_differs_is_decided_first_and_the_rest_follows_then(
        self, cli: Cli, fabrics: Fabrics, repository: Repository
    ) -> None:
        files = {"apps/a.yaml": config_map("a", color="blue"), "apps/b.yaml": config_map("b", color="blue")}
        repository.publish(files)
        Flux(fabrics, repository).install(files | {"apps/b.yaml": config_map("b", color="green")})
        said = cli("adopt", "--from", "flux", "apps", "--fabric", "mine")
        assert said.code == 3, said.out + said.err
        assert "1 object handed over" in said.out
        assert "decide, and call this again" in said.err
        assert managers(with_owners(fabrics.kubectl, "configmap", "b")) == {"kustomize-controller"}
        name = fabrics.wait_conflict("mine")["metadata"]["name"]
        fabrics.kubectl.patch("syncconflict", name, {"spec": {"resolution": {"strategy": "GitWins"}}})
        fabrics.wait_synced("mine")
        said = cli("adopt", "--from", "flux", "apps", "--fabric", "mine")
        assert said.code == 0, said.out + said.err
        assert managers(with_owners(fabrics.kubectl, "configmap", "b")) == {"the Fabric"}
        assert (fabrics.config_map("b") or {})["data"] == {"color": "blue"}

    def test_a_fabric_that_does_not_get_in_step_can_be_given_back(
        self, cli: Cli, fabrics: Fabrics, repository: Repository
    ) -> None:
        files = {"apps/a.yaml": config_map("a", color="blue")}
        repository.publish(files | {"apps/kustomization.yaml": "resources: [a.yaml]\n"})
        flux = Flux(fabrics, repository)
        flux.install(files)
        for _ in range(2):  # the second call knows as well how things were
            said = cli("adopt", "--from", "flux", "apps", "--timeout", "5s")
            assert said.code == 4
            assert "NeedsRendering" in said.err
            assert not flux.reconcile()
        fabrics.kubectl("delete", "fabric", "apps")
        back = said.lines[-1].strip().split(" -p ")[1].strip("'")
        fabrics.kubectl.patch("kustomization.kustomize.toolkit.fluxcd.io", "apps", json.loads(back))
        assert flux.reconcile()
        assert flux._get()["spec"]["prune"] is True
        assert "annotations" not in flux._get()["metadata"]
        assert fabrics.config_map("a") is not None
        flux.finalize()

    def test_what_is_rendered_is_left_to_flux(self, cli: Cli, fabrics: Fabrics, repository: Repository) -> None:
        files = {"apps/a.yaml": config_map("a", color="blue")}
        repository.publish(files)
        flux = Flux(fabrics, repository)
        flux.install(files, postBuild={"substitute": {"color": "blue"}}, images=[{"name": "nginx"}])
        said = cli("adopt", "--from", "flux", "--dry-run", "-A")
        assert said.code == 1
        assert "cannot be adopted: spec.images, spec.postBuild: Flux renders its objects" in said.out
        said = cli("adopt", "--from", "flux", "apps")
        assert said.code == 1
        assert "put the result into the repository first" in said.err
        assert flux.reconcile()
        said = cli("adopt", "--from", "flux", "nobody")
        assert (said.code, said.out) == (1, "")
        assert f"there is no Kustomization nobody in namespace {fabrics.namespace}" in said.err
        flux.finalize()


def install_application(fabrics: Fabrics, repository: Repository, *documents: str, **spec: Any) -> None:
    """An Application `shop`, and what the application controller made of it."""
    resources = []
    for document in documents:
        body = json.loads(fabrics.kubectl("create", "--dry-run=client", "-o=json", "-f=-", stdin=document))
        group, _, version = body["apiVersion"].rpartition("/")
        name, kind = body["metadata"]["name"], body["kind"]
        body["metadata"]["annotations"] = {
            "argocd.argoproj.io/tracking-id": f"shop:{group}/{kind}:{fabrics.namespace}/{name}"
        }
        fabrics.kubectl("apply", "--field-manager=argocd-controller", "-f=-", stdin=json.dumps(body))
        place = {"namespace": fabrics.namespace, "name": name, "status": "Synced"}
        resources.append({"group": group, "version": version, "kind": kind} | place)
    wanted = {
        "project": "default",
        "source": {"repoURL": repository.url, "path": "apps", "targetRevision": "HEAD"},
        "destination": {"server": "https://kubernetes.default.svc", "namespace": fabrics.namespace},
        "syncPolicy": {"automated": {"prune": True, "selfHeal": True}, "syncOptions": ["CreateNamespace=true"]},
        "ignoreDifferences": [{"group": "apps", "kind": "Deployment", "jsonPointers": ["/spec/replicas"]}],
    }
    body = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "metadata": {"name": "shop"}}
    body["metadata"] = {"name": "shop", "finalizers": [ARGO_FINALIZER, "example.com/other"]}
    fabrics.kubectl.apply(
        json.dumps(body | {"spec": wanted | spec, "status": {"resources": resources}}), "--server-side"
    )


@pytest.mark.usefixtures("kinds")
class TestArgoCD:
    def test_an_application_is_adopted_without_a_prune_by_either_side(
        self, cli: Cli, fabrics: Fabrics, repository: Repository, audit_log: AuditLog
    ) -> None:
        files = {"apps/web.yaml": DEPLOYMENT, "apps/cm.yaml": config_map("settings", color="blue", size="big")}
        repository.publish(files)
        install_application(fabrics, repository, *files.values())
        said = cli("adopt", "--from", "argocd", "shop", "--dry-run")
        assert said.code == 1
        assert "targetRevision is HEAD, whatever branch that is; name it by --branch" in said.out
        mark = audit_log.mark()
        said = cli("adopt", "--from", "argocd", "shop", "--branch", "main")
        assert said.code == 0, said.out + said.err
        assert "2 objects handed over" in said.out
        fabrics.wait_synced("shop")
        ignored = fabrics.get("shop")["spec"]["ignore"]
        assert ignored == [{"kinds": ["Deployment.apps"], "paths": ["/spec/replicas"]}]
        application = fabrics.kubectl.json("get", "application.argoproj.io", "shop")
        assert "automated" not in application["spec"]["syncPolicy"]
        assert application["spec"]["syncPolicy"]["syncOptions"] == ["CreateNamespace=true"]
        assert application["metadata"]["finalizers"] == ["example.com/other"]
        for kind, name in (("deployment", "web"), ("configmap", "settings")):
            found = with_owners(fabrics.kubectl, kind, name)
            assert managers(found) == {"the Fabric"}
            assert "argocd.argoproj.io/tracking-id" not in found["metadata"].get("annotations", {})
        second = repository.publish({"apps/cm.yaml": config_map("settings", color="blue")})
        fabrics.request("shop")
        fabrics.wait_synced("shop", second)
        assert fabrics.kubectl.json("get", "configmap", "settings")["data"] == {"color": "blue"}
        fabrics.kubectl.patch("application.argoproj.io", "shop", {"metadata": {"finalizers": None}})
        fabrics.kubectl("delete", "application.argoproj.io", "shop")
        deleted = [one for one in audit_log.requests("", since=mark) if one.verb == "delete"]
        assert [str(one) for one in deleted if "/deployments/" in one.path or "/configmaps/" in one.path] == []

    def test_what_another_application_or_a_set_would_put_back_is_refused(
        self, cli: Cli, fabrics: Fabrics, repository: Repository
    ) -> None:
        install_application(
            fabrics, repository, source={"repoURL": repository.url, "chart": "nginx", "helm": {"values": "a: b"}}
        )
        owner = {"apiVersion": "argoproj.io/v1alpha1", "kind": "ApplicationSet", "name": "all", "uid": "1-2-3"}
        annotations = {"argocd.argoproj.io/tracking-id": "root:argoproj.io/Application:argocd/shop"}
        patch = {"metadata": {"ownerReferences": [owner], "annotations": annotations, "finalizers": None}}
        fabrics.kubectl.patch("application.argoproj.io", "shop", patch)
        said = cli("adopt", "--from", "argocd", "shop", "--branch", "main")
        assert said.code == 1
        for reason in ("ApplicationSet all", "by Application root", "spec.source.helm, spec.source.chart"):
            assert reason in said.err
        assert "automated" in fabrics.kubectl.json("get", "application.argoproj.io", "shop")["spec"]["syncPolicy"]


def test_a_fabric_of_that_name_that_follows_something_else_is_left_alone(
    cli: Cli, fabrics: Fabrics, repository: Repository, kinds: None
) -> None:
    files = {"apps/a.yaml": config_map("a", color="blue")}
    repository.publish(files)
    flux = Flux(fabrics, repository)
    flux.install(files)
    fabrics.kubectl.apply(
        json.dumps(
            {
                "apiVersion": API_VERSION,
                "kind": "Fabric",
                "metadata": {"name": "apps"},
                "spec": {"repository": {"url": repository.url, "branch": "other"}},
            }
        )
    )
    said = cli("adopt", "--from", "flux", "apps")
    assert said.code == 1
    assert "follows another branch or repository; give another name by --fabric" in said.err
    assert flux.reconcile()
    flux.finalize()
