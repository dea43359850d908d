"""Intervals that were started together do not stay together."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.runtime.clock import jittered


@pytest.mark.parametrize(("roll", "seconds"), [(0.0, 54.0), (0.5, 60.0), (1.0, 66.0)])
def test_an_interval_moves_by_up_to_its_share(roll: float, seconds: float) -> None:
    assert jittered(60, roll=lambda: roll) == pytest.approx(seconds)


def test_no_share_moves_nothing() -> None:
    assert jittered(60, share=0) == 60


@given(st.floats(0.001, 86_400), st.floats(0, 1))
def test_it_stays_positive_and_within_its_share(seconds: float, share: float) -> None:
    assert 0 <= jittered(seconds, share) <= 2 * seconds


def test_two_are_not_the_same() -> None:
    assert len({jittered(60) for _ in range(20)}) > 1
