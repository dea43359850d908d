"""The four ways in which a Git server says that a branch has moved: its signature, and its words. Pure.

The signature is looked at before the body is parsed. What is not about a branch is no error: servers send more than one
asks them for, and show every other answer than 2xx as a failure.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from controller.signature import SIGNATURE, TIMESTAMP, signature_of

WINDOW = 300.0  # seconds that a timestamp of the generic form may be off
_BRANCHES, _TAGS = "refs/heads/", "refs/tags/"
_NOWHERE = frozenset("0")  # a deleted branch is at a commit of zeros
_COMMIT = frozenset("0123456789abcdef")
_COMMIT_LENGTHS = (40, 64)
_REF_LENGTH = 255

Headers = Mapping[str, str]


class Provider(StrEnum):
    """Who speaks, as the URL says."""

    GITHUB = "github"
    GITLAB = "gitlab"
    GITEA = "gitea"
    GENERIC = "generic"


class HookRefusedError(Exception):
    """A request that is not taken: the HTTP status, a word for programs, and what to do."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


@dataclass(frozen=True, slots=True)
class Told:
    """What was said: the branch ("" for none: a tag, or any) and its commit ("" if it is not known, or gone).

    `about`: `push`, `tag`, `request` (a pull request), `ping`, or `other`. `delivery` tells two messages apart.
    """

    about: str
    branch: str = ""
    commit: str = ""
    delivery: str = ""


def check_signature(provider: Provider, headers: Headers, body: bytes, secret: bytes, now: float) -> None:
    """Raise HookRefusedError unless whoever sent the body knows the secret. `now` in seconds since 1970."""
    given, wanted = _proof(provider, headers, body, secret, now)
    if not given:
        raise HookRefusedError(
            401,
            "signature_missing",
            f"there is no {_HEADERS[provider]}; give the webhook the token of spec.repository.hookSecretRef as secret",
        )
    if not hmac.compare_digest(given.encode(), wanted.encode()):
        raise HookRefusedError(
            401,
            "signature_invalid",
            f"{_HEADERS[provider]} is not made with the token of spec.repository.hookSecretRef; give the webhook the "
            "same one as its secret",
        )


def read(provider: Provider, headers: Headers, body: bytes) -> Told:
    """What the body says. Raises HookRefusedError for one that is not of the form that the provider documents."""
    try:
        said = json.loads(body) if body or provider is not Provider.GENERIC else {}
    except (ValueError, RecursionError):
        raise HookRefusedError(400, "body_invalid", "the body is not JSON; set the content type to JSON") from None
    if not isinstance(said, dict):
        raise HookRefusedError(400, "body_invalid", "the body is not a JSON object")
    return _READERS[provider](headers, said)


def _proof(provider: Provider, headers: Headers, body: bytes, secret: bytes, now: float) -> tuple[str, str]:
    """(what the request gives, what it would be with the secret), both as text."""
    given = headers.get(_HEADERS[provider], "")
    match provider:
        case Provider.GITHUB:
            return given, f"sha256={_digest(secret, body)}"
        case Provider.GITEA:
            return given, _digest(secret, body)
        case Provider.GITLAB:
            return given, secret.decode(errors="replace")
        case Provider.GENERIC:
            stamp = headers.get(TIMESTAMP, "")
            _check_time(stamp, now)
            return given, signature_of(secret, stamp, body)


def _check_time(stamp: str, now: float) -> None:
    if not stamp.isascii() or not stamp.isdigit() or abs(float(stamp[:20]) - now) > WINDOW:
        raise HookRefusedError(
            401,
            "timestamp_invalid",
            f"{TIMESTAMP} is not within {WINDOW:g} s of now; give the seconds since 1970, by a good clock",
        )


def _digest(secret: bytes, body: bytes) -> str:
    return hmac.new(secret, body, hashlib.sha256).hexdigest()


def _read_github(headers: Headers, said: dict[str, Any]) -> Told:
    return _read_event(headers.get("X-GitHub-Event", ""), said, headers.get("X-GitHub-Delivery", "")[:_REF_LENGTH])


def _read_gitea(headers: Headers, said: dict[str, Any]) -> Told:
    return _read_event(headers.get("X-Gitea-Event", ""), said, headers.get("X-Gitea-Delivery", "")[:_REF_LENGTH])


def _read_event(event: str, said: dict[str, Any], delivery: str) -> Told:
    match event:
        case "push" | "create" | "delete":
            reference = _text(said.get("ref"))
            if event != "push" and not reference.startswith("refs/"):
                reference = (_TAGS if said.get("ref_type") == "tag" else _BRANCHES) + reference
            return _moved(reference, said.get("after"), delivery)
        case "pull_request":
            base = _map(_map(said.get("pull_request")).get("base"))
            return Told("request", _text(base.get("ref")), "", delivery)
        case "ping":
            return Told("ping", delivery=delivery)
    return Told("other", delivery=delivery)


def _read_gitlab(headers: Headers, said: dict[str, Any]) -> Told:
    delivery = headers.get("X-Gitlab-Event-UUID", "")[:_REF_LENGTH]
    match said.get("object_kind"):
        case "push" | "tag_push":
            return _moved(_text(said.get("ref")), said.get("after"), delivery)
        case "merge_request":
            attributes = _map(said.get("object_attributes"))
            return Told("request", _text(attributes.get("target_branch")), "", delivery)
    return Told("other", delivery=delivery)


def _read_generic(headers: Headers, said: dict[str, Any]) -> Told:
    """`{"branch": …, "commit": …}`, both of which may be left out."""
    unknown = sorted(said.keys() - {"branch", "commit"})
    if unknown:
        message = f"{', '.join(unknown)[:200]}: unknown; the body may hold branch and commit"
        raise HookRefusedError(400, "body_invalid", message)
    branch = _text(said.get("branch", "")).removeprefix(_BRANCHES)
    signature = headers.get(_HEADERS[Provider.GENERIC], "")
    return Told("push", branch, _commit(said.get("commit", "")), signature)


def _moved(reference: str, commit: Any, delivery: str) -> Told:
    if reference.startswith(_TAGS):
        return Told("tag", delivery=delivery)
    if not reference.startswith(_BRANCHES):
        return Told("other", delivery=delivery)
    return Told("push", reference.removeprefix(_BRANCHES), _commit(commit), delivery)


def _commit(value: Any) -> str:
    """A commit's id; "" for none, and for one of zeros."""
    text = _text(value if value is not None else "")
    if not text or set(text) == _NOWHERE:
        return ""
    if len(text) not in _COMMIT_LENGTHS or not set(text) <= _COMMIT:
        raise HookRefusedError(400, "body_invalid", "the commit is not the whole id of one, in hexadecimal digits")
    return text


def _map(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str:
    if not isinstance(value, str) or len(value) > _REF_LENGTH or "\0" in value:
        raise HookRefusedError(400, "body_invalid", "a name in the body is not a text of at most 255 characters")
    return value


_HEADERS = {
    Provider.GITHUB: "X-Hub-Signature-256",
    Provider.GITLAB: "X-Gitlab-Token",
    Provider.GITEA: "X-Gitea-Signature",
    Provider.GENERIC: SIGNATURE,
}
_READERS: dict[Provider, Callable[[Headers, dict[str, Any]], Told]] = {
    Provider.GITHUB: _read_github,
    Provider.GITLAB: _read_gitlab,
    Provider.GITEA: _read_gitea,
    Provider.GENERIC: _read_generic,
}
