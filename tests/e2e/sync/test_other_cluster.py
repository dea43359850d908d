"""Objects in another cluster, which a kubeconfig in a Secret leads to: two real control planes, one controller."""

from __future__ import annotations

import base64
import itertools
import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from controller.dev.certificates import Authority
from controller.dev.controlplane import ControlPlane, Options, User
from controller.dev.locate import Programs
from tests.e2e.conftest import MakeTandem
from tests.e2e.sync.looking import wait_error, wait_event
from tests.e2e.sync.manifests import config_map
from tests.support.api import NAMESPACES, Api
from tests.support.audit import AuditLog
from tests.support.cli import Cli
from tests.support.fabrics import NAME, Fabrics
from tests.support.kubectl import Kubectl
from tests.support.repository import Repository
from tests.support.tandem import Stage, Tandem
from tests.support.tenants import Tenant

SECRET = "elsewhere"
TARGET = {"kubeconfigSecretRef": {"name": SECRET}}

Json = dict[str, Any]


@pytest.fixture(scope="module")
def plane(programs: Programs, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """The other control plane."""
    options = Options(users=(User("nobody"),), audit=True, fsync=False)
    with ControlPlane(programs, tmp_path_factory.mktemp("elsewhere"), options) as plane:
        yield plane


@dataclass(frozen=True)
class There:
    """The namespace of the Fabric's name in the other cluster, and a tenant of it that may keep ConfigMaps."""

    plane: ControlPlane
    api: Api
    kubectl: Kubectl
    namespace: str
    tenant: Tenant

    def data(self, name: str = "web") -> dict[str, str] | None:
        found = self.api.find(f"{NAMESPACES}/{self.namespace}/configmaps/{name}")
        return None if found is None else found.get("data", {})

    def version(self, name: str = "web") -> str:
        version: str = self.api.get(f"{NAMESPACES}/{self.namespace}/configmaps/{name}")["metadata"]["resourceVersion"]
        return version

    def token(self, tied: str) -> str:
        """A token of the tenant that lives as long as the Secret `tied`."""
        self.api.create(f"{NAMESPACES}/{self.namespace}/secrets", {"metadata": {"name": tied}})
        bound = ("--bound-object-kind=Secret", f"--bound-object-name={tied}")
        return self.kubectl("create", "token", self.tenant.name, *bound).strip()

    def kubeconfig(self, token: str = "") -> Json:
        """As the tenant with a token, as the admin without one."""
        config: Json = json.loads(self.plane.kubeconfig.read_text())
        if token:
            config["users"][0]["user"] = {"token": token}
        return config


@pytest.fixture
def there(plane: ControlPlane, namespace: str) -> Iterator[There]:
    api = Api(plane.kubeconfig)
    api.create(NAMESPACES, {"metadata": {"name": namespace}})
    tenant = Tenant(api, namespace)
    api.create(f"{NAMESPACES}/{namespace}/serviceaccounts", {"metadata": {"name": tenant.name}})
    tenant.allow("configmaps")
    tenant.allow("namespaces", verbs=("get",))
    yield There(plane, api, Kubectl.of(plane).within(namespace), namespace, tenant)
    api.delete(f"{NAMESPACES}/{namespace}")


def give(fabrics: Fabrics, kubeconfig: Json | str, key: str = "value") -> None:
    """Put a kubeconfig into the Fabric's Secret."""
    text = kubeconfig if isinstance(kubeconfig, str) else json.dumps(kubeconfig)
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": SECRET}, "stringData": {key: text}}
    fabrics.kubectl.apply(json.dumps(secret), "--server-side")


@pytest.fixture
def cli(controlplane: ControlPlane, tmp_path: Path, fabrics: Fabrics, tandem: Tandem) -> Cli:
    (tmp_path / "home").mkdir()
    return Cli.of(controlplane, tmp_path / "home", fabrics.namespace).using(launched=tandem.launch)


def test_both_directions_a_conflict_a_new_token_and_the_end(
    tandem: Tandem, there: There, fabrics: Fabrics, repository: Repository, cli: Cli
) -> None:
    """As a tenant of the other cluster, who may not even look at its kube-system."""
    give(fabrics, there.kubeconfig(there.token("first")))
    first = repository.publish({"web.yaml": config_map("web", color="blue", size="big")})
    fabrics.apply(repository.url, target=TARGET, deletion={"onRemoval": "Prune"})
    fabrics.wait_synced(revision=first)
    assert there.data() == {"color": "blue", "size": "big"}
    assert fabrics.config_map("web") is None, "nothing is made where the Fabric is"

    there.kubectl.patch("configmap", "web", {"data": {"color": "red"}})
    fabrics.eventually(lambda: "color: red" in repository.show("web.yaml"))
    fabrics.wait_synced(revision=repository.head())

    fabrics.patch({"suspend": True})
    there.kubectl.patch("configmap", "web", {"data": {"size": "small"}})
    repository.pull()
    second = repository.publish({"web.yaml": config_map("web", color="red", size="huge")})
    fabrics.patch({"suspend": False})
    conflict = fabrics.wait_conflict()
    assert [(field["git"], field["cluster"]) for field in conflict["spec"]["fields"]] == [("huge", "small")]
    assert conflict["metadata"]["name"] in cli("conflicts", "list").out
    assert cli("status", NAME).code == 0
    assert cli("plan", NAME).code == 2
    fabrics.kubectl.patch(
        "syncconflict", conflict["metadata"]["name"], {"spec": {"resolution": {"strategy": "GitWins"}}}
    )
    fabrics.wait_synced(revision=second)
    assert there.data() == {"color": "red", "size": "huge"}
    said = cli("plan", NAME)
    assert (said.code, said.lines[-1]) == (0, "nothing to do: both sides agree"), said.err

    before = there.version()
    give(fabrics, there.kubeconfig(there.token("second")))
    fabrics.wait_handled(fabrics.request())
    there.api.delete(f"{NAMESPACES}/{there.namespace}/secrets/first")
    third = repository.publish({"more.yaml": config_map("more", a="b")})
    fabrics.wait_synced(revision=third)
    assert (there.version(), there.data("more")) == (before, {"a": "b"}), "what was agreed on still is"

    there.api.delete(f"{NAMESPACES}/{there.namespace}/secrets/second")
    condition = lost_credentials(fabrics, repository)
    assert f"Secret {fabrics.namespace}/{SECRET} (401)" in condition["message"]
    wait_event(fabrics, "InvalidKubeconfig")
    give(fabrics, there.kubeconfig(there.token("third")))
    fabrics.wait_synced(revision=repository.head())
    assert there.version() == before
    assert there.data("later") is not None

    fabrics.remove_all()
    assert [there.data(name) for name in ("web", "more", "later")] == [None, None, None]


def lost_credentials(fabrics: Fabrics, repository: Repository) -> Json:
    """The condition of a fabric with something to do, once the API server no longer believes in its token: it does for
    up to ten seconds."""
    numbers = itertools.count()

    def refused() -> Json | None:
        repository.publish({"later.yaml": config_map("later", number=f"'{next(numbers)}'")})
        condition = fabrics.condition("Ready")
        return condition if condition["reason"] == "InvalidKubeconfig" else None

    return fabrics.eventually(refused)


def test_a_kubeconfig_that_cannot_be_used_is_told_and_waited_for(
    tandem: Tandem, there: There, fabrics: Fabrics, repository: Repository, tmp_path: Path
) -> None:
    """None of the programs is run, none of the files opened; each is put right, or into the next wrong shape."""
    witness = tmp_path / "witness"
    good = there.kubeconfig(there.token("good"))
    token = good["users"][0]["user"]["token"]
    run = {"apiVersion": "client.authentication.k8s.io/v1", "command": "touch", "args": [str(witness)]}
    (tmp_path / "token").write_text(token)
    foreign = json.loads(fabrics.kubectl.kubeconfig.read_text())["clusters"][0]["cluster"]["certificate-authority-data"]
    wrong: dict[str, Json | str] = {
        "users[0].user.exec: Tandem runs no program": shaped(good, user={"exec": run}),
        "users[0].user.tokenFile: Tandem opens no file": shaped(good, user={"tokenFile": str(tmp_path / "token")}),
        "cluster.proxy-url": shaped(good, cluster={"proxy-url": "http://127.0.0.1:1"}),
        "cluster.server is not encrypted": shaped(good, cluster={"server": "http://127.0.0.1:1"}),
        "it is no YAML": "clusters: [",
    }
    first = repository.publish({"web.yaml": config_map("web", color="blue")})
    fabrics.apply(repository.url, target=TARGET)
    assert "does not exist" in fabrics.wait_condition("Ready", "False", "InvalidKubeconfig")["message"]
    for said, kubeconfig in wrong.items():
        give(fabrics, kubeconfig)
        fabrics.request()
        told = wait_told(fabrics, "InvalidKubeconfig", said)
        assert token not in told
    for said, cluster in {
        "its certificate is not trusted": {"certificate-authority-data": foreign},
        "the API server cannot be reached: Connection refused": {"server": "https://127.0.0.1:1"},
    }.items():
        give(fabrics, shaped(good, cluster=cluster))
        fabrics.request()
        assert "127.0.0.1" not in wait_told(fabrics, "ApiUnreachable", said)
    with web_page(tmp_path) as (server, authority):
        page = {"server": server, "certificate-authority-data": authority}
        give(fabrics, shaped(good, cluster=page))
        fabrics.request()
        wait_told(fabrics, "InvalidKubeconfig", "not as a Kubernetes API server does")
    assert there.data() is None
    give(fabrics, good)
    fabrics.wait_synced(revision=first)
    assert there.data() == {"color": "blue"}
    assert not witness.exists()
    assert token not in tandem.logs(lines=100_000)


@contextmanager
def web_page(folder: Path) -> Iterator[tuple[str, str]]:
    """A https server that is no API server: its URL, and its authority in base64."""
    Authority(folder).issue("page", ["localhost", "127.0.0.1"])
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "page.crt", folder / "page.key")

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<h1>It works!</h1>")

        def log_message(self, *arguments: object) -> None:
            """Nothing: pytest shows what a server prints."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            authority = base64.b64encode((folder / "ca.crt").read_bytes()).decode()
            yield f"https://127.0.0.1:{server.server_address[1]}", authority
        finally:
            server.shutdown()
            thread.join()


def shaped(kubeconfig: Json, cluster: Json | None = None, user: Json | None = None) -> Json:
    """The kubeconfig with other fields of its cluster, or another user."""
    changed: Json = json.loads(json.dumps(kubeconfig))
    changed["clusters"][0]["cluster"] |= cluster or {}
    if user is not None:
        changed["users"][0]["user"] = user
    return changed


def wait_told(fabrics: Fabrics, reason: str, text: str) -> str:
    def told(found: Json) -> str:
        condition = {one["type"]: one for one in found["status"]["conditions"]}["Ready"]
        assert (condition["status"], condition["reason"]) == ("False", reason)
        assert text in condition["message"]
        message: str = condition["message"]
        return message

    return fabrics.wait(told)


@pytest.mark.usefixtures("tandem")
def test_another_cluster_under_the_same_name_is_met_anew(
    there: There, controlplane: ControlPlane, fabrics: Fabrics, repository: Repository
) -> None:
    """Its objects are not there, and nobody deleted them; what an editor made there is nobody's edit of before."""
    give(fabrics, there.kubeconfig())
    files = {"web.yaml": config_map("web", color="blue"), "more.yaml": config_map("more", a="b")}
    first = repository.publish(files)
    fabrics.apply(repository.url, target=TARGET, deletion={"propagate": "Observed", "settle": "0s"})
    fabrics.wait_synced(revision=first)
    fabrics.kubectl("create", "configmap", "more", "--from-literal=a=other")
    give(fabrics, json.loads(controlplane.kubeconfig.read_text()), key="value")
    fabrics.wait_handled(fabrics.request())
    fabrics.eventually(lambda: (fabrics.config_map("web") or {}).get("data") == {"color": "blue"})
    assert fabrics.wait_conflict()["spec"]["object"]["name"] == "more"
    assert repository.head() == first
    assert there.data() == {"color": "blue"}, "the one before is left as it was"


@pytest.mark.usefixtures("tandem")
def test_a_service_account_of_the_other_cluster_is_acted_as_where_it_is_named(
    there: There, fabrics: Fabrics, repository: Repository
) -> None:
    mark = (log := AuditLog(there.plane.audit_log)).mark()
    give(fabrics, there.kubeconfig(), key="kubeconfig")
    service = "apiVersion: v1\nkind: Service\nmetadata:\n  name: web\nspec:\n  ports:\n  - port: 80\n"
    first = repository.publish({"web.yaml": config_map("web", color="blue"), "service.yaml": service})
    fabrics.apply(repository.url, target=TARGET | {"serviceAccountName": there.tenant.name})
    wait_error(
        fabrics, object=f"Service/{fabrics.namespace}/web", reason="Forbidden", message="list and watch services"
    )
    fabrics.eventually(lambda: there.data() == {"color": "blue"})
    there.tenant.allow("services")
    fabrics.wait_synced(revision=first)
    writes = [one for one in log.requests("tandem/", since=mark) if one.verb == "patch"]
    assert writes
    assert {(one.user, one.impersonated) for one in writes} == {(there.tenant.user, True)}


@pytest.mark.usefixtures("tandem")
def test_one_directory_in_two_clusters_has_objects_in_each_that_know_nothing_of_each_other(
    there: There, fabrics: Fabrics, repository: Repository
) -> None:
    """A document that goes is no hand-over between them, and one does not wait for the other."""
    give(fabrics, there.kubeconfig())
    first = repository.publish({"web.yaml": config_map("web", color="blue"), "more.yaml": config_map("more", a="b")})
    one_way = {"direction": "GitToCluster"}
    fabrics.apply(repository.url, "here", sync=one_way)
    fabrics.apply(repository.url, "elsewhere", sync=one_way, target=TARGET)
    for name in ("here", "elsewhere"):
        fabrics.wait_synced(name, revision=first)
    fabrics.patch({"suspend": True}, "here")
    second = repository.publish({"more.yaml": None})
    fabrics.wait_synced("elsewhere", revision=second)
    assert there.data("more") is None
    assert fabrics.config_map("more") is not None, "its own fabric is suspended"
    fabrics.patch({"suspend": False}, "here")
    fabrics.wait_synced("here", revision=second)
    assert fabrics.config_map("more") is None
    assert there.data() == {"color": "blue"}


def test_an_address_of_this_machine_is_not_connected_to(
    make_tandem: MakeTandem, stage: Stage, there: There, fabrics: Fabrics, repository: Repository
) -> None:
    stage.enter(make_tandem(allow_insecure_git=False))
    give(fabrics, there.kubeconfig())
    mark = (log := AuditLog(there.plane.audit_log)).mark()
    fabrics.apply("https://git.example.com/team/fleet.git", target=TARGET)
    told = fabrics.wait_condition("Ready", "False", "InvalidKubeconfig")
    assert "cluster.server: it leads to an address that Tandem does not connect to" in told["message"]
    assert log.requests("tandem/", since=mark) == []
