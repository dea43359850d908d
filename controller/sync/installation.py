"""Who this installation is: its id in a ConfigMap that outlives the database, and the epoch it works in.

The epoch is (uid of the namespace kube-system, id of the database). With another one, nothing that the cluster holds
or misses was necessarily meant by anybody. Another cluster's credentials may not let kube-system be read; then it is
known by the next best sign.
"""

from __future__ import annotations

import asyncio
import secrets
import uuid
from collections.abc import Iterable
from contextlib import suppress

from controller.errors import Reason, WaitingError
from controller.kube.apply import Writer
from controller.kube.client import KubeClient
from controller.kube.errors import AlreadyExistsError, ForbiddenError, NotFoundError
from controller.kube.resources import CONFIG_MAPS, NAMESPACES
from controller.objects import Json
from controller.settings import Settings
from controller.store.store import Store
from controller.sync.profile import Installation

CONFIG_MAP = "tandem-install"
MANAGER = "tandem"
CLUSTER_NAMESPACE = "kube-system"  # is in every cluster, and made with it


async def installation_of(settings: Settings, client: KubeClient, writer: Writer, store: Store) -> Installation:
    """Find or make this installation's identity. Raises UnreachableError, ForbiddenError, StoreError."""
    row = await store.installation.ensure()
    namespace = settings.controller_namespace
    install_id = await _read(client, namespace) or await _make(client, writer, namespace, row.install_id)
    if install_id != row.install_id:
        await store.installation.remember_install_id(install_id)
    cluster = await client.get(NAMESPACES, "", CLUSTER_NAMESPACE)
    return Installation(
        id=install_id,
        epoch=f"{cluster['metadata']['uid']}/{row.database_id}",
        controller_namespace=namespace,
        allowed_namespaces=settings.allow_namespaces,
        allow_insecure_git=settings.allow_insecure_git,
        salt=row.salt,
    )


async def known_installation(settings: Settings, client: KubeClient, store: Store) -> Installation:
    """The identity as it is, nothing made or written: for a plan that is only looked at."""
    row = await store.installation.read()
    install_id = await _read(client, settings.controller_namespace) or (row.install_id if row else "")
    cluster = await client.get(NAMESPACES, "", CLUSTER_NAMESPACE)
    return Installation(
        id=install_id or str(uuid.UUID(int=0)),
        epoch=f"{cluster['metadata']['uid']}/{row.database_id if row else ''}",
        controller_namespace=settings.controller_namespace,
        allowed_namespaces=settings.allow_namespaces,
        allow_insecure_git=settings.allow_insecure_git,
        salt=row.salt if row else secrets.token_bytes(),
    )


class Lifetime:
    """Which life of a cluster an address led to at the start. It may come to lead to another one.

    `witness` is the namespace whose uid tells; "" where none can be read, and nothing can be compared.
    """

    def __init__(self, client: KubeClient, uid: str, witness: str = CLUSTER_NAMESPACE) -> None:
        self.uid = uid
        self._client = client
        self._witness = witness
        self._replaced = asyncio.Event()

    @property
    def is_over(self) -> bool:
        """Whether `check` has met another cluster."""
        return self._replaced.is_set()

    async def check(self) -> None:
        """Raise WaitingError where another cluster answers by now: nothing that is remembered is about that one."""
        if not self._witness:
            return
        try:
            found = await self._client.get(NAMESPACES, "", self._witness)
        except NotFoundError:
            found = {"metadata": {"uid": ""}}
        if found["metadata"]["uid"] != self.uid:
            self._replaced.set()
            raise _replaced("everything is met anew there")

    async def watch(self) -> None:
        """Return never, but raise WaitingError once `check` has met another cluster."""
        await self._replaced.wait()
        raise _replaced("this controller ends, start it again")


def _replaced(then: str) -> WaitingError:
    return WaitingError(Reason.API_UNREACHABLE, f"another cluster answers at this address than at the start; {then}")


async def lifetime_of(client: KubeClient, namespaces: Iterable[str], otherwise: str) -> Lifetime:
    """Which cluster this is, as far as it shows: by the uid of kube-system, else of the first of `namespaces` that may
    be read, else by `otherwise`, a digest of how it is reached. Raises UnreachableError."""
    for name in (CLUSTER_NAMESPACE, *namespaces):
        try:
            found = await client.get(NAMESPACES, "", name)
        except (ForbiddenError, NotFoundError):
            continue
        return Lifetime(client, found["metadata"]["uid"], name)
    return Lifetime(client, otherwise, witness="")


async def _read(client: KubeClient, namespace: str) -> str:
    try:
        found: Json = await client.get(CONFIG_MAPS, namespace, CONFIG_MAP)
    except NotFoundError:
        return ""
    install_id = (found.get("data") or {}).get("id", "")
    try:
        return str(uuid.UUID(install_id))
    except ValueError:
        raise WaitingError(
            Reason.INVALID_SPEC,
            f"ConfigMap {namespace}/{CONFIG_MAP} has no uuid under data.id; restore it from a backup, or delete the "
            "ConfigMap to begin as a new installation",
        ) from None


async def _make(client: KubeClient, writer: Writer, namespace: str, known: str) -> str:
    """Write the id: the database's if it has one, so that a deleted ConfigMap changes nobody's field manager."""
    install_id = known or str(uuid.uuid4())
    try:
        await client.get(NAMESPACES, "", namespace)
    except NotFoundError:
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
        with suppress(AlreadyExistsError):  # another replica made it
            await writer.post(NAMESPACES, "", body, MANAGER)
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": CONFIG_MAP}, "data": {"id": install_id}}
    try:
        await writer.post(CONFIG_MAPS, namespace, body, MANAGER)
    except AlreadyExistsError:
        return await _read(client, namespace)  # another replica was first
    return install_id
