"""What the git program and ssh say when something fails, in our words. Pure.

Apart from program.py, because it is a table that grows: what they print is for people, differs between the TLS
libraries that curl is built with, and is mixed with whatever the server prints.
"""

from __future__ import annotations

import re

from controller.errors import TandemError
from controller.git.credentials import Credentials
from controller.git.errors import (
    AuthenticationFailedError,
    CertificateInvalidError,
    HostKeyMismatchError,
    HostKeyUnknownError,
    MirrorDamagedError,
    RepositoryNotFoundError,
    UnreachableError,
)
from controller.git.push import one_line
from controller.git.remote import printable
from controller.git.transport import redirected, status_error, unauthorized

STATUS = re.compile(r"returned error: (\d{3})")
TOO_LARGE = re.compile(r"File too large")  # EFBIG: the bound of process.py
CHANGED_KEY = re.compile(r"REMOTE HOST IDENTIFICATION HAS CHANGED|REVOKED HOST KEY|host key .* has changed")
UNKNOWN_KEY = re.compile(r"host key is known for|Host key verification failed")
REFUSED_KEY = re.compile(r"Permission denied \(|Too many authentication failures|^Load key ", re.MULTILINE)
CERTIFICATE = re.compile(
    r"server certificate verification failed|SSL certificate problem|certificate verify failed|"
    r"certificate subject name|no alternative certificate subject|error setting certificate|"
    r"certificate has expired|error adding trust anchors",
    re.IGNORECASE,
)
# A server that wants a client's certificate ends the connection after the handshake. Its words may be lost on the way.
CLIENT_CERTIFICATE = re.compile(
    r"TLS fatal alert|alert certificate required|alert bad certificate|alert unknown ca|alert handshake failure|"
    r"[Cc]ertificate is required|X\.509 key or certificate file|PEM client certificate"
)
CUT_OFF = re.compile(
    r"getpeername\(\) failed|non-properly terminated|(Send|Recv) failure|recv error|reset by peer|Broken pipe|"
    r"Empty reply|SSL_ERROR_SYSCALL|SSL_read|unexpected eof|unexpectedly closed"
)
UNAUTHORIZED = re.compile(r"Authentication failed for|could not read (Username|Password)")
REDIRECT = re.compile(r"unable to update url base from redirection")
NO_REPOSITORY = re.compile(
    r"not valid: is this a git repository|does not appear to be a git repository|repository '?[^\n]*'? not found|"
    r"[Rr]epository not found|Project not found"
)
DAMAGE = re.compile(
    r"bad object|invalid object|does not point to a valid object|did not send all necessary objects|"
    r"not a git repository|object file .* is empty|loose object .* is corrupt|packfile .* (cannot|does not)|"
    r"unable to (read|write|create|find)|No space left on device|cannot lock ref|missing (blob|tree|commit)|"
    r"unresolved deltas|fatal: pack has",
)
NETWORK = re.compile(
    r"^ssh: |Could not resolve|Failed to connect|Couldn't connect|[Cc]onnection (refused|reset|timed out|closed)|"
    r"[Tt]imed out|too slow|kex_exchange_identification|Broken pipe|Empty reply|unable to access|"
    r"The remote end hung up|early EOF|unexpected disconnect|from proxy|CONNECT tunnel",
    re.MULTILINE,
)
NO_ACCESS = "Could not read from remote repository"
NO_SSH = "cannot run ssh"
# The URL again, and our own files.
PLACES = re.compile(r"fatal: unable to access '[^'\n]*': |\. CAfile: .* CRLfile: \S+")
HINTS = re.compile(  # what Git adds for people at a terminal, and its progress
    r"^(Please make sure you have the correct access rights|and the repository exists\.|hint: .*|"
    r"fatal: Could not read from remote repository\.|.*: +\d+% \(\d+/\d+\).*|To .*|error: failed to push some refs.*)$"
)


def told_error(said: str, url: str, credentials: Credentials) -> TandemError:
    """What a failed call means: whose fault it is, and what to do."""
    place = printable(url)
    words = shortened(said, credentials)
    return _of_ssh(said, place, words) or _of_https(said, place, words, credentials) or _of_git(said, place, words)


def certificate_wanted(place: str, credentials: Credentials, words: str) -> AuthenticationFailedError:
    """The server ended the connection over a client's certificate."""
    shown = "does not take this client certificate" if credentials.certificate else "wants a client certificate"
    return AuthenticationFailedError(
        f"{place}: the server {shown} ({words}); store one that it takes as tls.crt and tls.key in the Secret that "
        "credentialsSecretRef names"
    )


def shortened(said: str, credentials: Credentials) -> str:
    """What was said on one line, without secrets and without what helps nobody."""
    lines = [line for line in re.split(r"[\r\n]+", credentials.redacted(said)) if not HINTS.match(line)]
    return one_line(PLACES.sub("", "\n".join(lines)))


def server_words(said: str, credentials: Credentials) -> str:
    """What the server itself said to a push: its `remote: ` lines, without the prefix; "" where there are none."""
    lines = [line.removeprefix("remote: ") for line in re.split(r"[\r\n]+", said) if line.startswith("remote: ")]
    return one_line(credentials.redacted("\n".join(lines)))


def _of_ssh(said: str, place: str, words: str) -> TandemError | None:
    if CHANGED_KEY.search(said):
        return HostKeyMismatchError(
            f"{place}: the server's host key is not the one in known_hosts: this is another server, or has a new key; "
            "ask its owner, and only then correct known_hosts in the Secret that credentialsSecretRef names"
        )
    if UNKNOWN_KEY.search(said):
        return HostKeyUnknownError(
            f"{place}: known_hosts has no key of this server; add the line that `ssh-keyscan` prints for this host and "
            "port to the Secret that credentialsSecretRef names, after comparing it with what its owner publishes"
        )
    if REFUSED_KEY.search(said):
        return AuthenticationFailedError(
            f"{place}: the server does not know the key ({words}); give it the public half of identity, or correct the "
            "Secret that credentialsSecretRef names"
        )
    if NO_SSH in said:
        return UnreachableError(f"{place}: the program ssh is not installed where the controller runs; install it")
    return None


def _of_https(said: str, place: str, words: str, credentials: Credentials) -> TandemError | None:
    if CERTIFICATE.search(said):
        trusted = "ca.crt does not vouch for" if credentials.authority else "no trusted authority vouches for"
        return CertificateInvalidError(
            f"{place}: {trusted} the server's certificate ({words}); correct ca.crt in the Secret that "
            "credentialsSecretRef names, or the server's certificate"
        )
    if CLIENT_CERTIFICATE.search(said):
        return certificate_wanted(place, credentials, words)
    if status := STATUS.search(said):
        return status_error(int(status[1]), place, credentials)
    if UNAUTHORIZED.search(said):
        return unauthorized(place, credentials)
    return redirected(place, words) if REDIRECT.search(said) else None


def _of_git(said: str, place: str, words: str) -> TandemError:
    if NO_REPOSITORY.search(said):
        return RepositoryNotFoundError(
            f"{place}: there is no Git repository, or none for these credentials ({words}); check spec.repository.url"
        )
    if NETWORK.search(said):
        return UnreachableError(f"{place}: {words}; check the address and the network, it is tried again")
    if NO_ACCESS in said:
        return RepositoryNotFoundError(
            f"{place}: the server does not let this repository be read ({words or 'it does not say why'}); check "
            "spec.repository.url, and what the credentials may see"
        )
    if DAMAGE.search(said):
        return MirrorDamagedError(f"the local copy of {place} cannot be used ({words}); it is fetched anew")
    return UnreachableError(f"{place}: git says: {words or 'nothing'}; it is tried again")
