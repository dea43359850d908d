"""What two fabrics of one installation have to do with one object: the answer, and who is asked for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from controller.objects import ObjectKey
from controller.sync.plan.model import Actual
from controller.sync.profile import Profile


@dataclass(frozen=True, slots=True)
class Rivalry:
    """What the other fabrics of this installation have to do with an object.

    `takeover`: the other fabric's manager on it no longer stands for anything. `handover`: why to wait for another
    fabric first. `declared_elsewhere`: another fabric of the same branch declares it now. `released`: managers of
    fabrics that let go of it, to be taken off the object once it is taken over.
    """

    takeover: bool = False
    handover: str = ""
    declared_elsewhere: bool = False
    released: tuple[str, ...] = ()


NO_RIVAL = Rivalry()

Rivals = Callable[[Profile, ObjectKey, Actual], Rivalry]
"""Asks the registry of fabrics about one object."""
