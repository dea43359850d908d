from __future__ import annotations

from itertools import permutations

from controller.objects import Kind, ObjectKey
from controller.sync.plan.guard import Context
from controller.sync.plan.model import Action, Change
from controller.sync.plan.order import DEFINITIONS, NAMESPACES, REST, in_order, phase_of, place_of
from controller.sync.plan.plan import make_plan
from controller.sync.plan.rows import Row
from tests.support.plan import RULES

ORDERED = [
    ObjectKey("", "Namespace", "", "shop"),
    ObjectKey("apiextensions.k8s.io", "CustomResourceDefinition", "", "fabrics.tandem.dev"),
    ObjectKey("", "ServiceAccount", "shop", "web"),
    ObjectKey("rbac.authorization.k8s.io", "ClusterRole", "", "web"),
    ObjectKey("rbac.authorization.k8s.io", "RoleBinding", "shop", "web"),
    ObjectKey("", "ConfigMap", "shop", "a"),
    ObjectKey("", "ConfigMap", "shop", "b"),
    ObjectKey("", "Secret", "shop", "a"),
    ObjectKey("", "Service", "shop", "web"),
    ObjectKey("apps", "Deployment", "shop", "web"),
    ObjectKey("networking.k8s.io", "Ingress", "shop", "web"),
    ObjectKey("tests.tandem.dev", "Fabric", "shop", "web"),
    ObjectKey("admissionregistration.k8s.io", "ValidatingWebhookConfiguration", "", "web"),
]


def applied(key: ObjectKey) -> Change:
    return Change(key, Action.CREATE, Row.DECLARED_ONLY, intended=b"{}")


def pruned(key: ObjectKey) -> Change:
    return Change(key, Action.PRUNE, Row.UNDECLARED)


def test_what_others_need_comes_first_and_webhooks_last() -> None:
    assert [change.key for change in in_order(map(applied, reversed(ORDERED)))] == ORDERED


def test_deletes_come_last_and_the_other_way_round() -> None:
    mixed = [*map(pruned, ORDERED), *map(applied, ORDERED), Change(ORDERED[0], Action.IMPORT, Row.ACTUAL_ONLY)]
    ordered = in_order(mixed)
    assert [change.action for change in ordered] == [Action.CREATE] * 13 + [Action.IMPORT] + [Action.PRUNE] * 13
    assert [change.key for change in ordered[-13:]] == ORDERED[::-1]


def test_the_order_does_not_depend_on_how_changes_arrive() -> None:
    some = [applied(ORDERED[5]), applied(ORDERED[9]), pruned(ORDERED[0]), Change(ORDERED[2], Action.FORGET, Row.GONE)]
    plans = {repr(make_plan(order, RULES, Context(based=9))) for order in permutations(some)}
    assert len(plans) == 1


def test_phases() -> None:
    phases = [phase_of(key.group_kind) for key in ORDERED]
    assert phases == [NAMESPACES, DEFINITIONS] + [REST] * 11
    assert place_of(Kind("x", "Y")) < place_of(Kind("apiregistration.k8s.io", "APIService"))
