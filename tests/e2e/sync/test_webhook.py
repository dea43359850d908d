"""The API server asks the controller before a Fabric is written; what cannot be asked is found later."""

from __future__ import annotations

import base64
import http.client
import json
import ssl
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from shutil import copyfile
from typing import Any

import pytest
import yaml

from controller.dev.certificates import Authority
from controller.dev.ports import free_port
from tests.e2e.conftest import MakeTandem
from tests.e2e.sync.manifests import config_map
from tests.support.fabrics import DEADLINE, NAME, Fabrics, fabric
from tests.support.kubectl import Kubectl, KubectlError
from tests.support.repository import Repository
from tests.support.tandem import Stage, Tandem
from tests.support.wait import wait_until

MANIFEST = Path(__file__).parents[3] / "manifests" / "webhook" / "webhook.yaml"


class Webhook:
    """A controller that is asked, by the configuration of the manifest with this machine's address."""

    def __init__(self, tandem: Tandem, folder: Path, kubectl: Kubectl, port: int) -> None:
        self.tandem, self.folder = tandem, folder
        self._kubectl, self._port = kubectl, port

    def certify(self, name: str) -> Authority:
        """Give the server a certificate of a new authority."""
        folder = self.folder.with_name(name)
        folder.mkdir()
        authority = Authority(folder)
        pair = authority.issue("server", ["127.0.0.1"])
        self.folder.mkdir(exist_ok=True)
        copyfile(pair.certificate, self.folder / "tls.crt")
        copyfile(pair.key, self.folder / "tls.key")
        return authority

    def configure(self, authority: Authority) -> None:
        """Have the API server ask, and trust this authority."""
        configuration = next(yaml.safe_load_all(MANIFEST.read_text()))
        bundle = base64.b64encode(authority.certificate.read_bytes()).decode()
        url = f"https://127.0.0.1:{self._port}{configuration['webhooks'][0]['clientConfig']['service']['path']}"
        configuration["webhooks"][0]["clientConfig"] = {"url": url, "caBundle": bundle}
        self._kubectl.apply(json.dumps(configuration), "--server-side", "--force-conflicts")

    def post(self, authority: Authority, body: bytes) -> tuple[int, str]:
        """What the server answers to a body of anybody's."""
        context = ssl.create_default_context(cafile=str(authority.certificate))
        connection = http.client.HTTPSConnection("127.0.0.1", self._port, timeout=10, context=context)
        with closing(connection):
            connection.request("POST", "/validate/fabrics", body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()


@pytest.fixture
def webhook(make_tandem: MakeTandem, stage: Stage, tmp_path: Path, kubectl: Kubectl) -> Iterator[Webhook]:
    port, folder = free_port(), tmp_path / "certificate"
    flags = ("--webhook-bind", f"127.0.0.1:{port}", "--webhook-cert-dir", str(folder))
    found = Webhook(make_tandem(flags=flags, allow_namespaces=""), folder, kubectl, port)
    authority = found.certify("authority")
    found.configure(authority)
    stage.enter(found.tandem)
    try:
        yield found
    finally:
        kubectl("delete", "validatingwebhookconfiguration", "tandem", "--ignore-not-found")


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
