"""The configuration objects as they stand: a cache that kopf's events fill, and that a list of our own puts right.

kopf never compares a new list with what it knew before, so an object that was deleted while its watch was broken would
live on here. Every time kopf lists anew, the owner of this cache therefore lists too: what is on neither list, and was
in no event since, is gone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from controller.kube.resources import Resource
from controller.objects import Json, ObjectKey

_UNTOLD = ("resourceVersion", "managedFields")
"""Metadata that changes with every write and tells nothing that anybody here wants to know."""


class Change(NamedTuple):
    """One object before and after; None where it was not, or is no more."""

    key: ObjectKey
    before: Json | None
    after: Json | None

    @property
    def by_somebody(self) -> bool:
        """Whether the spec, an annotation, or the object's very existence changed: reason to try anew at once."""
        return self.before is None or self.after is None or _asked(self.before) != _asked(self.after)


class ConfigCache:
    """The objects of one configuration kind, by key, in one event loop. `changed` is called for what is news.

    A change of the status alone is none: it is our own writing, coming back. Bodies are shared and never modified;
    they have no `managedFields`.
    """

    def __init__(self, resource: Resource, changed: Callable[[Change], None], scopes: Iterable[str] = ("",)) -> None:
        """`scopes`: the namespaces that are listed one by one; "" stands for all of them at once."""
        self.resource = resource
        self._changed = changed
        self._objects: dict[ObjectKey, Json] = {}
        self._unlisted = set(scopes)
        self._in_events: dict[str, set[ObjectKey]] = {scope: set() for scope in self._unlisted}

    @property
    def filled(self) -> bool:
        """Whether every scope has been listed once: what is not here does not exist."""
        return not self._unlisted

    def get(self, key: ObjectKey) -> Json | None:
        """The object as last seen, None if there is none."""
        return self._objects.get(key)

    def __iter__(self) -> Iterator[ObjectKey]:
        return iter(list(self._objects))

    def __len__(self) -> int:
        return len(self._objects)

    def observe(self, event: str | None, body: Mapping[str, Any]) -> None:
        """Take in an event: ADDED, MODIFIED, DELETED, or None for an object on a list."""
        key = self._key(body)
        for scope, keys in self._in_events.items():
            if scope in ("", key.namespace):
                keys.add(key)
        self._put(key, None if event == "DELETED" else body)

    def begin_list(self, scope: str) -> None:
        """kopf lists this scope anew: from here on its events are newer than what was known before."""
        self._in_events[scope].clear()

    def finish_list(self, scope: str, bodies: Iterable[Json]) -> None:
        """Take in our own list of the scope, made after `begin_list`; an event since then knows better."""
        listed = {self._key(body): body for body in bodies}
        known = {key for key in self._objects if scope in ("", key.namespace)}
        self._unlisted.discard(scope)
        for key in sorted((listed.keys() | known) - self._in_events[scope]):
            self._put(key, listed.get(key))

    def drop(self, key: ObjectKey, uid: str) -> None:
        """This very object turned out not to be there any more."""
        known = self._objects.get(key)
        if known is not None and known["metadata"]["uid"] == uid:
            self._put(key, None)

    def _key(self, body: Mapping[str, Any]) -> ObjectKey:
        return self.resource.key(body["metadata"].get("namespace", ""), body["metadata"]["name"])

    def _put(self, key: ObjectKey, body: Mapping[str, Any] | None) -> None:
        before = self._objects.get(key)
        if body is None:
            self._objects.pop(key, None)
            after = None
        else:
            metadata = {name: value for name, value in body["metadata"].items() if name != "managedFields"}
            after = self._objects[key] = {**body, "metadata": metadata}
        if _told(before) != _told(after):
            self._changed(Change(key, before, after))


def _told(body: Json | None) -> Json:
    """What somebody could want to know of: everything but the status and what every write changes."""
    if body is None:
        return None
    metadata = {name: value for name, value in body["metadata"].items() if name not in _UNTOLD}
    return {name: value for name, value in body.items() if name != "status"} | {"metadata": metadata}


def _asked(body: Json) -> Json:
    """What people change in order to get something: the spec, annotations, the deletion; and which object it is."""
    metadata = body["metadata"]
    return [metadata.get(name) for name in ("uid", "annotations", "deletionTimestamp")] + [body.get("spec")]
