"""The five properties of the planner, over generated histories of both sides.

Executing needs a cluster; the one here is the least that server-side apply is: who owns which path, that an apply
takes away what only its manager owned and names no longer, and that an update moves the ownership of what it changed.
"""

from __future__ import annotations

import random
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from controller.objects import Base, Json, canonical, decoded
from controller.sync.plan.diff import diff, unmet
from controller.sync.plan.fieldpath import Keys, Path, render_path
from controller.sync.plan.guard import Context
from controller.sync.plan.model import (
    Action,
    Actual,
    Ask,
    Change,
    Declared,
    Facts,
    FieldEdit,
    Presence,
    Question,
    Rules,
    Situation,
    Strategy,
    Target,
)
from controller.sync.plan.plan import make_plan, plan_object
from controller.sync.plan.tree import ABSENT, assign, discard, is_granular, is_key, is_same, leaves, lookup
from tests.support.plan import (
    EPOCH,
    KEY,
    MANAGER,
    ORIGIN,
    RULES,
    SCHEMA,
    TO_CLUSTER,
    TO_GIT,
    VERSION,
    entry,
    fabric,
    managers,
)
from tests.unit.sync.plan.test_diff import specs

Owner = tuple[str, str]  # manager and operation: what somebody updates under our name is not what we apply

EDITOR, CONTROLLER, STRANGER = "kubectl-edit", "some-controller", "terraform"
FIELDS = frozenset({"vlan", "subnets", "zones", "tags", "pinned", "probe", "ports", "extra"})


@dataclass
class World:
    """Git, the cluster and the base of one object, with as much behaviour as the properties need."""

    document: Json = None
    live: Json = None
    owners: dict[Owner, set[Path]] = field(default_factory=dict)
    base: Base | None = None
    uid: int = 0
    version: int = 1

    def update(self, manager: str, wanted: Json) -> None:
        """Somebody edits the live object: what they change is theirs, and nobody else's."""
        changed: set[Path] = set()
        if self.live is None:
            self._begin()
            changed = _field_set(wanted)
        for edit in diff(self.live, wanted, SCHEMA):
            changed |= _field_set(edit.new, edit.path) if edit.new_present else {edit.path}
            self._take_from_all(edit.path)
        self.owners.setdefault((manager, "Update"), set()).update(changed)
        self._become(wanted)

    def apply(self, manager: str, wanted: Json) -> None:
        """Server-side apply with force. What it leaves empty goes, as it does from most kinds."""
        if self.live is None:
            self._begin()
        tree = decoded(canonical(self.live))
        for edit in unmet(wanted, tree, SCHEMA):
            tree = assign(tree, edit.path, edit.new, SCHEMA)
            self._take_from_all(edit.path)
        before = self.owners.get((manager, "Apply"), set())
        self.owners[manager, "Apply"] = _field_set(wanted)
        held = {path for paths in self.owners.values() for path in paths}
        for path in sorted(before - held, key=len):
            discard(tree, path, SCHEMA)
        self._become(tree)

    def remove(self, path: Path) -> None:
        """One operation of the JSON patch that finishes removals."""
        tree = decoded(canonical(self.live))
        discard(tree, path, SCHEMA)
        self._become(tree)

    def delete(self) -> None:
        """The live object is gone."""
        self.live, self.owners = None, {}

    def situation(self, **facts: Any) -> Situation:
        """What the planner gets to see."""
        declared = Declared()
        if self.document is not None:
            declared = Declared(Presence.PRESENT, VERSION, canonical(self.document), ORIGIN)
        actual = Actual()
        if self.live is not None:
            entries = [entry(name, *map(render_path, paths)) for (name, _), paths in self.owners.items() if paths]
            actual = Actual(
                Presence.PRESENT, canonical(self.live), f"u{self.uid}", str(self.version), managers(*entries)
            )
        return Situation(KEY, self.base, declared, actual, SCHEMA, facts=Facts(**facts))

    def plan(self, rules: Rules, **facts: Any) -> Change:
        """The change, with every question answered."""
        told = self.situation(**facts)
        result = plan_object(told, rules)
        while isinstance(result, Question):
            told = replace(told, facts=self._answer(result, told.facts))
            result = plan_object(told, rules)
        return result

    def execute(self, change: Change) -> None:
        """Carry the change out, the way the controller does: cluster, then Git, then the base."""
        if change.action is Action.PRUNE:
            self.delete()
        if change.intended is not None:
            self.apply(MANAGER, decoded(change.intended))
            for path in change.removals:
                self.remove(path)
        if change.document is not None:
            self.document = decoded(change.document)
        if change.action is Action.REMOVE_DOCUMENT:
            self.document = None
        if change.action in (Action.FORGET, Action.PRUNE, Action.REMOVE_DOCUMENT):
            self.base = None
        elif change.record is not None:
            actual = canonical(self.live) if change.intended is not None else change.actual
            assert actual is not None
            self.base = Base(change.record, actual, f"u{self.uid}", str(self.version), EPOCH, VERSION, ORIGIN)

    def _begin(self) -> None:
        self.uid += 1
        self.owners = {}
        self.live = fabric()
        del self.live["spec"]

    def _become(self, tree: Json) -> None:
        self.live = tree
        self.version += 1
        for held in self.owners.values():
            held -= {path for path in held if lookup(tree, path, SCHEMA) is ABSENT}

    def _take_from_all(self, path: Path) -> None:
        """What is changed at the path is nobody's any more; the element that it is a part of stays whose it is."""
        for held in self.owners.values():
            held -= {
                one for one in held if _meet(one, path) and not (len(one) < len(path) and isinstance(one[-1], Keys))
            }

    def _answer(self, question: Question, facts: Facts) -> Facts:
        if question.ask is Ask.TARGET:
            return replace(facts, target=Target.THERE)
        tried = World(live=self.live, owners={owner: set(paths) for owner, paths in self.owners.items()})
        tried.apply(MANAGER, decoded(question.content))
        return replace(facts, same=canonical(tried.live) == canonical(self.live))


def _field_set(value: Json, path: Path = ()) -> set[Path]:
    """What an apply or an update of a value owns: its leaves, and the elements of its keyed lists themselves."""
    found = {leaf for leaf, _ in leaves(value, SCHEMA.at(path), path)}
    found |= {leaf[:depth] for leaf in found for depth in range(1, len(leaf)) if isinstance(leaf[depth - 1], Keys)}
    return {leaf for leaf in found if leaf[0] == "spec"}


def _is_element_above(one: Path, path: Path) -> bool:
    return len(one) < len(path) and isinstance(one[-1], Keys)


def _meet(one: Path, other: Path) -> bool:
    length = min(len(one), len(other))
    return one[:length] == other[:length]


# Lists whose elements cannot be told apart are one value here and an error on a server: not generated.
@st.composite
def objects(draw: st.DrawFn) -> Json:
    drawn: dict[str, Json] = draw(specs)
    ports = {(port["port"], port.get("protocol", "TCP")): port for port in drawn.get("ports", ())}
    return fabric(**drawn | ({"ports": list(ports.values())} if "ports" in drawn else {}))


directions = st.sampled_from([RULES, TO_CLUSTER, TO_GIT])
strategies = st.sampled_from(list(Strategy)[:-1])
people = st.sampled_from([EDITOR, CONTROLLER, STRANGER, MANAGER])


@st.composite
def rules_of(draw: st.DrawFn) -> Rules:
    imports = frozenset({KEY.group_kind}) if draw(st.booleans()) else frozenset()
    drawn = replace(draw(directions), strategy=draw(strategies), imports=imports)
    return replace(drawn, auto_resolve_simple=draw(st.booleans()))


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """An object in step, or not yet known; then each side moves, or does not, or goes."""
    world = World()
    if draw(st.booleans()):
        agreed = draw(objects())
        world.document = agreed
        world.execute(world.plan(RULES))
        if draw(st.booleans()):
            world.update(CONTROLLER, draw(objects()))
    if draw(st.booleans()):
        world.document = draw(st.none() | objects())
    for _ in range(draw(st.integers(0, 2))):
        wanted = draw(st.none() | objects())
        if wanted is None:
            world.delete()
        else:
            world.update(draw(people), wanted)
    return world


@given(worlds(), rules_of())
def test_planning_again_after_executing_the_plan_gives_an_empty_plan(world: World, rules: Rules) -> None:
    change = world.plan(rules)
    world.execute(change)
    again = world.plan(rules)
    if change.action in (Action.CONFLICT, Action.SKIP, Action.WAIT):
        assert again == change  # what waits for somebody goes on waiting, the same
        return
    assert not again.is_effective, (change, again)
    world.execute(again)
    assert world.plan(rules).action in (Action.UNCHANGED, Action.IGNORE, Action.CONFLICT, Action.FORGET)


@given(worlds(), rules_of(), st.integers())
def test_the_same_inputs_give_byte_identical_plans(world: World, rules: Rules, seed: int) -> None:
    change = world.plan(rules)
    assert repr(world.plan(rules)) == repr(change)
    others = [replace(change, key=KEY._replace(name=name)) for name in "abcdef"]
    shuffled = others.copy()
    random.Random(seed).shuffle(shuffled)  # noqa: S311
    context = Context(based=6)
    assert repr(make_plan(shuffled, rules, context)) == repr(make_plan(others, rules, context))


@given(worlds(), rules_of())
def test_a_plan_never_touches_an_object_outside_the_scope(world: World, rules: Rules) -> None:
    change = world.plan(rules, in_scope=False)
    assert not change.is_effective
    assert change.record is None
    assert change.action in (Action.FORGET, Action.IGNORE)


@given(objects(), objects(), objects())
def test_no_change_is_lost_without_a_conflict_that_names_it(agreed: Json, declared: Json, edited: Json) -> None:
    """Both directions: whatever a side moved since the base is on both sides afterwards, or in the conflict."""
    world = _in_step(agreed)
    world.document = declared
    world.update(EDITOR, edited)
    moved = {**_moves(agreed, declared), **_moves(agreed, edited)}
    change = world.plan(RULES)
    if change.conflict is None:
        world.execute(change)
        for path in moved:
            wanted = next(side for side in (_moves(agreed, declared), _moves(agreed, edited)) if path in side)[path]
            for side in (world.document, world.live):
                assert is_same(_values(side).get(path, ABSENT), wanted), (render_path(path), side)
        return
    named = [shown.path for shown in change.conflict.fields]
    for path in moved:
        in_step = is_same(_values(declared).get(path, ABSENT), _values(edited).get(path, ABSENT))
        assert in_step or any(_meet(path, shown) for shown in named), render_path(path)


@given(objects(), objects(), objects(), st.sets(st.sampled_from(sorted(FIELDS))))
def test_disjoint_changes_merge_in_either_order(agreed: Json, declared: Json, edited: Json, gits: set[str]) -> None:
    """Git first and then the person, the person first and then Git, or both at once: the same in the end."""
    if _collide(agreed, declared, edited):  # then each side keeps to fields of its own
        declared, edited = _spliced(agreed, declared, gits), _spliced(agreed, edited, FIELDS - gits)
    ends = []
    for order in ("git", "person", "both"):
        world = _in_step(agreed)
        if order != "person":
            world.document = declared
        if order == "git":
            world.execute(world.plan(RULES))
        world.update(EDITOR, _moved(world.live, diff(agreed, edited, SCHEMA), edited))
        if order == "person":
            world.execute(world.plan(RULES))
            world.document = _moved(world.document, diff(agreed, declared, SCHEMA), declared)
        change = world.plan(RULES)
        assert change.conflict is None
        world.execute(change)
        assert _values(world.document) == _values(world.live)
        ends.append(_values(world.document))
    assert ends[0] == ends[1] == ends[2]


def _in_step(agreed: Json) -> World:
    world = World(document=agreed)
    world.execute(world.plan(RULES))
    return world


def _values(tree: Json) -> dict[Path, Json]:
    """What a tree says. Two things say nothing: an empty map, which servers keep or drop as they like, and a key that
    has its default."""
    return {path: value for path, value in leaves(tree, SCHEMA) if not _says_nothing(path, value)}


def _says_nothing(path: Path, value: Json) -> bool:
    if is_key(path, SCHEMA):
        return is_same(SCHEMA.at(path[:-2]).defaults.get(str(path[-1])), value)
    return value in ({}, []) and is_granular(value, SCHEMA.at(path))


def _moves(old: Json, new: Json) -> dict[Path, Json]:
    """Every value that differs, with what it is now."""
    before, after = _values(old), _values(new)
    paths = [path for path in before | after if not is_same(before.get(path, ABSENT), after.get(path, ABSENT))]
    return {path: after.get(path, ABSENT) for path in paths}


def _collide(agreed: Json, declared: Json, edited: Json) -> bool:
    ours, theirs = diff(agreed, declared, SCHEMA), diff(agreed, edited, SCHEMA)
    return any(_meet(one.path, other.path) for one in ours for other in theirs)


def _spliced(old: Json, new: Json, names: Collection[str]) -> Json:
    """The old object with these fields of the new one."""
    kept = {name: value for name, value in old["spec"].items() if name not in names}
    return fabric(**kept, **{name: value for name, value in new["spec"].items() if name in names})


def _moved(tree: Json, edits: list[FieldEdit], like: Json) -> Json:
    moved = decoded(canonical(tree))
    for edit in edits:
        if edit.new_present:
            moved = assign(moved, edit.path, edit.new, SCHEMA, like)
        else:
            discard(moved, edit.path, SCHEMA, like)
    return moved
