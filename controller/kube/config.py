"""Which cluster, and as whom: read with the `kubernetes` library, handed on as values the client can use.

Apart from the client, because here foreign code reads files and runs programs (exec plugins, OIDC refreshes), and
because everything that comes out of it is an address, a TLS context and a header.
"""

from __future__ import annotations

import asyncio
import os
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kubernetes.aio.client import Configuration
from kubernetes.aio.config import ConfigException
from kubernetes.aio.config.incluster_config import InClusterConfigLoader
from kubernetes.aio.config.kube_config import KubeConfigLoader, KubeConfigMerger

from controller.errors import Reason, StalledError, WaitingError
from controller.sockets import Objection

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")

# Kubelet rewrites a projected token long before it ends; once a minute is what the official clients do.
_REREAD_SECONDS = 60.0

# An exec plugin's token is renewed this long before it ends, as the `kubernetes` library judges it too.
_EXEC_MARGIN_SECONDS = 300.0

Load = Callable[[bool], Awaitable[tuple[Configuration, float]]]


class Credentials:
    """The Authorization header, refreshed before it runs out (exec plugins, OIDC, rotating token files)."""

    def __init__(self, load: Load, context: ssl.SSLContext | None = None) -> None:
        """`load(rejected)` gives a fresh configuration and for how many seconds it is good."""
        self._load = load
        self._context = context
        self._header: str | None = None
        self._due = 0.0
        self._loading = asyncio.Lock()

    @classmethod
    def fixed(cls, header: str | None) -> Credentials:
        """What never changes: another token comes with another configuration."""

        async def load(_rejected: bool) -> tuple[Configuration, float]:
            configuration = Configuration()
            configuration.api_key = {} if header is None else {"BearerToken": header}
            return configuration, float("inf")

        return cls(load)

    async def header(self, *, rejected: bool = False) -> str | None:
        """The header's value, None without one. `rejected`: the last one got a 401, so read it anew."""
        if not rejected and time.monotonic() < self._due:
            return self._header
        stale = self._header
        async with self._loading:
            if self._header == stale and (rejected or time.monotonic() >= self._due):
                self.accept(*await self._load(rejected))
        return self._header

    def accept(self, configuration: Configuration, lifetime: float) -> None:
        """Take over what was loaded: the header, and a client certificate for the connections to come."""
        self._header = configuration.api_key.get("BearerToken")
        self._due = time.monotonic() + lifetime
        if self._context is not None and configuration.cert_file:
            self._context.load_cert_chain(configuration.cert_file, configuration.key_file)


@dataclass(frozen=True, slots=True)
class ClusterConfig:
    """How to reach one API server. `origin` says where this was found, for `doctor` and error messages.

    `namespace` is what the kubeconfig's context, or the pod, is in; "" if neither says. `objection` is asked about
    every address, at the moment of connecting to it. `is_foreign`: somebody else's, who must not be believed to end its
    answers, and whose address is nobody's business but theirs.
    """

    server: str
    ssl_context: ssl.SSLContext | None
    credentials: Credentials
    origin: str
    proxy: str | None = None
    server_name: str | None = None
    namespace: str = ""
    objection: Objection = lambda _: ""
    is_foreign: bool = False


async def load_config(
    kubeconfig: Path | None = None,
    context: str | None = None,
    environ: Mapping[str, str] | None = None,
    service_account: Path = SERVICE_ACCOUNT,
) -> ClusterConfig:
    """The cluster to talk to: flag, TANDEM_KUBECONFIG, KUBECONFIG, in-cluster, ~/.kube/config.

    Raises StalledError when there is none or it cannot be understood, WaitingError when credentials cannot be had now.
    """
    environ = os.environ if environ is None else environ
    files, origin = _kubeconfig_files(kubeconfig, environ)
    if files:
        return await _from_files(files, context, origin)
    if context is None and "KUBERNETES_SERVICE_HOST" in environ and (service_account / "token").exists():
        return await _from_service_account(service_account, environ)
    default = Path(environ.get("HOME") or Path.home()) / ".kube" / "config"
    if default.exists():
        return await _from_files(str(default), context, str(default))
    raise StalledError(
        Reason.API_UNREACHABLE,
        f"no cluster: neither --kubeconfig nor KUBECONFIG is given, this is no pod, and there is no {default}",
    )


def _kubeconfig_files(kubeconfig: Path | None, environ: Mapping[str, str]) -> tuple[str, str]:
    """The kubeconfig files to merge (path-separated) and who named them; "" if nobody did."""
    if kubeconfig is not None:
        named, origin = str(kubeconfig), f"--kubeconfig {kubeconfig}"
    else:
        variable = next((name for name in ("TANDEM_KUBECONFIG", "KUBECONFIG") if environ.get(name)), "")
        if not variable:
            return "", ""
        named, origin = environ[variable], f"{variable}={environ[variable]}"
    if not any(Path(name).expanduser().is_file() for name in named.split(os.pathsep) if name):
        raise StalledError(Reason.API_UNREACHABLE, f"{origin}: there is no such file")
    return named, origin


async def _from_files(files: str, context: str | None, origin: str) -> ClusterConfig:
    try:
        merged = KubeConfigMerger(files)
        loader = KubeConfigLoader(
            merged.config,
            active_context=context,
            config_base_path=None,  # each file's certificates are relative to that file
            config_persister=lambda _: merged.save_changes(),  # a refresh token is good once: kubectl needs the new one
        )
        user = _user(merged, loader)
    except Exception as error:  # whatever the library makes of a file that is no kubeconfig
        raise StalledError(Reason.API_UNREACHABLE, f"{origin}: not a usable kubeconfig: {error}") from error

    async def load(rejected: bool) -> tuple[Configuration, float]:
        if rejected and hasattr(loader, "exec_plugin_expiry"):
            del loader.exec_plugin_expiry
        configuration = Configuration()
        try:
            await loader.load_and_set(configuration)
        except Exception as error:  # exec plugins and identity providers fail in every way there is
            raise WaitingError(Reason.API_UNREACHABLE, f"{origin}: cannot load the credentials: {error}") from error
        if "exec" not in user:
            return configuration, _REREAD_SECONDS
        if "BearerToken" not in configuration.api_key and not configuration.cert_file:
            program = user["exec"].get("command")
            raise WaitingError(Reason.API_UNREACHABLE, f"{origin}: {program} gave no credentials; its error is logged")
        return configuration, _exec_lifetime(loader)

    return await _config(load, origin, loader.current_context["context"].get("namespace") or "")


def _user(merged: KubeConfigMerger, loader: KubeConfigLoader) -> dict[str, Any]:
    """The `user` part of the kubeconfig's current context."""
    name = loader.current_context["context"].get("user")
    node = merged.config["users"].get_with_name(name, safe=True) if merged.config.value.get("users") else None
    return (node.value.get("user") if node is not None else None) or {}


def _exec_lifetime(loader: KubeConfigLoader) -> float:
    """For how long the exec plugin's answer is good; one that names no end is good until it is rejected."""
    expiry: datetime | None = getattr(loader, "exec_plugin_expiry", None)
    if expiry is None:
        return float("inf")
    return max((expiry - datetime.now(UTC)).total_seconds() - _EXEC_MARGIN_SECONDS, 1.0)


async def _from_service_account(folder: Path, environ: Mapping[str, str]) -> ClusterConfig:
    async def load(_rejected: bool) -> tuple[Configuration, float]:
        configuration = Configuration()
        loader = InClusterConfigLoader(str(folder / "token"), str(folder / "ca.crt"), environ=environ)
        try:
            loader.load_and_set(configuration)
        except (ConfigException, OSError) as error:
            raise WaitingError(Reason.API_UNREACHABLE, f"in-cluster ({folder}): {error}") from error
        return configuration, _REREAD_SECONDS

    namespace = folder / "namespace"
    return await _config(load, f"in-cluster ({folder})", namespace.read_text().strip() if namespace.is_file() else "")


async def _config(load: Load, origin: str, namespace: str) -> ClusterConfig:
    configuration, lifetime = await load(False)
    try:
        context = _ssl_context(configuration) if configuration.host.startswith("https") else None
        credentials = Credentials(load, context)
        credentials.accept(configuration, lifetime)
    except OSError as error:  # ssl.SSLError too
        raise StalledError(Reason.API_UNREACHABLE, f"{origin}: unusable certificate: {error}") from error
    return ClusterConfig(
        server=configuration.host.rstrip("/"),
        ssl_context=context,
        credentials=credentials,
        origin=origin,
        proxy=configuration.proxy,
        server_name=configuration.tls_server_name,
        namespace=namespace,
    )


def _ssl_context(configuration: Configuration) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=configuration.ssl_ca_cert)
    # Python 3.13 made it strict; CAs made by kubeadm and minikube lack the authority key identifier it asks for.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if not configuration.verify_ssl:  # insecure-skip-tls-verify
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
