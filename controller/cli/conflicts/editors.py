"""The standing decision about a field manager: its name among the Fabric's editors, on one side of them."""

from __future__ import annotations

from controller.api.v1alpha1.fabric import Editors
from controller.cli.cluster import Cluster
from controller.kube.errors import ChangedMeanwhileError
from controller.kube.kinds import FABRICS
from controller.objects import Json

_GLOB = "*?["
_TRIES = 5  # somebody else edits the Fabric at the same time: rarely even twice


async def decide_manager(cluster: Cluster, fabric: str, manager: str, *, is_edit: bool) -> None:
    """Write the manager into the Fabric's editors.include or editors.exclude, and take it out of the other list."""
    for attempt in range(1, _TRIES + 1):
        found = await cluster.fabric(fabric)
        editors = editors_with(found.spec.sync.editors, manager, is_edit=is_edit)
        metadata = {"resourceVersion": found.metadata.resource_version}
        try:
            await cluster.patch(FABRICS, fabric, {"metadata": metadata, "spec": {"sync": {"editors": editors}}})
        except ChangedMeanwhileError:
            if attempt == _TRIES:
                raise
        else:
            return


def editors_with(editors: Editors, manager: str, *, is_edit: bool) -> Json:
    """The two lists with the manager in one of them only: where both match, exclude would win."""
    glob = escaped(manager)
    chosen, other = (editors.include, editors.exclude) if is_edit else (editors.exclude, editors.include)
    kept = [*chosen] if glob in chosen else [*chosen, glob]
    rest = [entry for entry in other if entry != glob]
    return {"include": kept, "exclude": rest} if is_edit else {"include": rest, "exclude": kept}


def escaped(manager: str) -> str:
    """A glob that matches this name only."""
    return "".join(f"[{character}]" if character in _GLOB else character for character in manager)
