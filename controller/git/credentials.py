"""What opens a repository, read from a Secret's keys as Flux names them. It never shows in a repr or a message."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from controller.git.errors import AuthenticationFailedError

NOT_YET = ("identity", "tls.crt", "tls.key")  # keys for transports that do not exist yet


@dataclass(frozen=True, slots=True, repr=False)
class Credentials:
    """The Authorization header of one remote; "" for a repository that everybody may read.

    It is sent with the first request already: waiting for the server's 401 would cost a request each time.
    """

    authorization: str = ""
    secrets: tuple[str, ...] = ()

    @property
    def headers(self) -> list[str]:
        """Header lines for every request to the remote."""
        return [f"Authorization: {self.authorization}"] if self.authorization else []

    @property
    def digest(self) -> str:
        """Tells two credentials apart without giving either away."""
        return hashlib.sha256(self.authorization.encode()).hexdigest()

    def redacted(self, text: str) -> str:
        """The text without any secret that a server may have sent back."""
        for secret in self.secrets:
            text = text.replace(secret, "***")
        return text

    def __repr__(self) -> str:
        return f"Credentials({self.authorization.partition(' ')[0] or 'none'})"


ANONYMOUS = Credentials()


def credentials_from(secret: Mapping[str, bytes], where: str) -> Credentials:
    """The credentials of a Secret's decoded data: `username` and `password`, or `bearerToken`.

    `where` names the Secret in messages. AuthenticationFailedError if it holds neither: people mend a Secret without
    touching the Fabric, so it is read again. A line break at the end (`echo … | base64`) is not part of a value.
    """
    values = {key: text_of(secret, key, where) for key in ("username", "password", "bearerToken") if key in secret}
    if token := values.get("bearerToken"):
        return Credentials(f"Bearer {token}", (token,))
    username, password = values.get("username", ""), values.get("password", "")
    if username and password:
        pair = base64.b64encode(f"{username}:{password}".encode()).decode()
        return Credentials(f"Basic {pair}", (pair, password))
    found = [key for key in NOT_YET if key in secret]
    hint = f" ({', '.join(found)} cannot be used yet)" if found else ""
    raise AuthenticationFailedError(
        f"{where} holds neither username and password nor bearerToken{hint}; add the keys that the Git server asks for"
    )


def text_of(secret: Mapping[str, bytes], key: str, where: str) -> str:
    """One value as text that fits into a header."""
    try:
        text = secret[key].decode().rstrip("\r\n")
    except UnicodeDecodeError:
        raise AuthenticationFailedError(f"{where}: {key} is not UTF-8 text; store the value itself") from None
    if any(ord(character) < 0x20 or ord(character) == 0x7F for character in text):
        raise AuthenticationFailedError(f"{where}: {key} holds control characters; store the value on one line")
    return text
