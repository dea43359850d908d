"""What goes wrong between here and a Git server, translated once.

    TandemError
    ├── StalledError
    │   └── UrlRefusedError            the URL itself is not one that Tandem talks to
    ├── WaitingError
    │   ├── AddressRefusedError        the host resolves to an address that Tandem does not talk to
    │   ├── AuthenticationFailedError  401, 403, or a Secret without usable keys
    │   ├── RepositoryNotFoundError    404, or something that is no Git server
    │   ├── BranchNotFoundError        the repository has other branches
    │   ├── EmptyRepositoryError       the repository has none
    │   ├── CertificateInvalidError    TLS does not vouch for the server
    │   ├── HostKeyMismatchError       ssh: the server is not the one that known_hosts names
    │   ├── HostKeyUnknownError        ssh: known_hosts does not name the server, or there is none
    │   ├── SignatureInvalidError      a commit or tag that no trusted key vouches for, or no usable keys
    │   ├── AmendmentRefusedError      a request's branch has commits that what is proposed cannot be merged with
    │   ├── RepositoryTooLargeError    more bytes or files, or folders within each other, than are taken
    │   ├── ForgeRefusedError          whatever a forge does not do, or cannot be asked for
    │   ├── UnreachableError           no connection, no answer in time, 429, 5xx, an answer cut off
    │   └── MirrorDamagedError         the local copy is incomplete; the next fetch makes it anew
    │       └── ObjectMissingError     an id that the local copy does not hold, maybe rightly
    └── RejectedError
        └── PathRefusedError           a file that must not be written

No message holds a credential.
"""

from __future__ import annotations

from controller.errors import Reason, RejectedError, StalledError, WaitingError


class UrlRefusedError(StalledError):
    """The URL is not one that Tandem talks to."""

    def __init__(self, message: str) -> None:
        super().__init__(Reason.URL_REFUSED, message)


class AddressRefusedError(WaitingError):
    """The URL's host resolves to an address that Tandem does not talk to. Name servers change, so it is tried again."""

    def __init__(self, message: str) -> None:
        super().__init__(Reason.URL_REFUSED, message)


class AuthenticationFailedError(WaitingError):
    """The server does not let these credentials in, or there are none to show."""

    def __init__(self, message: str) -> None:
        super().__init__(Reason.AUTHENTICATION_FAILED, message)


class RepositoryNotFoundError(WaitingError):
    """There is no repository at the URL, or none that the credentials may know of."""

    def __init__(self, message: str) -> None:
        super().__init__(Reason.REPOSITORY_NOT_FOUND, message)


class SignatureInvalidError(WaitingError):
    """A commit or a tag that no trusted key vouches for, or a Secret without usable keys."""

    def __init__(self, message: str) -> None:
        super().__init__(Reason.SIGNATURE_INVALID, message)


class BranchNotFoundError(WaitingError):
    """The repository has branches, but not this one."""

    def __init__(self, message: str) -> None:
        super().__init__(Reason.BRANCH_NOT_FOUND, message)


class EmptyRepositoryError(WaitingError):
    """The repository has no commit yet."""

    def __init__(self, message: str) -> None:
        super().__init__(Reason.EMPTY_REPOSITORY, message)


class CertificateInvalidError(WaitingError):
    """The server's certificate is expired, for another name, or signed by nobody trusted; or `ca.crt` is none."""

    def __init__(self, message: str) -> None:
        super().__init__(Reason.CERTIFICATE_INVALID, message)


class HostKeyMismatchError(WaitingError):
    """The ssh server shows another key than the one that `known_hosts` has for it."""

    def __init__(self, message: str) -> None:
        super().__init__(Reason.HOST_KEY_MISMATCH, message)


class HostKeyUnknownError(WaitingError):
    """`known_hosts` does not vouch for the ssh server, or the Secret holds none."""

    def __init__(self, message: str) -> None:
        super().__init__(Reason.HOST_KEY_UNKNOWN, message)


class RepositoryTooLargeError(WaitingError):
    """The repository has more than its Fabric takes, or there is more below the directory than Tandem looks at."""

    def __init__(self, message: str) -> None:
        super().__init__(Reason.REPOSITORY_TOO_LARGE, message)


class AmendmentRefusedError(WaitingError):
    """The branch of a pull request has commits of others that what is proposed cannot be merged with."""

    def __init__(self, message: str) -> None:
        super().__init__(Reason.PUSH_REJECTED, message)


class UnreachableError(WaitingError):
    """The server did not answer, or not as a Git server does."""

    def __init__(self, message: str) -> None:
        super().__init__(Reason.UNREACHABLE, message)


class ForgeRefusedError(WaitingError):
    """The forge did not do what it was asked for, or could not be asked.

    `status` is that of its answer, 0 where there was none. `after`: the seconds for which it is to be left alone, None
    where it does not say.
    """

    def __init__(self, message: str, *, status: int = 0, after: float | None = None) -> None:
        super().__init__(Reason.FORGE_REFUSED, message)
        self.status = status
        self.after = after


class MirrorDamagedError(WaitingError):
    """The local copy cannot be read or written. Nothing is lost: the next fetch makes it anew."""

    def __init__(self, message: str) -> None:
        super().__init__(Reason.UNREACHABLE, message)


class ObjectMissingError(MirrorDamagedError):
    """The local copy does not hold this id: rewritten history that was never fetched here, or damage."""


class PathRefusedError(RejectedError):
    """A file that must not be written: outside the directory, hostile, or in the way of another."""

    def __init__(self, message: str, reason: Reason = Reason.FIELD_REFUSED) -> None:
        super().__init__(reason, message)
