"""What is kept of an AdmissionReview: who asked for which write, and by what its success will be known. Pure.

The API server asks before it writes, and whoever is asked after us may refuse. So a review is a claim: its digest is of
the object as it would be stored, whole, with its managers and their times. A watch that then shows this very object,
made from the version that the review names, proves it. Nothing of the object itself is kept.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

import orjson

from controller.kube.projection import CachedObject, project
from controller.objects import Json, canonical
from controller.sync.plan.editors import FABRIC_PREFIX

USER_LENGTH = 256  # characters; a longer name is kept as nobody's: it would have to be cut, and could then be another's
GROUPS = 16  # of a user, for the log; one in more groups than this is known by the first of them
GROUP_LENGTH = 128
MANAGER_LENGTH = 128  # as the API server bounds it

_SCALE = "scale"


class Operation(StrEnum):
    """What a write does, as admission names it."""

    CREATE = "CREATE"
    UPDATE = "UPDATE"
    DELETE = "DELETE"


@dataclass(frozen=True, slots=True)
class Review:
    """A write that somebody asked for. `before`: the resourceVersion it was made from, "" for a creation.

    `digest`: of the object after it, or, if `scales`, of the count in it; b"" for a deletion. `user` "" is somebody
    who cannot be named. `time`: when it was asked for, in seconds since 1970.
    """

    operation: Operation
    uid: str
    before: str
    digest: bytes
    user: str
    groups: tuple[str, ...]
    manager: str
    time: float
    scales: bool = False


def review_of(body: Json, key: bytes, now: float) -> Review | None:
    """The review in a decoded AdmissionReview; None for what writes nothing that is followed, and for what is none.

    A dry-run writes nothing; of the subresources only `scale` changes what documents say. What a fabric itself applies
    is nobody's edit. Takes the object in `body` over. Never raises.
    """
    try:
        return _review(body["request"], key, now)
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


def digest_of(live: CachedObject, key: bytes) -> bytes:
    """What an object is known by: all that documents could say of it, its managers, and when each of them wrote.

    Keyed, because a Secret's short values could be guessed from a plain digest.
    """
    managers = canonical(orjson.loads(live.managers))
    return hmac.digest(key, live.content + b"\0" + managers, "sha256")


def digest_of_count(count: Json, key: bytes) -> bytes:
    """What the count of a scale is known by."""
    return hmac.digest(key, canonical(count), "sha256")


def _review(request: Json, key: bytes, now: float) -> Review | None:
    operation = Operation(request["operation"])
    scales = request.get("subResource", "") == _SCALE
    manager = _text((request.get("options") or {}).get("fieldManager", ""), MANAGER_LENGTH)
    if request.get("dryRun") or (request.get("subResource") and not scales) or manager.startswith(FABRIC_PREFIX):
        return None
    old, new = request.get("oldObject"), request.get("object")
    metadata = (new if operation is Operation.CREATE else old)["metadata"]
    who = request["userInfo"]
    return Review(
        operation=operation,
        uid=str(metadata["uid"]),
        before="" if operation is Operation.CREATE else str(metadata["resourceVersion"]),
        digest=_digest(operation, new, key, scales=scales),
        user=_text(who.get("username", ""), USER_LENGTH),
        groups=_groups(who.get("groups") or ()),
        manager=manager,
        time=now,
        scales=scales,
    )


def _digest(operation: Operation, new: Json, key: bytes, *, scales: bool) -> bytes:
    if operation is Operation.DELETE:
        return b""
    if scales:
        return digest_of_count(new["spec"].get("replicas", 0), key)
    return digest_of(project(new), key)


def _text(value: Json, most: int) -> str:
    """The text as it is; "" for one that is too long to be kept whole."""
    return value if isinstance(value, str) and len(value) <= most else ""


def _groups(names: Iterable[Json]) -> tuple[str, ...]:
    return tuple(str(name)[:GROUP_LENGTH] for name in list(names)[:GROUPS])
