"""Only what a trusted key signed is applied, and what Tandem commits is signed too."""

from __future__ import annotations

import json
from pathlib import Path

import pysequoia
import pytest

from tests.e2e.sync.looking import data
from tests.e2e.sync.manifests import CONFIG
from tests.support.fabrics import Fabrics
from tests.support.repository import Repository
from tests.support.signing import make_key, public_half, sign_with, verify_commit
from tests.support.tandem import Tandem

HEAD = {"verify": {"mode": "Head", "keysSecretRef": {"name": "keys"}}}
TAG = {"verify": {"mode": "Tag", "keysSecretRef": {"name": "keys"}}}
SIGNED = {**HEAD, "signWithSecretRef": {"name": "signer"}}


@pytest.fixture
def ada(tmp_path: Path) -> Path:
    return make_key(tmp_path / "keys", "ada")


@pytest.fixture
def ours(tmp_path: Path) -> Path:
    return make_key(tmp_path / "keys", "tandem")


def give_secret(fabrics: Fabrics, name: str, **values: str) -> None:
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": values}
    fabrics.kubectl("replace", "--force", "-f", "-", stdin=json.dumps(body))


def wait_refused(fabrics: Fabrics, commit: str, text: str) -> None:
    """The status says that this commit is not applied, and why."""

    def told(_: object) -> bool:
        said = fabrics.wait_condition("SourceReady", "False", "SignatureInvalid")["message"]
        assert text in said, said
        assert f"commit {commit[:12]} of main" in said, said
        return True

    fabrics.wait(told)
    fabrics.wait_condition("Ready", "False", "SignatureInvalid")


def test_only_what_is_signed_is_applied_and_what_is_written_back_is_signed(
    tandem: Tandem, fabrics: Fabrics, repository: Repository, ada: Path, ours: Path, tmp_path: Path
) -> None:
    stranger = make_key(tmp_path / "keys", "stranger")
    sign_with(repository.clone, ada)
    good = repository.publish({"cm.yaml": CONFIG})
    give_secret(fabrics, "keys", ada=public_half(ada), tandem=public_half(ours))
    give_secret(fabrics, "signer", identity=ours.read_text())
    fabrics.apply(repository.url, repository=SIGNED)
    fabrics.wait_synced(revision=good)

    sign_with(repository.clone, None)
    unsigned = repository.publish({"cm.yaml": CONFIG.replace("blue", "red")})
    wait_refused(fabrics, unsigned, "is not signed")
    sign_with(repository.clone, stranger)
    strange = repository.publish({"cm.yaml": CONFIG.replace("blue", "black")})
    wait_refused(fabrics, strange, "no trusted key made")
    assert fabrics.status()["revision"]["applied"] == good

    # An edit is neither put back nor pushed upon what nobody vouches for.
    fabrics.kubectl.patch("configmap", "web", {"data": {"size": "small"}})
    fabrics.eventually(lambda: fabrics.status().get("pending", {}).get("edits") == 1)
    assert data(fabrics, "web") == {"color": "blue", "size": "small"}
    assert repository.head() == strange

    sign_with(repository.clone, ada)
    repository.publish({"cm.yaml": CONFIG.replace("blue", "green")})
    fabrics.eventually(lambda: "size: small" in repository.show("cm.yaml"))
    written = repository.head()
    fabrics.wait_synced(revision=written)
    assert data(fabrics, "web") == {"color": "green", "size": "small"}
    repository.pull()
    assert verify_commit(repository.clone, written, ours)
    assert not verify_commit(repository.clone, written, ada)
    shown = json.dumps(fabrics.get()) + json.dumps(fabrics.events()) + tandem.logs(lines=10_000)
    assert not any(line in shown for line in ours.read_text().splitlines()[1:-1])


def test_keys_that_are_missing_or_unusable_are_told_until_they_are_right(
    tandem: Tandem, fabrics: Fabrics, repository: Repository, ada: Path, ours: Path
) -> None:
    sign_with(repository.clone, ada)
    good = repository.publish({"cm.yaml": CONFIG})
    fabrics.apply(repository.url, repository=SIGNED)

    def wait_said(text: str, reason: str = "SignatureInvalid") -> None:
        fabrics.wait(lambda _: text in fabrics.wait_condition("Ready", "False", reason)["message"])

    wait_said("spec.repository.verify.keysSecretRef does not exist; create it")
    give_secret(fabrics, "keys", ada="hello")
    wait_said("entry ada, line 1: is no public key")
    give_secret(fabrics, "keys", ada=public_half(ada))
    wait_said("spec.repository.signWithSecretRef does not exist; create it")
    give_secret(fabrics, "signer", identity="hello")
    wait_said("identity is no SSH private key")
    give_secret(fabrics, "signer", identity=ours.read_text())
    wait_said(f"add this line to Secret {fabrics.namespace}/keys: ssh-ed25519 ", "InvalidSpec")
    assert data(fabrics, "web") is None
    give_secret(fabrics, "keys", ada=public_half(ada), tandem=public_half(ours))
    fabrics.wait_synced(revision=good, deadline=90)


def test_after_a_restart_the_last_good_commit_is_still_what_holds(
    own_tandem: Tandem, fabrics: Fabrics, repository: Repository
) -> None:
    """Signed with OpenPGP; the branch has gone on to a commit that nobody signed."""
    key = pysequoia.Tsk.generate("Ada <ada@example.com>")
    give_secret(fabrics, "keys", **{"ada.asc": str(key.extract_certificate())})
    clone = repository.clone
    raw = clone("cat-file", "commit", clone.commit({"cm.yaml": CONFIG})) + "\n"
    signature = pysequoia.sign(key.signer(), raw.encode(), mode=pysequoia.SignatureMode.DETACHED).decode()
    head, message = raw.split("\n\n", 1)
    signed = f"{head}\ngpgsig {signature.strip().replace(chr(10), chr(10) + ' ')}\n\n{message}"
    good = clone("hash-object", "-t", "commit", "-w", "--stdin", stdin=signed.encode())
    clone("reset", "--quiet", "--hard", good)
    clone.push()
    fabrics.apply(repository.url, repository=HEAD, sync={"direction": "GitToCluster"})
    fabrics.wait_synced(revision=good)

    bad = repository.publish({"cm.yaml": CONFIG.replace("blue", "red")})
    wait_refused(fabrics, bad, "is not signed")
    own_tandem.stop()
    fabrics.kubectl.patch("configmap", "web", {"data": {"color": "pink"}})
    own_tandem.start()
    fabrics.eventually(lambda: data(fabrics, "web") == {"color": "blue", "size": "big"})
    wait_refused(fabrics, bad, "is not signed")
    assert fabrics.status()["revision"]["applied"] == good


def test_the_newest_tag_that_a_trusted_key_signed_is_applied(
    tandem: Tandem, fabrics: Fabrics, repository: Repository, ada: Path, tmp_path: Path
) -> None:
    clone, stranger = repository.clone, make_key(tmp_path / "keys", "stranger")
    give_secret(fabrics, "keys", ada=public_half(ada))
    first = repository.publish({"cm.yaml": CONFIG})
    fabrics.apply(repository.url, repository=TAG, sync={"direction": "GitToCluster"})

    def push_tag(name: str, key: Path | None, commit: str) -> None:
        if key is not None:
            sign_with(clone, key)
        clone("tag", "--annotate" if key is None else "--sign", "--message", name, name, commit)
        clone("push", "--quiet", "origin", f"refs/tags/{name}")

    def still(commit: str) -> None:
        fabrics.wait_handled(fabrics.request())
        assert fabrics.status()["revision"]["applied"] == commit

    def says_that_there_is_none(_: object) -> bool:
        said = fabrics.wait_condition("Ready", "False", "SignatureInvalid")["message"]
        return f"is signed by a key of spec.repository.verify.keysSecretRef and on branch {repository.branch}" in said

    fabrics.wait(says_that_there_is_none)
    push_tag("v1", ada, first)
    fabrics.wait_synced(revision=first)

    sign_with(clone, None)
    second = repository.publish({"cm.yaml": CONFIG.replace("blue", "red")})
    push_tag("v2", None, second)
    push_tag("v3", stranger, second)
    clone("push", "--quiet", "origin", f"{second}:refs/tags/v4")
    still(first)
    sign_with(clone, None)
    clone("checkout", "--quiet", "-b", "aside")
    aside = clone.commit({"cm.yaml": CONFIG.replace("blue", "pink")})
    push_tag("v5", ada, aside)
    still(first)
    push_tag("v6", ada, second)
    fabrics.wait_synced(revision=second)
    assert data(fabrics, "web") == {"color": "red", "size": "big"}

    # Back by a newer tag of the older commit; one that comes under another name than was signed stands for nothing.
    push_tag("v7", ada, first)
    fabrics.wait_synced(revision=first)
    assert data(fabrics, "web") == {"color": "blue", "size": "big"}
    clone("push", "--quiet", "origin", "refs/tags/v7:refs/tags/v8", ":refs/tags/v7")
    fabrics.wait_synced(revision=second)
