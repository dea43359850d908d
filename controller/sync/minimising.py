"""What goes to Git is tried first: whatever the server would fill in by itself is left out of the document.

The effect half of `plan.minimise`: one dry-run creation under a probe name per change that adds fields, a second one
if the first was refused for a field that is needed after all. When the probe cannot answer, nothing is dropped.
"""

from __future__ import annotations

from collections.abc import Iterable

from controller.kube.apply import Writer
from controller.kube.errors import KubeError, RefusedError, UnreachableError
from controller.kube.resources import Resource
from controller.sync.plan.minimise import droppable, minimised, needed, probe
from controller.sync.plan.model import Change
from controller.sync.plan.schema import Schema
from controller.sync.state import FabricState

PROBES = 2  # the second leaves out what the first was refused for; a third would learn nothing new


async def minimised_changes(state: FabricState, changes: Iterable[Change]) -> list[Change]:
    """The changes, each with the smallest document that says the same. Raises UnreachableError."""
    found = []
    for change in changes:
        resource = None if change.document is None else state.view.resource(change.key, change.api_version)
        if resource is None:
            found.append(change)
            continue
        schema = state.reach.cluster.schemas.get(resource.api_version, resource.kind)
        found.append(await _minimised(state.reach.writer, change, resource, schema, state.profile.rules.manager))
    return found


async def _minimised(writer: Writer, change: Change, resource: Resource, schema: Schema, manager: str) -> Change:
    dropped = droppable(change, schema)
    for _ in range(PROBES):
        if not dropped or change.document is None:
            return change
        probed = probe(change.document, dropped, schema)
        try:
            answer = await writer.dry_run_create(resource, change.key, probed, manager)
        except UnreachableError:
            raise
        except RefusedError as error:
            kept = needed(error.fields, probed, dropped, schema)
            if not kept:
                return change
            dropped = tuple(path for path in dropped if path not in kept)
            continue
        except KubeError:
            return change  # not allowed to try, or the namespace is going: nothing is dropped
        return minimised(change, dropped, answer.content, schema)
    return change
