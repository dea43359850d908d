"""What sops wrote, in the spelling that the file had: only what changed differs, and nothing secret is readable."""

from __future__ import annotations

import re

import pytest

from controller.bounds import Bounds
from controller.errors import Reason
from controller.sync.parse.edit import EditRefusedError
from controller.sync.parse.respell import Text, respelled

BOUNDS = Bounds()


def enc(value: str) -> str:
    return f"ENC[AES256_GCM,data:{value},iv:x,tag:y,type:str]"


PLAIN = """\
# the first

apiVersion: v1
kind: Secret
metadata: {name: a}
stringData:
  key: one   # about it
  user: 'two'
"""
OLD = PLAIN.replace("one", enc("one")).replace("two", enc("two")) + f"sops:\n  mac: {enc('old')}\n  version: 3.7.0\n"
# As sops lays it out.
NEW = f"""\
# the first
apiVersion: v1
kind: Secret
metadata:
    name: a
stringData:
    # about it
    key: {enc("changed")}
    user: {enc("two")}
sops:
    mac: {enc("new")}
    version: 3.13.3
"""


def lines(old: str, new: bytes) -> set[str]:
    """The lines that are new."""
    return {line.strip() for line in set(new.decode().splitlines()) - set(old.splitlines())}


def test_only_the_values_that_changed_are_put_into_the_old_bytes() -> None:
    result = respelled(Text(OLD.encode()), Text(NEW.encode()), (), BOUNDS)
    assert lines(OLD, result) == {f"key: {enc('changed')}   # about it", f"mac: {enc('new')}", "version: 3.13.3"}
    assert len(result.decode().splitlines()) == len(OLD.splitlines())


def test_keys_come_and_go() -> None:
    new = re.sub(r"    user: .*\n", f"    more: {enc('three')}\n", NEW).replace(enc("changed"), enc("one"))
    result = respelled(Text(OLD.encode()), Text(new.encode()), (), BOUNDS).decode()
    assert f"  more: {enc('three')}\n" in result
    assert "user" not in result
    assert f"  key: {enc('one')}   # about it\n" in result


def test_documents_come_and_go() -> None:
    other = NEW.replace("name: a", "name: b")
    two = f"{OLD}---\n{OLD.replace('name: a', 'name: b')}"
    assert respelled(Text(two.encode()), Text(other.encode()), [0], BOUNDS).decode().count("kind: Secret") == 1
    first = respelled(Text(two.encode()), Text(NEW.encode()), [1], BOUNDS).decode()
    assert first.startswith("# the first\n\napiVersion")
    assert "---" not in first
    three = respelled(Text(OLD.encode()), Text(f"{NEW}---\n{other}".encode()), (), BOUNDS).decode()
    assert three == f"{respelled(Text(OLD.encode()), Text(NEW.encode()), (), BOUNDS).decode()}---\n{other}"


def test_json_keeps_its_layout() -> None:
    old = f'{{"apiVersion": "v1", "kind": "Secret", "data": {{"a": "{enc("1")}"}}, "sops": {{"mac": "{enc("m")}"}}}}\n'
    new = old.replace(enc("1"), enc("2")).replace(", ", ",\n\t").replace("{", "{\n\t")
    assert respelled(Text(old.encode()), Text(new.encode()), (), BOUNDS).decode() == old.replace(enc("1"), enc("2"))


def test_text_that_did_not_change_keeps_its_form_although_sops_took_another_documents() -> None:
    old = f"{OLD}---\n{OLD.replace('name: a', 'name: b').replace(enc('two'), enc('again'))}"
    plain = f"{PLAIN}---\n{PLAIN.replace('name: a', 'name: b')}"
    second = NEW.replace("name: a", "name: b").replace(enc("two"), enc("again"))
    new = f"{NEW.replace(enc('two'), enc('again'))}---\n{second}"
    edited = plain.replace("one", "changed")
    result = respelled(Text(old.encode(), plain.encode()), Text(new.encode(), edited.encode()), (), BOUNDS).decode()
    assert (result.count(enc("two")), result.count(enc("again"))) == (1, 1)
    careless = respelled(Text(old.encode()), Text(new.encode()), (), BOUNDS).decode()
    assert careless.count(enc("again")) == 2, "the texts are what tells"


def test_a_list_keeps_the_form_of_items_that_did_not_change() -> None:
    head = "apiVersion: v1\nkind: X\nmetadata: {name: a}\n"
    old, new = (f"{head}items:\n- {enc(one)}\n- {enc(two)}\n" for one, two in (("a", "b"), ("A", "c")))
    texts = [f"{head}items:\n- one\n- {two}\n".encode() for two in ("two", "three")]
    result = respelled(Text(old.encode(), texts[0]), Text(new.encode(), texts[1]), (), BOUNDS).decode()
    assert result == f"{head}items:\n- {enc('a')}\n- {enc('c')}\n"
    longer = f"{head}items:\n- {enc('A')}\n- {enc('c')}\n- {enc('d')}\n"
    more = texts[1] + b"- four\n"
    assert enc("A") in respelled(Text(old.encode(), texts[0]), Text(longer.encode(), more), (), BOUNDS).decode()


@pytest.mark.parametrize(
    "old",
    [
        f"{OLD}---\n{OLD}",  # one more than sops wrote
        "- a list\n",
    ],
    ids=["documents", "no map"],
)
def test_what_cannot_be_spelled_so_is_taken_as_sops_wrote_it(old: str) -> None:
    assert respelled(Text(old.encode()), Text(NEW.encode()), (), BOUNDS) == NEW.encode()


def test_what_sops_wrote_for_a_new_file_is_taken() -> None:
    assert respelled(Text(), Text(NEW.encode(), PLAIN.encode()), (), BOUNDS) == NEW.encode()


BARE = {
    "new file": ("", NEW.replace(enc("two"), "canary")),
    "changed": (OLD, NEW.replace(enc("two"), "canary")),
    "changed from another": (OLD.replace(enc("two"), "before"), NEW.replace(enc("two"), "canary")),
    "of another Secret": (
        OLD.replace("name: a", "name: b").replace(enc("two"), "canary"),
        NEW.replace(enc("two"), "canary"),
    ),
    "data": (OLD, NEW.replace("stringData", "data").replace(enc("two"), "canary")),
    "in a list": (
        "",
        "apiVersion: v1\nkind: SecretList\nitems:\n- metadata: {name: a}\n  stringData: {user: canary}\n",
    ),
    "kind not told": (OLD, NEW.replace("kind: Secret", f"kind: {enc('kind')}").replace(enc("two"), "canary")),
}


@pytest.mark.parametrize(("old", "new"), BARE.values(), ids=BARE)
def test_a_value_of_a_secret_that_would_be_readable_is_refused(old: str, new: str) -> None:
    with pytest.raises(EditRefusedError, match=r"would leave /(data|stringData)/user of Secret a readable") as caught:
        respelled(Text(old.encode()), Text(new.encode()), (), BOUNDS)
    assert caught.value.reason is Reason.ENCRYPTION_REQUIRED
    assert "canary" not in caught.value.message


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (OLD.replace(enc("two"), "shown"), NEW.replace(enc("two"), "shown")),
        ("", NEW.replace(enc("two"), '""')),
        ("", NEW.replace("kind: Secret", "kind: ConfigMap").replace(enc("two"), "shown")),
        ("", NEW.replace("stringData", "metadata2").replace(enc("two"), "shown")),
        ("", "apiVersion: v1\nkind: Secret\nmetadata: none\ndata: none\n"),
    ],
    ids=["readable before", "empty", "no Secret", "another field", "no maps"],
)
def test_other_values_may_be_readable(old: str, new: str) -> None:
    assert respelled(Text(old.encode()), Text(new.encode()), (), BOUNDS)


def test_what_sops_wrote_and_nobody_can_read_is_refused() -> None:
    with pytest.raises(EditRefusedError, match="what sops wrote cannot be read: line 2") as caught:
        respelled(Text(OLD.encode()), Text(b"a: [canary"), (), BOUNDS)
    assert "canary" not in caught.value.message
