"""What is never an edit: identity, status, what the server sets, other tools' bookkeeping, ignore rules.

Tandem's own annotations are a third thing: a document's are applied, but on a live object they are never an edit and
are never written to Git.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from controller.objects import Json, Kind
from controller.sync.plan.fieldpath import Path, covers, parse_path, parse_pattern, reaches_into
from controller.sync.plan.model import FieldEdit, IgnoreRule
from controller.sync.plan.tree import is_same

TANDEM_ANNOTATIONS: Final = "/metadata/annotations/tandem.dev~1*"

SERVER_SET: Final = (
    "/status",
    "/metadata/managedFields",
    "/metadata/uid",
    "/metadata/resourceVersion",
    "/metadata/generation",
    "/metadata/creationTimestamp",
    "/metadata/deletionTimestamp",
    "/metadata/deletionGracePeriodSeconds",
    "/metadata/selfLink",
)
IDENTITY: Final = ("/apiVersion", "/kind", "/metadata/name", "/metadata/namespace")

BOOKKEEPING: Final = (
    "/metadata/annotations/kubectl.kubernetes.io~1last-applied-configuration",
    "/metadata/annotations/kubectl.kubernetes.io~1restartedAt",
    "/spec/template/metadata/annotations/kubectl.kubernetes.io~1restartedAt",
    "/metadata/annotations/deployment.kubernetes.io~1*",
    "/metadata/annotations/autoscaling.alpha.kubernetes.io~1*",
    "/metadata/annotations/control-plane.alpha.kubernetes.io~1leader",
    "/metadata/labels/kustomize.toolkit.fluxcd.io~1*",
    "/metadata/labels/helm.toolkit.fluxcd.io~1*",
    "/metadata/labels/argocd.argoproj.io~1*",
    "/metadata/annotations/argocd.argoproj.io~1tracking-id",
    "/metadata/annotations/argocd.argoproj.io~1installation-id",
)
"""Other tools' notes to themselves: ignored in comparisons, never applied, never written to Git."""


@dataclass(frozen=True, slots=True)
class Ignored:
    """The paths of one object at which differences do not count; `wanted` are those that somebody asked for."""

    patterns: tuple[Path, ...]
    wanted: tuple[Path, ...] = ()

    def covers(self, path: Path) -> bool:
        """Whether everything at this path is ignored."""
        return any(covers(pattern, path) for pattern in self.patterns)

    def asked_for(self, path: Path) -> Path | None:
        """The topmost part of the path that somebody asked to ignore."""
        return min((path[: len(pattern)] for pattern in self.wanted if covers(pattern, path)), key=len, default=None)

    def drops(self, edit: FieldEdit) -> bool:
        """Whether nothing is left of the edit once the ignored is taken out of it."""
        if self.covers(edit.path):
            return True
        inner = [pattern for pattern in self.patterns if reaches_into(pattern, edit.path)]
        if not inner:
            return False
        depth = len(edit.path)
        old, new = (_without(value, [pattern[depth:] for pattern in inner]) for value in (edit.old, edit.new))
        if edit.old_present and edit.new_present:
            return is_same(old, new)
        return (old if edit.old_present else new) in ({}, [])

    def remaining(self, edits: Iterable[FieldEdit]) -> list[FieldEdit]:
        """The edits that count."""
        return [edit for edit in edits if not self.drops(edit)]


@lru_cache(maxsize=1024)
def ignored_paths(rules: tuple[IgnoreRule, ...], kind: Kind, *, live: bool) -> Ignored:
    """What is ignored on objects of this kind; `live`: on the cluster's side."""
    own = (*IDENTITY, *SERVER_SET, *BOOKKEEPING, *((TANDEM_ANNOTATIONS,) if live else ()))
    wanted = [path for rule in rules if _is_for(rule, kind) for path in rule.paths]
    asked = tuple(map(parse_pattern, wanted))
    return Ignored((*map(parse_pattern, own), *asked), asked)


def with_paths(ignored: Ignored, paths: Collection[str]) -> Ignored:
    """The same and these paths as well."""
    if not paths:
        return ignored
    more = tuple(map(parse_path, sorted(paths)))
    return Ignored((*ignored.patterns, *more), (*ignored.wanted, *more))


@lru_cache(maxsize=1024)
def ignored_managers(rules: tuple[IgnoreRule, ...], kind: Kind) -> tuple[str, ...]:
    """The globs of managers whose differences nobody wants to hear of."""
    return tuple(manager for rule in rules if _is_for(rule, kind) for manager in rule.managers)


def without_notes(tree: Json) -> Json:
    """The tree, in place, without what must never be applied: server-set fields and other tools' bookkeeping."""
    tree.pop("status", None)
    metadata = tree.get("metadata") or {}
    for path in SERVER_SET[1:]:
        metadata.pop(path.rpartition("/")[2], None)
    for holder in _NOTED:
        _drop_from(tree, holder, _NOTES)
    return tree


def without_own_annotations(tree: Json) -> Json:
    """The tree, in place, without Tandem's annotations: a live object's are never written to Git."""
    _drop_from(tree, _NOTED[0], _OWN)
    return tree


def _drop_from(tree: Json, holder: tuple[str, ...], ignored: Ignored) -> None:
    above, found = None, tree
    for name in holder:
        above, found = found, found.get(name) if isinstance(found, dict) else None
    if not isinstance(found, dict) or not isinstance(above, dict):
        return
    dropped = [name for name in found if ignored.covers((*holder, name))]
    for name in dropped:
        del found[name]
    if dropped and not found:
        del above[holder[-1]]


def annotations_of(tree: Json) -> dict[str, str]:
    """The annotations of a decoded object."""
    found: dict[str, str] = ((tree or {}).get("metadata") or {}).get("annotations") or {}
    return found


def _is_for(rule: IgnoreRule, kind: Kind) -> bool:
    return not rule.kinds or kind.kind in rule.kinds or str(kind) in rule.kinds


def _without(value: Json, patterns: list[Path]) -> Json:
    """A copy of the value without what the patterns name in it, lists by index."""
    if isinstance(value, dict):
        parts = {name: part for name, part in value.items() if not _is_named(patterns, name)}
        return {name: _without(part, _below(patterns, name)) for name, part in parts.items()}
    if isinstance(value, list):
        kept = [(index, part) for index, part in enumerate(value) if not _is_named(patterns, index)]
        return [_without(part, _below(patterns, index)) for index, part in kept]
    return value


def _is_named(patterns: list[Path], segment: str | int) -> bool:
    return any(len(pattern) == 1 and covers(pattern, (segment,)) for pattern in patterns)


def _below(patterns: list[Path], segment: str | int) -> list[Path]:
    return [pattern[1:] for pattern in patterns if len(pattern) > 1 and covers(pattern[:1], (segment,))]


_NOTED: Final = (("metadata", "annotations"), ("metadata", "labels"), ("spec", "template", "metadata", "annotations"))
_NOTES: Final = Ignored(tuple(parse_pattern(path) for path in BOOKKEEPING))
_OWN: Final = Ignored((parse_pattern(TANDEM_ANNOTATIONS),))
