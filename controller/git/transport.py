"""How the network is spoken to: libgit2's process-wide settings, its callbacks, and its errors in our words.

Three things that libgit2 leaves open are closed here: it has no time-outs unless told; it would follow a redirect to
another host with our Authorization header; and it sends a request in a dozen small pieces, which Nagle's algorithm and
a delayed acknowledgement turn into 40 ms of waiting.
"""

from __future__ import annotations

import os
import re
import socket
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

import pygit2
from pygit2.enums import ConfigLevel, CredentialType

from controller.errors import TandemError
from controller.git.credentials import Credentials
from controller.git.errors import (
    AuthenticationFailedError,
    CertificateInvalidError,
    MirrorDamagedError,
    RepositoryNotFoundError,
    UnreachableError,
)
from controller.git.remote import printable

CONNECT_TIMEOUT = 10.0  # seconds; a host that is there answers sooner
OPEN_PACKS = 200  # files of all mirrors together; a process often may have 1,024, and without a limit each pack stays
FOLLOW_REDIRECTS = "http.followRedirects"  # false: within the host only (libgit2 then still follows a renamed path)

# libgit2's error classes (git2/errors.h) that speak of the connection, or of the answer.
NETWORK = {12, 16, 34}  # NET, SSL, HTTP
FETCHING, PUSHING = 0, 1  # git_direction (git2/net.h)
SYSTEM = 2  # OS: a refused connection while connecting, later a full disk
STATUS = re.compile(r"unexpected http status code: (\d{3})")
OPEN_FILES = Path("/proc/self/fd") if Path("/proc/self/fd").is_dir() else Path("/dev/fd")


def configure(timeout: float) -> None:
    """Set what libgit2 keeps per process: time-outs in seconds, open files, no configuration but a mirror's own.

    A `url.insteadOf` or a proxy in somebody's ~/.gitconfig would undo the rules of remote.py.
    """
    pygit2.settings.server_connect_timeout = int(min(CONNECT_TIMEOUT, timeout) * 1000)
    pygit2.settings.server_timeout = int(timeout * 1000)
    pygit2.settings.mwindow_file_limit = OPEN_PACKS
    for level in (ConfigLevel.PROGRAMDATA, ConfigLevel.SYSTEM, ConfigLevel.XDG, ConfigLevel.GLOBAL):
        pygit2.settings.search_path[level] = ""


class UnauthorizedError(Exception):
    """The server answered 401 to what it was shown. Translated before anybody sees it."""


# What pygit2 raises when an object, a reference or a file is not there or not readable.
UNREADABLE = (pygit2.GitError, KeyError, OSError, ValueError, TypeError)
FAILED = (UnauthorizedError, *UNREADABLE)


class Callbacks(pygit2.RemoteCallbacks):
    """What libgit2 asks while it talks to a server. `beat` hears of every progress."""

    sideband_progress: Callable[[str], None] | None = None  # type: ignore[assignment]  # unset: not even decoded

    def __init__(self, credentials: Credentials, beat: Callable[[], None]) -> None:
        super().__init__()
        self.credentials_shown = credentials
        self.beat = beat

    def custom_headers(self) -> list[str]:
        """The Authorization header, from the first request on."""
        return self.credentials_shown.headers

    def credentials(self, url: str, username_from_url: str | None, allowed_types: CredentialType) -> NoReturn:
        """Asked only after a 401: the header was not good enough, or there was none."""
        raise UnauthorizedError

    def transfer_progress(self, stats: object) -> None:
        """Objects are coming in."""
        self.beat()

    def push_transfer_progress(self, objects_pushed: int, total_objects: int, bytes_pushed: int) -> None:
        """Objects are going out."""
        self.beat()


def connected(repository: pygit2.Repository, url: str, callbacks: Callbacks, *, pushing: bool = False) -> pygit2.Remote:
    """Connect for fetching or pushing: one request, which brings the server's branches. Raises our own errors."""
    try:
        remote = repository.remotes.create_anonymous(url)
        remote.connect(callbacks=callbacks, direction=PUSHING if pushing else FETCHING)
    except FAILED as error:
        if getattr(error, "error_class", None) == SYSTEM:
            raise UnreachableError(f"{printable(url)}: {error}; it is tried again") from None
        raise transfer_error(error, url, callbacks.credentials_shown) from None
    callbacks.beat()
    return remote


def advertised(remote: pygit2.Remote) -> dict[str, str]:
    """The references of a connected remote: full name to id."""
    return {head.name: str(head.oid) for head in remote.list_heads(connect=False) if head.name}


def send_at_once() -> None:
    """Set TCP_NODELAY on this process's TCP sockets: libgit2 does not, and does not show its socket.

    Called between connecting and the first large request, which it makes 40 ms faster (60 → 16 ms a push on loopback).
    Other sockets of the process (aiohttp's) have the option already, so it does not matter whose they are.
    """
    for entry in OPEN_FILES.iterdir():
        with suppress(OSError):  # closed meanwhile
            number = int(entry.name)
            if stat.S_ISSOCK(os.fstat(number).st_mode):
                with socket.socket(fileno=os.dup(number)) as found:
                    if found.type == socket.SOCK_STREAM and found.family in {socket.AF_INET, socket.AF_INET6}:
                        found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def transfer_error(error: Exception, url: str, credentials: Credentials) -> TandemError:
    """A failed network call in our words: whose fault it is, and what to do.

    What is not the network's fault comes back as MirrorDamagedError: then it was the local copy.
    """
    place = printable(url)
    text = credentials.redacted(str(error)) or type(error).__name__
    if isinstance(error, UnauthorizedError | pygit2.AuthError):
        return unauthorized(place, credentials)
    if isinstance(error, pygit2.CertificateError) or "certificate" in text.lower():
        return CertificateInvalidError(
            f"{place}: the server's certificate is not trusted ({text}); use one from a public authority, "
            "or add its authority to this machine's trust store"
        )
    if status := STATUS.search(text):
        return status_error(int(status[1]), place, credentials)
    if "cannot redirect" in text or "unexpected redirect" in text:
        return UnreachableError(f"{place}: {text}; name the final address in spec.repository.url")
    if "content-type" in text.lower():
        return RepositoryNotFoundError(f"{place} answers, but is no Git repository ({text}); check spec.repository.url")
    if getattr(error, "error_class", None) in NETWORK:
        return UnreachableError(f"{place}: {text}; check the address and the network, it is tried again")
    return MirrorDamagedError(f"the local copy of {place} cannot be used ({text}); it is fetched anew")


def status_error(status: int, place: str, credentials: Credentials) -> TandemError:
    """What a HTTP status other than 200 means on a Git URL."""
    if status in {401, 403, 407}:
        return unauthorized(place, credentials, status)
    if status in {404, 410}:
        hint = "that the credentials may see it" if credentials.authorization else "whether it needs credentials"
        return RepositoryNotFoundError(f"{place}: not found (HTTP {status}); check spec.repository.url, and {hint}")
    return UnreachableError(f"{place}: the server answers HTTP {status}; it is tried again")


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
