"""How a remote is spoken to: what every transport does, and what its servers' answers mean whoever carries them.

There are two, with one contract: `libgit2.py` for plain http(s), where a look costs 9 ms, and `program.py`, the git
program, for what libgit2 keeps per process and so cannot tell tenants apart by: ssh, private authorities, client
certificates, proxies. Every call is made in the mirror's thread and raises the errors of errors.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pygit2

from controller.errors import TandemError
from controller.git.credentials import Credentials
from controller.git.errors import AuthenticationFailedError, RepositoryNotFoundError, UnreachableError
from controller.git.push import Outcome, PushOrder

ALL_TAGS = "+refs/tags/*:refs/tags/*"
CONNECT_TIMEOUT = 10.0  # seconds; a host that is there answers sooner


class Pulse(Protocol):
    """The caller of a job, as seen from inside it. Both raise when nobody waits for the job any more."""

    def beat(self) -> None:
        """Something moved."""

    def check(self) -> None:
        """Nothing moved; is anybody still waiting?"""


@dataclass(frozen=True, slots=True)
class Remote:
    """One remote as one credential sees it. `path`: its local copy; `timeout`: seconds without progress; `proxy`: the
    URL of a http proxy, "" for none."""

    url: str
    credentials: Credentials
    path: Path
    timeout: float
    proxy: str = ""


class Session(Protocol):
    """One look at a remote."""

    @property
    def references(self) -> Mapping[str, str]:
        """Full name to id: the branch that was asked for, if it is there; if it is not, all branches."""

    def fetch(self, branch: str, reference: str, most_bytes: int, *, tags: bool = False) -> str:
        """Bring a branch with its whole history, and have the copy's `reference` at it; the commit's id.

        `tags`: all of them, too, under their own names.

        RepositoryTooLargeError as soon as more than `most_bytes` come.
        """


class Transport(Protocol):
    """One way to one remote."""

    def connect(self, repository: pygit2.Repository, branch: str, *, tags: bool = False) -> Session:
        """Ask where the branch is, and where the tags are."""

    def push(self, repository: pygit2.Repository, order: PushOrder) -> Outcome:
        """Carry out one push. After an error the push may have arrived: the next fetch tells."""


def status_error(status: int, place: str, credentials: Credentials) -> TandemError:
    """What a HTTP status other than 200 means on a Git URL."""
    if status in {401, 403, 407}:
        return unauthorized(place, credentials, status)
    if status in {404, 410}:
        hint = "that the credentials may see it" if credentials.authorization else "whether it needs credentials"
        return RepositoryNotFoundError(f"{place}: not found (HTTP {status}); check spec.repository.url, and {hint}")
    if status in {301, 302, 303, 307, 308}:
        return redirected(place, f"HTTP {status}, a redirect")
    return UnreachableError(f"{place}: the server answers HTTP {status}; it is tried again")


def redirected(place: str, text: str) -> UnreachableError:
    """The server sends us elsewhere, where our credentials do not belong."""
    return UnreachableError(f"{place}: {text}; name the final address in spec.repository.url")


def unauthorized(place: str, credentials: Credentials, status: int = 401) -> AuthenticationFailedError:
    """The server does not let us in."""
    if credentials.authorization:
        return AuthenticationFailedError(
            f"{place}: the server refuses these credentials (HTTP {status}); "
            "correct the Secret that credentialsSecretRef names"
        )
    return AuthenticationFailedError(
        f"{place}: the server wants credentials (HTTP {status}); name a Secret in spec.repository.credentialsSecretRef"
    )


def too_large(place: str, most_bytes: int) -> str:
    """The message of RepositoryTooLargeError for a fetch."""
    return (
        f"{place} is larger than the {most_bytes} bytes that this Fabric takes; raise spec.repository.maxBytes, or "
        "keep large files out of its history"
    )
