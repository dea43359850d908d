"""Which URLs are talked to, which of them are the same, and what is said about the others."""

from __future__ import annotations

import pytest

from controller.errors import Reason, StalledError
from controller.git.credentials import ANONYMOUS, Credentials
from controller.git.errors import AddressRefusedError, UnreachableError, UrlRefusedError
from controller.git.mirrors import mirror_name
from controller.git.remote import UrlRules, check_address, check_url, is_local, is_ssh, normalized_url, printable

STRICT = UrlRules()
LOOSE = UrlRules(allow_insecure=True)


@pytest.mark.parametrize(
    "url",
    [
        "https://github.com/owner/demo.git",
        "https://github.com/owner/demo",
        "HTTPS://GitHub.com:443/owner/demo.git/",
        "https://git.example.com:8443/a/b/c.git",
        "https://10.0.0.7/demo.git",
        "https://[2001:db8::7]:8443/demo.git",
        "https://host/~ada/demo%20one.git",
        "https://host/a@b.git",
        "ssh://git@github.com/owner/demo.git",
        "SSH://GitHub.com:2222/owner/demo.git",
        "ssh://git@[2001:db8::7]:2222/srv/demo.git",
        "ssh://git@host/~/demo.git",
        "git@github.com:owner/demo.git",
        "deploy-1@10.0.0.7:/srv/demo.git",
        "git@[2001:db8::7]:demo.git",
    ],
)
def test_urls_that_are_talked_to(url: str) -> None:
    check_url(url, STRICT)
    check_url(url, LOOSE)


def test_http_only_where_it_is_allowed() -> None:
    check_url("http://127.0.0.1:3000/demo.git", LOOSE)
    with pytest.raises(UrlRefusedError, match="--allow-insecure-git"):
        check_url("http://127.0.0.1:3000/demo.git", STRICT)


REFUSED = {
    "file:///srv/git/demo.git": "neither",
    "FILE:///srv/git/demo.git": "neither",
    "/srv/git/demo.git": "neither",
    "./demo.git": "neither",
    "../demo.git": "neither",
    "demo.git": "neither",
    "": "characters that no URL has",
    "git://github.com/owner/demo.git": "neither",
    "ftp://host/demo.git": "neither",
    "ext::sh -c whoami": "characters that no URL has",
    "ext::sh": "neither",
    "git@ext::sh": "neither",
    "git@host://x": "neither",
    "github.com:owner/demo.git": "write https://…, ssh://…, or user@host:path",
    "http:/github.com/demo.git": "neither",
    "git@host:": "neither",
    "ssh://git:secret@github.com/owner/demo.git": "holds credentials",
    "ssh://-oProxyCommand=sh@github.com/owner/demo.git": "holds credentials",
    "ssh://git@-oProxyCommand=sh/demo.git": "needs a host and a path",
    "ssh://-oProxyCommand=sh/demo.git": "needs a host and a path",
    "-oProxyCommand=sh@host:demo.git": "holds credentials",
    "git@-oProxyCommand=sh:demo.git": "needs a host and a path",
    "git@host:-upload-pack": "must not begin with a dash",
    "ssh://git@host/-upload-pack": "must not begin with a dash",
    "ssh://git@host": "needs a host and a path",
    "ssh://git@host/demo.git?x": "query or fragment",
    "git@ho%68st:demo.git": "needs a host and a path",
    "https://ada:secret@github.com/owner/demo.git": "holds credentials",
    "https://token@github.com/owner/demo.git": "holds credentials",
    "https://github.com": "needs a host and a path",
    "https://github.com/": "needs a host and a path",
    "https:///owner/demo.git": "needs a host and a path",
    "https://github.com/demo.git?x=1": "query or fragment",
    "https://github.com/demo.git#main": "query or fragment",
    "https://host:port/demo.git": "cannot be read",
    "https://host:99999/demo.git": "cannot be read",
    "https://[::1/demo.git": "cannot be read",
    "https://good.example\\@evil.example/demo.git": "characters that no URL has",
    "https://good.example,evil.example/demo.git": "needs a host and a path",
    "https://ho st/demo.git": "characters that no URL has",
    "https://host/de\nmo.git": "characters that no URL has",
    "https://höst/demo.git": "characters that no URL has",
    "https://-host/demo.git": "needs a host and a path",
}


@pytest.mark.parametrize(("url", "why"), REFUSED.items(), ids=[ascii(url) for url in REFUSED])
def test_urls_that_are_refused(url: str, why: str) -> None:
    with pytest.raises(UrlRefusedError, match=why) as caught:
        check_url(url, LOOSE)
    assert caught.value.reason is Reason.URL_REFUSED
    assert isinstance(caught.value, StalledError)
    assert "secret" not in caught.value.message
    assert "token" not in caught.value.message


@pytest.mark.parametrize(
    "url",
    [
        "https://github.com/owner/demo",
        "https://github.com/owner/demo.git",
        "https://github.com/owner/demo/",
        "https://github.com/owner/demo.git/",
        "https://github.com:443/owner/demo.git",
        "HTTPS://GitHub.COM/owner//demo",
    ],
)
def test_spellings_of_one_url(url: str) -> None:
    assert normalized_url(url) == "https://github.com/owner/demo"
    assert mirror_name(url, ANONYMOUS) == mirror_name("https://github.com/owner/demo", ANONYMOUS)


@pytest.mark.parametrize(
    "url",
    [
        "http://github.com/owner/demo",
        "https://github.com:8443/owner/demo",
        "https://github.com/Owner/demo",
        "https://github.com/owner/demo.git2",
        "https://github.com/owner",
    ],
)
def test_urls_that_are_not_the_same(url: str) -> None:
    assert normalized_url(url) != "https://github.com/owner/demo"


@pytest.mark.parametrize(
    "url",
    [
        "git@github.com:owner/demo.git",
        "git@GitHub.com:/owner/demo",
        "ssh://git@github.com/owner/demo.git",
        "ssh://github.com:22/owner/demo/",
        "ssh://git@github.com/~/owner/demo",
    ],
)
def test_spellings_of_one_ssh_url(url: str) -> None:
    assert normalized_url(url) == "ssh://git@github.com/owner/demo"
    assert is_ssh(url)


def test_other_normal_forms() -> None:
    assert normalized_url("ssh://ada@host:2222/a.git") == "ssh://ada@host:2222/a"
    assert not is_ssh("https://host/a@b:c.git")
    assert normalized_url("http://Host:80/a.git") == "http://host/a"
    assert normalized_url("http://Host:443/a.git") == "http://host:443/a"
    assert normalized_url("https://[2001:DB8::7]:443/a.git") == "https://[2001:db8::7]/a"
    assert normalized_url("https://[2001:DB8::7]:44/a.git") == "https://[2001:db8::7]:44/a"


def test_a_mirror_is_of_one_credential() -> None:
    names = {mirror_name("https://h/a", credentials) for credentials in (ANONYMOUS, Credentials("a"), Credentials("b"))}
    assert len(names) == 3
    assert all(len(name) == 32 and set(name) <= set("0123456789abcdef") for name in names)


@pytest.mark.parametrize(
    ("address", "local"),
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("169.254.169.254", True),
        ("fe80::1", True),
        ("0.0.0.0", True),  # noqa: S104  # refused
        ("::", True),
        ("224.0.0.1", True),
        ("::ffff:127.0.0.1", True),
        ("::ffff:169.254.169.254", True),
        ("10.0.0.1", False),
        ("192.168.1.1", False),
        ("fd00::1", False),
        ("140.82.121.3", False),
    ],
)
def test_addresses_of_this_machine_and_its_link(address: str, local: bool) -> None:
    assert is_local(address) is local


def test_a_local_address_is_refused_unless_allowed() -> None:
    check_address("https://127.0.0.1/demo", LOOSE)
    for host in ("127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "2130706433", "127.1"):
        with pytest.raises(AddressRefusedError, match="does not talk to"):
            check_address(f"https://{host}/demo", STRICT)
        with pytest.raises(AddressRefusedError, match="does not talk to"):
            check_address(f"ssh://git@{host}:2222/demo", STRICT)
        with pytest.raises(AddressRefusedError, match="does not talk to"):
            check_address(f"git@{host}:demo", STRICT)


def test_a_private_address_is_not_refused() -> None:
    check_address("https://10.1.2.3/demo", STRICT)


def test_the_api_server_is_refused_even_where_local_addresses_are_allowed() -> None:
    by_name = UrlRules(allow_insecure=True, refused_hosts=frozenset({"kubernetes.default.svc"}))
    with pytest.raises(AddressRefusedError, match="API server"):
        check_address("https://Kubernetes.Default.svc/demo", by_name)
    by_address = UrlRules(allow_insecure=True, refused_hosts=frozenset({"127.0.0.1"}))
    with pytest.raises(AddressRefusedError):
        check_address("https://localhost:6443/demo", by_address)


@pytest.mark.parametrize(
    ("refused", "url"),
    [
        ("10.96.0.1", "https://10.96.0.1/demo"),
        ("10.96.0.1", "https://[::ffff:10.96.0.1]/demo"),
        ("10.96.0.1", "https://[::ffff:a60:1]/demo"),
        ("10.96.0.1", "https://174063617/demo"),
        ("::ffff:10.96.0.1", "https://10.96.0.1/demo"),
        ("fd00::1", "https://[FD00:0:0::0001]/demo"),
        ("FD00:0::1", "https://[fd00::1]/demo"),
    ],
)
def test_the_api_server_is_refused_in_every_spelling_of_its_address(refused: str, url: str) -> None:
    with pytest.raises(AddressRefusedError):
        check_address(url, UrlRules(refused_hosts=frozenset({refused})))


def test_the_api_server_is_refused_by_number_where_it_is_known_by_name() -> None:
    rules = UrlRules(allow_insecure=True, refused_hosts=frozenset({"localhost", "no-such-host.invalid"}))
    with pytest.raises(AddressRefusedError):
        check_address("https://127.0.0.1:6443/demo", rules)
    check_address("https://10.1.2.3/demo", rules)


def test_a_name_without_an_address() -> None:
    with pytest.raises(UnreachableError, match=r"'no-such-host\.invalid'.*does not resolve"):
        check_address("https://no-such-host.invalid/demo", STRICT)
    check_address("https://no-such-host.invalid/demo", STRICT, elsewhere=True)  # a proxy may know it
    with pytest.raises(AddressRefusedError):
        check_address("https://localhost/demo", STRICT, elsewhere=True)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://ada:secret@host/demo", "https://host/demo"),
        ("ada:secret@host:demo", "host:demo"),
        ("https://host/a@b", "https://host/a@b"),
        ("https://" + "h" * 300, "https://" + "h" * 192),
    ],
)
def test_what_messages_show_of_a_url(url: str, shown: str) -> None:
    assert printable(url) == shown
