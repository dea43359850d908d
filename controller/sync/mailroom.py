"""One try to deliver one letter: the address and what proves the sender are read, the sender of its type is called.

Addresses and tokens are read from the Fabric and its Secret at every try and kept nowhere: a Secret that was put right
counts at once, and the database holds none.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field

from controller.api.v1alpha1.receivers import Receiver, ReceiverType
from controller.errors import Reason, TandemError, WaitingError
from controller.kube.secrets import Entries, SecretReader
from controller.notify.letters import Notice, mail_of, signed_headers, slack_body, webhook_body
from controller.notify.mail import Mailer
from controller.notify.outcome import Outcome, delayed, refused
from controller.notify.posting import Poster
from controller.store.outbox import Letter

_FIELD = "spec.notify[].secretRef"


@dataclass(frozen=True, slots=True)
class Opened:
    """What a receiver's Secret holds."""

    url: str = field(default="", repr=False)
    token: bytes = field(default=b"", repr=False)
    context: ssl.SSLContext | None = None


@dataclass(frozen=True, slots=True)
class Mailroom:
    """The senders. `patience`: seconds that a failure lasts before it is told; `posted` is set when letters wait."""

    secrets: SecretReader
    poster: Poster
    mailer: Mailer | None
    patience: float
    wall: Callable[[], float]
    posted: asyncio.Event = field(default_factory=asyncio.Event)

    async def deliver(self, namespace: str, receiver: Receiver, letter: Letter) -> Outcome:
        """Try once. Never raises for what is wrong outside: the outcome says it."""
        notice = Notice.from_json(letter.notice)
        if receiver.type is ReceiverType.EMAIL:
            return await self._mail(receiver, letter, notice)
        try:
            opened = await self._open(namespace, receiver, reread=letter.tries > 0)
        except TandemError as error:
            return delayed(error.message)
        url = receiver.url or opened.url
        if not url:
            return delayed(f"{_secret(namespace, receiver)} has no key url, and the receiver none either; add one")
        if receiver.type is ReceiverType.SLACK:
            return await self.poster.post(url, slack_body(notice), {}, opened.context)
        if not opened.token:
            return delayed(f"{_secret(namespace, receiver)} has no key token; messages are signed with it")
        body = webhook_body(notice, letter.delivery)
        headers = signed_headers(body, letter.delivery, opened.token, self.wall())
        return await self.poster.post(url, body, headers, opened.context)

    async def _mail(self, receiver: Receiver, letter: Letter, notice: Notice) -> Outcome:
        if self.mailer is None:
            return refused("the controller has no mail server; start it with --smtp-url")
        mail = mail_of(notice, letter.delivery, self.mailer.sender, receiver.to)
        return await self.mailer.send(mail, letter.recipients or receiver.to)

    async def _open(self, namespace: str, receiver: Receiver, *, reread: bool) -> Opened:
        if receiver.secret_ref is None:
            return Opened()
        return await self.secrets.made(
            namespace, receiver.secret_ref.name, _FIELD, Reason.AUTHENTICATION_FAILED, _opened, reread=reread
        )


def _opened(entries: Entries, where: str) -> Opened:
    """Of a Secret's entries. Raises WaitingError, which names no value."""
    try:
        url = entries.get("url", b"").decode("ascii").strip()
        authority = entries["ca.crt"].decode("ascii") if "ca.crt" in entries else None
        context = None if authority is None else ssl.create_default_context(cadata=authority)
    except (ValueError, ssl.SSLError):
        raise WaitingError(
            Reason.AUTHENTICATION_FAILED, f"{where}: url is no URL, or ca.crt holds no certificate; put it right"
        ) from None
    return Opened(url, entries.get("token", b"").strip(), context)


def _secret(namespace: str, receiver: Receiver) -> str:
    return f"Secret {namespace}/{receiver.secret_ref.name}" if receiver.secret_ref else "the Fabric"
