"""Flux and Argo CD, as `tandem adopt` knows them: how their objects are found, and what of theirs comes off."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from controller.cli.adoption import argocd, flux
from controller.cli.adoption.candidate import (
    APPLICATIONS,
    GIT_REPOSITORIES,
    KUSTOMIZATIONS,
    Candidate,
    Wishes,
    as_it_was,
)
from controller.cli.adoption.handover import Stamps
from controller.errors import Reason, RejectedError
from controller.kube.client import KubeClient
from controller.kube.errors import KindUnknownError
from controller.kube.resources import Resource
from controller.objects import Json


@dataclass(frozen=True, slots=True)
class OtherTool:
    """`managers`: its field managers. `stamps`: the pointers of its labels and annotations on an object."""

    title: str
    kind: Resource
    managers: frozenset[str]
    stamps: Stamps


def _flux_stamps(live: Json) -> Iterable[str]:
    return [_pointer("labels", label) for label in flux.taken_off(live["metadata"].get("labels") or ())]


def _argocd_stamps(live: Json) -> Iterable[str]:
    annotations = live["metadata"].get("annotations") or {}
    return [_pointer("annotations", name) for name in argocd.ANNOTATIONS if name in annotations]


def _pointer(where: str, name: str) -> str:
    return f"/metadata/{where}/{name.replace('~', '~0').replace('/', '~1')}"


TOOLS = {
    "flux": OtherTool("Flux", KUSTOMIZATIONS, flux.MANAGERS, _flux_stamps),
    "argocd": OtherTool("Argo CD", APPLICATIONS, argocd.MANAGERS, _argocd_stamps),
}


async def candidates(client: KubeClient, tool: OtherTool, namespace: str | None, wishes: Wishes) -> list[Candidate]:
    """Everything that the tool manages from one namespace, or (None) from all, by name. Raises KubeError."""
    try:
        found = await client.list_all(tool.kind, namespace)
        if tool.kind is KUSTOMIZATIONS:
            repositories = await client.list_all(GIT_REPOSITORIES)
            made = [flux.kustomization_candidate(as_it_was(body), repositories, wishes) for body in found]
        else:
            made = [argocd.application_candidate(as_it_was(body), wishes) for body in found]
    except KindUnknownError:
        message = f"{client.server} does not know {tool.kind.plural}.{tool.kind.group}/{tool.kind.version}"
        raise RejectedError(Reason.KIND_UNKNOWN, f"{message}: {tool.title} is not there, or another version") from None
    return sorted(made, key=lambda one: (one.namespace, one.name))
