"""A write is credited to the one user who asked for exactly it, and to nobody where there is any doubt."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from controller.kube.projection import CachedObject, project
from controller.kube.watch import Change, Source
from controller.objects import Json, ObjectKey
from controller.sync.attribution import CLAIMS, CREDITS, REVIEW_SECONDS, Attribution, Recent
from controller.sync.plan.fieldpath import render_path
from controller.sync.plan.schema import Schema
from tests.support.plan import SCHEMA

KEY = ObjectKey("tests.tandem.dev", "Fabric", "shop", "web")


def live(version: int, manager: str = "kubectl-edit", uid: str = "u1", second: int = 0, **spec: Json) -> Json:
    """A live object at a version."""
    entry = {"manager": manager, "operation": "Update", "time": f"2026-01-01T00:00:{second:02}Z", "fieldsV1": {}}
    metadata = {"name": "web", "namespace": "shop", "uid": uid, "resourceVersion": str(version)}
    return {
        "apiVersion": "tests.tandem.dev/v1",
        "kind": "Fabric",
        "metadata": metadata | {"managedFields": [entry]},
        "spec": spec,
    }


def review(user: str, operation: str, old: Json | None, new: Json | None, **request: Json) -> Json:
    """What the API server asks, before it has given the object a new version."""
    if new is not None and old is not None:
        new = {**new, "metadata": {**new["metadata"], "resourceVersion": old["metadata"]["resourceVersion"]}}
    asked = {"uid": "r", "operation": operation, "userInfo": {"username": user}, "object": new, "oldObject": old}
    return {"apiVersion": "admission.k8s.io/v1", "request": asked | request}


class Desk:
    """An Attribution with a clock, and a cluster that asks and then writes, or does not."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.counts: Counter[str] = Counter()
        self.attribution = Attribution(lambda: self.now, self._count)

    def _count(self, outcome: str) -> None:
        self.counts[outcome] += 1

    def ask(self, user: str, old: Json | None, new: Json | None, **request: Json) -> None:
        operation = "CREATE" if old is None else "DELETE" if new is None else "UPDATE"
        found = self.attribution.read(copied(review(user, operation, old, new, **request)))
        if found is not None:
            self.attribution.note(found)

    def see(self, old: Json | None, new: Json | None, source: Source = Source.WATCH) -> None:
        self.attribution.follow(Change(KEY, cached(old), cached(new), source), lambda: SCHEMA)

    def write(self, user: str, old: Json | None, new: Json | None) -> None:
        self.ask(user, old, new)
        self.see(old, new)

    def credited(self, version: int, since: int = 0, uid: str = "u1") -> list[tuple[str, list[str]]]:
        """(user, paths) of each write that is credited."""
        found = self.attribution.credits(uid, str(version), str(since))
        return [(credit.user, [render_path(path) for path in credit.paths]) for credit in found]

    def deleter(self, uid: str = "u1") -> str:
        found = self.attribution.deletion(uid)
        return "" if found is None else found.user


def copied(tree: Json) -> Json:
    """A tree that may be taken over."""
    return {name: copied(part) for name, part in tree.items()} if isinstance(tree, dict) else tree


def cached(body: Json | None) -> CachedObject | None:
    return None if body is None else project(copied(body))


@pytest.fixture
def desk() -> Desk:
    return Desk()


FIRST, SECOND, THIRD = live(7, vlan=1), live(8, vlan=2), live(9, vlan=2, mtu=9000)


def test_a_write_is_whose_it_was_asked_for(desk: Desk) -> None:
    desk.write("alice", FIRST, SECOND)
    assert desk.credited(8) == [("alice", ["/spec/vlan"])]
    assert desk.counts == {"told": 1, "credited": 1}


def test_two_writes_follow_each_other(desk: Desk) -> None:
    desk.write("alice", FIRST, SECOND)
    desk.now += 1
    desk.write("bob", SECOND, THIRD)
    assert desk.credited(9) == [("alice", ["/spec/vlan"]), ("bob", ["/spec/mtu"])]
    assert desk.credited(9, since=8) == [("bob", ["/spec/mtu"])]
    assert [credit.time for credit in desk.attribution.credits("u1", "9", "")] == [1000.0, 1001.0]


def test_what_nobody_asked_for_is_nobodys(desk: Desk) -> None:
    desk.write("alice", FIRST, SECOND)
    desk.see(SECOND, THIRD)
    assert desk.credited(9) == [("alice", ["/spec/vlan"]), ("", ["/spec/mtu"])]


def test_what_was_asked_for_and_not_written_is_nobodys(desk: Desk) -> None:
    """Refused by somebody else, or overtaken: what came instead has another content, manager, or time."""
    desk.ask("alice", FIRST, live(8, vlan=3))
    desk.ask("alice", FIRST, live(8, "kubectl-patch", vlan=2))
    desk.ask("alice", FIRST, live(8, second=1, vlan=2))
    desk.ask("alice", live(6, vlan=1), SECOND)
    desk.ask("alice", live(7, uid="u2", vlan=1), live(8, uid="u2", vlan=2))
    desk.see(FIRST, SECOND)
    assert desk.credited(8) == []


def test_what_two_asked_for_is_nobodys(desk: Desk) -> None:
    desk.ask("alice", FIRST, SECOND)
    desk.write("bob", FIRST, SECOND)
    assert desk.credited(8) == []


def test_asking_twice_is_asking(desk: Desk) -> None:
    desk.ask("alice", FIRST, SECOND)
    desk.write("alice", FIRST, SECOND)
    assert desk.credited(8) == [("alice", ["/spec/vlan"])]


def test_a_user_without_a_name_makes_it_doubtful(desk: Desk) -> None:
    desk.ask("x" * 1000, FIRST, SECOND)
    desk.write("alice", FIRST, SECOND)
    assert desk.credited(8) == []


def test_a_dry_run_is_ignored(desk: Desk) -> None:
    desk.ask("alice", FIRST, SECOND, dryRun=True)
    desk.see(FIRST, SECOND)
    assert (desk.credited(8), desk.counts) == ([], {"ignored": 1})


def test_an_old_question_proves_nothing(desk: Desk) -> None:
    desk.ask("alice", FIRST, SECOND)
    desk.now += REVIEW_SECONDS + 0.1
    desk.see(FIRST, SECOND)
    assert desk.credited(8) == []


def test_more_than_can_be_kept_apart_name_nobody(desk: Desk) -> None:
    for number in range(CLAIMS):
        desk.ask(f"user-{number}", FIRST, live(8, vlan=100 + number))
    desk.write("alice", FIRST, SECOND)
    assert desk.credited(8) == []


def test_a_gap_ends_what_was_known(desk: Desk) -> None:
    """A step that was not seen may have been anybody's."""
    desk.write("alice", FIRST, SECOND)
    assert desk.credited(9) == []
    desk.write("bob", THIRD, live(10, vlan=2, mtu=1500))
    assert desk.credited(10) == [("bob", ["/spec/mtu"])]


def test_several_steps_at_once_are_nobodys(desk: Desk) -> None:
    """A list shows only what came of them."""
    desk.ask("alice", FIRST, SECOND)
    desk.ask("bob", SECOND, THIRD)
    desk.see(FIRST, THIRD, Source.LIST)
    assert desk.credited(9) == []


def test_a_step_that_changes_nothing_is_followed(desk: Desk) -> None:
    """A status, or who manages what: no document says it."""
    desk.write("alice", FIRST, SECOND)
    desk.see(SECOND, live(9, second=1, vlan=2))
    assert desk.credited(9) == [("alice", ["/spec/vlan"])]


def test_several_fabrics_tell_of_the_same_step(desk: Desk) -> None:
    desk.write("alice", FIRST, SECOND)
    desk.write("bob", SECOND, THIRD)
    desk.see(FIRST, SECOND)
    desk.see(SECOND, THIRD)
    assert desk.credited(9) == [("alice", ["/spec/vlan"]), ("bob", ["/spec/mtu"])]
    assert desk.counts["credited"] == 2


def test_what_is_not_asked_about_is_not_read(desk: Desk) -> None:
    """Most steps are nobody's business: not even the schema is looked up."""

    def unread() -> Schema:
        raise AssertionError("the step was compared")

    desk.attribution.follow(Change(KEY, cached(FIRST), cached(SECOND), Source.WATCH), unread)
    assert desk.credited(8) == []


def scale(version: int, replicas: int) -> Json:
    metadata = {"name": "web", "namespace": "shop", "uid": "u1", "resourceVersion": str(version)}
    return {"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": metadata, "spec": {"replicas": replicas}}


@pytest.mark.parametrize(
    ("after", "credited"),
    [
        ({"replicas": 3}, [("alice", ["/spec/replicas"])]),
        ({"replicas": 4}, []),
        ({"replicas": 3, "vlan": 2}, []),
        ({}, []),
    ],
    ids=["as asked", "another count", "more than the count", "no count at all"],
)
def test_a_scale_is_known_by_its_count_alone(desk: Desk, after: Json, credited: list[tuple[str, list[str]]]) -> None:
    desk.ask("alice", scale(7, 1), scale(7, 3), subResource="scale")
    desk.see(live(7, replicas=1), live(8, **after))
    assert desk.credited(8) == credited


def test_a_new_object_is_its_makers(desk: Desk) -> None:
    desk.write("alice", None, FIRST)
    desk.see(None, FIRST)
    assert desk.credited(7) == [("alice", [""])]
    desk.see(None, live(7, uid="u2", vlan=1))
    assert desk.credited(7, uid="u2") == []


# ---- deletions ----


def test_a_deletion_is_whose_it_was_asked_for(desk: Desk) -> None:
    desk.write("alice", FIRST, None)
    assert desk.deleter() == "alice"


DOUBTFUL = {
    "nobody asked": [],
    "of an earlier version": [("alice", live(6, vlan=1))],
    "of another object": [("alice", live(7, uid="u2", vlan=1))],
    "two asked": [("alice", FIRST), ("system:serviceaccount:kube-system:generic-garbage-collector", FIRST)],
}


@pytest.mark.parametrize("asked", DOUBTFUL.values(), ids=DOUBTFUL)
def test_a_deletion_that_is_nobodys(desk: Desk, asked: list[tuple[str, Json]]) -> None:
    for user, seen in asked:
        desk.ask(user, seen, None)
    desk.see(FIRST, None)
    assert desk.deleter() == ""


def test_a_refused_deletion_is_not_the_next_ones(desk: Desk) -> None:
    desk.ask("alice", FIRST, None)
    desk.now += REVIEW_SECONDS + 0.1
    desk.write("system:serviceaccount:shop:robot", FIRST, None)
    assert desk.deleter() == "system:serviceaccount:shop:robot"


def deleting(version: int) -> Json:
    body = live(version, vlan=1)
    return {**body, "metadata": {**body["metadata"], "deletionTimestamp": "2026-01-01T00:00:00Z"}}


def test_a_deletion_that_takes_a_while_is_whose_it_began(desk: Desk) -> None:
    """A finalizer holds the object; whoever takes it off, or asks again, deletes nothing."""
    desk.write("alice", FIRST, deleting(8))
    assert desk.deleter() == ""
    desk.ask("alice", FIRST, None)
    desk.see(FIRST, deleting(8))
    desk.ask("bob", deleting(8), None)
    desk.see(deleting(8), deleting(9))
    desk.see(deleting(9), None)
    assert desk.deleter() == "alice"


def test_an_update_proves_no_deletion(desk: Desk) -> None:
    desk.ask("alice", FIRST, SECOND)
    desk.see(FIRST, None)
    assert desk.deleter() == ""


def test_a_deletion_that_was_refused_proves_no_update(desk: Desk) -> None:
    desk.ask("alice", FIRST, None)
    desk.see(FIRST, SECOND)
    assert (desk.credited(8), desk.deleter()) == ([], "")


# ---- bounds ----


def test_only_the_latest_writes_are_kept(desk: Desk) -> None:
    for number in range(CREDITS + 5):
        desk.write("alice", live(10 + number, vlan=number), live(11 + number, vlan=number + 1))
    kept = desk.attribution.credits("u1", str(10 + CREDITS + 5), "")
    assert (len(kept), kept[0].version) == (CREDITS, 16)


def test_memory_is_bounded_by_number_and_age() -> None:
    recent: Recent[int] = Recent(2)
    for number in range(3):
        recent.put(str(number), number)
    recent.put("1", 10)
    assert [recent.get(key) for key in ("0", "1", "2")] == [None, 10, 2]
    assert recent.oldest() == 2
    recent.drop_oldest()
    recent.drop("1")
    assert recent.oldest() is None


def test_old_questions_are_let_go_of(desk: Desk) -> None:
    for number in range(100):
        desk.ask("alice", live(7, uid=f"u{number}", vlan=1), live(8, uid=f"u{number}", vlan=2))
    desk.now += REVIEW_SECONDS + 0.1
    desk.ask("alice", FIRST, SECOND)
    assert list(desk.attribution._reviews._held) == ["u1@7"]


def test_credits_are_of_a_content_not_of_a_wish(desk: Desk) -> None:
    """The write of a version is credited with what differs, also where it was asked for as something else."""
    same = replace(project(copied(FIRST)), resource_version="8")
    desk.ask("alice", FIRST, FIRST)
    desk.attribution.follow(Change(KEY, cached(FIRST), same, Source.WATCH), lambda: SCHEMA)
    assert desk.credited(8) == []
