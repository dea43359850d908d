"""How much one source may send, and what is known of messages that come again."""

from __future__ import annotations

from controller.web.hooks.limits import Deliveries, RateLimit


class Time:
    """A clock that is set by hand."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_burst_and_then_as_much_as_flows_in() -> None:
    time = Time()
    limit = RateLimit(2.0, 3, time)
    assert [limit.take("a") for _ in range(3)] == [0.0, 0.0, 0.0]
    assert limit.take("a") == 0.5
    assert limit.take("b") == 0.0
    time.now += 0.5
    assert limit.take("a") == 0.0
    assert limit.take("a") == 0.5
    time.now += 1000.0
    assert [limit.take("a") for _ in range(4)] == [0.0, 0.0, 0.0, 0.5]


def test_a_million_sources_cost_no_more_than_the_bound() -> None:
    limit = RateLimit(1.0, 1, Time(), sources=10)
    for number in range(1000):
        assert limit.take(str(number)) == 0.0
    assert len(limit._buckets) == 10
    assert limit.take("999") == 1.0


def test_a_message_that_comes_again_is_known_for_a_while() -> None:
    time = Time()
    deliveries = Deliveries(300.0, time, most=3)
    assert not deliveries.knows("a")
    deliveries.note("a")
    assert deliveries.knows("a")
    time.now += 301.0
    assert not deliveries.knows("a")
    deliveries.note("")
    assert not deliveries.knows("")
    for name in "bcde":
        deliveries.note(name)
    assert [deliveries.knows(name) for name in "bcde"] == [False, True, True, True]
