"""What of a document counts: its content, without what only the server may set, and what makes it refused.

A null is no value: in a typed object the server reads `replicas: null` as nothing, but would let an apply own it. In a
map of strings it reads null as "". Both checked on a real API server.
"""

from __future__ import annotations

import base64
import re
from typing import NamedTuple

from controller.objects import Json, canonical
from controller.sync.parse.scalars import from_base64

# Written by the server whatever a document says; exported manifests are full of them.
SERVER_SET = frozenset({
    "creationTimestamp", "deletionGracePeriodSeconds", "deletionTimestamp", "generation", "managedFields",
    "resourceVersion", "selfLink", "uid",
})  # fmt: skip

# Fields of built-in kinds that are maps of strings wherever they stand.
_STRING_MAPS = frozenset({"labels", "annotations", "matchLabels", "nodeSelector"})

# No longer than what Kubernetes takes: statuses, URLs and logs hold them by the hundred.
LONGEST_NAME = 253
_API_VERSION = re.compile(r"(?:[a-z0-9.-]{1,253}/)?[a-z0-9]{1,63}")
_KIND = re.compile(r"[A-Za-z][A-Za-z0-9]{0,62}")


class Refusal(NamedTuple):
    """Why a document is refused: the JSON pointer of the field, and what is wrong and what to do."""

    field: str
    message: str


def is_secret(value: dict[str, Json]) -> bool:
    """Whether a document is a Secret of the core group."""
    return value.get("kind") == "Secret" and value.get("apiVersion") == "v1"


def declared_content(value: dict[str, Json]) -> bytes:
    """The document as it counts, canonical: without status, server-set metadata and nulls, `stringData` in `data`."""
    content = declared_value(value)
    encoded = canonical(content)
    # Few documents hold nulls, and searching bytes is a tenth of walking the value.
    return canonical(without_nulls(content)) if b":null" in encoded else encoded


def declared_value(value: dict[str, Json]) -> dict[str, Json]:
    """As `declared_content`, but decoded, and with its nulls."""
    content = {key: item for key, item in value.items() if key != "status"}
    content["metadata"] = {key: item for key, item in value["metadata"].items() if key not in SERVER_SET}
    if is_secret(value):
        return _with_data(content)
    if value["kind"] == "ConfigMap" and isinstance(value.get("data"), dict):
        content["data"] = _texts(value["data"])
    return content


def without_nulls(value: Json) -> Json:
    """The value without keys that hold null, but with "" for them in maps of strings. Items of lists stay."""
    if isinstance(value, list):
        return [without_nulls(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: without_nulls(_texts(item) if key in _STRING_MAPS and isinstance(item, dict) else item)
        for key, item in value.items()
        if item is not None
    }


def key_refusal(value: dict[str, Json]) -> Refusal | None:
    """Why the document names no object, or None if it does."""
    if not isinstance(value["apiVersion"], str) or not _API_VERSION.fullmatch(value["apiVersion"]):
        return Refusal("/apiVersion", f"{value['apiVersion']!r} is not an API version such as v1 or apps/v1")
    if not isinstance(value["kind"], str) or not _KIND.fullmatch(value["kind"]):
        return Refusal("/kind", f"{value['kind']!r} is not a kind such as ConfigMap")
    metadata = value.get("metadata")
    if not isinstance(metadata, dict):
        return Refusal("/metadata", "metadata with a name is missing")
    if metadata.get("generateName") is not None:
        return Refusal("/metadata/generateName", "an object in Git needs a fixed metadata.name, not generateName")
    if metadata.get("name") is None or metadata["name"] == "":
        return Refusal("/metadata/name", "metadata.name is missing")
    return _name_refusal("name", metadata["name"]) or _name_refusal("namespace", metadata.get("namespace") or "")


def content_refusal(value: dict[str, Json]) -> Refusal | None:
    """Why a document that names its object cannot be used, or None if it can."""
    if "sops" in value:
        return Refusal("/sops", "an item of a list cannot be encrypted by itself; encrypt the whole file with sops")
    for field in ("labels", "annotations"):
        if refusal := _text_map_refusal(f"/metadata/{field}", value["metadata"].get(field)):
            return refusal
    if not is_secret(value):
        return None
    return _text_map_refusal("/stringData", value.get("stringData"), show=False) or _data_refusal(value.get("data"))


def _name_refusal(field: str, name: Json) -> Refusal | None:
    if not isinstance(name, str):
        return Refusal(f"/metadata/{field}", f"metadata.{field} must be a string; put {name} in quotes")
    if len(name) > LONGEST_NAME:
        return Refusal(
            f"/metadata/{field}", f"{name[:20]!r}… is longer than the {LONGEST_NAME} characters of a {field}"
        )
    # What the API server refuses as a segment of a path.
    if name in (".", "..") or "/" in name or "%" in name:
        return Refusal(f"/metadata/{field}", f"{name!r} cannot be a {field}: it may not be . or .. nor hold / or %")
    if not name.isprintable():
        return Refusal(f"/metadata/{field}", f"{name!r} cannot be a {field}: it holds characters that cannot be seen")
    return None


def _text_map_refusal(pointer: str, found: Json, *, show: bool = True) -> Refusal | None:
    """Why this is no map of strings. `show`: whether a value may stand in the message, which a Secret's may not."""
    if found is None:
        return None
    if not isinstance(found, dict):
        return Refusal(pointer, "must be a map of strings")
    for key, item in found.items():
        if item is not None and not isinstance(item, str):
            shown = _shown(item) if show else "it"
            return Refusal(f"{pointer}/{escaped(key)}", f"must be a string; put {shown} in quotes")
    return None


def _data_refusal(data: Json) -> Refusal | None:
    if refusal := _text_map_refusal("/data", data, show=False):
        return refusal
    for key, item in (data or {}).items():
        try:
            from_base64(item or "")
        except ValueError:
            return Refusal(f"/data/{escaped(key)}", "must be base64; plain text belongs into stringData")
    return None


def escaped(segment: str) -> str:
    """One segment of a JSON pointer (RFC 6901)."""
    return segment.replace("~", "~0").replace("/", "~1")


def _shown(value: Json) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "it" if isinstance(value, dict | list) else str(value)


def _with_data(content: dict[str, Json]) -> dict[str, Json]:
    texts = content.pop("stringData", None)
    if isinstance(content.get("data"), dict):
        content["data"] = _texts(content["data"])
    if texts:
        encoded = {key: base64.b64encode((text or "").encode()).decode() for key, text in texts.items()}
        content["data"] = {**(content.get("data") or {}), **encoded}
    return content


def _texts(found: dict[str, Json]) -> dict[str, Json]:
    return {key: "" if item is None else item for key, item in found.items()}
