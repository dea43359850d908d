"""Waiting: the first true value, what counts as not yet, and what a failure says."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.support.wait import eventually, wait_until


def looks(*values: object) -> Callable[[], object]:
    """A condition that brings these values in turn; an exception among them is raised."""
    turns: Iterator[object] = iter(values)

    def look() -> object:
        value = next(turns)
        if isinstance(value, Exception):
            raise value
        return value

    return look


@pytest.mark.parametrize("values", [(7,), (0, None, "", 7), (AssertionError("no"), 7), (KeyError("no"), 7)])
async def test_the_first_true_value_is_the_answer(values: tuple[object, ...]) -> None:
    assert await eventually(looks(*values), ignoring=(KeyError,), poll=0) == 7
    assert wait_until(looks(*values), ignoring=(KeyError,), poll=0) == 7


async def test_an_async_condition_is_awaited() -> None:
    look = looks(False, 7)

    async def condition() -> object:
        return look()

    assert await eventually(condition, poll=0) == 7


async def test_other_exceptions_end_the_wait() -> None:
    with pytest.raises(KeyError, match="no"):
        await eventually(looks(KeyError("no"), 7), poll=0)
    with pytest.raises(KeyError, match="no"):
        wait_until(looks(KeyError("no"), 7), poll=0)


async def test_a_failure_says_what_was_seen_last() -> None:
    with pytest.raises(AssertionError, match=r"not true within 0 s; seen last: \[\]"):
        await eventually(looks([]), deadline=0)
    with pytest.raises(AssertionError, match=r"seen last: AssertionError: 1 of 2"):
        wait_until(looks(AssertionError("1 of 2")), deadline=0)


async def test_a_value_after_an_error_is_what_was_seen_last() -> None:
    errors = [AssertionError("old")]

    def look() -> bool:
        if errors:
            raise errors.pop()
        return False

    with pytest.raises(AssertionError, match="seen last: False"):
        wait_until(look, deadline=0.05, poll=0)
    assert not errors
