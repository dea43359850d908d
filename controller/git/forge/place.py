"""Where the forge of a repository is spoken to: its API, and what it calls the repository. Pure.

Worked out from the repository's URL as far as the forges' own documentation allows; `apiURL` says the rest.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from controller.api.v1alpha1.repository import ForgeType
from controller.git.errors import UrlRefusedError
from controller.git.remote import Address, address_of, printable

GITHUB = "https://api.github.com"
_GITHUB_HOSTS = frozenset({"github.com", "www.github.com", "ssh.github.com"})  # the last: ssh over port 443
_RESIDENT = ".ghe.com"  # GitHub Enterprise Cloud with data residency: its API is at api.<name>.ghe.com
_NAME = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9._-]{1,100}")
_PATH = re.compile(r"(/[A-Za-z0-9._~-]+)*/?")


@dataclass(frozen=True, slots=True)
class ForgePlace:
    """The requests of one repository into one branch. `api` has no slash at its end."""

    type: ForgeType
    api: str
    owner: str
    name: str
    base: str


def place_of(kind: ForgeType, repository: str, api: str | None, base: str) -> ForgePlace:
    """The place for a repository's URL. `api` is what the spec says, None where it leaves it out.

    Raises ValueError with what to write instead.
    """
    address = _address(repository, "spec.repository.url")
    *above, owner, name = ["", "", *address.path.strip("/").removesuffix(".git").split("/")]
    if not (_NAME.fullmatch(owner) and _NAME.fullmatch(name)):
        raise ValueError(
            f"spec.repository.forge: the path of {printable(repository)!r} is not owner/name, as a forge has it; write "
            "the URL that the forge shows for cloning, or leave forge out"
        )
    prefix = "".join(f"/{part}" for part in above if part)
    return ForgePlace(kind, (api or _api(kind, address, prefix)).rstrip("/"), owner, name, base)


def check_api(api: str, *, allow_insecure: bool) -> None:
    """Raise ValueError unless tokens may be sent to this URL. `allow_insecure`: also without TLS."""
    address = _address(api, "spec.repository.forge.apiURL")
    if address.scheme not in {"https", "http"} or address.user or address.extra or not _PATH.fullmatch(address.path):
        raise ValueError(
            f"spec.repository.forge.apiURL: {printable(api)!r} is not the plain URL of an API; write "
            "https://git.example.com/api/v1 (Gitea) or https://github.example.com/api/v3 (GitHub Enterprise Server)"
        )
    if address.scheme == "http" and not allow_insecure:
        raise ValueError(
            f"spec.repository.forge.apiURL: {printable(api)!r} is not encrypted, and a token would be sent over it; "
            "write https://…, or allow it: --allow-insecure-git"
        )


def _address(url: str, field: str) -> Address:
    try:
        return address_of(url)
    except UrlRefusedError as error:
        raise ValueError(f"{field}: {error.message}") from None


def _api(kind: ForgeType, address: Address, prefix: str) -> str:
    """Where the API is by default. Of an ssh URL only the host says anything about it."""
    if kind is ForgeType.GITHUB and address.name in _GITHUB_HOSTS:
        return GITHUB
    if kind is ForgeType.GITHUB and address.name.endswith(_RESIDENT):
        return f"https://api.{address.name}"
    if address.scheme == "ssh":
        root = f"https://{address.host.lower()}"
    else:
        port = "" if address.port is None else f":{address.port}"
        root = f"{address.scheme}://{address.host.lower()}{port}{prefix}"
    return f"{root}/api/v3" if kind is ForgeType.GITHUB else f"{root}/api/v1"
