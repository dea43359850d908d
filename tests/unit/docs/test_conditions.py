"""The page of conditions lists every reason there is, each with what to do; and each is seen in a real status."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from controller.api.conditions import ConditionType
from controller.errors import Reason

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "conditions.md").read_text()
SECTIONS = {
    heading: text.strip() for heading, text in re.findall(r"^### (\w+)\n(.*?)(?=^#|\Z)", PAGE, re.MULTILINE | re.DOTALL)
}
END_TO_END = "".join(path.read_text() for path in sorted((ROOT / "tests" / "e2e").rglob("*.py")))


def test_the_page_lists_exactly_the_reasons_there_are() -> None:
    assert sorted(SECTIONS) == sorted(reason.value for reason in Reason)


@pytest.mark.parametrize("reason", Reason)
def test_a_reason_says_what_it_means_and_what_to_do(reason: Reason) -> None:
    meaning, todo, advice = re.split(r"\*(To do[^*]*:|Nothing to do\.)\*", SECTIONS[reason.value])
    assert len(meaning.split()) >= 4
    assert todo == "Nothing to do." or len(advice.split()) >= 3


def test_the_page_lists_every_condition() -> None:
    assert re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE) == [
        "Ready",
        "Reconciling",
        "Stalled",
        "SourceReady",
        "Synced",
        "Conflicted",
    ]
    assert len(ConditionType) == 6


@pytest.mark.parametrize("reason", Reason)
def test_a_reason_is_looked_for_in_a_real_status(reason: Reason) -> None:
    """A reason that no end-to-end test waits for is one that nobody has seen: prove it, or take it out."""
    assert re.search(rf"\b{reason.value}\b", END_TO_END)
