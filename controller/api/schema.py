"""From a pydantic model to a structural schema: JSON Schema as the API server wants it.

pydantic writes references, `anyOf` with null, titles and `const`; a structural schema has none of these. What pydantic
does not know (list types, CEL rules, untyped values) the models carry as markers, which are passed through.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

Schema = dict[str, Any]

_KEPT = (
    "type",
    "format",
    "description",
    "enum",
    "default",
    "nullable",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "pattern",
    "required",
)
_MARKER = "x-kubernetes-"
_BOUNDED = 2**53  # integers beyond it lose digits in JSON


def structural_schema(model: type[BaseModel]) -> Schema:
    """The structural schema of a model, by its outside names. Raises ValueError for what cannot be expressed."""
    document = model.model_json_schema(by_alias=True, mode="validation")
    return _structural(document, document.get("$defs", {}), model.__name__)


def explained(schema: Schema) -> Schema:
    """The schema with bounds and defaults in its descriptions: `kubectl explain` shows neither by itself."""
    told = dict(schema)
    if "description" in schema:
        told["description"] = " ".join([schema["description"], *_facts(schema)])
    if "properties" in schema:
        told["properties"] = {name: explained(field) for name, field in schema["properties"].items()}
    if "items" in schema:
        told["items"] = explained(schema["items"])
    return told


def without_defaults(schema: Schema) -> Schema:
    """The schema of what must come back as it was written."""
    kept = {key: value for key, value in schema.items() if key != "default"}
    if "properties" in schema:
        kept["properties"] = {name: without_defaults(field) for name, field in schema["properties"].items()}
    if "items" in schema:
        kept["items"] = without_defaults(schema["items"])
    return kept


def _facts(schema: Schema) -> list[str]:
    facts = []
    if "minimum" in schema and "maximum" in schema:
        facts.append(f"From {schema['minimum']} to {schema['maximum']}.")
    default = schema.get("default")
    if isinstance(default, bool):
        facts.append(f"Default: {str(default).lower()}.")
    elif isinstance(default, int) or (isinstance(default, str) and default.isalnum()):
        facts.append(f"Default: {default}.")
    elif isinstance(default, str) and default:
        facts.append(f'Default: "{default}".')
    return facts


def _structural(node: Schema, definitions: dict[str, Schema], place: str) -> Schema:
    node = _resolved(node, definitions, place)
    schema = {key: node[key] for key in _KEPT if key in node}
    schema |= {key: value for key, value in node.items() if key.startswith(_MARKER)}
    if "const" in node:
        schema["enum"] = [node["const"]]
    if schema.get("type") == "integer":
        schema["format"] = "int32" if node.get("maximum", _BOUNDED) < 2**31 else "int64"
    if "properties" in node:
        schema["properties"] = {
            name: _structural(field, definitions, f"{place}.{name}") for name, field in node["properties"].items()
        }
    if "items" in node:
        schema["items"] = _structural(node["items"], definitions, f"{place}[]")
    if isinstance(node.get("additionalProperties"), dict):
        schema["additionalProperties"] = _structural(node["additionalProperties"], definitions, f"{place}{{}}")
    if "type" not in schema and "x-kubernetes-preserve-unknown-fields" not in schema:
        raise ValueError(f"{place}: a structural schema needs one type here, found {sorted(node)}")
    return _with_short_default(schema)


def _resolved(node: Schema, definitions: dict[str, Schema], place: str) -> Schema:
    """The node with its reference inlined and without `anyOf` null: an optional field simply may be absent.

    What stands beside a reference wins over what it refers to, but rules of both apply.
    """
    if "anyOf" in node:
        chosen = [option for option in node["anyOf"] if option.get("type") != "null"]
        if len(chosen) != 1:
            raise ValueError(f"{place}: a structural schema has no unions")
        beside = {key: value for key, value in node.items() if key != "anyOf" and (key, value) != ("default", None)}
        node = _over(beside, _resolved(chosen[0], definitions, place))
    if "$ref" in node:
        name = node["$ref"].removeprefix("#/$defs/")
        beside = {key: value for key, value in node.items() if key != "$ref"}
        node = _over(beside, _resolved(definitions[name], definitions, place))
    return {key: value for key, value in node.items() if (key, value) != ("default", None)}


def _over(beside: Schema, node: Schema) -> Schema:
    rules = "x-kubernetes-validations"
    merged = node | beside
    if rules in node and rules in beside:
        merged[rules] = [*node[rules], *beside[rules]]
    return merged


def _with_short_default(schema: Schema) -> Schema:
    """An object's default is {}: the API server fills in the defaults of its fields, which are declared there.

    A list's empty default is none at all: the field may be absent.
    """
    if schema.get("type") == "object" and "default" in schema:
        return schema | {"default": {}}
    if schema.get("default") == []:
        return {key: value for key, value in schema.items() if key != "default"}
    return schema
