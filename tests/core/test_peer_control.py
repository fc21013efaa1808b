"""A client and the coordinator: dials, silence, refusals, giving up, and the lease."""

from math import inf

import pytest

from reconnect.core.effects import Dial, HangUp, Inform, SendReport
from reconnect.core.events import (
    ControlClosed,
    ErrorArrived,
    NetworkChanged,
    TimePassed,
    ViewArrived,
)
from reconnect.core.messages import Phase, ShortView, View
from reconnect.core.notices import Ended
from reconnect.core.table import State
from tests.core.peer_drama import ENDED, HALTED, PLAYING, PeerDrama

# -- attaching -------------------------------------------------------------------------------------


def test_a_new_client_is_offered_a_generation_and_answers_with_it():
    """Generation 0 asks for one; its change is reported at once; the policy is the offer's."""
    drama = PeerDrama()
    assert drama.due() == [Dial()]
    first = drama.opens()
    assert (first.gen, first.seq, first.epoch, first.phase) == (0, 1, 0, Phase.HALTED)
    offer = View(0, 0, State.PAUSED, drama.players(), 3, 0, 0.0, policy=drama.policy)
    drama.hear(ViewArrived(offer))
    assert (drama.report.gen, drama.report.seq) == (3, 2)
    assert drama.at == (HALTED, 0)
    assert not drama.of_kind(SendReport)[0].attach
    assert drama.peer.policy == drama.policy


def test_an_offer_gives_no_lease():
    """It acknowledges nothing (ack 0), so nobody may play on it."""
    drama = PeerDrama()
    drama.due()
    drama.opens()
    drama.hear(
        ViewArrived(View(0, 0, State.PAUSED, drama.players(), 1, 0, 0.0, policy=drama.policy))
    )
    assert drama.peer.control.lease_until == -inf
    assert not drama.peer.ready(drama.now)


def test_before_a_policy_nothing_but_an_end_is_understood():
    """A view without a policy, to a client that has none, is not acted on."""
    drama = PeerDrama()
    drama.due()
    drama.opens()
    drama.hear(ViewArrived(View(4, 2, State.PAUSED, drama.players(), 1, 1, 0.0)))
    drama.hear(ViewArrived(ShortView(4, 1, 1, 0.0)))
    assert (drama.peer.view, drama.peer.gen, drama.peer.control.attached) == (None, 0, False)


def test_an_attached_client_reports_each_heartbeat():
    """heartbeat_interval, attached: report; seq + 1 each time."""
    drama = PeerDrama().play()
    seq = drama.peer.control.seq
    drama.wait(3 * drama.policy.heartbeat_interval + 0.01)
    assert [report.seq for report in drama.reports] == [seq + 1, seq + 2, seq + 3]
    assert drama.reports[0].rtt == 0.0


# -- the control link is lost ----------------------------------------------------------------------


def test_a_silent_coordinator_is_dialled_again():
    """No view for silence_timeout: close the control link; dial again."""
    drama = PeerDrama().play()
    drama.wait(drama.policy.silence_timeout - 0.01, answered=False)
    assert drama.of_kind(HangUp) == []
    drama.wait(0.01, answered=False)
    assert drama.of_kind(HangUp) == [HangUp()]
    drama.wait(0.1, answered=False)
    assert drama.of_kind(Dial) == [Dial()]


def test_silence_counts_from_the_dial_too():
    """A dial that is never answered is given up after silence_timeout, and begun again."""
    drama = PeerDrama().play()
    drama.loses_control()
    drama.wait(1.0)
    assert drama.of_kind(Dial) == [Dial()]
    dialled_at = drama.peer.control.heard_at
    drama.wait(dialled_at + drama.policy.silence_timeout - drama.now)
    assert drama.of_kind(HangUp) == [HangUp()]
    drama.wait(1.0)
    assert drama.of_kind(Dial) == [Dial()]


def test_a_connection_that_brings_no_view_is_silent():
    """That a dial succeeded is no word of the coordinator."""
    drama = PeerDrama().play()
    drama.reattach_after_loss()
    drama.wait(drama.policy.silence_timeout, answered=False)
    assert drama.of_kind(HangUp) == [HangUp()]


def test_dials_are_delayed_by_full_jitter_that_grows_to_a_ceiling():
    """A delay in [0, min(redial_max, 0.1 x 2^n)] before each dial."""
    delays = []
    for seed in range(40):
        drama = PeerDrama(seed=seed).play()
        waits = []
        for _ in range(12):
            drama.hear(ControlClosed())
            waits.append(drama.peer.control.redial_at - drama.now)
            drama.now = drama.peer.control.redial_at
            assert Dial() in drama.hear(TimePassed())
        delays.append(waits)
    for n, column in enumerate(zip(*delays, strict=True)):
        ceiling = min(drama.policy.redial_max, 0.1 * 2**n)
        assert 0.0 <= min(column) < 0.2 * ceiling
        assert 0.8 * ceiling < max(column) <= ceiling


def test_two_clients_do_not_dial_at_the_same_time():
    """Chance comes in as a seed: the same gives the same delays, another gives others."""

    def delay(seed):
        drama = PeerDrama(seed=seed).play()
        drama.loses_control()
        return drama.peer.control.redial_at - drama.now

    assert delay(7) == delay(7)
    assert delay(7) != delay(8)


@pytest.mark.parametrize("cure", ["view", "network"])
def test_the_delay_begins_anew_after_a_view_or_a_change_of_network(cure):
    """Its exponent is 0 again."""
    drama = PeerDrama().play()
    for _ in range(8):
        drama.loses_control()
    if cure == "view":
        drama.reattach()
        drama.answers()
    else:
        drama.hear(NetworkChanged())
    drama.loses_control()
    assert drama.peer.control.redial_at - drama.now <= 0.1


def test_a_changed_network_is_dialled_over_at_once():
    """There is reason to believe that it succeeds now."""
    drama = PeerDrama().play()
    for _ in range(8):
        drama.loses_control()
    assert drama.hear(NetworkChanged())[0] == Dial()


def test_a_client_never_dials_twice_at_a_time():
    """One Dial, then HangUp or an answer, before the next Dial."""
    drama = PeerDrama().play()
    drama.loses_control()
    drama.wait(60.0)
    orders = [effect for effect in drama.effects if isinstance(effect, Dial | HangUp)]
    assert len(orders) > 10
    assert orders[::2] == [Dial()] * len(orders[::2])
    assert set(orders[1::2]) == {HangUp()}


def test_a_lost_control_link_stops_nobody_at_once():
    """A blip with healthy links pauses nobody: play goes on as long as the lease."""
    drama = PeerDrama().play()
    drama.loses_control()
    drama.wait(1.0)
    assert drama.at == (PLAYING, 1)
    drama.opens()
    drama.views("connected", 1)
    assert drama.at == (PLAYING, 1)


@pytest.mark.parametrize("topology", ["relayed", "server"])
def test_where_there_are_no_links_a_blip_of_the_control_link_stops_nobody_either(topology):
    """relayed, server: no required link, so only the lease and the coordinator stop play."""
    drama = PeerDrama(topology=topology).play()
    drama.loses_control()
    drama.due()
    assert drama.at == (PLAYING, 1)
    drama.wait(0.2)
    drama.opens()
    drama.far["ben"].attached = False
    drama.views("connected", 1)
    assert drama.at == (PLAYING, 1)


# -- refused, or given up --------------------------------------------------------------------------


@pytest.mark.parametrize("code", ["bad_token", "unknown_session", "version"])
def test_a_final_error_ends_it(code):
    """Errors bad_token, unknown_session, version: ended, with that reason."""
    drama = PeerDrama()
    drama.due()
    drama.opens()
    drama.hear(ErrorArrived(code))
    assert (drama.play_now, drama.peer.reason) == (ENDED, code)
    assert drama.of_kind(HangUp) == [HangUp()]


@pytest.mark.parametrize("code", ["malformed", "too_large", "rate_limited", "whatever"])
def test_other_errors_are_backed_off_from(code):
    """The connection is closed and dialled again after a delay; play goes on meanwhile."""
    drama = PeerDrama().play()
    assert drama.hear(ErrorArrived(code)) == [HangUp()]
    assert drama.at == (PLAYING, 1)
    drama.wait(0.1)
    assert drama.of_kind(Dial) == [Dial()]


def test_that_somebody_is_no_member_is_no_reason_to_hang_up():
    """It answers a signal or a packet to somebody who has just gone; the next view says so."""
    drama = PeerDrama().play()
    assert drama.hear(ErrorArrived("not_a_member")) == []
    assert drama.peer.control.attached


def test_a_client_without_hope_gives_up():
    """No ack for give_up_timeout, not attached: ended, reason `unreachable`."""
    drama = PeerDrama().play()
    acked_at = drama.now
    drama.loses_control()
    drama.wait(acked_at + drama.policy.give_up_timeout - drama.now - 0.01)
    assert drama.at == (HALTED, 2)
    drama.wait(0.02)
    assert (drama.play_now, drama.peer.reason) == (ENDED, "unreachable")


def test_a_client_that_gives_up_has_nothing_more_to_say_on_its_links():
    """The end is all that comes of it, whatever else is due at that instant."""
    drama = PeerDrama().play()
    drama.loses_control()
    drama.wait(drama.peer.control.give_up_at - drama.now - 1.0)
    drama.now = drama.peer.control.give_up_at
    assert drama.hear(TimePassed()) == [HangUp(), Inform(Ended("unreachable"))]


def test_a_client_that_never_reached_anybody_gives_up():
    """Without a policy it waits a minute."""
    drama = PeerDrama()
    drama.wait(59.9)
    assert drama.play_now is HALTED
    drama.wait(0.2)
    assert drama.peer.reason == "unreachable"


# -- the lease -------------------------------------------------------------------------------------


def test_the_lease_counts_from_the_sending_of_the_acknowledged_report():
    """Valid while now < sent_at[ack] + lease: not from the receipt of the answer."""
    drama = PeerDrama().play()
    drama.now = drama.peer.control.report_at
    drama.due()
    sent_at, seq = drama.now, drama.report.seq
    drama.now += 1.5
    drama.hear(ViewArrived(ShortView(drama.version, 1, seq, 0.0)))
    assert drama.peer.control.lease_until == sent_at + 10.0


def test_an_ack_of_an_older_report_does_not_shorten_the_lease():
    """The ack is max(ack, its)."""
    drama = PeerDrama().play()
    drama.wait(4.0)
    lease_until = drama.peer.control.lease_until
    drama.hear(ViewArrived(ShortView(drama.version, 1, 2, 0.0)))
    assert drama.peer.control.lease_until == lease_until


def test_an_ack_of_what_was_never_sent_renews_nothing():
    """A coordinator that is wrong about a client gives it no lease."""
    drama = PeerDrama().play()
    control = drama.peer.control
    before = control.lease_until, control.ack
    drama.now += 1.0
    drama.hear(ViewArrived(ShortView(drama.version, 1, 99, 0.0)))
    assert (control.lease_until, control.ack) == before


def test_views_that_acknowledge_nothing_new_do_not_keep_a_client_playing():
    """The coordinator is heard and does not hear: the lease runs out on an open connection."""
    drama = PeerDrama().play()
    acked = drama.peer.control.ack
    for _ in range(10):
        drama.wait(1.0, answered=False)
        drama.hear(ViewArrived(ShortView(drama.version, 1, acked, 0.0)))
    assert drama.at == (HALTED, 2)
    assert drama.peer.cause == "lease_expired"
    assert drama.peer.control.attached


def test_a_client_without_a_lease_is_not_ready():
    """Ready is halted and lease and links: without a lease it neither says so nor arms (M3)."""
    drama = PeerDrama().ready()
    drama.now = drama.peer.control.lease_until
    drama.resume()
    assert drama.at == (HALTED, 2)


def test_a_step_is_refused_after_a_stall_longer_than_the_lease():
    """The lease is checked in front of every step, whatever woke the program."""
    drama = PeerDrama().play()
    drama.sleep(drama.policy.lease + 1.0)
    assert drama.at == (HALTED, 2)


def test_after_a_sleep_no_link_is_what_it_was():
    """Longer than the lease without a call: every link is probed before it is believed."""
    drama = PeerDrama().play()
    drama.cut()
    drama.sleep(drama.policy.lease + 1.0)
    link = drama.peer.links["ben"]
    assert (link.up, link.proven) == (True, False)
    drama.wait(2.0)
    assert not link.up
