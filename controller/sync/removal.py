"""Deleting a Fabric whose `onRemoval` is Prune: its objects go from the cluster, as long as they still are ours."""

from __future__ import annotations

from dataclasses import dataclass

from controller.api.meta import APPLY, DISABLED, IF_ABSENT, PRUNE, RECONCILE
from controller.errors import Reason
from controller.objects import Base, ObjectKey, decoded
from controller.sync.plan.model import Action, Actual, Change, Presence
from controller.sync.plan.normalize import annotations_of
from controller.sync.service import FabricService

LIST_PATIENCE = 30.0  # seconds to wait for the lists; what is unknown then is tried again at the back-off


@dataclass(slots=True)
class Left:
    """What a removal has still to do: `count` objects, `hidden` of which may not be seen; `problem`: what is denied."""

    count: int = 0
    hidden: int = 0
    problem: str = ""


async def remove_objects(service: FabricService) -> Left:
    """Delete every object with a base, unless somebody replaced it, or it is to stay. Returns what is left to do.

    Raises UnreachableError.
    """
    state, left = service.state, Left()
    if not state.bases:
        await service.ledger.load()
    versions = {(base.api_version, key.kind) for key, base in state.bases.items()}
    await state.view.resolve(versions)
    await state.view.cover(versions, state.bases)
    await state.view.wait_synced(LIST_PATIENCE)
    for key, base in sorted(state.bases.items()):
        resource = state.view.resource(key, base.api_version)
        actual = state.view.actual(key, base.api_version)
        if resource is None:
            service.ledger.forget(key)  # the kind is gone, and its objects with it
        elif actual.presence is Presence.UNKNOWN:
            left.count += 1
            if state.view.is_hidden(key, base.api_version):
                left.hidden += 1
                left.problem = actual.message
        elif actual.presence is Presence.ABSENT or _stays(service, key, base, actual):
            service.ledger.forget(key)
        else:
            left.count += 1
            if actual.presence is Presence.PRESENT:
                change = Change(key, Action.PRUNE, "onRemoval: Prune", actual=actual.content, uid=actual.uid)
                applied = await state.reach.applier.delete(change, resource)  # the next turn looks what came of it
                if applied.reason is Reason.FORBIDDEN:
                    left.problem = applied.message
    return left


def _stays(service: FabricService, key: ObjectKey, base: Base, actual: Actual) -> bool:
    """Whether the object is another one by now, another fabric's, or was to stay by its document or its own word."""
    if actual.uid != base.uid or service.is_anothers(key, actual):
        return True
    sides = (base.declared, actual.content)
    notes = {name: value for side in sides if side for name, value in annotations_of(decoded(side)).items()}
    return DISABLED in (notes.get(PRUNE), notes.get(RECONCILE)) or notes.get(APPLY) == IF_ABSENT
