"""SyncConflicts as commands name them: by their own name, or by the object they are about."""

from __future__ import annotations

from controller.api.v1alpha1.syncconflict import SyncConflict
from controller.cli.cluster import Cluster
from controller.errors import Reason, RejectedError
from controller.kube.kinds import SYNC_CONFLICTS


async def find_conflict(cluster: Cluster, named: str) -> SyncConflict:
    """The SyncConflict of that name, or the open one of an object `Kind/name` or `Kind/namespace/name`.

    Raises RejectedError where there is none, or more than one.
    """
    if "/" not in named:
        return SyncConflict.from_object(await cluster.get(SYNC_CONFLICTS, named))
    found = [conflict for conflict in await open_conflicts(cluster) if is_about(conflict, named)]
    if len(found) == 1:
        return found[0]
    if not found:
        message = f"no open conflict of namespace {cluster.namespace} is about {named}"
        raise RejectedError(Reason.INVALID_SPEC, f"{message}; `{cluster.program} conflicts list -A` lists them all")
    names = ", ".join(conflict.metadata.name for conflict in found)
    raise RejectedError(Reason.INVALID_SPEC, f"{named} is in {len(found)} open conflicts: name one of {names}")


async def open_conflicts(cluster: Cluster, *, fabric: str = "", everywhere: bool = False) -> list[SyncConflict]:
    """The conflicts that wait for a decision, by namespace and name."""
    found = await all_conflicts(cluster, fabric=fabric, everywhere=everywhere)
    return [conflict for conflict in found if is_open(conflict)]


async def all_conflicts(cluster: Cluster, *, fabric: str = "", everywhere: bool = False) -> list[SyncConflict]:
    """The conflicts that the cluster holds, settled ones too."""
    items = await cluster.list(SYNC_CONFLICTS, everywhere=everywhere)
    found = [SyncConflict.from_object(item) for item in items]
    wanted = [conflict for conflict in found if fabric in {"", conflict.spec.fabric_ref.name}]
    return sorted(wanted, key=lambda conflict: (conflict.metadata.namespace, conflict.metadata.name))


def is_open(conflict: SyncConflict) -> bool:
    """Whether somebody still has to decide; one without a status was only just made."""
    return conflict.status.state is None or not conflict.status.state.is_final


def is_about(conflict: SyncConflict, named: str) -> bool:
    """Whether the conflict's object is `Kind/name` or `Kind/namespace/name`; the kind in any case."""
    shown = conflict.spec.object
    kind, _, rest = named.partition("/")
    namespace, _, name = rest.rpartition("/")
    return kind.lower() == shown.kind.lower() and name == shown.name and namespace in {"", shown.namespace}


def object_of(conflict: SyncConflict) -> str:
    """`Deployment/shop/web`."""
    shown = conflict.spec.object
    return "/".join(part for part in (shown.kind, shown.namespace, shown.name) if part)
