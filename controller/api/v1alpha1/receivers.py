"""Who is told what happens to a Fabric: the entries of `spec.notify`."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from controller.api.meta import Cel, ListSet, Model, NameRef


class ReceiverType(StrEnum):
    """How a receiver is reached."""

    SLACK = "Slack"
    EMAIL = "Email"
    WEBHOOK = "Webhook"


class NotifyEvent(StrEnum):
    """What a receiver can be told."""

    CONFLICT_OPENED = "ConflictOpened"
    CONFLICT_RESOLVED = "ConflictResolved"
    GUARD_TRIPPED = "GuardTripped"
    FAILED = "Failed"
    RECOVERED = "Recovered"
    REQUEST_OPENED = "RequestOpened"


RECEIVER_URL = Cel(
    r"self.matches('^https?://[^/@?#\\s\\x00-\\x1f]+(/[^@#\\s\\x00-\\x1f]*)?$')",
    "must be an https:// URL such as https://hooks.example.com/services/T0/B0/x, without user, password or fragment; "
    "http:// works only for addresses of the controller's --webhook-allow-cidr",
)
MAIL_ADDRESS = "[A-Za-z0-9!#$%&*+/=?^_{|}~.-]{1,64}@[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?"
"""No spaces, brackets, commas, quotes or line ends: nothing that could end the address and begin something else."""

_MAIL = Cel(f"self.matches('^{MAIL_ADDRESS}$')", "must be a plain mail address such as ops@example.com")

MailAddress = Annotated[str, Field(min_length=3, max_length=254), _MAIL]


class Receiver(Model):
    """One receiver, and what it is told."""

    rules: ClassVar[tuple[Cel, ...]] = (
        Cel(
            "self.type == 'Email' ? (has(self.to) && size(self.to) > 0 && !has(self.url) && !has(self.secretRef)) : "
            "!has(self.to) || size(self.to) == 0",
            "Email needs to, and neither url nor secretRef; the other types take no to",
        ),
        Cel(
            "self.type != 'Slack' || has(self.url) || has(self.secretRef)",
            "Slack needs url, or secretRef with the key url",
        ),
        Cel("self.type != 'Webhook' || has(self.secretRef)", "Webhook needs secretRef with the key token"),
    )

    type: ReceiverType = Field(
        description="Slack: an incoming webhook of Slack, or of what understands the same (Mattermost, Rocket.Chat, "
        "Discord's /slack). Email: over the mail server of --smtp-url. Webhook: JSON, signed with a token."
    )
    url: Annotated[
        str | None,
        Field(
            min_length=1,
            max_length=2048,
            description="Where Slack and Webhook post to. Whoever knows the URL of an incoming webhook may post to it: "
            "put it under the key url of secretRef instead. Addresses that are loopback, link-local or private are "
            "refused unless the controller's --webhook-allow-cidr names them.",
        ),
        RECEIVER_URL,
    ] = None
    to: Annotated[
        tuple[MailAddress, ...],
        Field(max_length=20, description="The recipients of Email."),
        ListSet(),
    ] = ()
    secret_ref: NameRef | None = Field(
        default=None,
        description="A Secret of this namespace. For Slack: url. For Webhook: token, which messages are signed with, "
        "and url where it is secret. For both: ca.crt, for a server with a certificate of a private authority.",
    )
    events: Annotated[
        tuple[NotifyEvent, ...],
        Field(max_length=10, description="What is told. Empty: everything."),
        ListSet(),
    ] = ()
