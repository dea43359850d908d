"""What stands before a web server in tests: passes requests on, and holds one that a test wants to be there for.

One thread for each connection, plain http on a loopback port, nothing kept between requests.
"""

from __future__ import annotations

import http.client
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from tests.support.wait import wait_until

TIMEOUT = 60.0  # seconds for the server behind
HANDED_ON = {"content-type", "etag", "link"}
PASSED = ("Authorization", "Content-Type", "Accept", "User-Agent", "If-None-Match")


class Hold:
    """One request that is not passed on, or whose answer is not handed over (`answered`), until it is let go."""

    def __init__(self, method: str, path: str, *, answered: bool) -> None:
        self.method, self.path, self.answered = method, path, answered
        self.arrived, self.go_on = threading.Event(), threading.Event()

    def wait(self) -> None:
        """Return when the request is held."""
        wait_until(self.arrived.is_set, 30)


class WebFront:
    """`url` leads through it. `answers`: what is said instead, in this order: (status, type of content, content)."""

    def __init__(self, behind: str) -> None:
        self.holds: list[Hold] = []
        self.answers: list[tuple[int, str, bytes]] = []
        self.requests: list[tuple[str, str]] = []
        front, place = self, urlsplit(behind)

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                front.attend(self, place.hostname or "", place.port or 80)

            do_POST = do_PATCH = do_PUT = do_DELETE = do_GET  # noqa: N815

            def log_message(self, *args: object) -> None:
                """Nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        for hold in self.holds:
            hold.go_on.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def hold(self, method: str, path: str, *, answered: bool = False) -> Hold:
        """Hold the next request of this method whose path ends so."""
        made = Hold(method, path, answered=answered)
        self.holds.append(made)
        return made

    def attend(self, handler: BaseHTTPRequestHandler, host: str, port: int) -> None:
        """One request."""
        method, path = handler.command, handler.path
        self.requests.append((method, path))
        body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        held = next(
            (one for one in self.holds if one.method == method and path.partition("?")[0].endswith(one.path)), None
        )
        if held is not None:
            self.holds.remove(held)
        if held is not None and not held.answered:
            self._keep(held)
        if self.answers:
            status, kind, content = self.answers.pop(0)
            self._answer(handler, status, {"Content-Type": kind}, content)
            return
        connection = http.client.HTTPConnection(host, port, timeout=TIMEOUT)
        sent = {name: handler.headers[name] for name in PASSED if name in handler.headers}
        connection.request(method, path, body or None, sent)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        if held is not None and held.answered:
            self._keep(held)
        headers = {name: value for name, value in answer.getheaders() if name.lower() in HANDED_ON}
        self._answer(handler, answer.status, headers, content)

    @staticmethod
    def _keep(held: Hold) -> None:
        held.arrived.set()
        held.go_on.wait(TIMEOUT)

    @staticmethod
    def _answer(handler: BaseHTTPRequestHandler, status: int, headers: dict[str, str], content: bytes) -> None:
        try:
            handler.send_response(status)
            for name, value in headers.items():
                handler.send_header(name, value)
            if status != 204:
                handler.send_header("Content-Length", str(len(content)))
            handler.end_headers()
            handler.wfile.write(content)
        except OSError:
            handler.close_connection = True  # who asked was killed
