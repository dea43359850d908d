"""Sending mail over the installation's mail server.

The server is named by a flag, so its address is trusted. The way to it is not: TLS is verified unless it is turned off
by name, and a password is never sent without it.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from email.message import EmailMessage
from urllib.parse import parse_qsl, unquote, urlsplit

import aiosmtplib

from controller.api.v1alpha1.receivers import MAIL_ADDRESS
from controller.errors import Reason, StalledError
from controller.notify.outcome import DELIVERED, Fate, Outcome, delayed, refused

TIMEOUT = 20.0  # seconds for each command; servers that ask others about a sender take their time
WHOLE = 60.0  # seconds for one message
_PORTS = {"smtp": 587, "smtps": 465}  # RFC 6409, RFC 8314
_EXAMPLE = "write smtp://user:password@mail.example.com (STARTTLS) or smtps://… (TLS from the start)"
_ADDRESS = re.compile(MAIL_ADDRESS)


@dataclass(frozen=True, slots=True)
class MailServer:
    """Where mail is handed in. `tls`: from the start; else STARTTLS, unless `plain`."""

    host: str
    port: int
    tls: bool
    plain: bool = False
    user: str = ""
    password: str = field(default="", repr=False)
    authority: str = ""  # a file of certificates to trust; "": the machine's


def mail_server_at(url: str) -> MailServer:
    """What --smtp-url names. Raises StalledError(InvalidSpec), without quoting the URL: it may hold a password."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise _wrong("it cannot be read") from None
    if parts.scheme not in _PORTS or not parts.hostname:
        raise _wrong("it names no mail server")
    if parts.path not in ("", "/") or parts.fragment:
        raise _wrong("nothing may follow the host and its port but ?tls=off or ?cafile=…")
    given = dict(parse_qsl(parts.query, keep_blank_values=True))
    if given.keys() - {"tls", "cafile"} or given.get("tls", "off") != "off":
        raise _wrong("after the question mark only tls=off and cafile=FILE are known")
    plain, tls = "tls" in given, parts.scheme == "smtps"
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    if plain and (tls or user):
        raise _wrong("tls=off goes neither with smtps:// nor with a user: the password would be sent in the clear")
    if bool(user) != bool(password):
        raise _wrong("a user needs a password, and the other way round; percent-encode @ : / in them")
    return MailServer(parts.hostname, port or _PORTS[parts.scheme], tls, plain, user, password, given.get("cafile", ""))


def is_mail_address(text: str) -> bool:
    """Whether a text is an address and nothing else: no header, no second recipient, no command."""
    return len(text) <= 254 and _ADDRESS.fullmatch(text) is not None


class Mailer:
    """Hands mail in, one connection for each message."""

    def __init__(self, server: MailServer, sender: str, timeout: float = TIMEOUT) -> None:
        """Raises StalledError(InvalidSpec): `sender` is no address, or the file of certificates cannot be read."""
        if not is_mail_address(sender):
            raise StalledError(Reason.INVALID_SPEC, f"--smtp-from {sender[:80]!r} is no mail address; write tandem@…")
        self.sender = sender
        self._server = server
        self._timeout = timeout
        try:
            self._context = ssl.create_default_context(cafile=server.authority or None)
        except OSError as error:
            raise _wrong(f"cafile={server.authority}: {error.strerror or 'it holds no certificate'}") from None

    async def send(self, mail: EmailMessage, recipients: Sequence[str]) -> Outcome:
        """One try. Recipients that the server refuses for good are left out; those that it puts off are told."""
        wrong = [recipient for recipient in recipients if not is_mail_address(recipient)]
        if wrong:
            return refused("a recipient is no mail address; write name@example.com")
        try:
            async with asyncio.timeout(WHOLE):
                answers = await self._hand_in(mail, recipients)
        except aiosmtplib.SMTPRecipientsRefused as error:
            answers = {one.recipient: one.code for one in error.recipients}
        except aiosmtplib.SMTPAuthenticationError as error:
            return delayed(f"the mail server does not take the password of --smtp-url ({error.code})")
        except aiosmtplib.SMTPResponseException as error:
            said = f"the mail server answered {error.code}"
            return refused(said) if _is_final(error.code) else delayed(said)
        except (aiosmtplib.SMTPException, OSError) as error:
            return delayed(_spoken(error))
        return outcome_of(recipients, answers)

    async def _hand_in(self, mail: EmailMessage, recipients: Sequence[str]) -> Mapping[str, int]:
        """Recipient → the code it was refused with, if at least one was taken."""
        server = self._server
        client = aiosmtplib.SMTP(
            hostname=server.host,
            port=server.port,
            username=server.user or None,
            password=server.password or None,
            use_tls=server.tls,
            start_tls=not (server.tls or server.plain),
            tls_context=None if server.plain else self._context,
            timeout=self._timeout,
        )
        async with client:
            answers, _ = await client.sendmail(self.sender, list(recipients), mail.as_bytes())
        return {recipient: answer[0] for recipient, answer in answers.items()}


def outcome_of(recipients: Sequence[str], answers: Mapping[str, int]) -> Outcome:
    """What became of a message of which some recipients (→ code) were refused."""
    if not answers:
        return DELIVERED
    final = [one for one in recipients if one in answers and _is_final(answers[one])]
    later = tuple(one for one in recipients if one in answers and one not in final)
    why = "; ".join(f"the mail server refuses {one} ({answers[one]})" for one in (*final, *later))
    if later:
        return delayed(why, recipients=later)
    return refused(why) if len(final) == len(recipients) else Outcome(Fate.DELIVERED, why)


def _is_final(code: int) -> bool:
    """RFC 5321: a 5yz says that the same would be refused again."""
    return code >= 500


def _spoken(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "the mail server did not answer in time"
    if isinstance(error, ssl.SSLCertVerificationError) or "certificate verify failed" in str(error).lower():
        return "the mail server's certificate is not trusted; name its authority: --smtp-url …?cafile=FILE"
    if isinstance(error, OSError):
        return "the mail server cannot be reached, or the connection broke"
    return "the mail server offers no STARTTLS, or takes no password"


def _wrong(what: str) -> StalledError:
    return StalledError(Reason.INVALID_SPEC, f"--smtp-url: {what}; {_EXAMPLE}")
