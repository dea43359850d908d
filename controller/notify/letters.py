"""What a message says, and how each type of receiver gets it. Pure.

A message names things and never shows them: no value of an object, nothing that a server said. Names come from whoever
may push or write objects, so they are cut, freed of control characters, and cannot call a channel or start a link.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Self

import orjson

from controller.objects import Json
from controller.signature import SIGNATURE, TIMESTAMP, signature_of

MOST_OBJECTS = 20
"""Objects named in one message; `count` tells how many there are. Slack shows 4,000 characters, mail readers more."""

LONGEST_NAME = 300
"""Characters of one name: a kind, a namespace and a name of usual length, or a path."""

_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]")


@dataclass(frozen=True, slots=True)
class Notice:
    """One transition of one fabric. `objects` are the first of `count` names, `time` is in seconds since 1970."""

    event: str
    reason: str
    namespace: str
    name: str
    revision: str
    time: float
    install: str
    objects: tuple[str, ...] = ()
    count: int = 0

    def to_json(self) -> Json:
        """As the outbox keeps it."""
        return asdict(self) | {"objects": list(self.objects)}

    @classmethod
    def from_json(cls, kept: Json) -> Self:
        """What `to_json` gave."""
        return cls(**kept | {"objects": tuple(kept["objects"])})


def bounded(names: Sequence[str]) -> tuple[str, ...]:
    """The first names, as they may stand in a message."""
    return tuple(_clean(name) for name in names[:MOST_OBJECTS])


def subject_of(notice: Notice) -> str:
    """One line."""
    return _SUBJECTS[notice.event].format(
        fabric=f"{notice.namespace}/{notice.name}", reason=notice.reason, objects=_counted(notice.count)
    )


def text_of(notice: Notice) -> str:
    """The whole message: what happened, to what, at which commit, and what to do."""
    lines = [subject_of(notice), *(f"- {name}" for name in notice.objects)]
    if notice.count > len(notice.objects) > 0:
        lines.append(f"- and {notice.count - len(notice.objects)} more")
    if notice.revision:
        lines.append(f"Commit: {notice.revision}")
    lines.append(_TODO[notice.event].format(name=notice.name, namespace=notice.namespace))
    return "\n".join(lines)


def slack_body(notice: Notice) -> bytes:
    """For an incoming webhook of Slack, and what understands the same."""
    text = text_of(notice).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return orjson.dumps({"text": text.replace("@", "@\u200b")})  # @channel, where Slack's escapes mean nothing


def webhook_body(notice: Notice, delivery: str) -> bytes:
    """For a program."""
    return orjson.dumps(
        {
            "id": delivery,
            "event": notice.event,
            "reason": notice.reason,
            "fabric": {"namespace": notice.namespace, "name": notice.name},
            "revision": notice.revision,
            "time": _at(notice).isoformat().replace("+00:00", "Z"),
            "installation": notice.install,
            "objects": list(notice.objects),
            "objectCount": notice.count,
            "message": text_of(notice),
        }
    )


def signed_headers(body: bytes, delivery: str, token: bytes, now: float) -> dict[str, str]:
    """What proves that a body comes from who knows the token, and when it was sent."""
    stamp = str(int(now))
    return {"X-Tandem-Delivery": delivery, TIMESTAMP: stamp, SIGNATURE: signature_of(token, stamp, body)}


def mail_of(notice: Notice, delivery: str, sender: str, recipients: Sequence[str]) -> EmailMessage:
    """For mail servers. The message's id is the same at every try: readers show one."""
    mail = EmailMessage(policy=SMTP)
    mail["From"] = sender
    mail["To"] = ", ".join(recipients)
    mail["Subject"] = f"[Tandem] {subject_of(notice)}"
    mail["Date"] = format_datetime(_at(notice))
    mail["Message-ID"] = f"<{delivery}@{sender.rpartition('@')[2]}>"
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: no absence notes in answer
    mail.set_content(text_of(notice) + "\n")
    return mail


_SUBJECTS = {
    "ConflictOpened": "{fabric}: {objects} in conflict",
    "ConflictResolved": "{fabric}: {objects} no longer in conflict",
    "GuardTripped": "{fabric}: stopped by {reason}",
    "Failed": "{fabric}: {reason}",
    "Recovered": "{fabric}: recovered",
    "RequestOpened": "{fabric}: live edits wait in a pull request",
}

_TODO = {
    "ConflictOpened": "Decide: kubectl tandem conflicts list -n {namespace}",
    "ConflictResolved": "Nothing is left to do for them.",
    "GuardTripped": "Nothing is applied or committed until the source is put right or the plan is confirmed: "
    "kubectl tandem plan {name} -n {namespace}, and kubectl tandem status {name} -n {namespace} for the token",
    "Failed": "What is wrong, and what to do: kubectl tandem status {name} -n {namespace}",
    "RequestOpened": "Merge it, and Git says what the cluster says. Close it, and each edit becomes a conflict.",
    "Recovered": "What failed or was stopped goes on. Nothing is left to do.",
}


def _counted(count: int) -> str:
    return "1 object" if count == 1 else f"{count} objects"


def _at(notice: Notice) -> datetime:
    return datetime.fromtimestamp(int(notice.time), UTC)


def _clean(name: str) -> str:
    plain = _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", name)
    return plain if len(plain) <= LONGEST_NAME else f"{plain[: LONGEST_NAME - 1]}…"
