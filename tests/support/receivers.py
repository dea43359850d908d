"""Receivers of notifications: a real HTTP server and a real mail server, each in a thread of its own.

What they answer is said in advance; what they got is kept, whoever sent it.
"""

from __future__ import annotations

import asyncio
import email
import json
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from controller.dev.ports import free_port


@dataclass(frozen=True)
class Post:
    """A request as it came in, and what it was answered."""

    path: str
    headers: Mapping[str, str]
    body: bytes
    status: int

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class HttpReceiver:
    """Takes whatever is posted. `answers`: what the next requests get, 200 when it is empty; `gate` holds answers."""

    port: int = 0
    scheme: str = "http"
    host: str = "127.0.0.1"
    answers: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    posts: list[Post] = field(default_factory=list)
    gate: threading.Event = field(default_factory=threading.Event)
    waiting: threading.Event = field(default_factory=threading.Event)  # somebody is held by the gate

    def __post_init__(self) -> None:
        self.gate.set()

    def url(self, path: str = "/") -> str:
        return f"{self.scheme}://{self.host}:{self.port}{path}"

    def taken(self, path: str = "") -> list[Post]:
        """What was answered with 200, in order."""
        return [post for post in self.posts if post.status == 200 and post.path.startswith(path)]

    def events(self, path: str = "") -> list[str]:
        """The events of the signed messages that were taken."""
        return [post.json["event"] for post in self.taken(path)]


@contextmanager
def http_receiver(context: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> Iterator[HttpReceiver]:
    """A receiver on a loopback port, over TLS with a context."""
    receiver = HttpReceiver(scheme="http" if context is None else "https", host=host)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if not receiver.gate.is_set():
                receiver.waiting.set()
                receiver.gate.wait(60)
            status, headers = receiver.answers.pop(0) if receiver.answers else (200, {})
            receiver.posts.append(Post(self.path, dict(self.headers), body, status))
            self.send_response(status)
            for name, value in {"Content-Length": "2", **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            """Clients that hang up are no news."""

    with Server((host, 0), Handler) as server:
        receiver.port = server.server_address[1]
        if context is not None:
            server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield receiver
        finally:
            receiver.gate.set()
            server.shutdown()
            thread.join()


USER, PASSWORD = "tandem", "mail-password-7f3a"


@dataclass
class MailReceiver:
    """A mail server that wants STARTTLS and a password. `refusals`: recipient → what it answers to it."""

    port: int = 0
    refusals: dict[str, str] = field(default_factory=dict)
    answers: list[str] = field(default_factory=list)  # to the next messages, before they are taken
    got: list[tuple[tuple[str, ...], EmailMessage]] = field(default_factory=list)  # (recipients, message)

    def url(self, cafile: str, *, scheme: str = "smtp", password: str = PASSWORD) -> str:
        return f"{scheme}://{USER}:{password}@localhost:{self.port}?cafile={cafile}"

    def subjects(self) -> list[str]:
        return [str(message["Subject"]) for _, message in self.got]

    async def handle_RCPT(  # noqa: N802 - as aiosmtpd calls it
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address in self.refusals:
            return self.refusals[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        if self.answers:
            return self.answers.pop(0)
        content = envelope.content
        assert isinstance(content, bytes)
        message = email.message_from_bytes(content, policy=default)
        self.got.append((tuple(envelope.rcpt_tos), message))
        return "250 OK"


@contextmanager
def mail_receiver(context: ssl.SSLContext | None, *, tls: bool = False) -> Iterator[MailReceiver]:
    """A mail server on a loopback port. `tls`: from the start, instead of STARTTLS; without a context in the clear."""
    receiver = MailReceiver(free_port())
    starttls = context is not None and not tls

    def authenticate(server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
        given = data if isinstance(data, LoginPassword) else LoginPassword(b"", b"")
        return AuthResult(success=given == LoginPassword(USER.encode(), PASSWORD.encode()), handled=False)

    controller = Controller(
        receiver,
        hostname="127.0.0.1",
        port=receiver.port,
        loop=asyncio.new_event_loop(),
        ssl_context=context if tls else None,
        tls_context=None if tls else context,
        require_starttls=starttls,
        authenticator=authenticate,
        auth_required=starttls,  # aiosmtpd knows no TLS from the start
        auth_require_tls=starttls,
    )
    controller.start()
    try:
        yield receiver
    finally:
        asyncio.run_coroutine_threadsafe(_hang_up(controller.loop), controller.loop).result(10)
        controller.stop()


async def _hang_up(loop: Any) -> None:
    """End what clients left open: aiosmtpd stops its loop without looking."""
    for transport in list(loop._transports.values()):
        transport.abort()
    for _ in range(3):
        await asyncio.sleep(0)
