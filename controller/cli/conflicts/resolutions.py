"""From the flags of `conflicts resolve` to the decision that is written into a SyncConflict. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from controller.api.v1alpha1.syncconflict import (
    Choice,
    ConflictType,
    Decision,
    FieldConflict,
    Resolution,
    ResolutionStrategy,
    SyncConflict,
)
from controller.bounds import Bounds
from controller.objects import Json, canonical
from controller.sync.parse.loader import UnreadableError, load_yaml
from controller.sync.plan.fieldpath import parse_path, render_path

_CHOICES = {"git": Choice.GIT, "cluster": Choice.CLUSTER, "both": Choice.MERGE_BOTH}
_VALUE = "value:"
_SIDES = {ResolutionStrategy.GIT_WINS: Choice.GIT, ResolutionStrategy.CLUSTER_WINS: Choice.CLUSTER}
_BY_VALUE = frozenset({ConflictType.BOTH_CHANGED, ConflictType.ADDED_IN_BOTH})


class DecisionError(ValueError):
    """A --field that says nothing, or names no field of the conflict."""


@dataclass(frozen=True, slots=True)
class FieldChoice:
    """One `--field PATH=…`: the path in its one text form, and what is chosen for it."""

    path: str
    choose: Choice
    value: Json = None
    has_value: bool = False

    def decision(self) -> Decision:
        """As the SyncConflict takes it; a value that is absent is left out."""
        if self.has_value:
            return Decision(path=self.path, choose=self.choose, value=self.value)
        return Decision(path=self.path, choose=self.choose)


def parse_field(text: str) -> FieldChoice:
    """`PATH=git|cluster|both|value:YAML`; `value:` with nothing behind it removes the field. Raises DecisionError.

    A path may hold `=` (`{name=web}`), and so may a value: the first split that makes sense counts.
    """
    problem = f"{text!r} is not PATH=git, PATH=cluster, PATH=both or PATH=value:YAML"
    for at, character in enumerate(text):
        choice = text[at + 1 :]
        if character != "=" or not (choice in _CHOICES or choice.startswith(_VALUE)):
            continue
        try:
            path = render_path(parse_path(text[:at]))
        except ValueError as error:
            problem = str(error)
            continue
        if "~2" in path and "~2" not in text:  # a brace that opens and does not close: the split is inside of it
            continue
        if choice in _CHOICES:
            return FieldChoice(path, _CHOICES[choice])
        return _valued(path, choice.removeprefix(_VALUE))
    raise DecisionError(problem)


def _valued(path: str, text: str) -> FieldChoice:
    if not text.strip():
        return FieldChoice(path, Choice.VALUE)
    try:
        documents = load_yaml(text, Bounds())
    except UnreadableError as error:
        raise DecisionError(f"{path}: {text!r} is not YAML: {error.message}") from error
    if len(documents) != 1:
        raise DecisionError(f"{path}: {text!r} is {len(documents)} YAML documents; give one value")
    return FieldChoice(path, Choice.VALUE, documents[0].value, has_value=True)


def resolution_of(
    conflict: SyncConflict,
    strategy: ResolutionStrategy | None,
    choices: Sequence[FieldChoice],
    *,
    comment: str | None = None,
    resolved_by: str | None = None,
    state_token: str | None = None,
) -> Resolution:
    """The decision for this conflict. Raises DecisionError.

    `strategy` alone decides every clashing field; with `choices` it decides those that they leave open.
    `state_token`: of the values that the person has seen; by default those that the conflict shows now.
    """
    decisions = tuple(_decisions(conflict, strategy, choices))
    chosen = ResolutionStrategy.MANUAL if choices else strategy
    if chosen is None:
        raise DecisionError("say who wins: --git, --cluster, --merge, or --field for single fields")
    return Resolution(
        strategy=chosen,
        decisions=decisions,
        comment=comment or None,
        resolved_by=resolved_by or None,
        state_token=state_token or conflict.spec.state_token or None,
    )


def _decisions(
    conflict: SyncConflict, strategy: ResolutionStrategy | None, choices: Sequence[FieldChoice]
) -> list[Decision]:
    if not choices:
        return []
    paths = [field.path for field in conflict.spec.fields]
    for choice in choices:
        if not any(_is_at_or_below(path, choice.path) for path in paths):
            raise DecisionError(f"{choice.path} is none of this conflict's fields: {', '.join(paths) or 'it has none'}")
    decided = [choice.path for choice in choices]
    if len(set(decided)) < len(decided):
        raise DecisionError("a field is decided twice")
    side = Choice.MERGE_BOTH if strategy is ResolutionStrategy.MERGE else _SIDES.get(strategy) if strategy else None
    rest = [
        Decision(path=field.path, choose=side)
        for field in conflict.spec.fields
        if side and is_clashing(conflict, field) and not any(_is_at_or_below(field.path, path) for path in decided)
    ]
    return [*(choice.decision() for choice in choices), *rest]


def is_clashing(conflict: SyncConflict, field: FieldConflict) -> bool:
    """Whether somebody has to decide about this field: the other fields only show what else has moved."""
    if conflict.spec.type not in _BY_VALUE:
        return not _is_equal(field, "git", "cluster")
    return not (
        _is_equal(field, "git", "base") or _is_equal(field, "cluster", "base") or _is_equal(field, "git", "cluster")
    )


def _is_equal(field: FieldConflict, one: str, other: str) -> bool:
    if field.has(one) != field.has(other):
        return False
    return canonical(getattr(field, one)) == canonical(getattr(field, other))


def _is_at_or_below(path: str, above: str) -> bool:
    return path == above or path.startswith(f"{above}/")
