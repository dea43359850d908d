"""Receivers: which entries are one, what each is called, what it is told."""

from __future__ import annotations

from typing import Any

from controller.api.v1alpha1.receivers import NotifyEvent, Receiver
from controller.sync.receivers import receiver_name, receivers_of, title_of, wants

URL = "https://hooks.example.com/services/T0/B0/secret-path"


def slack(**more: Any) -> Receiver:
    return Receiver.model_validate({"type": "Slack", "url": URL} | more)


def mail(*to: str) -> Receiver:
    return Receiver.model_validate({"type": "Email", "to": list(to)})


def test_a_name_stands_for_the_address_and_shows_nothing_of_it() -> None:
    assert receiver_name(slack()) == receiver_name(slack(events=["Failed"]))
    assert receiver_name(mail("a@example.com", "b@example.com")) == receiver_name(
        mail("b@example.com", "a@example.com")
    )
    names = {
        receiver_name(one)
        for one in (
            slack(),
            slack(url=URL + "2"),
            slack(secretRef={"name": "chat"}),
            Receiver.model_validate({"type": "Webhook", "url": URL}),
            mail("a@example.com"),
        )
    }
    assert len(names) == 5
    assert all(len(name) == 12 and "secret" not in name for name in names)


def test_two_entries_of_one_address_are_one_receiver() -> None:
    (both,) = receivers_of([slack(events=["Failed"]), slack(events=["Recovered", "Failed"])]).values()
    assert both.events == (NotifyEvent.FAILED, NotifyEvent.RECOVERED)
    (every,) = receivers_of([slack(events=["Failed"]), slack()]).values()
    assert every.events == ()


def test_no_events_are_all_events() -> None:
    assert all(wants(slack(), event) for event in NotifyEvent)
    assert [event for event in NotifyEvent if wants(slack(events=["Failed"]), event)] == [NotifyEvent.FAILED]


def test_people_are_told_where_it_stands() -> None:
    entries = [slack(), mail("a@example.com")]
    assert title_of(receiver_name(entries[1]), entries) == "spec.notify[1] (Email)"
    assert title_of("gone", entries) == "a receiver that spec.notify no longer names"
