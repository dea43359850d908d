"""What a list and a watch together show, as one consistent memory of the objects. Pure.

Three tellers disagree about the order of things: a list that took a while, the lines of the watch, and the answers to
our own writes, which usually come before their echo on the watch. This is where they are put in order; the rules are
few and each is a test, so no network is needed to try them.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

from controller.kube.projection import CachedObject, revision

Name = tuple[str, str]  # (namespace, name); the namespace of a cluster-scoped object is ""


class Source(StrEnum):
    """How a change became known."""

    LIST = "list"  # found by comparing a list with what was held: when it happened is not known
    WATCH = "watch"  # seen live
    OWN = "own"  # the answer to a write of this process


class Step(NamedTuple):
    """One object moved: `old` None is new, `new` None is gone. A re-creation is two steps."""

    name: Name
    old: CachedObject | None
    new: CachedObject | None


class ObjectCache:
    """The objects of one scope. Every method returns the steps it made, in order."""

    def __init__(self) -> None:
        self.objects: dict[Name, CachedObject] = {}
        self._deleted: set[str] = set()  # uids our own deletes ended; older lines about them may still come
        self._written: set[Name] = set()  # names our own writes touched since the list under way was begun

    def begin_list(self) -> None:
        """A list is asked for now: what is written from now on may be newer than what it will show."""
        self._written.clear()

    def replace(self, listed: Mapping[Name, CachedObject], resource_version: str) -> list[Step]:
        """A complete list came in: what it does not hold is gone, what it holds otherwise has changed.

        `resource_version` is the list's. The list wins also over what is newer (a restored etcd counts from an earlier
        one), unless we wrote it since the list was begun.
        """
        listed_at = revision(resource_version)
        kept = {name for name in self._written if self._revision(name) > listed_at}
        steps = [
            Step(name, held, None) for name, held in self.objects.items() if name not in listed and name not in kept
        ]
        for name, new in listed.items():
            if new.uid in self._deleted or name in kept:
                continue
            held = self.objects.get(name)
            if held is None or held.uid != new.uid:
                steps += _succession(name, held, new)
            elif held.resource_version != new.resource_version or held.content != new.content:
                steps.append(Step(name, held, new.after(held, None)))
        self._deleted &= {new.uid for new in listed.values()}
        return self._take(steps)

    def put(self, name: Name, new: CachedObject, seen_live: float | None) -> list[Step]:
        """An ADDED or MODIFIED line, or the answer to our own write (`seen_live` None): the newest state wins."""
        if new.uid in self._deleted:
            return []
        held = self.objects.get(name)
        if held is not None and not new.is_newer_than(held):
            return []
        if held is None or held.uid != new.uid:
            return self._take(_succession(name, held, new.after(None, seen_live)))
        return self._take([Step(name, held, new.after(held, seen_live))])

    def remove(self, name: Name, uid: str) -> list[Step]:
        """A DELETED line: the object of this uid is gone, whatever came of its name since."""
        self._deleted.discard(uid)
        held = self.objects.get(name)
        if held is None or held.uid != uid:
            return []
        return self._take([Step(name, held, None)])

    def observe(self, name: Name, written: CachedObject) -> list[Step]:
        """The answer to our own write, which was made from a known state: nothing of anybody else's is new in it."""
        self._written.add(name)
        return self.put(name, written, None)

    def observe_deleted(self, name: Name, uid: str) -> list[Step]:
        """Our own delete took effect at once. Its DELETED line is still to come, and older lines before it."""
        steps = self.remove(name, uid)
        if steps:
            self._deleted.add(uid)
            self._written.add(name)
        return steps

    def _revision(self, name: Name) -> int:
        held = self.objects.get(name)
        return revision(held.resource_version) if held is not None else 0

    def _take(self, steps: list[Step]) -> list[Step]:
        for name, _, new in steps:
            if new is None:
                self.objects.pop(name, None)
            else:
                self.objects[name] = new
        return steps


def _succession(name: Name, held: CachedObject | None, new: CachedObject) -> list[Step]:
    """Another object took the name: the one before is gone, and this one is new."""
    gone = [Step(name, held, None)] if held is not None else []
    return [*gone, Step(name, None, new)]


def is_before(resource_version: str, other: str) -> bool:
    """Whether one resourceVersion came before another one."""
    return revision(resource_version) < revision(other)
