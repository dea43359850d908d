"""The custom resource definitions as the cluster has them, beside those that this program was made with."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from controller.api.crd import crd
from controller.api.v1alpha1 import KINDS
from controller.kube.client import KubeClient
from controller.kube.errors import NotFoundError
from controller.kube.resources import CRDS
from controller.objects import Json


class State(StrEnum):
    """How an installed definition compares."""

    SAME = "same as this program's"
    DIFFERENT = "another version than this program's"
    MISSING = "not installed"
    PENDING = "not established"


@dataclass(frozen=True, slots=True)
class Definition:
    """One kind: the definition's name, the versions that the cluster serves, and how it compares."""

    name: str
    served: tuple[str, ...]
    state: State


def wanted_definitions() -> list[Json]:
    """The definitions of this program."""
    return [crd(kind) for kind in KINDS]


async def installed_definitions(client: KubeClient) -> list[Definition]:
    """How each of our definitions stands in the cluster. Raises KubeError."""
    found = []
    for wanted in wanted_definitions():
        name = wanted["metadata"]["name"]
        try:
            live = await client.get(CRDS, "", name)
        except NotFoundError:
            live = None
        found.append(compared(live, wanted))
    return found


def compared(live: Json, wanted: Json) -> Definition:
    """A definition as the cluster holds it (None: not at all) beside ours. Only what we declare counts."""
    name = wanted["metadata"]["name"]
    if live is None:
        return Definition(name, (), State.MISSING)
    served = tuple(version["name"] for version in live["spec"]["versions"] if version["served"])
    if not is_established(live):
        return Definition(name, served, State.PENDING)
    same = _holds(live["spec"], wanted["spec"])
    return Definition(name, served, State.SAME if same else State.DIFFERENT)


def is_established(live: Json) -> bool:
    """Whether the API server serves the kind."""
    conditions = live.get("status", {}).get("conditions") or []  # null in the first moments after its creation
    return any(condition["type"] == "Established" and condition["status"] == "True" for condition in conditions)


def _holds(live: Json, wanted: Json) -> bool:
    """Whether the live value says all that ours says; the server adds defaults to maps, and nothing to lists."""
    if isinstance(wanted, dict) and isinstance(live, dict):
        return all(key in live and _holds(live[key], value) for key, value in wanted.items())
    if isinstance(wanted, list) and isinstance(live, list):
        return len(live) == len(wanted) and all(map(_holds, live, wanted))
    return bool(live == wanted)
