"""What a scalar means to the Kubernetes API server, which reads YAML 1.1 in Go's own way and then as JSON.

No YAML library reads like it: there `yes`, `y` and `on` are booleans, `0644` and `0o644` are 420, dates and
`12:30:45` are strings, `1e3` is 1000. `tests/data/scalars.json` holds what a real API server said; this agrees with it.
"""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Callable
from decimal import Decimal
from struct import pack, unpack

from controller.objects import Json

_WORDS: dict[str, Json] = {
    **dict.fromkeys(["y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"], True),
    **dict.fromkeys(["n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"], False),
    **dict.fromkeys(["", "~", "null", "Null", "NULL"], None),
    **dict.fromkeys([".nan", ".NaN", ".NAN"], math.nan),
    **dict.fromkeys([".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"], math.inf),
    **dict.fromkeys(["-.inf", "-.Inf", "-.INF"], -math.inf),
}

# What stands for the tag of a scalar that has none: without quotes, and in quotes or a block.
PLAIN = "plain"
TEXT = "text"

# A plain scalar that starts otherwise is a string, and most do: looking at one character spares the rest.
_SUSPECT = frozenset("+-.0123456789yYnNtTfFoO~")

_INTEGER = re.compile(r"([-+]?)(?:0[xX]([0-9a-fA-F]+)|0[bB]([01]+)|0[oO]?([0-7]+)|([1-9][0-9]*|0))")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_POINT_FLOAT = re.compile(r"\.[0-9]+(?:_[0-9]+)*(?:[eE][-+]?[0-9]+(?:_[0-9]+)*)?")
_DATE = re.compile(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:[Tt ].*)?")

INT64 = range(-(2**63), 2**63)
_UINT64_MAX = 2**64 - 1


class ScalarError(ValueError):
    """A scalar that has no meaning in JSON, or not the one its tag claims. The message says which."""


def plain_value(text: str) -> Json:
    """The value of an unquoted scalar: str, bool, None, int or float as the server's JSON has it."""
    if text and text[0] not in _SUSPECT:
        return text
    return json_number(_resolved(text))


def tagged_value(tag: str, text: str) -> Json:
    """The value of a scalar with an explicit tag; a tag that the server does not know makes it a string."""
    reader = _TAGS.get(tag)
    return json_number(reader(text)) if reader else text


def scalar_value(tag: str, text: str) -> Json:
    """The value of a scalar by its tag, which is PLAIN or TEXT where the document gives none."""
    if tag == TEXT:
        return text
    return plain_value(text) if tag == PLAIN else tagged_value(tag, text)


def scalar_key(tag: str, text: str) -> str:
    """A scalar as a map's key: JSON knows strings only, so `1: x` is `"1": x`, and `on: x` is `"true": x`."""
    if tag == TEXT:
        return text
    if tag != PLAIN and isinstance(value := tagged_value(tag, text), str):
        return value
    return _key_text(text)


def _key_text(text: str) -> str:
    if text and text[0] not in _SUSPECT:
        return text
    value = _resolved(text)
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int) and value in INT64:
        return str(value)
    if isinstance(value, float):
        return _go_float32(value)
    raise ScalarError(f"{text or 'an empty scalar'} cannot be a map's key; put it in quotes")


def json_number(value: Json) -> Json:
    """A number as it is once the API server has read and written it; other values as they are.

    The server holds an int64 or a float64 and writes a float64 without a fraction as digits: 1.0 comes back as 1.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    if isinstance(value, int):
        return value if value in INT64 else json_number(float(value))
    if not math.isfinite(value):
        raise ScalarError(f"{value} is a number that JSON cannot hold; put it in quotes if a string is meant")
    if not value.is_integer():
        return value
    digits = int(Decimal(repr(value)))  # the shortest digits that mean this float, and zeros: as Go writes it
    return digits if INT64.start <= digits <= _UINT64_MAX else value


def _resolved(text: str) -> Json:
    if text in _WORDS:
        return _WORDS[text]
    if text[0] == ".":
        return float(text) if _POINT_FLOAT.fullmatch(text) else text
    if text[0] in "+-0123456789":
        return _number(text.replace("_", ""), text)
    return text


def _number(digits: str, text: str) -> Json:
    if match := _INTEGER.fullmatch(digits):
        sign, hexadecimal, binary, octal, decimal = match.groups()
        base = 16 if hexadecimal else 2 if binary else 8 if octal else 10
        value = int(f"{sign}{hexadecimal or binary or octal or decimal}", base)
        if value in INT64 or (not sign and value <= _UINT64_MAX):
            return value
    if _FLOAT.fullmatch(digits):
        number = float(digits)
        return number if math.isfinite(number) else text
    return text


def _go_float32(value: float) -> str:
    """What Go's FormatFloat(value, 'g', -1, 32) gives, with YAML's words for what is not finite."""
    single = _to_single(value)
    if not math.isfinite(single):
        return ".nan" if math.isnan(single) else ".inf" if single > 0 else "-.inf"
    shortest = next(text for text in (f"{single:.{n}e}" for n in range(9)) if _to_single(float(text)) == single)
    mantissa, exponent = shortest.split("e")
    if -4 <= int(exponent) <= 5:  # outside it Go writes an exponent, of two digits at least, as Python does
        return f"{Decimal(shortest):f}"
    return f"{mantissa}e{exponent}"


def _to_single(value: float) -> float:
    return float(unpack("f", pack("f", value))[0])


def _as(kind: type | tuple[type, ...], name: str) -> Callable[[str], Json]:
    def read(text: str) -> Json:
        value = _resolved(text)
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise ScalarError(f"the value is not a {name}, as its tag says")  # unquoted: it may be a Secret's
        return value

    return read


def from_base64(text: str) -> bytes:
    """The bytes that Go's decoder reads: line breaks are passed over, nothing else is. Raises ValueError."""
    return base64.b64decode(text.replace("\n", "").replace("\r", ""), validate=True)


def _binary(text: str) -> str:
    try:
        return from_base64(text).decode()
    except ValueError as error:
        raise ScalarError("a !!binary value must be the base64 of UTF-8 text; leave the tag out for bytes") from error


def _timestamp(text: str) -> str:
    if not _DATE.fullmatch(text):
        raise ScalarError("the value is not a timestamp, as its tag says")
    return text


_YAML = "tag:yaml.org,2002:"
_TAGS: dict[str, Callable[[str], Json]] = {
    f"{_YAML}bool": _as(bool, "boolean"),
    f"{_YAML}int": _as(int, "whole number"),
    f"{_YAML}float": _as((int, float), "number"),
    f"{_YAML}null": _as(type(None), "null"),
    f"{_YAML}binary": _binary,
    f"{_YAML}timestamp": _timestamp,
}
