"""Which cluster, and as whom: read with the `kubernetes` library, handed on as values the client can use."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path


class Credentials:
    """The Authorization header, refreshed before it runs out (exec plugins, OIDC, rotating token files)."""

    async def header(self, *, rejected: bool = False) -> str | None:
        """The header's value, None without one. `rejected`: the last one got a 401, so read it anew."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class ClusterConfig:
    """How to reach one API server. `origin` says where this was found, for `doctor` and error messages."""

    server: str
    ssl_context: ssl.SSLContext | None
    credentials: Credentials
    origin: str
    proxy: str | None = None
    server_name: str | None = None


async def load_config(kubeconfig: Path | None = None, context: str | None = None) -> ClusterConfig:
    """The cluster to talk to: flag, TANDEM_KUBECONFIG, KUBECONFIG, in-cluster, ~/.kube/config.

    Raises StalledError when there is none or it cannot be understood, WaitingError when credentials cannot be had now.
    """
    raise NotImplementedError
