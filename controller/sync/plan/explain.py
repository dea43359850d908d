"""Why an object's change is what it is: its sides, every path that differs, who owns it, and the row."""

from __future__ import annotations

from dataclasses import dataclass

from controller.sync.plan.conflicts import field_of, is_secret, veiled
from controller.sync.plan.fieldpath import Path, render_path
from controller.sync.plan.model import Change, ConflictField, Question, Rules, Situation
from controller.sync.plan.plan import plan_object
from controller.sync.plan.tree import ABSENT
from controller.sync.plan.view import View


@dataclass(frozen=True, slots=True)
class Difference:
    """A path at which the sides are not the same.

    `field` holds the values; `owners` the managers that hold it on the live object; `verdict` what the cluster's change
    counts as (an editor's edit, another's, excluded, our own name, nobody's), "" where only Git changed; `by_git`
    whether Git changed it.
    """

    field: ConflictField
    owners: tuple[str, ...] = ()
    verdict: str = ""
    by_git: bool = False


@dataclass(frozen=True, slots=True)
class Explanation:
    """What `tandem plan --why` shows. `result` is the change, or the question it waits for."""

    situation: Situation
    result: Change | Question
    differences: tuple[Difference, ...] = ()


def explain(situation: Situation, rules: Rules) -> Explanation:
    """Plan the object and say why. A Secret's values are hidden."""
    view = View(situation, rules)
    result = plan_object(situation, rules)
    if view.declared is ABSENT or view.actual is ABSENT or view.base is None:
        return Explanation(situation, result)
    verdicts = {edit.path: view.verdict(edit)[0].value for edit in view.raw_cluster_delta}
    by_git = {edit.path for edit in view.git_delta}
    paths = dict.fromkeys((*by_git, *verdicts))
    found = (_difference(view, path, verdicts.get(path, ""), by_git=path in by_git) for path in paths)
    return Explanation(
        situation, result, tuple(sorted(found, key=lambda difference: render_path(difference.field.path)))
    )


def _difference(view: View, path: Path, verdict: str, *, by_git: bool) -> Difference:
    owners = tuple(dict.fromkeys(entry.manager for entry in view.owners.of(path)))
    field = field_of(view, path, ", ".join(owners), clashing=bool(verdict) and by_git)
    return Difference(veiled(field) if is_secret(view.key) else field, owners, verdict, by_git)
