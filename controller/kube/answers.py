"""From an answer of the API server to an error of the tree. Pure.

One place knows how Kubernetes words its refusals; every branch was seen on a real server, and the bodies are in the
tests. The bodies of refused Secrets quote values, so nothing of their wording is passed on, only which field it was.
"""

from __future__ import annotations

import re
from typing import Any

import orjson

from controller.errors import Reason
from controller.kube.errors import (
    AlreadyExistsError,
    ChangedMeanwhileError,
    ConflictError,
    ForbiddenError,
    GoneError,
    KindUnknownError,
    KubeError,
    NamespaceMissingError,
    NotFoundError,
    RefusedError,
    UnauthorizedError,
    UnreachableError,
)

JSON_PATCH = "application/json-patch+json"

# An answer may hold the whole refused document; what a person reads is its beginning.
_MESSAGE_CHARACTERS = 1_000

# An apply's document is judged late, and its faults come as a 500 without a reason:
# `failed to create typed patch object (ns/name; apps/v1, Kind=Deployment): .spec.foo: field not declared in schema`
_TYPED_PATCH = "failed to create typed patch object ("
_WRONG_DOCUMENT = (_TYPED_PATCH, "failed to convert new object (")
_TYPED_FAULT = re.compile(r"^\s*(\.\S*?): (.*?)$", re.MULTILINE)
_GO_VALUE = re.compile(r"&(?:value\.valueUnstructured)?\{(?:Value:)?(.*?)\}")

# A JSON patch whose result is no object of its kind is answered with the whole of it.
_WHOLE_OBJECT = re.compile(r'Invalid value: "\{.*\}": ', re.DOTALL)

# `strict decoding error: unknown field "spec.foo", duplicate field "spec.bar"`
_STRICT_FAULT = re.compile(r'(unknown|duplicate) field "([^"]+)"')

# `conflict with "kubectl" using v1` or, from a subresource, `conflict with "x" with subresource "scale" using v1`
_CLAIMANT = re.compile(r'conflict with "((?:[^"\\]|\\.)*)"')

# `serviceaccounts "default" is forbidden: User "tandem" cannot impersonate resource "serviceaccounts" in API group ""`
_NO_IMPERSONATION = "cannot impersonate resource"
_LET_IMPERSONATE = "; let the controller's own user impersonate serviceaccounts, as manifests/rbac.yaml does"

# /api/v1/namespaces/x/secrets/y, /api/v1/secrets
_SECRETS_PATH = re.compile(r"^/api/v1/(?:namespaces/[^/]+/)?secrets(?:/|$)")
_NAMESPACE_PATH = re.compile(r"/api/v1/namespaces/[^/]+(?:/status|/finalize)?$")


def translate(status: int, answer: bytes, request: str, content_type: str = "") -> KubeError:
    """The error that an answer with an HTTP status ≥ 300 stands for.

    `request` is method and path, `content_type` that of the request's body: a JSON patch is refused in its own way.
    """
    body = _status_body(answer)
    message = _message(body, answer, request)
    secret = _SECRETS_PATH.match(request.rpartition(" ")[2]) is not None
    match status:
        case 401:
            return UnauthorizedError(f"{request}: the API server does not accept the credentials", status)
        case 403:
            return _forbidden(body, message, secret)
        case 404:
            return _not_found(body, message, request)
        case 409:
            return _conflict(body, message)
        case 410:
            return GoneError(Reason.PROGRESSING, message, status)
        case 405:
            return KindUnknownError(Reason.KIND_UNKNOWN, message, status)
        case 422 if content_type == JSON_PATCH and not _fields(body):
            return ChangedMeanwhileError(Reason.PROGRESSING, f"{request}: a test of the patch failed", status)
        case 422 if "metadata.uid" in _fields(body):
            return ChangedMeanwhileError(Reason.PROGRESSING, message, status)
        case 500 if message.startswith(_WRONG_DOCUMENT):
            return _refused(body, message, status, secret)
        case _ if 400 <= status < 500 and status != 429:
            return _refused(body, message, status, secret)
    return UnreachableError(f"{request}: {status}: {_shown(message, secret)}", status)


def _status_body(answer: bytes) -> dict[str, Any]:
    """The `Status` that the server sent; empty for plain text, which unknown paths and proxies answer with."""
    try:
        body = orjson.loads(answer)
    except orjson.JSONDecodeError:
        return {}
    return body if isinstance(body, dict) else {}


def _message(body: dict[str, Any], answer: bytes, request: str) -> str:
    text = body.get("message") or answer.decode(errors="replace").strip() or "no message"
    return f"{text}" if body else f"{request}: {text[:_MESSAGE_CHARACTERS]}"


def _causes(body: dict[str, Any]) -> list[dict[str, str]]:
    return (body.get("details") or {}).get("causes") or []


def _fields(body: dict[str, Any]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(cause["field"] for cause in _causes(body) if cause.get("field")))


def _forbidden(body: dict[str, Any], message: str, secret: bool) -> KubeError:
    if any(cause.get("reason") == "NamespaceTerminating" for cause in _causes(body)):
        return NamespaceMissingError(message, 403, terminating=True)
    if _NO_IMPERSONATION in message:
        return ForbiddenError(Reason.FORBIDDEN, f"{_shown(message, False)}{_LET_IMPERSONATE}", 403)
    quotes = secret and "is forbidden: User" not in message  # RBAC's own words hold names only; a webhook's anything
    return ForbiddenError(Reason.FORBIDDEN, _shown(message, quotes), 403)


def _not_found(body: dict[str, Any], message: str, request: str) -> KubeError:
    details = body.get("details") or {}
    if not details.get("name"):  # a plain-text 404, or one of the aggregator: there is no such path
        return KindUnknownError(Reason.KIND_UNKNOWN, f"{request}: this kind is not served", 404)
    if details.get("kind") == "namespaces" and not _NAMESPACE_PATH.search(request):
        return NamespaceMissingError(message, 404, terminating=False)
    return NotFoundError(Reason.PROGRESSING, message, 404)


def _conflict(body: dict[str, Any], message: str) -> KubeError:
    if body.get("reason") == "AlreadyExists":
        return AlreadyExistsError(Reason.PROGRESSING, message, 409)
    claims = tuple(
        (claimant[1], cause.get("field", ""))
        for cause in _causes(body)
        if cause.get("reason") == "FieldManagerConflict" and (claimant := _CLAIMANT.search(cause.get("message", "")))
    )
    return ConflictError(message, claims) if claims else ChangedMeanwhileError(Reason.PROGRESSING, message, 409)


def _refused(body: dict[str, Any], message: str, status: int, secret: bool) -> RefusedError:
    fields, unknown = _faults(body, message)
    reason = Reason.UNKNOWN_FIELD if unknown else Reason.FIELD_REFUSED
    return RefusedError(reason, _shown(message, secret, fields), status, fields)


def _faults(body: dict[str, Any], message: str) -> tuple[tuple[str, ...], bool]:
    """The fields that are at fault, as the server wrote them, and whether one of them is not in the schema."""
    if message.startswith(_TYPED_PATCH):
        faults = _TYPED_FAULT.findall(message.partition("): ")[2])
        return tuple(sorted(field for field, _ in faults)), any(
            "not declared in schema" in fault for _, fault in faults
        )
    if strict := _STRICT_FAULT.findall(message):
        return tuple(field for _, field in strict), any(kind == "unknown" for kind, _ in strict)
    return _fields(body), False


def _shown(message: str, secret: bool, fields: tuple[str, ...] = ()) -> str:
    """What a person reads. Of a Secret's refusal nothing is repeated: the server quotes the values it refuses."""
    if secret:
        where = f" at {', '.join(fields)}" if fields else ""
        return f"the API server refused the Secret{where}; its own words may quote values and are not repeated"
    if message.startswith(_WRONG_DOCUMENT):  # several faults are a line each, in any order
        lines = message.partition("): ")[2].removeprefix("errors:").splitlines()
        message = "; ".join(sorted(line.strip() for line in lines if line.strip()))
    return _WHOLE_OBJECT.sub("", _GO_VALUE.sub(r"\1", message)).strip()[:_MESSAGE_CHARACTERS]
