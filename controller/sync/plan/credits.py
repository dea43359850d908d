"""Whose write moved a path: the writes of one object that were followed since both sides last agreed. Pure.

A credit is a write that was seen to succeed. Nobody is named where that is in doubt: a write that nobody claimed takes
the paths that it changed from whoever had them before.
"""

from __future__ import annotations

from collections.abc import Sequence

from controller.sync.plan.fieldpath import Path, meet
from controller.sync.plan.model import Credit, Deed

NOBODY = Credit("", (), 0)


def credit_of(writes: Sequence[Credit], path: Path) -> Credit:
    """The last write that touched the path; NOBODY if none did, or if it cannot be told which of two it was.

    `writes` are in order. A write that is known only to have changed something around the path,
    where somebody else had changed the path before, leaves it open whose the value is.
    """
    touching = [credit for credit in writes if any(meet(touched, path) for touched in credit.paths)]
    if not touching:
        return NOBODY
    last = touching[-1]
    is_coarse = all(len(touched) < len(path) for touched in last.paths if meet(touched, path))
    if is_coarse and any(credit.user != last.user for credit in touching):
        return NOBODY
    return last


def makers_of(writes: Sequence[Credit]) -> tuple[Deed, ...]:
    """Everybody who made the object what it is, each with their last write, in the order of these.

    () if any of the writes is nobody's: the object then is not these users' alone.
    """
    if any(not credit.user for credit in writes):
        return ()
    last = {credit.user: credit for credit in writes}
    return tuple(Deed(credit.user, credit.time) for credit in sorted(last.values(), key=lambda one: one.version))
