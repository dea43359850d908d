"""Encrypted files opened and written, with the real sops and the real parser: what is kept, for whom, how long."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import pytest

from controller.api.v1alpha1.fabric import Fabric
from controller.errors import Reason, RejectedError, WaitingError
from controller.kube.secrets import SecretReader
from controller.objects import canonical, decoded
from controller.sops.errors import DecryptionFailedError
from controller.sops.keys import Identities, identities_from
from controller.sops.locate import Found
from controller.sops.program import Abandoned, Sops
from controller.sync.parse.documents import DocRef, FileResult, Seal
from controller.sync.parsing import ParserPool
from controller.sync.profile import Installation, Profile, profile_of
from controller.sync.sealing import Sealing
from tests.support.sops import Keeper
from tests.support.wait import eventually

SECRET = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: a\nstringData:\n  key: one # about it\n  user: two\n"
HERE = Installation("5f0c3a52-0000-4000-8000-000000000000", "cluster/database", "tandem-system")


class Counting(Sops):
    """The real sops, with its runs counted."""

    runs = 0

    def decrypt(self, data: bytes, kind: str, identities: Identities, pulse: Abandoned) -> bytes:
        Counting.runs += 1
        return super().decrypt(data, kind, identities, pulse)


class Secrets:
    """What a reader of Secrets answers: the identities of a name, or that there is no such Secret."""

    def __init__(self) -> None:
        self.held: dict[str, Identities] = {}

    async def made(self, namespace: str, name: str, *_: Any, **__: Any) -> Identities:
        if name not in self.held:
            raise WaitingError(Reason.DECRYPTION_FAILED, f"Secret {namespace}/{name} does not exist; create it")
        return self.held[name]


@pytest.fixture
def ada(sops_program: Path, tmp_path: Path) -> Keeper:
    return Keeper(sops_program, tmp_path / "ada")


@pytest.fixture
def bob(sops_program: Path, tmp_path: Path) -> Keeper:
    return Keeper(sops_program, tmp_path / "bob")


@pytest.fixture
def secrets() -> Secrets:
    return Secrets()


@pytest.fixture
async def pool() -> AsyncIterator[ParserPool]:
    async with ParserPool(children=1) as pool:
        yield pool


@pytest.fixture
def sealing(sops_program: Path, tmp_path: Path, pool: ParserPool, secrets: Secrets) -> Sealing:
    Counting.runs = 0
    return Sealing(cast("SecretReader", secrets), Counting(lambda: Found(sops_program, "PATH"), tmp_path), pool)


def identities(keeper: Keeper, name: str = "age") -> Identities:
    return identities_from({"age.agekey": keeper.identity.encode()}, f"Secret team/{name}")


def profile(uid: str = "u", *, named: str = "age", recipients: tuple[str, ...] = (), **spec: Any) -> Profile:
    encryption = {"identitySecretRef": {"name": named}} if named else {}
    body = {
        "apiVersion": "tandem.dev/v1alpha1",
        "kind": "Fabric",
        "metadata": {"name": "shop", "namespace": "team", "uid": uid, "generation": 1},
        "spec": {
            "repository": {"url": "https://git.example.com/a.git"},
            "encryption": {**encryption, "recipients": list(recipients)},
            **spec,
        },
    }
    return profile_of(Fabric.from_object(body), HERE)


async def closed(pool: ParserPool, text: str, blob: str = "b") -> FileResult:
    return (await pool.parse([(blob, text.encode())]))[blob]


def value(result: FileResult) -> str:
    (document,) = result.documents
    return str(decoded(document.content)["data"]["key"])


async def test_a_file_is_opened_once_for_each_content_of_the_identities(
    sealing: Sealing, pool: ParserPool, secrets: Secrets, ada: Keeper, bob: Keeper
) -> None:
    text = ada.encrypt(SECRET, to=[ada.recipient, bob.recipient])
    shut = await closed(pool, text)
    secrets.held = {"age": identities(ada), "same": identities(ada, "same"), "bob": identities(bob, "bob")}
    first, same, other = [await sealing.key(profile(name, named=name)) for name in ("age", "same", "bob")]
    assert sealing.opened(first, "b") is None
    result = await sealing.open(first, "b", text.encode(), shut)
    assert (result.seal, result.complete, value(result)) == (Seal.OPEN, True, "b25l")
    assert sealing.opened(first, "b") is result
    assert sealing.opened(same, "b") is result
    assert sealing.opened(other, "b") is None, "it has to prove that it can open it"
    assert Counting.runs == 1


async def test_what_nobody_can_open_any_more_is_forgotten(
    sealing: Sealing, pool: ParserPool, secrets: Secrets, ada: Keeper, bob: Keeper
) -> None:
    text = ada.encrypt(SECRET)
    shut = await closed(pool, text)
    secrets.held = {"age": identities(ada)}
    key = await sealing.key(profile("one"))
    await sealing.key(profile("two"))
    await sealing.open(key, "b", text.encode(), shut)
    sealing.release("two")
    assert sealing.opened(key, "b") is not None, "the other has them still"
    secrets.held = {"age": identities(bob)}
    assert (await sealing.key(profile("one"))).digest != key.digest
    assert sealing.opened(key, "b") is None
    await sealing.open(key, "b", text.encode(), shut)
    assert sealing.opened(key, "b") is None, "nor is what comes after kept"


async def test_without_identities_it_says_what_is_missing(sealing: Sealing, pool: ParserPool, ada: Keeper) -> None:
    text = ada.encrypt(SECRET)
    shut = await closed(pool, text)
    for named, message in (("", "set spec.encryption.identitySecretRef"), ("age", "Secret team/age does not exist")):
        key = await sealing.key(profile(named=named))
        assert message in sealing.trouble(key)
        result = await sealing.open(key, "b", text.encode(), shut)
        assert (result.seal, result.faults[0].reason) == (Seal.CLOSED, Reason.DECRYPTION_FAILED)
        assert message in result.faults[0].message
        with pytest.raises(DecryptionFailedError, match=message):
            await sealing.edited(key, text.encode(), {}, ())
        with pytest.raises(DecryptionFailedError, match=message):
            await sealing.sealed(key, SECRET.encode(), [ada.recipient])
    assert Counting.runs == 0


async def test_a_failure_is_kept_unless_it_passes(
    sealing: Sealing, pool: ParserPool, secrets: Secrets, ada: Keeper, bob: Keeper, tmp_path: Path
) -> None:
    text = ada.encrypt(SECRET)
    shut = await closed(pool, text)
    secrets.held = {"age": identities(bob)}
    key = await sealing.key(profile())
    result = await sealing.open(key, "b", text.encode(), shut)
    assert "no identity of Secret team/age opens it" in result.faults[0].message
    assert sealing.opened(key, "b") == result
    assert sealing.trouble(key) == ""
    without = Sealing(cast("SecretReader", secrets), Sops(lambda: Found(None, "it is nowhere"), tmp_path), pool)
    key = await without.key(profile())
    missing = await without.open(key, "b", text.encode(), shut)
    assert missing.faults[0].message == without.trouble(key)
    assert "it is nowhere; install sops" in without.trouble(key)
    assert without.opened(key, "b") is None


async def test_recipients_that_no_identity_belongs_to_are_refused_where_anything_is_written(
    sealing: Sealing, secrets: Secrets, ada: Keeper, bob: Keeper
) -> None:
    secrets.held = {"age": identities(ada)}
    with pytest.raises(WaitingError, match="none of them belongs to an identity of Secret team/age") as caught:
        await sealing.key(profile(recipients=(bob.recipient,)))
    assert caught.value.reason is Reason.INVALID_SPEC
    assert await sealing.key(profile(recipients=(bob.recipient, ada.recipient)))
    assert await sealing.key(profile(recipients=(bob.recipient,), sync={"direction": "GitToCluster"}))


async def test_an_edit_keeps_what_it_does_not_change_to_the_byte(
    sealing: Sealing, pool: ParserPool, secrets: Secrets, ada: Keeper
) -> None:
    secrets.held = {"age": identities(ada)}
    key = await sealing.key(profile())
    old = ada.encrypt(SECRET).replace("metadata:\n    name: a", "metadata: {name: a}")
    (document,) = (await sealing.open(key, "b", old.encode(), await closed(pool, old))).documents
    content = decoded(document.content)
    content["data"]["key"] = "bmV3"
    new = (await sealing.edited(key, old.encode(), {DocRef(0): canonical(content)}, ())).decode()
    assert "key: new" in ada.decrypt(new)
    changed = {line.split(":")[0].strip() for line in set(new.splitlines()) - set(old.splitlines())}
    assert changed - {"lastmodified"} == {"key", "mac"}
    again = await sealing.edited(key, new.encode(), {DocRef(0): canonical(content)}, ())
    assert again == new.encode(), "there is nothing to do"


async def test_a_new_file_is_encrypted_for_all_recipients(
    sealing: Sealing, secrets: Secrets, ada: Keeper, bob: Keeper
) -> None:
    secrets.held = {"age": identities(ada)}
    key = await sealing.key(profile())
    new = (await sealing.sealed(key, SECRET.encode(), [ada.recipient, bob.recipient])).decode()
    assert ada.decrypt(new) == bob.decrypt(new)
    assert "name: a" in new
    assert "two" not in new


async def test_what_would_not_be_read_as_it_is_meant_is_not_written(
    sealing: Sealing, pool: ParserPool, secrets: Secrets, ada: Keeper, bob: Keeper, sops_program: Path, tmp_path: Path
) -> None:
    """A sops that writes for somebody else, or something else, is found out."""
    secrets.held = {"age": identities(ada)}
    key = await sealing.key(profile())
    with pytest.raises(RejectedError, match="would not say what is intended; encrypt the file with sops"):
        await sealing.sealed(key, SECRET.encode(), [bob.recipient])

    class Careless(Sops):
        def edit(self, data: bytes, text: bytes, kind: str, identities: Identities, pulse: Abandoned) -> bytes:
            return super().edit(data, text.replace(b"new", b"old"), kind, identities, pulse)

    careless = Sealing(cast("SecretReader", secrets), Careless(lambda: Found(sops_program, "PATH"), tmp_path), pool)
    key = await careless.key(profile())
    old = ada.encrypt(SECRET).encode()
    (document,) = (await sealing.open(key, "b", old, await closed(pool, old.decode()))).documents
    content = decoded(document.content)
    content["data"]["key"] = "bmV3"
    with pytest.raises(RejectedError, match="would not say what is intended; edit the file with sops"):
        await careless.edited(key, old, {DocRef(0): canonical(content)}, ())


async def test_no_more_than_two_run_at_once_and_one_that_is_not_waited_for_ends(
    pool: ParserPool, secrets: Secrets, ada: Keeper, tmp_path: Path
) -> None:
    script = tmp_path / "sops"
    script.write_text(f"#!/bin/sh\necho x >> {tmp_path}/runs\nexec /bin/sleep 1000\n")
    script.chmod(0o755)
    secrets.held = {"age": identities(ada)}
    sealing = Sealing(cast("SecretReader", secrets), Sops(lambda: Found(script, "--sops"), tmp_path), pool)
    key = await sealing.key(profile())
    shut = await closed(pool, ada.encrypt(SECRET))
    calls = [asyncio.create_task(sealing.open(key, str(n), b"data", shut)) for n in range(4)]
    runs = tmp_path / "runs"
    await eventually(lambda: runs.exists() and len(runs.read_text().split()) == 2)
    for call in calls:
        call.cancel()
    await asyncio.gather(*calls, return_exceptions=True)
    assert len(runs.read_text().split()) == 2
    await eventually(lambda: not list(tmp_path.glob("tandem-sops-*")))
