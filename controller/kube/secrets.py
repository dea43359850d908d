"""Secrets as fabrics name them, read when they are needed. They are not watched: who watches holds them all.

What was read is good for some minutes; whoever has reason to doubt it asks for it anew.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping

from controller.errors import Reason, WaitingError
from controller.kube.client import KubeClient
from controller.kube.errors import ForbiddenError, NotFoundError
from controller.kube.resources import SECRETS

SECRET_AGE = 600.0  # seconds after which a Secret is read again although nothing went wrong


class SecretReader:
    """Reads Secrets. `clock` is the process' own, in seconds."""

    def __init__(self, client: KubeClient, clock: Callable[[], float]) -> None:
        self._client = client
        self._clock = clock
        self._known: dict[tuple[str, str], tuple[float, Mapping[str, bytes]]] = {}

    async def read(
        self, namespace: str, name: str, field: str, reason: Reason, *, reread: bool = False
    ) -> Mapping[str, bytes]:
        """The entries of a Secret; the same mapping until it is read again.

        `field` of the spec names it, for the message. Raises WaitingError with `reason` where it is missing or may not
        be read, and the errors of the client.
        """
        place = (namespace, name)
        known = self._known.get(place)
        if known is not None and not reread and self._clock() - known[0] < SECRET_AGE:
            return known[1]
        where = f"Secret {namespace}/{name}"
        try:
            secret = await self._client.get(SECRETS, *place)
        except NotFoundError:
            raise WaitingError(reason, f"{where} of {field} does not exist; create it") from None
        except ForbiddenError as error:
            message = f"{where} cannot be read: {error.message}; let the controller's service account get Secrets there"
            raise WaitingError(reason, message) from None
        data = {key: base64.b64decode(value) for key, value in (secret.get("data") or {}).items()}
        if known is not None and known[1] == data:
            data = known[1]  # type: ignore[assignment]  # what was made of it stays good
        self._known[place] = (self._clock(), data)
        return data
