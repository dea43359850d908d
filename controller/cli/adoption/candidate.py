"""One thing that another tool manages, as a Fabric would go on with it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson

from controller.api.meta import API_VERSION
from controller.kube.resources import Resource
from controller.objects import Json, ObjectKey, canonical

BEFORE = "tandem.dev/before-adoption"
"""On the tool's object: the merge patch that gives its objects back to it."""

KUSTOMIZATIONS = Resource("kustomize.toolkit.fluxcd.io", "v1", "Kustomization", "kustomizations", namespaced=True)
GIT_REPOSITORIES = Resource("source.toolkit.fluxcd.io", "v1", "GitRepository", "gitrepositories", namespaced=True)
APPLICATIONS = Resource("argoproj.io", "v1alpha1", "Application", "applications", namespaced=True)


class Held(NamedTuple):
    """An object that the other tool keeps, in the version that it names."""

    api_version: str
    key: ObjectKey


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the flags say, "" where they leave it open."""

    fabric: str = ""
    namespace: str = ""  # where the Fabric is to live
    branch: str = ""
    direction: str = ""
    credentials: str = ""
    service_account: str = ""


@dataclass(frozen=True, slots=True)
class Candidate:
    """What is to be adopted.

    `problems` keep it from being adopted, each with what to do; `notes` are to be known. `release` is the merge patch
    that makes the tool leave the objects alone for good, `regret` the one that gives them back to it; it is kept on the
    tool's object, so that a second call knows how things were.
    """

    resource: Resource
    namespace: str
    name: str
    fabric: Json
    objects: tuple[Held, ...]
    problems: tuple[str, ...]
    notes: tuple[str, ...]
    release: Json
    regret: Json
    steps: tuple[str, ...]

    @property
    def title(self) -> str:
        """`Kustomization flux-system/apps`."""
        return f"{self.resource.kind} {self.namespace}/{self.name}"

    @property
    def place(self) -> tuple[str, str]:
        """(namespace, name) of the Fabric."""
        return self.fabric["metadata"]["namespace"], self.fabric["metadata"]["name"]


def as_it_was(body: Json) -> Json:
    """The tool's object before a first call released it, however often it was called."""
    kept = (body["metadata"].get("annotations") or {}).get(BEFORE, "")
    try:
        before = orjson.loads(kept)
    except orjson.JSONDecodeError:
        return body
    return _merged(body, before) if isinstance(before, dict) else body


def with_memory(candidate: Candidate) -> Json:
    """The patch that releases, and notes how to go back."""
    annotations = {"annotations": {BEFORE: canonical(candidate.regret).decode()}}
    return {**candidate.release, "metadata": {**candidate.release.get("metadata", {}), **annotations}}


def way_back(candidate: Candidate) -> Json:
    """The patch that gives the objects back to the tool, and takes the note off."""
    return {**candidate.regret, "metadata": {**candidate.regret.get("metadata", {}), "annotations": {BEFORE: None}}}


def _merged(value: Json, patch: Json) -> Json:
    """A merge patch (RFC 7396), applied."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(value) if isinstance(value, dict) else {}
    for name, one in patch.items():
        if one is None:
            merged.pop(name, None)
        else:
            merged[name] = _merged(merged.get(name), one)
    return merged


def fabric_of(namespace: str, name: str, spec: Mapping[str, Any]) -> Json:
    """A Fabric with this spec; what is empty is left to its default."""
    return {
        "apiVersion": API_VERSION,
        "kind": "Fabric",
        "metadata": {"name": name, "namespace": namespace},
        "spec": _filled(spec),
    }


def target_of(first: str, own: str, objects: Iterable[Held]) -> dict[str, Json]:
    """`spec.target` for these objects: namespaces, `first` (if any) before the others, the own one alone left out."""
    held = list(objects)
    found = sorted({one.key.namespace for one in held if one.key.namespace})
    namespaces = list(dict.fromkeys([*([first] if first else []), *found]))
    return {
        "namespaces": [] if namespaces == [own] else namespaces,
        "clusterScoped": any(not one.key.namespace for one in held),
    }


def reach_notes(fabric: Json) -> list[str]:
    """What has to be open for the Fabric, and what it may be."""
    own, target = fabric["metadata"]["namespace"], fabric["spec"].get("target", {})
    account = target.get("serviceAccountName", "default")
    notes = [
        f"it acts as the service account {account} of {own}, which needs the rights on these objects: "
        "docs/operations.md, Rights"
    ]
    others = [namespace for namespace in target.get("namespaces", ()) if namespace != own]
    if target.get("clusterScoped"):
        notes.append("cluster-scoped objects need a controller with --allow-namespaces '*'")
    elif others:
        notes.append(f"the controller has to run with --allow-namespaces {','.join(others)}")
    return notes


def directory_of(path: str) -> str:
    """A Fabric's directory of `./apps/`, `/apps`, `.` and nothing."""
    return "/".join(part for part in path.split("/") if part not in {"", "."}) or "."


def _filled(value: Json) -> Json:
    """Without what is empty or false, which are the defaults; false is kept where it is none."""
    if not isinstance(value, Mapping):
        return value
    filled = {name: _filled(one) for name, one in value.items()}
    return {name: one for name, one in filled.items() if one not in ({}, [], "", None) and (one or name == "prune")}
