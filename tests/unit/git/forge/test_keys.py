"""What opens a forge, out of a Secret."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from controller.git.errors import ForgeRefusedError
from controller.git.forge.keys import App, Keys, gitea_keys, github_keys

WHERE = "Secret team/forge"
TRADITIONAL = serialization.PrivateFormat.TraditionalOpenSSL
PKCS8 = serialization.PrivateFormat.PKCS8
PEM, OPEN = serialization.Encoding.PEM, serialization.NoEncryption()
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(PEM, TRADITIONAL, OPEN)
EDWARDS = ed25519.Ed25519PrivateKey.generate().private_bytes(PEM, PKCS8, OPEN)
APP = {"appID": b"12345\n", "installationID": b"67", "privateKey": RSA}


def test_a_token_is_one_line() -> None:
    assert github_keys({"token": b"ghp_1\n"}, WHERE) == Keys("ghp_1")
    assert gitea_keys({"token": b"t", "bearerToken": b"b"}, WHERE) == Keys("t")
    assert gitea_keys({"bearerToken": b"b", "username": b"u"}, WHERE) == Keys("b")


def test_an_app_is_three_keys() -> None:
    assert github_keys(APP, WHERE) == Keys(app=App("12345", "67", RSA.decode().strip()))
    assert github_keys(APP | {"appID": b"Iv23liAbC"}, WHERE).app is not None


def test_nothing_of_it_shows() -> None:
    assert "BEGIN" not in repr(github_keys(APP, WHERE)) + repr(App("1", "2", RSA.decode()))
    assert "ghp_1" not in repr(Keys("ghp_1"))


@pytest.mark.parametrize(
    ("secret", "why"),
    [
        ({}, "holds no token, or appID, installationID and privateKey"),
        ({"token": b""}, "holds no token"),
        ({"token": b"a b"}, "holds no token"),
        ({"token": "ä".encode()}, "holds no token"),
        ({"token": b"\xff"}, "is not UTF-8"),
        ({"token": b"a\nb"}, "control characters"),
        ({"appID": b"1"}, "needs either token, or all of"),
        (APP | {"token": b"x"}, "keep one of the two"),
        (APP | {"privateKey": b"x"}, "the RSA key that GitHub made"),
        (APP | {"privateKey": EDWARDS}, "the RSA key that GitHub made"),
        (APP | {"privateKey": b"\xff"}, "is not UTF-8"),
        (APP | {"installationID": b"1/../2"}, "are numbers"),
        ({"token": b"x", "ca.crt": b"x"}, "ca.crt holds no certificate"),
    ],
)
def test_what_cannot_be_used_is_said(secret: dict[str, bytes], why: str) -> None:
    with pytest.raises(ForgeRefusedError, match=why) as caught:
        github_keys(secret, WHERE)
    assert caught.value.message.startswith(WHERE)


def test_gitea_is_told_its_own_keys() -> None:
    with pytest.raises(ForgeRefusedError, match=r"holds no token \(or bearerToken\)"):
        gitea_keys({"password": b"x"}, WHERE)
