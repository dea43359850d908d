"""An Application of Argo CD as a Fabric, or why it cannot be one. Pure.

An Application without `syncPolicy.automated` changes nothing by itself, and the deletion of one without Argo's
finalizer deletes nothing else. What is rendered (Helm, Kustomize, plug-ins) has no counterpart in Git for an edit.
"""

from __future__ import annotations

from collections.abc import Iterator

from controller.cli.adoption.candidate import (
    APPLICATIONS,
    Candidate,
    Held,
    Wishes,
    directory_of,
    fabric_of,
    reach_notes,
    target_of,
)
from controller.objects import Json, ObjectKey

MANAGERS = frozenset({"argocd-controller", "argocd-application-controller"})
FINALIZER = "resources-finalizer.argocd.argoproj.io"
TRACKING = "argocd.argoproj.io/tracking-id"
ANNOTATIONS = (TRACKING, "argocd.argoproj.io/installation-id")

_IN_CLUSTER = ("https://kubernetes.default.svc", "https://kubernetes.default.svc.cluster.local")


def application_candidate(body: Json, wishes: Wishes) -> Candidate:
    """What becomes of one Application."""
    spec, metadata = body["spec"], body["metadata"]
    source = spec.get("source") or {}
    destination = (spec.get("destination") or {}).get("namespace", "")
    own = wishes.namespace or destination or metadata["namespace"]
    objects = tuple(_resources(body))
    fabric = fabric_of(own, wishes.fabric or metadata["name"], _fabric_spec(spec, source, objects, own, wishes))
    automated = (spec.get("syncPolicy") or {}).get("automated")
    finalizers = list(metadata.get("finalizers") or ())
    kept = [finalizer for finalizer in finalizers if not finalizer.startswith(FINALIZER)]
    return Candidate(
        resource=APPLICATIONS,
        namespace=metadata["namespace"],
        name=metadata["name"],
        fabric=fabric,
        objects=objects,
        problems=tuple(_problems(spec, source, metadata, wishes)),
        notes=(*reach_notes(fabric), *_notes(spec, source)),
        release={"metadata": {"finalizers": kept or None}, "spec": {"syncPolicy": {"automated": None}}},
        regret={"metadata": {"finalizers": finalizers or None}, "spec": {"syncPolicy": {"automated": automated}}},
        steps=(
            f"Application {metadata['namespace']}/{metadata['name']} loses syncPolicy.automated and the finalizer "
            f"{FINALIZER}: Argo CD syncs nothing by itself any more, and its deletion deletes nothing",
        ),
    )


def _fabric_spec(spec: Json, source: Json, objects: tuple[Held, ...], own: str, wishes: Wishes) -> Json:
    automated = (spec.get("syncPolicy") or {}).get("automated") or {}
    return {
        "repository": {
            "url": source.get("repoURL", ""),
            "branch": wishes.branch or _branch(source),
            "directory": directory_of(source.get("path", "")),
            "credentialsSecretRef": {"name": wishes.credentials},
        },
        "target": target_of((spec.get("destination") or {}).get("namespace", ""), own, objects)
        | {"serviceAccountName": wishes.service_account},
        "sync": {"direction": wishes.direction},
        "deletion": {"prune": bool(automated.get("prune"))},
        "ignore": [*_ignored(spec)],
    }


def _problems(spec: Json, source: Json, metadata: Json, wishes: Wishes) -> Iterator[str]:
    owner = next((one["name"] for one in metadata.get("ownerReferences") or () if one["kind"] == "ApplicationSet"), "")
    if owner:
        yield (
            f"it belongs to ApplicationSet {owner}, which would put it back; delete that first, with --cascade=orphan"
        )
    parent = (metadata.get("annotations") or {}).get(TRACKING, "").partition(":")[0]
    if parent:
        yield f"it comes from Git itself, by Application {parent}, which would put it back; adopt that one first"
    if spec.get("sources"):
        yield "spec.sources: a Fabric has one source"
    rendered = [field for field in ("helm", "kustomize", "plugin", "chart") if source.get(field)]
    rendered += ["directory.jsonnet"] if (source.get("directory") or {}).get("jsonnet") else []
    if rendered:
        yield (
            f"spec.source.{', spec.source.'.join(rendered)}: Argo CD renders its objects from the files, so that an "
            "edit would have no place in Git; put the result into the repository first"
        )
    if not wishes.branch and not _branch(source):
        yield "spec.source.targetRevision is HEAD, whatever branch that is; name it by --branch"
    destination = spec.get("destination") or {}
    server, name = destination.get("server", ""), destination.get("name", "")
    if (server and server not in _IN_CLUSTER) or (name and name != "in-cluster"):
        yield (
            f"its objects are in the cluster {name or server}; adopt it by hand, docs/operations.md, Coming from Flux "
            "or Argo CD"
        )


def _notes(spec: Json, source: Json) -> Iterator[str]:
    directory = source.get("directory") or {}
    if not directory.get("recurse"):
        yield "Argo CD does not look into folders below, a Fabric does; put */ into .tandemignore to leave them out"
    if directory.get("include") or directory.get("exclude"):
        yield "spec.source.directory include and exclude: put what is left out into .tandemignore"
    if any(rule.get("jqPathExpressions") for rule in spec.get("ignoreDifferences") or ()):
        yield "spec.ignoreDifferences jqPathExpressions: write them as paths into spec.ignore of the Fabric"
    yield "if the repository is private: put its credentials into a Secret beside the Fabric, --credentials-secret"
    yield "hooks and sync waves have no counterpart: a document with argocd.argoproj.io/hook is applied as any other"


def _branch(source: Json) -> str:
    """The branch that targetRevision names; "" for HEAD."""
    revision = str(source.get("targetRevision") or "")
    return "" if revision in {"", "HEAD"} else revision.removeprefix("refs/heads/")


def _ignored(spec: Json) -> Iterator[Json]:
    """`ignoreDifferences` as ignore rules, as far as they name paths or managers for all objects of a kind."""
    for rule in spec.get("ignoreDifferences") or ():
        paths, managers = list(rule.get("jsonPointers") or ()), list(rule.get("managedFieldsManagers") or ())
        if not paths and not managers:
            continue
        kind, group = rule.get("kind", "*"), rule.get("group", "")
        named = f"{kind}.{group}" if group else kind
        kinds = {} if kind == "*" else {"kinds": [named]}
        yield kinds | ({"paths": paths} if paths else {}) | ({"managers": managers} if managers else {})


def _resources(body: Json) -> Iterator[Held]:
    for entry in (body.get("status") or {}).get("resources") or ():
        group, version = entry.get("group", ""), entry.get("version", "v1")
        api_version = f"{group}/{version}" if group else version
        yield Held(api_version, ObjectKey(group, entry["kind"], entry.get("namespace", ""), entry["name"]))
