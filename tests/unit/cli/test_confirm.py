"""What is written where somebody confirms: what stands is kept, and nothing is confirmed that stops nothing."""

from __future__ import annotations

import pytest

from controller.api.v1alpha1.fabric import Fabric
from controller.cli.confirm import confirmation
from controller.errors import RejectedError


def fabric(*tokens: str, confirmed: str = "") -> Fabric:
    return Fabric.from_object(
        {
            "apiVersion": "tandem.dev/v1alpha1",
            "kind": "Fabric",
            "metadata": {"name": "web", "annotations": {"tandem.dev/confirm": confirmed} if confirmed else {}},
            "spec": {"repository": {"url": "https://git.example.com/fleet.git"}},
            "status": {"guards": [{"token": token, "reason": "DeletionGuard"} for token in tokens]},
        }
    )


@pytest.mark.parametrize(
    ("found", "tokens", "value"),
    [
        (fabric("a"), ["a"], "a"),
        (fabric("a", "b"), ["b", "a"], "b,a"),
        (fabric("a", "b", confirmed="a"), ["b"], "a,b"),
        (fabric("a", confirmed="old, a"), ["a"], "a"),
        (fabric("a", "b"), ["a", "a"], "a"),
    ],
    ids=["one", "two", "what stands is kept", "what is over is dropped", "twice"],
)
def test_the_annotation(found: Fabric, tokens: list[str], value: str) -> None:
    assert confirmation(found, tokens) == value


def test_a_token_that_stands_for_nothing_is_refused_with_those_that_do() -> None:
    with pytest.raises(RejectedError, match=r"^x confirms nothing of Fabric web: it waits for a, b$"):
        confirmation(fabric("b", "a"), ["a", "x"])
    with pytest.raises(RejectedError, match=r"^a confirms nothing of Fabric web: no guard stops its plan$"):
        confirmation(fabric(), ["a"])
