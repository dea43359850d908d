"""Whose change is an edit: one test a line of the documentation's table, and the exceptions around it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from controller.errors import Reason
from controller.objects import Json
from controller.sync.plan.model import Action, Change, ConflictType, EditorRules, IgnoreRule, Rules, Severity
from controller.sync.plan.rows import Row
from tests.support.openapi import schema
from tests.support.plan import (
    EPOCH,
    MANAGER,
    RULES,
    TO_CLUSTER,
    VERSION,
    entry,
    fabric,
    managers,
    planned,
    situation,
    spec,
)

B = fabric(vlan=1)
BA = fabric(vlan=1, size=5)
LIVE = fabric(vlan=2, size=5)


def change_by(manager: str, live: Json = LIVE, path: str = "/spec/vlan", rules: Rules = RULES) -> Change:
    return planned(situation((B, BA), B, live, {manager: [path]}), rules)


def test_an_editors_change_is_an_edit() -> None:
    change = change_by("kubectl-edit")
    assert (change.action, change.drift.edits, change.drift.by_others) == (Action.WRITE_BACK, 1, 0)


def test_an_excluded_managers_change_is_left_alone_and_counted() -> None:
    for rules in (RULES, TO_CLUSTER):
        change = change_by("kube-controller-manager", rules=rules)
        assert (change.action, change.row, change.drift.by_others) == (Action.UNCHANGED, Row.STEADY, 1)
        assert change.record is None


def test_a_change_through_the_status_subresource_is_left_alone() -> None:
    entries = managers(entry("kubectl-edit", "/spec/vlan", subresource="status"))
    change = planned(situation((B, BA), B, LIVE, entries))
    assert (change.action, change.drift.by_others) == (Action.UNCHANGED, 1)


def test_any_other_managers_change_of_a_declared_field_is_a_conflict() -> None:
    change = change_by("terraform")
    assert change.conflict is not None
    assert (change.action, change.conflict.type) == (Action.CONFLICT, ConflictType.UNKNOWN_EDITOR)
    assert (change.conflict.severity, change.conflict.auto_resolvable) == (Severity.MEDIUM, False)
    assert "terraform" in change.message
    assert "spec.sync.editors" in change.message
    assert change.conflict.fields[0].editor == "terraform"


def test_any_other_managers_change_of_an_undeclared_field_is_left_alone_and_counted() -> None:
    change = change_by("terraform", fabric(vlan=1, size=6), "/spec/size")
    assert (change.action, change.drift.by_others) == (Action.UNCHANGED, 1)


def test_where_git_wins_any_other_managers_change_is_put_back() -> None:
    change = change_by("terraform", rules=TO_CLUSTER)
    assert (change.action, change.corrections[0].manager) == (Action.CONFIGURE, "terraform")


def test_the_standing_decision_settles_the_conflict() -> None:
    as_edit = replace(RULES, editors=EditorRules(include=("terraform",)))
    to_ignore = replace(RULES, editors=EditorRules(exclude=("terraform",)))
    assert change_by("terraform", rules=as_edit).action is Action.WRITE_BACK
    assert change_by("terraform", rules=to_ignore).action is Action.UNCHANGED


def test_our_own_name_without_our_write_is_applied_again() -> None:
    change = change_by(MANAGER)
    assert (change.action, spec(change.intended)) == (Action.CONFIGURE, {"vlan": 1})
    assert [(edit.path, edit.new, edit.manager) for edit in change.corrections] == [(("spec", "vlan"), 1, MANAGER)]


def test_an_undeclared_field_under_our_name_is_taken_away() -> None:
    change = change_by(MANAGER, fabric(vlan=1, size=5, enabled=True), "/spec/enabled")
    assert (change.action, change.removals, change.corrections) == (Action.CONFIGURE, (("spec", "enabled"),), ())


def test_an_apply_that_was_not_recorded_only_moves_the_base() -> None:
    change = planned(situation((B, BA), fabric(vlan=2), LIVE, {MANAGER: ["/spec/vlan"]}))
    assert (change.action, change.row) == (Action.MOVE_BASE, Row.MET)


def test_an_apply_that_was_not_recorded_and_is_old_by_now_is_followed_by_the_next() -> None:
    change = planned(situation((B, BA), fabric(vlan=3), LIVE, {MANAGER: ["/spec/vlan"]}))
    assert (change.action, spec(change.intended)) == (Action.CONFIGURE, {"vlan": 3})


def test_what_nobody_owns_is_no_edit() -> None:
    change = change_by("kubectl-edit", path="/spec/enabled")
    assert (change.action, change.drift.edits, change.drift.by_others) == (Action.UNCHANGED, 0, 0)


def test_a_declared_field_that_is_removed_is_an_edit_by_unknown() -> None:
    change = planned(situation((B, BA), B, fabric(size=5), {"kubectl-edit": ["/spec/size"]}))
    assert change.action is Action.WRITE_BACK
    assert b"vlan" not in (change.document or b"vlan")
    assert change.edits[0].manager == "unknown"


def test_an_undeclared_field_that_is_removed_is_no_edit() -> None:
    change = planned(situation((B, BA), B, fabric(vlan=1), {"kubectl-edit": ["/spec/vlan"]}))
    assert (change.action, change.drift.edits) == (Action.UNCHANGED, 0)


def test_a_declared_field_that_is_no_longer_served_writes_nothing() -> None:
    base = fabric(vlan=1, gone=1)
    change = planned(situation((base, base), base, B, {"kubectl-edit": ["/spec/vlan"]}))
    assert (change.action, change.reason) == (Action.SKIP, Reason.UNKNOWN_FIELD)
    assert "/spec/gone" in change.message


def test_a_difference_at_an_unchanged_resource_version_is_never_an_edit() -> None:
    same = situation((B, BA), B, LIVE, {"kubectl-edit": ["/spec/vlan"]})
    same = replace(same, actual=replace(same.actual, resource_version="7"))
    change = planned(same)
    assert (change.action, change.row, change.drift.edits) == (Action.MOVE_BASE, Row.STEADY, 0)
    assert change.actual == same.actual.content


def test_a_new_generation_of_the_definition_rebases() -> None:
    change = planned(situation((B, BA), B, LIVE, {"kubectl-edit": ["/spec/vlan"]}, schema_changed=True))
    assert (change.action, change.drift.edits) == (Action.MOVE_BASE, 0)


def test_a_difference_that_nobody_owns_is_credited_to_another_version_of_the_kind() -> None:
    entries = managers(
        entry("kubectl-edit", "/spec/virtualLan", version="tests.tandem.dev/v0"), entry(MANAGER, "/spec/size")
    )
    change = planned(situation((B, BA), B, LIVE, entries))
    assert (change.action, change.edits[0].manager) == (Action.WRITE_BACK, "kubectl-edit")


def test_an_object_without_managers_is_compared_by_value() -> None:
    change = planned(situation((B, BA), B, LIVE))
    assert (change.action, change.edits[0].manager) == (Action.WRITE_BACK, "unknown")


TOGETHER = [
    (["kubectl-edit", "kube-controller-manager"], Action.WRITE_BACK),
    (["kube-controller-manager", MANAGER], Action.UNCHANGED),
    (["terraform", "kube-controller-manager"], Action.CONFLICT),
    (["terraform", "kubectl-edit", MANAGER], Action.WRITE_BACK),
]


@pytest.mark.parametrize(("names", "action"), TOGETHER, ids=[" + ".join(names) for names, _ in TOGETHER])
def test_of_several_owners_a_persons_claim_outweighs_a_programs(names: list[str], action: Action) -> None:
    for order in (names, names[::-1]):
        assert planned(situation((B, BA), B, LIVE, {name: ["/spec/vlan"] for name in order})).action is action


# ---- ignore rules ----


def ignoring(**rule: tuple[str, ...]) -> Rules:
    return replace(RULES, ignore=(IgnoreRule(**rule),))


IGNORED = [
    ("by path", ignoring(paths=("/spec/vlan",)), Action.UNCHANGED),
    ("by a pattern", ignoring(paths=("/spec/*",)), Action.UNCHANGED),
    ("by manager, not even counted", ignoring(managers=("kubectl-*",)), Action.UNCHANGED),
    ("of this kind", ignoring(kinds=("Fabric",), paths=("/spec/vlan",)), Action.UNCHANGED),
    ("of this kind and group", ignoring(kinds=("Fabric.tests.tandem.dev",), paths=("/spec/vlan",)), Action.UNCHANGED),
    (
        "of another kind",
        ignoring(kinds=("Deployment",), paths=("/spec/vlan",), managers=("kubectl-*",)),
        Action.WRITE_BACK,
    ),
    ("another path", ignoring(paths=("/spec/size",)), Action.WRITE_BACK),
]


@pytest.mark.parametrize(("rules", "action"), [case[1:] for case in IGNORED], ids=[case[0] for case in IGNORED])
def test_ignore_rules(rules: Rules, action: Action) -> None:
    change = change_by("kubectl-edit", rules=rules)
    assert change.action is action
    assert change.drift.by_others == 0


BOOKKEEPING = [
    ("metadata", "annotations", "kubectl.kubernetes.io/last-applied-configuration"),
    ("metadata", "annotations", "kubectl.kubernetes.io/restartedAt"),
    ("metadata", "annotations", "deployment.kubernetes.io/revision"),
    ("metadata", "annotations", "autoscaling.alpha.kubernetes.io/conditions"),
    ("metadata", "annotations", "control-plane.alpha.kubernetes.io/leader"),
    ("metadata", "annotations", "argocd.argoproj.io/tracking-id"),
    ("metadata", "annotations", "tandem.dev/anything"),
    ("metadata", "labels", "kustomize.toolkit.fluxcd.io/name"),
    ("metadata", "labels", "helm.toolkit.fluxcd.io/namespace"),
    ("metadata", "labels", "argocd.argoproj.io/instance"),
]


@pytest.mark.parametrize("path", BOOKKEEPING, ids=[path[2] for path in BOOKKEEPING])
def test_bookkeeping_is_never_an_edit(path: tuple[str, str, str]) -> None:
    live = fabric(vlan=1, size=5)
    live["metadata"][path[1]] = {path[2]: "x"}
    text = "/".join(("", *path[:2], path[2].replace("/", "~1")))
    assert planned(situation((B, BA), B, live, {"kubectl-edit": [text]})).action is Action.UNCHANGED


@pytest.mark.parametrize(
    "name", ["status", "metadata/uid", "metadata/generation", "metadata/creationTimestamp", "metadata/selfLink"]
)
def test_what_the_server_sets_is_never_an_edit(name: str) -> None:
    live = fabric(vlan=1, size=5)
    *above, last = name.split("/")
    (live[above[0]] if above else live)[last] = {"x": 1} if last == "status" else "x"
    assert planned(situation((B, BA), B, live, {"kubectl-edit": [f"/{name}"]})).action is Action.UNCHANGED


def test_a_restart_by_kubectl_is_never_an_edit() -> None:
    stamp = "/spec/template/metadata/annotations/kubectl.kubernetes.io~1restartedAt"
    base: Json = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {"template": {"metadata": {"labels": {"a": "b"}}}},
    }
    live: Json = {
        **base,
        "spec": {
            "template": {
                "metadata": {"labels": {"a": "b"}, "annotations": {"kubectl.kubernetes.io/restartedAt": "now"}}
            }
        },
    }
    change = planned(situation(base, base, live, {"kubectl-rollout": [stamp]}, schema=schema("apps/v1", "Deployment")))
    assert change.action is Action.UNCHANGED


def test_an_ignored_part_of_an_unkeyed_list_is_no_edit_but_the_rest_is() -> None:
    rules = ignoring(paths=("/spec/extra/hosts/*/seen",))
    base = fabric(extra={"hosts": [{"name": "a", "seen": 1}]})
    by = {"kubectl-edit": ["/spec/extra/hosts"]}
    seen = fabric(extra={"hosts": [{"name": "a", "seen": 2}]})
    renamed = fabric(extra={"hosts": [{"name": "b", "seen": 2}]})
    assert planned(situation(base, base, seen, by), rules).action is Action.UNCHANGED
    change = planned(situation(base, base, renamed, by), rules)
    assert spec(change.document) == renamed["spec"]


def test_a_struct_of_which_only_the_ignored_is_gone_is_no_edit() -> None:
    rules = ignoring(paths=("/spec/probe/period",))
    base = fabric(vlan=1, probe={"period": 1})
    assert planned(situation(base, base, fabric(vlan=1), {"k9s": ["/spec/vlan"]}), rules).action is Action.UNCHANGED


def test_an_ignored_index_of_a_list() -> None:
    rules = ignoring(paths=("/spec/subnets/0",))
    base, live = fabric(subnets=["a", "b"]), fabric(subnets=["c", "b"])
    assert planned(situation(base, base, live, {"k9s": ["/spec/subnets"]}), rules).action is Action.UNCHANGED
    live = fabric(subnets=["a", "c"])
    assert planned(situation(base, base, live, {"k9s": ["/spec/subnets"]}), rules).action is Action.WRITE_BACK


def test_the_version_and_epoch_of_the_tests_are_those_of_the_rules() -> None:
    assert RULES.epoch == EPOCH
    assert B["apiVersion"] == VERSION
