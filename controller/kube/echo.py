"""Telling the echo of our own write from somebody else's change, before it is decoded. Pure.

Every write comes back as a line of the watch. Its answer has told us everything already, so the line is recognised by
its resourceVersion, which etcd gives to one write only, and dropped: a bulk apply would else decode every object twice.
A line can be faster than the answer to its write; so lines about an object that is being written are held until then.
"""

from __future__ import annotations

from controller.kube.cache import Name, is_before

_MARK = b'"resourceVersion":"'
_DELETED = b'{"type":"DELETED"'


def line_revision(line: bytes) -> str:
    """The resourceVersion that a watch line shows; "" unless it is certain without decoding.

    A quote inside a string is escaped, so the mark is a real key; when it comes once only, it is the object's own,
    because every object has one. A DELETED line is nobody's echo: it carries the deletion's.
    """
    if line.startswith(_DELETED):
        return ""
    start = line.find(_MARK)
    if start < 0 or line.find(_MARK, start + len(_MARK)) >= 0:
        return ""
    start += len(_MARK)
    return line[start : line.index(b'"', start)].decode()


class EchoFilter:
    """Our own writes of one scope: those under way, and those whose echo is still to come."""

    def __init__(self) -> None:
        self._under_way: dict[Name, int] = {}
        self._held: dict[Name, list[bytes]] = {}
        self._expected: dict[str, str] = {}  # resourceVersion → uid

    @property
    def is_idle(self) -> bool:
        """Whether there is nothing to look for: the usual case, in which a line costs nothing more."""
        return not self._expected and not self._under_way

    def begin(self, name: Name) -> None:
        """A write of this object is sent now."""
        self._under_way[name] = self._under_way.get(name, 0) + 1

    def expect(self, uid: str, resource_version: str) -> None:
        """The write was answered with this state, which was not known before."""
        self._expected[resource_version] = uid

    def end(self, name: Name) -> list[bytes]:
        """The write is over, whatever became of it. The lines that were held for it, in order, now due."""
        left = self._under_way[name] - 1
        if left:
            self._under_way[name] = left
            return []
        del self._under_way[name]
        return self._held.pop(name, [])

    def take(self, line: bytes) -> str:
        """The resourceVersion of an expected echo, which thereby has come; "" for any other line."""
        resource_version = line_revision(line)
        uid = self._expected.get(resource_version)
        if uid is None or f'"uid":"{uid}"'.encode() not in line:
            return ""
        del self._expected[resource_version]
        return resource_version

    def hold(self, name: Name, line: bytes) -> bool:
        """Keep a line about an object that is being written; False when it is not."""
        if name not in self._under_way:
            return False
        self._held.setdefault(name, []).append(line)
        return True

    def forget_before(self, resource_version: str) -> None:
        """The watch is past this point: echoes from before it will not come any more."""
        for expected in [one for one in self._expected if not is_before(resource_version, one)]:
            del self._expected[expected]

    def restart(self, resource_version: str) -> None:
        """A list at this point replaces the lines before it: those that are held, and the echoes still to come."""
        self._held.clear()
        self.forget_before(resource_version)
