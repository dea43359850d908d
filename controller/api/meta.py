"""What all kinds share: names, the base model, durations and times, and the markers that only an API server reads.

A model reads leniently (a field of a newer version is ignored) and writes exactly what was set. The markers (`Cel`,
`ListMap`, `ListSet`) stand in annotations beside the field they bind, and mean nothing to pydantic's validation.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    PlainSerializer,
    ValidationError,
    WithJsonSchema,
)
from pydantic.alias_generators import to_camel
from pydantic_core import CoreSchema, core_schema

from controller.errors import Reason, StalledError
from controller.objects import Json

GROUP = "tandem.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"

FINALIZER = f"{GROUP}/finalizer"
FABRIC_LABEL = f"{GROUP}/fabric"

# On a Fabric.
REQUESTED_AT = f"{GROUP}/requestedAt"
CONFIRM = f"{GROUP}/confirm"
# On a SyncJob.
CANCEL = f"{GROUP}/cancel"
# In a document or on a live object.
RECONCILE = f"{GROUP}/reconcile"
PRUNE = f"{GROUP}/prune"
APPLY = f"{GROUP}/apply"
REPLACE = f"{GROUP}/replace"

OBJECT_ANNOTATIONS = frozenset({RECONCILE, PRUNE, APPLY, REPLACE})
"""The annotations that steer one object: never edits, never written to Git."""

DISABLED = "disabled"
ENABLED = "enabled"
IF_ABSENT = "if-absent"

VALIDATIONS = "x-kubernetes-validations"

# Kubernetes' own bounds, for the cost of CEL rules and for messages that come early.
NAME_LENGTH = 253
LABEL_LENGTH = 63
PATH_LENGTH = 1024


@dataclass(frozen=True, slots=True)
class Cel:
    """A rule the API server checks; `message` says what is allowed. A rule with `oldSelf` binds updates only."""

    rule: str
    message: str

    def marker(self) -> dict[str, str]:
        """The rule as the CRD writes it."""
        return {"rule": self.rule, "message": self.message}

    def __get_pydantic_json_schema__(self, source: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        schema = handler(source)
        schema[VALIDATIONS] = [*schema.get(VALIDATIONS, []), self.marker()]
        return schema


@dataclass(frozen=True, slots=True)
class ListMap:
    """A list whose items are told apart by `keys` (JSON names): merged item by item, duplicates refused."""

    keys: tuple[str, ...]

    def __get_pydantic_json_schema__(self, source: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return handler(source) | {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": list(self.keys)}


@dataclass(frozen=True, slots=True)
class ListSet:
    """A list of scalars without order or duplicates."""

    def __get_pydantic_json_schema__(self, source: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return handler(source) | {"x-kubernetes-list-type": "set"}


class Model(BaseModel):
    """Base of everything in a custom resource: camelCase outside, frozen, unknown fields of newer versions ignored."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="ignore", frozen=True)

    rules: ClassVar[tuple[Cel, ...]] = ()
    """CEL rules that bind several fields of this model to each other."""

    @classmethod
    def __get_pydantic_json_schema__(cls, source: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        schema = handler.resolve_ref_schema(handler(source))
        if cls.rules:
            schema[VALIDATIONS] = [rule.marker() for rule in cls.rules]
        return schema

    def to_json(self) -> dict[str, Json]:
        """The JSON form: camelCase, without what is None."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


# --- durations ---------------------------------------------------------------------------------------------------

_DURATION = r"^(0|([0-9]+(\.[0-9]+)?(ms|s|m|h))+)$"
_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def parse_duration(text: str) -> float:
    """Seconds of a duration in Go's form, such as `500ms` or `1h30m`. Raises ValueError."""
    if not re.fullmatch(_DURATION, text):
        raise ValueError(f"{text!r} is not a duration such as 500ms, 30s, 5m or 1h30m")
    return sum(float(number) * _SECONDS[unit] for number, unit in _PART.findall(text))


class Duration(str):
    """A duration in Go's form. `seconds` is its length."""

    __slots__ = ()

    @property
    def seconds(self) -> float:
        """The length in seconds."""
        return parse_duration(self)

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: object, _handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(
            cls, core_schema.str_schema(max_length=32), serialization=core_schema.to_string_ser_schema()
        )


@dataclass(frozen=True, slots=True)
class Within:
    """Bounds of a `Duration`, both ends included; checked here and, with the same words, by the API server."""

    shortest: str
    longest: str

    @property
    def message(self) -> str:
        """What is allowed."""
        return f"must be a duration from {self.shortest} to {self.longest}, such as 500ms, 30s, 5m or 1h30m"

    def _check(self, value: Duration) -> Duration:
        if not re.fullmatch(_DURATION, value):
            raise ValueError(self.message)
        if not parse_duration(self.shortest) <= value.seconds <= parse_duration(self.longest):
            raise ValueError(self.message)
        return value

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(self, source: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        pattern = _DURATION.replace("\\", "\\\\")
        bounds = f"duration(self) >= duration('{self.shortest}') && duration(self) <= duration('{self.longest}')"
        return Cel(f"self.matches('{pattern}') && {bounds}", self.message).__get_pydantic_json_schema__(source, handler)


# --- times -------------------------------------------------------------------------------------------------------


def to_rfc3339(moment: datetime) -> str:
    """A moment as Kubernetes writes it: UTC, whole seconds, `Z`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


Timestamp = Annotated[
    datetime,
    AfterValidator(_aware),
    PlainSerializer(to_rfc3339, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
"""A moment; RFC 3339 outside, an aware datetime here."""


# --- references and metadata ---------------------------------------------------------------------------------------


class NameRef(Model):
    """A reference by name to an object of the same namespace."""

    name: str = Field(min_length=1, max_length=NAME_LENGTH, description="The name of the object, in this namespace.")


class OwnerReference(Model):
    """The object that owns this one; it goes when its owner goes."""

    api_version: str
    kind: str
    name: str
    uid: str
    controller: bool | None = None
    block_owner_deletion: bool | None = None


def _or_empty(value: Any) -> Any:
    return {} if value is None else value


StringMap = Annotated[dict[str, str], BeforeValidator(_or_empty)]


class ObjectMeta(Model):
    """The part of an object's metadata that Tandem reads."""

    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    creation_timestamp: Timestamp | None = None
    deletion_timestamp: Timestamp | None = None
    labels: StringMap = Field(default_factory=dict)
    annotations: StringMap = Field(default_factory=dict)
    finalizers: tuple[str, ...] = ()
    owner_references: tuple[OwnerReference, ...] = ()


@dataclass(frozen=True, slots=True)
class Column:
    """A column of `kubectl get`. `priority` 1 shows it with `-o wide` only."""

    name: str
    path: str
    type: str = "string"
    priority: int = 0
    description: str = ""


class Resource(Model):
    """Base of a kind. A subclass declares `kind`, `spec` and `status`, and how kubectl shows it."""

    plural: ClassVar[str]
    short_name: ClassVar[str]
    columns: ClassVar[tuple[Column, ...]]

    api_version: str = API_VERSION
    kind: str
    metadata: ObjectMeta = ObjectMeta()

    @classmethod
    def from_object(cls, content: Json) -> Self:
        """The resource as the API server returned it. Raises StalledError(InvalidSpec) naming every wrong field."""
        try:
            return cls.model_validate(content)
        except ValidationError as error:
            name = content.get("metadata", {}).get("name", "?")
            wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
            message = f"{cls.__name__} {name} has fields that this version cannot read: {wrong}"
            raise StalledError(Reason.INVALID_SPEC, message) from error

    def annotation(self, name: str) -> str:
        """The value of an annotation, "" if it is not set."""
        return self.metadata.annotations.get(name, "")
