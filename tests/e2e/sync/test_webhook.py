"""The API server asks the controller before a Fabric is written; what cannot be asked is found later."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from controller.dev.ports import free_port
from tests.e2e.conftest import MakeTandem
from tests.e2e.sync.manifests import config_map
from tests.support.fabrics import DEADLINE, NAME, Fabrics, fabric
from tests.support.kubectl import Kubectl, KubectlError
from tests.support.repository import Repository
from tests.support.tandem import Stage
from tests.support.wait import wait_until
from tests.support.webhook import Webhook, flags


@pytest.fixture
def webhook(make_tandem: MakeTandem, stage: Stage, tmp_path: Path, kubectl: Kubectl) -> Iterator[Webhook]:
    port, folder = free_port(), tmp_path / "certificate"
    found = Webhook(make_tandem(flags=flags(folder, port), allow_namespaces=""), folder, kubectl, port)
    with found.configured(found.certify("authority")):
        stage.enter(found.tandem)
        yield found


def refusal(fabrics: Fabrics, url: str, name: str = NAME, **spec: Any) -> str:
    """What the API server says to such a Fabric, of which nothing is stored; waits until it asks by the settings."""
    document = json.dumps(fabric(url, name, **spec))

    def refused() -> str:
        try:
            fabrics.kubectl.apply(document, "--server-side", "--dry-run=server")
        except KubectlError as error:
            assert "denied the request" in str(error), error
            return str(error)
        raise AssertionError("it would be written")

    return wait_until(refused, DEADLINE, poll=0.2)


def test_overlapping_directories_are_refused(webhook: Webhook, fabrics: Fabrics, repository: Repository) -> None:
    repository.publish({"apps/web.yaml": config_map("web", a="b"), "db/db.yaml": config_map("db", a="b")})
    fabrics.apply(repository.url, "first", repository={"directory": "apps"})
    fabrics.wait_synced("first")
    said = refusal(fabrics, f"{repository.url}/", "second", repository={"directory": "apps/web"})
    assert "apps/web is inside apps of Fabric first, on the same branch main of the same repository" in said
    fabrics.apply(repository.url, "second", repository={"directory": "db"})
    fabrics.wait_synced("second")
    said = refusal(fabrics, repository.url, "second", repository={"directory": "."})
    assert ". is around apps of Fabric first" in said
    fabrics.patch({"repository": {"directory": ".", "branch": "next"}}, "second")


def test_a_fabric_of_another_namespace_is_not_named(
    webhook: Webhook, fabrics: Fabrics, repository: Repository, kubectl: Kubectl, stage: Stage
) -> None:
    fabrics.apply(repository.url, "first")
    kubectl("create", "namespace", f"{fabrics.namespace}-other")
    try:
        said = refusal(Fabrics(kubectl, f"{fabrics.namespace}-other", stage), repository.url, "second")
        assert ". is the same as . of a Fabric of another namespace" in said
        assert "first" not in said
    finally:
        kubectl("delete", "namespace", f"{fabrics.namespace}-other", "--wait=false")


def test_what_a_schema_cannot_say(webhook: Webhook, fabrics: Fabrics, repository: Repository) -> None:
    kinds = [{"kind": "ConfigMap", "directory": "all"}, {"kind": "Secret", "directory": "all/secrets"}]
    said = refusal(fabrics, repository.url, resources=kinds)
    assert "lie one inside the other" in said
    said = refusal(fabrics, repository.url, target={"namespaces": ["kube-system"]})
    assert "kube-system is not open to fabrics of namespace" in said
    fabrics.apply(repository.url)
    said = refusal(fabrics, repository.url, resources=kinds)
    assert "lie one inside the other" in said


def test_without_it_the_second_of_two_is_told_and_can_be_mended(
    webhook: Webhook, fabrics: Fabrics, repository: Repository, stage: Stage
) -> None:
    """Nobody answers while the controller is down; what was written then can be suspended, though not made worse."""
    first = repository.publish({"apps/web.yaml": config_map("web", a="b")})
    fabrics.apply(repository.url, "first")
    fabrics.wait_synced("first", first)
    webhook.tandem.stop()
    fabrics.apply(repository.url, "second", repository={"directory": "apps"})
    webhook.tandem.start()
    conflict = fabrics.wait_conflict("second")
    assert conflict["spec"]["type"] == "OwnedByOther"
    refusal(fabrics, repository.url, "second", repository={"directory": "apps/web"})
    fabrics.patch({"suspend": True}, "second")
    assert fabrics.get("second")["spec"]["suspend"] is True
    fabrics.kubectl("delete", "fabric", "second", f"--timeout={DEADLINE:g}s")


def test_a_renewed_certificate_is_taken_over_and_nonsense_is_answered(
    webhook: Webhook, fabrics: Fabrics, repository: Repository
) -> None:
    bad: dict[str, Any] = {"target": {"namespaces": ["kube-system"]}}
    refusal(fabrics, repository.url, **bad)
    (webhook.folder / "tls.crt").write_text("half a certificate")  # while it is being written

    def is_told() -> bool:
        return any("certificate is not used" in line["event"] for line in webhook.tandem.log_lines())

    wait_until(is_told, DEADLINE)
    refusal(fabrics, repository.url, **bad)
    renewed = webhook.certify("renewed")
    webhook.configure(renewed)
    wait_until(lambda: webhook.post(renewed, b"{}")[0] == 400, DEADLINE, ignoring=(ssl.SSLError,))
    refusal(fabrics, repository.url, **bad)
    assert webhook.post(renewed, b"[")[0] == 400
    assert webhook.post(renewed, b'{"request": {"object": 1}}')[0] == 400
    assert webhook.post(renewed, b" " * (9 << 20))[0] == 413
    refusal(fabrics, repository.url, **bad)
