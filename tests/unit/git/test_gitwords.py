"""What the git program and ssh print, as people read it in a status."""

from __future__ import annotations

import pytest

from controller.errors import TandemError
from controller.git.credentials import ANONYMOUS, Credentials
from controller.git.errors import (
    AuthenticationFailedError,
    CertificateInvalidError,
    HostKeyMismatchError,
    HostKeyUnknownError,
    MirrorDamagedError,
    RepositoryNotFoundError,
    UnreachableError,
)
from controller.git.gitwords import server_words, shortened, told_error
from controller.git.push import LONGEST_MESSAGE

NO_READ = """fatal: Could not read from remote repository.

Please make sure you have the correct access rights
and the repository exists.
"""
CHANGED = f"""@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@
@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @
@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@
Offending ED25519 key in known_hosts:1
Host key for [git.example.com]:2222 has changed and you have requested strict checking.
Host key verification failed.
{NO_READ}"""
HTTPS = "fatal: unable to access 'https://host/demo.git/': "
SSH: dict[str, tuple[str, type[TandemError], str]] = {
    "another host key": (CHANGED, HostKeyMismatchError, "is not the one in known_hosts"),
    "a revoked host key": ("@ WARNING: REVOKED HOST KEY DETECTED! @\n" + NO_READ, HostKeyMismatchError, "known_hosts"),
    "no host key": (
        "No ED25519 host key is known for [h]:22 and you have requested strict checking.\r\n"
        "Host key verification failed.\r\n" + NO_READ,
        HostKeyUnknownError,
        "ssh-keyscan",
    ),
    "a wrong key": ("git@host: Permission denied (publickey).\r\n" + NO_READ, AuthenticationFailedError, "(publickey)"),
    "refused": ("ssh: connect to host h port 22: Connection refused\r\n" + NO_READ, UnreachableError, "refused"),
    "no name": ("ssh: Could not resolve hostname h: unknown\r\n" + NO_READ, UnreachableError, "resolve"),
    "cut off": ("kex_exchange_identification: Connection closed by remote host\n" + NO_READ, UnreachableError, "kex"),
    "no ssh": (
        "error: cannot run ssh: No such file\nfatal: unable to fork\n",
        UnreachableError,
        "install",
    ),
    "no repository": ("ERROR: Repository not found.\n" + NO_READ, RepositoryNotFoundError, "Repository not found."),
    "no such path": (
        "fatal: '/srv/x.git' does not appear to be a git repository\n" + NO_READ,
        RepositoryNotFoundError,
        "spec.repository.url",
    ),
    "not for you": ("you may not\n" + NO_READ, RepositoryNotFoundError, "(you may not)"),
    "silence": (NO_READ, RepositoryNotFoundError, "does not say why"),
}
TLS: dict[str, tuple[str, type[TandemError], str]] = {
    "GnuTLS": (
        HTTPS + "server certificate verification failed. CAfile: /h/ca.crt CRLfile: none",
        CertificateInvalidError,
        "credentialsSecretRef",
    ),
    "OpenSSL": (
        HTTPS + "SSL certificate problem: unable to get local issuer certificate",
        CertificateInvalidError,
        "local issuer",
    ),
    "an alert of GnuTLS": (
        HTTPS + "GnuTLS recv error (-12): A TLS fatal alert has been received.",
        AuthenticationFailedError,
        "tls.crt and tls.key",
    ),
    "an alert of OpenSSL": (
        HTTPS + "OpenSSL SSL_read: error:0A00045C:SSL routines::tlsv13 alert certificate required, errno 0",
        AuthenticationFailedError,
        "wants a client certificate",
    ),
    "401": ("fatal: Authentication failed for 'https://host/demo.git/'", AuthenticationFailedError, "HTTP 401"),
    "no user": (
        "fatal: could not read Username for 'https://host': terminal prompts disabled",
        AuthenticationFailedError,
        "wants credentials",
    ),
    "403": (HTTPS + "The requested URL returned error: 403", AuthenticationFailedError, "HTTP 403"),
    "404": ("fatal: repository 'https://host/demo.git/' not found", RepositoryNotFoundError, "spec.repository.url"),
    "503": (HTTPS + "The requested URL returned error: 503", UnreachableError, "HTTP 503"),
    "a redirect": (HTTPS + "The requested URL returned error: 301", UnreachableError, "name the final address"),
    "a redirect in words": (
        "fatal: unable to update url base from redirection:\n  asked for: a\n   redirect: b",
        UnreachableError,
        "name the final address",
    ),
    "a web page": (
        "fatal: https://host/demo.git/info/refs not valid: is this a git repository?",
        RepositoryNotFoundError,
        "no Git repository",
    ),
    "no server": (HTTPS + "Failed to connect to host port 443 after 0 ms", UnreachableError, "tried again"),
    "no proxy": (HTTPS + "Could not resolve proxy: proxy", UnreachableError, "resolve proxy"),
}
LOCAL: dict[str, tuple[str, type[TandemError], str]] = {
    "a broken copy": ("fatal: bad object refs/heads/main\nerror: x", MirrorDamagedError, "fetched anew"),
    "a full disk": ("fatal: write error: No space left on device", MirrorDamagedError, "No space left"),
    "an object is missing": ("error: host did not send all necessary objects", MirrorDamagedError, "fetched anew"),
    "who knows": ("fatal: the moon is full", UnreachableError, "git says: fatal: the moon is full"),
    "nothing at all": ("", UnreachableError, "git says: nothing"),
}
TABLE = SSH | TLS | LOCAL


@pytest.mark.parametrize(("said", "kind", "words"), TABLE.values(), ids=TABLE)
def test_an_error_in_our_words(said: str, kind: type[TandemError], words: str) -> None:
    error = told_error(said, "https://user@host/demo.git", ANONYMOUS)
    assert type(error) is kind
    assert words in error.message
    assert error.message.count("\n") == 0
    assert len(error.message) < LONGEST_MESSAGE + 400
    assert "user@" not in error.message.replace("user@host:path", "")


def test_what_nobody_needs_is_left_out() -> None:
    progress = "remote: Counting objects: 50% (1/2)\rReceiving objects: 100% (2/2), 9 KiB\r\nfatal: early EOF\n"
    assert shortened(progress + "hint: try again\n", ANONYMOUS) == "fatal: early EOF"
    assert shortened(TLS["GnuTLS"][0], ANONYMOUS) == "server certificate verification failed"


def test_no_secret_shows() -> None:
    credentials = Credentials("Basic aHVzaA==", ("aHVzaA==", "hush"))
    assert "hush" not in told_error("fatal: hush aHVzaA==", "https://h/d", credentials).message
    assert server_words("remote: hush\nremote: no \x1b[31mcommits\x1b[0m\nTo host\n", credentials) == "***; no commits"
