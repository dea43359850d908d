"""Who wrote which paths, as a list of commits: one for each person, in the order of their edits. Pure.

    changes by file  →  parts, each somebody's share of them  →  one commit a part, one push for all

What several people wrote so that no document between them would be one, goes into one part that names them all.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from urllib.parse import quote

from controller.git.commit import Person
from controller.objects import ObjectKey, canonical, decoded
from controller.sync.plan.conflicts import is_secret
from controller.sync.plan.editors import is_program
from controller.sync.plan.fieldpath import Path, meet
from controller.sync.plan.model import Change, Deed, FieldEdit
from controller.sync.plan.schema import Schema, Shape
from controller.sync.plan.tree import ABSENT, assign, discard, lookup
from controller.sync.profile import Profile

NOBODYS_DOMAIN = "users.noreply.invalid"
"""Of the address of a person whom nobody gave one. The domain cannot exist, so no forge takes it for somebody's."""

PARTS = 20  # commits of one push; what more people did goes into the last one, which names them all

_BY_PIECES = frozenset({Shape.MAP, Shape.KEYED, Shape.SET})
"""Containers that are one with any of their elements; half of anything else is none."""

Users = tuple[str, ...]
"""Those who made something together; "" among them is somebody unknown."""


@dataclass(frozen=True, slots=True)
class Sides:
    """What a change is divided by: what Git declares now (b"": nothing), and the field types."""

    declared: bytes
    schema: Schema


SidesOf = Callable[[Change], Sides]


@dataclass(frozen=True, slots=True)
class Part:
    """What one commit holds: the share of these users in each object, with its document as it is after them.

    `time`: of their last edit, in seconds since 1970; 0 if that is not known.
    """

    users: Users
    time: float
    changes: Mapping[ObjectKey, Change]


@dataclass(frozen=True, slots=True)
class _Share:
    """What users did to one object."""

    users: Users
    change: Change
    edits: tuple[FieldEdit, ...]
    deeds: tuple[Deed, ...]


def parts_of(files: Mapping[str, Sequence[Change]], sides: SidesOf, joined: Collection[str] = ()) -> list[Part]:
    """The changes of all files divided among those who made them, in the order in which they began.

    `joined`: files that are written at once, whoever made the changes. What nobody is known to have done comes first.
    The last part of each object has its whole document.
    """
    shares: list[_Share] = []
    for path, changes in files.items():
        if path in joined:
            users = _users(deed for change in changes for deed in _deeds(change))
            shares += [_Share(users, change, change.edits, _deeds(change)) for change in changes]
        else:
            shares += [share for change in changes for share in _shares(change, sides(change))]
    shares = _bounded(shares)
    order = _in_order(shares)
    by_object: dict[ObjectKey, list[_Share]] = {}
    for share in shares:
        by_object.setdefault(share.change.key, []).append(share)
    return [_part(users, order[: place + 1], by_object, sides) for place, users in enumerate(order)]


def together(changes: Sequence[Change]) -> Part:
    """All changes as one part, which names everybody who had a hand in any of them."""
    deeds = [deed for change in changes for deed in _deeds(change)]
    return Part(_users(deeds), max(deed.time for deed in deeds), {change.key: change for change in changes})


def author_of(profile: Profile, users: Users) -> Person:
    """Whom a commit of these users' edits names as its author: the one person who made them, else the Fabric's."""
    source = profile.source
    identity = profile.identities.get(users[0]) if len(users) == 1 else None
    if identity is not None:
        return Person(identity.name, identity.email)
    if len(users) != 1 or not users[0] or is_program(users[0]):
        return Person(source.author_name, source.author_email)
    return _person(users[0])


def _person(user: str) -> Person:
    """Somebody whom only the cluster knows. A name that a commit cannot say as it is, is said as in its trailers."""
    encoded = quote(user, safe="")
    is_plain = user.isprintable() and user == user.strip() and not {"<", ">"} & set(user)
    return Person(user if is_plain else encoded, f"{encoded}@{NOBODYS_DOMAIN}")


# ---- one object ----


def _shares(change: Change, sides: Sides) -> Iterator[_Share]:
    """The object's edits by user, if each user's can stand without the others'; else all of them, as everybody's."""
    deeds = _deeds(change)
    if len(_users(deeds)) > 1 and _is_divisible(change, sides):
        for user in _users(deeds):
            edits = tuple(edit for edit in change.edits if edit.user == user)
            yield _Share((user,), change, edits, tuple(deed for deed in deeds if deed.user == user))
    else:
        yield _Share(_users(deeds), change, change.edits, deeds)


def _deeds(change: Change) -> tuple[Deed, ...]:
    """Who had a hand in the change; what is decided for people, and what nobody is known for, is done by ""."""
    if change.makers or not change.edits:
        return change.makers or (Deed("", 0.0),)
    return tuple(Deed(edit.user, edit.edited_at) for edit in change.edits)


def _users(deeds: Iterable[Deed]) -> Users:
    """Everybody once, in the order of their first deeds."""
    return tuple(dict.fromkeys(deed.user for deed in sorted(deeds, key=lambda deed: deed.time)))


def _is_divisible(change: Change, sides: Sides) -> bool:
    """Whether every user's edits make a document without those of the users after them."""
    if is_secret(change.key) or change.makers or change.document is None or not sides.declared:
        return False
    if document_with(change.edits, change, sides) != change.document:
        return False  # not everything in it is an edit
    declared = decoded(sides.declared)
    edits = [(edit.user, edit.path, _anchor(declared, edit.path, sides.schema)) for edit in change.edits]
    return not any(
        one[0] != other[0] and (meet(one[1], other[1]) or one[2] == other[2]) for one, other in combinations(edits, 2)
    )


def document_with(edits: Iterable[FieldEdit], change: Change, sides: Sides) -> bytes:
    """The declared document with some of the change's edits; its lists are in the order of the change's document."""
    tree, like = decoded(sides.declared), decoded(change.document or b"{}")
    for edit in edits:
        if edit.new_present:
            tree = assign(tree, edit.path, edit.new, sides.schema, like=like)
        else:
            discard(tree, edit.path, sides.schema, like=like)
    return canonical(tree)


def _anchor(declared: object, path: Path, schema: Schema) -> Path:
    """The topmost thing that the path makes and that is of one piece; the path itself where it makes none."""
    for depth in range(1, len(path) + 1):
        if lookup(declared, path[:depth], schema) is ABSENT and schema.at(path[:depth]).shape not in _BY_PIECES:
            return path[:depth]
    return path


# ---- all of them ----


def _in_order(shares: Sequence[_Share]) -> list[Users]:
    begun: dict[Users, float] = {}
    for share in shares:
        first = min(deed.time for deed in share.deeds)
        begun[share.users] = min(first, begun.get(share.users, first))
    return sorted(begun, key=lambda users: (begun[users], users))


def _bounded(shares: list[_Share]) -> list[_Share]:
    """The shares, with those of the users who came too late for a commit of their own as everybody's."""
    late = _in_order(shares)[PARTS - 1 :]
    if len(late) < 2:
        return shares
    everybody = tuple(dict.fromkeys(user for users in late for user in users))
    return [replace(share, users=everybody) if share.users in late else share for share in shares]


def _part(
    users: Users, so_far: Collection[Users], by_object: Mapping[ObjectKey, Sequence[_Share]], sides: SidesOf
) -> Part:
    changes: dict[ObjectKey, Change] = {}
    last = 0.0
    for key, shares in by_object.items():
        theirs = [share for share in shares if share.users == users]
        if not theirs:
            continue
        whole = theirs[0].change
        written = [edit for share in shares if share.users in so_far for edit in share.edits]
        is_all = all(share.users in so_far for share in shares)
        document = whole.document if is_all else document_with(written, whole, sides(whole))
        changes[key] = replace(whole, document=document, edits=tuple(edit for share in theirs for edit in share.edits))
        last = max(last, *(deed.time for share in theirs for deed in share.deeds))
    return Part(users, last, changes)
