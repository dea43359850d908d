"""Who wrote what, as far as it can be proven: reviews of the API server held against what the watches then show.

A review says who asked, a step of a watch what came of it. Where the two meet, and only one user claims the step, the
write is credited to that user; a step that nobody claims is nobody's. All of it is memory, bounded by number and age:
what a restart loses is a name, and the rules that hold without one.
"""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from itertools import takewhile
from typing import Generic, TypeVar

import structlog

from controller.kube.projection import CachedObject, revision
from controller.kube.watch import Change
from controller.objects import Json, ObjectKey, decoded
from controller.sync.plan.diff import diff
from controller.sync.plan.editors import is_program
from controller.sync.plan.fieldpath import Item, Path, render_path
from controller.sync.plan.model import Credit, Deed, FieldEdit
from controller.sync.plan.schema import Schema
from controller.sync.reviews import Operation, Review, digest_of, digest_of_count, review_of

REVIEW_SECONDS = 10.0
"""From the question to the watch's line: other webhooks that are slower, and the writing itself.

Longer would not be safer: a deletion that somebody was refused must not be theirs when a program makes it later.
"""

REVIEWS = 20_000  # objects with reviews at once: what 2,000 writes a second leave behind in that time; 300 B each
CLAIMS = 16  # reviews of one version of one object: as many who write at once; beyond it nobody is named
TRAILS = 10_000  # objects with credits at once, the ones that were touched last
CREDITS = 64  # writes of one object between two commits
DELETIONS = 10_000  # deletions to be remembered until they are planned
LOGGED_PATHS = 20

_REPLICAS = ("spec", "replicas")

log = structlog.get_logger(__name__)

_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True)
class Trail:
    """The writes of one object that were followed without a gap, up to the resourceVersion `followed`."""

    followed: str
    credits: tuple[Credit, ...] = ()


class Recent(Generic[_Value]):
    """What was put last, by key; the oldest goes where there are too many."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._held: OrderedDict[str, _Value] = OrderedDict()

    def get(self, key: str) -> _Value | None:
        """What was put under the key, if it is still held."""
        return self._held.get(key)

    def put(self, key: str, value: _Value) -> None:
        """Hold this under the key, as the newest."""
        self._held[key] = value
        self._held.move_to_end(key)
        if len(self._held) > self._most:
            self._held.popitem(last=False)

    def drop(self, key: str) -> None:
        """Hold nothing under the key."""
        self._held.pop(key, None)

    def oldest(self) -> _Value | None:
        """The one that would go next."""
        return next(iter(self._held.values()), None)

    def drop_oldest(self) -> None:
        """Let it go."""
        self._held.popitem(last=False)


@dataclass(slots=True)
class Attribution:
    """The memory of one process. `read` may be called in any thread, the rest in the loop of the watches.

    `wall`: seconds since 1970. `count` is told of each review (`told`, `ignored`) and of each step that is credited
    (`credited`).
    """

    wall: Callable[[], float]
    count: Callable[[str], None] = lambda _: None
    _key: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)
    _reviews: Recent[tuple[Review, ...]] = field(default_factory=lambda: Recent(REVIEWS))
    _trails: Recent[Trail] = field(default_factory=lambda: Recent(TRAILS))
    _deletions: Recent[Deed] = field(default_factory=lambda: Recent(DELETIONS))

    def read(self, body: Json) -> Review | None:
        """What is to be noted of an AdmissionReview, if anything. Takes `body` over."""
        review = review_of(body, self._key, self.wall())
        self.count("ignored" if review is None else "told")
        return review

    def note(self, review: Review) -> None:
        """Somebody asked for a write. Has to be called before the API server is answered."""
        self._forget_old(review.time)
        place = _place(review.uid, review.before)
        claims = self._reviews.get(place) or ()
        self._reviews.put(place, (*claims, review)[: CLAIMS + 1])

    def follow(self, change: Change, schema: Callable[[], Schema]) -> None:
        """A watch shows a step of an object that a fabric keeps. Several fabrics may tell of the same one."""
        old, new = change.old, change.new
        if new is not None and old is not None:
            self._follow_update(change.key, old, new, schema)
        elif new is not None:
            self._follow_creation(change.key, new)
        elif old is not None and not old.deleting:
            self._follow_deletion(change.key, old)

    def credits(self, uid: str, resource_version: str, since: str) -> tuple[Credit, ...]:
        """The writes that made the object what it is at `resource_version`, after the one that made it `since`."""
        trail = self._trails.get(uid)
        if trail is None or trail.followed != resource_version:
            return ()
        return tuple(credit for credit in trail.credits if credit.version > revision(since))

    def deletion(self, uid: str) -> Deed | None:
        """Who deleted the object of this uid, if that is known."""
        return self._deletions.get(uid)

    # --- steps -----------------------------------------------------------------------------------------------------

    def _follow_creation(self, key: ObjectKey, new: CachedObject) -> None:
        claim = self._claim(new.uid, "", Step(new, self._key).is_asked_by)
        if claim is not None and self._trails.get(new.uid) is None:
            self._trails.put(new.uid, Trail(new.resource_version, (_credit(claim, ((),), new),)))
            self._tell(key, claim, ())

    def _follow_update(
        self, key: ObjectKey, old: CachedObject, new: CachedObject, schema: Callable[[], Schema]
    ) -> None:
        if new.deleting and not old.deleting:
            self._follow_deletion(key, old)
        trail = self._trails.get(new.uid)
        if trail is None and self._reviews.get(_place(new.uid, old.resource_version)) is None:
            return
        if trail is not None and revision(trail.followed) >= revision(new.resource_version):
            return
        edits = [] if old.content == new.content else diff(decoded(old.content), decoded(new.content), schema())
        claim = self._claim(new.uid, old.resource_version, Step(new, self._key, edits).is_asked_by) if edits else None
        if trail is None and claim is None:
            return
        known = trail.credits if trail is not None and trail.followed == old.resource_version else ()
        paths = tuple(edit.path for edit in edits)
        credited = (_credit(claim, paths, new),) if edits else ()
        self._trails.put(new.uid, Trail(new.resource_version, (*known, *credited)[-CREDITS:]))
        if claim is not None:
            self._tell(key, claim, paths)

    def _follow_deletion(self, key: ObjectKey, old: CachedObject) -> None:
        claim = self._claim(old.uid, old.resource_version, lambda review: review.operation is Operation.DELETE)
        if claim is not None and self._deletions.get(old.uid) is None:
            self._deletions.put(old.uid, Deed(claim.user, claim.time))
            self._tell(key, claim, ())

    # --- reviews ---------------------------------------------------------------------------------------------------

    def _claim(self, uid: str, before: str, proves: Callable[[Review], bool]) -> Review | None:
        """The review of the only user who asked for this step; None where that was nobody, or more than one."""
        claims = self._reviews.get(_place(uid, before)) or ()
        if len(claims) > CLAIMS:
            return None
        young = self.wall() - REVIEW_SECONDS
        found = [review for review in claims if review.time >= young and proves(review)]
        return found[-1] if len({review.user for review in found}) == 1 and found[-1].user else None

    def _tell(self, key: ObjectKey, claim: Review, paths: Sequence[Path]) -> None:
        """For whoever reads the log later. Programs write all the time, and say little by it."""
        self.count("credited")
        tell = log.debug if is_program(claim.user) else log.info
        tell(
            "a write is attributed",
            object=str(key),
            operation=claim.operation.value,
            user=claim.user,
            groups=claim.groups,
            manager=claim.manager,
            asked=datetime.fromtimestamp(claim.time, UTC).isoformat(timespec="milliseconds"),
            paths=sorted({render_path(_nameable(path)) for path in paths})[:LOGGED_PATHS],
        )

    def _forget_old(self, now: float) -> None:
        """Let go of what no step will prove any more; the oldest come first."""
        while (oldest := self._reviews.oldest()) is not None and oldest[-1].time < now - REVIEW_SECONDS:
            self._reviews.drop_oldest()


@dataclass(frozen=True)
class Step:
    """What a watch shows an object to have become, and the edits that led there."""

    new: CachedObject
    key: bytes = field(repr=False)
    edits: Sequence[FieldEdit] = ()

    @cached_property
    def whole(self) -> bytes:
        """What the object is known by."""
        return digest_of(self.new, self.key)

    def is_asked_by(self, review: Review) -> bool:
        """Whether the review's write would have made the object exactly this."""
        if review.operation is Operation.DELETE:
            return False
        if not review.scales:
            return review.digest == self.whole
        is_scaling = [edit.path for edit in self.edits] == [_REPLICAS] and self.edits[0].new_present
        return is_scaling and review.digest == digest_of_count(self.edits[0].new, self.key)


def _place(uid: str, before: str) -> str:
    return f"{uid}@{before}"


def _credit(claim: Review | None, paths: tuple[Path, ...], new: CachedObject) -> Credit:
    version = revision(new.resource_version)
    return Credit("", paths, version) if claim is None else Credit(claim.user, paths, version, claim.time)


def _nameable(path: Path) -> Path:
    """The path up to where it tells a value: an item of a set is its own."""
    return tuple(takewhile(lambda segment: not isinstance(segment, Item), path))
