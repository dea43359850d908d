"""Two Fabrics on one branch whose directories overlap: each would write the other's files. Pure.

Asked before a Fabric is written. Without that question nothing is lost: of two that declare one object, the second
gets `OwnedByOther`.
"""

from __future__ import annotations

from controller.errors import TandemError
from controller.git.remote import normalized_url
from controller.objects import Json
from controller.sync.profile import Profile

Place = tuple[str, str]
"""(normalised URL, branch)."""


def place_of(body: Json) -> Place | None:
    """What a Fabric follows, however it spells it; None if its URL cannot be read."""
    repository = body["spec"]["repository"]
    try:
        return normalized_url(repository["url"]), repository["branch"]
    except TandemError:
        return None


def overlap(asker: Profile, other: Profile) -> str:
    """How the directory of `asker` lies to that of `other`, if that is a clash; "" if the two get along.

    One directory may be brought to two places, as long as nothing is ever written to it.
    """
    if asker.source.branch != other.source.branch:
        return ""
    if normalized_url(asker.source.url) != normalized_url(other.source.url):
        return ""
    position = _position(asker.source.directory, other.source.directory)
    if not position or (not asker.writes and not other.writes and not _meet(asker, other)):
        return ""
    return position


def _position(mine: str, its: str) -> str:
    """How one directory lies to another; "" for side by side. "" as a directory is the root."""
    if mine == its:
        return "the same as"
    if not its or mine.startswith(f"{its}/"):
        return "inside"
    if not mine or its.startswith(f"{mine}/"):
        return "around"
    return ""


def _meet(asker: Profile, other: Profile) -> bool:
    """Whether one document could become one object of both."""
    mine, its = asker.scope, other.scope
    if asker.cluster != other.cluster:
        return False
    if mine.cluster_scoped and its.cluster_scoped:
        return True
    return mine.everywhere or its.everywhere or not set(mine.namespaces).isdisjoint(its.namespaces)
