"""What messages say, to each type of receiver."""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import replace

import pytest

from controller.api.v1alpha1.receivers import NotifyEvent
from controller.notify.letters import (
    LONGEST_NAME,
    MOST_OBJECTS,
    Notice,
    bounded,
    mail_of,
    signed_headers,
    slack_body,
    subject_of,
    text_of,
    webhook_body,
)

NOTICE = Notice(
    event="ConflictOpened",
    reason="ConflictsOpen",
    namespace="shop",
    name="demo",
    revision="c0ffee",
    time=1_780_000_000.7,
    install="0b5e",
    objects=("ConfigMap/shop/a", "Deployment.apps/shop/web"),
    count=2,
)


def test_a_message_says_what_happened_to_what_and_what_to_do() -> None:
    assert text_of(NOTICE).splitlines() == [
        "shop/demo: 2 objects in conflict",
        "- ConfigMap/shop/a",
        "- Deployment.apps/shop/web",
        "Commit: c0ffee",
        "Decide: kubectl tandem conflicts list -n shop",
    ]


@pytest.mark.parametrize("event", NotifyEvent)
def test_every_event_has_its_words(event: NotifyEvent) -> None:
    notice = replace(NOTICE, event=event.value, objects=(), count=1, revision="", reason="DeletionGuard")
    first, last = text_of(notice).splitlines()
    assert first == subject_of(notice)
    assert first.startswith("shop/demo: ")
    assert "{" not in first + last
    if event in {NotifyEvent.GUARD_TRIPPED, NotifyEvent.FAILED}:
        assert "DeletionGuard" in first


def test_names_are_bounded_and_tell_how_many_there_are() -> None:
    names = bounded([f"ConfigMap/shop/c{number}" for number in range(500)])
    assert len(names) == MOST_OBJECTS
    assert f"- and {500 - MOST_OBJECTS} more" in text_of(replace(NOTICE, objects=names, count=500))
    (long,) = bounded(["x" * 5_000])
    assert len(long) == LONGEST_NAME


@pytest.mark.parametrize("evil", ["a\r\nBcc: b", "a\x1b[31m", "a\u2028b", "\u202egnp.exe", "\x00"])
def test_names_steer_nothing(evil: str) -> None:
    (name,) = bounded([evil])
    assert name.isprintable() or "\ufffd" in name
    assert "\n" not in name
    notice = replace(NOTICE, objects=(name,), count=1)
    assert len(text_of(notice).splitlines()) == 4


def test_names_call_nobody_in_a_chat() -> None:
    evil = "ClusterRole/<!channel> & <https://evil.example.com|click> @here"
    text = json.loads(slack_body(replace(NOTICE, objects=bounded([evil]))))["text"]
    assert "<" not in text
    assert "&lt;!channel&gt; &amp;" in text
    assert "@here" not in text


def test_a_program_gets_fields() -> None:
    said = json.loads(webhook_body(NOTICE, "d-1"))
    assert said.pop("message") == text_of(NOTICE)
    assert said == {
        "id": "d-1",
        "event": "ConflictOpened",
        "reason": "ConflictsOpen",
        "fabric": {"namespace": "shop", "name": "demo"},
        "revision": "c0ffee",
        "time": "2026-05-28T20:26:40Z",
        "installation": "0b5e",
        "objects": ["ConfigMap/shop/a", "Deployment.apps/shop/web"],
        "objectCount": 2,
    }


def test_a_signature_binds_body_and_time() -> None:
    headers = signed_headers(b"body", "d-1", b"token", 1_780_000_000.9)
    digest = hmac.new(b"token", b"1780000000.body", hashlib.sha256).hexdigest()
    assert headers == {
        "X-Tandem-Delivery": "d-1",
        "X-Tandem-Timestamp": "1780000000",
        "X-Tandem-Signature-256": f"sha256={digest}",
    }


def test_a_mail_is_the_same_at_every_try() -> None:
    first, second = (mail_of(NOTICE, "d-1", "tandem@example.com", ["ops@example.com"]).as_bytes() for _ in range(2))
    assert first == second


def test_the_outbox_gives_back_what_it_got() -> None:
    kept = json.loads(json.dumps(NOTICE.to_json()))
    assert Notice.from_json(kept) == NOTICE
