"""What opens a forge, read from a Secret's keys: a token, or a GitHub App. It never shows in a repr or a message."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from controller.api.v1alpha1.repository import ForgeType
from controller.errors import TandemError
from controller.git.credentials import check_authority, line_of, text_of
from controller.git.errors import ForgeRefusedError

_APP = ("appID", "installationID", "privateKey")
_APP_ID = re.compile(r"[A-Za-z0-9._-]{1,100}")  # the number, or the client ID, which GitHub takes as well
_NUMBER = re.compile(r"[0-9]{1,20}")


@dataclass(frozen=True, slots=True, repr=False)
class App:
    """A GitHub App as it is installed for one owner. `key` is PEM."""

    id: str
    installation: str
    key: str


@dataclass(frozen=True, slots=True, repr=False)
class Keys:
    """A token or an App. `authority`: the only certificates that are trusted, PEM; "" for the machine's."""

    token: str = ""
    app: App | None = None
    authority: str = ""


def github_keys(secret: Mapping[str, bytes], where: str) -> Keys:
    """`token`, or `appID`, `installationID` and `privateKey`; `ca.crt`. Raises ForgeRefusedError."""
    given = [key for key in _APP if key in secret]
    if not given:
        return _token_keys(secret, where, ("token",), "token, or appID, installationID and privateKey")
    if "token" in secret or len(given) < len(_APP):
        raise ForgeRefusedError(f"{where} needs either token, or all of {', '.join(_APP)}; keep one of the two")
    try:
        app = App(*(text_of(secret, key, where).strip() for key in _APP))
        readable = isinstance(load_pem_private_key(app.key.encode(), password=None), RSAPrivateKey)
    except TandemError as error:
        raise ForgeRefusedError(error.message) from None
    except (TypeError, ValueError, UnsupportedAlgorithm):
        readable = False
    if not (readable and _APP_ID.fullmatch(app.id) and _NUMBER.fullmatch(app.installation)):
        raise ForgeRefusedError(
            f"{where}: appID and installationID are numbers, and privateKey is the RSA key that GitHub made for the "
            "App, in PEM form; store them as they are"
        )
    return Keys(app=app, authority=_authority(secret, where))


def gitea_keys(secret: Mapping[str, bytes], where: str) -> Keys:
    """`token`, else `bearerToken`, so that the Secret of the repository can be named; `ca.crt`. As above."""
    return _token_keys(secret, where, ("token", "bearerToken"), "token (or bearerToken)")


READ_KEYS = {ForgeType.GITHUB: github_keys, ForgeType.GITEA: gitea_keys}


def _token_keys(secret: Mapping[str, bytes], where: str, names: tuple[str, ...], asked: str) -> Keys:
    try:
        token = next((found for name in names if (found := line_of(secret, name, where))), "")
    except TandemError as error:
        raise ForgeRefusedError(error.message) from None
    if not token.isascii() or not token or " " in token:
        raise ForgeRefusedError(f"{where} holds no {asked} that can be shown to the forge; store one")
    return Keys(token, authority=_authority(secret, where))


def _authority(secret: Mapping[str, bytes], where: str) -> str:
    try:
        authority = text_of(secret, "ca.crt", where)
        if authority:
            check_authority(authority, where)
    except TandemError as error:
        raise ForgeRefusedError(error.message) from None
    return authority
