"""Which addresses are posted to: one row an address."""

from __future__ import annotations

import ipaddress

import pytest

from controller.notify.addresses import AddressRules

PUBLIC = ["93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946", "::ffff:93.184.216.34", "64:ff9b::5db8:d822"]
INNER = [
    "127.0.0.1",
    "127.255.0.9",
    "0.0.0.0",  # noqa: S104
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",  # clouds' metadata
    "100.64.0.1",  # carriers
    "192.0.2.1",  # documentation
    "198.18.0.1",  # benchmarks
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::1",
    "::",
    "::7f00:1",
    "fe80::1",
    "fe80::1%eth0",
    "fc00::1",
    "fd00:ec2::254",  # a cloud's metadata
    "fec0::1",
    "ff02::1",
    "::ffff:127.0.0.1",
    "::ffff:a00:1",
    "64:ff9b::7f00:1",  # 127.0.0.1 behind a translator
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",  # Teredo
    "2002:7f00:1::",  # 127.0.0.1 by 6to4
    "2001:db8::1",
]


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_spoken_to_over_tls_only(address: str) -> None:
    assert AddressRules().objection(address, encrypted=True) == ""
    assert "write https://" in AddressRules().objection(address, encrypted=False)


@pytest.mark.parametrize("address", INNER)
def test_an_address_of_ones_own_is_refused(address: str) -> None:
    assert "--webhook-allow-cidr" in AddressRules().objection(address, encrypted=True)


@pytest.mark.parametrize(
    ("network", "address"),
    [
        ("10.1.2.0/24", "10.1.2.9"),
        ("10.1.2.0/24", "::ffff:10.1.2.9"),
        ("127.0.0.1/32", "127.0.0.1"),
        ("fd00::/8", "fd12::3"),
    ],
)
def test_what_the_installation_names_is_spoken_to(network: str, address: str) -> None:
    rules = AddressRules((ipaddress.ip_network(network),))
    assert rules.objection(address, encrypted=True) == ""
    assert rules.objection(address, encrypted=False) == ""


def test_it_names_nothing_else() -> None:
    rules = AddressRules((ipaddress.ip_network("10.1.2.0/24"), ipaddress.ip_network("fd00::/8")))
    for address in ("10.1.3.1", "127.0.0.1", "::1"):
        assert address in rules.objection(address, encrypted=True)
