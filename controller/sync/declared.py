"""What Git declares for one fabric, kept in step with the tree file by file.

The one place that tells *absent* from *unknown*: an object is absent only if its file was read whole without it, or
is gone; and what vanished in a diff that also brought an unreadable file stays unknown (*held*) until that file reads.
No I/O: files arrive parsed, kinds arrive resolved.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from controller.errors import Reason
from controller.objects import Base, Kind, ObjectKey, Provenance, group_of
from controller.sync.parse.documents import FileResult, ParsedDocument, Seal
from controller.sync.plan.model import Declared, Presence
from controller.sync.scope import Scope

KindTable = Mapping[tuple[str, str], bool | None]
"""(apiVersion, kind) → whether it is namespaced; None when the API server does not serve it."""


class Blob(NamedTuple):
    """One file of the tree: its blob id and what it declares."""

    blob: str
    result: FileResult


class Place(NamedTuple):
    """One document that declares an object."""

    path: str
    document: ParsedDocument


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault worth a line in the status: where, which object, why."""

    path: str
    line: int
    reason: Reason
    message: str
    field: str = ""
    object: str = ""


class DeclaredTree:
    """The declared side of one fabric at one commit."""

    def __init__(self) -> None:
        self.files: dict[str, Blob] = {}
        self._places: dict[ObjectKey, tuple[Place, ...]] = {}
        self._keys: dict[str, tuple[ObjectKey, ...]] = {}  # path → what stands in it: work per change, not per object
        self._duplicates: set[ObjectKey] = set()
        self._objections: dict[str, tuple[Problem, ...]] = {}
        self._faulty: set[str] = set()  # the files with faults: every status asks for them
        self.sealed: set[str] = set()  # the files that are encrypted, and may be opened
        self._unserved: dict[ObjectKey, Problem] = {}
        self._held: dict[ObjectKey, frozenset[str]] = {}
        self._versions: Counter[tuple[str, str]] = Counter()

    def update(
        self,
        changes: Mapping[str, Blob | None],
        scope: Scope,
        kinds: KindTable,
        known: Collection[ObjectKey],
        brought: Collection[str] | None = None,
    ) -> set[ObjectKey]:
        """Take over changed files (None: gone) and return the objects whose declared side may have moved.

        `known` are the objects with a base: those of them that vanish in a diff with an unreadable file are held.
        `brought` are the paths of that diff when it is not the changes themselves: after a start every file is new
        here, but only what changed since the last planned tree may hold anything.
        """
        first = not self.files
        touched: set[ObjectKey] = set()
        for path, blob in changes.items():
            touched |= self._take_out(path)
            if blob is not None:
                touched |= self._put_in(path, blob, scope, kinds)
        suspects = changes.keys() if brought is None else brought
        unreadable = frozenset(path for path in suspects if not self._is_complete(path))
        touched |= self._release()
        if unreadable:
            for key in set(known) if first else touched.intersection(known):
                if key not in self._places:
                    self._held[key] = unreadable
        return touched

    def resolve_again(self, scope: Scope, kinds: KindTable) -> set[ObjectKey]:
        """Look at every document anew: the scope changed, or kinds came or went. Returns what may have moved."""
        before = dict(self._places)
        unserved = set(self._unserved)
        files, self.files, self._versions = self.files, {}, Counter()
        self._places, self._keys, self._duplicates, self._objections, self._unserved = {}, {}, set(), {}, {}
        for path, blob in files.items():
            self._put_in(path, blob, scope, kinds)
        moved = {key for key in before.keys() | self._places.keys() if before.get(key) != self._places.get(key)}
        return moved | (unserved ^ set(self._unserved))

    def copy(self) -> DeclaredTree:
        """The same, to be changed without changing this one. Files and documents are shared: nobody changes those."""
        other = DeclaredTree()
        other.files, other._places, other._keys = dict(self.files), dict(self._places), dict(self._keys)
        other._duplicates, other._objections = set(self._duplicates), dict(self._objections)
        other._faulty, other.sealed = set(self._faulty), set(self.sealed)
        other._unserved, other._held, other._versions = dict(self._unserved), dict(self._held), self._versions.copy()
        return other

    def declared(self, key: ObjectKey, base: Base | None) -> Declared:
        """D of one object."""
        if base is not None and not self._is_complete(base.origin.path):
            return self._unknown_because_of(base.origin.path)
        places = self._places.get(key, ())
        for place in places:
            if not self._is_complete(place.path):
                return self._unknown_because_of(place.path)
        if len(places) > 1:
            where = " and ".join(f"{place.path}:{place.document.line}" for place in places)
            message = f"{key} is declared more than once: {where}; remove all but one"
            return _unknown(Reason.DUPLICATE_OBJECT, message, places[0].path, places[0].document.line)
        if places:
            return self._present(places[0])
        if key in self._unserved:
            problem = self._unserved[key]
            return _unknown(problem.reason, problem.message, problem.path, problem.line)
        if key in self._held:
            return self._unknown_because_of(min(self._held[key]), vanished=True)
        return Declared()

    def keys(self) -> Iterable[ObjectKey]:
        """Every object that a document in scope declares."""
        return self._places.keys()

    @property
    def count(self) -> int:
        """How many objects are declared."""
        return len(self._places)

    def knows(self, key: ObjectKey) -> bool:
        """Whether a document names this object, or may do so."""
        return key in self._places or key in self._unserved or key in self._held

    def api_version(self, key: ObjectKey) -> str:
        """The version the object's document names, "" if there is no document."""
        places = self._places.get(key)
        return places[0].document.api_version if places else ""

    def versions(self) -> set[tuple[str, str]]:
        """(apiVersion, kind) of every document, in scope or not."""
        return set(self._versions)

    @property
    def holds_back(self) -> bool:
        """Whether objects are held: until they are not, the tree must not count as planned across a restart."""
        return bool(self._held)

    @property
    def is_shut(self) -> bool:
        """Whether there are encrypted files that could not be opened."""
        return any(self.files[path].result.seal is Seal.CLOSED for path in self.sealed)

    def problems(self) -> list[Problem]:
        """Every fault of every file, in the order of paths and lines."""
        found = [problem for problems in self._objections.values() for problem in problems]
        for path in self._faulty:
            found += [
                Problem(path, fault.line, fault.reason, fault.message, fault.field, fault.object)
                for fault in self.files[path].result.faults
            ]
        for key in self._duplicates:
            first = self._places[key][0]
            message = self.declared(key, None).message
            found.append(Problem(first.path, first.document.line, Reason.DUPLICATE_OBJECT, message, object=str(key)))
        return sorted(found, key=lambda problem: (problem.path, problem.line, problem.field))

    def _put_in(self, path: str, blob: Blob, scope: Scope, kinds: KindTable) -> set[ObjectKey]:
        self.files[path] = blob
        if blob.result.faults:
            self._faulty.add(path)
        if blob.result.seal in (Seal.CLOSED, Seal.OPEN):
            self.sealed.add(path)
        self._versions.update(_versions(blob))
        touched = set()
        objections = []
        for document in blob.result.documents:
            namespaced = kinds.get((document.api_version, document.kind))
            if namespaced is None:
                problem = _unserved_problem(path, document)
                objections.append(problem)
                for key in _possible_keys(document, scope):
                    self._unserved[key] = problem
                    touched.add(key)
                continue
            kind = Kind(group_of(document.api_version), document.kind)
            key = scope.key(kind, document.namespace, document.name, namespaced=namespaced)
            if (objection := scope.objection(key)) is not None:
                objections.append(
                    Problem(path, document.line, objection.reason, objection.message, objection.field, str(key))
                )
                continue
            places = (*self._places.get(key, ()), Place(path, document))
            self._places[key] = places
            if len(places) > 1:
                self._duplicates.add(key)
            touched.add(key)
        if objections:
            self._objections[path] = tuple(objections)
        self._keys[path] = tuple(touched)
        return touched

    def _take_out(self, path: str) -> set[ObjectKey]:
        gone = self.files.pop(path, None)
        if gone is not None:
            self._versions -= Counter(_versions(gone))
        self._objections.pop(path, None)
        self._faulty.discard(path)
        self.sealed.discard(path)
        touched = set(self._keys.pop(path, ()))
        for key in touched:
            self._unserved.pop(key, None)
            rest = tuple(place for place in self._places.get(key, ()) if place.path != path)
            if len(rest) < 2:
                self._duplicates.discard(key)
            if rest:
                self._places[key] = rest
            else:
                self._places.pop(key, None)
        return touched

    def _release(self) -> set[ObjectKey]:
        """Objects are no longer held once the files that held them read, or are gone."""
        released = {key for key, paths in self._held.items() if all(self._is_complete(path) for path in paths)}
        for key in released:
            del self._held[key]
        return released

    def _is_complete(self, path: str) -> bool:
        blob = self.files.get(path)
        return blob is None or blob.result.complete

    def _unknown_because_of(self, path: str, *, vanished: bool = False) -> Declared:
        fault = self.files[path].result.faults[0]
        prefix = "vanished in the same change that made this file unreadable: " if vanished else ""
        return _unknown(fault.reason, f"{prefix}{path}:{fault.line}: {fault.message}", path, fault.line)

    def _present(self, place: Place) -> Declared:
        document = place.document
        origin = Provenance(
            path=place.path,
            line=document.line,
            index=document.ref.index,
            item=document.ref.item,
            blob=self.files[place.path].blob,
        )
        sealed = self.files[place.path].result.seal is Seal.OPEN
        return Declared(Presence.PRESENT, document.api_version, document.content, origin, sealed=sealed)


def _versions(blob: Blob) -> Iterator[tuple[str, str]]:
    return ((document.api_version, document.kind) for document in blob.result.documents)


def _unknown(reason: Reason, message: str, path: str, line: int) -> Declared:
    return Declared(Presence.UNKNOWN, origin=Provenance(path, line), reason=reason, message=message)


def _unserved_problem(path: str, document: ParsedDocument) -> Problem:
    message = (
        f"the API server does not serve {document.kind} in {document.api_version}; "
        "it is applied as soon as its CustomResourceDefinition is established"
    )
    name = f"{document.kind}/{document.namespace}/{document.name}" if document.namespace else None
    return Problem(
        path, document.line, Reason.KIND_UNKNOWN, message, "/apiVersion", name or f"{document.kind}/{document.name}"
    )


def _possible_keys(document: ParsedDocument, scope: Scope) -> tuple[ObjectKey, ObjectKey]:
    """Whether an unserved kind is namespaced cannot be known, so both keys are unknown."""
    kind = Kind(group_of(document.api_version), document.kind)
    return (
        scope.key(kind, document.namespace, document.name, namespaced=True),
        scope.key(kind, document.namespace, document.name, namespaced=False),
    )
