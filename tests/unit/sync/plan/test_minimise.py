"""What a document need not say. The answers are those of a real API server, shortened."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace

from controller.objects import Json, Kind, canonical, decoded
from controller.sync.plan.fieldpath import render_path
from controller.sync.plan.minimise import droppable, minimised, needed, probe
from controller.sync.plan.model import Action, Change
from controller.sync.plan.rows import Row
from tests.support.openapi import schema
from tests.support.plan import KEY, MANAGER, RULES, planned, situation, spec
from tests.unit.sync.plan.test_intended import deployment, live_of

DEPLOYMENT = schema("apps/v1", "Deployment")
SIDE = "/spec/template/spec/containers/{name=side}"
FILLED = {"imagePullPolicy": "Always", "resources": {}, "terminationMessagePath": "/dev/termination-log"}


def with_a_sidecar() -> Change:
    declared, live = deployment(), live_of(deployment())
    edited = deepcopy(live)
    edited["spec"]["template"]["spec"]["containers"].append({"name": "side", "image": "busybox", **FILLED})
    by = {"kubectl-edit": [f"{SIDE}/{name}" for name in ("name", "image", *FILLED)]}
    return planned(situation((declared, live), declared, edited, by, schema=DEPLOYMENT))


def test_the_defaults_of_an_added_container_are_left_out() -> None:
    change = with_a_sidecar()
    assert change.document is not None
    dropped = droppable(change, DEPLOYMENT)
    assert {render_path(path) for path in dropped} == {f"{SIDE}/{name}" for name in ("image", *FILLED)}
    probed = probe(change.document, dropped, DEPLOYMENT)
    assert spec(probed)["template"]["spec"]["containers"][1] == {"name": "side"}
    kept = needed(["spec.template.spec.containers[1].image"], probed, dropped, DEPLOYMENT)
    assert {render_path(path) for path in kept} == {f"{SIDE}/image"}
    answer = decoded(change.document)
    answer["spec"]["replicas"] = 2
    small = minimised(change, [path for path in dropped if path not in kept], canonical(answer), DEPLOYMENT)
    containers = spec(small.document)["template"]["spec"]["containers"]
    assert containers[1] == {"name": "side", "image": "busybox"}
    assert small.record == small.document
    assert sorted(str(edit.path[-1]) for edit in small.edits) == ["image", "name"]


def test_what_the_server_fills_in_otherwise_is_said() -> None:
    change = with_a_sidecar()
    answer = decoded(change.document or b"")
    answer["spec"]["template"]["spec"]["containers"][1]["imagePullPolicy"] = "IfNotPresent"
    small = minimised(change, droppable(change, DEPLOYMENT), canonical(answer), DEPLOYMENT)
    assert spec(small.document)["template"]["spec"]["containers"][1] == {"name": "side", "imagePullPolicy": "Always"}


def test_a_changed_value_is_never_left_out() -> None:
    declared, live = deployment(), live_of(deployment())
    scaled = live_of(deployment(replicas=1))
    change = planned(situation((declared, live), declared, scaled, {"k9s": ["/spec/replicas"]}, schema=DEPLOYMENT))
    assert droppable(change, DEPLOYMENT) == ()


def test_an_import_is_tried_with_what_the_schema_requires() -> None:
    live = live_of(deployment())
    rules = replace(RULES, imports=frozenset({Kind("apps", "Deployment")}))
    key = KEY._replace(group="apps", kind="Deployment")
    change = planned(
        situation(None, None, live, {"kubectl-create": ["/spec/replicas"]}, key=key, schema=DEPLOYMENT), rules
    )
    assert change.action is Action.IMPORT
    dropped = droppable(change, DEPLOYMENT)
    assert not any(path[0] in ("metadata", "apiVersion", "kind") for path in dropped)
    probed = probe(change.document or b"", dropped, DEPLOYMENT)
    assert spec(probed) == {
        "selector": {"matchLabels": {"app": "web"}},
        "template": {"spec": {"containers": [{"name": "web", "ports": [{"containerPort": 80}]}]}},
    }  # an element's key that has its default may go as well
    causes = ["spec.template.metadata.labels", "spec.template.spec.containers[0].image"]
    kept = needed(causes, probed, dropped, DEPLOYMENT)
    assert sorted(str(path[-1]) for path in kept) == ["app", "image"]


CAUSES = [
    ("spec.template.spec.containers[9].image", set()),
    ("spec.other", set()),
    ("metadata.annotations[a]", set()),
    ("spec.template.spec.containers[1]", {"image", *FILLED}),
    ("spec.template.spec.containers[1].image.below", {"image"}),
]


def test_a_refusal_about_something_else_asks_for_nothing() -> None:
    change = with_a_sidecar()
    dropped = droppable(change, DEPLOYMENT)
    probed = probe(change.document or b"", dropped, DEPLOYMENT)
    for field, names in CAUSES[1:]:
        assert {path[-1] for path in needed([field], probed, dropped, DEPLOYMENT)} == names
    assert needed([], probed, dropped, DEPLOYMENT) == frozenset()


def test_an_index_beyond_the_list_asks_for_all_in_it() -> None:
    """Not knowing which element is meant, all are kept rather than none."""
    change = with_a_sidecar()
    dropped = droppable(change, DEPLOYMENT)
    probed = probe(change.document or b"", dropped, DEPLOYMENT)
    assert needed([CAUSES[0][0]], probed, dropped, DEPLOYMENT) == frozenset(dropped)


def test_what_writes_nothing_has_nothing_to_leave_out() -> None:
    change = Change(KEY, Action.CONFIGURE, Row.DECLARED_ANEW, intended=b"{}")
    assert droppable(change, DEPLOYMENT) == ()
    assert minimised(change, [], b"{}", DEPLOYMENT) is change


def test_what_is_applied_leaves_out_the_same() -> None:
    declared, live = deployment(), live_of(deployment())
    edited = deepcopy(live)
    edited["spec"]["paused"] = False
    by = {"kubectl-edit": ["/spec/paused"], MANAGER: ["/spec/replicas"]}
    change = planned(situation((declared, live), deployment("nginx:2"), edited, by, schema=DEPLOYMENT))
    assert change.action is Action.MERGE
    answer: Json = {"spec": {"paused": False}}
    small = minimised(change, droppable(change, DEPLOYMENT), canonical(answer), DEPLOYMENT)
    assert "paused" not in spec(small.document)
    assert "paused" not in spec(small.intended)
