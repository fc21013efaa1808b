"""The ladder: which attempt is next, and when; no number of attempts ends it."""

from math import inf
from random import Random

import pytest

from reconnect.core.ladder import Ladder
from reconnect.core.messages import AttemptKind
from reconnect.policy import Policy

REBUILD, RESTART = AttemptKind.REBUILD, AttemptKind.RESTART
POLICY = Policy(attempt_delay_min=0.2, attempt_delay_max=2.0, attempt_timeout=3.0, restarts=2)
NOW = 20.0


def ladder(*, initiator: bool = True, mends: set[AttemptKind] | None = None) -> Ladder:
    kinds = frozenset({RESTART, REBUILD} if mends is None else mends)
    return Ladder(POLICY, initiator, "4", Random(1), kinds)


def climb(one: Ladder, times: int) -> list[AttemptKind]:
    """So many attempts, each of which fails when it is due."""
    kinds = []
    for _ in range(times):
        attempt = one.due(one.next_at)
        assert attempt is not None
        kinds.append(attempt.kind)
        one.over(attempt.started_at + 3.0)
    return kinds


def test_where_nothing_is_lost_nothing_is_due():
    """A ladder without a loss has no deadline."""
    one = ladder()
    assert (one.deadline, one.due(NOW), one.overdue(NOW)) == (inf, None, False)


def test_a_silent_link_gets_time_to_heal_a_closed_one_does_not():
    """A path may come back by itself; a channel that closed never does."""
    one = ladder()
    one.lost(NOW, at_once=False, restartable=True)
    assert (one.deadline, one.due(NOW + 0.1)) == (NOW + 0.2, None)
    one.lost(NOW, at_once=True, restartable=False)
    assert one.deadline == NOW


def test_restarts_come_first_and_rebuilds_for_ever_after():
    """RESTART x k, then REBUILD: only the outage's deadline ends it."""
    one = ladder()
    one.lost(NOW, at_once=True, restartable=True)
    assert climb(one, 50) == [RESTART] * 2 + [REBUILD] * 48


@pytest.mark.parametrize("why", ["no peer connection", "in vain", "unsupported", "cannot"])
def test_restarts_are_left_out_where_they_are_of_no_use(why):
    """No peer connection, a far end without one, an adapter that cannot: REBUILD at once."""
    one = ladder(mends={REBUILD} if why == "cannot" else None)
    one.lost(NOW, at_once=True, restartable=why != "no peer connection")
    if why == "in vain":
        one.no_restart()
    if why == "unsupported":
        one.unsupported(RESTART)
    assert climb(one, 3) == [REBUILD] * 3
    one.lost(NOW + 60, at_once=True, restartable=True)
    again = why in ("no peer connection", "in vain")  # of another outage this says nothing
    assert one.kind is (RESTART if again else REBUILD)


def test_attempts_are_numbered_in_each_outage_and_named_for_ever():
    """The number begins anew with each loss, the id never comes back."""
    one = ladder()
    one.lost(NOW, at_once=True, restartable=True)
    first = one.due(NOW)
    assert (first.id, first.number, first.offers, first.started_at) == ("4.1", 1, True, NOW)
    one.over(NOW + 1)
    second = one.due(one.next_at)
    assert (second.id, second.number) == ("4.2", 2)
    one.over(NOW + 5)
    one.lost(NOW + 60, at_once=True, restartable=True)
    third = one.due(NOW + 60)
    assert (third.id, third.number) == ("4.3", 1)


def test_one_attempt_at_a_time():
    """Until it is over, or has had its time, no other begins."""
    one = ladder()
    one.lost(NOW, at_once=True, restartable=True)
    attempt = one.due(NOW)
    assert one.due(NOW + 1) is None
    assert one.deadline == NOW + 3.0
    assert not one.overdue(NOW + 2.9)
    assert one.overdue(NOW + 3.0)
    assert one.over(NOW + 3.0) is attempt
    assert one.attempt is None


def test_between_attempts_there_is_full_jitter_that_grows_to_a_ceiling():
    """From attempt_delay_min to the lesser of its doublings and attempt_delay_max, from start."""
    for number, ceiling in ((1, 0.4), (2, 0.8), (3, 1.6), (4, 2.0), (40, 2.0)):
        delays = []
        for seed in range(60):
            one = Ladder(POLICY, True, "4", Random(seed), frozenset({REBUILD}))
            one.lost(NOW, at_once=True, restartable=False)
            climb(one, number - 1)
            started_at = one.due(one.next_at).started_at
            one.over(started_at)
            delays.append(one.next_at - started_at)
        assert 0.2 - 1e-9 <= min(delays) < 0.2 + 0.2 * (ceiling - 0.2)
        assert 0.2 + 0.8 * (ceiling - 0.2) < max(delays) <= ceiling + 1e-9


def test_an_attempt_that_had_its_time_is_followed_at_once():
    """Its own length was delay enough: a link that is down always has an attempt under way."""
    one = ladder()
    one.lost(NOW, at_once=True, restartable=False)
    one.due(NOW)
    one.over(NOW + 3.0)
    assert one.next_at == NOW + 3.0


def test_whoever_does_not_offer_begins_nothing_but_takes_part():
    """The far end's attempts are counted and timed like its own."""
    one = ladder(initiator=False)
    one.lost(NOW, at_once=True, restartable=True)
    assert one.due(NOW + 100) is None
    attempt = one.begin("9.7", REBUILD, NOW, offers=False)
    assert (attempt.id, attempt.number, attempt.offers) == ("9.7", 1, False)
    assert one.overdue(NOW + 3.0)


def test_a_mended_link_lets_an_attempt_run_on_and_begins_no_other():
    """After it is over nothing is due."""
    one = ladder()
    one.lost(NOW, at_once=True, restartable=True)
    one.due(NOW)
    one.mended()
    assert one.attempt is not None
    one.over(NOW + 3)
    assert (one.next_at, one.due(NOW + 100)) == (inf, None)


def test_a_hurry_brings_forward_what_waits_and_nothing_else():
    """Where nothing is lost, nothing begins."""
    one = ladder()
    one.hurry(NOW)
    assert one.next_at == inf
    one.lost(NOW, at_once=False, restartable=True)
    one.hurry(NOW + 5)
    assert one.next_at == NOW + 0.2
    one.hurry(NOW + 0.1)
    assert one.next_at == NOW + 0.1
