"""Kubernetes Events on transitions only: what `kubectl describe` shows is news, not a log.

The room below writes Events and bounds how many wait; this half remembers what was said last of each topic of an
object, so that a run can say what it found every time and only what is new goes out.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import NamedTuple, Protocol, Self

from controller.kube.resources import Resource
from controller.objects import Json, ObjectKey

_REMEMBERED = 20_000
"""Topics remembered, some 4 MB; beyond it the one unheard of for longest is forgotten, and would be said again."""


class Subject(NamedTuple):
    """The object that an Event is about."""

    resource: Resource
    key: ObjectKey
    uid: str

    @classmethod
    def of(cls, resource: Resource, body: Json) -> Self:
        """The subject that a whole object is."""
        metadata = body["metadata"]
        return cls(resource, resource.key(metadata.get("namespace", ""), metadata["name"]), metadata["uid"])


class Record(Protocol):
    """How an Event goes out: returns at once, never raises; `controller.kube.events.EventRecorder.record`."""

    def __call__(
        self, resource: Resource, key: ObjectKey, uid: str, reason: str, note: str, *, action: str, warning: bool
    ) -> None:
        """Queue one Event about the object."""


class Announcer:
    """Says each thing once, until something else was said of the same topic of the same object."""

    def __init__(self, record: Record) -> None:
        self._record = record
        self._said: OrderedDict[tuple[str, str], tuple[str, str]] = OrderedDict()

    def announce(
        self,
        subject: Subject,
        reason: str,
        message: str,
        *,
        topic: str = "",
        action: str = "Sync",
        warning: bool = False,
    ) -> bool:
        """Send an Event unless it was the last one said of this topic; tells whether it was sent.

        `topic` is what the Event is about beside the object's state as a whole: one conflict, one file. `reason` is one
        CamelCase word; `action` what the controller was doing.
        """
        if not self.remember(subject.uid, reason, message, topic=topic):
            return False
        self._record(subject.resource, subject.key, subject.uid, reason, message, action=action, warning=warning)
        return True

    def remember(self, uid: str, reason: str, message: str, *, topic: str = "") -> bool:
        """Take it as said, without sending: for what the status says already after a restart. False: it was said."""
        news = self._said.get((uid, topic)) != (reason, message)
        self._said[uid, topic] = (reason, message)
        self._said.move_to_end((uid, topic))
        if len(self._said) > _REMEMBERED:
            self._said.popitem(last=False)
        return news

    def settle(self, uid: str, topic: str) -> None:
        """A topic is closed: the next time it comes up it is news, whatever it says."""
        self._said.pop((uid, topic), None)

    def forget(self, uid: str) -> None:
        """The object is gone."""
        for entry in [entry for entry in self._said if entry[0] == uid]:
            del self._said[entry]
