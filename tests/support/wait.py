"""Waiting for a condition with a deadline, instead of sleeping and hoping."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, overload

T = TypeVar("T")

POLL = 0.05  # seconds between two looks


@overload
async def eventually(
    condition: Callable[[], Awaitable[T | None]],
    deadline: float = ...,
    *,
    ignoring: tuple[type[Exception], ...] = ...,
    poll: float = ...,
) -> T: ...
@overload
async def eventually(
    condition: Callable[[], T | None],
    deadline: float = ...,
    *,
    ignoring: tuple[type[Exception], ...] = ...,
    poll: float = ...,
) -> T: ...
async def eventually(
    condition: Callable[[], Any],
    deadline: float = 30.0,
    *,
    ignoring: tuple[type[Exception], ...] = (),
    poll: float = POLL,
) -> Any:
    """The first true value of `condition` (plain or async), looked for during `deadline` seconds.

    A failing `assert` in it means "not yet", and so does an exception of a type in `ignoring`.
    """
    last = _Last()
    not_yet: tuple[type[Exception], ...] = (AssertionError, *ignoring)
    end = time.monotonic() + deadline
    while True:
        try:
            value = condition()
            last.value = value = await value if inspect.isawaitable(value) else value
            last.error = None
            if value:
                return value
        except not_yet as error:
            last.error = error
        if time.monotonic() >= end:
            raise last.failure(deadline) from last.error
        await asyncio.sleep(poll)


def wait_until(
    condition: Callable[[], T | None],
    deadline: float = 30.0,
    *,
    ignoring: tuple[type[Exception], ...] = (),
    poll: float = POLL,
) -> T:
    """As `eventually`, for a test without an event loop."""
    last = _Last()
    not_yet: tuple[type[Exception], ...] = (AssertionError, *ignoring)
    end = time.monotonic() + deadline
    while True:
        try:
            last.value = value = condition()
            last.error = None
            if value:
                return value
        except not_yet as error:
            last.error = error
        if time.monotonic() >= end:
            raise last.failure(deadline) from last.error
        time.sleep(poll)


class _Last:
    """What the last look brought, for the message of a failure."""

    value: object = None
    error: Exception | None = None

    def failure(self, deadline: float) -> AssertionError:
        seen = f"{type(self.error).__name__}: {self.error}" if self.error else f"{self.value!r}"
        return AssertionError(f"not true within {deadline:g} s; seen last: {seen}")
