"""A local Git server: `git http-backend` behind a few lines of aiohttp. Smart HTTP, pushes, basic and bearer auth.

`tandem dev`, `tandem demo` and the tests put their repositories behind it, so what they show went over the wire to
the real Git. It runs in a thread with a loop of its own: a caller may block on `git push` and still be answered. Every
request is logged with its bytes, and `faults` make it slow, gone, broken or elsewhere, which tests cannot ask of a
public server. Loopback only; not meant for anything but development.

    python -m controller.dev.gitserver --root DIR --port 3000 --create demo
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import hmac
import signal
import ssl
import stat
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

import orjson
from aiohttp import web

from controller.dev.gitbackend import BACKEND_TIMEOUT, backend_environment, cgi_variables, run_backend

HOST = "127.0.0.1"
LARGEST_BODY = 1 << 30  # bytes of one request; a push of a whole repository in a test
BACKENDS = 8  # `git http-backend` processes at once; more only compete for the same cores
START_TIMEOUT = 10.0  # seconds until the listening socket is open
REALM = 'Basic realm="Tandem development Git server"'

REFUSING_HOOK = "#!/bin/sh\ncat >/dev/null\ncat hooks/refusal >&2\nexit 1\n"


class Request(NamedTuple):
    """One answered request. `received` and `sent` are bytes of the bodies; `auth` is "", "basic" or "bearer"."""

    method: str
    path: str
    query: str
    status: int
    received: int
    sent: int
    auth: str
    agent: str


class Traffic(NamedTuple):
    """How often a path was asked for, and the bytes of the bodies each way."""

    requests: int
    received: int
    sent: int


@dataclass
class RequestLog:
    """Every request since the start or the last `clear`; appended to a file of JSON lines when one is given."""

    file: Path | None = None
    requests: list[Request] = field(default_factory=list)

    def add(self, request: Request) -> None:
        """Remember one answered request."""
        self.requests.append(request)
        if self.file is not None:
            with self.file.open("ab") as lines:
                lines.write(orjson.dumps(request._asdict()) + b"\n")

    def traffic(self) -> dict[str, Traffic]:
        """Requests and bytes by path."""
        counted: dict[str, Traffic] = {}
        for request in list(self.requests):
            seen = counted.get(request.path, Traffic(0, 0, 0))
            counted[request.path] = Traffic(
                seen.requests + 1, seen.received + request.received, seen.sent + request.sent
            )
        return counted

    def clear(self) -> None:
        """Forget what was counted so far; a file keeps its lines."""
        self.requests.clear()


@dataclass
class Faults:
    """What goes wrong on purpose, for every repository, until it is set back."""

    delay: float = 0.0  # seconds before each answer
    gone: bool = False  # the connection is closed without an answer
    status: int = 0  # answered with this instead of asking Git
    deaf: bool = False  # Git does what a POST asks for, and the connection is closed without its answer
    redirect: str = ""  # base URL that every request is sent on to, its path kept


class GitServer:
    """Bare repositories under `root`, served at `http://127.0.0.1:<port>/<name>.git`, or at https with a `tls` context.

    Without `username` and `token` everybody may read and push; with either, whoever presents one of them. Port 0 takes
    a free one, kept over a stop and a start. Use it as a context manager, plain or asynchronous.
    """

    def __init__(
        self,
        root: Path,
        port: int = 0,
        *,
        username: str = "",
        password: str = "",
        token: str = "",
        log_file: Path | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.root = root
        self.port = port
        self._tls = tls
        self.log = RequestLog(log_file)
        self.faults = Faults()
        self._accepted = tuple(accepted_headers(username, password, token))
        self.held = 0  # requests that wait: for `release`, or for their delay to end
        self._open = threading.Event()
        self._open.set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._failure: BaseException | None = None

    @property
    def url(self) -> str:
        """The base URL of all repositories."""
        return f"http{'s' if self._tls else ''}://{HOST}:{self.port}"

    def url_of(self, name: str) -> str:
        """Where one repository is fetched from and pushed to."""
        return f"{self.url}/{name}.git"

    def path_of(self, name: str) -> Path:
        """The bare repository itself."""
        return self.root / f"{name}.git"

    def create(self, name: str, branch: str = "main") -> str:
        """Make an empty bare repository (one that exists is kept) and return its URL."""
        subprocess.run(
            ["git", "init", "--quiet", "--bare", f"--initial-branch={branch}", str(self.path_of(name))],
            check=True,
            env=backend_environment(self.root),
            timeout=BACKEND_TIMEOUT,
        )
        return self.url_of(name)

    def refuse_pushes(self, name: str, message: str, hook: str = "pre-receive") -> None:
        """From now on a server hook declines every push, saying `message`."""
        hooks = self.path_of(name) / "hooks"
        hooks.mkdir(exist_ok=True)
        (hooks / "refusal").write_text(message + "\n", encoding="utf-8")
        script = hooks / hook
        script.write_text(REFUSING_HOOK, encoding="utf-8")
        script.chmod(script.stat().st_mode | stat.S_IXUSR)

    def accept_pushes(self, name: str, hook: str = "pre-receive") -> None:
        """Take back `refuse_pushes`."""
        (self.path_of(name) / "hooks" / hook).unlink(missing_ok=True)

    @contextmanager
    def failing(self, **faults: object) -> Iterator[None]:
        """Have the named faults within the block."""
        before = self.faults
        self.faults = Faults(**{**asdict(before), **faults})
        try:
            yield
        finally:
            self.faults = before

    def hold(self) -> None:
        """From now on no request is answered, until `release`. `held` says how many wait."""
        self._open.clear()

    def release(self) -> None:
        """Take back `hold`."""
        self._open.set()

    def start(self) -> None:
        """Listen; returns once connections are accepted, raises OSError if the port is taken."""
        started = threading.Event()
        self._failure = None
        self._thread = threading.Thread(target=self._run, args=(started,), name="git-server", daemon=True)
        self._thread.start()
        if not started.wait(START_TIMEOUT):
            raise TimeoutError(f"the Git server did not open port {self.port} within {START_TIMEOUT:.0f} s")
        if self._failure is not None:
            raise self._failure

    def stop(self) -> None:
        """Close every connection and the port. `start` brings it back on the same port."""
        self.release()
        if self._loop is not None and self._thread is not None:
            with suppress(RuntimeError):  # the loop is closed already
                self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
        self._loop = self._thread = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.stop()

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(self.start)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self.stop)

    def _run(self, started: threading.Event) -> None:
        """The server's thread: open the port, serve until the loop is stopped, close everything."""
        loop = self._loop = asyncio.new_event_loop()
        loop.set_default_executor(ThreadPoolExecutor(BACKENDS, thread_name_prefix="git-http-backend"))
        runner = web.AppRunner(self._application(), access_log=None, handle_signals=False, shutdown_timeout=0.1)
        try:
            loop.run_until_complete(self._listen(runner))
            started.set()
            loop.run_forever()
        except OSError as error:
            self._failure = error
        finally:
            started.set()
            loop.run_until_complete(self._close(runner))
            loop.close()

    async def _listen(self, runner: web.AppRunner) -> None:
        """Open the port, and remember which one it became."""
        await runner.setup()
        site = web.TCPSite(runner, HOST, self.port, reuse_address=True, ssl_context=self._tls)
        await site.start()  # aiohttp sets TCP_NODELAY itself
        self.port = int(runner.addresses[0][1])

    async def _close(self, runner: web.AppRunner) -> None:
        """End the connections, the answers whose client has left, and the threads."""
        await runner.cleanup()
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        await asyncio.get_running_loop().shutdown_default_executor()

    def _application(self) -> web.Application:
        """One route for everything; Git decides what is there."""
        application = web.Application(client_max_size=LARGEST_BODY)
        application.router.add_route("*", "/{path:.*}", self._answer)
        return application

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        """Let Git answer, or a fault; log what came of it."""
        body = await request.read()
        response = await self._response(request, body)
        sent = response.body if isinstance(response.body, bytes) else b""
        self.log.add(
            Request(
                request.method,
                request.path,
                request.query_string,
                response.status,
                len(body),
                len(sent),
                request.headers.get("Authorization", "").partition(" ")[0].lower(),
                request.headers.get("User-Agent", ""),
            )
        )
        return response

    async def _response(self, request: web.Request, body: bytes) -> web.Response:
        """Faults first, then who it is, then Git."""
        faults = self.faults
        await self._pass(faults.delay)
        if faults.gone:
            return hung_up(request)
        if faults.status:
            return web.Response(status=faults.status, body=b"as asked for by a test\n")
        if faults.redirect:
            return web.Response(status=301, headers={"Location": faults.redirect + request.path_qs})
        if not self._admits(request.headers.get("Authorization", "")):
            return web.Response(status=401, headers={"WWW-Authenticate": REALM}, body=b"credentials needed\n")
        environment = backend_environment(self.root) | cgi_variables(request, len(body))
        response = await asyncio.get_running_loop().run_in_executor(None, run_backend, environment, body)
        return hung_up(request) if faults.deaf and request.method == "POST" else response

    async def _pass(self, delay: float) -> None:
        """Wait while the server is slow or held."""
        self.held += 1
        try:
            await asyncio.sleep(delay)
            if not self._open.is_set():
                await asyncio.to_thread(self._open.wait)
        finally:
            self.held -= 1

    def _admits(self, authorization: str) -> bool:
        """Whether this Authorization header may in; compared in constant time."""
        if not self._accepted:
            return True
        given = authorization.encode()
        return any(hmac.compare_digest(given, accepted) for accepted in self._accepted)


def hung_up(request: web.Request) -> web.Response:
    """Close the connection. The response is for the log only: nobody is connected any more."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=503)


def accepted_headers(username: str, password: str, token: str) -> Iterator[bytes]:
    """The Authorization headers that open the door: none means that it stands open."""
    if username:
        yield b"Basic " + base64.b64encode(f"{username}:{password}".encode())
    if token:
        yield f"Bearer {token}".encode()


def main(arguments: list[str] | None = None) -> int:
    """Serve until SIGINT or SIGTERM. Prints the base URL once connections are accepted."""
    parser = argparse.ArgumentParser(prog="python -m controller.dev.gitserver", description="A local Git server.")
    parser.add_argument("--root", type=Path, required=True, help="folder of the bare repositories; made if missing")
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1; 0 takes a free one")
    parser.add_argument("--user", default="", help="ask for this user")
    parser.add_argument("--password", default="", help="and this password")
    parser.add_argument("--token", default="", help="accept this bearer token")
    parser.add_argument("--log", type=Path, help="append every request to this file, as JSON lines")
    parser.add_argument("--create", action="append", default=[], metavar="NAME", help="make this repository first")
    options = parser.parse_args(arguments)
    options.root.mkdir(parents=True, exist_ok=True)
    server = GitServer(
        options.root,
        options.port,
        username=options.user,
        password=options.password,
        token=options.token,
        log_file=options.log,
    )
    ended = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, ended)  # before the first thread: all of them inherit it
    with server:
        for name in options.create:
            server.create(name)
        print(server.url, flush=True)
        signal.sigwait(ended)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
