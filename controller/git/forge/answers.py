"""What the answer of a forge means: its JSON, or an error that says what to do. Pure.

A forge's words are quoted, for they know best; but they are somebody else's, and so are cut, freed of control
characters, and rid of any token that they repeat.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from controller.git.errors import ForgeRefusedError

LONGEST_WORDS = 300
"""Characters of what a forge said."""

LONGEST_SILENCE = 3600.0
"""Seconds for which a forge is left alone at most: GitHub counts its limits by the hour."""

SECONDARY_SILENCE = 60.0
"""Seconds to wait where a forge wants to be left alone and does not say for how long: what GitHub asks for."""

_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]+")

_TODO = {
    401: "it does not know the token; store one that is valid in the Secret of spec.repository.forge.tokenSecretRef",
    403: "the token may not do this; give it read and write access to the repository's pull requests and commit "
    "statuses, and read access to its contents",
    404: "there is no such thing there, or the token may not see it; check spec.repository.url, "
    "spec.repository.forge.apiURL, and which repositories the token is for",
    405: "it does not take this there; check spec.repository.forge.type and apiURL",
    409: "it is in another state than was expected; it is looked at again",
    410: "it is gone, or switched off for this repository; switch pull requests and issues on",
    422: "it does not take what was sent; what it says tells why",
    423: "the request is locked; unlock its conversation",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. The names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def says_json(self) -> bool:
        """Whether it calls itself JSON."""
        kind = self.headers.get("content-type", "").partition(";")[0].strip().lower()
        return kind == "application/json" or kind.endswith("+json")


@dataclass(frozen=True, slots=True)
class Call:
    """What was asked, as messages name it: the host, the method, the path without its query."""

    host: str
    method: str
    path: str
    secrets: Sequence[str] = ()

    def __str__(self) -> str:
        return f"{self.host}: {self.method} {self.path}"

    def quoted(self, words: str) -> str:
        """Words of somebody else, as they may be shown."""
        for secret in self.secrets:
            words = words.replace(secret, "***")
        plain = _UNPRINTABLE.sub(" ", words).strip()
        return plain if len(plain) <= LONGEST_WORDS else f"{plain[: LONGEST_WORDS - 1]}…"


def decoded(call: Call, answer: Answer) -> Any:
    """The JSON of an answer that is none of refusal; None for 204. Raises ForgeRefusedError."""
    if answer.status == 204:
        return None
    if not answer.body.strip():
        raise ForgeRefusedError(f"{call} was answered with nothing; it is asked again", status=answer.status)
    try:
        if answer.says_json:
            return orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        pass
    raise _no_forge(call, answer)


def check(call: Call, answer: Answer, now: float) -> None:
    """Raise ForgeRefusedError unless it did what it was asked for. `now` is in seconds since 1970."""
    status = answer.status
    if 200 <= status < 300 or status == 304:
        return
    words = _words(call, answer)
    after = silence_of(answer, words, now)
    if after is not None:
        todo = f"it wants to be left alone for {after:.0f} seconds, and is asked again then"
    elif 300 <= status < 400:
        todo = (
            "redirects are not followed with a token; if the repository or the server has moved, write where it is now "
            "into spec.repository.url, or into spec.repository.forge.apiURL"
        )
    elif status >= 500:
        todo = "it is in trouble itself; it is asked again"
    elif not answer.says_json and answer.body.strip():
        raise _no_forge(call, answer)
    else:
        todo = _TODO.get(status, "check spec.repository.forge")
    said = f", saying {words!r}" if words else ""
    raise ForgeRefusedError(f"{call} was answered {status}{said}; {todo}", status=status, after=after)


def silence_of(answer: Answer, words: str, now: float) -> float | None:
    """The seconds that a forge asks to be left alone, None if it does not: its limits, as GitHub documents them."""
    if answer.status not in {403, 429, 503}:
        return None
    if (asked := _number(answer.headers.get("retry-after"))) is not None:
        return min(max(asked, 1.0), LONGEST_SILENCE)
    reset = _number(answer.headers.get("x-ratelimit-reset"))
    if answer.status != 503 and answer.headers.get("x-ratelimit-remaining") == "0" and reset is not None:
        return min(max(reset - now, 1.0), LONGEST_SILENCE)
    if answer.status == 429 or (answer.status == 403 and "rate limit" in words.lower()):
        return SECONDARY_SILENCE
    return None


def _number(text: str | None) -> float | None:
    return float(text) if text is not None and text.isascii() and text.isdecimal() and len(text) <= 12 else None


def _words(call: Call, answer: Answer) -> str:
    """What it says about itself, "" for nothing that can be read."""
    try:
        said = orjson.loads(answer.body) if answer.says_json else None
    except orjson.JSONDecodeError:
        return ""
    if not isinstance(said, dict) or not isinstance(said.get("message"), str):
        return ""
    errors = said.get("errors")
    errors = errors if isinstance(errors, list) else []
    more = [
        str(one.get("message") or f"{one.get('field')}: {one.get('code')}") for one in errors if isinstance(one, dict)
    ]
    return call.quoted("; ".join([said["message"], *more]))


def _no_forge(call: Call, answer: Answer) -> ForgeRefusedError:
    what = "a web page" if b"<html" in answer.body[:1024].lower() else "something that is no JSON"
    return ForgeRefusedError(
        f"{call} was answered {answer.status} with {what}, so no forge's API is there; check "
        "spec.repository.forge.type and apiURL",
        status=answer.status,
    )
