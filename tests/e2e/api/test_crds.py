"""The CRDs on a real API server: no warning, explained, filled with defaults, refusing what is wrong."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from controller.api.meta import Resource
from controller.api.v1alpha1 import KINDS, Fabric, SyncConflict, SyncJob
from tests.support.kubectl import Kubectl

ROOT = Path(__file__).parents[3]
SAMPLES = sorted((ROOT / "manifests" / "samples").glob("*.yaml"))
URL = "https://git.example.com/team/fleet.git"


@pytest.fixture
def kube(kubectl: Kubectl, namespace: str) -> Kubectl:
    """kubectl in a namespace of its own."""
    return kubectl.within(namespace)


def said(kubectl: Kubectl, *arguments: str) -> str:
    """What kubectl writes to standard error while it succeeds."""
    done = subprocess.run(kubectl.command(*arguments), capture_output=True, text=True, timeout=60, check=True)
    return done.stderr


def fabric(spec: dict[str, Any] | None = None, *, name: str = "shop", **repository: Any) -> dict[str, Any]:
    return document("Fabric", name, {"repository": {"url": URL} | repository, **(spec or {})})


def job(spec: dict[str, Any] | None = None) -> dict[str, Any]:
    return document("SyncJob", "job", {"fabricRef": {"name": "shop"}, **(spec or {})})


def conflict(spec: dict[str, Any] | None = None) -> dict[str, Any]:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "namespace": "shop", "name": "web", "uid": "u-1"}
    return document(
        "SyncConflict",
        "conflict",
        {"fabricRef": {"name": "shop"}, "object": target, "type": "BothChanged", "stateToken": "t1", **(spec or {})},
    )


def document(kind: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": "tandem.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec}


def apply(kube: Kubectl, content: dict[str, Any], *arguments: str) -> str:
    return kube.apply(json.dumps(content), *arguments)


def refused(kube: Kubectl, content: dict[str, Any]) -> str:
    return kube.fails("create", "--validate=strict", "-f", "-", stdin=json.dumps(content))


def test_the_crds_are_accepted_without_a_warning(kubectl: Kubectl) -> None:
    assert (
        said(kubectl, "apply", "--server-side", "--force-conflicts", "--validate=strict", "-f", str(ROOT / "crds"))
        == ""
    )
    kubectl("wait", "--for=condition=Established", "--timeout=30s", "-f", str(ROOT / "crds"))
    for kind in KINDS:
        live = kubectl.json("get", "crd", f"{kind.plural}.tandem.dev")
        conditions = {condition["type"]: condition["status"] for condition in live["status"]["conditions"]}
        assert conditions == {"NamesAccepted": "True", "Established": "True"}  # no NonStructuralSchema


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.stem)
def test_a_sample_passes_a_strict_dry_run(kube: Kubectl, sample: Path) -> None:
    arguments = ("apply", "--dry-run=server", "--validate=strict", "-f", str(sample))
    assert "created (server dry run)" in kube(*arguments)
    assert said(kube, *arguments) == ""


@pytest.mark.parametrize("kind", KINDS)
def test_the_short_name_and_the_category_find_the_kind_without_a_warning(kube: Kubectl, kind: type[Resource]) -> None:
    apply(kube, {Fabric: fabric, SyncJob: job, SyncConflict: conflict}[kind]())
    assert kube("get", kind.short_name, "-o", "name").startswith(f"{kind.__name__.lower()}.tandem.dev/")
    assert said(kube, "get", kind.short_name) == ""
    assert f"{kind.__name__.lower()}.tandem.dev/" in kube("get", "tandem", "-o", "name")


def test_what_kubectl_get_shows_of_a_fabric(kube: Kubectl) -> None:
    apply(kube, fabric({"suspend": True}))
    ready = {"type": "Ready", "status": "False", "reason": "ConflictsOpen", "message": "2 conflicts are open"}
    status = {
        "revision": {"applied": "1a2b3c4d"},
        "inventory": {"declared": 7, "kept": 6, "exceptions": 0},
        "conflicts": 2,
        "conditions": [{**ready, "observedGeneration": 1, "lastTransitionTime": "2026-01-15T09:30:00Z"}],
    }
    kube.patch("fabric", "shop", {"status": status}, "--subresource=status")
    header, row = (line.split() for line in kube("get", "fab").splitlines())
    shown = dict(zip(header, row, strict=True))
    assert shown.pop("AGE")
    assert shown == {
        "NAME": "shop",
        "READY": "False",
        "REASON": "ConflictsOpen",
        "REVISION": "1a2b3c4d",
        "OBJECTS": "6",
        "CONFLICTS": "2",
        "SUSPENDED": "true",
    }
    wide = kube("get", "fab", "-o", "wide")
    assert URL in wide
    assert "2 conflicts are open" in wide


def test_explain_tells_contract_bounds_and_default(kubectl: Kubectl) -> None:
    text = " ".join(kubectl("explain", "fabric.spec.sync").split())
    for part in (
        "direction <string> enum: Bidirectional, GitToCluster, ClusterToGit",
        "live edits of declared fields are put back",
        "from 1s to 24h. Default: 1m.",
        "From 0 to 100000. Default: 200.",
        "Default: UserGuided.",
    ):
        assert part in text
    assert "DESCRIPTION: <empty>" not in text


@pytest.mark.parametrize("kind", KINDS)
def test_explain_knows_every_field(kubectl: Kubectl, kind: type[Resource]) -> None:
    text = kubectl("explain", kind.plural, "--recursive")
    for part in ("spec", "status", "conditions", "lastTransitionTime", "observedGeneration"):
        assert part in text
    assert "<no description>" not in kubectl("explain", f"{kind.plural}.spec")


def test_the_server_fills_in_the_defaults_the_models_have(kube: Kubectl) -> None:
    apply(kube, fabric())
    live = kube.json("get", "fabric", "shop")
    ours = Fabric.from_object(fabric()).spec
    assert Fabric.from_object(live).spec == ours
    written = ours.to_json()
    for path in (
        ("target", "namespaces"),
        ("sync", "editors", "include"),
        ("sync", "editors", "exclude"),
        ("attribution", "identities"),
        ("encryption", "recipients"),
    ):
        parent = written
        for name in path[:-1]:
            parent = parent[name]
        assert parent.pop(path[-1]) == []
    assert written.pop("resources") == written.pop("ignore") == written.pop("notify") == []
    assert live["spec"] == written


def test_the_defaults_of_a_job_are_those_of_the_model(kube: Kubectl) -> None:
    apply(kube, job({"options": {}}))
    live = kube.json("get", "syncjob", "job")["spec"]
    assert live == SyncJob.from_object(job({"options": {}})).spec.to_json()


RECIPIENT = "age1ynef964y9td00t69wuvf3qeq8unn4ty7rt2xjy9lql0w2jhs9pkqr02pgv"

WRONG_FABRICS: dict[str, tuple[dict[str, Any], str]] = {
    "no repository": (document("Fabric", "x", {}), "spec.repository: Required value"),
    "no url": (document("Fabric", "x", {"repository": {}}), "spec.repository.url: Required value"),
    "an ssh url without a path": (
        fabric(url="ssh://git@github.com"),
        "must be an https:// URL such as https://git.exa",
    ),
    "a bound of bytes that fits nothing": (fabric(maxBytes=1000), "spec.repository.maxBytes"),
    "no files at all": (fabric(maxFiles=0), "spec.repository.maxFiles"),
    "a password for ssh": (fabric(url="ssh://git:secret@github.com/team/fleet.git"), "credentialsSecretRef"),
    "a transport helper": (fabric(url="git@ext::sh"), "git@git.example.com:team/fleet.git"),
    "an option": (fabric(url="-oProxyCommand=sh@host:x"), "git@git.example.com:team/fleet.git"),
    "a local path": (fabric(url="/srv/git/fleet.git"), "must be an https:// URL"),
    "a file url": (fabric(url="file:///srv/git/fleet.git"), "must be an https:// URL"),
    "a url with a password": (fabric(url="https://me:secret@git.example.com/x"), "credentialsSecretRef"),
    "a url with a query": (fabric(url="https://git.example.com/x?token=1"), "without user, password, query"),
    "a url with a line break": (fabric(url="https://git.example.com/x\nHost: y"), "must be an https:// URL"),
    "a full ref": (fabric(branch="refs/heads/main"), "spec.repository.branch"),
    "a branch like an option": (fabric(branch="--upload-pack=x"), "must be the name of a branch, such as main"),
    "a range": (fabric(branch="main..dev"), "must be the name of a branch"),
    "a branch with a space": (fabric(branch="my branch"), "must be the name of a branch"),
    "a branch under lock": (fabric(branch="main.lock"), "must be the name of a branch"),
    "a reflog": (fabric(branch="main@{1}"), "must be the name of a branch"),
    "an absolute directory": (fabric(directory="/etc"), "must be a path relative to its root, such as clusters/prod"),
    "a directory that climbs": (fabric(directory="a/../../b"), "spec.repository.directory"),
    "Git's own directory": (fabric(directory="a/.git/hooks"), "components that start with .git"),
    "a directory with a backslash": (fabric(directory="a\\b"), "spec.repository.directory"),
    "an author with a tag": (fabric(author={"name": "A <b@c>"}), "must be one line without < and >"),
    "an author over two lines": (fabric(author={"email": "a\nb"}), "spec.repository.author.email"),
    "another layout": (fabric({"layout": "Managed"}), 'supported values: "Plain"'),
    "all namespaces and one": (
        fabric({"target": {"namespaces": ["*", "a"]}}),
        "* means all namespaces and stands alone",
    ),
    "a glob of namespaces": (fabric({"target": {"namespaces": ["a-*"]}}), "must be the name of a namespace, or *"),
    "a namespace twice": (fabric({"target": {"namespaces": ["a", "a"]}}), "spec.target.namespaces[1]: Duplicate value"),
    "a plural": (fabric({"resources": [{"kind": "deployments"}]}), "must be a kind in CamelCase, such as Deployment"),
    "a group with its version": (
        fabric({"resources": [{"group": "apps/v1", "kind": "Deployment"}]}),
        "must be an API group without its version, such as apps",
    ),
    "a kind twice": (
        fabric({"resources": [{"kind": "Secret"}, {"kind": "Secret"}]}),
        "spec.resources[1]: Duplicate value",
    ),
    "a kind's directory that climbs": (
        fabric({"resources": [{"kind": "Secret", "directory": "../x"}]}),
        "spec.resources[0].directory",
    ),
    "an unknown direction": (
        fabric({"sync": {"direction": "Both"}}),
        'supported values: "Bidirectional", "GitToCluster", "ClusterToGit"',
    ),
    "a kind's direction for the fabric": (fabric({"sync": {"direction": "ManualOnly"}}), "spec.sync.direction"),
    "an interval of nothing": (fabric({"sync": {"interval": "0s"}}), "must be a duration from 1s to 24h, such as"),
    "an interval of days": (fabric({"sync": {"interval": "1d"}}), "must be a duration from 1s to 24h"),
    "an interval beyond a day": (fabric({"sync": {"interval": "24h1s"}}), "must be a duration from 1s to 24h"),
    "an interval as a number": (fabric({"sync": {"interval": 60}}), "spec.sync.interval"),
    "a long batch window": (fabric({"sync": {"batchWindow": "61s"}}), "must be a duration from 0s to 60s"),
    "an unknown strategy": (fabric({"sync": {"conflictStrategy": "Manual"}}), '"UserGuided", "GitWins"'),
    "a negative count": (fabric({"sync": {"maxEdits": -1}}), "greater than or equal to 0"),
    "a manager with a line break": (
        fabric({"sync": {"editors": {"include": ["a\nb"]}}}),
        "must be the name of a field manager or a glob over it",
    ),
    "a settle time beyond an hour": (fabric({"deletion": {"settle": "2h"}}), "must be a duration from 0s to 1h"),
    "more than all": (fabric({"deletion": {"maxDeletionPercent": 101}}), "less than or equal to 100"),
    "an unknown propagation": (fabric({"deletion": {"propagate": "Always"}}), '"Conflict", "Observed", "Never"'),
    "an unknown removal": (fabric({"deletion": {"onRemoval": "Delete"}}), 'supported values: "Orphan", "Prune"'),
    "a rule that ignores nothing": (fabric({"ignore": [{"kinds": ["Secret"]}]}), "names paths, managers, or both"),
    "a dotted path": (
        fabric({"ignore": [{"paths": ["spec.replicas"]}]}),
        "must be a JSON pointer such as /spec/replicas",
    ),
    "a kind with its version": (
        fabric({"ignore": [{"kinds": ["apps/v1/Deployment"], "paths": ["/a"]}]}),
        "must be a kind such as Deployment, or a kind with its group such as Deployment.apps",
    ),
    "a long name": (fabric(name="x" * 64), "the name of a Fabric has at most 63 characters"),
    "an unknown field": (fabric({"sinc": {}}), 'unknown field "spec.sinc"'),
    "a forge without a token": (
        fabric(forge={"type": "GitHub"}),
        "forge needs tokenSecretRef with the types GitHub and Gitea",
    ),
    "a plain server with a token": (
        fabric(forge={"type": "Local", "tokenSecretRef": {"name": "x"}}),
        "Local takes neither it nor apiURL",
    ),
    "an API with a password": (
        fabric(forge={"type": "Gitea", "apiURL": "https://a:b@h/api/v1", "tokenSecretRef": {"name": "x"}}),
        "must be an https:// URL such as https://git.example.com/api/v1",
    ),
    "verify without keys": (
        fabric(verify={"mode": "Head"}),
        "verify needs keysSecretRef: the keys that are trusted",
    ),
    "verify without a signature of Tandem's own": (
        fabric(verify={"mode": "Head", "keysSecretRef": {"name": "keys"}}),
        "verify mode Head with a direction that writes needs signWithSecretRef",
    ),
    "tags in both directions": (
        fabric(verify={"mode": "Tag", "keysSecretRef": {"name": "keys"}}),
        "verify mode Tag is for direction GitToCluster alone",
    ),
    "a recipient that is none": (
        fabric({"encryption": {"identitySecretRef": {"name": "age"}, "recipients": ["age1" + "b" * 58]}}),
        "must be the public half of an age key (X25519)",
    ),
    "recipients without identities": (
        fabric({"encryption": {"recipients": [RECIPIENT]}}),
        "encryption.recipients with a direction that writes needs encryption.identitySecretRef",
    ),
    "a receiver of no type": (fabric({"notify": [{"url": "https://chat.example.com/x"}]}), "spec.notify[0].type"),
    "a chat without an address": (fabric({"notify": [{"type": "Slack"}]}), "Slack needs url, or secretRef"),
    "a webhook without a token": (
        fabric({"notify": [{"type": "Webhook", "url": "https://events.example.com/"}]}),
        "Webhook needs secretRef with the key token",
    ),
    "mail to nobody": (fabric({"notify": [{"type": "Email"}]}), "Email needs to, and neither url nor secretRef"),
    "mail to a url": (
        fabric({"notify": [{"type": "Email", "to": ["a@example.com"], "url": "https://mail.example.com/"}]}),
        "Email needs to, and neither url nor secretRef",
    ),
    "a chat with recipients": (
        fabric({"notify": [{"type": "Slack", "url": "https://chat.example.com/x", "to": ["a@example.com"]}]}),
        "the other types take no to",
    ),
    "a recipient with a header": (
        fabric({"notify": [{"type": "Email", "to": ["a@example.com\nBcc: b@example.com"]}]}),
        "must be a plain mail address such as ops@example.com",
    ),
    "a receiver with a password": (
        fabric({"notify": [{"type": "Slack", "url": "https://me:secret@chat.example.com/x"}]}),
        "must be an https:// URL such as https://hooks.example.com",
    ),
    "a receiver in a file": (
        fabric({"notify": [{"type": "Slack", "url": "file:///etc/passwd"}]}),
        "must be an https:// URL such as https://hooks.example.com",
    ),
    "an event that is never told": (
        fabric({"notify": [{"type": "Email", "to": ["a@example.com"], "events": ["Succeeded"]}]}),
        'supported values: "ConflictOpened", "ConflictResolved"',
    ),
    "a field of a later version": (fabric({"health": {"wait": True}}), 'unknown field "spec.health"'),
}

WRONG_OTHERS: dict[str, tuple[dict[str, Any], str]] = {
    "a job for no fabric": (document("SyncJob", "x", {}), "spec.fabricRef: Required value"),
    "an unknown type of job": (job({"type": "Ingest"}), 'supported values: "Sync", "ResolveConflicts"'),
    "force without a direction": (
        job({"options": {"force": True}}),
        "options.force needs direction GitToCluster or ClusterToGit",
    ),
    "force in both directions": (
        job({"options": {"force": True}, "direction": "Bidirectional"}),
        "options.force needs direction GitToCluster or ClusterToGit",
    ),
    "resolving without saying how": (
        job({"type": "ResolveConflicts", "conflictResolution": {"autoResolveSimple": False}}),
        "type ResolveConflicts needs conflictResolution.strategy",
    ),
    "a negative time to live": (job({"ttlSecondsAfterFinished": -1}), "greater than or equal to 0"),
    "a conflict of no type": (
        document("SyncConflict", "x", {"fabricRef": {"name": "a"}, "object": {}}),
        "spec.type: Required value",
    ),
    "a resolution by hand without decisions": (
        conflict({"resolution": {"strategy": "Manual"}}),
        "strategy Manual needs decisions, one for each clashing path",
    ),
    "decisions with another strategy": (
        conflict({"resolution": {"strategy": "GitWins", "decisions": [{"path": "/a", "choose": "Git"}]}}),
        "the other strategies take none",
    ),
    "a path decided twice": (
        conflict(
            {
                "resolution": {
                    "strategy": "Manual",
                    "decisions": [{"path": "/a", "choose": c} for c in ("Git", "Cluster")],
                }
            }
        ),
        "spec.resolution.decisions[1]: Duplicate value",
    ),
    "an unknown choice": (
        conflict({"resolution": {"strategy": "Manual", "decisions": [{"path": "/a", "choose": "Both"}]}}),
        'supported values: "Git", "Cluster", "MergeBoth", "Value"',
    ),
    "a strategy for fabrics": (conflict({"resolution": {"strategy": "UserGuided"}}), "spec.resolution.strategy"),
}


@pytest.mark.parametrize("row", WRONG_FABRICS)
def test_a_wrong_fabric_is_refused_with_what_is_allowed(kubectl: Kubectl, row: str) -> None:
    content, message = WRONG_FABRICS[row]
    assert message in refused(kubectl, content)


@pytest.mark.parametrize("row", WRONG_OTHERS)
def test_a_wrong_job_or_conflict_is_refused_with_what_is_allowed(kubectl: Kubectl, row: str) -> None:
    content, message = WRONG_OTHERS[row]
    assert message in refused(kubectl, content)


RIGHT: dict[str, dict[str, Any]] = {
    "recipients, and nothing is written": fabric(
        {"encryption": {"recipients": [RECIPIENT]}, "sync": {"direction": "GitToCluster"}}
    ),
    "recipients and identities": fabric(
        {"encryption": {"identitySecretRef": {"name": "age"}, "recipients": [RECIPIENT]}}
    ),
    "a plain http url": fabric(url="http://127.0.0.1:8080/fleet.git"),
    "ssh": fabric(url="ssh://git@git.example.com:2222/team/fleet.git"),
    "ssh as scp has it": fabric(url="git@git.example.com:team/fleet.git"),
    "an address with a port": fabric(url="https://[::1]:8443/a/b@c"),
    "a branch with slashes": fabric(branch="release/v1.2_x"),
    "a hidden directory": fabric(directory="clusters/.prod/a..b"),
    "every namespace": fabric({"target": {"namespaces": ["*"], "clusterScoped": True}}),
    "bounds of durations": fabric({"sync": {"interval": "24h", "batchWindow": "0"}, "deletion": {"settle": "0s"}}),
    "every direction of a kind": fabric(
        {
            "resources": [
                {"kind": f"Kind{direction}", "direction": direction}
                for direction in ("Bidirectional", "GitToCluster", "ClusterToGit", "Disabled", "ManualOnly")
            ]
        }
    ),
    "one kind of two groups": fabric(
        {"resources": [{"kind": "Ingress"}, {"group": "networking.k8s.io", "kind": "Ingress"}]}
    ),
    "globs, taken back": fabric({"sync": {"editors": {"include": ["my-*", "tool[12]"], "exclude": ["!helm"]}}}),
    "paths": fabric(
        {
            "ignore": [
                {"paths": ["/spec/containers/{name=web}/image", "/metadata/annotations/a.b~1c", "/data/*", "/x/~2a~0"]},
                {"kinds": ["Deployment.apps", "Secret"], "managers": ["hpa"]},
            ]
        }
    ),
    "the longest name": fabric(name="x" * 63),
    "a forced job": job({"options": {"force": True}, "direction": "GitToCluster"}),
    "a merging job": job({"type": "ResolveConflicts", "conflictResolution": {"autoResolveSimple": True}}),
}


@pytest.mark.parametrize("row", RIGHT)
def test_what_is_allowed_is_allowed(kubectl: Kubectl, row: str) -> None:
    kubectl("create", "--dry-run=server", "--validate=strict", "-f", "-", stdin=json.dumps(RIGHT[row]))


def test_the_largest_fabric_that_the_bounds_allow_is_within_the_servers_budget(kubectl: Kubectl) -> None:
    many = [f"kind-{i}.example.com" for i in range(100)]
    largest = fabric(
        {
            "target": {"namespaces": [f"{'n' * 58}{i}" for i in range(100)]},
            "resources": [
                {"group": f"g{i}.example.com", "kind": f"K{i}", "directory": f"{'d' * 900}{i}"} for i in range(200)
            ],
            "sync": {"editors": {"include": many, "exclude": many}},
            "ignore": [{"paths": [f"/{'p' * 500}{i}" for i in range(100)], "managers": many} for _ in range(12)],
        }
    )
    kubectl("create", "--dry-run=server", "--validate=strict", "-f", "-", stdin=json.dumps(largest))


def test_the_spec_of_a_job_cannot_be_changed(kube: Kubectl) -> None:
    apply(kube, job())
    message = kube.fails("patch", "syncjob", "job", "--type=merge", "--patch", '{"spec":{"initiatedBy":"me"}}')
    assert "the spec of a SyncJob cannot be changed; make another SyncJob" in message
    kube("annotate", "syncjob", "job", "tandem.dev/cancel=keep")
    kube.patch("syncjob", "job", {"status": {"phase": "InProgress"}}, "--subresource=status")
    assert kube.json("get", "syncjob", "job")["status"]["phase"] == "InProgress"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"fabricRef": {"name": "other"}}, "fabricRef of a SyncConflict cannot be changed"),
        ({"object": {"name": "other"}}, "object of a SyncConflict cannot be changed"),
        ({"object": {"uid": "u-2"}}, "object of a SyncConflict cannot be changed"),
    ],
)
def test_what_a_conflict_is_about_cannot_be_changed(kube: Kubectl, change: dict[str, Any], message: str) -> None:
    apply(kube, conflict())
    arguments = ("patch", "syncconflict", "conflict", "--type=merge", "--patch", json.dumps({"spec": change}))
    assert message in kube.fails(*arguments)


def test_the_values_of_a_conflict_move_and_its_resolution_is_written_by_people(kube: Kubectl) -> None:
    apply(kube, conflict({"fields": [{"path": "/a", "git": 1}]}))
    moved = {"stateToken": "t2", "type": "DeletedInGit", "fields": [{"path": "/a", "git": 2}]}
    kube.patch("syncconflict", "conflict", {"spec": moved})
    kube.patch("syncconflict", "conflict", {"spec": {"resolution": {"strategy": "GitWins", "resolvedBy": "ada"}}})
    spec = SyncConflict.from_object(kube.json("get", "syncconflict", "conflict")).spec
    assert (spec.state_token, spec.fields[0].git) == ("t2", 2)
    assert spec.resolution is not None
    assert spec.resolution.resolved_by == "ada"
    kube.patch("syncconflict", "conflict", {"spec": {"resolution": None}})
    assert "resolution" not in kube.json("get", "syncconflict", "conflict")["spec"]


def test_null_absence_and_structure_survive_the_server(kube: Kubectl) -> None:
    fields = [
        {"path": "/null", "base": None, "git": None},
        {"path": "/structure", "git": {"a": [1, None, {"b": False}]}, "cluster": []},
        {"path": "/scalars", "base": 1.5, "git": "text", "cluster": True},
    ]
    decisions = [{"path": "/null", "choose": "Value", "value": None}, {"path": "/structure", "choose": "Value"}]
    content = conflict({"fields": fields, "resolution": {"strategy": "Manual", "decisions": decisions}})
    kube("create", "--validate=strict", "-f", "-", stdin=json.dumps(content))
    live = kube.json("get", "syncconflict", "conflict")
    assert live["spec"]["fields"] == fields
    assert live["spec"]["resolution"]["decisions"] == decisions
    assert SyncConflict.from_object(live).to_json()["spec"] == live["spec"]


def test_a_status_comes_back_as_the_model_wrote_it(kube: Kubectl) -> None:
    apply(kube, fabric())
    status = {
        "observedGeneration": 1,
        "lastSync": "2026-01-15T09:30:00Z",
        "inventory": {"declared": 0, "kept": 0, "exceptions": 0},
        "exceptions": [
            {"group": "", "kind": "Secret", "namespace": "", "name": "s", "reason": "Forbidden", "message": ""}
        ],
        "errors": [{"file": "a.yaml", "line": 3, "reason": "FieldRefused", "message": "no such field"}],
        "errorCount": 1,
        "guards": [{"token": "t", "reason": "DeletionGuard", "deletions": 120, "edits": 0, "objects": ["delete x"]}],
        "conditions": [],
    }
    kube.patch("fabric", "shop", {"status": status}, "--subresource=status")
    live = kube.json("get", "fabric", "shop")
    assert live["status"] == status
    assert Fabric.from_object(live).status.to_json() == status


def test_a_status_longer_than_its_bound_is_refused(kube: Kubectl) -> None:
    apply(kube, fabric())
    entry = {"reason": "FieldRefused", "message": "no"}
    patch = json.dumps({"status": {"errors": [entry] * 21}})
    message = kube.fails("patch", "fabric", "shop", "--subresource=status", "--type=merge", "--patch", patch)
    assert "status.errors: Too many: 21: must have at most 20 items" in message
