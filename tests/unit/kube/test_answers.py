"""The table of refusals, in the words of a kube-apiserver 1.35.4. What is sent to get them is in the e2e tests."""

from __future__ import annotations

import json
from typing import Any

import pytest

from controller.errors import Reason, RejectedError, WaitingError
from controller.kube.answers import JSON_PATCH, translate
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

APPLY = "application/apply-patch+yaml"
ONE = "PATCH /api/v1/namespaces/default/configmaps/a"
SECRET = "PATCH /api/v1/namespaces/default/secrets/a"


def status(code: int, message: str, reason: str | None = None, **details: Any) -> bytes:
    body: dict[str, Any] = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "code": code}
    body["message"] = message
    if reason is not None:
        body["reason"] = reason
    if details or reason in {"Invalid", "NotFound", "MethodNotAllowed"}:
        body["details"] = details
    return json.dumps(body).encode() + b"\n"


def cause(reason: str, message: str, field: str) -> dict[str, str]:
    return {"reason": reason, "message": message, "field": field}


MODIFIED = (
    'Operation cannot be fulfilled on configmaps "a": the object has been modified; '
    "please apply your changes to the latest version and try again"
)
NO_SUCH_RESOURCE = "the server could not find the requested resource"
TERMINATING = 'configmaps "a" is forbidden: unable to create new content in namespace t because it is being terminated'
FAILED_TEST = "the server rejected our request due to an error in our request"
IMMUTABLE = 'Invalid value: "8f9a": field is immutable'


@pytest.mark.parametrize(
    ("code", "answer", "request_line", "content_type", "error", "reason"),
    [
        pytest.param(
            409,
            status(409, MODIFIED, "Conflict", name="a", kind="configmaps"),
            ONE,
            APPLY,
            ChangedMeanwhileError,
            Reason.PROGRESSING,
            id="an apply with a stale resourceVersion",
        ),
        pytest.param(
            409,
            status(409, 'Operation cannot be fulfilled on configmaps "a": uid mismatch: …', "Conflict", name="a"),
            ONE,
            APPLY,
            ChangedMeanwhileError,
            Reason.PROGRESSING,
            id="an apply with a uid on an absent object",
        ),
        pytest.param(
            422,
            status(
                422,
                f'ConfigMap "a" is invalid: metadata.uid: {IMMUTABLE}',
                "Invalid",
                name="a",
                kind="ConfigMap",
                causes=[cause("FieldValueInvalid", IMMUTABLE, "metadata.uid")] * 2,
            ),
            ONE,
            APPLY,
            ChangedMeanwhileError,
            Reason.PROGRESSING,
            id="an apply with another uid",
        ),
        pytest.param(
            422,
            status(422, FAILED_TEST, "Invalid"),
            ONE,
            JSON_PATCH,
            ChangedMeanwhileError,
            Reason.PROGRESSING,
            id="a JSON patch whose test fails",
        ),
        pytest.param(
            409,
            status(
                409,
                'Operation cannot be fulfilled on ConfigMap "a": the UID in the precondition (x) does not match …',
                "Conflict",
                name="a",
                kind="ConfigMap",
            ),
            "DELETE /api/v1/namespaces/default/configmaps/a",
            "application/json",
            ChangedMeanwhileError,
            Reason.PROGRESSING,
            id="a delete with a precondition that does not hold",
        ),
        pytest.param(
            409,
            status(409, 'configmaps "a" already exists', "AlreadyExists", name="a", kind="configmaps"),
            "POST /api/v1/namespaces/default/configmaps",
            "application/json",
            AlreadyExistsError,
            Reason.PROGRESSING,
            id="a POST of what is there",
        ),
        pytest.param(
            500,
            status(
                500, "failed to create typed patch object (/a; /v1, Kind=ConfigMap): .dta: field not declared in schema"
            ),
            ONE,
            APPLY,
            RefusedError,
            Reason.UNKNOWN_FIELD,
            id="an apply with an unknown field",
        ),
        pytest.param(
            500,
            status(500, "etcdserver: leader changed"),
            ONE,
            APPLY,
            UnreachableError,
            Reason.API_UNREACHABLE,
            id="a server in trouble",
        ),
        pytest.param(
            415,
            status(415, "the body of the request was in an unknown format", "UnsupportedMediaType"),
            ONE,
            "application/xx",
            RefusedError,
            Reason.FIELD_REFUSED,
            id="an unknown format",
        ),
        pytest.param(
            413,
            status(413, "Request entity too large: limit is 3145728", "RequestEntityTooLarge"),
            ONE,
            APPLY,
            RefusedError,
            Reason.FIELD_REFUSED,
            id="a document of more than 3 MB",
        ),
        pytest.param(
            404,
            status(404, 'configmaps "a" not found', "NotFound", name="a", kind="configmaps"),
            ONE,
            JSON_PATCH,
            NotFoundError,
            Reason.PROGRESSING,
            id="an object that is not there",
        ),
        pytest.param(
            404,
            status(404, 'namespaces "missing" not found', "NotFound", name="missing", kind="namespaces"),
            "PATCH /api/v1/namespaces/missing/configmaps/a",
            APPLY,
            NamespaceMissingError,
            Reason.NAMESPACE_NOT_FOUND,
            id="a namespace that is not there",
        ),
        pytest.param(
            404,
            status(404, 'namespaces "missing" not found', "NotFound", name="missing", kind="namespaces"),
            "GET /api/v1/namespaces/missing",
            "",
            NotFoundError,
            Reason.PROGRESSING,
            id="a namespace that is the object itself",
        ),
        pytest.param(
            404,
            b"404 page not found\n",
            "PATCH /apis/no.such/v1/namespaces/default/frobs/x",
            APPLY,
            KindUnknownError,
            Reason.KIND_UNKNOWN,
            id="a group that is not served",
        ),
        pytest.param(
            404,
            status(404, NO_SUCH_RESOURCE, "NotFound"),
            "GET /apis/apps/v9/deployments",
            "",
            KindUnknownError,
            Reason.KIND_UNKNOWN,
            id="a version that is not served",
        ),
        pytest.param(
            405,
            status(405, "the server does not allow this method on the requested resource", "MethodNotAllowed"),
            "PUT /api/v1/namespaces",
            "",
            KindUnknownError,
            Reason.KIND_UNKNOWN,
            id="a verb that is not served",
        ),
        pytest.param(
            403,
            status(
                403, 'configmaps is forbidden: User "alice" cannot create resource …', "Forbidden", kind="configmaps"
            ),
            ONE,
            APPLY,
            ForbiddenError,
            Reason.FORBIDDEN,
            id="a permission that is missing",
        ),
        pytest.param(
            403,
            status(
                403,
                TERMINATING,
                "Forbidden",
                name="a",
                kind="configmaps",
                causes=[cause("NamespaceTerminating", "namespace t is being terminated", "metadata.namespace")],
            ),
            "PATCH /api/v1/namespaces/t/configmaps/a",
            APPLY,
            NamespaceMissingError,
            Reason.TERMINATING,
            id="a namespace that is about to go",
        ),
        pytest.param(
            410,
            status(410, "The provided continue parameter is too old to display a consistent list result.", "Expired"),
            "GET /api/v1/configmaps",
            "",
            GoneError,
            Reason.PROGRESSING,
            id="a continue token that is too old",
        ),
        pytest.param(
            401,
            status(401, "Unauthorized", "Unauthorized"),
            ONE,
            APPLY,
            UnauthorizedError,
            Reason.API_UNREACHABLE,
            id="credentials that are not accepted",
        ),
        pytest.param(
            429,
            status(429, "Too many requests, please try again later.", "TooManyRequests"),
            ONE,
            APPLY,
            UnreachableError,
            Reason.API_UNREACHABLE,
            id="a server that is too busy",
        ),
        pytest.param(
            502,
            b"<html><body>Bad Gateway</body></html>",
            ONE,
            APPLY,
            UnreachableError,
            Reason.API_UNREACHABLE,
            id="a proxy that speaks for itself",
        ),
    ],
)
def test_each_refusal_is_one_error_of_the_tree(
    code: int, answer: bytes, request_line: str, content_type: str, error: type[KubeError], reason: Reason
) -> None:
    translated = translate(code, answer, request_line, content_type)
    assert type(translated) is error
    assert translated.reason is reason
    assert translated.status == code
    assert isinstance(translated, RejectedError if issubclass(error, RefusedError) else WaitingError)


def test_a_conflict_names_every_manager_and_field() -> None:
    causes = [
        cause("FieldManagerConflict", 'conflict with "kubectl-edit" using v1', ".data.a"),
        cause("FieldManagerConflict", 'conflict with "kubectl-edit" using v1', ".data.b"),
        cause("FieldManagerConflict", 'conflict with "hpa" with subresource "scale" using apps/v1', ".spec.replicas"),
    ]
    message = 'Apply failed with 3 conflicts: conflicts with "kubectl-edit": …'
    translated = translate(409, status(409, message, "Conflict", causes=causes), ONE, APPLY)
    assert isinstance(translated, ConflictError)
    assert translated.reason is Reason.OWNED_BY_OTHER
    assert translated.claims == (("kubectl-edit", ".data.a"), ("kubectl-edit", ".data.b"), ("hpa", ".spec.replicas"))
    assert translated.managers == ("kubectl-edit", "hpa")


@pytest.mark.parametrize(
    ("answer", "reason", "fields", "message"),
    [
        pytest.param(
            status(
                500,
                "failed to create typed patch object (ns/d; apps/v1, Kind=Deployment): .spec.replicas: expected "
                "numeric (int or float), got &value.valueUnstructured{Value:x}",
            ),
            Reason.FIELD_REFUSED,
            (".spec.replicas",),
            ".spec.replicas: expected numeric (int or float), got x",
            id="one wrong type",
        ),
        pytest.param(
            status(
                500,
                "failed to create typed patch object (/d; apps/v1, Kind=Deployment): errors:\n"
                "  .spec.replicas: expected numeric (int or float), got &value.valueUnstructured{Value:x}\n"
                "  .spec.foo: field not declared in schema",
            ),
            Reason.UNKNOWN_FIELD,
            (".spec.foo", ".spec.replicas"),
            ".spec.foo: field not declared in schema; .spec.replicas: expected numeric (int or float), got x",
            id="several faults, which come in any order and are told in one",
        ),
        pytest.param(
            status(
                500,
                "failed to create typed patch object (/d; apps/v1, Kind=Deployment): "
                '.spec.template.spec.containers: duplicate entries for key [name="c"]',
            ),
            Reason.FIELD_REFUSED,
            (".spec.template.spec.containers",),
            '.spec.template.spec.containers: duplicate entries for key [name="c"]',
            id="a key twice in a list",
        ),
        pytest.param(
            status(
                500,
                "failed to create typed patch object (/default; /v1, Kind=Namespace): "
                ".spec.finalizers: expected list, got &{5}",
            ),
            Reason.FIELD_REFUSED,
            (".spec.finalizers",),
            ".spec.finalizers: expected list, got 5",
            id="a scalar for a list",
        ),
        pytest.param(
            status(
                400,
                'Deployment in version "v1" cannot be handled as a Deployment: strict decoding error: '
                'unknown field "spec.foo", unknown field "foo"',
                "BadRequest",
            ),
            Reason.UNKNOWN_FIELD,
            ("spec.foo", "foo"),
            'Deployment in version "v1" cannot be handled as a Deployment: strict decoding error: '
            'unknown field "spec.foo", unknown field "foo"',
            id="unknown fields in a POST",
        ),
        pytest.param(
            status(400, 'Deployment: strict decoding error: duplicate field "spec.replicas"', "BadRequest"),
            Reason.FIELD_REFUSED,
            ("spec.replicas",),
            'Deployment: strict decoding error: duplicate field "spec.replicas"',
            id="a field twice",
        ),
        pytest.param(
            status(
                422,
                'Deployment.apps "d" is invalid: spec.strategy.type: Unsupported value: "x"',
                "Invalid",
                name="d",
                group="apps",
                kind="Deployment",
                causes=[cause("FieldValueNotSupported", 'Unsupported value: "x"', "spec.strategy.type")],
            ),
            Reason.FIELD_REFUSED,
            ("spec.strategy.type",),
            'Deployment.apps "d" is invalid: spec.strategy.type: Unsupported value: "x"',
            id="a value that validation refuses",
        ),
        pytest.param(
            status(400, "the name of the object (other) does not match the name on the URL (a)", "BadRequest"),
            Reason.FIELD_REFUSED,
            (),
            "the name of the object (other) does not match the name on the URL (a)",
            id="no field named",
        ),
    ],
)
def test_a_refused_document_says_which_fields_and_why(
    answer: bytes, reason: Reason, fields: tuple[str, ...], message: str
) -> None:
    code = json.loads(answer)["code"]
    translated = translate(code, answer, "PATCH /apis/apps/v1/namespaces/default/deployments/d", APPLY)
    assert isinstance(translated, RefusedError)
    assert translated.reason is reason
    assert translated.fields == fields
    assert translated.field == (fields[0] if fields else "")
    assert str(translated) == message


def test_a_json_patch_that_makes_no_valid_object_is_refused_and_not_a_change_meanwhile() -> None:
    whole = '{"apiVersion":"v1","data":3,"kind":"ConfigMap"}'
    said = f"Invalid value: {json.dumps(whole)}: json: cannot unmarshal number into Go struct field ConfigMap.data"
    causes = [cause("FieldValueInvalid", said, "patch")]
    translated = translate(
        422, status(422, f' "" is invalid: patch: {said}', "Invalid", causes=causes), ONE, JSON_PATCH
    )
    assert type(translated) is RefusedError
    assert str(translated) == '"" is invalid: patch: json: cannot unmarshal number into Go struct field ConfigMap.data'


@pytest.mark.parametrize(
    ("code", "answer", "field"),
    [
        pytest.param(
            500,
            status(
                500,
                "failed to create typed patch object (/a; /v1, Kind=Secret): .data.a: expected string, "
                "got &value.valueUnstructured{Value:hunter2}",
            ),
            ".data.a",
            id="a wrong type",
        ),
        pytest.param(
            500,
            status(
                500,
                "failed to convert new object (/a; /v1, Kind=Secret) to proper version: unable to convert unstructured "
                "object to /v1, Kind=Secret: error decoding from json: illegal base64 data at input byte 7: hunter2",
            ),
            "",
            id="what is no base64",
        ),
        pytest.param(
            422,
            status(
                422,
                'Secret "a" is invalid: data[a]: Invalid value: "hunter2": too weak',
                "Invalid",
                name="a",
                kind="Secret",
                causes=[cause("FieldValueInvalid", 'Invalid value: "hunter2": too weak', "data[a]")],
            ),
            "data[a]",
            id="a value that is quoted",
        ),
        pytest.param(
            422,
            status(
                422,
                ' "" is invalid: patch: Invalid value: "{\\"data\\":{\\"a\\":\\"hunter2\\"}}": json: …',
                "Invalid",
                causes=[cause("FieldValueInvalid", 'Invalid value: "{\\"data\\":{\\"a\\":\\"hunter2\\"}}"', "patch")],
            ),
            "patch",
            id="the whole object, after a JSON patch",
        ),
        pytest.param(400, status(400, "bad: hunter2", "BadRequest"), "", id="a bad request"),
        pytest.param(403, status(403, 'webhook denied: "hunter2"', "Forbidden"), None, id="a webhook's refusal"),
        pytest.param(500, status(500, "webhook failed on hunter2", "InternalError"), None, id="a webhook's failure"),
    ],
)
def test_the_value_of_a_secret_is_in_no_message(code: int, answer: bytes, field: str | None) -> None:
    translated = translate(code, answer, SECRET, JSON_PATCH)
    assert "hunter2" not in str(translated)
    assert "hunter2" not in repr(translated.__dict__)
    assert "the API server refused the Secret" in str(translated)
    if field is not None:
        assert isinstance(translated, RefusedError)
        assert translated.field == field


def test_a_missing_permission_on_secrets_is_told_in_full() -> None:
    message = 'secrets "a" is forbidden: User "alice" cannot patch resource "secrets" in API group ""'
    assert str(translate(403, status(403, message, "Forbidden", name="a"), SECRET)) == message


@pytest.mark.parametrize(
    "request_line",
    [
        "PATCH /api/v1/namespaces/secrets/configmaps/a",
        "PATCH /api/v1/namespaces/x/configmaps/secrets",
        "PATCH /apis/vault.io/v1/namespaces/x/secrets/a",
    ],
)
def test_only_secrets_are_treated_as_secrets(request_line: str) -> None:
    assert str(translate(400, status(400, "quoted", "BadRequest"), request_line)) == "quoted"


def test_a_message_is_cut_to_what_a_person_reads() -> None:
    assert len(str(translate(400, status(400, "x" * 5_000, "BadRequest"), ONE))) == 1_000


@pytest.mark.parametrize("answer", [b"", b"[]", b"null", b"{}", b'{"details":null}', b'{"details":{"causes":null}}'])
@pytest.mark.parametrize("code", [300, 400, 403, 404, 409, 422, 500, 503])
def test_any_answer_is_some_error(code: int, answer: bytes) -> None:
    assert isinstance(translate(code, answer, ONE), KubeError)
