"""Counting requests in the API server's audit log: who asked for what, and how often."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True)
class Mark:
    """A point of the log: what was received later counts."""

    offset: int
    at: datetime


@dataclass(frozen=True)
class AuditedRequest:
    """One request as the API server received it."""

    verb: str  # get, list, watch, create, update, patch, delete, deletecollection
    path: str
    query: dict[str, list[str]]
    user: str  # as whom it was carried out
    impersonated: bool  # by somebody else, who said so
    groups: tuple[str, ...]
    user_agent: str
    status: int
    received: datetime

    def __str__(self) -> str:
        return f"{self.verb} {self.path} → {self.status} ({self.user_agent})"


class AuditLog:
    """The log of a control plane that was started with `Options(audit=True)`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def mark(self) -> Mark:
        """Now."""
        return Mark(self.path.stat().st_size if self.path.exists() else 0, datetime.now(UTC))

    def requests(self, user_agent_prefix: str = "", since: Mark | None = None) -> list[AuditedRequest]:
        """Every request received after `since` by clients whose user agent starts so, each once, in order.

        A watch has a line at its start and one at its end; it counts once, when it was received.
        """
        found: dict[str, AuditedRequest] = {}
        for event in self._events(since.offset if since else 0):
            request = _to_request(event)
            if request.user_agent.startswith(user_agent_prefix) and (since is None or request.received >= since.at):
                found.setdefault(event["auditID"], request)
        return sorted(found.values(), key=lambda request: request.received)

    def _events(self, offset: int) -> Iterator[dict[str, Any]]:
        with self.path.open("rb") as log:
            log.seek(offset)
            for line in log:
                if line.endswith(b"\n"):  # the last one may be on its way
                    yield json.loads(line)


def _to_request(event: dict[str, Any]) -> AuditedRequest:
    url = urlsplit(event["requestURI"])
    user = event.get("impersonatedUser", event["user"])
    return AuditedRequest(
        verb=event["verb"],
        path=url.path,
        query=parse_qs(url.query),
        user=user["username"],
        impersonated="impersonatedUser" in event,
        groups=tuple(user.get("groups", ())),
        user_agent=event.get("userAgent", ""),
        status=event.get("responseStatus", {}).get("code", 0),
        received=datetime.fromisoformat(event["requestReceivedTimestamp"]),
    )
