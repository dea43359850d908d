"""Which forge it is that a repository has."""

from __future__ import annotations

from controller.api.v1alpha1.repository import ForgeType
from controller.git.forge.gitea import Gitea
from controller.git.forge.github import GitHub
from controller.git.forge.keys import Keys
from controller.git.forge.local import Branches, Local
from controller.git.forge.model import Forge
from controller.git.forge.network import Network
from controller.git.forge.place import ForgePlace

_SPEAKERS = {ForgeType.GITHUB: GitHub, ForgeType.GITEA: Gitea}


def forge_of(place: ForgePlace | None, keys: Keys, network: Network, branches: Branches) -> Forge:
    """The forge of a place; without one, the branches of the remote, which `branches` tells of.

    Nothing is asked yet. `aclose` ends it.
    """
    return Local(branches) if place is None else _SPEAKERS[place.type](place, keys, network)
