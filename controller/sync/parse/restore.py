"""The counterpart of `content`: intended content in the words of the document that it goes into.

What was left out of the content (status, server-set metadata, nulls) stays in the document, a Secret's text stays in
`stringData` where it stood there, and an item of a typed list still does not repeat its kind.
"""

from __future__ import annotations

import base64

from controller.objects import Json
from controller.sync.parse.align import aligned, same
from controller.sync.parse.content import SERVER_SET, declared_value, is_secret, without_nulls


def restored(raw: dict[str, Json], content: dict[str, Json], implied: dict[str, Json]) -> dict[str, Json]:
    """What the document `raw` has to say so that its content is read as `content`."""
    whole = {**implied, **raw}
    target = _with_string_data(raw, content) if is_secret(whole) else content
    target = _with_nulls(whole, _read(whole), target)
    target["metadata"] = {**target["metadata"], **_server_set(raw)}
    if "status" in raw:
        target["status"] = raw["status"]
    return {key: value for key, value in target.items() if key in raw or key not in implied or value != implied[key]}


def _server_set(raw: dict[str, Json]) -> dict[str, Json]:
    return {key: value for key, value in raw["metadata"].items() if key in SERVER_SET}


def _read(whole: dict[str, Json]) -> Json:
    """The document as its content, but with `stringData` where it is."""
    if not is_secret(whole):
        return without_nulls(declared_value(whole))
    texts = {field: _filled(whole[field]) for field in ("data", "stringData") if isinstance(whole.get(field), dict)}
    rest = declared_value({**whole, "data": None, "stringData": None})
    return without_nulls({**rest, **texts})


def _filled(found: dict[str, Json]) -> dict[str, Json]:
    return {key: "" if value is None else value for key, value in found.items()}


def _with_string_data(raw: dict[str, Json], content: dict[str, Json]) -> dict[str, Json]:
    texts, data = raw.get("stringData"), dict(content.get("data") or {})
    if not texts:
        kept = {"stringData": texts} if texts == {} else {}
        return {**content, **kept}
    before = raw.get("data") or {}
    string_data = {}
    for key in texts:
        text = _text(data.pop(key)) if key in data else None
        if text is not None:
            string_data[key] = text
            if key in before:  # shadowed by stringData, whatever it says
                data[key] = before[key] or ""
        elif key in (content.get("data") or {}):
            data[key] = content["data"][key]
    target = {key: value for key, value in content.items() if key != "data"}
    if data or ("data" in content and (raw.get("data") is not None or not string_data)):
        target["data"] = data
    if string_data:
        target["stringData"] = string_data
    return target


def _text(encoded: str) -> str | None:
    try:
        return base64.b64decode(encoded).decode()
    except ValueError:
        return None


def _with_nulls(raw: Json, read: Json, target: Json) -> Json:
    """The target with the nulls that `raw` has where it is otherwise read as `read`."""
    if same(read, target):
        return raw
    if isinstance(raw, dict) and isinstance(read, dict) and isinstance(target, dict):
        nulls = {key: None for key, value in raw.items() if value is None and key not in read and key not in target}
        return {**{key: _with_nulls(raw.get(key), read.get(key), value) for key, value in target.items()}, **nulls}
    if isinstance(raw, list) and isinstance(read, list) and isinstance(target, list):
        became = {new: old for old, new in aligned(read, target)}
        return [
            _with_nulls(raw[became[new]], read[became[new]], value) if new in became else value
            for new, value in enumerate(target)
        ]
    return target
