"""Which addresses a message may be posted to. Asked with the very address a socket is opened for, after every look-up.

Whoever may write a Fabric names the URL, so it must not reach what only this process can reach: its own loopback, a
cloud's metadata service, the networks behind it. A name is therefore never judged, only what it led to.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052: the last 32 bits are the IPv4 address that is reached
_TUNNELS = (
    ipaddress.IPv6Network("2001::/32"),  # Teredo, RFC 4380: leads to whatever IPv4 address it holds
    ipaddress.IPv6Network("2002::/16"),  # 6to4, RFC 3056: the same
    ipaddress.IPv6Network("64:ff9b:1::/48"),  # RFC 8215: NAT64 of a network's own
    ipaddress.IPv6Network("::/96"),  # RFC 4291: "IPv4-compatible", deprecated
    ipaddress.IPv6Network("fec0::/10"),  # RFC 3879: site-local, deprecated
)


@dataclass(frozen=True, slots=True)
class AddressRules:
    """What the installation allows beyond the public Internet; there, too, http without TLS is spoken."""

    allowed: tuple[IPNetwork, ...] = ()

    def objection(self, address: str, *, encrypted: bool) -> str:
        """Why no message may go to this address, and what to do; "" if it may."""
        parsed = plain_address(address)
        if any(parsed in network for network in self.allowed):
            return ""
        if not is_public(parsed):
            return (
                f"it leads to {parsed}, which is no public address; use one that is, or have it named by "
                "--webhook-allow-cidr"
            )
        return (
            "" if encrypted else "http:// is spoken only to addresses of --webhook-allow-cidr; write https:// instead"
        )


def plain_address(address: str) -> IPAddress:
    """An address without its zone; the IPv4 address that an IPv6 one stands for."""
    parsed = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return parsed.ipv4_mapped
        if parsed in _NAT64:
            return ipaddress.IPv4Address(int(parsed) & 0xFFFFFFFF)
    return parsed


def is_public(address: IPAddress) -> bool:
    """Whether everybody reaches the same machine by this address."""
    if isinstance(address, ipaddress.IPv6Address) and any(address in tunnel for tunnel in _TUNNELS):
        return False
    return address.is_global and not (
        address.is_multicast or address.is_reserved or address.is_unspecified or address.is_loopback
    )
