"""age keys: the identities in a Secret, and the recipients that a file is encrypted for.

Only X25519 keys, `age1…` and `AGE-SECRET-KEY-1…`: a plugin's key would start a program, an ssh key would be looked for
in the home of whoever runs the controller. pyrage is met nowhere else.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

import pyrage

from controller.errors import Reason, WaitingError

SUFFIX = ".agekey"  # of the entries that count, as Flux has it
MOST_IDENTITIES = 100
MOST_BYTES = 64 << 10  # of all entries; a hundred identities with comments are a fifth of it


@dataclass(frozen=True, slots=True)
class Identities:
    """Private keys. `digest` tells two contents apart; `recipients` are their public halves, `where` the Secret."""

    text: str = field(repr=False)
    digest: str = field(repr=False)
    recipients: tuple[str, ...]
    where: str


def identities_from(entries: Mapping[str, bytes], where: str) -> Identities:
    """The identities in a Secret. Raises WaitingError(DecryptionFailed) where there is none, or one cannot be read."""
    named = {name: text for name, text in sorted(entries.items()) if name.endswith(SUFFIX)}
    if not named:
        raise _unusable(f"{where} has no entry that ends in {SUFFIX}; put what age-keygen wrote into one")
    if sum(map(len, named.values())) > MOST_BYTES:
        raise _unusable(f"{where} has more than {MOST_BYTES} bytes of identities; leave out those that open nothing")
    found: dict[str, str] = {}
    for name, text in named.items():
        for number, line in enumerate(text.decode(errors="replace").splitlines(), start=1):
            if (line := line.strip()) and not line.startswith("#"):
                found[line] = _recipient(line, f"{where}, entry {name}, line {number}")
    if not found:
        raise _unusable(f"{where} has no identity in its entries {', '.join(named)}; put what age-keygen wrote there")
    if len(found) > MOST_IDENTITIES:
        raise _unusable(f"{where} has more than {MOST_IDENTITIES} identities; leave out those that open nothing")
    digest = hashlib.sha256("\n".join(sorted(found)).encode()).hexdigest()
    return Identities("\n".join(found), digest, tuple(found.values()), where)


def is_recipient(text: str) -> bool:
    """Whether a text is the public half of an X25519 key, with the right check sum."""
    try:
        return str(pyrage.x25519.Recipient.from_str(text)) == text
    except pyrage.RecipientError:
        return False


def _recipient(line: str, where: str) -> str:
    try:
        return str(pyrage.x25519.Identity.from_str(line).to_public())
    except pyrage.IdentityError:
        message = (
            f"{where} is no age identity; it must be one X25519 key a line, AGE-SECRET-KEY-1…, as age-keygen writes"
        )
        raise _unusable(message) from None


def _unusable(message: str) -> WaitingError:
    return WaitingError(Reason.DECRYPTION_FAILED, message)
