"""The server that the API server asks: whether a Fabric may be written, and, of any object, nothing but to take note.

Https with a mounted certificate. It only carries questions and answers: kopf, which runs it, understands those about
Fabrics; the others are all answered yes, at once, whatever they are. The socket is opened by the process'
own start, so that an address that is taken is told at once, and stays when kopf is started again. A certificate that is
renewed is taken over while it runs; one that cannot be read is not, and the one before it stays.
"""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import structlog
from aiohttp import web

from controller.web.bind import BindError, parse_bind

PATH = "/validate"
"""What stands before the plural of the kind in the URL that a ValidatingWebhookConfiguration names."""

ATTRIBUTE = "/attribute"
"""Where it is told of writes of any kind, which are never refused."""

_BODY_BYTES = 8 << 20  # the object before and after, each of which the API server bounds to 3 MB
_RENEWAL_SECONDS = 10.0  # between two looks at the certificate's files
_BACKLOG = 128

Answer = Callable[..., Awaitable[Mapping[str, Any]]]
"""Makes of a decoded AdmissionReview its answer; keywords: `webhook`, the plural that was asked for."""

TakeNote = Callable[[Any], None]
"""Is told of a decoded AdmissionReview, which it may take over; called in the server's thread."""

log = structlog.get_logger(__name__)


class CertificateError(ValueError):
    """Certificates that no server can be started with; says which file, and why."""


@dataclass(slots=True)
class AdmissionServer:
    """Answers on `bind` (HOST:PORT) with `tls.crt` and `tls.key` of `folder`. `open` it first, then lend it to kopf.

    `clients`: authorities, one of which must have signed the certificate of whoever asks; None lets anybody ask.
    """

    bind: str
    folder: Path
    take_note: TakeNote
    clients: Path | None = None
    _listening: list[socket.socket] = field(default_factory=list)
    _stamp: tuple[float, ...] = ()

    def open(self) -> str:
        """Listen; returns where. Raises BindError, also for an address that is taken, and CertificateError."""
        where = parse_bind(self.bind)
        self._context()
        family = socket.AF_INET6 if ":" in where.host else socket.AF_INET
        try:
            listening = socket.create_server((where.host, where.port), family=family, backlog=_BACKLOG)
        except OSError as error:
            raise BindError(f"{where}: {error.strerror or error}") from None
        listening.setblocking(False)
        self._listening.append(listening)
        host, port = listening.getsockname()[:2]
        return f"{host}:{port}"

    def close(self) -> None:
        """Stop listening."""
        while self._listening:
            self._listening.pop().close()

    async def __call__(self, answer: Answer) -> AsyncIterator[Mapping[str, Any]]:
        """Serve until the generator is closed. What it yields once is for configurations that kopf writes: none."""
        context = self._context()
        runner = web.AppRunner(
            _app(answer, self.take_note), access_log=None, handle_signals=False, shutdown_timeout=1.0
        )
        await runner.setup()
        try:
            await web.SockSite(runner, self._listening[0].dup(), ssl_context=context).start()
            yield {}
            while True:
                await asyncio.sleep(_RENEWAL_SECONDS)
                self._renew(context)
        finally:
            await runner.cleanup()

    def _context(self) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._stamp = self._written()
        self._load(context)
        if self.clients is not None:
            _demand_certificates(context, self.clients)
        return context

    def _renew(self, context: ssl.SSLContext) -> None:
        """Use the certificate for the connections to come, if it is another one by now."""
        stamp = self._written()
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self._load(ssl.create_default_context(ssl.Purpose.CLIENT_AUTH))  # a broken pair would spoil one in use
            self._load(context)
        except CertificateError as error:
            log.warning("the webhook's new certificate is not used", problem=str(error))
        else:
            log.info("the webhook has a new certificate", folder=str(self.folder))

    def _load(self, context: ssl.SSLContext) -> None:
        try:
            context.load_cert_chain(*self._files())
        except OSError as error:  # ssl.SSLError too
            problem = error.strerror or error
            raise CertificateError(f"{self.folder} holds no usable tls.crt and tls.key: {problem}") from None

    def _files(self) -> tuple[Path, Path]:
        return self.folder / "tls.crt", self.folder / "tls.key"

    def _written(self) -> tuple[float, ...]:
        """When each file was written; a file that is not there was never."""
        return tuple(path.stat().st_mtime if path.exists() else 0.0 for path in self._files())


def _demand_certificates(context: ssl.SSLContext, clients: Path) -> None:
    try:
        context.load_verify_locations(clients)
    except OSError as error:  # ssl.SSLError too
        raise CertificateError(f"{clients} holds no usable authorities: {error.strerror or error}") from None
    context.verify_mode = ssl.CERT_REQUIRED


def _app(answer: Answer, take_note: TakeNote) -> web.Application:
    async def serve(request: web.Request) -> web.Response:
        try:
            review = await request.json()
            found = await answer(review, webhook=request.match_info["plural"], headers=dict(request.headers))
        except (json.JSONDecodeError, UnicodeDecodeError):
            return web.Response(status=400, text="the body is not JSON\n")
        except web.HTTPException:
            raise
        except Exception as error:  # noqa: BLE001 - whatever kopf makes of a body that is no review
            return web.Response(status=400, text=f"the body is no AdmissionReview: {error}\n")
        return web.json_response(found)

    async def note(request: web.Request) -> web.Response:
        body = await request.read()
        try:
            review = orjson.loads(body)
            allowed = _allowed(review)
        except (orjson.JSONDecodeError, KeyError, TypeError):
            return web.Response(status=400, text="the body is no AdmissionReview\n")
        try:
            take_note(review)
        except Exception:  # a name may be lost by it, a write of somebody's must not
            log.warning("a write is not attributed", exc_info=True)
        return web.Response(body=allowed, content_type="application/json")

    app = web.Application(client_max_size=_BODY_BYTES)
    app.add_routes([web.post(f"{PATH}/{{plural}}", serve), web.post(ATTRIBUTE, note)])
    return app


def _allowed(review: Any) -> bytes:
    """The only answer to a review: yes. Raises KeyError or TypeError for what is none."""
    response = {"uid": review["request"]["uid"], "allowed": True}
    return orjson.dumps({"apiVersion": review["apiVersion"], "kind": "AdmissionReview", "response": response})
