"""What became of one try to deliver a message. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Fate(StrEnum):
    """Whether anything is left to do."""

    DELIVERED = "delivered"
    DELAYED = "delayed"  # it may work later
    REFUSED = "refused"  # the same message would be refused again


@dataclass(frozen=True, slots=True)
class Outcome:
    """`why` is for people and holds no URL, no secret and nothing that the other side said but codes.

    Of a mail that was delivered it names the recipients who were refused for good. `after`: seconds that the other side
    asks to wait. `recipients`: those who did not get it and may get it later; empty means all of them.
    """

    fate: Fate
    why: str = ""
    after: float | None = None
    recipients: tuple[str, ...] = ()


DELIVERED = Outcome(Fate.DELIVERED)


def delayed(why: str, after: float | None = None, recipients: tuple[str, ...] = ()) -> Outcome:
    """It may work later."""
    return Outcome(Fate.DELAYED, why, after, recipients)


def refused(why: str) -> Outcome:
    """It would be refused again."""
    return Outcome(Fate.REFUSED, why)
