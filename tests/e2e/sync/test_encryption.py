"""Encrypted files, both ways, beside people with the real sops."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.sync.looking import wait_error
from tests.e2e.sync.manifests import CONFIG
from tests.support.fabrics import Fabrics, condition_of
from tests.support.repository import Repository
from tests.support.sops import Keeper
from tests.support.tandem import Stage, Tandem

SECRET = """\
# what the shop pays with
apiVersion: v1
kind: Secret
metadata:
  name: pay
  labels:
    app: shop
stringData:
  # asked for by the bank
  key: first-key   # rotated in May
  user: shop
data:
  other: b3RoZXI=
"""


@pytest.fixture
def ada(sops_program: Path, tmp_path: Path) -> Keeper:
    """A person who encrypts for herself and for Tandem."""
    return Keeper(sops_program, tmp_path / "ada")


@pytest.fixture
def ours(sops_program: Path, tmp_path: Path) -> Keeper:
    """Whose identity Tandem has."""
    return Keeper(sops_program, tmp_path / "ours")


def give_identity(fabrics: Fabrics, *keepers: Keeper, name: str = "sops-age") -> None:
    text = "# made by age-keygen\n" + "\n".join(keeper.identity for keeper in keepers)
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": {"age.agekey": text}}
    fabrics.kubectl("replace", "--force", "-f", "-", stdin=json.dumps(body))


def encryption(*recipients: Keeper, name: str = "sops-age") -> dict[str, Any]:
    said: dict[str, Any] = {"identitySecretRef": {"name": name}}
    return said | ({"recipients": [keeper.recipient for keeper in recipients]} if recipients else {})


def values(fabrics: Fabrics, name: str = "pay") -> dict[str, str] | None:
    found = fabrics.kubectl.find("secret", name)
    data = (found or {}).get("data") or {}
    return None if found is None else {key: base64.b64decode(value).decode() for key, value in data.items()}


def changed_keys(repository: Repository, old: str, new: str = "") -> set[str]:
    """The keys of the lines that differ between two revisions."""
    return {line[1:].strip().strip('"').split(":")[0].strip('"') for line in repository.changed_lines(old, new)}


def test_a_secret_goes_round_between_people_with_sops_and_the_cluster(
    sops_program: Path, tandem: Tandem, fabrics: Fabrics, repository: Repository, ada: Keeper, ours: Keeper
) -> None:
    sealed = ada.encrypt(SECRET, to=[ada.recipient, ours.recipient])
    assert "first-key" not in sealed
    give_identity(fabrics, ours)
    first = repository.publish({"apps/pay.yaml": sealed, "cm.yaml": CONFIG})
    fabrics.apply(repository.url, encryption=encryption())
    fabrics.wait_synced(revision=first)
    assert values(fabrics) == {"key": "first-key", "user": "shop", "other": "other"}

    # A live edit: one value is encrypted anew, and all else is byte for byte what it was.
    fabrics.kubectl.patch("secret", "pay", {"stringData": {"key": "live-key"}})
    fabrics.eventually(lambda: repository.head() != first)
    second = repository.head()
    assert repository.log(f"{first}..{second}")[0].trailers["Field-Manager"] == ["kubectl-patch"]
    assert changed_keys(repository, first) == {"key", "mac", "lastmodified"}
    text = repository.show("apps/pay.yaml")
    assert "key: live-key" in ada.decrypt(text)
    assert "live-key" not in text
    fabrics.wait_synced(revision=second)

    # Keys come and go.
    fabrics.kubectl.patch("secret", "pay", {"data": {"user": None}, "stringData": {"more": "new"}})
    fabrics.eventually(lambda: repository.head() != second)
    third = repository.head()
    assert changed_keys(repository, second) >= {"user", "more", "mac"}
    assert changed_keys(repository, second) <= {"user", "more", "mac", "lastmodified", "data"}
    assert "user" not in ada.decrypt(repository.show("apps/pay.yaml"))
    fabrics.wait_synced(revision=third)

    # And people go on with it.
    fourth = repository.publish({"apps/pay.yaml": ada.edit(repository.show("apps/pay.yaml"), "live-key", "next-key")})
    fabrics.wait_synced(revision=fourth)
    assert values(fabrics) == {"key": "next-key", "other": "other", "more": "new"}
    fifth = repository.publish({"apps/pay.yaml": ada.set(repository.show("apps/pay.yaml"), ["data", "other"], "c2V0")})
    fabrics.wait_synced(revision=fifth)
    assert values(fabrics) == {"key": "next-key", "other": "set", "more": "new"}
    assert fabrics.status()["conflicts"] == 0
    fabrics.wait_handled(fabrics.request())
    assert repository.head() == fifth


def test_an_edit_touches_only_what_it_changes_in_any_layout(
    sops_program: Path, tandem: Tandem, fabrics: Fabrics, repository: Repository, ours: Keeper
) -> None:
    """Several documents in a file, comments behind values, another indent than sops has, JSON, another rule."""
    two = SECRET + "---\n" + SECRET.replace("name: pay", "name: ship").replace("first-key", "other-key")
    plain = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "json"}, "data": {"a": "YQ==", "b": "Yg=="}}
    whole = SECRET.replace("name: pay", "name: whole")
    files = {
        "two.yaml": ours.encrypt(two).replace("stringData:\n    ", "stringData:\n\n    "),
        "a.json": json.dumps(json.loads(ours.encrypt(json.dumps(plain), name="a.json")), indent=1),
        "whole.yaml": ours.encrypt(whole, rules=("--unencrypted-regex", "^(apiVersion|kind|metadata|user)$")),
    }
    give_identity(fabrics, ours)
    first = repository.publish(files)
    fabrics.apply(repository.url, encryption=encryption())
    fabrics.wait_synced(revision=first)
    fabrics.kubectl.patch("secret", "ship", {"stringData": {"key": "edited-ship"}})
    fabrics.eventually(lambda: repository.head() != first)
    second = repository.head()
    lines = repository.changed_lines(first, second)
    names = [line[1:].strip().split(":")[0] for line in lines if line.startswith("+")]
    assert sorted(name for name in names if name != "lastmodified") == ["key", "mac", "mac"], names
    assert len(lines) == 2 * len(names)
    assert "\n\n" in repository.show("two.yaml")
    assert "key: edited-ship" in ours.decrypt(repository.show("two.yaml")).split("\n---\n")[1]

    fabrics.kubectl.patch("secret", "json", {"data": {"b": "Yw=="}})
    fabrics.eventually(lambda: repository.head() != second)
    third = repository.head()
    assert changed_keys(repository, second, third) == {"b", "mac", "lastmodified"}
    assert json.loads(ours.decrypt(repository.show("a.json"), name="a.json"))["data"] == {"a": "YQ==", "b": "Yw=="}

    # A rule of the file's that leaves a value readable: nothing secret goes there.
    fabrics.kubectl.patch("secret", "whole", {"stringData": {"user": "canary-in-clear"}})
    error = wait_error(fabrics, reason="EncryptionRequired", file="whole.yaml")
    assert "would leave /stringData/user of Secret whole readable" in error["message"]
    assert repository.head() == third
    fabrics.kubectl.patch("secret", "whole", {"stringData": {"user": "shop", "key": "edited-whole"}})
    fabrics.eventually(lambda: repository.head() != third)
    assert "key: edited-whole" in ours.decrypt(repository.show("whole.yaml"))

    # A document goes, the other stays as it was.
    fourth = repository.head()
    fabrics.patch({"deletion": {"propagate": "Observed", "settle": "0s"}})
    fabrics.wait_synced(revision=fourth)
    fabrics.kubectl("delete", "secret", "pay")
    fabrics.eventually(lambda: repository.head() != fourth)
    left = repository.show("two.yaml")
    assert "name: pay" not in left
    assert "key: edited-ship" in ours.decrypt(left)
    assert {line.split(":")[0] for line in repository.changed_lines(fourth) if line[0] == "+"} <= {
        *["+    lastmodified", "+    mac", "+# what the shop pays with"]
    }
    fabrics.wait_synced(revision=repository.head())


def test_what_stands_in_clear_is_encrypted_when_tandem_writes_it(
    sops_program: Path, tandem: Tandem, fabrics: Fabrics, repository: Repository, ada: Keeper, ours: Keeper
) -> None:
    """Imports and edits for the Fabric's recipients; a file that holds more than Secrets is left to people."""
    mixed = CONFIG + "---\n" + SECRET.replace("name: pay", "name: mixed")
    give_identity(fabrics, ours)
    first = repository.publish({"clear.yaml": SECRET, "mixed.yaml": mixed})
    live = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "live"}, "stringData": {"key": "live-value"}}
    token = live | {"metadata": {"name": "token"}, "type": "bootstrap.kubernetes.io/token", "stringData": {"a": "b"}}
    fabrics.kubectl.apply(json.dumps(live))
    fabrics.kubectl.apply(json.dumps(token))
    resources = [{"kind": "ConfigMap"}, {"kind": "Secret", "import": True}]
    fabrics.apply(repository.url, resources=resources, encryption=encryption(ada, ours))
    fabrics.eventually(lambda: repository.head() != first)
    imported = repository.show("secrets/live.yaml")
    assert repository.files() == ["clear.yaml", "mixed.yaml", "secrets/live.yaml"], "neither token nor identity"
    assert "name: live" in imported
    for keeper in (ada, ours):
        assert base64.b64encode(b"live-value").decode() in keeper.decrypt(imported)
    assert "encrypted_regex: ^(data|stringData)$" in imported
    fabrics.wait_synced(revision=repository.head())

    second = repository.head()
    fabrics.kubectl.patch("secret", "pay", {"stringData": {"key": "edited-key"}})
    fabrics.eventually(lambda: repository.head() != second)
    sealed = repository.show("clear.yaml")
    assert "shop" not in sealed.split("stringData:")[1]
    assert "key: edited-key" in ada.decrypt(sealed)
    fabrics.wait_synced(revision=repository.head())

    third = repository.head()
    fabrics.kubectl.patch("secret", "mixed", {"stringData": {"key": "edited-key"}})
    error = wait_error(fabrics, reason="EncryptionRequired", file="mixed.yaml")
    assert "also holds objects that are no Secrets" in error["message"]
    assert repository.head() == third
    fabrics.kubectl.patch("configmap", "web", {"data": {"color": "green"}})
    fabrics.eventually(lambda: "green" in repository.show("mixed.yaml"))
    fabrics.kubectl.patch("secret", "mixed", {"stringData": {"key": "first-key"}})
    fabrics.wait_synced(revision=repository.head())


def test_a_conflict_about_an_encrypted_secret_is_decided_without_a_value(
    sops_program: Path, tandem: Tandem, fabrics: Fabrics, repository: Repository, ours: Keeper
) -> None:
    give_identity(fabrics, ours)
    sealed = ours.encrypt(SECRET)
    first = repository.publish({"pay.yaml": sealed})
    fabrics.apply(repository.url, encryption=encryption())
    fabrics.wait_synced(revision=first)
    fabrics.patch({"suspend": True})
    repository.publish({"pay.yaml": ours.edit(sealed, "first-key", "git-key")})
    fabrics.kubectl.patch("secret", "pay", {"stringData": {"key": "live-key"}})
    fabrics.patch({"suspend": False})
    conflict = fabrics.wait_conflict()
    (field,) = conflict["spec"]["fields"]
    assert (field["path"], field["git"], field["cluster"]) == ("/data/key", "(hidden)", "(hidden)")
    name = conflict["metadata"]["name"]
    by_hand = {"strategy": "Manual", "decisions": [{"path": "/data/key", "choose": "Value", "value": "eA=="}]}
    fabrics.kubectl.patch("syncconflict", name, {"spec": {"resolution": by_hand}})

    def refused() -> bool:
        ready = condition_of(fabrics.kubectl.json("get", "syncconflict", name), "Ready")
        return ready["reason"] == "ResolutionFailed" and "does not belong into a SyncConflict" in ready["message"]

    fabrics.eventually(refused)
    fabrics.kubectl.patch("syncconflict", name, {"spec": {"resolution": {"strategy": "ClusterWins"}}})
    fabrics.eventually(lambda: "key: live-key" in ours.decrypt(repository.show("pay.yaml")))
    fabrics.wait_synced(revision=repository.head())


def break_mac(text: str) -> str:
    return text.replace("app: shop", "app: shopping")


def cut(text: str) -> str:
    return text[: text.index("lastmodified")]


def with_cloud_key(text: str) -> str:
    return text.replace(
        "sops:\n", "sops:\n    kms:\n        - arn: arn:aws:kms:eu-west-1:1:key/x\n          enc: eA==\n"
    )


def of_another_sops(text: str) -> str:
    return text.replace("version: 3.", "version: 99.")


BROKEN = {
    "mac": (break_mac, "its MAC does not fit"),
    "cut": (cut, "sops metadata lack lastmodified"),
    "cloud": (with_cloud_key, "a key of AWS KMS (kms)"),
    "newer": (of_another_sops, "written by another sops than one of version 3"),
}


def test_one_file_that_cannot_be_opened_holds_up_nobody_else(
    sops_program: Path, tandem: Tandem, fabrics: Fabrics, repository: Repository, ada: Keeper, ours: Keeper
) -> None:
    """Everything that may be wrong with a file at once; each is named, nothing is pruned, and each recovers."""
    give_identity(fabrics, ours)
    good = {f"{name}.yaml": ours.encrypt(SECRET.replace("name: pay", f"name: {name}")) for name in (*BROKEN, "theirs")}
    first = repository.publish(good | {"cm.yaml": CONFIG})
    fabrics.apply(repository.url, encryption=encryption())
    fabrics.wait_synced(revision=first)
    bad: dict[str, str | bytes | None] = {
        f"{name}.yaml": harm(good[f"{name}.yaml"]) for name, (harm, _) in BROKEN.items()
    }
    bad["theirs.yaml"] = ada.encrypt(SECRET.replace("name: pay", "name: theirs"))
    bad["cm.yaml"] = CONFIG.replace("blue", "green")
    second = repository.publish(bad)
    for name, (_, message) in BROKEN.items():
        error = wait_error(fabrics, reason="DecryptionFailed", file=f"{name}.yaml")
        assert message in error["message"]
    theirs = wait_error(fabrics, reason="DecryptionFailed", file="theirs.yaml")
    assert f"no identity of Secret {fabrics.namespace}/sops-age opens it" in theirs["message"]
    assert ours.recipient in theirs["message"]
    assert "DecryptionFailed" in fabrics.wait_condition("Ready", "False", "DocumentsFailed")["message"]
    fabrics.wait_condition("SourceReady", "True", "Fetched")
    fabrics.wait_applied(second)
    fabrics.eventually(lambda: (fabrics.config_map("web") or {})["data"]["color"] == "green")
    for name in (*BROKEN, "theirs"):
        assert (values(fabrics, name) or {})["key"] == "first-key"

    # An edit of an object whose file cannot be read stays live.
    fabrics.kubectl.patch("secret", "mac", {"stringData": {"key": "live-key"}})
    fabrics.kubectl.patch("configmap", "web", {"data": {"color": "red"}})
    fabrics.eventually(lambda: "red" in repository.show("cm.yaml"))
    assert (values(fabrics, "mac") or {})["key"] == "live-key"
    fabrics.kubectl.patch("secret", "mac", {"stringData": {"key": "first-key"}})

    # The key that was missing comes; the files are put right.
    give_identity(fabrics, ours, ada)
    fabrics.wait(lambda found: found["status"]["errorCount"] == len(BROKEN))
    third = repository.publish({name: good[name] for name in good if name != "theirs.yaml"})
    fabrics.wait_synced(revision=third)


def test_without_its_identities_a_fabric_reads_no_encrypted_file_until_they_are_there(
    sops_program: Path, tandem: Tandem, fabrics: Fabrics, repository: Repository, ada: Keeper, ours: Keeper
) -> None:
    first = repository.publish({"pay.yaml": ours.encrypt(SECRET), "cm.yaml": CONFIG})
    fabrics.apply(repository.url)
    said = fabrics.wait_condition("Ready", "False", "DecryptionFailed")["message"]
    assert "names no identities; set spec.encryption.identitySecretRef" in said
    fabrics.wait_condition("SourceReady", "False", "DecryptionFailed")
    fabrics.eventually(lambda: fabrics.config_map("web") is not None)
    assert values(fabrics) is None

    fabrics.patch({"encryption": encryption()})
    gone = f"Secret {fabrics.namespace}/sops-age of spec.encryption.identitySecretRef does not exist"
    fabrics.eventually(lambda: gone in fabrics.condition("Ready")["message"])
    give_identity(fabrics, ours, name="sops-age")
    fabrics.wait_synced(revision=first)
    assert (values(fabrics) or {})["key"] == "first-key"

    # Another fabric of the same repository, with another identity, sees nothing of it.
    give_identity(fabrics, ada, name="others")
    fabrics.apply(repository.url, "other", encryption=encryption(name="others"), resources=[{"kind": "Secret"}])

    def shut(found: dict[str, Any]) -> bool:
        errors = found.get("status", {}).get("errors", [])
        return any("others opens it" in error["message"] for error in errors if error["file"] == "pay.yaml")

    fabrics.wait(shut, "other")
    fabrics.kubectl("delete", "fabric", "other")

    # Rotated: the file is encrypted for another key, then the Secret has it.
    second = repository.publish({"pay.yaml": ada.encrypt(SECRET.replace("first-key", "second-key"))})
    wait_error(fabrics, reason="DecryptionFailed", file="pay.yaml")
    give_identity(fabrics, ada)
    fabrics.wait_synced(revision=second)
    assert (values(fabrics) or {})["key"] == "second-key"

    # What no identity can be made of is told by its place.
    body = {"stringData": {"age.agekey": "hunter2-canary"}}
    fabrics.kubectl.patch("secret", "sops-age", body)
    third = repository.publish({"pay.yaml": ada.encrypt(SECRET.replace("first-key", "third-key"))})
    fabrics.patch({"suspend": True})
    fabrics.patch({"suspend": False, "sync": {"interval": "2s"}})
    fabrics.request()
    fabrics.eventually(lambda: (values(fabrics) or {})["key"] == "third-key" or is_told(fabrics))
    give_identity(fabrics, ada)
    fabrics.wait_synced(revision=third)


def is_told(fabrics: Fabrics) -> bool:
    return "entry age.agekey, line 1 is no age identity" in fabrics.condition("Ready").get("message", "")


def test_a_spec_that_would_lock_the_fabric_out_is_refused(
    sops_program: Path, tandem: Tandem, fabrics: Fabrics, repository: Repository, ada: Keeper, ours: Keeper
) -> None:
    give_identity(fabrics, ours)
    first = repository.publish({"cm.yaml": CONFIG})
    wrong = ada.recipient[:-1] + ("q" if ada.recipient[-1] != "q" else "p")
    said = {"identitySecretRef": {"name": "sops-age"}, "recipients": [ours.recipient, wrong]}
    fabrics.apply(repository.url, encryption=said)
    message = fabrics.wait_condition("Stalled", "True", "InvalidSpec")["message"]
    assert f"spec.encryption.recipients[1]: '{wrong}' is no age recipient" in message
    fabrics.patch({"encryption": encryption(ada)})
    message = fabrics.wait_condition("Ready", "False", "InvalidSpec")["message"]
    assert "none of them belongs to an identity of Secret" in message
    assert ours.recipient in message
    give_identity(fabrics, ours, ada)
    fabrics.wait_synced(revision=first)


SLOW = """#!/bin/sh
# Hangs while there is a file beside it, else is the real one.
test -e {wait} && exec sleep 1000
exec {program} "$@"
"""


def test_without_the_program_all_else_goes_on(
    sops_program: Path,
    make_tandem: Callable[..., Tandem],
    stage: Stage,
    fabrics: Fabrics,
    repository: Repository,
    ours: Keeper,
    tmp_path: Path,
) -> None:
    """Missing, then hanging, then there: nobody restarts anything."""
    program, hold = tmp_path / "bin" / "sops", tmp_path / "hold"
    program.parent.mkdir()
    stage.enter(make_tandem(flags=["--sops", str(program)]))
    give_identity(fabrics, ours)
    first = repository.publish({"pay.yaml": ours.encrypt(SECRET), "cm.yaml": CONFIG})
    fabrics.apply(repository.url, encryption=encryption())
    said = fabrics.wait_condition("Ready", "False", "DecryptionFailed")["message"]
    assert f"--sops {program} is no program; install sops v3" in said
    fabrics.eventually(lambda: fabrics.config_map("web") is not None)
    hold.touch()
    program.write_text(SLOW.format(wait=hold, program=sops_program))
    program.chmod(0o755)
    error = wait_error(fabrics, reason="DecryptionFailed", message="did not come to an end in 20 s and was stopped")
    assert error["file"] == "pay.yaml"
    fabrics.kubectl.patch("configmap", "web", {"data": {"color": "green"}})
    hold.unlink()
    fabrics.eventually(lambda: "green" in repository.show("cm.yaml"))
    fabrics.wait_synced(revision=repository.head())
    assert (values(fabrics) or {})["key"] == "first-key"
    assert repository.log(f"{first}..")[0].subject.startswith("Write back 1 object")
