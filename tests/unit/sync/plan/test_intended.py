"""M and the removals: what is applied, and what an apply cannot be trusted with."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace

from controller.objects import Json
from controller.sync.plan.model import Action, IgnoreRule
from controller.sync.plan.rows import Row
from tests.support.openapi import schema
from tests.support.plan import MANAGER, RULES, TO_CLUSTER, fabric, planned, situation, spec
from tests.unit.sync.plan.test_owners import LIVE

DEPLOYMENT = schema("apps/v1", "Deployment")


def deployment(image: str = "nginx:1", replicas: int | None = 2) -> Json:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": ({} if replicas is None else {"replicas": replicas})
        | {
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [{"name": "web", "image": image, "ports": [{"containerPort": 80}]}]},
            },
        },
    }


def live_of(document: Json) -> Json:
    """As the server stores it: with its defaults."""
    live = deepcopy(document)
    live["spec"]["strategy"] = {"type": "RollingUpdate"}
    container = live["spec"]["template"]["spec"]["containers"][0]
    container["ports"][0]["protocol"] = "TCP"
    container["imagePullPolicy"] = "IfNotPresent"
    return live


def test_an_autoscalers_replicas_survive_an_image_change() -> None:
    declared, live = deployment(), live_of(deployment())
    scaled = live_of(deployment(replicas=7))
    by = {MANAGER: ["/spec/selector"], "kube-controller-manager": ["/spec/replicas"]}
    steady = planned(situation((declared, live), declared, scaled, by, schema=DEPLOYMENT))
    assert (steady.action, steady.drift.by_others) == (Action.UNCHANGED, 1)
    change = planned(situation((declared, live), deployment("nginx:2"), scaled, by, schema=DEPLOYMENT))
    assert (change.action, change.row) == (Action.CONFIGURE, Row.DECLARED_ANEW)
    assert "replicas" not in spec(change.intended)
    assert spec(change.intended)["template"]["spec"]["containers"][0]["image"] == "nginx:2"
    assert spec(change.record)["replicas"] == 2
    assert change.document is None


def test_what_an_excluded_manager_holds_is_applied_where_git_moved_it() -> None:
    declared, live = deployment(), live_of(deployment())
    by = {"kube-controller-manager": ["/spec/replicas"]}
    scaled = live_of(deployment(replicas=7))
    change = planned(situation((declared, live), deployment(replicas=4), scaled, by, schema=DEPLOYMENT))
    assert spec(change.intended)["replicas"] == 4


def test_what_an_excluded_manager_holds_with_the_same_value_stays_ours_too() -> None:
    declared, live = deployment(), live_of(deployment())
    by = {"helm": ["/spec/replicas", "/spec/selector"]}
    change = planned(situation((declared, live), deployment("nginx:2"), live, by, schema=DEPLOYMENT))
    assert spec(change.intended)["replicas"] == 2


def test_an_ignored_path_is_not_applied() -> None:
    rules = replace(RULES, ignore=(IgnoreRule(paths=("/spec/replicas",)),))
    declared, live = deployment(), live_of(deployment())
    scaled = live_of(deployment(replicas=7))
    by = {"kubectl": ["/spec/replicas"]}
    change = planned(situation((declared, live), deployment("nginx:2", 3), scaled, by, schema=DEPLOYMENT), rules)
    assert "replicas" not in spec(change.intended)


def test_an_ignored_path_that_we_hold_keeps_its_live_value() -> None:
    rules = replace(RULES, ignore=(IgnoreRule(paths=("/spec/replicas",)),))
    declared, live = deployment(), live_of(deployment())
    by = {MANAGER: ["/spec/replicas"]}
    change = planned(situation((declared, live), deployment("nginx:2", 3), live, by, schema=DEPLOYMENT), rules)
    assert spec(change.intended)["replicas"] == 2


def test_an_ignored_path_is_applied_when_the_object_is_made() -> None:
    rules = replace(RULES, ignore=(IgnoreRule(paths=("/spec/replicas",)),))
    assert spec(planned(situation(None, deployment(), None, schema=DEPLOYMENT), rules).intended)["replicas"] == 2


def test_an_ignored_element_is_left_out_whole() -> None:
    rules = replace(RULES, ignore=(IgnoreRule(paths=("/spec/ports/{port=1}",)),))
    declared = fabric(vlan=1, ports=[{"port": 1, "mtu": 1}, {"port": 2}])
    live = fabric(vlan=1, ports=[{"port": 1, "mtu": 9}, {"port": 2}])
    moved = {**declared, "spec": {**declared["spec"], "vlan": 2}}
    by = {"k9s": ["/spec/ports/{port=1,protocol=TCP}/mtu"]}
    change = planned(situation((declared, live), moved, live, by), rules)
    assert spec(change.intended) == {"vlan": 2, "ports": [{"port": 2}]}
    assert change.removals == ()


def test_an_ignored_element_of_which_we_hold_a_part_keeps_that_part() -> None:
    rules = replace(RULES, ignore=(IgnoreRule(paths=("/spec/probe",)),))
    declared = fabric(vlan=1, probe={"path": "/", "period": 1})
    live = fabric(vlan=1, probe={"path": "/", "period": 9})
    moved = {**declared, "spec": {**declared["spec"], "vlan": 2}}
    by = {MANAGER: ["/spec/probe/path"], "k9s": ["/spec/probe/period"]}
    change = planned(situation((declared, live), moved, live, by), rules)
    assert spec(change.intended) == {"vlan": 2, "probe": {"path": "/"}}


def test_bookkeeping_and_server_set_fields_are_never_applied() -> None:
    document = fabric({"kubectl.kubernetes.io/last-applied-configuration": "{}"}, vlan=1)
    document["status"] = {"x": 1}
    document["metadata"] |= {"uid": "u", "creationTimestamp": None, "labels": {"argocd.argoproj.io/instance": "x"}}
    change = planned(situation(None, document, None))
    assert change.intended is not None
    for word in (b"last-applied", b"status", b"uid", b"creationTimestamp", b"argocd", b"labels", b"annotations"):
        assert word not in change.intended


def test_a_document_without_metadata_maps_is_applied_as_it_is() -> None:
    document = {**fabric(vlan=1), "spec": {"template": "text"}}
    change = planned(situation(None, document, None))
    assert change.intended == change.record


def test_tandems_annotations_of_a_document_are_applied() -> None:
    document = fabric({"tandem.dev/prune": "disabled"}, vlan=1)
    change = planned(situation((fabric(vlan=1),) * 2, document, fabric(vlan=1), {"k9s": ["/spec/size"]}))
    assert change.action is Action.CONFIGURE
    assert change.intended is not None
    assert b"tandem.dev/prune" in change.intended


# ---- removals ----


def test_a_field_that_was_written_back_and_then_removed_in_git_is_gone_from_the_cluster() -> None:
    base = fabric(vlan=1, enabled=True)
    change = planned(situation(base, fabric(vlan=1), base, {"kubectl-edit": ["/spec/enabled"]}))
    assert change.removals == (("spec", "enabled"),)
    assert spec(change.intended) == {"vlan": 1}


def test_what_is_absent_already_is_not_removed() -> None:
    base = (fabric(vlan=1, tags={"a": ""}), fabric(vlan=1))  # the server dropped the empty value
    assert planned(situation(base, fabric(vlan=1), fabric(vlan=1))).removals == ()


def test_what_an_excluded_manager_holds_is_not_removed() -> None:
    base = fabric(vlan=1, enabled=True)
    assert planned(situation(base, fabric(vlan=1), base, {"helm": ["/spec/enabled"]})).removals == ()


def test_of_a_struct_only_what_no_excluded_manager_holds_is_removed() -> None:
    base = (fabric(vlan=1, probe={"path": "/"}), fabric(vlan=1, probe={"path": "/", "period": 9}))
    by = {"vpa-updater": ["/spec/probe/period"]}
    change = planned(situation(base, fabric(vlan=1), base[1], by))
    assert change.removals == (("spec", "probe", "path"),)


def test_of_an_undeclared_struct_under_our_name_nothing_is_removed_that_an_excluded_manager_holds() -> None:
    live = fabric(vlan=1, extra={"a": 1})
    by = {MANAGER: ["/spec/extra/a"], "helm": ["/spec/extra/a"]}
    change = planned(situation(fabric(vlan=1), fabric(vlan=2), live, by))
    assert change.removals == ()


def test_of_a_map_only_the_declared_keys_are_removed() -> None:
    base = (fabric(vlan=1, tags={"a": "1"}), fabric(vlan=1, tags={"a": "1", "injected": "x"}))
    change = planned(situation(base, fabric(vlan=1), base[1], {MANAGER: ["/spec/tags/a"]}))
    assert change.removals == (("spec", "tags", "a"),)


def test_of_an_element_that_an_excluded_manager_has_a_part_in_the_keys_are_not_removed() -> None:
    base = fabric(vlan=1, ports=[{"port": 1, "protocol": "UDP", "mtu": 9}])
    by = {"some-controller": ["/spec/ports/{port=1,protocol=UDP}/mtu"]}
    change = planned(situation(base, fabric(vlan=1), base, by))
    assert (change.action, change.removals) == (Action.CONFIGURE, ())


def test_an_ignored_path_is_not_removed() -> None:
    rules = replace(RULES, ignore=(IgnoreRule(paths=("/spec/enabled",)),))
    base = fabric(vlan=1, enabled=True)
    change = planned(situation(base, fabric(vlan=2), base, {MANAGER: ["/spec/enabled"]}), rules)
    assert change.removals == ()


def test_removed_in_git_and_changed_live_is_removed_where_git_wins() -> None:
    base = fabric(vlan=1, enabled=True)
    live = fabric(vlan=1, enabled=False)
    change = planned(situation(base, fabric(vlan=1), live, {"kubectl-edit": ["/spec/enabled"]}), TO_CLUSTER)
    assert change.removals == (("spec", "enabled"),)


def test_a_real_adoption_from_kubectl_apply_removes_by_patch() -> None:
    """The field is held by kubectl too, so the apply alone would leave it."""
    live = deepcopy(LIVE["kubectl apply"])
    entries = live["metadata"].pop("managedFields")
    live["metadata"].pop("annotations")
    by = {entry["manager"]: ["/spec/replicas", "/spec/selector"] for entry in entries}
    declared, without = deployment(), deployment(replicas=None)
    change = planned(situation((declared, live), without, live, by, schema=DEPLOYMENT))
    assert change.removals == (("spec", "replicas"),)
    assert "replicas" not in spec(change.intended)


# ---- what a written-back document looks like ----


def test_a_container_added_live_goes_where_it_stands() -> None:
    declared = deployment()
    live = live_of(declared)
    edited = deepcopy(live)
    edited["spec"]["template"]["spec"]["containers"].insert(0, {"name": "side", "image": "busybox"})
    place = "/spec/template/spec/containers/{name=side}"
    by = {"kubectl-edit": [f"{place}/name", f"{place}/image"]}
    change = planned(situation((declared, live), declared, edited, by, schema=DEPLOYMENT))
    containers = spec(change.document)["template"]["spec"]["containers"]
    assert [container["name"] for container in containers] == ["side", "web"]


def test_a_map_that_the_last_key_left_goes_too() -> None:
    base = (fabric(vlan=1, tags={"a": "1"}), fabric(vlan=1, tags={"a": "1", "b": "injected"}))
    live = fabric(vlan=1, tags={"b": "injected"})
    change = planned(situation(base, base[0], live, {"k9s": ["/spec/vlan"]}))
    assert spec(change.document) == {"vlan": 1}


def test_an_edit_in_an_element_that_git_does_not_hold_names_the_element() -> None:
    base = (fabric(vlan=1), fabric(vlan=1, ports=[{"port": 1, "protocol": "UDP"}]))
    live = fabric(vlan=1, ports=[{"port": 1, "protocol": "UDP", "mtu": 9}])
    by = {"k9s": ["/spec/ports/{port=1,protocol=UDP}/mtu"]}
    change = planned(situation(base, base[0], live, by))
    assert spec(change.document) == {"vlan": 1, "ports": [{"port": 1, "protocol": "UDP", "mtu": 9}]}
