"""Maps and lists that a commit empties on a custom resource.

A server-side apply leaves null where its manager's last item was, and the API server refuses its own result
("must be of type object: null"); on built-in kinds the null just goes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from controller.dev.controlplane import ControlPlane
from tests.support.fabrics import Fabrics, Json
from tests.support.kubectl import Kubectl
from tests.support.repository import Repository

pytestmark = pytest.mark.usefixtures("tandem")

GROUP = "emptied.example.com"
RULES = f"rules.{GROUP}"
TEXT = {"type": "string"}
LIST = {
    "type": "array",
    "items": {"type": "object", "required": ["name"], "properties": {"name": TEXT, "text": TEXT}},
    "x-kubernetes-list-type": "map",
    "x-kubernetes-list-map-keys": ["name"],
}
SPEC = {
    "type": "object",
    "properties": {
        "title": TEXT,
        "tags": {"type": "object", "additionalProperties": TEXT},
        "items": LIST,
    },
}
DEFINITION = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": RULES},
    "spec": {
        "group": GROUP,
        "scope": "Namespaced",
        "names": {"plural": "rules", "singular": "rule", "kind": "Rule"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": SPEC}}},
            }
        ],
    },
}


@pytest.fixture(scope="module")
def rules(controlplane: ControlPlane) -> Iterator[None]:
    """The kind; gone with the module, when no Fabric holds one."""
    kubectl = Kubectl.of(controlplane)
    kubectl.apply(json.dumps(DEFINITION))
    kubectl("wait", "--for=condition=Established", f"crd/{RULES}")
    yield
    kubectl("delete", "crd", RULES, "--wait")


def rule(spec: str) -> str:
    return f"apiVersion: {GROUP}/v1\nkind: Rule\nmetadata:\n  name: one\nspec: {spec}\n"


def live(fabrics: Fabrics) -> Json:
    """The spec without what is empty: whether an emptied map stays is the server's affair."""
    spec: Json = fabrics.kubectl.json("get", RULES, "one").get("spec") or {}
    return {name: value for name, value in spec.items() if value}


CASES = [
    ("a map emptied", "{title: t, tags: {a: '1'}}", "{title: t, tags: {}}", {"title": "t"}),
    ("a map emptied and another field changed", "{title: t, tags: {a: '1'}}", "{title: u, tags: {}}", {"title": "u"}),
    ("everything emptied", "{title: t}", "{}", {}),
    ("a list emptied", "{title: t, items: [{name: x}]}", "{title: t, items: []}", {"title": "t"}),
]


@pytest.mark.parametrize(("first", "second", "left"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_what_a_commit_empties_is_empty(
    rules: None, fabrics: Fabrics, repository: Repository, first: str, second: str, left: Json
) -> None:
    revision = repository.publish({"rule.yaml": rule(first)})
    fabrics.apply(repository.url)
    fabrics.wait_synced(revision=revision)
    fabrics.wait_synced(revision=repository.publish({"rule.yaml": rule(second)}))
    assert live(fabrics) == left
    third = repository.publish({"rule.yaml": rule("{title: back, tags: {b: '2'}}")})
    fabrics.wait_synced(revision=third)
    assert live(fabrics) == {"title": "back", "tags": {"b": "2"}}


def test_an_element_in_which_somebody_else_owns_a_field_goes(
    rules: None, fabrics: Fabrics, repository: Repository
) -> None:
    repository.publish({"rule.yaml": rule("{title: t, items: [{name: x, text: ours}]}")})
    fabrics.apply(repository.url)
    fabrics.wait_synced()
    patch = {"spec": {"items": [{"name": "x", "text": "theirs"}]}}
    fabrics.kubectl.patch(RULES, "one", patch)
    fabrics.eventually(lambda: "theirs" in repository.show("rule.yaml"))
    second = repository.publish({"rule.yaml": rule("{title: t}")})
    fabrics.wait_synced(revision=second)
    assert live(fabrics) == {"title": "t"}
    assert repository.head() == second
