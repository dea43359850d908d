"""A status stays within what etcd takes, whatever stands in the repository."""

from __future__ import annotations

import pytest

from controller.sync.report import LONGEST_TEXT, cut


@pytest.mark.parametrize("text", ["", "short", "x" * LONGEST_TEXT])
def test_a_text_that_fits_stays(text: str) -> None:
    assert cut(text) == text


def test_a_longer_one_is_cut_and_says_so() -> None:
    assert cut("x" * 1_000_000) == "x" * (LONGEST_TEXT - 1) + "…"
