"""JSON patches for what an apply cannot do: take away what others co-own, and change what never stands still.

Every operation stands behind tests of what it was computed from, so that a patch meets the state it was made for or
nothing at all. The uid and the resourceVersion are tested by whoever sends it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from controller.objects import Json, canonical, decoded
from controller.sync.plan.diff import diff, unmet
from controller.sync.plan.fieldpath import Item, Path, meet
from controller.sync.plan.intended import copied
from controller.sync.plan.schema import Schema, indexed
from controller.sync.plan.tree import ABSENT, assign, discard, lookup


def removal_patch(content: bytes, removals: Iterable[Path], schema: Schema) -> list[Json]:
    """The operations that take these paths out of an object; [] if none is there. List elements are tested by key."""
    tree = decoded(content)
    found = _topmost(path for path in removals if lookup(tree, path, schema) is not ABSENT)
    tests = [test for path in found for test in _key_tests(tree, path, schema)]
    return [*_once(tests), *_removes(tree, found, schema)]


def correction_patch(actual: bytes, intended: bytes, removals: Iterable[Path], schema: Schema) -> list[Json]:
    """The operations that make an object say all of `intended` and nothing of `removals`, old values tested; or []."""
    tree = decoded(actual)
    found = _topmost(path for path in removals if lookup(tree, path, schema) is not ABSENT)
    edits = unmet(decoded(intended), tree, schema)
    target = copied(tree)
    for edit in edits:
        target = assign(target, edit.path, edit.new, schema)
    changed = [edit.path for edit in edits if edit.old_present]
    added = _topmost(_first_missing(tree, edit.path, schema) for edit in edits if not edit.old_present)
    tests = [test for path in (*changed, *found) for test in _key_tests(tree, path, schema)]
    tests += [_test(tree, path, schema) for path in (*changed, *found)]
    return [
        *_once(tests),
        *(_operation("replace", tree, target, path, schema) for path in changed),
        *(_operation("add", tree, target, path, schema) for path in added),
        *_removes(tree, found, schema),
    ]


def without_strangers(actual: bytes, answer: bytes, intended: bytes, removals: Iterable[Path], schema: Schema) -> bytes:
    """The answer to a write that tested nothing but old values, without what somebody else had changed meanwhile.

    Recorded whole, it would make their change look agreed on; so that stays a difference from what is recorded.
    """
    before, after = decoded(actual), decoded(answer)
    ours = (*(edit.path for edit in unmet(decoded(intended), before, schema)), *removals)
    for edit in diff(before, after, schema):
        if any(meet(edit.path, path) for path in ours):
            continue
        if edit.old_present:
            assign(after, edit.path, edit.old, schema, like=before)
        else:
            discard(after, edit.path, schema, like=before)
    return canonical(after)


def _removes(tree: Json, paths: Iterable[Path], schema: Schema) -> list[Json]:
    """Removals from the end of lists to their beginning, so that no index moves under the next one."""
    located = [_located(tree, path, schema) for path in paths]
    located.sort(key=lambda steps: [(isinstance(step, str), step) for step in steps], reverse=True)
    return [{"op": "remove", "path": _joined(steps)} for steps in located]


def _topmost(paths: Iterable[Path]) -> list[Path]:
    """The paths that lie below no other of them, each once."""
    every = list(dict.fromkeys(paths))
    held = set(every)
    return [path for path in every if not any(path[:depth] in held for depth in range(len(path)))]


def _first_missing(tree: Json, path: Path, schema: Schema) -> Path:
    return next(path[:depth] for depth in range(1, len(path) + 1) if lookup(tree, path[:depth], schema) is ABSENT)


def _key_tests(tree: Json, path: Path, schema: Schema) -> Iterator[Json]:
    """Tests that every list element on the way still is the one that is meant."""
    for depth in range(1, len(path) + 1):
        step, node = path[depth - 1], schema.at(path[: depth - 1])
        element = lookup(tree, path[:depth], schema)
        if isinstance(step, str) or element is ABSENT:
            continue
        pointer = _pointer(tree, path[:depth], schema)
        if isinstance(step, Item):
            yield {"op": "test", "path": pointer, "value": element}
            continue
        for name in node.keys:
            if name in element:
                yield {"op": "test", "path": f"{pointer}/{name}", "value": element[name]}


def _test(tree: Json, path: Path, schema: Schema) -> Json:
    return {"op": "test", "path": _pointer(tree, path, schema), "value": lookup(tree, path, schema)}


def _operation(name: str, tree: Json, target: Json, path: Path, schema: Schema) -> Json:
    return {"op": name, "path": _pointer(tree, path, schema), "value": lookup(target, path, schema)}


def _pointer(tree: Json, path: Path, schema: Schema) -> str:
    return _joined(_located(tree, path, schema))


def _located(tree: Json, path: Path, schema: Schema) -> list[str | int]:
    """The path in this very tree: elements as indexes, `-` for one that is still to be added at the end."""
    steps: list[str | int] = []
    for segment in path:
        if isinstance(segment, str):
            steps.append(segment)
        else:
            elements = list(indexed(tree, schema) or {})
            steps.append(elements.index(segment) if segment in elements else "-")
        tree = lookup(tree, (segment,), schema)
        schema = schema.child(segment)
    return steps


def _joined(steps: Iterable[str | int]) -> str:
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in steps)


def _once(tests: Iterable[Json]) -> list[Json]:
    """The tests, each path once."""
    return list({test["path"]: test for test in tests}.values())
