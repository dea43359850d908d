"""Secrets as fabrics name them, read when they are needed. They are not watched: who watches holds them all.

What was read is good for some minutes; whoever has reason to doubt it asks for it anew.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from controller.errors import Reason, WaitingError
from controller.kube.client import KubeClient
from controller.kube.errors import ForbiddenError, NotFoundError
from controller.kube.resources import SECRETS

SECRET_AGE = 600.0  # seconds after which a Secret is read again although nothing went wrong

T = TypeVar("T")
Entries = Mapping[str, bytes]
Make = Callable[[Entries, str], T]
"""Makes something of a Secret's entries; the second argument names the Secret, for messages."""


@dataclass(slots=True)
class _Known:
    """A Secret as it was read at a time, and what was made of it."""

    at: float
    entries: Entries
    made: dict[Make[Any], Any] = field(default_factory=dict)


class SecretReader:
    """Reads Secrets. `clock` is the process' own, in seconds."""

    def __init__(self, client: KubeClient, clock: Callable[[], float]) -> None:
        self._client = client
        self._clock = clock
        self._known: dict[tuple[str, str], _Known] = {}

    async def made(
        self, namespace: str, name: str, field: str, reason: Reason, make: Make[T], *, reread: bool = False
    ) -> T:
        """What `make` makes of a Secret; once for each content, and in a thread: opening a key takes 0.1 s.

        `field` of the spec names it, for the message. Raises WaitingError with `reason` where it is missing or may not
        be read, the errors of the client, and what `make` raises.
        """
        known = await self._read(namespace, name, field, reason, reread=reread)
        if make not in known.made:
            known.made[make] = await asyncio.to_thread(make, known.entries, f"Secret {namespace}/{name}")
        made: T = known.made[make]
        return made

    async def _read(self, namespace: str, name: str, field: str, reason: Reason, *, reread: bool) -> _Known:
        place = (namespace, name)
        known = self._known.get(place)
        if known is not None and not reread and self._clock() - known.at < SECRET_AGE:
            return known
        where = f"Secret {namespace}/{name}"
        try:
            secret = await self._client.get(SECRETS, *place)
        except NotFoundError:
            raise WaitingError(reason, f"{where} of {field} does not exist; create it") from None
        except ForbiddenError as error:
            message = f"{where} cannot be read: {error.message}; let the controller's service account get Secrets there"
            raise WaitingError(reason, message) from None
        entries = {key: base64.b64decode(value) for key, value in (secret.get("data") or {}).items()}
        if known is None or known.entries != entries:
            known = self._known[place] = _Known(self._clock(), entries)
        known.at = self._clock()
        return known
