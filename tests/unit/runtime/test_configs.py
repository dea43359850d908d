"""The cache of configuration objects: what is news, and what a list puts right."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from controller.kube.resources import Resource
from controller.objects import Json, ObjectKey
from controller.runtime.configs import Change, ConfigCache

FABRICS = Resource("tandem.dev", "v1alpha1", "Fabric", "fabrics", namespaced=True)
WEB = FABRICS.key("shop", "web")


def fabric(name: str = "web", namespace: str = "shop", uid: str = "uid-1", rv: int = 1, **parts: Any) -> Json:
    metadata = {"namespace": namespace, "name": name, "uid": uid, "resourceVersion": str(rv)}
    return {
        "apiVersion": "tandem.dev/v1alpha1",
        "kind": "Fabric",
        "metadata": metadata | parts.pop("metadata", {}),
        "spec": {"suspend": False},
        **parts,
    }


@pytest.fixture
def changes() -> list[Change]:
    return []


@pytest.fixture
def cache(changes: list[Change]) -> ConfigCache:
    return ConfigCache(FABRICS, changes.append)


class TestEvents:
    def test_a_new_object(self, cache: ConfigCache, changes: list[Change]) -> None:
        cache.observe("ADDED", fabric())
        assert changes == [Change(WEB, None, fabric())]
        assert cache.get(WEB) == fabric()
        assert list(cache) == [WEB]
        assert len(cache) == 1

    def test_an_object_on_a_list_is_as_new(self, cache: ConfigCache, changes: list[Change]) -> None:
        cache.observe(None, fabric())
        assert [change.after for change in changes] == [fabric()]

    def test_a_deletion(self, cache: ConfigCache, changes: list[Change]) -> None:
        cache.observe("ADDED", fabric())
        cache.observe("DELETED", fabric(rv=2))
        assert changes[1] == Change(WEB, fabric(), None)
        assert cache.get(WEB) is None

    def test_a_deletion_of_what_was_not_known(self, cache: ConfigCache, changes: list[Change]) -> None:
        cache.observe("DELETED", fabric())
        assert changes == []

    def test_our_own_status_coming_back_is_no_news_but_is_kept(self, cache: ConfigCache, changes: list[Change]) -> None:
        cache.observe("ADDED", fabric())
        ours = fabric(rv=2, status={"a": 1}, metadata={"managedFields": [{"manager": "tandem"}]})
        cache.observe("MODIFIED", ours)
        assert len(changes) == 1
        assert cache.get(WEB) == fabric(rv=2, status={"a": 1})

    @pytest.mark.parametrize(
        "parts",
        [
            {"spec": {"suspend": True}},
            {"metadata": {"annotations": {"tandem.dev/requestedAt": "now"}}},
            {"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}},
            {"metadata": {"finalizers": ["tandem.dev/finalizer"]}},
            {"metadata": {"labels": {"team": "shop"}}},
            {"metadata": {"generation": 2}},
            {"metadata": {"uid": "uid-2"}},
        ],
        ids=lambda parts: next(iter(parts.get("metadata", parts))),
    )
    def test_anything_else_is_news(self, cache: ConfigCache, changes: list[Change], parts: Json) -> None:
        cache.observe("ADDED", fabric())
        copied: dict[str, Any] = {name: dict(value) for name, value in parts.items()}  # it takes the metadata out
        after = fabric(rv=2, **copied)
        cache.observe("MODIFIED", after)
        assert changes[1:] == [Change(WEB, fabric(), after)]

    def test_a_body_that_is_handed_in_is_not_modified(self, cache: ConfigCache) -> None:
        body = fabric(metadata={"managedFields": []})
        cache.observe("ADDED", body)
        assert body == fabric(metadata={"managedFields": []})

    def test_a_cluster_scoped_kind(self, changes: list[Change]) -> None:
        kind = Resource("tandem.dev", "v1alpha1", "OperationType", "operationtypes", namespaced=False)
        cache = ConfigCache(kind, changes.append)
        cache.observe("ADDED", {"metadata": {"name": "x", "uid": "u", "resourceVersion": "1"}})
        assert list(cache) == [ObjectKey("tandem.dev", "OperationType", "", "x")]


class TestBySomebody:
    @pytest.mark.parametrize(
        "parts",
        [
            {"spec": {"suspend": True}},
            {"metadata": {"annotations": {"tandem.dev/confirm": "x"}}},
            {"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}},
            {"metadata": {"uid": "uid-2"}},
        ],
    )
    def test_what_people_ask_for(self, parts: Json) -> None:
        assert Change(WEB, fabric(), fabric(**parts)).by_somebody

    @pytest.mark.parametrize("parts", [{}, {"metadata": {"finalizers": ["tandem.dev/finalizer"]}}, {"rv": 9}])
    def test_what_we_did_ourselves(self, parts: Json) -> None:
        assert not Change(WEB, fabric(), fabric(**parts)).by_somebody

    def test_coming_and_going(self) -> None:
        assert Change(WEB, None, fabric()).by_somebody
        assert Change(WEB, fabric(), None).by_somebody


class TestLists:
    def test_it_is_filled_by_its_first_list_even_an_empty_one(self, cache: ConfigCache) -> None:
        cache.observe(None, fabric())
        assert not cache.filled
        cache.begin_list("")
        assert not cache.filled
        cache.finish_list("", [])
        assert cache.filled

    def test_every_scope_has_to_be_listed(self, changes: list[Change]) -> None:
        cache = ConfigCache(FABRICS, changes.append, scopes=("a", "b"))
        cache.finish_list("a", [])
        assert not cache.filled
        cache.finish_list("b", [])
        assert cache.filled

    def test_a_list_brings_what_events_did_not(self, cache: ConfigCache, changes: list[Change]) -> None:
        cache.begin_list("")
        cache.finish_list("", [fabric("b"), fabric("a")])
        assert [change.key.name for change in changes] == ["a", "b"]

    def test_what_is_on_no_list_and_in_no_event_is_gone(self, cache: ConfigCache, changes: list[Change]) -> None:
        cache.observe("ADDED", fabric("gone"))
        cache.observe("ADDED", fabric("here"))
        changes.clear()
        cache.begin_list("")
        cache.finish_list("", [fabric("here")])
        assert changes == [Change(FABRICS.key("shop", "gone"), fabric("gone"), None)]
        assert [key.name for key in cache] == ["here"]

    def test_an_event_since_knows_better_than_the_list(self, cache: ConfigCache) -> None:
        cache.observe("ADDED", fabric("deleted"))
        cache.observe("ADDED", fabric("changed"))
        cache.begin_list("")
        cache.observe("DELETED", fabric("deleted", rv=5))
        cache.observe("ADDED", fabric("new", rv=6))
        cache.observe("MODIFIED", fabric("changed", rv=7, spec={"suspend": True}))
        cache.finish_list("", [fabric("deleted"), fabric("changed")])
        assert sorted(key.name for key in cache) == ["changed", "new"]
        assert cache.get(FABRICS.key("shop", "changed")) == fabric("changed", rv=7, spec={"suspend": True})

    def test_events_before_the_list_count_no_more(self, cache: ConfigCache) -> None:
        cache.begin_list("")
        cache.observe("ADDED", fabric())
        cache.begin_list("")
        cache.finish_list("", [])
        assert len(cache) == 0

    def test_a_scope_says_nothing_of_another(self, changes: list[Change]) -> None:
        cache = ConfigCache(FABRICS, changes.append, scopes=("a", "b"))
        cache.observe("ADDED", fabric(namespace="a"))
        cache.observe("ADDED", fabric(namespace="b"))
        for scope in "ab":
            cache.begin_list(scope)
        cache.finish_list("a", [])
        assert [key.namespace for key in cache] == ["b"]

    def test_an_object_made_again_while_nobody_looked(self, cache: ConfigCache, changes: list[Change]) -> None:
        cache.observe("ADDED", fabric(uid="uid-1"))
        cache.begin_list("")
        cache.finish_list("", [fabric(uid="uid-2", rv=9)])
        assert changes[-1] == Change(WEB, fabric(uid="uid-1"), fabric(uid="uid-2", rv=9))


class TestDrop:
    def test_an_object_that_turned_out_to_be_gone(self, cache: ConfigCache, changes: list[Change]) -> None:
        cache.observe("ADDED", fabric())
        cache.drop(WEB, "uid-1")
        assert changes[-1] == Change(WEB, fabric(), None)

    def test_another_of_the_same_name_stays(self, cache: ConfigCache) -> None:
        cache.observe("ADDED", fabric(uid="uid-2"))
        cache.drop(WEB, "uid-1")
        cache.drop(FABRICS.key("shop", "unknown"), "uid-1")
        assert list(cache) == [WEB]


class BrokenWatches(RuleBasedStateMachine):
    """A server, and a watch that breaks and begins anew with a list: in the end the cache holds what the server does.

    Events are delivered late but in order; our own list is made some time after kopf's.
    """

    names = st.sampled_from("abc")

    def __init__(self) -> None:
        super().__init__()
        self.cache = ConfigCache(FABRICS, lambda _: None)
        self.server: dict[str, Json] = {}
        self.version = 0
        self.pending: list[tuple[str | None, Json]] = []
        self.watching = False

    def happen(self, event: str, body: Json) -> None:
        if self.watching:
            self.pending.append((event, body))

    @rule(name=names)
    def write(self, name: str) -> None:
        self.version += 1
        event = "MODIFIED" if name in self.server else "ADDED"
        uid = self.server[name]["metadata"]["uid"] if name in self.server else f"uid-{self.version}"
        self.server[name] = fabric(name, uid=uid, rv=self.version, spec={"n": self.version})
        self.happen(event, self.server[name])

    @rule(name=names)
    def delete(self, name: str) -> None:
        body = self.server.pop(name, None)
        if body is not None:
            self.happen("DELETED", body)

    @rule(count=st.integers(1, 3))
    def deliver(self, count: int) -> None:
        for event, body in self.pending[:count]:
            self.cache.observe(event, body)
        del self.pending[:count]

    @rule()
    def break_off(self) -> None:
        self.watching = False
        self.pending.clear()

    @rule(writes=st.lists(names, max_size=2), deletes=st.lists(names, max_size=2), delivered=st.integers(0, 7))
    def list_anew(self, writes: list[str], deletes: list[str], delivered: int) -> None:
        self.cache.begin_list("")
        self.pending[:] = [(None, body) for body in self.server.values()]
        self.watching = True
        for name in writes:
            self.write(name)
        listed = list(self.server.values())
        for name in deletes:
            self.delete(name)
        self.deliver(delivered)
        self.cache.finish_list("", listed)

    @invariant()
    def nothing_is_known_that_never_was(self) -> None:
        assert len(self.cache) <= 3

    def teardown(self) -> None:
        if not self.watching:
            self.list_anew([], [], 0)
        self.deliver(len(self.pending))
        assert {key.name: self.cache.get(key) for key in self.cache} == self.server


BrokenWatches.TestCase.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)
TestBrokenWatches = BrokenWatches.TestCase
