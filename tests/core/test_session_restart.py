"""What a session is after the process that had it is gone (table 3c, process start)."""

import pytest

from reconnect.core.notices import Connected, Paused
from tests.core.drama import (
    CONNECTED,
    PAUSED,
    PLAYING,
    READY,
    RECONNECTING,
    RESUMED,
    Drama,
)


def test_a_restart_shorter_than_grace_and_bound_pauses_nobody():
    """Connected before and after: who dials again in time plays on."""
    drama = Drama().play()
    drama.restarts()
    drama.wait(drama.policy.control_grace_period - 0.1)
    drama.says("ann", PLAYING)
    assert drama.view("ann").policy is drama.policy
    drama.says("ben", PLAYING)
    drama.wait(60.0, "ann", "ben")
    assert (drama.state, drama.session.epoch) == (CONNECTED, 1)


def test_who_does_not_come_back_after_a_restart_is_lost():
    """After a process start the grace of everybody begins anew, and then it is a pause."""
    drama = Drama().play()
    drama.restarts()
    drama.says("ann", PLAYING)
    drama.wait(drama.policy.control_grace_period - 0.001, "ann")
    assert drama.state is CONNECTED
    drama.wait(0.001, "ann")
    assert drama.notices == [Paused("control_lost", frozenset({"ben"}), 1)]


def test_after_a_restart_the_first_client_of_a_player_needs_no_fence_either():
    """gen(p) == 0: whoever never came is not playing, so a promise is all that is waited for."""
    drama = Drama()
    drama.restarts()
    for player in drama.players:
        drama.enters(player)
        assert not drama.stored.seats[drama.players.index(player)].fenced
    drama.resume()


def test_a_restart_remembers_that_leases_may_be_running():
    """Process start: last_report_at = now for all, so nobody counts as halted too early."""
    drama = Drama().play().pause("ann")
    drama.restarts()
    drama.says("ann")
    bound = drama.policy.lease_bound
    drama.wait(bound - 0.001, "ann")
    assert drama.state is PAUSED
    drama.wait(0.001, "ann")
    assert drama.state is RECONNECTING


@pytest.mark.parametrize("state", [PAUSED, RECONNECTING])
def test_a_restart_forgets_promises_and_all_say_them_again(state):
    """Bits are volatile; every report says everything again, so an outage goes on as it was."""
    drama = Drama().play().pause("ann")
    if state is RECONNECTING:
        drama.reconnect()
    drama.restarts()
    assert drama.state is state
    drama.says("ann", READY)
    assert drama.state is state
    drama.says("ben", READY)
    assert drama.state is RESUMED


def test_a_restart_in_resumed_keeps_the_start_and_asks_who_plays():
    """In resumed the start instant stays; `started` is said again by everybody who plays."""
    drama = Drama(countdown=3.0).play().pause().resume()
    drama.says("ann", PLAYING)
    agreed = drama.stored.resume_at
    drama.restarts()
    assert not any(member.started for member in drama.session.in_game)
    drama.says("ben", READY)
    resume = drama.view("ben").resume
    assert resume is not None
    assert agreed is not None
    assert resume.start_in == pytest.approx(agreed - drama.wall, abs=1e-5)
    drama.says("ben", PLAYING)
    assert drama.state is RESUMED
    drama.says("ann", PLAYING)
    assert drama.state is CONNECTED


def test_after_a_clock_that_jumped_back_the_start_is_near_enough_to_be_heard_of():
    """No start is further ahead than one that is agreed: it is over when resumed times out."""
    drama = Drama(countdown=3.0).play().pause().resume()
    drama.restarts(clock_jumps=-3600.0)
    drama.says("ben", READY)
    resume = drama.view("ben").resume
    assert resume is not None
    policy = drama.policy
    assert resume.start_in == pytest.approx((policy.countdown + policy.resume_timeout) / 2)
    drama.wait(resume.start_in, "ann", "ben")
    drama.all_say(PLAYING)
    assert drama.state is CONNECTED


def test_a_restart_in_resumed_runs_the_resume_timeout_anew():
    """Who armed and never comes back does not hold resumed for ever after a restart."""
    drama = Drama().play().pause().resume()
    drama.restarts()
    drama.says("ann", PLAYING)
    drama.says("ben", READY)
    drama.wait(drama.policy.resume_timeout - 0.001, "ann", "ben")
    assert drama.state is RESUMED
    drama.wait(0.001, "ann", "ben")
    assert drama.notices == [Paused("resume_failed", frozenset(), 1)]


def test_an_outage_lasts_across_a_restart_by_wall_clock():
    """P: the time in which no process ran counts as pause."""
    drama = Drama().play().pause()
    drama.restarts(after=7.0)
    drama.wait(1.0)
    drama.resume()
    drama.all_say(PLAYING)
    (notice,) = drama.notices
    assert isinstance(notice, Connected)
    assert notice.paused == pytest.approx(8.0, abs=1e-5)
    assert drama.session.paused_total == pytest.approx(8.0, abs=1e-5)
