"""The error tree: whose fault it is decides what happens next.

    TandemError
    ├── RejectedError   the document's or the request's fault: not retried until it changes; blocks nothing else
    ├── WaitingError    nobody's fault, or not for long: retried with back-off
    └── StalledError    a person has to change the spec, or confirm: not retried until they did

Every error carries one `Reason` (the closed list that conditions show) and says what is wrong, where, and what to do.
Foreign exceptions (pygit2, aiohttp, SQLAlchemy) are translated into this tree once, where they enter.
"""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """Why a condition is what it is. Each is documented in docs/conditions.md with what to do."""

    # source
    FETCHED = "Fetched"
    AUTHENTICATION_FAILED = "AuthenticationFailed"
    REPOSITORY_NOT_FOUND = "RepositoryNotFound"
    BRANCH_NOT_FOUND = "BranchNotFound"
    DIRECTORY_NOT_FOUND = "DirectoryNotFound"
    EMPTY_REPOSITORY = "EmptyRepository"
    UNREACHABLE = "Unreachable"
    CERTIFICATE_INVALID = "CertificateInvalid"
    HOST_KEY_MISMATCH = "HostKeyMismatch"
    HOST_KEY_UNKNOWN = "HostKeyUnknown"
    SIGNATURE_INVALID = "SignatureInvalid"
    PUSH_REJECTED = "PushRejected"
    REPOSITORY_TOO_LARGE = "RepositoryTooLarge"
    NEEDS_RENDERING = "NeedsRendering"
    URL_REFUSED = "URLRefused"
    DECRYPTION_FAILED = "DecryptionFailed"
    FORGE_REFUSED = "ForgeRefused"
    # sync
    SYNCED = "Synced"
    PROGRESSING = "Progressing"
    NO_CONFLICTS = "NoConflicts"
    DOCUMENTS_FAILED = "DocumentsFailed"
    CONFLICTS_OPEN = "ConflictsOpen"
    EMPTY_SOURCE = "EmptySource"
    DELETION_GUARD = "DeletionGuard"
    EDIT_GUARD = "EditGuard"
    HISTORY_REWRITTEN = "HistoryRewritten"
    FIGHTING = "Fighting"
    TARGET_GONE = "TargetGone"
    NAMESPACE_NOT_FOUND = "NamespaceNotFound"
    KIND_UNKNOWN = "KindUnknown"
    FIELD_REFUSED = "FieldRefused"
    UNKNOWN_FIELD = "UnknownField"
    LFS_POINTER = "LFSPointer"
    OUT_OF_SCOPE = "OutOfScope"
    DUPLICATE_OBJECT = "DuplicateObject"
    OWNED_BY_OTHER = "OwnedByOther"
    ENCRYPTION_REQUIRED = "EncryptionRequired"
    FORBIDDEN = "Forbidden"
    INVALID_SPEC = "InvalidSpec"
    INVALID_KUBECONFIG = "InvalidKubeconfig"
    API_UNREACHABLE = "ApiUnreachable"
    TERMINATING = "Terminating"
    TOO_MANY_COMMITS = "TooManyCommits"
    STALE = "Stale"
    RESOLUTION_FAILED = "ResolutionFailed"


class TandemError(Exception):
    """Something went wrong that somebody can act on."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


class RejectedError(TandemError):
    """The document or the request is wrong; the same input would be refused again."""


class WaitingError(TandemError):
    """It may work later without anybody changing anything here."""


class StalledError(TandemError):
    """It cannot work until a person changes the spec or confirms."""
