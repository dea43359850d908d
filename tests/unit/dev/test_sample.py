"""The sample is what its readers take it for."""

from __future__ import annotations

import yaml

from controller.api.v1alpha1.fabric import Fabric
from controller.dev import sample


def test_the_documents_are_the_two_objects_of_the_story() -> None:
    found = {name: yaml.safe_load(text) for name, text in sample.documents().items()}
    assert {name: (value["kind"], value["metadata"]["name"]) for name, value in found.items()} == {
        "web.yaml": ("Deployment", "web"),
        "settings.yaml": ("ConfigMap", "settings"),
    }
    web = found["web.yaml"]["spec"]
    assert (web["replicas"], web["template"]["spec"]["containers"][0]["image"]) == (2, "nginx:1.27")


def test_the_edits_of_the_story_touch_one_place_each() -> None:
    text = sample.document(sample.WEB)
    for edited in ("replicas: 2", "nginx:1.27"):
        assert text.count(edited) == 1


def test_the_fabric_is_valid_and_as_by_default() -> None:
    fabric = Fabric.from_object(sample.fabric("http://127.0.0.1:3000/shop.git"))
    assert fabric.spec.repository.url == "http://127.0.0.1:3000/shop.git"
    assert fabric.spec.repository.credentials_secret_ref is not None
    assert fabric.spec.repository.credentials_secret_ref.name == sample.CREDENTIALS
    assert fabric.spec.sync.interval == "1s"
    assert fabric.spec.target.service_account_name == sample.ACCOUNT
    assert fabric.spec.sync.direction.value == "Bidirectional"


def test_the_service_account_has_rights_in_its_namespace_only() -> None:
    account, binding = sample.account()
    assert (account["kind"], binding["kind"]) == ("ServiceAccount", "RoleBinding")
    assert binding["metadata"]["namespace"] == sample.NAMESPACE
    assert binding["subjects"] == [{"kind": "ServiceAccount", **account["metadata"]}]


def test_the_secret_has_the_keys_that_fabrics_read() -> None:
    secret = sample.credentials("dev", "s3cret")
    assert secret["metadata"] == {"name": sample.CREDENTIALS, "namespace": sample.NAMESPACE}
    assert secret["stringData"] == {"username": "dev", "password": "s3cret"}
