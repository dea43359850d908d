"""The transport for plain http(s): libgit2's process-wide settings, its callbacks, and its errors in our words.

What libgit2 leaves open is closed here: it has no time-outs unless told; it would follow a redirect to another host
with our Authorization header; it sends a request in a dozen small pieces, which Nagle's algorithm and a delayed
acknowledgement turn into 40 ms of waiting; it has no lease for a push; and a push that a server hook refused returns
normally, only the report per reference tells.
"""

from __future__ import annotations

import os
import re
import socket
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Literal, NoReturn

import pygit2
from pygit2.enums import ConfigLevel, CredentialType

from controller.errors import TandemError
from controller.git.credentials import Credentials
from controller.git.errors import (
    AuthenticationFailedError,
    CertificateInvalidError,
    MirrorDamagedError,
    RepositoryNotFoundError,
    RepositoryTooLargeError,
    UnreachableError,
)
from controller.git.heads import reference_of
from controller.git.push import (
    LONGEST_MESSAGE,
    NOTHING,
    LeaseLost,
    Outcome,
    Pushed,
    PushOrder,
    Refused,
    check_order,
    one_line,
    settled,
)
from controller.git.remote import printable
from controller.git.transport import (
    ALL_TAGS,
    CONNECT_TIMEOUT,
    Pulse,
    Remote,
    redirected,
    status_error,
    too_large,
    unauthorized,
)

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
    """What libgit2 asks while it talks to a server. `most_bytes`: more are not received; 0 is no limit."""

    sideband_progress: Callable[[str], None] | None = None  # type: ignore[assignment]  # unset: not even decoded

    def __init__(self, remote: Remote, pulse: Pulse, most_bytes: int = 0) -> None:
        super().__init__()
        self.place = remote
        self.pulse = pulse
        self._most_bytes = most_bytes

    def custom_headers(self) -> list[str]:
        """The Authorization header, from the first request on."""
        return self.place.credentials.headers

    def credentials(self, url: str, username_from_url: str | None, allowed_types: CredentialType) -> NoReturn:
        """Asked only after a 401: the header was not good enough, or there was none."""
        raise UnauthorizedError

    def transfer_progress(self, stats: pygit2.remotes.TransferProgress) -> None:
        """Objects are coming in."""
        self.pulse.beat()
        if 0 < self._most_bytes < stats.received_bytes:
            raise RepositoryTooLargeError(too_large(printable(self.place.url), self._most_bytes))

    def push_transfer_progress(self, objects_pushed: int, total_objects: int, bytes_pushed: int) -> None:
        """Objects are going out."""
        self.pulse.beat()


class LeaseLostError(Exception):
    """Raised inside libgit2's negotiation to stop it."""


class PushCallbacks(Callbacks):
    """Holds the lease, and remembers what the server said."""

    def __init__(self, remote: Remote, pulse: Pulse, expected: str) -> None:
        super().__init__(remote, pulse)
        self._expected = expected
        self._said = ""
        self.found = NOTHING
        self.verdict: Literal["unknown", "accepted", "refused"] = "unknown"
        self.refusal = ""

    def push_negotiation(self, updates: list[pygit2.remotes.PushUpdate]) -> None:
        """Before anything is sent: where is the branch now?"""
        for update in updates:
            self.found = str(update.src)
            if update.src != update.dst and self.found != self._expected:
                raise LeaseLostError

    def push_update_reference(self, refname: str, message: str | None) -> None:
        """After everything was sent: was the branch moved?"""
        self.verdict = "accepted" if message is None else "refused"
        self.refusal = message or ""

    def sideband_progress(self, string: str) -> None:
        """What the server's hooks print."""
        self.pulse.beat()
        self._said = (self._said + string)[: 2 * LONGEST_MESSAGE]

    @property
    def message(self) -> str:
        """What the server said, fit for a status."""
        return one_line(self.place.credentials.redacted(f"{self._said}\n{self.refusal}"))


class Libgit2Session:
    """A connection that brought the server's branches: the first request of a fetch."""

    def __init__(self, connection: pygit2.Remote, remote: Remote, pulse: Pulse) -> None:
        self._connection = connection
        self._remote = remote
        self._pulse = pulse
        self.references = advertised(connection)

    def fetch(self, branch: str, reference: str, most_bytes: int, *, tags: bool = False) -> str:
        """Bring a branch, and tags; one request more."""
        send_at_once()
        try:
            callbacks = Callbacks(self._remote, self._pulse, most_bytes)
            more = [ALL_TAGS] if tags else []
            self._connection.fetch([f"+{reference_of(branch)}:{reference}", *more], callbacks=callbacks)
        except FAILED as error:
            raise transfer_error(error, self._remote.url, self._remote.credentials) from None
        return self.references[reference_of(branch)]


class Libgit2:
    """A remote that is spoken to by libgit2."""

    def __init__(self, remote: Remote, pulse: Pulse) -> None:
        self._remote = remote
        self._pulse = pulse

    def connect(self, repository: pygit2.Repository, branch: str, *, tags: bool = False) -> Libgit2Session:
        """One request, which brings all branches, and all tags."""
        connection = connected(repository, Callbacks(self._remote, self._pulse))
        return Libgit2Session(connection, self._remote, self._pulse)

    def push(self, repository: pygit2.Repository, order: PushOrder) -> Outcome:
        """Push with a lease of our own: the branch's old id, as the server announces it on this very connection, is
        compared before anything is sent, and the server compares it again when it moves the branch."""
        if refused := check_order(repository, order):
            return refused
        remote = self._remote
        callbacks = PushCallbacks(remote, self._pulse, order.expected or NOTHING)
        try:
            connection = connected(repository, callbacks, pushing=True)
            send_at_once()
            connection.push([order.refspec], callbacks=callbacks)
        except AuthenticationFailedError as error:
            return Refused(one_line(f"the credentials may not push: {error.message}"))
        except LeaseLostError:
            return LeaseLost(None if callbacks.found == NOTHING else callbacks.found)
        except UnicodeDecodeError:
            callbacks.refusal = "the server's message is not UTF-8"  # pygit2 cannot hand it over; a refusal at all?
        except FAILED as error:
            raise transfer_error(error, remote.url, remote.credentials) from None
        if callbacks.verdict == "accepted":
            return Pushed(order.commit)
        found = self.connect(repository, order.branch).references
        return settled(found.get(order.reference), order, callbacks.message)


def connected(repository: pygit2.Repository, callbacks: Callbacks, *, pushing: bool = False) -> pygit2.Remote:
    """Connect for fetching or pushing: one request, which brings the server's branches. Raises our own errors."""
    url = callbacks.place.url
    try:
        connection = repository.remotes.create_anonymous(url)
        connection.connect(callbacks=callbacks, direction=PUSHING if pushing else FETCHING)
    except FAILED as error:
        if getattr(error, "error_class", None) == SYSTEM:
            raise UnreachableError(f"{printable(url)}: {error}; it is tried again") from None
        raise transfer_error(error, url, callbacks.place.credentials) from None
    callbacks.pulse.beat()
    return connection


def advertised(connection: pygit2.Remote) -> dict[str, str]:
    """The references of a connected remote: full name to id."""
    return {head.name: str(head.oid) for head in connection.list_heads(connect=False) if head.name}


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
            f"{place}: the server's certificate is not trusted ({text}); use one from a public authority, or add its "
            "authority to the Secret that credentialsSecretRef names, as ca.crt"
        )
    if status := STATUS.search(text):
        return status_error(int(status[1]), place, credentials)
    if "cannot redirect" in text or "unexpected redirect" in text:
        return redirected(place, text)
    if "content-type" in text.lower():
        return RepositoryNotFoundError(f"{place} answers, but is no Git repository ({text}); check spec.repository.url")
    if getattr(error, "error_class", None) in NETWORK:
        return UnreachableError(f"{place}: {text}; check the address and the network, it is tried again")
    return MirrorDamagedError(f"the local copy of {place} cannot be used ({text}); it is fetched anew")
