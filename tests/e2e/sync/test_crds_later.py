"""Kinds whose definition comes later, or goes: their objects wait, nothing is lost, nothing is removed from Git."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.e2e.sync.looking import data, wait_error, wait_event
from tests.e2e.sync.manifests import CONFIG
from tests.support.fabrics import Fabrics, Json
from tests.support.identity import Identity
from tests.support.kubectl import Kubectl
from tests.support.repository import Repository

pytestmark = pytest.mark.usefixtures("tandem")


@dataclass(frozen=True)
class Widgets:
    """A kind of the test's own."""

    group: str
    kubectl: Kubectl

    @property
    def resource(self) -> str:
        return f"widgets.{self.group}"

    @property
    def definition(self) -> str:
        """Its CustomResourceDefinition."""
        schema = {
            "type": "object",
            "properties": {"spec": {"type": "object", "properties": {"size": {"type": "integer"}}}},
        }
        version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
        return json.dumps(
            {
                "apiVersion": "apiextensions.k8s.io/v1",
                "kind": "CustomResourceDefinition",
                "metadata": {"name": self.resource},
                "spec": {
                    "group": self.group,
                    "scope": "Namespaced",
                    "names": {"plural": "widgets", "singular": "widget", "kind": "Widget"},
                    "versions": [version],
                },
            }
        )

    def widget(self, size: int, name: str = "big") -> str:
        return f"apiVersion: {self.group}/v1\nkind: Widget\nmetadata:\n  name: {name}\nspec:\n  size: {size}\n"

    def define(self) -> None:
        self.kubectl.apply(self.definition)
        self.kubectl("wait", "--for=condition=Established", f"crd/{self.resource}")

    def undefine(self) -> None:
        self.kubectl("delete", "crd", self.resource, "--ignore-not-found", "--wait", timeout=90)


@pytest.fixture
def widgets(kubectl: Kubectl, identity: Identity) -> Iterator[Widgets]:
    """A kind that nobody has defined yet; its definition goes at the end, once the Fabrics are gone."""
    widgets = Widgets(f"x{secrets.token_hex(4)}.example.com", kubectl)
    with identity.seeing(widgets.group):
        yield widgets
    widgets.undefine()


def size(fabrics: Fabrics, widgets: Widgets, name: str = "big") -> int | None:
    """The live widget's size; None where there is none, or no such kind."""
    found: Json | None = fabrics.kubectl.find(widgets.resource, name)
    return None if found is None else found["spec"]["size"]


@pytest.mark.usefixtures("everywhere")
def test_a_definition_and_its_objects_in_one_commit(widgets: Widgets, fabrics: Fabrics, repository: Repository) -> None:
    first = repository.publish({"a.yaml": widgets.widget(1), "b.json": widgets.definition, "c.yaml": CONFIG})
    fabrics.apply(repository.url, target={"clusterScoped": True})
    fabrics.wait_synced(revision=first, deadline=60)
    assert size(fabrics, widgets) == 1
    assert data(fabrics, "web") is not None
    second = repository.publish({"a.yaml": widgets.widget(2)})
    fabrics.wait_synced(revision=second)
    fabrics.kubectl.patch(widgets.resource, "big", {"spec": {"size": 3}})
    fabrics.eventually(lambda: "size: 3" in repository.show("a.yaml"))


def test_objects_wait_for_a_definition_that_somebody_applies_later(
    widgets: Widgets, fabrics: Fabrics, repository: Repository
) -> None:
    first = repository.publish({"a.yaml": f"# a widget\n{widgets.widget(1)}", "c.yaml": CONFIG})
    fabrics.apply(repository.url)
    error = wait_error(fabrics, file="a.yaml", reason="KindUnknown", field="/apiVersion", object="Widget/big")
    assert error["line"] == 2
    assert f"does not serve Widget in {widgets.group}/v1" in error["message"]
    fabrics.wait_condition("Ready", "False", "DocumentsFailed")
    wait_event(fabrics, "KindUnknown", "a.yaml:2")
    assert data(fabrics, "web") is not None
    assert fabrics.wait_applied(first)["errorCount"] == 1
    widgets.define()
    fabrics.wait_synced(revision=first, deadline=60)
    assert size(fabrics, widgets) == 1
    fabrics.kubectl.patch(widgets.resource, "big", {"spec": {"size": 5}})
    fabrics.eventually(lambda: "size: 5" in repository.show("a.yaml"))


@pytest.mark.parametrize("rule", [{}, {"propagate": "Observed", "settle": "0s"}], ids=["Conflict", "Observed"])
def test_a_definition_that_is_deleted_takes_nothing_out_of_git(
    widgets: Widgets, fabrics: Fabrics, repository: Repository, rule: dict[str, str]
) -> None:
    widgets.define()
    first = repository.publish({"a.yaml": widgets.widget(1), "b.yaml": widgets.widget(2, "small"), "c.yaml": CONFIG})
    fabrics.apply(repository.url, deletion=rule)
    fabrics.wait_synced(revision=first)
    widgets.undefine()
    fabrics.wait(lambda found: {e["reason"] for e in found["status"]["exceptions"]} == {"TargetGone"})
    fabrics.wait_condition("Ready", "False", "DocumentsFailed")
    assert fabrics.condition("Stalled") == {}, "the ConfigMap is kept in step"
    fabrics.wait_handled(fabrics.request())
    assert repository.head() == first, "nothing was removed from Git"
    assert fabrics.status()["inventory"]["kept"] == 3
    second = repository.publish({"c.yaml": CONFIG.replace("big", "huge")})
    fabrics.eventually(lambda: data(fabrics, "web") == {"color": "blue", "size": "huge"})
    widgets.define()
    fabrics.eventually(lambda: size(fabrics, widgets) == 1 and size(fabrics, widgets, "small") == 2, deadline=60)
    fabrics.wait_synced(revision=second)
    assert fabrics.conflicts() == []
    assert repository.head() == second


def test_a_fabric_all_of_whose_objects_lost_their_place_is_stalled_until_it_is_back(
    widgets: Widgets, fabrics: Fabrics, repository: Repository
) -> None:
    widgets.define()
    first = repository.publish({"a.yaml": widgets.widget(1)})
    fabrics.apply(repository.url)
    fabrics.wait_synced(revision=first)
    widgets.undefine()
    said = fabrics.wait_condition("Stalled", "True", "TargetGone")
    assert "1 object" in said["message"]
    fabrics.wait_condition("Ready", "False", "TargetGone")
    wait_event(fabrics, "TargetGone")
    widgets.define()
    fabrics.wait_synced(revision=first, deadline=60)
    assert size(fabrics, widgets) == 1
    assert fabrics.condition("Stalled") == {}


@pytest.mark.usefixtures("everywhere")
def test_a_namespace_that_is_deleted_takes_nothing_out_of_git(
    widgets: Widgets, fabrics: Fabrics, repository: Repository, kubectl: Kubectl
) -> None:
    there = f"{fabrics.namespace}-b"
    kubectl("create", "namespace", there)
    document = CONFIG.replace("metadata:\n", f"metadata:\n  namespace: {there}\n")
    first = repository.publish({"there.yaml": document, "here.yaml": CONFIG})
    rule = {"propagate": "Observed", "settle": "0s"}
    fabrics.apply(repository.url, target={"namespaces": [fabrics.namespace, there]}, deletion=rule)
    fabrics.wait_synced(revision=first)
    kubectl("delete", "namespace", there, "--wait", timeout=90)
    fabrics.wait(lambda found: [e["reason"] for e in found["status"]["exceptions"]] == ["TargetGone"])
    fabrics.wait_handled(fabrics.request())
    assert repository.head() == first
    kubectl("create", "namespace", there)
    try:
        fabrics.eventually(lambda: kubectl.within(there).find("configmap", "web") is not None, deadline=90)
        fabrics.wait_synced(revision=first)
        assert repository.head() == first
    finally:
        fabrics.remove_all()
        kubectl("delete", "namespace", there, "--wait=false")


def test_a_definition_that_loses_a_field_changes_nothing_in_git(
    widgets: Widgets, fabrics: Fabrics, repository: Repository
) -> None:
    widgets.define()
    first = repository.publish({"a.yaml": widgets.widget(1)})
    fabrics.apply(repository.url)
    fabrics.wait_synced(revision=first)
    fabrics.kubectl.apply(widgets.definition.replace('"size": {"type"', '"length": {"type"'))
    fabrics.eventually(lambda: size_is_gone(fabrics, widgets))
    fabrics.wait_handled(fabrics.request())
    assert repository.head() == first
    second = repository.publish({"a.yaml": widgets.widget(2)})
    wait_error(fabrics, file="a.yaml", reason="UnknownField", field="/spec/size")
    widgets.define()
    third = repository.publish({"a.yaml": widgets.widget(3)})
    fabrics.wait_synced(revision=third)
    assert size(fabrics, widgets) == 3
    assert second != third


def size_is_gone(fabrics: Fabrics, widgets: Widgets) -> bool:
    return "size" not in fabrics.kubectl.json("get", widgets.resource, "big").get("spec", {})
