"""The bucket: a rate, and a burst after some rest."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconnect.bucket import Bucket


def taken(bucket: Bucket, now: float, tries: int) -> int:
    return sum(bucket.take(now) for _ in range(tries))


def test_a_burst_and_then_the_rate():
    """After rest the burst can be taken at once, then no more than the rate."""
    bucket = Bucket.full(rate=10, burst=5, now=100.0)
    assert taken(bucket, 100.0, 9) == 5
    assert taken(bucket, 100.25, 9) == 2
    assert taken(bucket, 1000.0, 9) == 5


@settings(deadline=None)
@given(
    st.floats(1, 1000),
    st.floats(1, 1000),
    st.lists(st.tuples(st.floats(0, 2), st.integers(1, 50))),
)
def test_never_more_than_rate_and_burst_together(rate, burst, steps):
    """In any stretch of time at most burst + rate x time get through."""
    bucket = Bucket.full(rate=rate, burst=burst, now=0.0)
    now, through = 0.0, 0
    for passes, tries in steps:
        now += passes
        through += taken(bucket, now, tries)
    assert through <= burst + rate * now + 1e-6


def test_who_keeps_within_the_rate_is_never_refused():
    """Refusals themselves cost nothing: the rate gets through however much more is tried."""
    bucket = Bucket.full(rate=10, burst=5, now=0.0)
    taken(bucket, 0.0, 1000)
    assert [taken(bucket, second, 1000) for second in (0.5, 1.0, 1.5)] == [5, 5, 5]


@pytest.mark.parametrize("spent", [0, 3])
def test_widening_keeps_what_was_taken(spent):
    """More is allowed from now on; what had been taken stays taken."""
    bucket = Bucket.full(rate=1, burst=5, now=0.0)
    taken(bucket, 0.0, spent)
    bucket.widen(rate=100, burst=20)
    assert taken(bucket, 0.0, 100) == 20 - spent
    assert taken(bucket, 0.125, 100) == 12


def test_of_what_it_is_widened_by_only_a_share_is_there_at_once():
    """The rest has to be waited for."""
    bucket = Bucket.full(rate=1, burst=5, now=0.0)
    taken(bucket, 0.0, 3)
    bucket.widen(rate=10, burst=25, share=0.25)
    assert taken(bucket, 0.0, 100) == 7
    assert taken(bucket, 1.0, 100) == 10


def test_what_costs_more_takes_more():
    """All of it or nothing."""
    bucket = Bucket.full(rate=1, burst=5, now=0.0)
    assert bucket.take(0.0, cost=3.0)
    assert not bucket.take(0.0, cost=3.0)
    assert bucket.take(0.0, cost=2.0)
    assert not bucket.take(0.0)


def test_its_share_is_how_full_it_is():
    """It grows with time, up to the burst."""
    bucket = Bucket.full(rate=1, burst=4, now=0.0)
    assert bucket.share(0.0) == 1.0
    taken(bucket, 0.0, 4)
    assert bucket.share(1.0) == 0.25
    assert bucket.share(99.0) == 1.0
