"""Waiting for something to become true, and knowing what was seen instead when it does not."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

POLL = 0.1  # seconds between two looks; one of them is often a program that runs for as long

T = TypeVar("T")


class NotYetError(Exception):
    """What a look showed instead of what is waited for, in words for a person."""


def wait_for(look: Callable[[], T], seconds: float, poll: float = POLL) -> T:
    """What `look` returns once it does not raise `NotYetError`; after `seconds` its last one is raised."""
    end = time.monotonic() + seconds
    while True:
        try:
            return look()
        except NotYetError:
            if time.monotonic() >= end:
                raise
        time.sleep(poll)
