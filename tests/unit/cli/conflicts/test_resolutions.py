"""`--field` and its kin: what they say, and the decision that comes of it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.api.v1alpha1.syncconflict import Choice, ResolutionStrategy, SyncConflict
from controller.cli.conflicts.resolutions import (
    DecisionError,
    FieldChoice,
    is_clashing,
    parse_field,
    resolution_of,
)
from controller.sync.plan.fieldpath import Item, Keys, render_path

GIT, CLUSTER, MERGE = ResolutionStrategy.GIT_WINS, ResolutionStrategy.CLUSTER_WINS, ResolutionStrategy.MERGE


def field(path: str, **sides: Any) -> dict[str, Any]:
    return {"path": path} | sides


def conflict(*fields: dict[str, Any], kind: str = "BothChanged", state: str = "t1") -> SyncConflict:
    return SyncConflict.from_object(
        {
            "apiVersion": "tandem.dev/v1alpha1",
            "kind": "SyncConflict",
            "metadata": {"name": "c", "namespace": "shop"},
            "spec": {
                "fabricRef": {"name": "web"},
                "type": kind,
                "object": {"apiVersion": "apps/v1", "kind": "Deployment", "namespace": "shop", "name": "web"},
                "fields": list(fields),
                "stateToken": state,
            },
        }
    )


REPLICAS = field("/spec/replicas", base=2, git=3, cluster=5)
PAUSED = field("/spec/paused", base=False, git=True, cluster=None)
LIVE_ONLY = field("/spec/live", base=1, git=1, cluster=2)
BOTH = conflict(REPLICAS, PAUSED, LIVE_ONLY)


class TestParsing:
    @pytest.mark.parametrize(
        ("text", "found"),
        [
            ("/spec/replicas=git", FieldChoice("/spec/replicas", Choice.GIT)),
            ("/spec/replicas=cluster", FieldChoice("/spec/replicas", Choice.CLUSTER)),
            ("/spec/args=both", FieldChoice("/spec/args", Choice.MERGE_BOTH)),
            ("/spec/replicas=value:5", FieldChoice("/spec/replicas", Choice.VALUE, 5, has_value=True)),
            ("/data/a=value:null", FieldChoice("/data/a", Choice.VALUE, None, has_value=True)),
            ("/data/a=value:", FieldChoice("/data/a", Choice.VALUE)),
            ("/data/a=value:b=git", FieldChoice("/data/a", Choice.VALUE, "b=git", has_value=True)),
            ("/data/a=value:[1, {b: c}]", FieldChoice("/data/a", Choice.VALUE, [1, {"b": "c"}], has_value=True)),
            ("/data/a=value:y", FieldChoice("/data/a", Choice.VALUE, True, has_value=True)),
            ('/data/a=value:"5"', FieldChoice("/data/a", Choice.VALUE, "5", has_value=True)),
            ("/c/{name=git}/image=git", FieldChoice("/c/{name=git}/image", Choice.GIT)),
            ("/c/{name=value:x}/image=cluster", FieldChoice("/c/{name=value:x}/image", Choice.CLUSTER)),
            ("/p/{containerPort=80,protocol=TCP}=git", FieldChoice("/p/{containerPort=80,protocol=TCP}", Choice.GIT)),
            ("/metadata/annotations/a.b~1c=git", FieldChoice("/metadata/annotations/a.b~1c", Choice.GIT)),
        ],
    )
    def test_what_a_field_says(self, text: str, found: FieldChoice) -> None:
        assert parse_field(text) == found

    @pytest.mark.parametrize(
        "text", ["", "/spec/replicas", "/spec/replicas=", "/spec/replicas=Git", "/a=merge", "spec.replicas=git"]
    )
    def test_what_says_nothing(self, text: str) -> None:
        with pytest.raises(DecisionError):
            parse_field(text)

    @pytest.mark.parametrize(
        ("text", "why"), [("/a=value:[", "is not YAML"), ("/a=value:a\n---\nb", "is 2 YAML documents; give one value")]
    )
    def test_what_is_no_value(self, text: str, why: str) -> None:
        with pytest.raises(DecisionError, match=why):
            parse_field(text)

    @given(
        st.lists(
            st.text(st.sampled_from("ab=/~{},.1"), max_size=5)
            | st.builds(lambda name: Keys((("name", name),)), st.text(st.sampled_from("ab=/~{},:"), max_size=5))
            | st.builds(Item, st.integers(0, 9)),
            min_size=1,
            max_size=4,
        ),
        st.sampled_from(["git", "cluster", "both", "value:x"]),
    )
    def test_every_path_that_can_be_shown_can_be_decided(self, path: list[Any], choice: str) -> None:
        shown = render_path(tuple(path))
        assert parse_field(f"{shown}={choice}").path == shown


class TestResolution:
    @pytest.mark.parametrize("strategy", [GIT, CLUSTER, MERGE])
    def test_a_side_alone_takes_no_decisions(self, strategy: ResolutionStrategy) -> None:
        made = resolution_of(BOTH, strategy, [])
        assert made.decisions == ()
        assert made.strategy is strategy
        assert made.state_token == "t1"

    def test_fields_are_decided_one_by_one(self) -> None:
        made = resolution_of(BOTH, None, [parse_field("/spec/replicas=value:4"), parse_field("/spec/paused=value:")])
        assert made.strategy is ResolutionStrategy.MANUAL
        first, second = made.decisions
        assert (first.path, first.choose, first.value) == ("/spec/replicas", Choice.VALUE, 4)
        assert second.choose is Choice.VALUE
        assert not second.has("value"), "a field that is to go has no value"

    @pytest.mark.parametrize(
        ("strategy", "choice"), [(GIT, Choice.GIT), (CLUSTER, Choice.CLUSTER), (MERGE, Choice.MERGE_BOTH)]
    )
    def test_a_side_decides_the_clashing_fields_that_are_left(
        self, strategy: ResolutionStrategy, choice: Choice
    ) -> None:
        made = resolution_of(BOTH, strategy, [parse_field("/spec/replicas=value:4")])
        assert [(decision.path, decision.choose) for decision in made.decisions] == [
            ("/spec/replicas", Choice.VALUE),
            ("/spec/paused", choice),
        ], "what only one side changed needs no decision"

    def test_a_decision_above_covers_what_is_below(self) -> None:
        made = resolution_of(BOTH, GIT, [parse_field("/spec=cluster")])
        assert [decision.path for decision in made.decisions] == ["/spec"]

    def test_who_why_and_on_what_values(self) -> None:
        made = resolution_of(BOTH, GIT, [], comment="c", resolved_by="ada", state_token="mine")
        assert (made.comment, made.resolved_by, made.state_token) == ("c", "ada", "mine")
        bare = resolution_of(conflict(REPLICAS, state=""), GIT, [], comment="", resolved_by="")
        assert (bare.comment, bare.resolved_by, bare.state_token) == (None, None, None)

    @pytest.mark.parametrize(
        ("strategy", "fields", "why"),
        [
            (None, [], "say who wins"),
            (None, ["/spec/shape=git"], "none of this conflict's fields: /spec/replicas, /spec/paused, /spec/live"),
            (GIT, ["/spec/replicas=git", "/spec/replicas=cluster"], "a field is decided twice"),
            (None, ["/spec/rep=git"], "none of this conflict's fields"),
        ],
    )
    def test_what_cannot_be_decided(self, strategy: ResolutionStrategy | None, fields: list[str], why: str) -> None:
        with pytest.raises(DecisionError, match=why):
            resolution_of(BOTH, strategy, [parse_field(text) for text in fields])

    def test_a_conflict_without_fields_is_decided_by_side_only(self) -> None:
        deleted = conflict(kind="DeletedInCluster")
        assert resolution_of(deleted, GIT, []).strategy is GIT
        with pytest.raises(DecisionError, match="it has none"):
            resolution_of(deleted, None, [parse_field("/spec=git")])


@pytest.mark.parametrize(
    ("kind", "sides", "clashes"),
    [
        ("BothChanged", {"base": 1, "git": 2, "cluster": 3}, True),
        ("BothChanged", {"base": 1, "git": 2, "cluster": 2}, False),
        ("BothChanged", {"base": 1, "git": 1, "cluster": 3}, False),
        ("BothChanged", {"base": 1, "git": 2, "cluster": 1}, False),
        ("BothChanged", {"base": 1, "cluster": 3}, True),
        ("BothChanged", {"base": 1, "git": None}, True),
        ("AddedInBoth", {"git": 2, "cluster": 3}, True),
        ("AddedInBoth", {"git": 2}, False),
        ("UnknownEditor", {"base": 1, "git": 1, "cluster": 3}, True),
        ("DeletedInGit", {"base": 1, "cluster": 1}, True),
        ("DeletedInGit", {"base": {"a": 1, "b": 2}, "git": {"b": 2, "a": 1}, "cluster": {"a": 1, "b": 2}}, False),
    ],
)
def test_which_fields_somebody_has_to_decide_about(kind: str, sides: dict[str, Any], clashes: bool) -> None:
    found = conflict(field("/spec/a", **sides), kind=kind)
    assert is_clashing(found, found.spec.fields[0]) is clashes
