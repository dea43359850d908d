"""libgit2's words and a server's words, as people read them in a status."""

from __future__ import annotations

import pygit2
import pytest

from controller.errors import RejectedError, StalledError, TandemError, WaitingError
from controller.git import errors
from controller.git.credentials import ANONYMOUS, Credentials
from controller.git.errors import (
    AuthenticationFailedError,
    CertificateInvalidError,
    MirrorDamagedError,
    RepositoryNotFoundError,
    UnreachableError,
)
from controller.git.libgit2 import UnauthorizedError, transfer_error
from controller.git.push import LONGEST_MESSAGE, one_line

NET, SSL, HTTP, SYSTEM, ODB, INDEXER = 12, 16, 34, 2, 9, 15
URL = "https://host/demo.git"
TOKEN = Credentials("Bearer hush", ("hush",))


def git_error(message: str, error_class: int | None = None) -> pygit2.GitError:
    """As pygit2 raises it."""
    error = pygit2.GitError(message)
    if error_class is not None:
        error.error_class = error_class  # type: ignore[attr-defined]
    return error


TABLE: dict[str, tuple[Exception, type[TandemError], str]] = {
    "401 with a challenge": (UnauthorizedError(), AuthenticationFailedError, "refuses these credentials"),
    "401 without": (pygit2.AuthError("x"), AuthenticationFailedError, "refuses these credentials"),
    "403": (git_error("unexpected http status code: 403", HTTP), AuthenticationFailedError, "HTTP 403"),
    "407": (git_error("unexpected http status code: 407", HTTP), AuthenticationFailedError, "HTTP 407"),
    "404": (git_error("unexpected http status code: 404", HTTP), RepositoryNotFoundError, "credentials may see it"),
    "410": (git_error("unexpected http status code: 410", HTTP), RepositoryNotFoundError, "HTTP 410"),
    "429": (git_error("unexpected http status code: 429", HTTP), UnreachableError, "HTTP 429"),
    "500": (git_error("unexpected http status code: 500", HTTP), UnreachableError, "HTTP 500"),
    "certificate": (pygit2.CertificateError("x"), CertificateInvalidError, "not trusted"),
    "certificate in words": (git_error("the SSL certificate is invalid", SSL), CertificateInvalidError, "as ca.crt"),
    "TLS": (git_error("SSL error: wrong version number", SSL), UnreachableError, "wrong version number"),
    "redirect": (git_error("cannot redirect from 'a' to 'b'", NET), UnreachableError, "name the final address"),
    "web page": (git_error("invalid content-type: 'text/html'", HTTP), RepositoryNotFoundError, "no Git repository"),
    "connection": (git_error("could not read from socket: timed out", NET), UnreachableError, "tried again"),
    "disk": (git_error("failed to write: No space left on device", SYSTEM), MirrorDamagedError, "No space left"),
    "object": (git_error("object not found", ODB), MirrorDamagedError, "fetched anew"),
    "pack": (git_error("early EOF", INDEXER), MirrorDamagedError, "early EOF"),
    "no class": (git_error("who knows"), MirrorDamagedError, "who knows"),
    "no message": (KeyError(), MirrorDamagedError, "KeyError"),
}


@pytest.mark.parametrize(("error", "kind", "words"), TABLE.values(), ids=TABLE)
def test_an_error_in_our_words(error: Exception, kind: type[TandemError], words: str) -> None:
    translated = transfer_error(error, URL, TOKEN)
    assert type(translated) is kind
    assert words in translated.message
    assert URL in translated.message


def test_what_is_missing_is_asked_for() -> None:
    assert "name a Secret" in transfer_error(UnauthorizedError(), URL, ANONYMOUS).message
    assert "whether it needs credentials" in transfer_error(TABLE["404"][0], URL, ANONYMOUS).message


def test_no_message_repeats_a_credential() -> None:
    for error in (git_error("hush is wrong", NET), git_error("hush is wrong", ODB), pygit2.CertificateError("hush")):
        message = transfer_error(error, "https://ada:hush@host/demo", TOKEN).message
        assert "hush" not in message


def test_each_error_has_one_place_in_the_tree() -> None:
    made = [value for value in vars(errors).values() if isinstance(value, type) and value.__module__ == errors.__name__]
    assert len(made) == 17
    for error in made:
        assert sum(issubclass(error, base) for base in (WaitingError, StalledError, RejectedError)) == 1
        assert error("words").message == "words"


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("", ""),
        ("plain", "plain"),
        ("one\ntwo\r\nthree\rfour", "one; two; three; four"),
        ("\n\n  indented  \n\n", "indented"),
        ("\x1b[1;31mred\x1b[0m\x07\x00", "red"),
        ("tab\tand\x85control", "tabandcontrol"),
        ("naïve – 配置", "naïve – 配置"),
    ],
)
def test_a_servers_words_on_one_line(said: str, shown: str) -> None:
    assert one_line(said) == shown


def test_a_servers_words_have_an_end() -> None:
    assert one_line("x" * LONGEST_MESSAGE) == "x" * LONGEST_MESSAGE
    cut = one_line("x" * (LONGEST_MESSAGE + 1))
    assert len(cut) == LONGEST_MESSAGE
    assert cut.endswith("x…")
