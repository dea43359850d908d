"""The controller as a webhook of the API server: by a configuration of the manifests, with this machine's address."""

from __future__ import annotations

import base64
import http.client
import json
import ssl
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from shutil import copyfile

import yaml

from controller.dev.certificates import Authority, KeyPair
from tests.support.api import Json
from tests.support.kubectl import Kubectl
from tests.support.tandem import Tandem

MANIFESTS = Path(__file__).parents[2] / "manifests"
KIND = "validatingwebhookconfiguration"


def flags(folder: Path, port: int) -> tuple[str, ...]:
    """Of a controller that answers on this port with the certificate of a folder."""
    return "--webhook-bind", f"127.0.0.1:{port}", "--webhook-cert-dir", str(folder)


class Webhook:
    """A controller started with `flags`, and what the API server is told of it."""

    def __init__(self, tandem: Tandem, folder: Path, kubectl: Kubectl, port: int) -> None:
        self.tandem, self.folder = tandem, folder
        self._kubectl, self._port = kubectl, port

    def certify(self, name: str) -> Authority:
        """Give the server a certificate of a new authority."""
        authority = Authority(self.folder.with_name(name))
        pair = authority.issue("server", ["127.0.0.1"])
        self.folder.mkdir(exist_ok=True)
        copyfile(pair.certificate, self.folder / "tls.crt")
        copyfile(pair.key, self.folder / "tls.key")
        return authority

    def configure(self, authority: Authority, component: str = "webhook", namespaces: Sequence[str] = ()) -> None:
        """Have the API server ask as this component says, and trust this authority; `namespaces`: in these only."""
        configuration = _configuration(component)
        if namespaces:
            only = {"key": "kubernetes.io/metadata.name", "operator": "In", "values": [*namespaces]}
            configuration["webhooks"][0]["namespaceSelector"] = {"matchExpressions": [only]}
        bundle = base64.b64encode(authority.certificate.read_bytes()).decode()
        url = f"https://127.0.0.1:{self._port}{configuration['webhooks'][0]['clientConfig']['service']['path']}"
        configuration["webhooks"][0]["clientConfig"] = {"url": url, "caBundle": bundle}
        self._kubectl.apply(json.dumps(configuration), "--server-side", "--force-conflicts")

    @contextmanager
    def configured(
        self, authority: Authority, component: str = "webhook", namespaces: Sequence[str] = ()
    ) -> Iterator[None]:
        """The same for a while."""
        self.configure(authority, component, namespaces)
        try:
            yield
        finally:
            self._kubectl("delete", KIND, _configuration(component)["metadata"]["name"], "--ignore-not-found")

    def post(
        self, authority: Authority, body: bytes, path: str = "/validate/fabrics", pair: KeyPair | None = None
    ) -> tuple[int, str]:
        """What the server answers to a body of anybody's, who shows the certificate of `pair` if there is one."""
        context = ssl.create_default_context(cafile=str(authority.certificate))
        if pair is not None:
            context.load_cert_chain(pair.certificate, pair.key)
        connection = http.client.HTTPSConnection("127.0.0.1", self._port, timeout=10, context=context)
        with closing(connection):
            connection.request("POST", path, body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()


def _configuration(component: str) -> Json:
    found: Json = next(yaml.safe_load_all((MANIFESTS / component / "webhook.yaml").read_text()))
    return found
