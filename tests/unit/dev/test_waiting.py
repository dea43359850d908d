"""Waiting ends with what was waited for, or tells what was seen instead."""

from __future__ import annotations

import itertools

import pytest

from controller.dev.waiting import NotYetError, wait_for


def test_the_first_answer_is_returned() -> None:
    looks = itertools.count(1)

    def look() -> int:
        number = next(looks)
        if number < 3:
            raise NotYetError(f"look {number}")
        return number

    assert wait_for(look, seconds=10, poll=0) == 3


def test_none_is_an_answer() -> None:
    assert wait_for(lambda: None, seconds=0) is None


def test_the_last_look_is_told_when_time_is_up() -> None:
    looks = itertools.count(1)

    def look() -> None:
        raise NotYetError(f"look {next(looks)}")

    with pytest.raises(NotYetError, match=r"^look 1$"):
        wait_for(look, seconds=0)


def test_what_cannot_come_right_is_not_waited_for() -> None:
    def look() -> None:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        wait_for(look, seconds=60)
