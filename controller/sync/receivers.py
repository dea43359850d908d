"""The receivers of a Fabric, each under a name that stands for its address. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import orjson

from controller.api.v1alpha1.receivers import NotifyEvent, Receiver


def receivers_of(entries: Iterable[Receiver]) -> dict[str, Receiver]:
    """Name → receiver. Entries with one address are one receiver, which is told what any of them asks for.

    The name outlives a change of order or of events. Another address, or another Secret, is another receiver: what
    waited for the old one is withdrawn.
    """
    found: dict[str, Receiver] = {}
    for entry in entries:
        name = receiver_name(entry)
        known = found.get(name)
        found[name] = entry if known is None else _both(known, entry)
    return found


def receiver_name(receiver: Receiver) -> str:
    """12 hex digits, which say nothing about the address."""
    secret = receiver.secret_ref.name if receiver.secret_ref else ""
    address = [receiver.type.value, receiver.url or "", sorted(receiver.to), secret]
    return hashlib.sha256(orjson.dumps(address)).hexdigest()[:12]


def title_of(name: str, entries: Iterable[Receiver]) -> str:
    """Where a receiver stands in the spec, for people: `spec.notify[1] (Slack)`."""
    for number, entry in enumerate(entries):
        if receiver_name(entry) == name:
            return f"spec.notify[{number}] ({entry.type.value})"
    return "a receiver that spec.notify no longer names"


def wants(receiver: Receiver, event: NotifyEvent) -> bool:
    """Whether the receiver is told of this."""
    return not receiver.events or event in receiver.events


def _both(one: Receiver, other: Receiver) -> Receiver:
    events = () if not (one.events and other.events) else tuple(dict.fromkeys((*one.events, *other.events)))
    return one.model_copy(update={"events": events})
