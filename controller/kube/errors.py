"""What the API server answers instead of an object; `answers` translates it, once.

    TandemError
    ├── RejectedError
    │   └── RefusedError             the document is wrong: 400, 413, 422, 500 "failed to create typed patch object"
    │       └── KindUnknownError     the kind is not served: plain-text 404, 405
    └── WaitingError
        ├── NotFoundError            the object is not there: 404
        ├── ChangedMeanwhileError    somebody was faster: 409 on uid or resourceVersion, a failed test of a JSON patch
        │   └── AlreadyExistsError   409 to a POST
        ├── ConflictError            409 to an apply without force: fields of other managers, which it names
        ├── ForbiddenError           403
        ├── NamespaceMissingError    404 or 403 because the namespace is not there, or is terminating
        ├── GoneError                410: the resourceVersion or continue token is too old
        └── UnreachableError         no connection, no answer in time, 429 without end, 5xx
            └── UnauthorizedError    401, with fresh credentials too

Every one of them also is a `KubeError`. No message holds a value out of a Secret.
"""

from __future__ import annotations

from controller.errors import Reason, RejectedError, TandemError, WaitingError


class KubeError(TandemError):
    """An answer of the API server that is no success, or none at all. `status` is the HTTP status, 0 without one."""

    def __init__(self, reason: Reason, message: str, status: int = 0) -> None:
        super().__init__(reason, message)
        self.status = status


class RefusedError(KubeError, RejectedError):
    """The document is wrong. `fields` are the paths the server named, as it wrote them; `field` the first, or ""."""

    def __init__(self, reason: Reason, message: str, status: int = 0, fields: tuple[str, ...] = ()) -> None:
        super().__init__(reason, message, status)
        self.fields = fields

    @property
    def field(self) -> str:
        """The first field the server named."""
        return self.fields[0] if self.fields else ""


class KindUnknownError(RefusedError):
    """No such kind is served under this group and version."""


class NotFoundError(KubeError, WaitingError):
    """The object is not there."""


class ChangedMeanwhileError(KubeError, WaitingError):
    """The object is not, or no longer, the one the request was made from. Read it again and decide anew."""


class AlreadyExistsError(ChangedMeanwhileError):
    """An object of that name is there already."""


class ConflictError(KubeError, WaitingError):
    """Other managers own fields that an apply without force would change. `claims` are (manager, field)."""

    def __init__(self, message: str, claims: tuple[tuple[str, str], ...]) -> None:
        super().__init__(Reason.OWNED_BY_OTHER, message, 409)
        self.claims = claims

    @property
    def managers(self) -> tuple[str, ...]:
        """The names of the managers, each once."""
        return tuple(dict.fromkeys(manager for manager, _ in self.claims))


class ForbiddenError(KubeError, WaitingError):
    """The request is understood and not allowed: by RBAC, by a quota, or by an admission plug-in."""


class NamespaceMissingError(KubeError, WaitingError):
    """The namespace is not there, or about to go (`terminating`)."""

    def __init__(self, message: str, status: int, *, terminating: bool) -> None:
        super().__init__(Reason.TERMINATING if terminating else Reason.NAMESPACE_NOT_FOUND, message, status)
        self.terminating = terminating


class GoneError(KubeError, WaitingError):
    """The resourceVersion or the continue token is too old: list again."""


class UnreachableError(KubeError, WaitingError):
    """The API server cannot be reached, does not answer in time, or is in trouble itself.

    `retry_after`: the seconds it asked us to stay away, 0 if it did not.
    """

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(Reason.API_UNREACHABLE, message, status)
        self.retry_after = 0.0


class UnauthorizedError(UnreachableError):
    """The API server does not accept the credentials, freshly read ones neither."""
