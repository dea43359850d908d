"""Secrets as they are found in clusters, and that nothing of them shows."""

from __future__ import annotations

import base64

import pytest

from controller.errors import Reason, WaitingError
from controller.git.credentials import ANONYMOUS, Credentials, credentials_from
from controller.git.errors import AuthenticationFailedError

WHERE = "Secret default/git"


def decoded(credentials: Credentials) -> str:
    """User and password of a Basic header."""
    return base64.b64decode(credentials.authorization.removeprefix("Basic ")).decode()


@pytest.mark.parametrize(
    ("secret", "pair"),
    [
        ({"username": b"ada", "password": b"pw"}, "ada:pw"),
        ({"username": b"ada\n", "password": b"pw\r\n"}, "ada:pw"),
        ({"username": b"ada", "password": b"p:w w"}, "ada:p:w w"),
        ({"username": "løk".encode(), "password": "wø".encode()}, "løk:wø"),
        ({"username": b"ada", "password": b"pw", "known_hosts": b"x"}, "ada:pw"),
        ({"username": b"ada", "password": b"pw", "bearerToken": b""}, "ada:pw"),
    ],
)
def test_basic(secret: dict[str, bytes], pair: str) -> None:
    assert decoded(credentials_from(secret, WHERE)) == pair


def test_bearer() -> None:
    secret = {"bearerToken": b"abc\n", "username": b"ada", "password": b"pw"}
    assert credentials_from(secret, WHERE).headers == ["Authorization: Bearer abc"]


def test_none_at_all() -> None:
    assert ANONYMOUS.headers == []


@pytest.mark.parametrize(
    ("secret", "why"),
    [
        ({}, "holds neither username and password nor bearerToken;"),
        ({"username": b"ada"}, "holds neither"),
        ({"password": b"pw"}, "holds neither"),
        ({"username": b"ada", "password": b""}, "holds neither"),
        ({"identity": b"key", "known_hosts": b"x"}, r"\(identity cannot be used yet\)"),
        ({"tls.crt": b"c", "tls.key": b"k"}, r"\(tls\.crt, tls\.key cannot be used yet\)"),
        ({"bearerToken": b"hush\xff"}, "bearerToken is not UTF-8"),
        ({"bearerToken": b"hush\r\nX-Evil: 1"}, "bearerToken holds control characters"),
        ({"username": b"ada\n\nx", "password": b"hush"}, "username holds control characters"),
    ],
)
def test_secrets_that_open_nothing(secret: dict[str, bytes], why: str) -> None:
    with pytest.raises(AuthenticationFailedError, match=why) as caught:
        credentials_from(secret, WHERE)
    assert caught.value.reason is Reason.AUTHENTICATION_FAILED
    assert isinstance(caught.value, WaitingError)  # people mend a Secret without touching the Fabric
    assert caught.value.message.startswith(WHERE)
    assert "hush" not in caught.value.message


def test_nothing_of_a_credential_shows() -> None:
    for secret in ({"username": b"ada", "password": b"hush-hush"}, {"bearerToken": b"hush-hush"}):
        credentials = credentials_from(secret, WHERE)
        shown = repr(credentials) + str(credentials) + f"{[credentials]}"
        assert "hush" not in shown
        assert base64.b64encode(b"ada:hush-hush").decode() not in shown
    assert repr(ANONYMOUS) == "Credentials(none)"
    assert repr(Credentials("Bearer x")) == "Credentials(Bearer)"


def test_what_a_server_repeats_is_struck_out() -> None:
    credentials = credentials_from({"username": b"ada", "password": b"hush-hush"}, WHERE)
    encoded = base64.b64encode(b"ada:hush-hush").decode()
    assert credentials.redacted(f"no hush-hush, no {encoded} for ada") == "no ***, no *** for ada"
    assert ANONYMOUS.redacted("plain") == "plain"


def test_the_digest_tells_two_apart() -> None:
    one, same, other = (
        credentials_from({"bearerToken": token}, where) for token, where in ((b"a", "x"), (b"a", "y"), (b"b", "x"))
    )
    assert one.digest == same.digest
    assert len({one.digest, other.digest, ANONYMOUS.digest}) == 3
