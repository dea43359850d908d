"""What samples are told as: medians, tails, ratios by pairs."""

from __future__ import annotations

import pytest

from tests.benchmarks.figures import HEADS, Figure, machine, table

SECONDS = Figure("T5", "told", "≤ 0.5 s p95", "s", (0.2, 0.1, 0.4), (0.1, 0.1, 0.1), "one apply")
RATES = Figure("T2", "objects", "≥ 0.75", "/s", (900.0, 600.0), (1000.0, 1200.0), "the same")


def test_a_ratio_is_taken_pair_by_pair() -> None:
    assert SECONDS.ratio == pytest.approx(2.0)
    assert RATES.ratio == pytest.approx(0.7)


@pytest.mark.parametrize(
    ("figure", "samples", "expected"),
    [
        (SECONDS, range(1, 101), 95),
        (SECONDS, range(1, 21), 19),
        (SECONDS, [3.0], 3.0),
        (RATES, range(1, 101), 6),
        (RATES, [500.0, 400.0, 450.0], 400.0),
    ],
    ids=["100 durations", "20 durations", "one", "100 rates", "few rates"],
)
def test_the_tail_is_the_bad_end(figure: Figure, samples: list[float], expected: float) -> None:
    assert figure.tail(list(samples)) == expected


def test_what_is_written_holds_every_sample_and_what_follows_from_them() -> None:
    written = SECONDS.to_json()
    assert (written["median"], written["p95"], written["samples"]) == (0.2, 0.4, [0.2, 0.1, 0.4])
    assert written["bare"] == {"what": "one apply", "median": 0.1, "p95": 0.1, "samples": [0.1, 0.1, 0.1]}


def test_samples_without_a_partner_are_a_mistake() -> None:
    with pytest.raises(ValueError, match="shorter"):
        _ = Figure("T", "", "", "s", (1.0, 2.0), (1.0,), "").ratio


def test_the_table_has_a_line_a_figure_and_its_columns_stand_below_each_other() -> None:
    head, *lines = table([SECONDS, RATES]).splitlines()
    assert head.split() == " ".join(HEADS).split()
    assert [line.split()[0] for line in lines] == ["T5", "T2"]
    assert "0.200 s" in lines[0]
    assert "750/s" in lines[1]
    assert lines[0].index("≤ 0.5") == lines[1].index("≥ 0.75") == head.index("goal")


def test_the_machine_is_named() -> None:
    told = machine()
    assert told["cores"] >= 1
    assert all(told[name] for name in ("cpu", "memory", "system", "python"))
