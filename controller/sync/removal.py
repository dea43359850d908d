"""Deleting a Fabric whose `onRemoval` is Prune: its objects go from the cluster, as long as they still are ours."""

from __future__ import annotations

from controller.kube.errors import KubeError, UnreachableError
from controller.sync.plan.model import Action, Change, Presence
from controller.sync.service import FabricService
from controller.sync.tools import Tools


async def remove_objects(tools: Tools, service: FabricService) -> int:
    """Delete every object with a base, unless somebody changed or replaced it. Returns how many are still there.

    Raises UnreachableError.
    """
    state = service.state
    if not state.bases:
        await service.ledger.load()
    versions = {(base.api_version, key.kind) for key, base in state.bases.items()}
    await state.view.resolve(versions)
    state.view.cover(versions)
    await state.view.wait_synced(30.0)
    left = 0
    for key, base in sorted(state.bases.items()):
        resource = state.view.resource(key, base.api_version)
        actual = state.view.actual(key, base.api_version)
        if actual.presence is Presence.UNKNOWN:
            left += 1
            continue
        if resource is None or actual.presence is Presence.ABSENT or actual.uid != base.uid:
            service.ledger.forget(key)
            continue
        left += 1
        if actual.presence is Presence.PRESENT:
            change = Change(key, Action.PRUNE, "onRemoval: Prune", actual=actual.content, uid=actual.uid)
            try:
                await tools.applier.delete(change, resource)
            except UnreachableError:
                raise
            except KubeError:
                continue  # counted as left: tried again at the back-off
    return left
