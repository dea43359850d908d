"""Who did it: the API server tells the controller who writes, and commits name the people behind them."""

from __future__ import annotations

import json
import os
import secrets
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from controller.dev.certificates import Authority
from controller.dev.controlplane import ControlPlane, Options
from controller.dev.locate import Programs
from controller.dev.ports import free_port
from tests.conftest import CRDS
from tests.e2e.sync.manifests import DEPLOYMENT, config_map
from tests.e2e.sync.test_killed import held_push
from tests.support.api import NAMESPACES, Api
from tests.support.fabrics import DEADLINE, Fabrics, Json
from tests.support.identity import Identity
from tests.support.kubectl import Kubectl
from tests.support.repository import Commit, Repository
from tests.support.sops import Keeper
from tests.support.tandem import Launch, Stage, Tandem
from tests.support.tenants import RBAC
from tests.support.wait import wait_until
from tests.support.webhook import KIND, Webhook, flags

TANDEM = "Tandem <tandem@localhost>"
ALICE = "Alice Liddell <alice@wonder.land>"
BOB = "bob <bob@users.noreply.invalid>"
KNOWN = {"identities": [{"user": "alice", "name": "Alice Liddell", "email": "alice@wonder.land"}]}
GATHERED = {"batchWindow": "4s", "interval": "1h"}  # long enough for two people, each with some kubectl
TOLD = 'tandem_attribution_total{outcome="ignored"}'


@dataclass(frozen=True)
class Told:
    """A controller that is told of writes as the manifest says, and what signed its certificate."""

    tandem: Tandem
    webhook: Webhook
    authority: Authority


@pytest.fixture(scope="module")
def told(
    identity: Identity, crds: None, controlplane: ControlPlane, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Told]:
    folder, port = tmp_path_factory.mktemp("attribution"), free_port()
    namespace = f"tandem-{secrets.token_hex(4)}"
    identity.install(namespace)
    tandem = Tandem(Launch(identity.kubeconfig, folder / "tandem", namespace, flags=flags(folder / "tls", port)))
    webhook = Webhook(tandem, folder / "tls", Kubectl.of(controlplane), port)
    authority = webhook.certify("authority")
    with webhook.configured(authority, "attribution"):
        yield Told(tandem, webhook, authority)
        tandem.stop()


@pytest.fixture
def tandem(told: Told, stage: Stage, kubectl: Kubectl) -> Tandem:
    """Ready, and told of what happens from now on."""
    stage.enter(told.tandem)
    before = told.tandem.metrics().get(TOLD, 0)

    def is_told() -> bool:
        kubectl("create", "configmap", "nothing", "--dry-run=server")
        return told.tandem.metrics().get(TOLD, 0) > before

    wait_until(is_told, DEADLINE)
    return told.tandem


@dataclass(frozen=True)
class People:
    """kubectl as alice and as bob, and the admin's, in the test's namespace, in which all may do anything."""

    alice: Kubectl
    bob: Kubectl
    admin: Kubectl
    robot: str

    def as_robot(self, *arguments: str) -> None:
        """What a program does with its service account."""
        self.admin(*arguments, f"--as={self.robot}")


@pytest.fixture
def people(controlplane: ControlPlane, api: Api, namespace: str, kubectl: Kubectl) -> People:
    binding = {
        "metadata": {"name": "developers-reign"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [
            {"kind": "Group", "name": "developers", "apiGroup": "rbac.authorization.k8s.io"},
            {"kind": "ServiceAccount", "name": "robot", "namespace": namespace},
        ],
    }
    api.create(f"{RBAC}/namespaces/{namespace}/rolebindings", binding)
    alice, bob = (Kubectl.of(controlplane, name).within(namespace) for name in ("alice", "bob"))
    return People(alice, bob, kubectl.within(namespace), f"system:serviceaccount:{namespace}:robot")


def new_commits(repository: Repository, since: str, count: int = 1) -> list[Commit]:
    """The commits since then, the oldest first, once there are so many; never more."""

    def pushed() -> list[Commit]:
        found = repository.log(f"{since}..{repository.branch}")
        assert len(found) >= count, f"{len(found)} commits"
        return found[::-1]

    found = wait_until(pushed, DEADLINE)
    assert len(found) == count, found
    return found


def edited_by(commit: Commit) -> list[str]:
    """Whom the commit's trailers name."""
    return commit.trailers.get("Edited-By", [])


def set_data(kubectl: Kubectl, name: str, *arguments: str, **data: str) -> None:
    """Edit a ConfigMap."""
    kubectl.patch("configmap", name, {"data": data}, *arguments)


def attributed(tandem: Tandem, fabrics: Fabrics, name: str) -> list[Json]:
    """What the controller has logged of writes of an object."""
    lines = [line for line in tandem.log_lines() if line["event"] == "a write is attributed"]
    return [line for line in lines if line["object"] == f"ConfigMap/{fabrics.namespace}/{name}"]


def test_two_people_in_one_window(tandem: Tandem, fabrics: Fabrics, repository: Repository, people: People) -> None:
    """One file, one object, two people: two commits in the order of their edits, with what each of them did."""
    text = config_map("web", color="blue", size="big") + "---\n" + config_map("db", color="blue")
    first = repository.publish({"all.yaml": text, "deployment.yaml": DEPLOYMENT})
    fabrics.apply(repository.url, sync=GATHERED, attribution=KNOWN)
    fabrics.wait_synced(revision=first)
    set_data(people.bob, "web", size="small")
    set_data(people.alice, "web", color="red")
    set_data(people.alice, "db", color="green")
    people.alice("scale", "deployment", "web", "--replicas=3")
    by_bob, by_alice = new_commits(repository, first, 2)
    assert (by_bob.author, by_alice.author) == (BOB, ALICE)
    assert (edited_by(by_bob), edited_by(by_alice)) == (["bob"], ["alice"])
    assert by_bob.trailers["Field-Manager"] == ["kubectl-patch"]
    assert repository.changed_lines(first, by_bob.id) == ["-  size: big", "+  size: small"]
    assert repository.changed_lines(by_bob.id, by_alice.id) == [
        "-  color: blue", "+  color: red", "-  color: blue", "+  color: green", "-  replicas: 2", "+  replicas: 3",
    ]  # fmt: skip
    fabrics.wait_synced(revision=by_alice.id)


def test_the_last_of_two_has_the_field(
    tandem: Tandem, fabrics: Fabrics, repository: Repository, people: People
) -> None:
    """Also where that is a program, or somebody of whom nothing was told."""
    first = repository.publish({"web.yaml": config_map("web", one="a", two="b", three="c")})
    fabrics.apply(repository.url, sync=GATHERED, attribution=KNOWN)
    fabrics.wait_synced(revision=first)
    set_data(people.alice, "web", one="alice", two="alice", three="alice")
    set_data(people.bob, "web", two="bob")
    patch = json.dumps({"data": {"three": "robot"}})
    people.as_robot("patch", "configmap", "web", "--type=merge", f"--patch={patch}")
    by_alice, by_bob, by_robot = new_commits(repository, first, 3)
    assert [one.author for one in (by_alice, by_bob, by_robot)] == [ALICE, BOB, TANDEM]
    assert edited_by(by_robot) == [people.robot]
    assert repository.changed_lines(first, by_alice.id) == ["-  one: a", "+  one: alice"]
    assert repository.changed_lines(by_alice.id, by_bob.id) == ["-  two: b", "+  two: bob"]
    assert repository.changed_lines(by_bob.id, by_robot.id) == ["-  three: c", "+  three: robot"]


def test_a_deletion_by_a_person_is_an_edit(
    tandem: Tandem, fabrics: Fabrics, repository: Repository, people: People
) -> None:
    """By a program it is a conflict, as ever. One that a finalizer holds is whose it was when it began."""
    held = config_map("held", key="v").replace("  name: held\n", "  name: held\n  finalizers: [example.com/hold]\n")
    several = {name: config_map(name, key="v") for name in ("web", "batch", "keep", "swapped")}
    first = repository.publish({f"{name}.yaml": text for name, text in several.items()} | {"held.yaml": held})
    fabrics.apply(repository.url, attribution=KNOWN)
    fabrics.wait_synced(revision=first)
    people.alice("delete", "configmap", "web")
    [deletion] = new_commits(repository, first)
    assert (deletion.author, edited_by(deletion)) == (ALICE, ["alice"])
    assert "web.yaml" not in repository.files()
    people.as_robot("delete", "configmap", "batch")
    conflict = fabrics.wait_conflict()
    assert (conflict["spec"]["type"], conflict["spec"]["object"]["name"]) == ("DeletedInCluster", "batch")
    assert f"deleted in the cluster by {people.robot}, a program" in json.dumps(conflict["status"])
    people.bob("delete", "configmap", "held", "--wait=false")
    people.as_robot("patch", "configmap", "held", "--type=merge", '--patch={"metadata":{"finalizers":null}}')
    [released] = new_commits(repository, deletion.id)
    assert (released.author, "held.yaml" in repository.files()) == (BOB, False)
    people.bob("replace", "--force", "--filename=-", stdin=config_map("swapped", key="other"))
    [swapped] = new_commits(repository, released.id)
    assert repository.changed_lines(released.id, swapped.id) == ["-  key: v", "+  key: other"]
    assert fabrics.status()["revision"]["applied"] == swapped.id or fabrics.wait_applied(swapped.id)


def test_what_is_refused_or_tried_is_nobodys(
    tandem: Tandem, fabrics: Fabrics, repository: Repository, people: People
) -> None:
    """An admission review is a question: only what was then written is somebody's."""
    first = repository.publish({name: config_map(name[:3], color="blue") for name in ("web.yaml", "cfg.yaml")})
    fabrics.apply(repository.url, attribution=KNOWN)
    fabrics.wait_synced(revision=first)
    set_data(people.alice, "web", "--dry-run=server", color="red")
    with refusing(people, "alice"):
        people.alice.fails("patch", "configmap", "web", '--patch={"data":{"color":"red"}}')
        set_data(people.bob, "web", color="green")
        [commit] = new_commits(repository, first)
        assert (commit.author, edited_by(commit)) == (BOB, ["bob"])
        people.alice.fails("delete", "configmap", "cfg")
        people.as_robot("delete", "configmap", "cfg")
    conflict = fabrics.wait_conflict()
    assert "deleted in the cluster by somebody unknown" in json.dumps(conflict["status"])
    assert "cfg.yaml" in repository.files()


@contextmanager
def refusing(people: People, user: str) -> Iterator[None]:
    """For a while, another webhook refuses whatever this user writes in the test's namespace: it cannot be asked."""
    namespace = people.admin.namespace
    hook = {
        "name": "refusing.example.com",
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "failurePolicy": "Fail",
        "timeoutSeconds": 5,
        "rules": [
            {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["UPDATE", "DELETE"], "resources": ["configmaps"]}
        ],
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
        "matchConditions": [{"name": "user", "expression": f"request.userInfo.username == '{user}'"}],
        "clientConfig": {"url": f"https://127.0.0.1:{free_port()}/"},
    }
    body = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": f"refusing-{namespace}"},
        "webhooks": [hook],
    }
    people.admin("create", "configmap", "probe")
    people.admin.apply(json.dumps(body))

    def is_refused() -> bool:
        said = people.alice.fails("annotate", "configmap", "probe", f"try={secrets.token_hex(4)}", "--dry-run=server")
        assert "refusing.example.com" in said, said
        return True

    try:
        wait_until(is_refused, DEADLINE)
        yield
    finally:
        people.admin("delete", KIND, f"refusing-{namespace}")


def test_the_cluster_never_waits(tandem: Tandem, fabrics: Fabrics, repository: Repository, people: People) -> None:
    """Stopped, or alive and deaf: writes go on, and edits are written back without a name."""
    first = repository.publish({"web.yaml": config_map("web", color="blue", size="big")})
    fabrics.apply(repository.url, attribution=KNOWN)
    fabrics.wait_synced(revision=first)
    os.kill(tandem.pid, signal.SIGSTOP)
    try:
        set_data(people.alice, "web", "--request-timeout=20s", color="red")
    finally:
        os.kill(tandem.pid, signal.SIGCONT)
    [deaf] = new_commits(repository, first)
    assert repository.changed_lines(first, deaf.id) == ["-  color: blue", "+  color: red"]
    tandem.stop()
    set_data(people.alice, "web", "--request-timeout=20s", size="small")
    tandem.start()
    [down] = new_commits(repository, deaf.id)
    assert (down.author, edited_by(down), down.trailers["Field-Manager"]) == (TANDEM, [], ["kubectl-patch"])


def test_a_name_that_a_crash_lost_is_no_other_name(
    tandem: Tandem, fabrics: Fabrics, repository: Repository, people: People
) -> None:
    """Killed between the deletion and the commit: the rules without a name hold."""
    first = repository.publish({"web.yaml": config_map("web", key="v"), "keep.yaml": config_map("keep", key="v")})
    fabrics.apply(repository.url, sync={"batchWindow": "60s", "interval": "1h"}, attribution=KNOWN)
    fabrics.wait_synced(revision=first)
    people.alice("delete", "configmap", "web")
    wait_until(lambda: attributed(tandem, fabrics, "web"), DEADLINE)
    tandem.kill()
    tandem.start()
    conflict = fabrics.wait_conflict()
    assert conflict["spec"]["type"] == "DeletedInCluster"
    assert repository.head() == first


@pytest.mark.parametrize(("hook", "outcome"), [("pre-receive", 1), ("post-receive", 0)], ids=["not taken", "taken"])
def test_killed_at_the_push_of_several_commits(
    tandem: Tandem, fabrics: Fabrics, repository: Repository, people: People, hook: str, outcome: int
) -> None:
    """Those that arrived are known as ours by the last of them; those that did not are made again, without names."""
    first = repository.publish({"web.yaml": config_map("web", color="blue", size="big")})
    fabrics.apply(repository.url, sync=GATHERED, attribution=KNOWN)
    fabrics.wait_synced(revision=first)
    with held_push(repository, hook, outcome) as wait_pushed:
        set_data(people.alice, "web", color="red")
        set_data(people.bob, "web", size="small")
        wait_pushed()
        tandem.kill()
    tandem.start()
    fabrics.eventually(lambda: "size: small" in repository.show("web.yaml"))
    fabrics.wait_synced(revision=repository.head())
    found = repository.log(f"{first}..{repository.branch}")[::-1]
    assert [one.author for one in found] == ([ALICE, BOB] if outcome == 0 else [TANDEM])
    assert repository.changed_lines(first) == [
        "-  color: blue", "-  size: big", "+  color: red", "+  size: small",
    ]  # fmt: skip
    assert fabrics.conflicts() == []


def test_an_encrypted_file_of_two_people_is_one_commit(
    tandem: Tandem, fabrics: Fabrics, repository: Repository, people: People, sops_program: Path, tmp_path: Path
) -> None:
    """Each writing of it encrypts what changed anew, so that a second one would seem to be of the first one's lines."""
    ours = Keeper(sops_program, tmp_path / "ours")
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "age"},
        "stringData": {"a.agekey": ours.identity},
    }
    people.admin.apply(json.dumps(secret))
    plain = config_map("web", key="v").replace("ConfigMap", "Secret").replace("\ndata:", "\nstringData:")
    first = repository.publish({"web.yaml": ours.encrypt(plain), "cfg.yaml": config_map("cfg", key="v")})
    opening = {"identitySecretRef": {"name": "age"}}
    fabrics.apply(repository.url, sync=GATHERED, attribution=KNOWN, encryption=opening)
    fabrics.wait_synced(revision=first)
    people.alice.patch("secret", "web", {"stringData": {"hers": "canary-hers"}})
    people.bob.patch("secret", "web", {"stringData": {"his": "canary-his"}})
    set_data(people.bob, "cfg", key="w")
    found = new_commits(repository, first, 2)
    assert {(one.author, *edited_by(one)) for one in found} == {(TANDEM, "alice", "bob"), (BOB, "bob")}
    assert {"hers: canary-hers", "his: canary-his"} <= {
        line.strip() for line in ours.decrypt(repository.show("web.yaml")).replace("Y2FuYXJ5LWhlcnM=", "canary-hers")
        .replace("Y2FuYXJ5LWhpcw==", "canary-his").splitlines()
    }  # fmt: skip
    shown = "\n".join([tandem.logs(100_000), repository.show("web.yaml"), *(one.message for one in found)])
    assert not any(value in shown for value in ("canary-hers", "canary-his", "Y2FuYXJ5LWhlcnM", "Y2FuYXJ5LWhpcw"))


def test_a_request_names_all_whose_edits_it_holds(
    tandem: Tandem, fabrics: Fabrics, repository: Repository, people: People
) -> None:
    """A new one has a commit for each of them; what amends it says everything anew, and names everybody."""
    first = repository.publish({"web.yaml": config_map("web", color="blue", size="big", kind="old")})
    fabrics.apply(
        repository.url,
        repository={"pushBranch": "edits"},
        sync=GATHERED,
        attribution=KNOWN,
    )
    fabrics.wait_synced(revision=first)
    set_data(people.alice, "web", color="red")
    set_data(people.bob, "web", size="small")
    by_alice, by_bob = wait_until(lambda: proposed(repository, first, 2), DEADLINE)
    assert [one.author for one in (by_alice, by_bob)] == [ALICE, BOB]
    assert repository.changed_lines(first, by_alice.id) == ["-  color: blue", "+  color: red"]
    assert repository.changed_lines(by_alice.id, by_bob.id) == ["-  size: big", "+  size: small"]
    set_data(people.bob, "web", kind="new")
    amended = wait_until(lambda: proposed(repository, first, 3), DEADLINE)[-1]
    assert (amended.author, edited_by(amended)) == (TANDEM, ["alice", "bob"])
    assert repository.changed_lines(by_bob.id, amended.id) == ["-  kind: old", "+  kind: new"]
    assert repository.head() == first


def proposed(repository: Repository, since: str, count: int) -> list[Commit]:
    """The commits of the request's branch, the oldest first, once there are so many."""
    assert "edits" in repository.branches(), "there is no request yet"
    found = repository.log(f"{since}..edits")[::-1]
    assert len(found) == count, found
    return found


STRANGE = "zoë 50%\u202e<o'hara>@example.com"


def test_strange_names(tandem: Tandem, fabrics: Fabrics, repository: Repository, people: People) -> None:
    """A name is said so that it can be read back, and cannot be taken for another; no value is kept of an edit."""
    first = repository.publish({"web.yaml": config_map("web", color="blue")})
    fabrics.apply(repository.url)
    fabrics.wait_synced(revision=first)
    set_data(people.admin, "web", f"--as={STRANGE}", "--as-group=developers", color="canary-of-the-log")
    [commit] = new_commits(repository, first)
    encoded = "zo%C3%AB%2050%25%E2%80%AE%3Co%27hara%3E%40example.com"
    assert commit.author == f"{encoded} <{encoded}@users.noreply.invalid>"
    assert edited_by(commit) == ["zo%C3%AB%2050%25%E2%80%AE<o'hara>@example.com"]
    [line] = attributed(tandem, fabrics, "web")
    assert (line["user"], line["groups"], line["paths"]) == (
        STRANGE,
        ["developers", "system:authenticated"],
        ["/data/color"],
    )
    assert not any("canary-of-the-log" in json.dumps(line) for line in tandem.log_lines())


def test_a_new_object_is_its_makers(tandem: Tandem, fabrics: Fabrics, repository: Repository, people: People) -> None:
    """What several made together names them all, and has none of them as its author."""
    first = repository.publish({"web.yaml": config_map("web", color="blue")})
    kinds = [{"kind": "ConfigMap", "import": True}]
    fabrics.apply(repository.url, sync=GATHERED, resources=kinds, attribution=KNOWN)
    fabrics.wait_synced(revision=first)
    people.alice("create", "configmap", "hers", "--from-literal=key=v")
    people.alice("create", "configmap", "theirs", "--from-literal=key=v")
    set_data(people.bob, "theirs", key="w")
    hers, theirs = new_commits(repository, first, 2)
    assert (hers.author, edited_by(hers)) == (ALICE, ["alice"])
    assert (theirs.author, edited_by(theirs)) == (TANDEM, ["alice", "bob"])
    assert "configmaps/hers.yaml" in repository.files(hers.id)
    assert "configmaps/theirs.yaml" not in repository.files(hers.id)


def test_a_conflict_names_who_edited(tandem: Tandem, fabrics: Fabrics, repository: Repository, people: People) -> None:
    """The manager stays what it is: the name that a program calls itself."""
    first = repository.publish({"web.yaml": config_map("web", color="blue")})
    fabrics.apply(repository.url, sync=GATHERED)
    fabrics.wait_synced(revision=first)
    set_data(people.alice, "web", color="red")
    repository.publish({"web.yaml": config_map("web", color="green")})
    fabrics.request()
    conflict = fabrics.wait_conflict()
    [field] = conflict["spec"]["fields"]
    assert (field["editor"], field["editedBy"]) == ("kubectl-patch", "alice")


def test_all_of_a_list_at_once(
    tandem: Tandem, fabrics: Fabrics, repository: Repository, people: People, controlplane: ControlPlane
) -> None:
    """Many deletions by one person are guarded like any others."""
    names = [f"web-{number}" for number in range(3)]
    label = "metadata:\n  labels: {delete: me}\n"
    labelled = {f"{name}.yaml": config_map(name, key="v").replace("metadata:\n", label) for name in names}
    first = repository.publish(labelled | {"keep.yaml": config_map("keep", key="v")})
    fabrics.apply(repository.url, sync={"batchWindow": "1s", "interval": "1h"}, deletion={"maxDeletions": 2})
    fabrics.wait_synced(revision=first)
    where = f"{NAMESPACES}/{fabrics.namespace}/configmaps?labelSelector=delete%3Dme"
    Api(controlplane.kubeconfig_of("alice")).delete(where)
    fabrics.wait_condition("Stalled", "True", "DeletionGuard")
    [guard] = fabrics.status()["guards"]
    assert guard["deletions"] == 3
    fabrics.confirm(guard["token"])
    [deletion] = new_commits(repository, first)
    assert edited_by(deletion) == ["alice"]
    assert repository.files() == ["keep.yaml"]


def test_whatever_is_asked_is_answered(told: Told, tandem: Tandem) -> None:
    """Anybody may ask; only what is no question at all is not answered with a yes."""

    def ask(body: bytes) -> tuple[int, str]:
        return told.webhook.post(told.authority, body, "/attribute")

    review = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {"uid": "one"}}
    status, said = ask(json.dumps(review).encode())
    assert (status, json.loads(said)["response"]) == (200, {"uid": "one", "allowed": True})
    assert [ask(body)[0] for body in (b"[", b"[]", b"{}", b'{"request": {}}', b" " * (9 << 20))] == [400] * 4 + [413]


def test_only_who_has_a_certificate_may_ask(programs: Programs, tmp_path: Path) -> None:
    """With --webhook-client-ca: the API server shows one, as its admission configuration says."""
    port, clients, others = free_port(), Authority(tmp_path / "clients"), Authority(tmp_path / "others")
    options = Options(apiserver_flags=(f"--admission-control-config-file={showing(clients, port, tmp_path)}",))
    with ControlPlane(programs, tmp_path / "plane", options) as plane:
        kubectl = Kubectl.of(plane)
        kubectl("apply", "--server-side", "--filename", str(CRDS))
        demanding = (*flags(tmp_path / "tls", port), "--webhook-client-ca", str(clients.certificate))
        own = Tandem(Launch(plane.kubeconfig, tmp_path / "tandem", "tandem-system", flags=demanding))
        webhook = Webhook(own, tmp_path / "tls", kubectl, port)
        authority = webhook.certify("authority")
        own.start()
        try:
            webhook.configure(authority, "attribution")
            review = json.dumps({"apiVersion": "admission.k8s.io/v1", "request": {"uid": "one"}}).encode()
            for pair in (None, others.issue("client")):
                with pytest.raises(OSError):
                    webhook.post(authority, review, "/attribute", pair)
            assert own.metrics().get(TOLD, 0) == 0
            assert webhook.post(authority, review, "/attribute", clients.issue("client"))[0] == 200
            assert own.metrics()[TOLD] == 1

            def is_told() -> bool:
                kubectl("create", "configmap", "nothing", "--dry-run=server")
                return own.metrics()[TOLD] > 1

            wait_until(is_told, DEADLINE)
        finally:
            own.stop()


def showing(clients: Authority, port: int, folder: Path) -> Path:
    """An admission configuration by which the API server shows a certificate of this authority to the webhook."""
    pair = clients.issue("apiserver")
    user = {"client-certificate": str(pair.certificate), "client-key": str(pair.key)}
    users = {"apiVersion": "v1", "kind": "Config", "users": [{"name": f"127.0.0.1:{port}", "user": user}]}
    (folder / "webhooks.kubeconfig").write_text(json.dumps(users))
    version = "apiserver.config.k8s.io/v1"
    webhooks = {
        "apiVersion": version,
        "kind": "WebhookAdmissionConfiguration",
        "kubeConfigFile": str(folder / "webhooks.kubeconfig"),
    }
    plugins = [{"name": "ValidatingAdmissionWebhook", "configuration": webhooks}]
    file = folder / "admission.json"
    file.write_text(json.dumps({"apiVersion": version, "kind": "AdmissionConfiguration", "plugins": plugins}))
    return file
