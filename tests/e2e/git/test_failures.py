"""What a bad remote gets: an error of its own, which says what to do next, and recovery without anybody's help."""

from __future__ import annotations

import ssl
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from controller.dev.certificates import Authority
from controller.dev.gitserver import GitServer
from controller.errors import Reason, TandemError, WaitingError
from controller.git.credentials import ANONYMOUS, Credentials, credentials_from
from controller.git.errors import (
    AddressRefusedError,
    AuthenticationFailedError,
    BranchNotFoundError,
    CertificateInvalidError,
    EmptyRepositoryError,
    RepositoryNotFoundError,
    UnreachableError,
    UrlRefusedError,
)
from controller.git.mirror import Mirror
from controller.git.mirrors import Mirrors
from controller.git.remote import UrlRules
from tests.support.stamps import stamp
from tests.support.worktree import WorkTree

PASSWORD = "correct-horse"
WRONG = credentials_from({"username": b"ada", "password": b"wrong-battery"}, "Secret default/git")
RIGHT = credentials_from({"username": b"ada", "password": PASSWORD.encode()}, "Secret default/git")


@pytest.fixture
def private(tmp_path: Path) -> Iterator[GitServer]:
    """A server that asks for credentials, with one commit on main."""
    with GitServer(tmp_path / "private", username="ada", password=PASSWORD, token="t0ken") as server:
        url = server.create("demo")
        WorkTree(tmp_path / "owner", url.replace("//", f"//ada:{PASSWORD}@")).publish({"web.yaml": "a: 1\n"})
        yield server


@pytest.mark.parametrize(
    ("credentials", "advice"),
    [
        pytest.param(ANONYMOUS, "name a Secret in spec.repository.credentialsSecretRef", id="none shown"),
        pytest.param(WRONG, "correct the Secret that credentialsSecretRef names", id="wrong password"),
        pytest.param(Credentials("Bearer stale", ("stale",)), "correct the Secret", id="wrong token"),
    ],
)
async def test_credentials_that_do_not_open(
    private: GitServer, mirrors: Mirrors, credentials: Credentials, advice: str
) -> None:
    with pytest.raises(AuthenticationFailedError) as caught:
        await mirrors.get(private.url_of("demo"), credentials).fetch("main")
    assert caught.value.reason is Reason.AUTHENTICATION_FAILED
    assert advice in caught.value.message
    assert not any(secret in caught.value.message for secret in ("wrong-battery", "stale"))


async def test_the_right_credentials_open_after_the_wrong_ones(private: GitServer, mirrors: Mirrors) -> None:
    with pytest.raises(AuthenticationFailedError):
        await mirrors.get(private.url_of("demo"), WRONG).fetch("main")
    assert (await mirrors.get(private.url_of("demo"), RIGHT).fetch("main")).branch == "main"


async def test_a_forbidden_repository(server: GitServer, mirror: Mirror) -> None:
    with server.failing(status=403), pytest.raises(AuthenticationFailedError, match="HTTP 403"):
        await mirror.fetch("main")


async def test_a_missing_repository(server: GitServer, mirrors: Mirrors) -> None:
    with pytest.raises(RepositoryNotFoundError, match=r"HTTP 404.*spec\.repository\.url") as caught:
        await mirrors.get(server.url_of("nothing")).fetch("main")
    assert caught.value.reason is Reason.REPOSITORY_NOT_FOUND
    WorkTree(server.root / "person", server.create("nothing")).publish({"web.yaml": "a: 1\n"})
    assert (await mirrors.get(server.url_of("nothing")).fetch("main")).branch == "main"


async def test_a_missing_branch_names_those_that_are_there(mirror: Mirror, person: WorkTree) -> None:
    person.publish({"web.yaml": "a: 1\n"})
    for number in range(7):
        person("push", "--quiet", "origin", f"HEAD:refs/heads/b{number}")
    with pytest.raises(BranchNotFoundError) as caught:
        await mirror.fetch("production")
    assert "'production'" in caught.value.message
    assert caught.value.message.endswith("b0, b1, b2, b3, b4, …")
    person("push", "--quiet", "origin", "HEAD:refs/heads/production")
    assert (await mirror.fetch("production")).branch == "production"


async def test_an_empty_repository(mirror: Mirror, person: WorkTree) -> None:
    with pytest.raises(EmptyRepositoryError, match="push one to branch 'main'") as caught:
        await mirror.fetch("main")
    assert caught.value.reason is Reason.EMPTY_REPOSITORY
    commit = person.publish({"web.yaml": "a: 1\n"})
    assert (await mirror.fetch("main")).commit == commit


async def test_a_server_that_is_away_and_comes_back(server: GitServer, mirror: Mirror, person: WorkTree) -> None:
    commit = person.publish({"web.yaml": "a: 1\n"})
    server.stop()
    with pytest.raises(UnreachableError, match="refused") as caught:
        await mirror.fetch("main")
    assert caught.value.reason is Reason.UNREACHABLE
    server.start()
    assert (await mirror.fetch("main")).commit == commit


@pytest.mark.parametrize(
    "faults",
    [{"gone": True}, {"status": 500}, {"status": 503}, {"status": 429}],
    ids=["cut off", "HTTP 500", "HTTP 503", "HTTP 429"],
)
async def test_a_server_in_trouble(server: GitServer, mirror: Mirror, person: WorkTree, faults: dict[str, Any]) -> None:
    commit = person.publish({"web.yaml": "a: 1\n"})
    with server.failing(**faults), pytest.raises(UnreachableError, match=r"tried again"):
        await mirror.fetch("main")
    assert (await mirror.fetch("main")).commit == commit


async def test_a_name_that_does_not_resolve(mirrors: Mirrors) -> None:
    with pytest.raises(UnreachableError, match="resolve"):
        await mirrors.get("http://no-such-host.invalid/demo.git").fetch("main")


async def test_something_that_is_no_git_server(tmp_path: Path, mirrors: Mirrors) -> None:
    with web_page(b"<html>Welcome</html>") as url, pytest.raises(RepositoryNotFoundError, match="no Git repository"):
        await mirrors.get(f"{url}/demo.git").fetch("main")


async def test_a_slow_server_is_given_up(tmp_path: Path, server: GitServer, person: WorkTree) -> None:
    commit = person.publish({"web.yaml": "a: 1\n"})
    async with patience(tmp_path, 0.3) as mirrors:
        mirror = mirrors.get(server.url_of("demo"))
        with server.failing(delay=30.0), pytest.raises(UnreachableError, match="timed out"):
            await mirror.fetch("main")
        assert (await mirror.fetch("main")).commit == commit


async def test_an_endless_answer_is_given_up(tmp_path: Path) -> None:
    """A byte now and then satisfies libgit2's own time-out; the caller's guard does not count bytes."""
    async with patience(tmp_path, 0.5) as mirrors:
        with web_page(b"", drip=True) as url, pytest.raises(UnreachableError, match="no answer"):
            await mirrors.get(f"{url}/demo.git").fetch("main")


async def test_an_untrusted_certificate(tmp_path: Path, mirrors: Mirrors) -> None:
    page = web_page(b"", tls=self_signed(tmp_path))
    with page as url, pytest.raises(CertificateInvalidError, match="not trusted") as caught:
        await mirrors.get(f"{url}/demo.git").fetch("main")
    assert caught.value.reason is Reason.CERTIFICATE_INVALID


async def test_plain_http_where_tls_was_asked_for(server: GitServer, mirrors: Mirrors) -> None:
    with pytest.raises(UnreachableError, match="SSL"):
        await mirrors.get(server.url_of("demo").replace("http://", "https://")).fetch("main")


@pytest.mark.parametrize("credentials", [RIGHT, Credentials("Bearer t0ken", ("t0ken",))], ids=["basic", "bearer"])
async def test_a_redirect_to_another_host_gets_no_credentials(
    tmp_path: Path, private: GitServer, mirrors: Mirrors, credentials: Credentials
) -> None:
    with GitServer(tmp_path / "elsewhere") as elsewhere:
        elsewhere.create("demo")
        mirror = mirrors.get(private.url_of("demo"), credentials)
        with private.failing(redirect=elsewhere.url.replace("127.0.0.1", "localhost")):
            with pytest.raises(UnreachableError, match=r"redirect.*name the final address in spec\.repository\.url"):
                await mirror.fetch("main")
            commit = await mirror.build_commit(None, "", {"a": b"1"}, "m", stamp())
            with pytest.raises(UnreachableError, match="redirect"):
                await mirror.push(commit, "new", None)
        assert elsewhere.log.requests == []


async def test_a_redirect_within_the_host_is_followed(tmp_path: Path, private: GitServer, mirrors: Mirrors) -> None:
    """A repository that was renamed."""
    (private.root / "renamed.git").symlink_to(private.path_of("demo"))
    with web_page(b"", redirect=private.url_of("renamed")) as url:
        head = await mirrors.get(f"{url}/old.git", RIGHT).fetch("main")
    assert head.branch == "main"


async def test_a_mirror_whose_configuration_lost_the_redirect_rule_is_made_anew(
    tmp_path: Path, private: GitServer, mirrors: Mirrors
) -> None:
    mirror = mirrors.get(private.url_of("demo"), RIGHT)
    await mirror.fetch("main")
    (mirror.path / "config").write_text("[core]\n\tbare = true\n")
    async with patience(tmp_path, 20) as later:  # as after a restart
        again = later.get(private.url_of("demo"), RIGHT)
        with GitServer(tmp_path / "elsewhere") as elsewhere:
            away = private.failing(redirect=elsewhere.url.replace("127.0.0.1", "localhost"))
            with away, pytest.raises(UnreachableError, match="redirect"):
                await again.fetch("main")
            assert elsewhere.log.requests == []


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("file:///etc", UrlRefusedError),
        ("/srv/git/demo.git", UrlRefusedError),
        ("git@ext::sh", UrlRefusedError),
        ("http://github.com/owner/demo.git", UrlRefusedError),
    ],
)
async def test_urls_that_are_refused(tmp_path: Path, url: str, error: type[TandemError]) -> None:
    strict = Mirrors(tmp_path / "strict", UrlRules(), 5)
    with pytest.raises(error) as caught:
        strict.get(url)
    assert caught.value.reason is Reason.URL_REFUSED
    assert not (tmp_path / "strict").exists()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "169.254.169.254", "0.0.0.0"])  # noqa: S104  # refused
async def test_addresses_that_are_refused(tmp_path: Path, server: GitServer, host: str) -> None:
    strict = Mirrors(tmp_path / "strict", UrlRules(), 5)
    with pytest.raises(AddressRefusedError, match="--allow-insecure-git") as caught:
        await strict.get(f"https://{host}:{server.port}/demo.git").fetch("main")
    assert isinstance(caught.value, WaitingError)
    assert server.log.requests == []


async def test_the_api_server_is_refused_by_name_and_by_address(tmp_path: Path, server: GitServer) -> None:
    for refused in ("127.0.0.1", "localhost"):
        rules = UrlRules(allow_insecure=True, refused_hosts=frozenset({refused}))
        mirror = Mirrors(tmp_path / "mirrors", rules, 5).get(f"http://localhost:{server.port}/demo.git")
        with pytest.raises(AddressRefusedError):
            await mirror.fetch("main")
    assert server.log.requests == []


@asynccontextmanager
async def patience(tmp_path: Path, seconds: float) -> AsyncIterator[Mirrors]:
    """Mirrors with another time-out, which libgit2 keeps per process; set back afterwards."""
    rules = UrlRules(allow_insecure=True)
    made = Mirrors(tmp_path / "mirrors", rules, seconds)
    try:
        yield made
    finally:
        made.close()
        Mirrors(tmp_path / "mirrors", rules, 20)


@contextmanager
def web_page(body: bytes, *, tls: Path | None = None, redirect: str = "", drip: bool = False) -> Iterator[str]:
    """A web server that is no Git server; its base URL."""
    stopped = threading.Event()

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if redirect:
                self.send_response(301)
                self.send_header("Location", f"{redirect}/{self.path.split('/', 2)[2]}")
                self.end_headers()
                return
            if drip:
                self.wfile.write(b"HTTP/1.1 200 OK\r\nEndless: ")
            while drip and not stopped.wait(0.05):
                self.wfile.write(b".")
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    if tls is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tls)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]  # a client that hangs up is what is tested
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http{'s' if tls else ''}://127.0.0.1:{server.server_port}"
    finally:
        stopped.set()
        server.shutdown()
        server.server_close()
        thread.join()


def self_signed(folder: Path) -> Path:
    """A certificate for 127.0.0.1 of an authority that nobody knows, with its key."""
    pair = Authority(folder / "authority").issue("stranger", ["127.0.0.1"])
    both = folder / "self-signed.pem"
    both.write_bytes(pair.key.read_bytes() + pair.certificate.read_bytes())
    return both
