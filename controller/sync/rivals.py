"""Two fabrics and one object, within one installation: who may take it over, who waits, who lets go. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from controller.objects import ObjectKey, decoded
from controller.runtime.configs import ConfigCache
from controller.sync.plan.model import Actual, Presence
from controller.sync.profile import Installation, Profile
from controller.sync.rivalry import NO_RIVAL, Rivalry
from controller.sync.service import FabricService


def rivalry(
    profile: Profile,
    key: ObjectKey,
    actual: Actual,
    installation: Installation,
    fabrics: ConfigCache,
    services: Iterable[FabricService],
) -> Rivalry:
    """What the other fabrics have to do with `key`, as `profile`'s fabric sees it."""
    own = profile.rules.manager
    others = [service for service in services if service.state.profile.uid != profile.uid]
    declared_elsewhere = any(
        service.state.profile.source.place == profile.source.place and service.state.declared.knows(key)
        for service in others
    )
    if actual.presence is not Presence.PRESENT or actual.managers.count(b'"tandem:') == 0:
        return Rivalry(declared_elsewhere=declared_elsewhere) if declared_elsewhere else NO_RIVAL
    rivals = {
        str(entry["manager"])
        for entry in decoded(actual.managers)
        if str(entry.get("manager", "")).startswith("tandem:") and entry["manager"] != own
    }
    if not rivals:
        return Rivalry(declared_elsewhere=declared_elsewhere) if declared_elsewhere else NO_RIVAL
    ours = f"tandem:{installation.id.replace('-', '')[:4]}:"
    by_manager = {service.state.profile.rules.manager: service for service in others}
    for rival in sorted(rivals):
        if not rival.startswith(ours):
            return Rivalry(declared_elsewhere=declared_elsewhere)  # another installation's: never forced over
        service = by_manager.get(rival)
        if service is None:
            if _is_alive(rival.removeprefix(ours), fabrics):
                return Rivalry(handover=f"{rival} has not been looked at yet", declared_elsewhere=declared_elsewhere)
            continue  # the fabric it stood for is gone
        if key in service.state.bases or service.state.declared.knows(key):
            return Rivalry(declared_elsewhere=declared_elsewhere)
    return Rivalry(takeover=True, declared_elsewhere=declared_elsewhere)


def _is_alive(name: str, fabrics: ConfigCache) -> bool:
    """Whether the Fabric `<namespace>/<name>` exists, suspended or not."""
    return any(f"{key.namespace}/{key.name}" == name for key in fabrics)
