"""Fabrics as `tandem status` prints them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from rich.text import Text

from controller.api.v1alpha1.fabric import Fabric
from controller.cli.status import HEADERS, fabric_lines, fabric_row

NOW = datetime(2026, 1, 10, 12, 0, tzinfo=UTC)
COMMIT = "0123456789abcdef"


def condition(kind: str, status: str, reason: str, message: str = "") -> dict[str, Any]:
    since = "2026-01-10T11:00:00Z"
    return {"type": kind, "status": status, "reason": reason, "message": message, "lastTransitionTime": since}


def fabric(status: dict[str, Any] | None = None, **spec: Any) -> Fabric:
    return Fabric.from_object(
        {
            "apiVersion": "tandem.dev/v1alpha1",
            "kind": "Fabric",
            "metadata": {"name": "web", "namespace": "shop"},
            "spec": {"repository": {"url": "https://git.example.com/fleet.git", "directory": "apps"}} | spec,
            "status": status or {},
        }
    )


SYNCED = {
    "conditions": [condition("Ready", "True", "Synced", "2 objects in step")],
    "revision": {"applied": COMMIT, "attempted": COMMIT, "pushed": "fedcba9876543210"},
    "inventory": {"declared": 3, "kept": 2, "exceptions": 1},
    "conflicts": 0,
    "lastSync": "2026-01-10T11:58:00Z",
}


def row(found: Fabric) -> list[str]:
    return [cell.plain if isinstance(cell, Text) else cell for cell in fabric_row(found, NOW)]


def lines(found: Fabric) -> list[str]:
    return [line.plain for line in fabric_lines(found, NOW, "tandem")]


def test_a_row_has_a_cell_under_every_header() -> None:
    assert row(fabric(SYNCED)) == ["web", "True", "Synced", "0123456789ab", "2", "0", "no", "2m"]
    assert len(row(fabric())) == len(HEADERS)
    assert fabric_row(fabric(SYNCED), NOW, namespaced=True)[0] == "shop"


def test_a_fabric_that_nobody_has_looked_at_yet() -> None:
    assert row(fabric(suspend=True)) == ["web", "–", "NotLookedAtYet", "–", "–", "–", "yes", "–"]
    assert "no controller has looked at it yet; is `tandem run` running?" in lines(fabric())


def test_whether_it_is_ready_is_seen_by_its_colour() -> None:
    styles = []
    for status in ("True", "False", "Unknown"):
        cell = fabric_row(fabric({"conditions": [condition("Ready", status, "Synced")]}), NOW)[1]
        assert isinstance(cell, Text)
        styles.append(cell.style)
    assert styles == ["green", "red", "yellow"]


def test_one_fabric_in_step() -> None:
    assert lines(fabric(SYNCED)) == [
        "shop/web",
        "https://git.example.com/fleet.git   branch main   directory apps",
        "Bidirectional, conflicts UserGuided, looked at every 1m",
        "",
        "CONDITION   STATUS   REASON   SINCE   MESSAGE",
        "Ready       True     Synced   60m     2 objects in step",
        "",
        "revision    applied 0123456789ab, attempted 0123456789ab, pushed fedcba987654",
        "objects     3 declared, 2 kept in step, 1 not in step",
        "last sync   2m ago",
    ]


def test_everything_that_is_wrong_is_told_with_what_to_type() -> None:
    text = lines(
        fabric(
            {
                "drift": {"edits": 2, "byOthers": 1},
                "pending": {"edits": 1},
                "conflicts": 2,
                "exceptions": [
                    {"kind": "Job", "namespace": "shop", "name": "once", "reason": "Fighting", "message": "m"}
                ],
                "errors": [
                    {"file": "a.yaml", "line": 3, "field": "/spec/x", "reason": "UnknownField", "message": "no such"},
                    {"object": "Job/shop/b", "reason": "Forbidden", "message": "may not"},
                ],
                "errorCount": 25,
                "guards": [
                    {
                        "token": "4f2a",
                        "reason": "DeletionGuard",
                        "deletions": 12,
                        "edits": 0,
                        "objects": ["prune Job/a"],
                    }
                ],
            },
            suspend=True,
        )
    )
    for line in (
        "suspended: nothing is read, applied or written; go on with tandem resume web -n shop",
        "drift       2 edits, 1 by other managers",
        "pending     live edits of 1 object on their way to Git",
        "conflicts   2 to decide: tandem conflicts list web -n shop",
        "not in step:",
        "  OBJECT          REASON     MESSAGE",
        "  Job/shop/once   Fighting   m",
        "errors (2 of 25):",
        "  a.yaml:3 /spec/x   UnknownField: no such",
        "  Job/shop/b   Forbidden: may not",
        "stopped by DeletionGuard: 12 deletions, 0 edits",
        "  prune Job/a",
        "  and 11 more",
        "  put the source right, or let exactly this through: tandem confirm web -n shop 4f2a",
    ):
        assert line in text


@pytest.mark.parametrize(("kind", "style"), [("Stalled", "red"), ("Conflicted", "red"), ("Ready", "green")])
def test_true_is_bad_where_the_condition_is_about_something_bad(kind: str, style: str) -> None:
    found = fabric({"conditions": [condition(kind, "True", "Synced")]})
    (line,) = [line for line in fabric_lines(found, NOW, "tandem") if line.plain.startswith(kind)]
    assert any(span.style == style for span in line.spans)


@pytest.mark.parametrize(
    ("pending", "where"),
    [
        (
            {"edits": 2, "branch": "tandem/shop/web-1a2b", "url": "https://git.example/pulls/3"},
            "https://git.example/pulls/3",
        ),
        ({"edits": 2, "branch": "tandem/shop/web-1a2b"}, "branch tandem/shop/web-1a2b"),
    ],
    ids=["a forge", "a plain server"],
)
def test_where_edits_wait(pending: dict[str, Any], where: str) -> None:
    found = lines(fabric(SYNCED | {"pending": pending}))
    assert f"pending     live edits of 2 objects on their way to Git: {where}" in found
