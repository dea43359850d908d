"""A Fabric's finalizer: put on before anything is done for it, taken off when everything it leaves is settled.

What a deleted Fabric leaves goes in this order: its objects as `onRemoval` says, its rows, the finalizer. Ended
anywhere, the next turn goes on from there.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import structlog

from controller.api.meta import FINALIZER
from controller.api.v1alpha1.fabric import Fabric, OnRemoval
from controller.errors import Reason, StalledError, WaitingError
from controller.kube.errors import NotFoundError
from controller.kube.kinds import FABRICS
from controller.kube.resources import NAMESPACES
from controller.objects import Json, ObjectKey
from controller.sync.conflicts import MANAGER
from controller.sync.entry import Entry
from controller.sync.reach import OtherClusterError
from controller.sync.removal import Left, remove_objects
from controller.sync.tools import Tools

log = structlog.get_logger(__name__)

Admit = Callable[[ObjectKey, Fabric], Awaitable[Entry]]
"""The fabric's service; raises StalledError or OtherClusterError where it cannot be worked for."""

Tell = Callable[[ObjectKey, WaitingError], Awaitable[None]]
"""Writes into the Fabric's status what keeps it."""


class Departure:
    """Finalizers of all Fabrics."""

    def __init__(self, tools: Tools, admit: Admit, tell: Tell) -> None:
        self._tools = tools
        self._admit = admit
        self._tell = tell

    async def prepare(self, key: ObjectKey, fabric: Fabric) -> None:
        """Have the finalizer on a Fabric: no deletion may pass unseen. Raises NotFoundError, ChangedMeanwhileError."""
        if FINALIZER not in fabric.metadata.finalizers:
            await self._write(key, fabric, (*fabric.metadata.finalizers, FINALIZER))

    async def settle(self, key: ObjectKey, fabric: Fabric) -> bool:
        """One step towards the end of a Fabric that is being deleted; whether that is reached. Raises KubeError."""
        if FINALIZER not in fabric.metadata.finalizers:
            return True
        if fabric.spec.deletion.on_removal is OnRemoval.PRUNE:
            left = await self._remove_objects(key, fabric)
            if left.count:
                await self._tell_left(key, left)
                return False
        await self._tools.store.fabrics.drop(fabric.metadata.uid)
        try:
            await self._write(key, fabric, tuple(name for name in fabric.metadata.finalizers if name != FINALIZER))
        except NotFoundError:
            log.debug("the Fabric was gone already", fabric=str(key))
        return True

    async def _remove_objects(self, key: ObjectKey, fabric: Fabric) -> Left:
        """Prune what the fabric holds. Returns what is left of it.

        A Fabric whose spec cannot be worked with holds nothing; it must not stay for ever for that. Nor must one whose
        namespace goes, and with it the Secret or the rights that lead to its objects.
        """
        try:
            entry = await self._admit(key, fabric)
        except (StalledError, OtherClusterError) as error:
            if not isinstance(error, StalledError) and not await self._is_going(key.namespace):
                raise
            log.warning("the Fabric goes without its objects", fabric=str(key), problem=error.message)
            return Left()
        left = await remove_objects(entry.service)
        if left.count and left.count == left.hidden and await self._is_going(key.namespace):
            log.warning("the Fabric goes without its objects", fabric=str(key), problem=left.problem)
            return Left()
        return left

    async def _is_going(self, namespace: str) -> bool:
        """Whether the namespace of a Fabric is being deleted."""
        found = await self._tools.writer.read(NAMESPACES, NAMESPACES.key("", namespace))
        return found is None or found.deleting

    async def _tell_left(self, key: ObjectKey, left: Left) -> None:
        """Say why a deleted Fabric stays, where that does not pass by itself."""
        if left.problem:
            told = f"{left.count} objects are left to delete: {left.problem}; or set spec.deletion.onRemoval to Orphan"
            await self._tell(key, WaitingError(Reason.FORBIDDEN, told))

    async def _write(self, key: ObjectKey, fabric: Fabric, finalizers: tuple[str, ...]) -> None:
        metadata: Json = {
            "uid": fabric.metadata.uid,
            "resourceVersion": fabric.metadata.resource_version,
            "finalizers": list(finalizers),
        }
        await self._tools.writer.merge(FABRICS, key, {"metadata": metadata}, MANAGER)
