"""A Kustomization of Flux as a Fabric, or why it cannot be one. Pure.

Flux leaves the objects of a suspended Kustomization alone, also when it is deleted. What it renders (patches,
substitutions, an overlay in the repository) has no counterpart in Git that an edit could be written back to.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from controller.api.meta import parse_duration
from controller.cli.adoption.candidate import (
    GIT_REPOSITORIES,
    KUSTOMIZATIONS,
    Candidate,
    Held,
    Wishes,
    directory_of,
    fabric_of,
    reach_notes,
    target_of,
)
from controller.objects import Json, ObjectKey

MANAGERS = frozenset({"kustomize-controller", "gotk-kustomize-controller", "kubectl-flux"})
STAMP = "kustomize.toolkit.fluxcd.io"

_RENDERS = (
    "patches",
    "patchesStrategicMerge",
    "patchesJson6902",
    "images",
    "components",
    "postBuild",
    "namePrefix",
    "nameSuffix",
    "commonMetadata",
)
_SHORTEST, _LONGEST = 1.0, 86_400.0  # seconds of sync.interval


def kustomization_candidate(body: Json, repositories: Iterable[Json], wishes: Wishes) -> Candidate:
    """What becomes of one Kustomization."""
    spec, metadata = body["spec"], body["metadata"]
    namespace, name = metadata["namespace"], metadata["name"]
    own = wishes.namespace or namespace
    repository = _repository(spec, namespace, repositories)
    objects = tuple(_inventory(body))
    fabric = fabric_of(own, wishes.fabric or name, _fabric_spec(spec, repository, objects, own, wishes))
    problems = [*_problems(spec, repository, own, wishes)]
    notes = [*reach_notes(fabric), *_notes(spec, repository, metadata)]
    prune = {} if _parent(metadata) or not spec.get("prune") else {"prune": False}
    return Candidate(
        resource=KUSTOMIZATIONS,
        namespace=namespace,
        name=name,
        fabric=fabric,
        objects=objects,
        problems=tuple(problems),
        notes=tuple(notes),
        release={"spec": {"suspend": True, **prune}},
        regret={"spec": {"suspend": bool(spec.get("suspend")), **({"prune": True} if prune else {})}},
        steps=(
            f"Kustomization {namespace}/{name} is suspended{', its prune turned off' if prune else ''}: Flux leaves "
            "the objects alone, also when it is deleted",
        ),
    )


def taken_off(labels: Iterable[str]) -> list[str]:
    """Those of an object's labels by which Flux knows it."""
    return [label for label in labels if label.startswith(f"{STAMP}/")]


def _fabric_spec(spec: Json, repository: Json | None, objects: Iterable[Held], own: str, wishes: Wishes) -> Json:
    source = {} if repository is None else repository["spec"]
    reference = source.get("ref") or {}
    encryption = (spec.get("decryption") or {}).get("secretRef")
    return {
        "repository": {
            "url": source.get("url", ""),
            "branch": wishes.branch or reference.get("branch", "master"),
            "directory": directory_of(spec.get("path", "")),
            "credentialsSecretRef": {"name": wishes.credentials} if wishes.credentials else source.get("secretRef"),
        },
        "target": target_of(spec.get("targetNamespace", ""), own, objects)
        | {"serviceAccountName": wishes.service_account or spec.get("serviceAccountName", "")},
        "sync": {"direction": wishes.direction, "interval": _interval(spec.get("interval", ""))},
        "deletion": {"prune": bool(spec.get("prune"))},
        "encryption": {"identitySecretRef": encryption} if encryption else {},
    }


def _problems(spec: Json, repository: Json | None, own: str, wishes: Wishes) -> Iterator[str]:
    source = spec["sourceRef"]
    if source["kind"] != GIT_REPOSITORIES.kind:
        yield f"its source is a {source['kind']}, and a Fabric follows a branch of a Git repository"
    elif repository is None:
        yield f"its GitRepository {source.get('namespace', '')}/{source['name']} is not there".replace(" /", " ")
    else:
        yield from _repository_problems(repository, own, wishes)
    rendered = [field for field in _RENDERS if spec.get(field)]
    if rendered:
        yield (
            f"spec.{', spec.'.join(rendered)}: Flux renders its objects from the files, so that an edit would have no "
            "place in Git; put the result into the repository first"
        )
    if spec.get("kubeConfig"):
        yield (
            "spec.kubeConfig: its objects are in another cluster; adopt it by hand, docs/operations.md, Coming from "
            "Flux or Argo CD"
        )


def _repository_problems(repository: Json, own: str, wishes: Wishes) -> Iterator[str]:
    source, place = repository["spec"], repository["metadata"]
    reference = source.get("ref") or {}
    other = next((kind for kind in ("tag", "semver", "commit", "name") if reference.get(kind)), "")
    if other and not wishes.branch:
        yield f"GitRepository ref.{other}: a Fabric follows a branch; give it by --branch"
    if source.get("secretRef") and not wishes.credentials and place["namespace"] != own:
        yield (
            f"the credentials are in the Secret {place['namespace']}/{source['secretRef']['name']}, which a Fabric of "
            f"{own} cannot use; copy it there, and give its name by --credentials-secret"
        )
    if source.get("provider", "generic") != "generic":
        yield f"GitRepository provider {source['provider']}: make a token or key, and give it by --credentials-secret"
    if source.get("include"):
        yield "GitRepository include: other repositories cannot be laid into this one"


def _notes(spec: Json, repository: Json | None, metadata: Json) -> Iterator[str]:
    if parent := _parent(metadata):
        yield (
            f"it comes from Git itself, by Kustomization {parent}: remove its document afterwards, or Flux makes it "
            "anew after a deletion"
        )
    if spec.get("dependsOn"):
        yield "spec.dependsOn has no counterpart: objects wait for their namespaces and definitions only"
    if spec.get("wait") or spec.get("healthChecks"):
        yield "spec.wait and spec.healthChecks have no counterpart: Ready means applied"
    if spec.get("force"):
        yield "spec.force: annotate what may be made anew with tandem.dev/replace: enabled"
    if spec.get("targetNamespace"):
        yield (
            f"spec.targetNamespace: documents without a namespace go to {spec['targetNamespace']}; those that name "
            "another one stay there"
        )
    source = {} if repository is None else repository["spec"]
    if source.get("ignore"):
        yield "GitRepository ignore: put these patterns into .tandemignore in the directory"
    if source.get("verify"):
        yield "GitRepository verify: set spec.repository.verify; to write back, it needs signWithSecretRef"


def _repository(spec: Json, namespace: str, repositories: Iterable[Json]) -> Json | None:
    source = spec["sourceRef"]
    wanted = (source.get("namespace") or namespace, source["name"])
    return next(
        (one for one in repositories if (one["metadata"]["namespace"], one["metadata"]["name"]) == wanted), None
    )


def _parent(metadata: Json) -> str:
    """The Kustomization that this one comes from; "" if people made it."""
    labels = metadata.get("labels") or {}
    name = labels.get(f"{STAMP}/name", "")
    return f"{labels.get(f'{STAMP}/namespace', '')}/{name}" if name else ""


def _inventory(body: Json) -> Iterator[Held]:
    """`shop_web_apps_Deployment` with version `v1`; names hold no underscore but for `__`, which stands for a colon."""
    status: dict[str, Any] = body.get("status") or {}
    for entry in (status.get("inventory") or {}).get("entries") or ():
        namespace, _, rest = entry["id"].partition("_")
        rest, _, kind = rest.rpartition("_")
        name, _, group = rest.rpartition("_")
        version = entry["v"]
        api_version = f"{group}/{version}" if group else version
        yield Held(api_version, ObjectKey(group, kind, namespace, name.replace("__", ":")))


def _interval(text: str) -> str:
    """Flux's interval where a Fabric can have it; "" for the default."""
    try:
        seconds = parse_duration(text)
    except ValueError:
        return ""
    return text if _SHORTEST <= seconds <= _LONGEST else ""
