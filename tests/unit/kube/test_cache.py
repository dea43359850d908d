"""The rules by which a list, a watch and our own writes become one memory. Each test is one rule."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.kube.cache import Name, ObjectCache, Step, is_before
from controller.kube.projection import CachedObject

A: Name = ("ns", "a")
B: Name = ("ns", "b")


def state(resource_version: int, uid: str = "u1", content: str = "") -> CachedObject:
    return CachedObject(uid, str(resource_version), 1, (content or f"at {resource_version}").encode(), b"[]")


def holding(*objects: tuple[Name, CachedObject]) -> ObjectCache:
    cache = ObjectCache()
    cache.begin_list()
    cache.replace(dict(objects), "100")
    return cache


def moves(steps: list[Step]) -> list[tuple[str, str, str]]:
    """Steps as (name, resourceVersion before, resourceVersion after), "" for absent."""
    return [
        (step.name[1], step.old.resource_version if step.old else "", step.new.resource_version if step.new else "")
        for step in steps
    ]


# ---- lists ----


def test_a_first_list_is_all_new() -> None:
    cache = ObjectCache()
    cache.begin_list()
    assert moves(cache.replace({A: state(1), B: state(2, "u2")}, "10")) == [("a", "", "1"), ("b", "", "2")]
    assert set(cache.objects) == {A, B}


def test_what_a_list_no_longer_holds_is_gone() -> None:
    cache = holding((A, state(1)), (B, state(2, "u2")))
    cache.begin_list()
    assert moves(cache.replace({B: state(2, "u2")}, "110")) == [("a", "1", "")]


def test_what_was_deleted_and_created_again_while_cut_is_gone_and_new() -> None:
    cache = holding((A, state(1, "u1")))
    cache.begin_list()
    steps = cache.replace({A: state(105, "u2")}, "110")
    assert moves(steps) == [("a", "1", ""), ("a", "", "105")]
    assert cache.objects[A].uid == "u2"


def test_an_equal_list_is_no_news() -> None:
    cache = holding((A, state(1)))
    held = cache.objects[A]
    cache.begin_list()
    assert cache.replace({A: state(1)}, "110") == []
    assert cache.objects[A] is held


def test_an_object_that_reads_otherwise_at_the_same_resource_version_has_changed() -> None:
    cache = holding((A, state(1, content="with a field")))
    cache.begin_list()
    assert moves(cache.replace({A: state(1, content="its CRD lost the field")}, "110")) == [("a", "1", "1")]


def test_the_list_of_a_restored_server_wins_although_it_counts_from_an_earlier_point() -> None:
    cache = holding((A, state(90)), (B, state(95, "u2")))
    cache.begin_list()
    assert moves(cache.replace({A: state(40)}, "50")) == [("b", "95", ""), ("a", "90", "40")]


# ---- the watch ----


def test_a_line_about_a_new_object_is_an_addition() -> None:
    cache = holding()
    assert moves(cache.put(A, state(101), 7.0)) == [("a", "", "101")]
    assert cache.objects[A].seen_live == 7.0


def test_a_line_about_a_known_object_is_a_change() -> None:
    cache = holding((A, state(1)))
    assert moves(cache.put(A, state(101), 7.0)) == [("a", "1", "101")]


@pytest.mark.parametrize("resource_version", [99, 100])
def test_a_line_that_is_not_newer_than_what_is_held_is_no_news(resource_version: int) -> None:
    cache = holding((A, state(100)))
    assert cache.put(A, state(resource_version, content="older"), 7.0) == []
    assert cache.objects[A].content == b"at 100"


def test_a_line_about_a_successor_is_a_deletion_and_an_addition() -> None:
    cache = holding((A, state(1, "u1")))
    assert moves(cache.put(A, state(101, "u2"), 7.0)) == [("a", "1", ""), ("a", "", "101")]


def test_a_deletion_ends_the_object() -> None:
    cache = holding((A, state(1)))
    assert moves(cache.remove(A, "u1")) == [("a", "1", "")]
    assert A not in cache.objects


def test_a_deletion_of_a_predecessor_leaves_the_successor() -> None:
    cache = holding((A, state(101, "u2")))
    assert cache.remove(A, "u1") == []
    assert cache.objects[A].uid == "u2"


def test_a_deletion_of_what_is_not_held_is_no_news() -> None:
    assert holding().remove(A, "u1") == []


# ---- our own writes ----


def test_the_answer_to_a_write_is_held_before_its_echo_comes() -> None:
    cache = holding((A, state(1)))
    assert moves(cache.observe(A, state(101))) == [("a", "1", "101")]
    assert cache.put(A, state(101), 7.0) == []


def test_an_answer_that_changed_nothing_is_no_news() -> None:
    cache = holding((A, state(100)))
    assert cache.observe(A, state(100)) == []


def test_an_answer_that_comes_after_somebody_elses_newer_line_is_no_news() -> None:
    cache = holding((A, state(1)))
    cache.put(A, state(102), 7.0)
    assert cache.observe(A, state(101)) == []
    assert cache.objects[A].resource_version == "102"


def test_a_line_that_was_sent_before_our_write_does_not_undo_it() -> None:
    cache = holding((A, state(1)))
    cache.observe(A, state(102))
    assert cache.put(A, state(101), 7.0) == []
    assert cache.objects[A].resource_version == "102"


def test_a_deletion_after_our_write_is_told() -> None:
    cache = holding()
    cache.observe(A, state(101))
    assert moves(cache.remove(A, "u1")) == [("a", "101", "")]


def test_what_we_wrote_while_a_list_was_made_is_not_undone_by_it() -> None:
    cache = holding((A, state(1)))
    cache.begin_list()
    cache.observe(A, state(112))
    cache.observe(B, state(113, "u2"))
    assert cache.replace({A: state(1)}, "111") == []
    assert (cache.objects[A].resource_version, cache.objects[B].resource_version) == ("112", "113")


def test_what_we_wrote_and_somebody_deleted_before_the_list_was_made_is_gone() -> None:
    cache = holding()
    cache.begin_list()
    cache.observe(A, state(111))
    assert moves(cache.replace({}, "120")) == [("a", "111", "")]


def test_what_we_wrote_and_somebody_changed_before_the_list_was_made_is_as_listed() -> None:
    cache = holding()
    cache.begin_list()
    cache.observe(A, state(111))
    assert moves(cache.replace({A: state(115)}, "120")) == [("a", "111", "115")]


def test_what_we_wrote_before_a_list_was_begun_has_no_privilege() -> None:
    cache = holding()
    cache.observe(A, state(111))
    cache.begin_list()
    assert moves(cache.replace({}, "50")) == [("a", "111", "")]


def test_our_own_delete_takes_effect_at_once_and_older_lines_do_not_bring_it_back() -> None:
    cache = holding((A, state(1)))
    assert moves(cache.observe_deleted(A, "u1")) == [("a", "1", "")]
    assert cache.put(A, state(101), 7.0) == []
    assert cache.remove(A, "u1") == []
    assert A not in cache.objects


def test_our_own_delete_is_not_undone_by_a_list_that_was_made_before_it() -> None:
    cache = holding((A, state(1)))
    cache.begin_list()
    cache.observe_deleted(A, "u1")
    assert cache.replace({A: state(1)}, "110") == []
    assert cache.remove(A, "u1") == []
    assert A not in cache.objects


def test_our_own_delete_leaves_the_successor() -> None:
    cache = holding((A, state(1, "u1")))
    cache.put(A, state(105, "u2"), 7.0)
    assert cache.observe_deleted(A, "u1") == []
    assert cache.objects[A].uid == "u2"


def test_after_our_own_delete_a_successor_is_new() -> None:
    cache = holding((A, state(1, "u1")))
    cache.observe_deleted(A, "u1")
    assert moves(cache.put(A, state(105, "u2"), 7.0)) == [("a", "", "105")]


def test_nothing_is_remembered_of_a_delete_once_a_list_is_past_it() -> None:
    cache = holding((A, state(1)))
    cache.observe_deleted(A, "u1")
    cache.begin_list()
    cache.replace({}, "120")
    assert moves(cache.put(A, state(130, "u1"), 7.0)) == [("a", "", "130")]


def test_before_is_by_number() -> None:
    assert is_before("9", "10")
    assert not is_before("10", "10")
    assert is_before("", "1")


# ---- any history ----


class World:
    """A server, the lines of its watch that are still on their way, and a cache that hears of everything somehow."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.revision = 100
        self.live: dict[Name, CachedObject] = {}
        self.lines: list[tuple[str, Name, CachedObject]] = []
        self.cache = ObjectCache()
        self.told: dict[Name, CachedObject] = {}  # what somebody who adds up the steps believes
        self.listing = False

    def tell(self, steps: list[Step]) -> None:
        for step in steps:
            assert self.told.get(step.name) == step.old  # every step goes on from the last one
            if step.new is None:
                del self.told[step.name]
            else:
                self.told[step.name] = step.new

    def read_lines(self, count: int) -> None:
        """While a list is made no watch is read."""
        if self.listing:
            return
        for kind, name, body in self.lines[:count]:
            self.tell(self.cache.remove(name, body.uid) if kind == "DELETED" else self.cache.put(name, body, None))
        del self.lines[:count]

    def read_some(self) -> None:
        self.read_lines(self.chance.randrange(4))

    def relist(self) -> None:
        self.listing = True
        self.cache.begin_list()
        self.lines.clear()
        listed, at = dict(self.live), self.revision
        for _ in range(self.chance.randrange(4)):
            self.chance.choice([self.write, self.delete])()
        self.tell(self.cache.replace(listed, str(at)))
        self.listing = False

    def write(self) -> None:
        name, own = self.chance.choice([A, B]), self.chance.random() < 0.5
        if own:  # made from a known state: what came before has been told
            self.read_lines(len(self.lines))
        self.revision += 1
        held = self.live.get(name)
        written = self.live[name] = state(self.revision, held.uid if held else f"u{self.revision}")
        self.lines.append(("PUT", name, written))
        if own:
            self.tell(self.cache.observe(name, written))

    def delete(self) -> None:
        name, own = self.chance.choice([A, B]), self.chance.random() < 0.5
        if name not in self.live:
            return
        self.revision += 1
        gone = self.live.pop(name)
        self.lines.append(("DELETED", name, gone))
        if own:
            self.tell(self.cache.observe_deleted(name, gone.uid))


@given(st.integers())
def test_whatever_the_order_of_news_the_cache_ends_as_the_server(seed: int) -> None:
    """Foreign and own writes and deletes, lines that lag behind, and lists that lose some of them."""
    world = World(random.Random(seed))  # noqa: S311 - no secret
    for _ in range(world.chance.randrange(25)):
        world.chance.choice([world.write, world.write, world.delete, world.read_some, world.relist])()
    world.read_lines(len(world.lines))
    assert world.cache.objects == world.live
    assert world.told == world.live
