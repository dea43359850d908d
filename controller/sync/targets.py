"""The clusters that fabrics keep in step: the one they are in, and others that a Secret's kubeconfig leads to.

One set of connections, watches and schemas for each content of a kubeconfig and each namespace of Fabrics: tenants
share nothing, and another content (a rotated token) is another set, which the fabrics move to with everything they have
agreed on, if it is the same cluster. A set ends when the last fabric lets go of it.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import structlog

from controller.api.v1alpha1.fabric import Fabric
from controller.errors import Reason, WaitingError
from controller.git.remote import UrlRules, addresses_of, objection_of
from controller.kube.access import ServiceAccount
from controller.kube.client import KubeClient
from controller.kube.config import ClusterConfig
from controller.kube.errors import KubeError, UnreachableError
from controller.kube.kubeconfig import InvalidKubeconfigError, Kubeconfig, cluster_config, kubeconfig_of
from controller.kube.pool import ReflectorPool
from controller.kube.secrets import SecretReader
from controller.sockets import Objection
from controller.sync.installation import lifetime_of
from controller.sync.reach import OtherClusterError, Reach, TargetCluster, told_of

FIELD = "spec.target.kubeconfigSecretRef"
DEFAULT_ACCOUNT = "default"  # as a Pod that names none

_NO_API_SERVER = (KeyError, TypeError, AttributeError, ValueError)
"""What comes of answers that are no JSON, or another one than an API server's."""

Place = tuple[str, Kubeconfig]
"""The namespace of the Fabrics, and what the kubeconfig says."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Connect:
    """How another cluster is connected to: a client of a configuration, and its reflectors."""

    client: Callable[[ClusterConfig], KubeClient]
    pool: Callable[[KubeClient], ReflectorPool]


class Targets:
    """The clusters of one process. `rules` are those of Git servers: what a Fabric may make the controller talk to."""

    def __init__(self, home: TargetCluster, secrets: SecretReader, rules: UrlRules, connect: Connect) -> None:
        self.home = home
        self._secrets = secrets
        self._rules = rules
        self._connect = connect
        self._clusters: dict[Place, TargetCluster] = {}
        self._opening: dict[Place, asyncio.Lock] = {}
        self._open: set[TargetCluster] = set()
        self._held: dict[str, list[TargetCluster]] = {}  # uid of a fabric → the clusters it works on, or is about to
        self._closing: set[asyncio.Task[None]] = set()

    async def reach(self, fabric: Fabric, *, reread: bool = False) -> Reach:
        """The way to a Fabric's objects. `reread`: look at its Secret again, because something went wrong.

        Raises OtherClusterError, and UnreachableError where the Secret cannot be asked for.
        """
        target, namespace = fabric.spec.target, fabric.metadata.namespace
        name = target.service_account_name
        if target.kubeconfig_secret_ref is None:
            return Reach(self.home, ServiceAccount(namespace, name or DEFAULT_ACCOUNT))
        secret = target.kubeconfig_secret_ref.name
        try:
            kubeconfig = await self._secrets.made(
                namespace, secret, FIELD, Reason.INVALID_KUBECONFIG, kubeconfig_of, reread=reread
            )
            cluster = await self._cluster(namespace, f"Secret {namespace}/{secret}", kubeconfig)
        except UnreachableError:  # the cluster that the Secret is in
            raise
        except WaitingError as error:
            raise OtherClusterError(error.reason, error.message) from error
        held = self._held.setdefault(fabric.metadata.uid, [])
        if cluster not in held:
            held.append(cluster)
        return Reach(cluster, None if name is None else ServiceAccount(namespace, name))

    def hold(self, fabric: str, cluster: TargetCluster) -> None:
        """The fabric of this uid works on this cluster from now on, and on no other."""
        if self._held.get(fabric, []) not in ([], [cluster]):
            self._held[fabric] = [cluster]
            self._let_go()

    def release(self, fabric: str) -> None:
        """The fabric of this uid works on none any more."""
        if self._held.pop(fabric, None) is not None:
            self._let_go()

    async def close(self) -> None:
        """End everything but the home cluster, which is its maker's."""
        self._held.clear()
        self._let_go()
        if self._closing:
            await asyncio.wait(self._closing)

    # --- other clusters --------------------------------------------------------------------------------------------

    async def _cluster(self, namespace: str, origin: str, kubeconfig: Kubeconfig) -> TargetCluster:
        place = (namespace, kubeconfig)
        async with self._opening.setdefault(place, asyncio.Lock()):
            known = self._clusters.get(place)
            if known is None or known.lifetime.is_over:
                known = self._clusters[place] = await self._connected(namespace, origin, kubeconfig)
                self._open.add(known)
            return known

    async def _connected(self, namespace: str, origin: str, kubeconfig: Kubeconfig) -> TargetCluster:
        objection = await asyncio.to_thread(objection_of, self._rules)
        await asyncio.to_thread(check_server, kubeconfig, origin, objection)
        client = self._connect.client(await asyncio.to_thread(cluster_config, kubeconfig, origin, objection))
        cluster = None
        try:
            lifetime = await lifetime_of(client, (namespace,), digest_of(kubeconfig))
            cluster = TargetCluster(client, lifetime, origin, self._connect.pool(client))
            await cluster.discovery.resources()
            await cluster.follow_definitions()
        except BaseException as error:
            await (client.close() if cluster is None else _close(cluster))
            if isinstance(error, KubeError):
                raise told_of(origin, error) from None
            if isinstance(error, _NO_API_SERVER):
                raise InvalidKubeconfigError(
                    f"{origin}: cluster.server answers, but not as a Kubernetes API server does; correct it"
                ) from None
            raise
        log.info("another cluster is worked on", origin=origin)
        return cluster

    def _let_go(self) -> None:
        """Close what nobody holds."""
        held = {cluster for clusters in self._held.values() for cluster in clusters}
        for cluster in self._open - held:
            self._open.discard(cluster)
            for place in [place for place, known in self._clusters.items() if known is cluster]:
                del self._clusters[place]
            task = asyncio.create_task(_close(cluster))
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)
        for place in [place for place, lock in self._opening.items() if not lock.locked()]:
            if place not in self._clusters:
                del self._opening[place]


async def _close(cluster: TargetCluster) -> None:
    await cluster.close()
    await cluster.client.close()
    log.info("another cluster is let go of", origin=cluster.origin)


def digest_of(kubeconfig: Kubeconfig) -> str:
    """What a cluster is known by of which nothing may be read: how it is reached, and who vouches for it."""
    return hashlib.sha256(f"{kubeconfig.server}\n{kubeconfig.authority}".encode()).hexdigest()[:32]


def check_server(kubeconfig: Kubeconfig, origin: str, objection: Objection) -> None:
    """Raise InvalidKubeconfigError where the server's name leads to an address that is not to be connected to.

    A name that leads elsewhere later is met by the same objection when it is connected to. One that does not resolve is
    for the connection to tell.
    """
    with suppress(OSError):
        for address in sorted(addresses_of(kubeconfig.host)):
            if why := objection(address):
                raise InvalidKubeconfigError(f"{origin}: cluster.server: {why}")
