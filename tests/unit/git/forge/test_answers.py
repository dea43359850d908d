"""What an answer of a forge means: one row an answer."""

from __future__ import annotations

import json
from typing import Any

import pytest

from controller.errors import Reason
from controller.git.errors import ForgeRefusedError
from controller.git.forge.answers import LONGEST_SILENCE, LONGEST_WORDS, Answer, Call, check, decoded

TOKEN = "ghp_secret7"
CALL = Call("git.example.com", "POST", "/api/v1/repos/team/fleet/pulls", (TOKEN,))
NOW = 1_700_000_000.0
JSON = {"content-type": "application/json; charset=utf-8"}


def said(status: int, message: Any = None, headers: dict[str, str] | None = None, **more: Any) -> Answer:
    body = {"message": message, **more} if message is not None else more
    return Answer(status, JSON | (headers or {}), json.dumps(body).encode())


def refusal(answer: Answer) -> ForgeRefusedError:
    with pytest.raises(ForgeRefusedError) as caught:
        check(CALL, answer, NOW)
    assert caught.value.reason is Reason.FORGE_REFUSED
    assert caught.value.status == answer.status
    return caught.value


@pytest.mark.parametrize("status", [200, 201, 204, 304])
def test_what_was_done_is_no_refusal(status: int) -> None:
    check(CALL, Answer(status, {}, b""), NOW)


@pytest.mark.parametrize(
    ("status", "todo"),
    [
        (301, "write where it is now into spec.repository.url"),
        (307, "redirects are not followed"),
        (400, "check spec.repository.forge"),
        (401, "store one that is valid in the Secret of spec.repository.forge.tokenSecretRef"),
        (403, "give it read and write access"),
        (404, "the token may not see it"),
        (405, "check spec.repository.forge.type"),
        (409, "it is looked at again"),
        (410, "switch pull requests and issues on"),
        (422, "what it says tells why"),
        (423, "unlock its conversation"),
        (500, "it is in trouble itself; it is asked again"),
        (502, "it is asked again"),
        (503, "it is asked again"),
    ],
)
def test_a_refusal_says_what_to_do(status: int, todo: str) -> None:
    error = refusal(said(status, "No way"))
    assert error.message.startswith(
        f"git.example.com: POST /api/v1/repos/team/fleet/pulls was answered {status}, saying 'No way'; "
    )
    assert todo in error.message
    assert error.after is None


@pytest.mark.parametrize(
    ("answer", "after"),
    [
        (said(429, "slow", {"retry-after": "7"}), 7.0),
        (said(403, "slow", {"retry-after": "0"}), 1.0),
        (said(503, "maintenance", {"retry-after": "120"}), 120.0),
        (said(429, "slow", {"retry-after": "99999"}), LONGEST_SILENCE),
        (said(429, "slow", {"retry-after": "soon"}), 60.0),
        (said(429, "slow"), 60.0),
        (said(403, "exceeded", {"x-ratelimit-remaining": "0", "x-ratelimit-reset": f"{NOW + 90:.0f}"}), 90.0),
        (said(403, "exceeded", {"x-ratelimit-remaining": "0", "x-ratelimit-reset": f"{NOW - 90:.0f}"}), 1.0),
        (said(403, "exceeded", {"x-ratelimit-remaining": "0", "x-ratelimit-reset": f"{NOW + 9e6:.0f}"}), 3600.0),
        (said(403, "You have exceeded a secondary rate limit."), 60.0),
        (said(403, "Must have admin rights", {"x-ratelimit-remaining": "12", "x-ratelimit-reset": "1"}), None),
        (said(403, "odd", {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "-1"}), None),
        (said(503, "maintenance", {"x-ratelimit-remaining": "0", "x-ratelimit-reset": f"{NOW + 9:.0f}"}), None),
        (said(401, "slow", {"retry-after": "7"}), None),
    ],
)
def test_for_how_long_it_is_left_alone(answer: Answer, after: float | None) -> None:
    error = refusal(answer)
    assert error.after == after
    assert ("left alone" in error.message) is (after is not None)


def test_its_words_are_cut_cleaned_and_rid_of_the_token() -> None:
    message = refusal(said(422, f"bad\x1b[31m\nthing with {TOKEN} in it " + "x" * 1000)).message
    assert TOKEN not in message
    assert "bad [31m thing with *** in it x" in message
    assert "x" * LONGEST_WORDS not in message


def test_its_details_are_told() -> None:
    answer = said(422, "Validation Failed", errors=[{"message": "exists"}, {"field": "head", "code": "invalid"}, 7])
    assert "saying 'Validation Failed; exists; head: invalid'" in refusal(answer).message


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{", b'{"message": 7}', b'{"message": null, "errors": null}', b"null", b'"x"']
)
def test_one_that_says_nothing_readable_is_refused_all_the_same(body: bytes) -> None:
    assert "was answered 404; there is no such thing" in refusal(Answer(404, JSON, body)).message


@pytest.mark.parametrize("status", [403, 404])
def test_a_web_page_is_no_forge(status: int) -> None:
    page = Answer(status, {"content-type": "text/html"}, b"<!DOCTYPE html><HTML><body>Sign in</body></html>")
    assert f"was answered {status} with a web page, so no forge's API is there" in refusal(page).message


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (Answer(200, {"content-type": "text/html"}, b"<html>Sign in</html>"), "a web page"),
        (Answer(200, {"content-type": "text/plain"}, b"hello"), "something that is no JSON"),
        (Answer(200, {}, b"[]"), "something that is no JSON"),
        (Answer(200, JSON, b"{"), "something that is no JSON"),
        (Answer(200, JSON, b""), "with nothing"),
        (Answer(201, JSON, b" \n"), "with nothing"),
    ],
)
def test_what_is_no_json_is_refused(answer: Answer, why: str) -> None:
    with pytest.raises(ForgeRefusedError, match=why):
        decoded(CALL, answer)


def test_json_is_read() -> None:
    assert decoded(CALL, Answer(200, {"content-type": "application/vnd.github.v3+json"}, b'{"a": [1]}')) == {"a": [1]}
    assert decoded(CALL, Answer(204, {}, b"")) is None
