"""What only the git program does: ssh host keys, private authorities, client certificates, proxies. All fail closed."""

from __future__ import annotations

import asyncio
import base64
import os
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from controller.dev.certificates import Authority
from controller.dev.gitserver import GitServer
from controller.errors import Reason
from controller.git.credentials import ANONYMOUS, Credentials, credentials_from
from controller.git.errors import (
    AuthenticationFailedError,
    CertificateInvalidError,
    HostKeyMismatchError,
    HostKeyUnknownError,
    RepositoryNotFoundError,
    RepositoryTooLargeError,
    UnreachableError,
)
from controller.git.mirrors import Mirrors
from controller.git.program import Program
from controller.git.proxy import Proxy
from controller.git.push import Pushed, Refused
from controller.git.remote import UrlRules
from tests.support.relays import TlsFront, TunnelProxy
from tests.support.ssh import SshGitServer, SshKey, new_key
from tests.support.stamps import stamp
from tests.support.tls import client_secret, server_context
from tests.support.wait import eventually
from tests.support.worktree import WorkTree, git

LOOSE = UrlRules(allow_insecure=True)


@pytest.fixture
def head(server: GitServer, person: WorkTree) -> str:
    """The first commit of `demo`."""
    return person.publish({"web.yaml": "a: 1\n"})


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """An authority that this machine does not trust."""
    return Authority(tmp_path / "authority")


@pytest.fixture
def other(tmp_path: Path) -> Authority:
    """Another one."""
    return Authority(tmp_path / "other")


@pytest.fixture
def secure(server: GitServer, authority: Authority) -> Iterator[GitServer]:
    """The same repositories over https."""
    with GitServer(server.root, tls=server_context(authority)) as running:
        yield running


def trusting(authority: Authority, **more: bytes) -> Credentials:
    return credentials_from({"ca.crt": authority.certificate.read_bytes()} | more, "Secret default/git")


# ---- private authorities ----


async def test_only_the_authority_of_the_secret_is_trusted(
    mirrors: Mirrors, secure: GitServer, authority: Authority, other: Authority, head: str
) -> None:
    url = secure.url_of("demo")
    assert (await mirrors.get(url, trusting(authority)).fetch("main")).commit == head
    with pytest.raises(CertificateInvalidError, match=r"ca\.crt does not vouch for") as caught:
        await mirrors.get(url, trusting(other)).fetch("main")
    assert caught.value.reason is Reason.CERTIFICATE_INVALID
    with pytest.raises(CertificateInvalidError, match=r"as ca\.crt"):
        await mirrors.get(url).fetch("main")
    assert (await mirrors.get(url, trusting(authority)).fetch("main")).commit == head, "nobody else's trust counts"


async def test_a_certificate_for_another_name_is_not_taken(
    mirrors: Mirrors, server: GitServer, authority: Authority, head: str
) -> None:
    with GitServer(server.root, tls=server_context(authority, host="localhost")) as elsewhere:
        with pytest.raises(CertificateInvalidError):
            await mirrors.get(elsewhere.url_of("demo"), trusting(authority)).fetch("main")
        named = elsewhere.url_of("demo").replace("127.0.0.1", "localhost")
        assert (await mirrors.get(named, trusting(authority)).fetch("main")).commit == head


async def test_a_client_certificate(
    mirrors: Mirrors, server: GitServer, authority: Authority, other: Authority, head: str
) -> None:
    with TlsFront(server_context(authority, clients=True), server.port) as closed:
        url = closed.url_of("demo")
        right = mirrors.get(url, trusting(authority, **client_secret(authority)))
        assert (await right.fetch("main")).commit == head
        commit = await right.build_commit(head, "", {"web.yaml": b"a: 2\n"}, "m", stamp())
        assert await right.push(commit, "main", head) == Pushed(commit)
        for shown in ({}, client_secret(other)):
            with pytest.raises(AuthenticationFailedError, match=r"tls\.crt and tls\.key"):
                await mirrors.get(url, trusting(authority, **shown)).fetch("main")
        assert (await right.fetch("main")).commit == commit


async def test_a_redirect_gets_no_credentials(
    tmp_path: Path, mirrors: Mirrors, server: GitServer, authority: Authority, head: str
) -> None:
    context = server_context(authority)
    with GitServer(server.root, token="t0ken", tls=context) as closed, GitServer(tmp_path / "e", tls=context) as away:
        away.create("demo")
        mirror = mirrors.get(closed.url_of("demo"), trusting(authority, bearerToken=b"t0ken"))
        assert (await mirror.fetch("main")).commit == head
        with closed.failing(redirect=away.url):
            with pytest.raises(UnreachableError, match=r"redirect; name the final address"):
                await mirror.fetch("main")
            commit = await mirror.build_commit(head, "", {"a": b"1"}, "m", stamp())
            with pytest.raises(UnreachableError, match="redirect"):
                await mirror.push(commit, "main", head)
        assert away.log.requests == []


async def test_no_secret_stands_on_a_command_line(
    mirrors: Mirrors, server: GitServer, authority: Authority, head: str
) -> None:
    secret = {"username": b"ada", "password": b"hush-4f1d"}
    pair = base64.b64encode(b"ada:hush-4f1d").decode()
    with GitServer(server.root, username="ada", password="hush-4f1d", tls=server_context(authority)) as closed:
        mirror = mirrors.get(closed.url_of("demo"), trusting(authority, **secret))
        closed.hold()
        fetching = asyncio.create_task(mirror.fetch("main"))
        await eventually(lambda: closed.held == 1)
        lines = b"\n".join(path.read_bytes() for path in commands(closed.url_of("demo")))
        closed.release()
        assert (await fetching).commit == head
    assert b"ls-remote" in lines
    assert b"hush" not in lines
    assert pair.encode() not in lines


def commands(url: str) -> list[Path]:
    """The command lines of this machine's processes that name the URL."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if url.encode() in path.read_bytes():
                found.append(path)
        except OSError:
            continue
    return found


async def test_a_server_without_packs_is_bounded_as_a_whole(
    tmp_path: Path, server: GitServer, person: WorkTree
) -> None:
    """The dumb protocol: many files, of which each is small."""
    files: dict[str, str | bytes | None] = {f"{number}.bin": os.urandom(40_000) for number in range(5)}
    head = person.publish(files)
    bare = server.path_of("demo")
    assert list(bare.glob("objects/pack/*.pack")) == [], "a push of few objects leaves them as files"
    git("update-server-info", cwd=bare)
    handler = partial(SimpleHTTPRequestHandler, directory=str(server.root))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as plain:
        serving = threading.Thread(target=plain.serve_forever, args=(0.01,))
        serving.start()
        mirrors = Mirrors(tmp_path / "mirrors", LOOSE, 20, make_transport=Program)
        mirror = mirrors.get(f"http://127.0.0.1:{plain.server_port}/demo.git")
        with pytest.raises(RepositoryTooLargeError):
            await mirror.fetch("main", 100_000)
        assert (await mirror.fetch("main", 1_000_000)).commit == head
        plain.shutdown()
        serving.join()


# ---- proxies ----


async def test_a_proxy_carries_what_is_not_exempt(
    tmp_path: Path, secure: GitServer, authority: Authority, head: str
) -> None:
    url = secure.url_of("demo")
    with TunnelProxy("Proxy-Authorization: Basic " + base64.b64encode(b"ada:hush").decode()) as proxy:
        address = f"http://ada:hush@127.0.0.1:{proxy.port}"
        mirrors = Mirrors(tmp_path / "a", LOOSE, 20, proxy=Proxy(address))
        mirror = mirrors.get(url, trusting(authority))
        assert (await mirror.fetch("main")).commit == head
        commit = await mirror.build_commit(head, "", {"web.yaml": b"a: 2\n"}, "m", stamp())
        assert await mirror.push(commit, "main", head) == Pushed(commit)
        asked = len(proxy.asked)
        assert asked >= 3
        assert set(proxy.asked) == {f"127.0.0.1:{secure.port}"}
        near = Mirrors(tmp_path / "b", LOOSE, 20, proxy=Proxy(address, ("127.0.0.1",)))
        assert (await near.get(url, trusting(authority)).fetch("main")).commit == commit
        assert len(proxy.asked) == asked
        wrong = Mirrors(tmp_path / "c", LOOSE, 20, proxy=Proxy(f"http://ada:wrong@127.0.0.1:{proxy.port}"))
        with pytest.raises(UnreachableError, match="407") as caught:
            await wrong.get(url, trusting(authority)).fetch("main")
        assert "wrong" not in caught.value.message
    with pytest.raises(UnreachableError, match="tried again"):
        await mirror.fetch("main")


# ---- ssh ----


@pytest.fixture
def key() -> SshKey:
    """A key that opens `shell`."""
    return new_key()


@pytest.fixture
def shell(server: GitServer, tmp_path: Path, key: SshKey) -> Iterator[SshGitServer]:
    """The same repositories over ssh."""
    running = SshGitServer(server.root, tmp_path / "sshd")
    running.authorize(key)
    with running:
        yield running


def secret(key: SshKey, known_hosts: str, **more: bytes) -> Credentials:
    data = {"identity": key.private.encode(), "known_hosts": known_hosts.encode()}
    return credentials_from(data | more, "Secret default/git", ssh=True)


async def test_a_host_that_nobody_vouches_for_is_not_spoken_to(
    mirrors: Mirrors, shell: SshGitServer, key: SshKey, head: str
) -> None:
    url, line = shell.url_of("demo"), shell.known_hosts
    for unknown in (ANONYMOUS, secret(key, "# nobody"), secret(key, line.replace(str(shell.port), "2222"))):
        with pytest.raises(HostKeyUnknownError, match="known_hosts") as caught:
            await mirrors.get(url, unknown).fetch("main")
        assert caught.value.reason is Reason.HOST_KEY_UNKNOWN
    changed = secret(key, line.replace(shell.host_key.public, new_key().public))
    revoked = secret(key, f"@revoked {line}")
    for mismatched in (changed, revoked):
        with pytest.raises(HostKeyMismatchError) as mismatch:
            await mirrors.get(url, mismatched).fetch("main")
        assert mismatch.value.reason is Reason.HOST_KEY_MISMATCH
    assert shell.requests == []
    both = secret(key, line.replace(str(shell.port), "2222") + line)
    assert (await mirrors.get(url, both).fetch("main")).commit == head


async def test_a_host_that_was_set_up_anew_is_another_one(
    mirrors: Mirrors, shell: SshGitServer, key: SshKey, head: str
) -> None:
    mirror = mirrors.get(shell.url_of("demo"), secret(key, shell.known_hosts))
    await mirror.fetch("main")
    commit = await mirror.build_commit(head, "", {"web.yaml": b"a: 2\n"}, "m", stamp())
    shell.stop()
    shell.renew_host_key()
    shell.start()
    with pytest.raises(HostKeyMismatchError):
        await mirror.fetch("main")
    with pytest.raises(HostKeyMismatchError):
        await mirror.push(commit, "main", head)
    again = mirrors.get(shell.url_of("demo"), secret(key, shell.known_hosts))
    assert (await again.fetch("main")).commit == head


async def test_a_key_with_a_passphrase_and_one_that_may_only_read(
    mirrors: Mirrors, shell: SshGitServer, key: SshKey, head: str
) -> None:
    locked = new_key("open sesame")
    shell.authorize(locked, read_only=True)
    mirror = mirrors.get(shell.url_of("demo"), secret(locked, shell.known_hosts, password=b"open sesame"))
    assert (await mirror.fetch("main")).commit == head
    commit = await mirror.build_commit(head, "", {"web.yaml": b"a: 2\n"}, "m", stamp())
    assert await mirror.push(commit, "main", head) == Refused(
        "ERROR: The key you are authenticating with has been marked as read only."
    )
    with pytest.raises(AuthenticationFailedError, match="public half of identity"):
        await mirrors.get(shell.url_of("demo"), secret(key, shell.known_hosts)).fetch("main")
    shell.authorize(locked)
    assert await mirror.push(commit, "main", head) == Pushed(commit)


async def test_a_path_is_never_an_order(mirrors: Mirrors, shell: SshGitServer, key: SshKey, tmp_path: Path) -> None:
    marked = tmp_path / "marked"
    url = shell.url_of(f"$(touch${{IFS}}{marked})';touch${{IFS}}{marked};'")
    with pytest.raises((RepositoryNotFoundError, UnreachableError)):
        await mirrors.get(url, secret(key, shell.known_hosts)).fetch("main")
    assert not marked.exists()
