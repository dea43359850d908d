"""Absent or unknown: the one distinction that keeps a typing error from deleting anything."""

from __future__ import annotations

import pytest

from controller.errors import Reason
from controller.objects import Base, Kind, ObjectKey, Provenance, canonical
from controller.sync.declared import Blob, DeclaredTree
from controller.sync.parse.documents import DocRef, Fault, FileResult, ParsedDocument, Seal
from controller.sync.plan.model import Presence
from controller.sync.scope import KindScope, Scope

SCOPE = Scope("shop", ("shop",))
KINDS = {("v1", "ConfigMap"): True, ("v1", "Namespace"): False, ("example.com/v1", "Widget"): None}


def key(name: str, namespace: str = "shop", kind: str = "ConfigMap", group: str = "") -> ObjectKey:
    return ObjectKey(group, kind, namespace, name)


def document(
    name: str, index: int = 0, namespace: str = "", kind: str = "ConfigMap", version: str = "v1"
) -> ParsedDocument:
    content = canonical({"apiVersion": version, "kind": kind, "metadata": {"name": name}})
    return ParsedDocument(version, kind, namespace, name, content, 1 + 10 * index, DocRef(index))


FAILED = Reason.DECRYPTION_FAILED


def good(*documents: ParsedDocument, blob: str = "b1") -> Blob:
    return Blob(blob, FileResult(documents))


def broken(*documents: ParsedDocument, blob: str = "bad") -> Blob:
    return Blob(blob, FileResult(documents, (Fault(3, Reason.FIELD_REFUSED, "mapping values are not allowed here"),)))


def base(path: str) -> Base:
    return Base(b"{}", b"{}", "uid", "1", "epoch", "v1", Provenance(path))


def tree(files: dict[str, Blob], scope: Scope = SCOPE) -> DeclaredTree:
    made = DeclaredTree()
    made.update(files, scope, KINDS, ())
    return made


def test_a_document_is_present_with_its_place() -> None:
    made = tree({"a.yaml": good(document("x"), document("y", 1))})
    declared = made.declared(key("y"), None)
    assert declared.presence is Presence.PRESENT
    assert declared.origin == Provenance("a.yaml", 11, 1, None, "b1")
    assert (made.count, sorted(made.keys())) == (2, [key("x"), key("y")])


def test_what_no_file_declares_is_absent() -> None:
    assert tree({"a.yaml": good(document("x"))}).declared(key("z"), base("a.yaml")).presence is Presence.ABSENT


def test_every_object_whose_base_lies_in_an_unreadable_file_is_unknown() -> None:
    made = tree({"a.yaml": broken()})
    declared = made.declared(key("x"), base("a.yaml"))
    assert (declared.presence, declared.reason) == (Presence.UNKNOWN, Reason.FIELD_REFUSED)
    assert "a.yaml:3: mapping values" in declared.message


def test_a_fault_is_told_until_its_file_reads_or_is_gone() -> None:
    made = tree({"a.yaml": broken(), "b.yaml": broken(), "c.yaml": good(document("x"))})
    assert [problem.path for problem in made.problems()] == ["a.yaml", "b.yaml"]
    made.update({"a.yaml": good(document("y"))}, SCOPE, KINDS, ())
    assert [problem.path for problem in made.problems()] == ["b.yaml"]
    made.resolve_again(SCOPE, KINDS)
    assert [problem.path for problem in made.problems()] == ["b.yaml"]
    made.update({"b.yaml": None}, SCOPE, KINDS, ())
    assert made.problems() == []


def test_a_document_that_could_be_read_in_an_unreadable_file_is_unknown_too() -> None:
    assert tree({"a.yaml": broken(document("x"))}).declared(key("x"), None).presence is Presence.UNKNOWN


def test_an_object_declared_twice_is_unknown_and_both_places_are_named() -> None:
    made = tree({"a.yaml": good(document("x")), "b.yaml": good(document("y"), document("x", 1))})
    declared = made.declared(key("x"), None)
    assert (declared.presence, declared.reason) == (Presence.UNKNOWN, Reason.DUPLICATE_OBJECT)
    assert "a.yaml:1 and b.yaml:11" in declared.message
    (problem,) = made.problems()
    assert (problem.path, problem.reason) == ("a.yaml", Reason.DUPLICATE_OBJECT)
    touched = made.update({"b.yaml": good(document("y"))}, SCOPE, KINDS, ())
    assert key("x") in touched
    assert made.declared(key("x"), None).presence is Presence.PRESENT
    assert made.problems() == []


def test_a_file_renamed_and_broken_in_one_change_makes_nothing_absent() -> None:
    made = tree({"a.yaml": good(document("x"), document("y", 1))})
    bases = {key("x"): base("a.yaml"), key("y"): base("a.yaml")}
    made.update({"a.yaml": None, "b.yaml": broken()}, SCOPE, KINDS, bases)
    for name in "xy":
        declared = made.declared(key(name), bases[key(name)])
        assert declared.presence is Presence.UNKNOWN
        assert "b.yaml:3" in declared.message
    assert made.holds_back
    touched = made.update({"b.yaml": good(document("x"))}, SCOPE, KINDS, bases)
    assert touched >= {key("x"), key("y")}, "both have to be planned again"
    assert made.declared(key("x"), bases[key("x")]).presence is Presence.PRESENT
    assert made.declared(key("y"), bases[key("y")]).presence is Presence.ABSENT
    assert not made.holds_back


def test_a_file_that_was_broken_before_blocks_no_later_deletion() -> None:
    made = tree({"a.yaml": good(document("x")), "bad.yaml": broken()})
    made.update({"a.yaml": None}, SCOPE, KINDS, {key("x"): base("a.yaml")})
    assert made.declared(key("x"), base("a.yaml")).presence is Presence.ABSENT


@pytest.mark.parametrize(
    ("brought", "presence"),
    [
        pytest.param({"bad.yaml", "a.yaml"}, Presence.UNKNOWN, id="the file broke since the planned tree"),
        pytest.param({"a.yaml"}, Presence.ABSENT, id="the file was broken before"),
        pytest.param(None, Presence.UNKNOWN, id="the planned tree is not known"),
    ],
)
def test_after_a_start_only_what_changed_since_the_planned_tree_holds(
    brought: set[str] | None, presence: Presence
) -> None:
    made = DeclaredTree()
    made.update({"bad.yaml": broken()}, SCOPE, KINDS, {key("x")}, brought)
    assert made.declared(key("x"), base("a.yaml")).presence is presence


def test_a_kind_that_is_not_served_is_unknown_whatever_its_scope_would_be() -> None:
    widget = document("w", kind="Widget", version="example.com/v1")
    made = tree({"a.yaml": good(widget)})
    for namespace in ("shop", ""):
        declared = made.declared(key("w", namespace, "Widget", "example.com"), None)
        assert (declared.presence, declared.reason) == (Presence.UNKNOWN, Reason.KIND_UNKNOWN)
    assert [problem.reason for problem in made.problems()] == [Reason.KIND_UNKNOWN]
    moved = made.resolve_again(SCOPE, {**KINDS, ("example.com/v1", "Widget"): True})
    assert key("w", "shop", "Widget", "example.com") in moved
    assert made.declared(key("w", "shop", "Widget", "example.com"), None).presence is Presence.PRESENT
    assert made.problems() == []


@pytest.mark.parametrize(
    ("found", "scope", "field"),
    [
        (document("x", namespace="other"), SCOPE, "/metadata/namespace"),
        (document("n", kind="Namespace"), SCOPE, "/kind"),
        (document("x"), Scope("shop", ("shop",), kinds={Kind("apps", "Deployment"): KindScope()}), "/kind"),
    ],
    ids=["another namespace", "cluster-scoped", "a kind that is not listed"],
)
def test_a_document_out_of_scope_is_named_and_declares_nothing(found: ParsedDocument, scope: Scope, field: str) -> None:
    made = tree({"a.yaml": good(found, document("ok", 1) if scope is SCOPE else found)}, scope)
    problem = made.problems()[0]
    assert (problem.reason, problem.field, problem.line) == (Reason.OUT_OF_SCOPE, field, 1)
    assert set(made.keys()) <= {key("ok")}


def test_a_wider_scope_lets_the_object_in() -> None:
    made = tree({"a.yaml": good(document("x", namespace="other"))})
    moved = made.resolve_again(Scope("shop", ("shop", "other")), KINDS)
    assert moved == {key("x", "other")}


def test_versions_follow_the_files() -> None:
    made = tree({"a.yaml": good(document("x")), "b.yaml": good(document("w", kind="Widget", version="example.com/v1"))})
    assert made.versions() == {("v1", "ConfigMap"), ("example.com/v1", "Widget")}
    made.update({"b.yaml": None}, SCOPE, KINDS, ())
    assert made.versions() == {("v1", "ConfigMap")}
    assert made.problems() == []


def test_the_default_namespace_is_the_first_entry_and_the_own_one_for_all() -> None:
    assert set(tree({"a.yaml": good(document("x"))}, Scope("shop", ("b", "a"))).keys()) == {key("x", "b")}
    assert set(tree({"a.yaml": good(document("x"))}, Scope("shop", ("*",))).keys()) == {key("x", "shop")}


def test_an_encrypted_file_is_known_as_one_open_or_not() -> None:
    opened, shut = (
        FileResult((document("x"),), seal=Seal.OPEN),
        FileResult((), (Fault(1, FAILED, "shut"),), Seal.CLOSED),
    )
    refused = FileResult((), (Fault(1, FAILED, "refused"),), Seal.REFUSED)
    made = tree({"a.yaml": Blob("a", opened), "b.yaml": Blob("b", refused), "c.yaml": good(document("y"))})
    assert (made.sealed, made.is_shut) == ({"a.yaml"}, False)
    assert (made.declared(key("x"), None).sealed, made.declared(key("y"), None).sealed) == (True, False)
    made.update({"a.yaml": Blob("a", shut)}, SCOPE, KINDS, {key("x")}, ())
    assert (made.sealed, made.is_shut) == ({"a.yaml"}, True)
    assert made.declared(key("x"), base("a.yaml")).reason is FAILED
    made.update({"a.yaml": None}, SCOPE, KINDS, {key("x")})
    assert (made.sealed, made.is_shut) == (set(), False)


def test_a_copy_is_changed_alone() -> None:
    found = tree({"a.yaml": good(document("web")), "b.yaml": broken(document("bad")), "c.yaml": good(document("api"))})
    before = (dict(found.files), found.problems(), set(found.keys()), found.versions())
    other = found.copy()
    assert (other.files, other.problems(), set(other.keys()), other.versions()) == before
    again = good(document("web"), document("api"), document("w", kind="Widget", version="example.com/v1"))
    touched = other.update({"a.yaml": again, "b.yaml": None}, SCOPE, KINDS, {key("bad")})
    assert key("web") in touched
    assert other.declared(key("api"), None).reason is Reason.DUPLICATE_OBJECT
    assert (found.files, found.problems(), set(found.keys()), found.versions()) == before
    assert found.declared(key("api"), None).presence is Presence.PRESENT
