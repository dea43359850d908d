"""Where a fabric's objects live, and as whom they are touched.

Everything of a fabric's own objects goes through its `Reach`: written as its service account, seen as far as that one
may. What belongs to the controller itself (Fabrics, conflicts, jobs, Events, Secrets that a Fabric names) stays with
`Tools`, which are those of the cluster that the Fabrics are in.
"""

from __future__ import annotations

import asyncio
from functools import partial

from controller.errors import Reason, TandemError, WaitingError
from controller.kube.access import AccessReviews, ServiceAccount
from controller.kube.apply import Writer
from controller.kube.client import KubeClient
from controller.kube.discovery import Discovery
from controller.kube.errors import ForbiddenError, UnauthorizedError
from controller.kube.pool import ReflectorPool
from controller.kube.resources import CRDS
from controller.kube.servedpoll import ServedPoll
from controller.sync.apply import Applier
from controller.sync.installation import Lifetime
from controller.sync.schemas import Schemas


class OtherClusterError(WaitingError):
    """The cluster that a kubeconfig leads to cannot be reached or used; the one that the Fabrics are in can."""


class TargetCluster:
    """One cluster, spoken to with one set of credentials, and what is known of it. Shared by fabrics.

    `client` and `writer` act as those credentials say: for what a cluster tells everybody or is asked about fabrics,
    not for their objects. `origin` names the Secret it was found in; "" is the cluster that the Fabrics are in.
    """

    def __init__(
        self, client: KubeClient, lifetime: Lifetime, origin: str = "", pool: ReflectorPool | None = None
    ) -> None:
        self.client = client
        self.lifetime = lifetime
        self.origin = origin
        self.pool = pool or ReflectorPool(client)
        self.writer = Writer(client, self.pool)
        self.discovery = Discovery(client)
        self.schemas = Schemas(self.discovery)
        self.reviews = AccessReviews(client)
        self._poll: asyncio.Task[None] | None = None

    async def follow_definitions(self) -> None:
        """Notice kinds that are defined, changed or withdrawn from now on.

        By a watch of the CRDs; who may not list them (an installation of some namespaces, a tenant elsewhere) asks once
        a minute. Raises UnreachableError.
        """
        try:
            await self.client.request("GET", CRDS.path(), "limit=1")
        except ForbiddenError:
            self._poll = asyncio.create_task(ServedPoll(self.client, self.discovery).run(), name="definitions")
        else:
            self.discovery.follow(self.pool.acquire(CRDS))

    async def close(self) -> None:
        """End every watch; the client is its maker's."""
        if self._poll is not None:
            self._poll.cancel()
            await asyncio.wait([self._poll])
        await self.discovery.close()
        await self.pool.close()


class Reach:
    """One fabric's way to its objects. `who` None: as the credentials of a kubeconfig say, without impersonation."""

    def __init__(self, cluster: TargetCluster, who: ServiceAccount | None) -> None:
        client = cluster.client
        if who is not None:
            client = client.acting_as(who.user, partial(cluster.reviews.doubt, who))
        self.cluster = cluster
        self.who = who
        self.writer = Writer(client, cluster.pool)
        self.applier = Applier(client, self.writer)

    def told(self, error: TandemError) -> TandemError:
        """The error as the fabric's status tells it."""
        return told_of(self.cluster.origin, error)


def told_of(origin: str, error: TandemError) -> TandemError:
    """An error as it reads for the cluster of `origin`: which cluster it is, and whose credentials are not accepted."""
    if not origin or isinstance(error, OtherClusterError):
        return error
    if isinstance(error, UnauthorizedError):
        return refused_credentials(origin)
    if error.reason is Reason.API_UNREACHABLE:
        return OtherClusterError(
            error.reason, f"the cluster of {origin}: {error.message}; it is tried again, also with another kubeconfig"
        )
    return error


def refused_credentials(origin: str) -> OtherClusterError:
    """The other cluster does not know the kubeconfig's user, or no longer."""
    return OtherClusterError(
        Reason.INVALID_KUBECONFIG,
        f"the API server does not accept the credentials of {origin} (401): they have run out or were taken back; put "
        "a kubeconfig with new ones there",
    )
