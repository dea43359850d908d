"""Kubeconfigs out of somebody's Secret: what is taken, and the field that a refusal names."""

from __future__ import annotations

import base64
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from controller.dev.certificates import Authority
from controller.errors import Reason
from controller.kube.kubeconfig import (
    MOST_BYTES,
    InvalidKubeconfigError,
    Kubeconfig,
    cluster_config,
    kubeconfig_of,
)

TOKEN = "token-that-nobody-may-see"
WHERE = "Secret shop/elsewhere"
Json = Any


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def config() -> Json:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "preferences": {},
        "current-context": "there",
        "clusters": [
            {
                "name": "east",
                "cluster": {"server": "https://api.example.com:6443/", "certificate-authority-data": encoded("CA")},
            },
            {"name": "west", "cluster": {"server": "https://west.example.com"}},
        ],
        "users": [
            {"name": "me", "user": {"token": TOKEN}},
            {
                "name": "certified",
                "user": {"client-certificate-data": encoded("CERT"), "client-key-data": encoded("KEY")},
            },
        ],
        "contexts": [
            {"name": "there", "context": {"cluster": "east", "user": "me", "namespace": "x", "extensions": []}},
            {"name": "also", "context": {"cluster": "west", "user": "certified"}},
        ],
    }


def parsed(found: Json, key: str = "value") -> Kubeconfig:
    return kubeconfig_of({key: yaml.safe_dump(found).encode()}, WHERE)


def refusal(content: str | bytes, key: str = "value") -> str:
    with pytest.raises(InvalidKubeconfigError) as raised:
        kubeconfig_of({key: content.encode() if isinstance(content, str) else content}, WHERE)
    assert raised.value.reason is Reason.INVALID_KUBECONFIG
    assert TOKEN not in raised.value.message
    assert raised.value.__cause__ is None, "a cause would be logged with what it quotes"
    return raised.value.message


@pytest.mark.parametrize("key", ["value", "kubeconfig"])
@pytest.mark.parametrize("write", [yaml.safe_dump, json.dumps], ids=["yaml", "json"])
def test_the_current_context_is_taken(key: str, write: Any) -> None:
    found = kubeconfig_of({key: write(config()).encode()}, WHERE)
    assert found == Kubeconfig("https://api.example.com:6443", authority="CA", token=TOKEN)
    assert found.host == "api.example.com"


def test_a_client_certificate_is_taken() -> None:
    found = parsed(config() | {"current-context": "also"})
    assert found == Kubeconfig("https://west.example.com", certificate="CERT", key="KEY")


def test_the_first_key_counts_where_both_are_there() -> None:
    good, bad = json.dumps(config()).encode(), b"nothing"
    assert kubeconfig_of({"value": good, "kubeconfig": bad}, WHERE).token == TOKEN


def test_a_token_of_digits_is_a_text() -> None:
    changed = config()
    changed["users"][0]["user"]["token"] = "PLACE"
    text = yaml.safe_dump(changed).replace("PLACE", "0123")
    assert kubeconfig_of({"value": text.encode()}, WHERE).token == "0123"


def test_neither_token_nor_key_is_in_what_is_printed() -> None:
    assert TOKEN not in repr(parsed(config()))
    assert "KEY" not in repr(parsed(config() | {"current-context": "also"}))


USER = {
    "exec": {"command": "touch", "args": ["witness"], "apiVersion": "client.authentication.k8s.io/v1"},
    "auth-provider": {"name": "gcp"},
    "tokenFile": "/etc/passwd",
    "client-certificate": "/etc/passwd",
    "client-key": "/etc/passwd",
    "username": "admin",
    "password": TOKEN,
    "as": "system:admin",
    "as-uid": "1",
    "as-groups": ["system:masters"],
    "as-user-extra": {"a": ["b"]},
    "unheard-of": "x",
}
CLUSTER = {
    "certificate-authority": "/etc/passwd",
    "proxy-url": "http://127.0.0.1:3128",
    "insecure-skip-tls-verify": True,
    "unheard-of": "x",
}


@pytest.mark.parametrize("field", USER)
def test_a_user_that_is_not_inline_data_is_refused_by_its_field(field: str) -> None:
    changed = config()
    changed["users"][0]["user"][field] = USER[field]
    said = refusal(yaml.safe_dump(changed))
    assert said.startswith(f"{WHERE}, value: users[0].user.{field}")
    assert len(said.partition("; ")[2]) > 10, "and says what to do"


@pytest.mark.parametrize("field", CLUSTER)
def test_a_cluster_that_leads_elsewhere_is_refused_by_its_field(field: str) -> None:
    changed = config()
    changed["clusters"][1]["cluster"][field] = CLUSTER[field]
    assert f"clusters[1].cluster.{field}" in refusal(yaml.safe_dump(changed))


def test_a_certificate_that_is_checked_anyway_is_no_fault() -> None:
    changed = config()
    changed["clusters"][0]["cluster"] |= {"insecure-skip-tls-verify": False, "disable-compression": True}
    assert parsed(changed).token == TOKEN


def test_a_value_that_slipped_into_a_name_is_not_repeated() -> None:
    changed = config()
    changed["users"][0]["user"] = {TOKEN + "0123456789": None}
    assert "a field of users[0].user is not understood" in refusal(yaml.safe_dump(changed))


SERVERS = {
    "http://api.example.com": "not encrypted",
    "api.example.com:6443": "not encrypted",
    "unix:///run/docker.sock": "not encrypted",
    "https://": "no plain URL",
    "https://me:secret@api.example.com": "no plain URL",
    "https://api.example.com?x=y": "no plain URL",
    "https://api.example.com#x": "no plain URL",
    "https://api.example.com:port": "no URL",
    "https://api.example.com/a b": "no plain URL",
    "https://api.example.com\\@127.0.0.1": "no plain URL",
    "https://[::1": "no URL",
}


@pytest.mark.parametrize("server", SERVERS)
def test_a_server_is_a_plain_https_url(server: str) -> None:
    changed = config()
    changed["clusters"][0]["cluster"]["server"] = server
    said = refusal(yaml.safe_dump(changed))
    assert f"cluster.server is {SERVERS[server]}" in said
    assert "secret" not in said.removeprefix(WHERE)


@pytest.mark.parametrize(
    "server", ["https://[2001:db8::1]:6443", "https://10.0.0.1", "https://a.example/k8s/clusters/c-1"]
)
def test_a_server_may_be_an_address_and_have_a_path(server: str) -> None:
    changed = config()
    changed["clusters"][0]["cluster"]["server"] = server
    assert parsed(changed).server == server


def without(*path: Any) -> Json:
    """The kubeconfig without one field."""
    changed = config()
    node = changed
    for step in path[:-1]:
        node = node[step]
    del node[path[-1]]
    return changed


def with_(value: Any, *path: Any) -> Json:
    """The kubeconfig with another value of one field."""
    changed = config()
    node = changed
    for step in path[:-1]:
        node = node[step]
    node[path[-1]] = value
    return changed


WRONG = {
    "no kind": (without("kind"), "it is no kubeconfig"),
    "no current context": (without("current-context"), "current-context is missing"),
    "an unknown current context": (with_("x", "current-context"), "current-context has no entry"),
    "an unknown cluster": (with_("x", "contexts", 0, "context", "cluster"), "clusters has no entry"),
    "an unknown user": (with_("x", "contexts", 0, "context", "user"), "users has no entry"),
    "no server": (without("clusters", 0, "cluster", "server"), "cluster.server is missing"),
    "no credentials": (without("users", 0, "user", "token"), "user has no credentials"),
    "half a certificate": (without("users", 1, "user", "client-key-data") | {"current-context": "also"}, "give both"),
    "a token of two lines": (with_("a\nb", "users", 0, "user", "token"), "user.token holds characters"),
    "a token that is a list": (with_(["a"], "users", 0, "user", "token"), "user.token is no text"),
    "an authority that is no base64": (
        with_("&&&", "clusters", 0, "cluster", "certificate-authority-data"),
        "certificate-authority-data is no base64",
    ),
    "a strange server name": (with_("a b", "clusters", 0, "cluster", "tls-server-name"), "tls-server-name"),
    "clusters that are no list": (with_({"a": "b"}, "clusters"), "clusters is no list"),
    "an entry that is no map": (with_(["a"], "users"), "users[0] is no map"),
    "a user that is no map": (with_("a", "users", 0, "user"), "users[0].user is no map"),
    "a name twice": (with_("me", "users", 1, "name"), "users[1].name is that of another"),
    "a stranger at the top": (config() | {"includes": "x"}, "includes is not understood"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_used_is_refused_by_its_place(case: str) -> None:
    changed, said = WRONG[case]
    assert said in refusal(yaml.safe_dump(changed))


TEXTS: dict[str, tuple[str | bytes, str]] = {
    "nothing": ("", "it is no map"),
    "a text": ("kubeconfig", "it is no map"),
    "no YAML": ("{a: ]", "it is no YAML (line 1)"),
    "no text": (b"\xff\xfe\x00", "no text"),
    "a control character": ("a: \x01", "it is no YAML"),
    "an alias": ("a: &x b\nc: *x", "an anchor"),
    "an alias alone": ("c: *x", "an alias"),
    "a tag": ("a: !!python/object:os.system x", "a tag"),
    "a merge": ("a: &x {b: c}\nd: {<<: *x}", "an anchor"),
    "two documents": ("a: b\n---\nc: d", "several documents"),
    "a key twice": ("a: b\na: c", "a key twice"),
    "a key that is a map": ("{a: b}: c", "a key twice, or one that is no text"),
    "endless depth": ("[" * 60_000, "larger or deeper"),
    "endless length": ("[" + "a," * 30_000 + "]", "larger or deeper"),
    "too many bytes": ("a" * (MOST_BYTES + 1), f"more than the {MOST_BYTES}"),
}


@pytest.mark.parametrize("case", TEXTS)
def test_what_is_no_kubeconfig_at_all_is_refused(case: str) -> None:
    content, said = TEXTS[case]
    assert said in refusal(content)


def test_a_secret_without_either_key_is_refused() -> None:
    with pytest.raises(InvalidKubeconfigError, match="has no key value or kubeconfig"):
        kubeconfig_of({"config": b"x"}, WHERE)


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_whatever_is_there_is_taken_or_refused(content: bytes) -> None:
    with pytest.raises(InvalidKubeconfigError):
        kubeconfig_of({"value": content}, WHERE)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=20),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=20), inner, max_size=3),
        max_leaves=8,
    ),
    st.sampled_from(["clusters", "users", "contexts", "current-context", "apiVersion"]),
)
def test_whatever_a_part_holds_is_taken_or_refused(value: Any, part: str) -> None:
    changed = config() | {part: value}
    with suppress(InvalidKubeconfigError):
        assert kubeconfig_of({"value": json.dumps(changed).encode()}, WHERE).server.startswith("https://")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pki")
    Authority(folder).issue("client", ["client"])
    return folder


def test_a_client_certificate_is_loaded_and_left_nowhere(
    authority: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    texts = {name: (authority / name).read_text() for name in ("ca.crt", "client.crt", "client.key")}
    found = Kubeconfig("https://a.example", texts["ca.crt"], "alias", "", texts["client.crt"], texts["client.key"])
    made = cluster_config(found, WHERE, lambda _: "")
    assert (made.server, made.server_name, made.origin) == ("https://a.example", "alias", WHERE)
    assert made.ssl_context is not None
    assert len(made.ssl_context.get_ca_certs()) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"authority": "no certificate"}, "certificate-authority-data holds no certificate"),
        ({"certificate": "no certificate"}, "no certificate and its key"),
        ({"key": "no key"}, "no certificate and its key"),
        (
            {"key": "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n-----END ENCRYPTED PRIVATE KEY-----\n"},
            "no certificate and",
        ),
    ],
)
def test_what_openssl_does_not_take_is_refused_by_its_field(
    authority: Path, changes: dict[str, str], said: str
) -> None:
    good = {"certificate": (authority / "client.crt").read_text(), "key": (authority / "client.key").read_text()}
    with pytest.raises(InvalidKubeconfigError, match=said) as raised:
        cluster_config(Kubeconfig("https://a.example", **good | changes), WHERE, lambda _: "")
    assert raised.value.__cause__ is None


async def test_a_token_is_the_header_and_stays_it() -> None:
    made = cluster_config(Kubeconfig("https://a.example", token=TOKEN), WHERE, lambda _: "")
    assert await made.credentials.header() == f"Bearer {TOKEN}"
    assert await made.credentials.header(rejected=True) == f"Bearer {TOKEN}"
