"""SIGTERM, a closed terminal and Ctrl-C end a block in the same way, once."""

from __future__ import annotations

import os
import signal

import pytest

from controller.dev.interruption import ENDED_BY, interruptible


@pytest.mark.parametrize("number", ENDED_BY, ids=lambda number: number.name)
def test_each_signal_is_a_keyboard_interrupt(number: signal.Signals) -> None:
    cleared_up = False
    with pytest.raises(KeyboardInterrupt), interruptible():
        try:
            os.kill(os.getpid(), number)
            signal.pause()
        finally:
            os.kill(os.getpid(), signal.SIGINT)  # an impatient second one: ignored
            os.kill(os.getpid(), signal.SIGTERM)
            cleared_up = True
    assert cleared_up


def test_everything_is_as_before_afterwards() -> None:
    before = [signal.getsignal(number) for number in ENDED_BY]
    with pytest.raises(KeyboardInterrupt), interruptible():
        os.kill(os.getpid(), signal.SIGTERM)
        signal.pause()
    assert [signal.getsignal(number) for number in ENDED_BY] == before


def test_what_was_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as under nohup
    try:
        with interruptible():
            os.kill(os.getpid(), signal.SIGHUP)
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)
