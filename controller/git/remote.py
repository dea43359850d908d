"""Where a repository is: which URLs Tandem talks to, and when two of them mean the same repository.

The rules stand before any packet leaves: libgit2 and the git program open `file://` and plain paths as readily as a
server, and a URL from a custom resource must not reach what only this process can reach (its own loopback, a cloud's
metadata address).
"""

from __future__ import annotations

import ipaddress
import re
import socket
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import urlsplit

from controller.git.errors import AddressRefusedError, UnreachableError, UrlRefusedError
from controller.sockets import Objection

DEFAULT_PORTS = {"https": 443, "http": 80, "ssh": 22}
SSH_USER = "git"  # where a ssh:// URL names none: what every forge calls it; ssh itself would take this process's user

# What a host may be made of: a name, an IPv4 address, or an IPv6 address in brackets. Stricter than any parser, so that
# two parsers (ours and Git's) cannot read two hosts out of one URL. None begins with a dash: it would be an option.
HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\]")
USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
PLAIN = re.compile(r"[\x21-\x7e]+")  # printable ASCII without the space
SCP = re.compile(r"(?P<user>[^/@:]+)@(?P<host>\[[^\]]*\]|[^/@:\[\]]+):(?P<path>(?!:|//).+)")  # git@host:path


@dataclass(frozen=True, slots=True)
class UrlRules:
    """What the installation allows. `refused_hosts`: names and addresses never talked to (the API server's)."""

    allow_insecure: bool = False
    refused_hosts: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Address:
    """A URL in its parts. `host` as written, an IPv6 address with its brackets; `user` is "" where there is none."""

    scheme: str
    user: str
    host: str
    port: int | None
    path: str
    extra: str = ""  # a query or a fragment

    @property
    def name(self) -> str:
        """The host in lower case, without brackets."""
        return self.host.strip("[]").lower()


def check_url(url: str, rules: UrlRules) -> None:
    """Raise UrlRefusedError, saying what to write instead, unless Tandem may talk to this URL."""
    if not PLAIN.fullmatch(url) or "\\" in url:
        raise UrlRefusedError(f"repository URL {printable(url)!r} holds characters that no URL has; write https://…")
    scheme = scheme_of(url)
    if scheme not in DEFAULT_PORTS:
        raise UrlRefusedError(
            f"repository URL {printable(url)!r} is neither a https:// nor a ssh:// URL; write https://…, ssh://…, or "
            "user@host:path"
        )
    if scheme == "http" and not rules.allow_insecure:
        raise UrlRefusedError(
            f"repository URL {printable(url)!r} is not encrypted; write https://…, or allow it: --allow-insecure-git"
        )
    check_parts(url)


def check_parts(url: str) -> None:
    """Raise UrlRefusedError for a URL with credentials, a query or an unreadable user, host, port or path in it."""
    address = address_of(url)
    over_ssh = address.scheme == "ssh"
    if address.user and not (over_ssh and USER.fullmatch(address.user)):
        raise UrlRefusedError(
            f"repository URL {printable(url)!r} holds credentials, which everybody who may read the resource sees; "
            "put them into the Secret that credentialsSecretRef names"
        )
    if address.extra:
        raise UrlRefusedError(f"repository URL {printable(url)!r} has a query or fragment; write the plain clone URL")
    if not HOST.fullmatch(address.host) or not address.path.strip("/"):
        raise UrlRefusedError(f"repository URL {printable(url)!r} needs a host and a path: https://host/owner/name.git")
    if over_ssh and address.path.lstrip("/").startswith("-"):
        raise UrlRefusedError(f"repository URL {printable(url)!r}: a path must not begin with a dash; rename it")


def scheme_of(url: str) -> str:
    """The scheme in lower case, `ssh` for `user@host:path`; "" for what is no URL."""
    if "://" in url:
        return url.partition("://")[0].lower()
    return "ssh" if SCP.fullmatch(url) else ""


def is_ssh(url: str) -> bool:
    """Whether a URL is spoken to over ssh."""
    return scheme_of(url) == "ssh"


def address_of(url: str) -> Address:
    """The parts of a URL; UrlRefusedError if it has none."""
    if "://" not in url and (short := SCP.fullmatch(url)):
        return Address("ssh", short["user"], short["host"], None, short["path"])
    try:
        parts = urlsplit(url)
        port = parts.port  # parsed only when asked for
    except ValueError as error:
        raise UrlRefusedError(f"repository URL {printable(url)!r} cannot be read: {error}") from None
    user, _, location = parts.netloc.rpartition("@")
    host = location if location.endswith("]") else re.sub(r":\d*$", "", location)
    extra = f"{parts.query}{parts.fragment}"
    return Address(parts.scheme.lower(), user, host, port, parts.path, extra)


@lru_cache(maxsize=4096)
def normalized_url(url: str) -> str:
    """The one spelling of a URL: scheme and host lower-case, no default port, no trailing slash or `.git`.

    `git@host:path` is that of ssh://git@host/path, as forges have it. Shards and mirrors are found by it. It is
    compared, never fetched from: a plain server knows only the name given.
    """
    address = address_of(url)
    authority = address.host.lower()
    if address.port is not None and address.port != DEFAULT_PORTS.get(address.scheme):
        authority = f"{authority}:{address.port}"
    if address.scheme == "ssh":
        authority = f"{address.user or SSH_USER}@{authority}"
    path = re.sub(r"/{2,}", "/", f"/{address.path}").removeprefix("/~").rstrip("/").removesuffix(".git").rstrip("/")
    return f"{address.scheme}://{authority}{path}"


def check_address(url: str, rules: UrlRules, *, elsewhere: bool = False) -> None:
    """Resolve the URL's host, and raise AddressRefusedError if any of its addresses is not to be talked to.

    Done before every connection, because names move. UnreachableError if the name does not resolve, unless it is
    resolved `elsewhere`: by a proxy, which may know more names than this machine.
    """
    host = address_of(url).name
    if host in rules.refused_hosts:
        raise AddressRefusedError(f"{printable(url)!r} is not a Git server but this cluster's API server; name another")
    if rules.allow_insecure and not rules.refused_hosts:
        return
    try:
        found = addresses_of(host)
    except OSError as error:
        if elsewhere:
            return
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


def objection_of(rules: UrlRules) -> Objection:
    """The same of IP addresses, for what connects by itself: this machine's, its link's, the API server's own.

    Resolves the names of the rules, so not in the loop.
    """
    if rules.allow_insecure and not rules.refused_hosts:
        return lambda _: ""
    refused = refused_addresses(rules)

    def objection(address: str) -> str:
        if address in refused or (not rules.allow_insecure and is_local(address)):
            return (
                "it leads to an address that Tandem does not connect to: this cluster's own API server, this machine's "
                "or its link's; use a routable one, or allow it with --allow-insecure-git"
            )
        return ""

    return objection


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


def printable(url: str) -> str:
    """A URL as messages may show it: without what stands before an `@` in its host, and not endlessly long."""
    return re.sub(r"^([A-Za-z+.-]*://)?[^/]*@", r"\1", url)[:200]
