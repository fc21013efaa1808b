"""The control link as a client keeps it: its numbers, its lease, and when something is due."""

from math import inf
from random import Random

import pytest

from reconnect.core.control import (
    DIAL_TIMEOUT,
    GIVE_UP_TIMEOUT,
    REDIAL_MAX,
    RTT_SAMPLES,
    SENT_MAX,
    Control,
    Dialled,
)
from reconnect.policy import Policy

POLICY = Policy(lease=10.0, heartbeat_interval=1.5)
NOW = 100.0


def attached() -> Control:
    control = Control.beginning(Random(3), NOW)
    control.dialling(NOW)
    control.opened()
    control.policy = POLICY
    control.reporting(NOW)
    control.heard(1, 0.0, NOW)
    return control


def test_it_begins_closed_and_due():
    """The first dial is due at the birth, and there is no lease before a view."""
    control = Control.beginning(Random(3), NOW)
    assert (control.dialled, control.redials(NOW), control.deadline) == (Dialled.CLOSED, True, NOW)
    assert (control.lease_until, control.rtt, control.one_way) == (-inf, None, 0.0)


def test_it_dials_once():
    """While a dial is under way, or has succeeded, no other is due."""
    control = Control.beginning(Random(3), NOW)
    control.dialling(NOW)
    assert not control.redials(NOW + 100)
    control.opened()
    assert not control.redials(NOW + 100)


def test_before_a_policy_a_dial_has_its_own_timeout():
    """No policy is known yet, and still everything ends: the dial, and the hope."""
    control = Control.beginning(Random(3), NOW)
    control.dialling(NOW)
    assert control.deadline == NOW + DIAL_TIMEOUT
    assert not control.silent(NOW + DIAL_TIMEOUT - 0.01)
    assert control.silent(NOW + DIAL_TIMEOUT)
    assert control.give_up_at == NOW + GIVE_UP_TIMEOUT


def test_before_a_policy_delays_have_a_ceiling_too():
    """However often a dial fails, the next one is not far away."""
    control = Control.beginning(Random(3), NOW)
    for _ in range(50):
        control.closed(NOW)
        assert NOW <= control.redial_at <= NOW + REDIAL_MAX


def test_what_is_closed_is_not_silent():
    """Silence is for connections and dials; after them only the next dial is due."""
    control = attached()
    control.closed(NOW)
    assert not control.silent(NOW + 1000)
    assert control.deadline == control.redial_at


def test_an_attached_link_is_due_at_its_heartbeat():
    """And when the coordinator has been silent for too long, whichever comes first."""
    control = attached()
    assert control.deadline == control.report_at == NOW + 1.5
    control.report_at = inf
    assert control.deadline == NOW + POLICY.silence_timeout


def test_whoever_is_attached_never_gives_up():
    """give_up_timeout counts from the last ack, and only without a connection that was read on."""
    control = attached()
    assert control.give_up_at == inf
    control.closed(NOW + 7)
    assert control.give_up_at == NOW + POLICY.give_up_timeout


def test_the_lease_is_that_of_the_newest_acknowledged_report():
    """An older ack, come late, neither shortens nor renews it."""
    control = attached()
    for n in range(2, 5):
        control.reporting(NOW + n)
    control.heard(3, 0.0, NOW + 6)
    assert (control.ack, control.lease_until) == (3, NOW + 3 + 10)
    control.heard(2, 0.0, NOW + 7)
    assert (control.ack, control.lease_until) == (3, NOW + 3 + 10)
    control.heard(4, 0.0, NOW + 8)
    assert (control.ack, control.lease_until) == (4, NOW + 4 + 10)


@pytest.mark.parametrize("ack", [0, 9])
def test_an_ack_of_what_was_not_sent_is_a_word_and_no_more(ack):
    """The coordinator was heard, but no lease and no round trip come of it."""
    control = attached()
    control.heard(ack, 0.0, NOW + 3)
    assert (control.heard_at, control.ack, control.lease_until) == (NOW + 3, 1, NOW + 10)
    assert control.rtt == 0.0


def test_the_round_trip_is_without_the_time_an_answer_was_held():
    """rtt: the median of the last ones; one way: half of the least."""
    control = attached()
    control.reporting(NOW + 1)
    control.heard(2, 0.3, NOW + 1.4)
    control.reporting(NOW + 2)
    control.heard(3, 0.0, NOW + 2.3)
    assert control.rtt == pytest.approx(0.1)
    assert control.one_way == 0.0
    for n in range(RTT_SAMPLES):
        control.reporting(NOW + 10 + n)
        control.heard(4 + n, 0.0, NOW + 10.2 + n)
    assert control.rtt == pytest.approx(0.2)
    assert control.one_way == pytest.approx(0.1)


def test_an_answer_held_for_longer_than_it_took_is_no_negative_round_trip():
    """A coordinator that is wrong about its own time makes a round trip of zero."""
    control = attached()
    control.reporting(NOW + 1)
    control.heard(2, 5.0, NOW + 2)
    assert control.one_way == 0.0


def test_what_is_remembered_of_reports_on_their_way_is_bounded():
    """The oldest are forgotten; an ack of one of them renews nothing."""
    control = attached()
    for _ in range(SENT_MAX):
        control.reporting(NOW + 1)
    control.heard(2, 0.0, NOW + 2)
    assert control.ack == 2
    for _ in range(SENT_MAX):
        control.reporting(NOW + 3)
    control.heard(3, 0.0, NOW + 4)
    assert control.ack == 2
    control.heard(control.seq, 0.0, NOW + 4)
    assert control.lease_until == NOW + 3 + 10


def test_a_hurry_never_delays_a_dial():
    """It brings the next dial forward, or leaves it where it is."""
    control = attached()
    control.closed(NOW)
    soon = control.redial_at
    control.hurry(NOW + 5)
    assert control.redial_at == soon
    control.hurry(NOW - 5)
    assert control.redial_at == NOW - 5
