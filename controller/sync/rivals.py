"""Two fabrics and one object, within one installation: who may take it over, who waits, who lets go.

    the asker declares it, and another's name is on it
        that fabric declares it too → conflict; is about to let go → wait; holds nothing of it, or is gone → take over
    the asker is about to let go of it
        wait until every fabric of the branch has planned the commit; one of them declares it → forget it

Reads what the others remember and the asker's own mirror; asks nobody and changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from controller.git.snapshot import Snapshot
from controller.objects import Json, ObjectKey, decoded
from controller.runtime.configs import ConfigCache
from controller.sync.naming import field_manager, installation_prefix
from controller.sync.plan.editors import FABRIC_PREFIX
from controller.sync.plan.model import Actual
from controller.sync.profile import Installation, Profile
from controller.sync.rivalry import Rivalry
from controller.sync.service import FabricService


@dataclass(frozen=True, slots=True)
class Rival:
    """Another Fabric of the installation: as the cluster holds it, and its service, if it has been looked at."""

    name: str
    body: Json
    service: FabricService | None

    @property
    def is_known(self) -> bool:
        """Whether it has been read what it holds."""
        service = self.service
        return service is not None and service.is_loaded and not service.recovery.is_waited_for

    def is_known_elsewhere(self, asker: FabricService) -> bool:
        """Whether its objects are in another cluster than the asker's: objects of one name have nothing in common."""
        service = self.service
        own = asker.state.reach.cluster.lifetime.uid
        return service is not None and service.state.reach.cluster.lifetime.uid != own

    @property
    def is_suspended(self) -> bool:
        """Whether it does nothing for now, and lets go of nothing."""
        return bool(self.body["spec"].get("suspend"))

    @property
    def is_stalled(self) -> bool:
        """Whether its spec cannot be worked with, so that it holds nothing."""
        conditions = self.body.get("status", {}).get("conditions", ())
        return any((one["type"], one["status"]) == ("Stalled", "True") for one in conditions)


def rivalry(
    profile: Profile,
    key: ObjectKey,
    actual: Actual,
    installation: Installation,
    fabrics: ConfigCache,
    services: Iterable[FabricService],
) -> Rivalry:
    """What the other fabrics have to do with `key`, as `profile`'s fabric sees it."""
    by_uid = {service.state.profile.uid: service for service in services}
    asker = by_uid.pop(profile.uid, None)
    rivals = {
        name: rival
        for name, rival in _rivals(profile, installation, fabrics, by_uid)
        if asker is None or not rival.is_known_elsewhere(asker)
    }
    mates = [
        rival for rival in rivals.values() if _place(rival.body) == profile.source.place and _is_near(rival, profile)
    ]
    elsewhere = any(mate.service is not None and mate.service.state.declared.knows(key) for mate in mates)
    names = _names_on(actual, profile.rules.manager)
    is_free = all(_is_free(rivals.get(name), name, installation, key) for name in names)
    if asker is None or asker.snapshot is None:
        return Rivalry(takeover=is_free, declared_elsewhere=elsewhere)
    commit, snapshot = asker.state.seen_commit, asker.snapshot
    lagging = [mate.name for mate in mates if not _has_planned(mate, commit, snapshot)]
    if asker.state.declared.knows(key):
        return _claim(names, rivals, installation, key, set(lagging))
    handover = f"Fabric {lagging[0]} has not planned commit {commit[:12]} yet" if lagging else ""
    return Rivalry(takeover=is_free, handover=handover, declared_elsewhere=elsewhere)


def _claim(
    names: Iterable[str], rivals: dict[str, Rival], installation: Installation, key: ObjectKey, lagging: set[str]
) -> Rivalry:
    """What stands between the asker and an object that it declares."""
    waits = ""
    released = []
    for name in names:
        rival = rivals.get(name)
        if _is_free(rival, name, installation, key):
            released += [name] if rival is not None else []
        elif rival is None:
            return Rivalry()  # another installation's: never forced over
        elif not rival.is_known or rival.is_suspended:
            state = "is suspended" if rival.is_suspended else "has not been looked at yet"
            waits = f"kept by Fabric {rival.name}, which {state}"
        elif rival.service is not None and not rival.service.state.declared.knows(key):
            waits = f"kept by Fabric {rival.name}, which is about to let go of it"
        elif rival.name in lagging:
            waits = f"kept by Fabric {rival.name}, which has not planned this commit yet"
        else:
            return Rivalry()
    return Rivalry(handover=waits) if waits else Rivalry(takeover=True, released=tuple(released))


def _rivals(
    profile: Profile, installation: Installation, fabrics: ConfigCache, by_uid: dict[str, FabricService]
) -> Iterator[tuple[str, Rival]]:
    """(field manager, Fabric) of every other Fabric; one whose deletion is over but for its finalizer is none."""
    for place in fabrics:
        body = fabrics.get(place)
        if body is None or body["metadata"]["uid"] == profile.uid:
            continue
        service = by_uid.get(body["metadata"]["uid"])
        if service is not None or "deletionTimestamp" not in body["metadata"]:
            name = f"{place.namespace}/{place.name}"
            yield field_manager(installation.id, place.namespace, place.name), Rival(name, body, service)


def _is_free(rival: Rival | None, name: str, installation: Installation, key: ObjectKey) -> bool:
    """Whether the name on the object stands for nothing any more: its fabric is gone, or holds nothing of it."""
    if rival is None:
        return name.startswith(installation_prefix(installation.id))
    if rival.service is None or not rival.is_known:
        return False
    state = rival.service.state
    return key not in state.bases and not state.declared.knows(key)


def _names_on(actual: Actual, own: str) -> list[str]:
    """The other fabrics' field managers on a live object, in order."""
    if actual.managers.count(FABRIC_PREFIX.encode()) == 0:
        return []
    names = {str(entry.get("manager", "")) for entry in decoded(actual.managers)}
    return sorted(name for name in names if name.startswith(FABRIC_PREFIX) and name != own)


def _has_planned(mate: Rival, commit: str, snapshot: Snapshot) -> bool:
    """Whether a fabric of the same branch has planned this commit, a later one, or one with the same directory.

    A directory that is not there declares nothing, whatever keeps its fabric from saying so.
    """
    tree = snapshot.tree_of(commit, mate.body["spec"]["repository"]["directory"])
    if tree is None:
        return True
    if mate.service is None or not mate.is_known:
        return mate.is_stalled
    state = mate.service.state
    if not state.planned_commit:
        return False
    if commit == state.planned_commit or tree == state.planned_tree:
        return True
    return snapshot.has(state.planned_commit) and snapshot.is_ancestor(commit, state.planned_commit)


def _is_near(rival: Rival, profile: Profile) -> bool:
    """Whether it has to be waited for: not one that was never reached, and by its spec is in another cluster."""
    return rival.service is not None or _cluster(rival.body) == profile.cluster


def _cluster(body: Json) -> tuple[str, str]:
    """As `Profile.cluster`."""
    secret = (body["spec"].get("target", {}).get("kubeconfigSecretRef") or {}).get("name", "")
    return (body["metadata"]["namespace"], secret) if secret else ("", "")


def _place(body: Json) -> tuple[str, str]:
    repository = body["spec"]["repository"]
    return repository["url"], repository["branch"]
