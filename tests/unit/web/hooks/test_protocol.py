"""What Git servers send, as each of them documents it: the proof first, then the words."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.web.hooks.protocol import WINDOW, HookRefusedError, Provider, Told, check_signature, read

SECRET = b"a long random text"
NOW = 1_795_000_000.0
COMMIT = "1481a2de7b2a7d02428ad93446ab166be7793fbb"
ZEROS = "0" * 40


def digest(body: bytes, secret: bytes = SECRET) -> str:
    return hmac.new(secret, body, hashlib.sha256).hexdigest()


def signed(provider: Provider, body: bytes, secret: bytes = SECRET, stamp: str = str(int(NOW))) -> dict[str, str]:
    """The headers of somebody who knows the secret."""
    match provider:
        case Provider.GITHUB:
            return {"X-Hub-Signature-256": f"sha256={digest(body, secret)}"}
        case Provider.GITEA:
            return {"X-Gitea-Signature": digest(body, secret)}
        case Provider.GITLAB:
            return {"X-Gitlab-Token": secret.decode()}
        case Provider.GENERIC:
            proof = f"sha256={digest(stamp.encode() + b'.' + body, secret)}"
            return {"X-Tandem-Timestamp": stamp, "X-Tandem-Signature-256": proof}


def refusal(provider: Provider, headers: dict[str, str], body: bytes = b"{}", now: float = NOW) -> str:
    with pytest.raises(HookRefusedError) as caught:
        check_signature(provider, headers, body, SECRET, now)
    assert caught.value.status == 401
    assert SECRET.decode() not in caught.value.message
    return caught.value.code


@pytest.mark.parametrize("provider", Provider)
class TestProof:
    def test_who_knows_the_secret_is_heard(self, provider: Provider) -> None:
        check_signature(provider, signed(provider, b'{"a": 1}'), b'{"a": 1}', SECRET, NOW)

    def test_who_does_not_is_refused(self, provider: Provider) -> None:
        assert refusal(provider, signed(provider, b"{}", b"another")) == "signature_invalid"

    def test_without_a_proof(self, provider: Provider) -> None:
        stamp = {"X-Tandem-Timestamp": str(int(NOW))} if provider is Provider.GENERIC else {}
        assert refusal(provider, stamp) == "signature_missing"

    def test_one_that_is_no_text_of_ours(self, provider: Provider) -> None:
        headers = dict.fromkeys(signed(provider, b"{}"), "�") | {"X-Tandem-Timestamp": str(int(NOW))}
        headers = {name: value.encode("utf-8", "replace").decode() for name, value in headers.items()}
        assert refusal(provider, headers | {"X-Tandem-Timestamp": str(int(NOW))}) == "signature_invalid"


@pytest.mark.parametrize("provider", [Provider.GITHUB, Provider.GITEA, Provider.GENERIC])
def test_the_proof_is_of_this_very_body(provider: Provider) -> None:
    assert refusal(provider, signed(provider, b'{"a":1}'), b'{"a": 1}') == "signature_invalid"


@pytest.mark.parametrize(
    ("stamp", "now"),
    [(str(int(NOW)), NOW + WINDOW + 1), (str(int(NOW)), NOW - WINDOW - 1), ("", NOW), ("now", NOW), ("1" * 400, NOW)],
)
def test_an_old_message_is_not_heard_again(stamp: str, now: float) -> None:
    assert refusal(Provider.GENERIC, signed(Provider.GENERIC, b"{}", stamp=stamp), now=now) == "timestamp_invalid"


def said(provider: Provider, body: Any, **headers: str) -> Told:
    return read(provider, {name.replace("_", "-"): value for name, value in headers.items()}, json.dumps(body).encode())


PUSH = {"ref": "refs/heads/main", "after": COMMIT}


@pytest.mark.parametrize(
    ("provider", "headers", "body", "told"),
    [
        (Provider.GITHUB, {"X_GitHub_Event": "push"}, PUSH, Told("push", "main", COMMIT)),
        (Provider.GITHUB, {"X_GitHub_Event": "push"}, {**PUSH, "ref": "refs/heads/a/b"}, Told("push", "a/b", COMMIT)),
        (Provider.GITHUB, {"X_GitHub_Event": "push"}, {**PUSH, "after": ZEROS}, Told("push", "main")),
        (Provider.GITHUB, {"X_GitHub_Event": "push"}, {**PUSH, "ref": "refs/tags/v1"}, Told("tag")),
        (Provider.GITHUB, {"X_GitHub_Event": "push"}, {**PUSH, "ref": "refs/notes/x"}, Told("other")),
        (Provider.GITHUB, {"X_GitHub_Event": "create"}, {"ref": "main", "ref_type": "branch"}, Told("push", "main")),
        (Provider.GITHUB, {"X_GitHub_Event": "create"}, {"ref": "v1", "ref_type": "tag"}, Told("tag")),
        (Provider.GITHUB, {"X_GitHub_Event": "ping"}, {"zen": "x"}, Told("ping")),
        (Provider.GITHUB, {"X_GitHub_Event": "star"}, {}, Told("other")),
        (
            Provider.GITHUB,
            {"X_GitHub_Event": "pull_request", "X_GitHub_Delivery": "d1"},
            {"pull_request": {"base": {"ref": "main"}}},
            Told("request", "main", "", "d1"),
        ),
        (Provider.GITEA, {"X_Gitea_Event": "push", "X_Gitea_Delivery": "d2"}, PUSH, Told("push", "main", COMMIT, "d2")),
        (
            Provider.GITLAB,
            {"X_Gitlab_Event_UUID": "d3"},
            {"object_kind": "push", **PUSH},
            Told("push", "main", COMMIT, "d3"),
        ),
        (Provider.GITLAB, {}, {"object_kind": "tag_push", "ref": "refs/tags/v1", "after": COMMIT}, Told("tag")),
        (
            Provider.GITLAB,
            {},
            {"object_kind": "merge_request", "object_attributes": {"target_branch": "main"}},
            Told("request", "main"),
        ),
        (Provider.GITLAB, {}, {"object_kind": "pipeline"}, Told("other")),
        (Provider.GENERIC, {}, {"branch": "main", "commit": COMMIT}, Told("push", "main", COMMIT)),
        (Provider.GENERIC, {}, {"branch": "refs/heads/main"}, Told("push", "main")),
        (Provider.GENERIC, {}, {}, Told("push")),
    ],
)
def test_what_is_said(provider: Provider, headers: dict[str, str], body: Any, told: Told) -> None:
    assert said(provider, body, **headers) == told


def test_a_program_need_not_say_anything() -> None:
    assert read(Provider.GENERIC, {"X-Tandem-Signature-256": "sha256=1"}, b"") == Told("push", delivery="sha256=1")


@pytest.mark.parametrize(
    ("provider", "body"),
    [
        (Provider.GITHUB, b""),
        (Provider.GITHUB, b"not JSON"),
        (Provider.GITHUB, b"\xff\xfe"),
        (Provider.GITHUB, b"[" * 100_000),
        (Provider.GITHUB, b"[1]"),
        (Provider.GITHUB, b'{"ref": 7}'),
        (Provider.GITHUB, json.dumps({**PUSH, "ref": "refs/heads/" + "x" * 300}).encode()),
        (Provider.GITHUB, json.dumps({**PUSH, "ref": "refs/heads/a\0b"}).encode()),
        (Provider.GITHUB, json.dumps({**PUSH, "after": "HEAD"}).encode()),
        (Provider.GITHUB, json.dumps({**PUSH, "after": COMMIT[:12]}).encode()),
        (Provider.GITHUB, json.dumps({**PUSH, "after": {}}).encode()),
        (Provider.GENERIC, b'{"brunch": "main"}'),
    ],
    ids=range(12),
)
def test_what_is_no_message(provider: Provider, body: bytes) -> None:
    with pytest.raises(HookRefusedError) as caught:
        read(provider, {"X-GitHub-Event": "push"}, body)
    assert (caught.value.status, caught.value.code) == (400, "body_invalid")


@given(
    st.sampled_from(list(Provider)),
    st.sampled_from(["push", "pull_request", "create", "ping", ""]),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=20),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["ref", "after", "pull_request", "base", "object_kind", "branch"]), inner)
        ),
        max_leaves=12,
    ),
)
def test_whatever_comes_is_read_or_refused(provider: Provider, event: str, body: Any) -> None:
    try:
        told = read(provider, {"X-GitHub-Event": event, "X-Gitea-Event": event}, json.dumps(body).encode())
    except HookRefusedError as error:
        assert error.status == 400
    else:
        assert told.about in {"push", "tag", "request", "ping", "other"}
