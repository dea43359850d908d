"""The installation's proxy for Git over http(s). Pure.

One for the whole installation, given by whoever starts the controller: a proxy of a tenant's choice would be a way
around the rules for addresses.
"""

from __future__ import annotations

from dataclasses import dataclass

from controller.git.remote import address_of, is_ssh


@dataclass(frozen=True, slots=True)
class Proxy:
    """A http proxy, "" for none, and the hosts that are reached without it: names, each with all below it."""

    url: str = ""
    exempt: tuple[str, ...] = ()

    def of(self, url: str) -> str:
        """The proxy for a repository's URL, "" for none. ssh is never sent through it."""
        if is_ssh(url):
            return ""
        host = address_of(url).name
        names = (name.lower().lstrip(".") for name in self.exempt)
        near = any(host == name or host.endswith(f".{name}") for name in names)
        return "" if near else self.url


NO_PROXY = Proxy()
