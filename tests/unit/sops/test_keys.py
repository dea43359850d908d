"""Identities out of a Secret: which entries count, what is refused, and that none is shown."""

from __future__ import annotations

import pytest
from pyrage import x25519

from controller.errors import Reason, WaitingError
from controller.sops.keys import MOST_BYTES, MOST_IDENTITIES, identities_from, is_recipient

ONE, TWO = x25519.Identity.generate(), x25519.Identity.generate()
WHERE = "Secret apps/age"
FILE = f"# created: 2026-11-21\n# public key: {ONE.to_public()}\n{ONE}\n".encode()


def test_all_identities_of_all_entries_count() -> None:
    found = identities_from({"age.agekey": FILE, "old.agekey": f" {TWO}\r\n{ONE}\n".encode(), "notes": b"x"}, WHERE)
    assert found.recipients == (str(ONE.to_public()), str(TWO.to_public()))
    assert found.text == f"{ONE}\n{TWO}"


def test_their_digest_depends_on_what_they_are_alone() -> None:
    first = identities_from({"age.agekey": FILE, "b.agekey": str(TWO).encode()}, WHERE)
    second = identities_from({"keys.agekey": f"{TWO}\n{ONE}".encode()}, WHERE)
    assert first.digest == second.digest != identities_from({"age.agekey": FILE}, WHERE).digest


def test_they_are_not_shown() -> None:
    assert "AGE-SECRET-KEY" not in repr(identities_from({"age.agekey": FILE}, WHERE))


BAD = {
    "no entry": ({"identity": FILE}, "no entry that ends in .agekey"),
    "empty": ({"age.agekey": b"# nothing\n"}, "no identity in its entries age.agekey"),
    "not a key": ({"age.agekey": b"\nhunter2-canary\n"}, "entry age.agekey, line 2 is no age identity"),
    "check sum": ({"age.agekey": str(ONE)[:-1].encode() + b"A"}, "line 1 is no age identity"),
    "plugin": ({"age.agekey": b"AGE-PLUGIN-YUBIKEY-1QQPQYQSZ"}, "line 1 is no age identity"),
    "ssh": ({"age.agekey": b"-----BEGIN OPENSSH PRIVATE KEY-----"}, "line 1 is no age identity"),
    "public": ({"age.agekey": str(ONE.to_public()).encode()}, "line 1 is no age identity"),
    "bytes": ({"age.agekey": b"\xff\xfe"}, "line 1 is no age identity"),
    "large": ({"age.agekey": b"#" * (MOST_BYTES + 1)}, f"more than {MOST_BYTES} bytes"),
    "many": (
        {"age.agekey": "\n".join(str(x25519.Identity.generate()) for _ in range(MOST_IDENTITIES + 1)).encode()},
        f"more than {MOST_IDENTITIES} identities",
    ),
}


@pytest.mark.parametrize(("entries", "message"), BAD.values(), ids=BAD)
def test_what_is_no_identity_is_named_and_not_shown(entries: dict[str, bytes], message: str) -> None:
    with pytest.raises(WaitingError, match=message) as caught:
        identities_from(entries, WHERE)
    assert caught.value.reason is Reason.DECRYPTION_FAILED
    assert caught.value.message.startswith(WHERE)
    assert str(ONE)[:30] not in caught.value.message
    assert "canary" not in caught.value.message


NO_RECIPIENTS = {
    "empty": "",
    "short": "age1",
    "blank": f"{ONE.to_public()} ",
    "upper case": str(ONE.to_public()).upper(),
    "check sum": str(ONE.to_public())[:-1] + ("x" if str(ONE.to_public())[-1] != "x" else "y"),
    "identity": str(ONE),
    "plugin": "age1yubikey1qqqq",
    "ssh": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB",
}


@pytest.mark.parametrize("text", NO_RECIPIENTS.values(), ids=NO_RECIPIENTS)
def test_only_an_x25519_key_is_a_recipient(text: str) -> None:
    assert is_recipient(str(ONE.to_public()))
    assert not is_recipient(text)
