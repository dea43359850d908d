"""Fights and floods, with the time as an argument."""

import pytest

from controller.objects import ObjectKey
from controller.sync.fights import CORRECTIONS, HOUR, WINDOW, FightLog

KEY = ObjectKey("", "ConfigMap", "shop", "web")
OTHER = ObjectKey("", "ConfigMap", "shop", "db")


def test_the_same_path_corrected_too_often_is_a_fight_named_after_the_opponent() -> None:
    log = FightLog()
    for turn in range(CORRECTIONS):
        log.note_correction(KEY, "/data/a", "sidecar", now=float(turn))
        assert log.fighting(KEY, now=float(turn)) == {}
    log.note_correction(KEY, "/data/a", "sidecar", now=10.0)
    assert log.fighting(KEY, now=10.0) == {"/data/a": "sidecar"}
    assert log.fighting(OTHER, now=10.0) == {}


def test_corrections_spread_over_more_than_the_window_are_none() -> None:
    log = FightLog()
    for turn in range(10):
        log.note_correction(KEY, "/data/a", "x", now=turn * WINDOW / 2)
    assert log.fighting(KEY, now=10 * WINDOW / 2) == {}


def test_a_fight_ends_after_a_quiet_window_and_a_disturbance_prolongs_it() -> None:
    log = FightLog()
    for turn in range(CORRECTIONS + 1):
        log.note_correction(KEY, "/data/a", "x", now=float(turn))
    log.note_disturbance(KEY, now=300.0)
    assert log.next_end(now=300.0) == pytest.approx(WINDOW)
    assert log.fighting(KEY, now=300.0 + WINDOW - 1)
    assert log.ended(now=300.0 + WINDOW - 1) == set()
    assert log.ended(now=300.0 + WINDOW) == {KEY}
    assert log.fighting(KEY, now=300.0 + WINDOW) == {}
    assert log.next_end(now=300.0 + WINDOW) is None
    log.note_correction(KEY, "/data/a", "x", now=301.0 + WINDOW)
    assert log.fighting(KEY, now=301.0 + WINDOW) == {}, "the count starts anew"


def test_a_disturbance_of_a_path_nobody_fights_over_is_nothing() -> None:
    log = FightLog()
    log.note_disturbance(KEY, now=1.0)
    assert log.next_end(now=1.0) is None


@pytest.mark.parametrize(
    ("values", "fights"),
    [
        pytest.param("ABCDEFG", False, id="ever new values are work, not a fight"),
        pytest.param("AAAAAAA", False, id="the same value again alternates with nothing"),
        pytest.param("ABABA", True, id="A B A B A comes back three times"),
        pytest.param("ABAB", False, id="twice is not yet a fight"),
    ],
)
def test_alternating_write_backs(values: str, fights: bool) -> None:
    log = FightLog()
    for turn, value in enumerate(values):
        log.note_write_back(KEY, "/spec/replicas", value.encode(), "hpa", now=float(turn))
    assert bool(log.fighting(KEY, now=10.0)) is fights


def test_values_older_than_the_window_have_been_forgotten() -> None:
    log = FightLog()
    for turn, value in enumerate("ABABABAB"):
        log.note_write_back(KEY, "/a", value.encode(), "x", now=turn * WINDOW)
    assert log.fighting(KEY, now=8 * WINDOW) == {}


def test_a_request_gives_every_path_a_new_chance() -> None:
    log = FightLog()
    for key in (KEY, OTHER):
        for turn in range(CORRECTIONS + 1):
            log.note_correction(key, "/a", "x", now=float(turn))
    log.reset([KEY])
    assert log.fighting(KEY, now=5.0) == {}
    assert log.fighting(OTHER, now=5.0) == {"/a": "x"}
    log.reset()
    assert log.fighting(OTHER, now=5.0) == {}


def test_more_commits_in_an_hour_than_allowed_are_a_flood() -> None:
    log = FightLog()
    for turn in range(3):
        log.note_commit(KEY, now=float(turn))
    assert log.flooded(KEY, limit=3, now=3.0)
    assert not log.flooded(KEY, limit=4, now=3.0)
    assert not log.flooded(KEY, limit=0, now=3.0), "0 is no limit"
    assert not log.flooded(OTHER, limit=1, now=3.0)
    assert not log.flooded(KEY, limit=3, now=HOUR + 1.5), "an hour later the first ones no longer count"


def test_a_flooded_object_is_planned_again_when_it_may_have_its_next_commit() -> None:
    log = FightLog()
    for turn in range(4):
        log.note_commit(KEY, now=float(turn))
    assert log.next_end(now=4.0) is None
    assert log.flooded(KEY, limit=3, now=4.0)
    assert log.next_end(now=4.0) == pytest.approx(HOUR - 3.0), "the second of the four has to pass as well"
    assert log.ended(now=HOUR) == set()
    assert log.ended(now=HOUR + 1.0) == {KEY}
    assert not log.flooded(KEY, limit=3, now=HOUR + 1.5)
    assert log.ended(now=HOUR + 1.5) == set()
