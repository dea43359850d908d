"""Events tell news, once."""

from __future__ import annotations

from typing import Any

import pytest

from controller.kube.resources import Resource
from controller.objects import ObjectKey
from controller.runtime import events
from controller.runtime.events import Announcer, Subject

FABRICS = Resource("tandem.dev", "v1alpha1", "Fabric", "fabrics", namespaced=True)
WEB = Subject(FABRICS, FABRICS.key("shop", "web"), "uid-1")
API = Subject(FABRICS, FABRICS.key("shop", "api"), "uid-2")


class Sent:
    """What went out."""

    def __init__(self) -> None:
        self.all: list[tuple[Any, ...]] = []

    def record(
        self, resource: Resource, key: ObjectKey, uid: str, reason: str, note: str, *, action: str, warning: bool
    ) -> None:
        self.all.append((resource, key, uid, reason, note, action, warning))

    @property
    def notes(self) -> list[str]:
        return [note for _, _, _, _, note, _, _ in self.all]


@pytest.fixture
def sent() -> Sent:
    return Sent()


@pytest.fixture
def announcer(sent: Sent) -> Announcer:
    return Announcer(sent.record)


def test_a_subject_is_read_from_the_object() -> None:
    body = {"metadata": {"namespace": "shop", "name": "web", "uid": "uid-1"}}
    assert Subject.of(FABRICS, body) == WEB


def test_a_cluster_scoped_subject() -> None:
    namespaces = Resource("", "v1", "Namespace", "namespaces", namespaced=False)
    subject = Subject.of(namespaces, {"metadata": {"name": "shop", "uid": "u"}})
    assert subject.key == ObjectKey("", "Namespace", "", "shop")


def test_news_goes_out_whole(announcer: Announcer, sent: Sent) -> None:
    assert announcer.announce(WEB, "PushRejected", "the server says no", warning=True, action="Push")
    assert sent.all == [(FABRICS, WEB.key, "uid-1", "PushRejected", "the server says no", "Push", True)]


def test_the_same_again_is_no_news(announcer: Announcer, sent: Sent) -> None:
    assert announcer.announce(WEB, "Synced", "at 1a2b3c4")
    assert not announcer.announce(WEB, "Synced", "at 1a2b3c4")
    assert sent.notes == ["at 1a2b3c4"]


@pytest.mark.parametrize(("reason", "message"), [("Synced", "at 5d6e7f8"), ("Unreachable", "at 1a2b3c4")])
def test_another_reason_or_message_is_news(announcer: Announcer, sent: Sent, reason: str, message: str) -> None:
    announcer.announce(WEB, "Synced", "at 1a2b3c4")
    assert announcer.announce(WEB, reason, message)
    assert len(sent.all) == 2


def test_the_first_again_after_another_is_news(announcer: Announcer, sent: Sent) -> None:
    for reason in ("Synced", "Unreachable", "Synced", "Synced"):
        announcer.announce(WEB, reason, "…")
    assert [reason for _, _, _, reason, _, _, _ in sent.all] == ["Synced", "Unreachable", "Synced"]


def test_objects_do_not_disturb_each_other(announcer: Announcer, sent: Sent) -> None:
    announcer.announce(WEB, "Synced", "web")
    announcer.announce(API, "Synced", "api")
    assert not announcer.announce(WEB, "Synced", "web")
    assert sent.notes == ["web", "api"]


def test_topics_of_one_object_do_not_disturb_each_other(announcer: Announcer, sent: Sent) -> None:
    for _ in range(3):
        announcer.announce(WEB, "Synced", "state")
        announcer.announce(WEB, "ConflictsOpen", "replicas", topic="conflict of Deployment/web")
    assert sent.notes == ["state", "replicas"]


def test_a_settled_topic_is_news_again(announcer: Announcer, sent: Sent) -> None:
    announcer.announce(WEB, "ConflictsOpen", "replicas", topic="conflict")
    announcer.settle("uid-1", "conflict")
    announcer.settle("uid-1", "unknown")
    assert announcer.announce(WEB, "ConflictsOpen", "replicas", topic="conflict")
    assert sent.notes == ["replicas", "replicas"]


def test_what_the_status_says_already_is_no_news_after_a_restart(announcer: Announcer, sent: Sent) -> None:
    announcer.remember("uid-1", "Synced", "at 1a2b3c4")
    assert not announcer.announce(WEB, "Synced", "at 1a2b3c4")
    assert announcer.announce(WEB, "Synced", "at 5d6e7f8")
    assert sent.notes == ["at 5d6e7f8"]


def test_another_object_of_the_same_name_begins_anew(announcer: Announcer) -> None:
    announcer.announce(WEB, "Synced", "at 1a2b3c4")
    announcer.forget("uid-1")
    assert announcer.announce(WEB._replace(uid="uid-3"), "Synced", "at 1a2b3c4")


def test_a_forgotten_object_leaves_nothing_behind(announcer: Announcer) -> None:
    announcer.announce(WEB, "Synced", "…")
    announcer.announce(WEB, "ConflictsOpen", "…", topic="conflict")
    announcer.announce(API, "Synced", "…")
    announcer.forget("uid-1")
    assert list(announcer._said) == [("uid-2", "")]


def test_memory_is_bounded_and_the_oldest_goes_first(
    announcer: Announcer, sent: Sent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "_REMEMBERED", 3)
    for topic in "abc":
        announcer.announce(WEB, "Synced", topic, topic=topic)
    announcer.announce(WEB, "Synced", "a", topic="a")
    announcer.announce(WEB, "Synced", "d", topic="d")
    assert not announcer.announce(WEB, "Synced", "a", topic="a")
    assert announcer.announce(WEB, "Synced", "b", topic="b")
    assert sent.notes == ["a", "b", "c", "d", "b"]
