"""The forges of fabrics, each opened with the Secret that its Fabric names, and kept while both stay as they are.

A Secret is read again after a refusal, as those of repositories are; another content is another forge.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from controller.errors import Reason
from controller.git.forge.forges import forge_of
from controller.git.forge.keys import READ_KEYS, Keys
from controller.git.forge.local import Branches
from controller.git.forge.model import Forge
from controller.git.forge.network import Network
from controller.git.forge.place import ForgePlace
from controller.kube.secrets import SecretReader
from controller.sync.profile import Profile

FIELD = "spec.repository.forge.tokenSecretRef"


@dataclass(frozen=True, slots=True)
class _Opened:
    place: ForgePlace
    keys: Keys
    forge: Forge


class Forges:
    """The forges of one process; each fabric has its own."""

    def __init__(self, secrets: SecretReader, network: Network) -> None:
        self._secrets = secrets
        self._network = network
        self._opened: dict[str, _Opened] = {}  # uid of a fabric → what it speaks to
        self._closing: set[asyncio.Task[None]] = set()

    async def of(self, profile: Profile, branches: Branches, *, reread: bool = False) -> Forge:
        """The forge of a fabric. `branches` tells where branches of the remote are, for those without one.

        `reread`: look at the Secret again, because something went wrong. Raises WaitingError(ForgeRefused), and the
        errors of the client.
        """
        access = profile.source.forge
        if access is None:
            self.release(profile.uid)
            return forge_of(None, Keys(), self._network, branches)
        keys = await self._secrets.made(
            profile.namespace,
            access.secret.name,
            FIELD,
            Reason.FORGE_REFUSED,
            READ_KEYS[access.place.type],
            reread=reread,
        )
        known = self._opened.get(profile.uid)
        if known is None or (known.place, known.keys) != (access.place, keys):
            self.release(profile.uid)
            forge = forge_of(access.place, keys, self._network, branches)
            known = self._opened[profile.uid] = _Opened(access.place, keys, forge)
        return known.forge

    def release(self, fabric: str) -> None:
        """The fabric of this uid speaks to none any more."""
        known = self._opened.pop(fabric, None)
        if known is not None:
            task = asyncio.create_task(known.forge.aclose())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    async def aclose(self) -> None:
        """Hang up everywhere."""
        for fabric in list(self._opened):
            self.release(fabric)
        if self._closing:
            await asyncio.wait(self._closing)
