"""A kubeconfig out of somebody's Secret: inline data, and nothing else.

`kubernetes`' own loader runs programs and reads files that a kubeconfig names, so it is never given one that a tenant
wrote. Here nothing is opened, run, resolved or guessed: what is not understood is refused by the name of its field. No
message holds a value.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
import ssl
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

from controller.errors import Reason, WaitingError
from controller.kube.config import ClusterConfig, Credentials
from controller.kube.plainyaml import PlainError, read_plain
from controller.objects import Json
from controller.sockets import Objection

KEYS = ("value", "kubeconfig")  # of the Secret; the first one that is there counts
MOST_BYTES = 128 << 10  # a kubeconfig with a bundle of authorities is a tenth of it

INLINE = "write its content into the kubeconfig (kubectl config view --raw --flatten does)"
_REFUSED = {
    "exec": "Tandem runs no program that a Secret names; use a token or a client certificate",
    "auth-provider": "Tandem runs no program that a Secret names; use a token or a client certificate",
    "tokenFile": f"Tandem opens no file that a Secret names; {INLINE.replace('its content', 'the token')}",
    "client-certificate": f"Tandem opens no file that a Secret names; {INLINE}",
    "client-key": f"Tandem opens no file that a Secret names; {INLINE}",
    "certificate-authority": f"Tandem opens no file that a Secret names; {INLINE}",
    "proxy-url": "other clusters are spoken to without a proxy; leave it out",
    "insecure-skip-tls-verify": "the server's certificate is always checked; give certificate-authority-data instead",
    "username": "API servers take no passwords since Kubernetes 1.19; use a token or a client certificate",
    "password": "API servers take no passwords since Kubernetes 1.19; use a token or a client certificate",
    "as": "Tandem acts as nobody that a Secret names; set spec.target.serviceAccountName",
    "as-uid": "Tandem acts as nobody that a Secret names; set spec.target.serviceAccountName",
    "as-groups": "Tandem acts as nobody that a Secret names; set spec.target.serviceAccountName",
    "as-user-extra": "Tandem acts as nobody that a Secret names; set spec.target.serviceAccountName",
}
"""What kubectl knows and Tandem does not do, and what to do instead."""

_IGNORED = frozenset({"extensions", "preferences", "disable-compression"})  # they lead nowhere
_TOP = frozenset({"apiVersion", "kind", "clusters", "users", "contexts", "current-context"})
_ENTRIES = {
    "clusters": ("cluster", frozenset({"server", "certificate-authority-data", "tls-server-name"})),
    "users": ("user", frozenset({"token", "client-certificate-data", "client-key-data"})),
    "contexts": ("context", frozenset({"cluster", "user", "namespace"})),
}
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\]")  # as a URL may name one
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?")
_FIELD = re.compile(r"[A-Za-z]{1,20}(-[A-Za-z]{1,20}){0,3}")  # a value that slipped looks otherwise
_TOKEN = re.compile(r"[\x21-\x7e]+")  # a header's value
_PATH = re.compile(r"(/[A-Za-z0-9._~%-]+)*/?")


class InvalidKubeconfigError(WaitingError):
    """The kubeconfig is not one that Tandem uses. The Secret may be put right without another spec, so it is waited."""

    def __init__(self, message: str) -> None:
        super().__init__(Reason.INVALID_KUBECONFIG, message)


@dataclass(frozen=True, slots=True)
class Kubeconfig:
    """What the current context of a kubeconfig says. `authority`, `certificate`, `key`: PEM, "" where there is none."""

    server: str
    authority: str = ""
    server_name: str = ""
    token: str = field(default="", repr=False)
    certificate: str = ""
    key: str = field(default="", repr=False)

    @property
    def host(self) -> str:
        """The server's name or address, without brackets and port."""
        return urlsplit(self.server).hostname or ""


def kubeconfig_of(entries: Mapping[str, bytes], where: str) -> Kubeconfig:
    """The kubeconfig in a Secret's entries; `where` names the Secret. Raises InvalidKubeconfigError."""
    key = next((key for key in KEYS if key in entries), None)
    if key is None:
        raise InvalidKubeconfigError(f"{where} has no key {' or '.join(KEYS)}; put the kubeconfig there")
    where = f"{where}, {key}"
    content = entries[key]
    if len(content) > MOST_BYTES:
        raise InvalidKubeconfigError(f"{where} has {len(content)} bytes, more than the {MOST_BYTES} of a kubeconfig")
    try:
        return _kubeconfig(read_plain(content))
    except (_RefusalError, PlainError) as refusal:
        raise InvalidKubeconfigError(f"{where}: {refusal}") from None


def cluster_config(kubeconfig: Kubeconfig, where: str, objection: Objection) -> ClusterConfig:
    """What a client needs. Raises InvalidKubeconfigError where a certificate or key cannot be used."""
    try:
        context = ssl.create_default_context(cadata=kubeconfig.authority or None)
    except (ssl.SSLError, ValueError):
        raise InvalidKubeconfigError(f"{where}: certificate-authority-data holds no certificate (PEM)") from None
    # Python 3.13 made it strict; CAs made by kubeadm and minikube lack the authority key identifier it asks for.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if kubeconfig.certificate:
        _load_certificate(context, kubeconfig, where)
    return ClusterConfig(
        server=kubeconfig.server,
        ssl_context=context,
        credentials=Credentials.fixed(f"Bearer {kubeconfig.token}" if kubeconfig.token else None),
        origin=where,
        server_name=kubeconfig.server_name or None,
        objection=objection,
        is_foreign=True,
    )


def _load_certificate(context: ssl.SSLContext, kubeconfig: Kubeconfig, where: str) -> None:
    """OpenSSL takes them from files only: private ones, that are gone afterwards."""
    with TemporaryDirectory(prefix="tandem-tls-") as folder:
        certificate, key = Path(folder) / "tls.crt", Path(folder) / "tls.key"
        for path, text in ((certificate, kubeconfig.certificate), (key, kubeconfig.key)):
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w") as file:
                file.write(text)
        try:
            context.load_cert_chain(certificate, key, password="")
        except (OSError, ValueError):  # ssl.SSLError too
            raise InvalidKubeconfigError(
                f"{where}: client-certificate-data and client-key-data are no certificate and its key (PEM, without a "
                "passphrase); correct them"
            ) from None


# --- what is in it --------------------------------------------------------------------------------------------------


class _RefusalError(Exception):
    """Which field is wrong, and what to do."""


def _kubeconfig(config: Json) -> Kubeconfig:
    _check(config, _TOP, "")
    if config.get("apiVersion") != "v1" or config.get("kind") != "Config":
        raise _RefusalError("it is no kubeconfig: apiVersion has to be v1, and kind Config")
    named = {kind: _named(config, kind, inner, fields) for kind, (inner, fields) in _ENTRIES.items()}
    context = _pick(named["contexts"], _text(config, "current-context", "current-context"), "current-context")
    cluster = _pick(named["clusters"], _text(context, "cluster", "the current context's cluster"), "clusters")
    user = _pick(named["users"], _text(context, "user", "the current context's user"), "users")
    return _of_parts(cluster, user)


def _of_parts(cluster: Json, user: Json) -> Kubeconfig:
    certificate, key = _decoded(user, "client-certificate-data"), _decoded(user, "client-key-data")
    token = _text(user, "token", "user.token", needed=False)
    if token and not _TOKEN.fullmatch(token):
        raise _RefusalError("user.token holds characters that no token has; write it in one line")
    if bool(certificate) != bool(key):
        raise _RefusalError("client-certificate-data and client-key-data need each other; give both")
    if not token and not certificate:
        raise _RefusalError("user has no credentials; give token, or client-certificate-data and client-key-data")
    server_name = _text(cluster, "tls-server-name", "cluster.tls-server-name", needed=False)
    if server_name and not _NAME.fullmatch(server_name):
        raise _RefusalError("cluster.tls-server-name is no host name; correct it")
    return Kubeconfig(
        server=_server(cluster),
        authority=_decoded(cluster, "certificate-authority-data"),
        server_name=server_name,
        token=token,
        certificate=certificate,
        key=key,
    )


def _server(cluster: Json) -> str:
    server = _text(cluster, "server", "cluster.server")
    try:
        parts = urlsplit(server)
        port = parts.port
    except ValueError:
        raise _RefusalError("cluster.server is no URL; write https://host:port") from None
    host = parts.netloc if port is None else parts.netloc.rpartition(":")[0]
    if parts.scheme != "https":
        raise _RefusalError("cluster.server is not encrypted; write https://…")
    if not _HOST.fullmatch(host) or not _PATH.fullmatch(parts.path) or parts.query or parts.fragment:
        raise _RefusalError("cluster.server is no plain URL of an API server; write https://host:port")
    return server.rstrip("/")


def _named(config: Json, kind: str, inner: str, fields: frozenset[str]) -> dict[str, Json]:
    """The entries of one of the three lists, by name; each holds nothing that is not understood."""
    entries = config.get(kind) or []
    if not isinstance(entries, list):
        raise _RefusalError(f"{kind} is no list; correct it")
    found: dict[str, Json] = {}
    for number, entry in enumerate(entries):
        place = f"{kind}[{number}]"
        _check(entry, frozenset({"name", inner}), place)
        name = _text(entry, "name", f"{place}.name")
        content = entry.get(inner) or {}
        _check(content, fields, f"{place}.{inner}")
        if name in found:
            raise _RefusalError(f"{place}.name is that of another entry; give each its own")
        found[name] = content
    return found


def _check(node: Json, fields: Iterable[str], place: str) -> None:
    """Refuse what is no map, and every field that is not understood."""
    if not isinstance(node, dict):
        raise _RefusalError(f"{place or 'it'} is no map; correct it")
    for name in node:
        if name in fields or name in _IGNORED:
            continue
        if name == "insecure-skip-tls-verify" and node[name] == "false":
            continue
        path = f"{place}.{name}" if place else name
        if name in _REFUSED:
            raise _RefusalError(f"{path}: {_REFUSED[name]}")
        known = path if _FIELD.fullmatch(name) else f"a field of {place or 'it'}"
        raise _RefusalError(f"{known} is not understood; leave it out")


def _pick(entries: Mapping[str, Json], name: str, what: str) -> Json:
    if name not in entries:
        raise _RefusalError(f"{what} has no entry of the name that is asked for; correct the name")
    return entries[name]


def _text(node: Json, name: str, place: str, *, needed: bool = True) -> str:
    value = node.get(name)
    if value is None or value == "":
        if needed:
            raise _RefusalError(f"{place} is missing; give it")
        return ""
    if not isinstance(value, str):
        raise _RefusalError(f"{place} is no text; correct it")
    return value


def _decoded(node: Json, name: str) -> str:
    value = _text(node, name, name, needed=False)
    try:
        return base64.b64decode("".join(value.split()), validate=True).decode("ascii")
    except (binascii.Error, ValueError):
        raise _RefusalError(f"{name} is no base64 of PEM text; correct it") from None
