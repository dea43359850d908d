"""Where a repository is: which URLs Tandem talks to, and when two of them mean the same repository.

The rules stand before any packet leaves: libgit2 opens `file://` and plain paths as readily as a server, and a URL from
a custom resource must not reach what only this process can reach (its own loopback, a cloud's metadata address).
"""

from __future__ import annotations

import ipaddress
import re
import socket
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from controller.git.errors import AddressRefusedError, UnreachableError, UrlRefusedError

DEFAULT_PORTS = {"https": 443, "http": 80}

# What a host may be made of: a name, an IPv4 address, or an IPv6 address in brackets. Stricter than any parser, so that
# two parsers (ours and libgit2's) cannot read two hosts out of one URL.
HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\]")
PLAIN = re.compile(r"[\x21-\x7e]+")  # printable ASCII without the space
SCP = re.compile(r"([^/@\s]+@)?[^/:\s]+:(?!//).+")  # git@host:path, which Git reads as ssh


@dataclass(frozen=True, slots=True)
class UrlRules:
    """What the installation allows. `refused_hosts`: names and addresses never talked to (the API server's)."""

    allow_insecure: bool = False
    refused_hosts: frozenset[str] = frozenset()


def check_url(url: str, rules: UrlRules) -> None:
    """Raise UrlRefusedError, saying what to write instead, unless Tandem may talk to this URL."""
    if not PLAIN.fullmatch(url) or "\\" in url:
        raise UrlRefusedError(f"repository URL {printable(url)!r} holds characters that no URL has; write https://…")
    scheme = url.partition("://")[0].lower() if "://" in url else ""
    if scheme == "ssh" or (not scheme and SCP.fullmatch(url) and not url.startswith(("/", "."))):
        raise UrlRefusedError(f"repository URL {printable(url)!r}: ssh is not supported yet; use the https:// URL")
    if scheme not in DEFAULT_PORTS:
        raise UrlRefusedError(
            f"repository URL {printable(url)!r} is neither a https:// nor a http:// URL; write https://…"
        )
    if scheme == "http" and not rules.allow_insecure:
        raise UrlRefusedError(
            f"repository URL {printable(url)!r} is not encrypted; write https://…, or allow it: --allow-insecure-git"
        )
    check_parts(url)


def check_parts(url: str) -> None:
    """Raise UrlRefusedError for a http(s) URL with credentials, a query or an unreadable host or port in it."""
    parts = split(url)
    if "@" in parts.netloc:
        raise UrlRefusedError(
            f"repository URL {printable(url)!r} holds credentials, which everybody who may read the resource sees; "
            "put them into the Secret that credentialsSecretRef names"
        )
    if parts.query or parts.fragment:
        raise UrlRefusedError(f"repository URL {printable(url)!r} has a query or fragment; write the plain clone URL")
    if not HOST.fullmatch(host_part(parts)) or not parts.path.strip("/"):
        raise UrlRefusedError(f"repository URL {printable(url)!r} needs a host and a path: https://host/owner/name.git")


def normalized_url(url: str) -> str:
    """The one spelling of a URL: scheme and host lower-case, no default port, no trailing slash or `.git`.

    Shards and mirrors are found by it. It is compared, never fetched from: a plain server knows only the name given.
    """
    parts = split(url)
    scheme = parts.scheme.lower()
    port = parts.port
    authority = host_part(parts).lower()
    if port is not None and port != DEFAULT_PORTS.get(scheme):
        authority = f"{authority}:{port}"
    path = re.sub(r"/{2,}", "/", parts.path).rstrip("/").removesuffix(".git").rstrip("/")
    return f"{scheme}://{authority}{path}"


def check_address(url: str, rules: UrlRules) -> None:
    """Resolve the URL's host, and raise AddressRefusedError if any of its addresses is not to be talked to.

    Done before every connection, because names move. UnreachableError if the name does not resolve.
    """
    parts = split(url)
    host = host_part(parts).strip("[]").lower()
    if host in rules.refused_hosts:
        raise AddressRefusedError(f"{printable(url)!r} is not a Git server but this cluster's API server; name another")
    if rules.allow_insecure and not rules.refused_hosts:
        return
    try:
        found = addresses_of(host)
    except OSError as error:
        raise UnreachableError(
            f"host {host!r} of the repository's URL does not resolve ({error.strerror}); check spec.repository.url"
        ) from None
    refused = refused_addresses(rules)
    for address in sorted(found):
        if address in refused or (not rules.allow_insecure and is_local(address)):
            raise AddressRefusedError(
                f"host {host!r} of the repository's URL resolves to {address}, which Tandem does not talk to; "
                "use a routable address, or allow it with --allow-insecure-git"
            )


def refused_addresses(rules: UrlRules) -> frozenset[str]:
    """The addresses of the refused hosts: one that is refused by name must not be reached by number."""
    found: set[str] = set()
    for host in rules.refused_hosts:
        with suppress(OSError):  # no name that is known here: only its spelling can be refused
            found |= addresses_of(host)
    return frozenset(found)


def addresses_of(host: str) -> set[str]:
    """The IP addresses of a host, each in one spelling: an IPv4 address in IPv6 clothes is that IPv4 address."""
    found = {str(entry[4][0]).partition("%")[0] for entry in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)}
    return {str(parsed_address(address)) for address in found}


def parsed_address(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """An IP address; the IPv4 address that an IPv6 one stands for (`::ffff:127.0.0.1`)."""
    parsed = ipaddress.ip_address(address)
    return parsed.ipv4_mapped or parsed if isinstance(parsed, ipaddress.IPv6Address) else parsed


def is_local(address: str) -> bool:
    """Whether an IP address is this machine's or its link's, or no host's at all. Private networks are not."""
    parsed = parsed_address(address)
    return parsed.is_loopback or parsed.is_link_local or parsed.is_unspecified or parsed.is_multicast


def split(url: str) -> SplitResult:
    """The parts of a URL; UrlRefusedError if it has none."""
    try:
        parts = urlsplit(url)
        _ = parts.port  # parsed only when asked for
    except ValueError as error:
        raise UrlRefusedError(f"repository URL {printable(url)!r} cannot be read: {error}") from None
    return parts


def host_part(parts: SplitResult) -> str:
    """The host as written, an IPv6 address with its brackets."""
    location = parts.netloc.rpartition("@")[2]
    return location if location.endswith("]") else re.sub(r":\d*$", "", location)


def printable(url: str) -> str:
    """A URL as messages may show it: without what stands before an `@` in its host, and not endlessly long."""
    return re.sub(r"^([A-Za-z+.-]*://)?[^/]*@", r"\1", url)[:200]
