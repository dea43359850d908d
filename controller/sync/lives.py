"""The epoch of a fabric's record: which life of the cluster its bases were agreed in.

A cluster that was restored from a backup looks as if people had deleted and edited objects. It gives itself away: its
lists, or objects in them, are older than what we have seen. From then on the record counts as another life's, and
nothing is inferred from it until each object was planned again. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from controller.objects import Base
from controller.sync.plan.model import Actual
from controller.sync.profile import Profile


def are_older(lists: Mapping[str, str], seen: Mapping[str, str]) -> bool:
    """Whether a complete list is older than what was seen of it before. Both are path → resourceVersion."""
    return any(0 < _number(version) < _number(seen.get(path, "")) for path, version in lists.items())


def is_older(actual: Actual, base: Base, list_version: str) -> bool:
    """Whether a list that is later than our last write of the object shows the object as it was before that write.

    That is how a backup looks that was restored with its revisions set forward, as etcd recommends. `list_version` is
    that of the list; an earlier one tells nothing, because the write's own event may be still to come.
    """
    recorded = _number(base.resource_version)
    live = _number(actual.resource_version)
    return actual.uid == base.uid and 0 < live < recorded <= _number(list_version)


def latest(seen: Mapping[str, str], positions: Mapping[str, str]) -> dict[str, str]:
    """The later of two versions for each path."""
    return {path: max(seen.get(path, ""), positions.get(path, ""), key=_number) for path in sorted({*seen, *positions})}


def next_epoch(epoch: str) -> str:
    """The epoch after this one: `<cluster>/<database>`, then `<cluster>/<database>/1`, `…/2`."""
    cluster, database, *count = epoch.split("/")
    return f"{cluster}/{database}/{int(count[0]) + 1 if count else 1}"


def profile_in(epoch: str, profile: Profile) -> Profile:
    """The profile in the recorded epoch, if that is a later life of the cluster and database that the profile names."""
    if not epoch.startswith(f"{profile.rules.epoch}/"):
        return profile
    return replace(profile, rules=replace(profile.rules, epoch=epoch))


def _number(version: str) -> int:
    """The API server's own versions are numbers that grow; an extension server's need not be, and tell nothing."""
    return int(version) if version.isdecimal() else 0
