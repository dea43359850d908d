"""The real sops, as Tandem runs it: what it sees, what it changes, and what its failures mean."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pyrage import x25519

from controller.sops.errors import DecryptionFailedError
from controller.sops.keys import Identities, identities_from
from controller.sops.locate import Found
from controller.sops.program import Abandoned, Sops
from controller.sops.room import sweep
from tests.support.wait import wait_until

KEY, OTHER = x25519.Identity.generate(), x25519.Identity.generate()
MINE = identities_from({"age.agekey": str(KEY).encode()}, "Secret apps/age")
THEIRS = identities_from({"age.agekey": str(OTHER).encode()}, "Secret apps/other")
PULSE = Abandoned()
CANARY = "canary-3c1f"

TEXT = f"""\
# the first
apiVersion: v1
kind: Secret
metadata:
    name: one
stringData:
    # about it
    key: {CANARY}
    other: unchanged
---
apiVersion: v1
kind: Secret
metadata:
    name: two
data:
    a: YQ==
""".encode()
JSON = b'{\n\t"apiVersion": "v1",\n\t"kind": "Secret",\n\t"data": {\n\t\t"a": "YQ==",\n\t\t"b": "Yg=="\n\t}\n}\n'
CASES = pytest.mark.parametrize(
    ("kind", "text", "old", "new"), [("yaml", TEXT, b"YQ==", b"Yg=="), ("json", JSON, b"YQ==", b"Yw==")]
)


@pytest.fixture
def sops(sops_program: Path, tmp_path: Path) -> Iterator[Sops]:
    place = tmp_path / "place"
    place.mkdir()
    yield Sops(lambda: Found(sops_program, "PATH"), place)
    assert list(place.iterdir()) == [], "nothing may stay"


def encrypted(sops: Sops, text: bytes = TEXT, kind: str = "yaml", identities: Identities = MINE) -> bytes:
    return sops.encrypt(text, kind, identities.recipients, PULSE)


@CASES
def test_what_is_encrypted_is_decrypted_again(sops: Sops, kind: str, text: bytes, old: bytes, new: bytes) -> None:
    data = encrypted(sops, text, kind)
    assert sops.decrypt(data, kind, MINE, PULSE) == text
    assert not re.search(rb'"?a"?: *"?' + re.escape(old), data), "four letters alone may well be in a ciphertext"
    assert CANARY.encode() not in data


@CASES
def test_an_edit_leaves_the_rest_as_it_was(sops: Sops, kind: str, text: bytes, old: bytes, new: bytes) -> None:
    before = encrypted(sops, text, kind)
    after = sops.edit(before, text.replace(old, new), kind, MINE, PULSE)
    assert sops.decrypt(after, kind, MINE, PULSE) == text.replace(old, new)
    changed = set(after.splitlines()) - set(before.splitlines())
    names = {line.split(b":")[0].strip(b' \t"') for line in changed}
    assert names - {b"mac", b"lastmodified"} == {b"a"}


def test_a_document_and_a_key_can_come_and_go(sops: Sops) -> None:
    before = encrypted(sops)
    more = TEXT.replace(b"    other: unchanged\n", b"    more: new\n") + b"---\n" + TEXT.split(b"---\n")[1]
    after = sops.edit(before, more, "yaml", MINE, PULSE)
    assert sops.decrypt(after, "yaml", MINE, PULSE) == more
    assert after.count(b"\nsops:\n") == 3
    less = TEXT.split(b"---\n")[0]
    again = sops.edit(after, less, "yaml", MINE, PULSE)
    assert sops.decrypt(again, "yaml", MINE, PULSE) == less


def test_several_recipients_each_open_it_and_an_edit_keeps_them(sops: Sops) -> None:
    data = sops.encrypt(TEXT, "yaml", [*MINE.recipients, *THEIRS.recipients], PULSE)
    after = sops.edit(data, TEXT.replace(b"unchanged", b"changed"), "yaml", THEIRS, PULSE)
    assert sops.decrypt(after, "yaml", MINE, PULSE) == sops.decrypt(after, "yaml", THEIRS, PULSE)
    assert after.count(b"recipient: age1") == data.count(b"recipient: age1") == 4


def _flipped(data: bytes) -> bytes:
    """With another first letter in the first value."""
    at = data.index(b"key: ENC[AES256_GCM,data:") + len(b"key: ENC[AES256_GCM,data:")
    return data[:at] + (b"A" if data[at : at + 1] != b"A" else b"B") + data[at + 1 :]


DAMAGE = {
    "another key": (lambda data: data, THEIRS, "no identity of Secret apps/other opens it; encrypt it for age1"),
    "readable part changed": (lambda data: data.replace(b"kind: Secret", b"kind: Secretive"), MINE, "its MAC does not"),
    "a document less": (lambda data: data.split(b"\n---\n")[0] + b"\n", MINE, "its MAC does not fit"),
    "a value of another's": (_flipped, MINE, "sops cannot read it"),
    "cut": (lambda data: data[: len(data) // 3], MINE, "sops cannot read it"),
    "no metadata": (lambda data: TEXT, MINE, "sops cannot read it"),
    "no YAML": (lambda data: b"a: [" + CANARY.encode(), MINE, "sops cannot read it"),
    "empty": (lambda data: b" ", MINE, "sops cannot read it"),
}


@pytest.mark.parametrize(("damage", "identities", "message"), DAMAGE.values(), ids=DAMAGE)
def test_what_cannot_be_decrypted_is_told_in_our_words(
    sops: Sops, damage: Callable[[bytes], bytes], identities: Identities, message: str
) -> None:
    with pytest.raises(DecryptionFailedError, match=message) as caught:
        sops.decrypt(damage(encrypted(sops)), "yaml", identities, PULSE)
    assert CANARY not in caught.value.message
    assert not caught.value.passing


SPY = """#!/bin/sh
tr '\\0' '\\n' < /proc/self/environ > {notes}/environ
tr '\\0' '\\n' < /proc/$$/cmdline > {notes}/cmdline
pwd > {notes}/folder
ls -a > {notes}/files
cat > /dev/null
"""


def spied(folder: Path, tail: str = "") -> Found:
    script = folder / "sops"
    script.write_text(SPY.format(notes=folder) + tail)
    script.chmod(0o755)
    return Found(script, "--sops")


def test_it_sees_nothing_but_the_identities(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", CANARY)
    place = tmp_path / "place"
    place.mkdir()
    Sops(lambda: spied(tmp_path), place).decrypt(b"data", "yaml", MINE, PULSE)
    environ = dict(line.split("=", 1) for line in (tmp_path / "environ").read_text().splitlines())
    home = (tmp_path / "folder").read_text().strip()
    assert {name: environ[name] for name in environ if name not in {"PWD", "OLDPWD", "SHLVL", "_"}} == {
        "HOME": home,
        "SOPS_AGE_KEY": str(KEY),
    }
    assert Path(home).parent == place
    assert (tmp_path / "files").read_text().split() == [".", ".."]
    assert "AGE-SECRET-KEY" not in (tmp_path / "cmdline").read_text()


FAILURES = {
    "hangs": ("sleep 1000", r"did not come to an end in 1 s and was stopped"),
    "dies": ("kill -9 $$", "ended by signal 9"),
}


@pytest.mark.parametrize(("tail", "message"), FAILURES.values(), ids=FAILURES)
def test_a_program_that_fails_is_tried_another_time(tmp_path: Path, tail: str, message: str) -> None:
    with pytest.raises(DecryptionFailedError, match=message) as caught:
        Sops(lambda: spied(tmp_path, tail), tmp_path, longest=1.0).decrypt(b"data", "yaml", MINE, PULSE)
    assert caught.value.passing


def test_a_program_that_is_not_there_says_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(DecryptionFailedError, match=r"no sops on PATH; install sops v3\.\d") as caught:
        Sops(lambda: Found(None, "there is no sops on PATH"), tmp_path).decrypt(b"", "yaml", MINE, PULSE)
    assert caught.value.passing
    gone = Sops(lambda: Found(tmp_path / "gone", "PATH"), tmp_path)
    with pytest.raises(DecryptionFailedError, match="cannot be run"):
        gone.decrypt(b"", "yaml", MINE, PULSE)


def test_too_much_of_an_answer_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DecryptionFailedError, match="more than 8388608 bytes"):
        Sops(lambda: spied(tmp_path, "head -c 9000000 /dev/zero"), tmp_path).decrypt(b"data", "yaml", MINE, PULSE)


def test_one_that_nobody_waits_for_is_ended(tmp_path: Path) -> None:
    pulse = Abandoned()
    pulse.leave()
    with pytest.raises(InterruptedError):
        Sops(lambda: spied(tmp_path, "echo $$ > pid; sleep 1000"), tmp_path).decrypt(b"data", "yaml", MINE, pulse)
    wait_until(lambda: not list(tmp_path.glob("tandem-sops-*")))


def test_creation_rules_in_a_folder_above_are_not_read(sops: Sops) -> None:
    rules = sops.place / ".sops.yaml"
    rules.write_text("creation_rules: [")
    try:
        assert re.search(rb"key: ENC\[", encrypted(sops))
    finally:
        rules.unlink()


def test_plain_text_is_in_no_file_that_others_may_read(sops_program: Path, tmp_path: Path) -> None:
    """While sops waits for its editor, all that lies in its folder is for the owner only."""
    seen: list[int] = []

    class Looking(Abandoned):
        def beat(self) -> None:
            seen.extend(found.stat().st_mode & 0o077 for found in tmp_path.glob("tandem-sops-*"))

    sops = Sops(lambda: Found(sops_program, "PATH"), tmp_path)
    data = encrypted(sops)
    sops.edit(data, TEXT.replace(b"YQ==", b"Yg=="), "yaml", MINE, Looking())
    assert seen
    assert set(seen) == {0}


# Edits, and dies by its own hand as soon as there is plain text in a file.
DYING = """
import os, signal, sys, threading
from pathlib import Path
from controller.sops.keys import identities_from
from controller.sops.locate import Found
from controller.sops.program import Abandoned, Sops
from controller.sops.room import sweep
program, place, data, text = map(Path, sys.argv[1:])
def die():
    while not list(place.glob("tandem-sops-*/*/file.yaml")): pass
    os.kill(os.getpid(), signal.SIGKILL)
threading.Thread(target=die, daemon=True).start()
key = identities_from({"age.agekey": os.environ["KEY"].encode()}, "x")
sops = Sops(lambda: Found(program, "PATH"), place)
while True: sops.edit(data.read_bytes(), text.read_bytes(), "yaml", key, Abandoned())
"""


def test_what_is_left_by_a_kill_is_no_plain_text_and_goes_with_the_next_start(sops: Sops, tmp_path: Path) -> None:
    data, text, program = tmp_path / "data", tmp_path / "text", sops.program()
    data.write_bytes(encrypted(sops))
    text.write_bytes(TEXT.replace(b"unchanged", b"changed"))
    command = [sys.executable, "-c", DYING, str(program), str(sops.place), str(data), str(text)]
    done = subprocess.run(command, env={"KEY": str(KEY)}, capture_output=True, timeout=60, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    wait_until(lambda: not list(sops.place.glob("tandem-sops-*/*/file.yaml")))
    left = [path for path in sops.place.rglob("*") if path.is_file()]
    assert [path.name for path in left] == ["file.yaml"]
    assert CANARY.encode() not in left[0].read_bytes()
    assert sweep(sops.place) == 1
