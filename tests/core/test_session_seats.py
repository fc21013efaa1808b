"""Whose client has the seat: offers, generations, fences, and the promise that stands."""

import pytest

from reconnect.core.messages import Phase
from reconnect.core.notices import Attached, PlayerDropped
from tests.core.drama import (
    CONNECTED,
    ENDED,
    HALTED,
    LEFT,
    PAUSED,
    PLAYING,
    READY,
    RECONNECTING,
    RESUMED,
    UP,
    Drama,
)

# -- the offer -----------------------------------------------------------------------------------


@pytest.mark.parametrize("state", [PAUSED, CONNECTED, RESUMED])
def test_a_new_client_is_offered_a_generation_and_nothing_else(state):
    """Where gen == 0: gen_next+1, saved, a personal view; no seat, no fence, nobody disturbed."""
    drama = Drama().play()
    if state is not CONNECTED:
        drama.pause()
    if state is RESUMED:
        drama.resume()
    member, living = drama.session.members["ann"], drama.clients["ann"].conn
    before = (member.gen, member.seq, member.conn, member.fence_until, member.last_report_at)
    drama.now += 1.0
    assert drama.knocks("ann") == 2
    assert drama.saved
    assert drama.stored.seats[0].gen_next == 2
    assert (drama.notices, drama.closed) == ([], [])
    assert drama.receivers == [drama.clients["ann"].conn]
    after = (member.gen, member.seq, member.conn, member.fence_until, member.last_report_at)
    assert after == before
    assert member.conn == living
    assert drama.state is state


def test_the_offer_carries_neither_the_epoch_nor_the_state():
    """M18: the view of an offer says paused, epoch 0, version 0, whatever goes on; with policy."""
    drama = Drama().play()
    drama.knocks("ann")
    offer = drama.view("ann")
    assert (offer.gen, offer.ack, offer.epoch, offer.version) == (2, 0, 0, 0)
    assert (offer.state, offer.resume) == (PAUSED, None)
    assert offer.policy is drama.policy
    assert [one.id for one in offer.players] == ["ann", "ben"]


def test_every_client_is_offered_a_generation_of_its_own():
    """gen_next only grows, whether offers are taken or not, and across a restart."""
    drama = Drama()
    assert [drama.knocks("ann") for _ in range(3)] == [1, 2, 3]
    drama.restarts()
    assert drama.knocks("ann") == 4


def test_a_generation_that_was_never_offered_is_no_right_to_the_seat():
    """Where gen > gen_next(p): the offer, nothing else."""
    drama = Drama().play()
    drama.says("ann", HALTED, 0, gen=5, conn=99)
    offer = drama.view(99)
    assert (offer.gen, offer.epoch, offer.version) == (2, 0, 0)
    assert drama.session.members["ann"].gen == 1
    assert drama.state is CONNECTED


def test_the_delayed_attach_of_a_dead_connection_does_not_push_out_the_living():
    """M17: an attach that arrives late is offered a generation; who has the seat keeps it."""
    drama = Drama().play()
    living = drama.enters("ann")
    seated = drama.clients["ann"]
    drama.knocks("ann")
    assert drama.session.members["ann"].conn == living
    drama.clients["ann"] = seated
    drama.says("ann", HALTED, 2)
    assert drama.view(living).state is PAUSED


# -- taking the seat -----------------------------------------------------------------------------


def test_the_first_client_of_a_player_needs_no_fence():
    """gen(p) == 0: nobody can be playing, so the seat is taken without a fence."""
    drama = Drama()
    drama.enters("ann")
    assert drama.stored.seats[0].gen == 1
    assert not drama.stored.seats[0].fenced
    assert drama.session.members["ann"].fence_until < drama.now


def test_the_older_client_is_superseded():
    """Where gen > gen(p): `superseded` and `bye` to the old connection; saved; all are told."""
    drama = Drama().play()
    older = drama.clients["ann"].conn
    newer = drama.enters("ann")
    assert drama.saved
    assert drama.stored.seats[0].gen == 2
    assert (drama.view(older).state, drama.view(older).reason) == (ENDED, "superseded")
    assert drama.closed == [older]
    assert drama.receivers == [older, newer, drama.clients["ben"].conn]
    assert drama.notices == [Attached("ann", 2)]
    assert (drama.view(newer).gen, drama.view(newer).ack) == (2, 2)
    assert drama.view("ben").players[0].gen == 2
    assert drama.state is CONNECTED


def test_the_superseded_client_is_told_its_own_generation_and_number():
    """A view has the receiver's generation, and the highest seq received from the receiver."""
    drama = Drama().play()
    old = drama.clients["ann"]
    for _ in range(3):
        drama.says("ann", PLAYING)
    drama.enters("ann")
    farewell = drama.view(old.conn)
    assert (farewell.gen, farewell.ack) == (old.gen, old.seq)


def test_an_older_client_never_gets_the_seat_back():
    """Where gen < gen(p): personal ended(`superseded`), `bye`; it changes nothing (M10, I4)."""
    drama = Drama().play()
    old = drama.clients["ann"]
    drama.enters("ann")
    new, drama.clients["ann"] = drama.clients["ann"], old
    before, stale = drama.everything(), drama.session.stale
    drama.says("ann", HALTED, 2, conn=88)
    assert (drama.receivers, drama.closed, drama.notices) == ([88], [88], [])
    view = drama.view(88)
    assert (view.state, view.reason, view.gen, view.ack) == (ENDED, "superseded", 1, old.seq)
    assert drama.session.stale == stale + 1
    drama.session.stale = stale
    assert drama.everything() == before
    assert drama.session.members["ann"].conn == new.conn


def test_nobody_is_pushed_out_by_an_older_word_of_its_own():
    """Where gen < gen(p) on the seat's own connection: ignored; whoever has the seat said it."""
    drama = Drama()
    drama.knocks("ann")
    conn = drama.clients["ann"].conn
    drama.says("ann", gen=0, epoch=0)
    assert drama.view(conn).gen == 2
    drama.says("ann", gen=1, epoch=0)
    drama.says("ann", gen=2, epoch=0)
    before, stale = drama.everything(), drama.session.stale
    drama.says("ann", gen=1, epoch=0)
    assert drama.effects == []
    assert drama.session.stale == stale + 1
    drama.session.stale = stale
    assert drama.everything() == before


def test_nor_when_its_connection_has_been_silent():
    """The connection that was last the seated client's is its own, attached or not."""
    drama = Drama().play()
    drama.enters("ann")
    drama.wait(drama.policy.silence_timeout + 0.001, "ben")
    assert drama.session.members["ann"].conn is None
    assert drama.says("ann", gen=1) == []
    drama.says("ann")
    assert drama.view("ann").reason is None


def test_a_detached_older_client_learns_of_it_when_it_comes_back():
    """Without a connection nobody is told anything; its next report is answered `superseded`."""
    drama = Drama().play()
    old = drama.clients["ann"]
    drama.wait(drama.policy.silence_timeout + 0.001, "ben")
    assert drama.session.members["ann"].conn is None
    newer = drama.enters("ann")
    assert drama.closed == []
    assert old.conn not in drama.receivers
    drama.clients["ann"] = old
    drama.says("ann", PLAYING, 1)
    assert drama.view(old.conn).reason == "superseded"
    assert drama.session.members["ann"].conn == newer


def test_reports_of_a_new_client_are_numbered_anew():
    """Taking the seat sets seq = 0: the first report counts however far the older one was."""
    drama = Drama().play()
    for _ in range(20):
        drama.says("ann", PLAYING)
    conn = drama.enters("ann")
    assert drama.view(conn).ack == drama.clients["ann"].seq == 2


def test_a_report_numbered_0_takes_the_seat_and_says_nothing():
    """After taking the seat seq(p) = 0, so a report of seq 0 is ignored: no number, no answer."""
    drama = Drama().play()
    gen = drama.knocks("ann")
    conn = drama.clients["ann"].conn
    drama.says("ann", HALTED, 2, seq=0)
    assert drama.stored.seats[0].gen == gen
    assert conn not in drama.receivers
    assert drama.state is CONNECTED
    drama.wait(drama.policy.control_grace_period - 0.001, "ben")
    assert drama.state is CONNECTED


def test_a_new_client_has_no_links_and_has_not_started():
    """What the older client said of its links, of readiness and of its start is not the newer's."""
    drama = Drama().play()
    drama.says("ann", PLAYING, links={"ben": UP})
    drama.pause().resume()
    drama.says("ann", PLAYING)
    member = drama.session.members["ann"]
    assert member.started
    drama.enters("ann")
    assert (member.ready, member.started, member.links) == (False, False, {})
    drama.says("ben", PLAYING)
    assert drama.state is RESUMED


def test_a_client_that_takes_the_seat_on_its_own_connection_is_not_thrown_off_it():
    """A newer generation on the connection of the older: one answer, and the line stays open."""
    drama = Drama().play()
    conn = drama.clients["ann"].conn
    drama.says("ann", HALTED, 0, gen=0)
    assert drama.view(conn).gen == 2
    drama.clients["ann"].gen = 2
    drama.says("ann", HALTED, 0)
    assert drama.closed == []
    assert drama.view(conn).gen == 2
    assert drama.view(conn).state is CONNECTED
    assert drama.session.members["ann"].conn == conn


def test_each_attach_is_answered_with_the_policy_on_an_old_connection_too():
    """Whatever that connection was told, its new client is told; the host hears `Attached`."""
    drama = Drama().play()
    conn = drama.clients["ann"].conn
    drama.says("ann", HALTED, 0, gen=0)
    drama.clients["ann"].gen = 2
    drama.says("ann", HALTED, 0)
    assert drama.view(conn).policy is drama.policy
    assert drama.notices == [Attached("ann", 2)]


# -- the fence -----------------------------------------------------------------------------------


@pytest.mark.parametrize("state", [CONNECTED, RESUMED, PAUSED])
def test_the_older_client_may_still_be_playing(state):
    """fence_until = last_report_at + lease_bound, without a promise: reconnecting waits for it."""
    drama = Drama().play()
    if state is RESUMED:
        drama.pause().resume()
    heard_at = drama.now
    drama.wait(1.0)
    if state is PAUSED:
        drama.pause("ben")
    drama.enters("ann")
    until = heard_at + drama.policy.lease_bound
    assert drama.session.members["ann"].fence_until == pytest.approx(until)
    assert drama.stored.seats[0].fenced
    if state is not PAUSED:
        drama.pause("ben")
    drama.says("ann")
    assert drama.session.members["ann"].promised
    drama.wait(until - drama.now - 0.001, "ann", "ben")
    assert drama.state is PAUSED
    drama.wait(0.002, "ann", "ben")
    assert drama.state is RECONNECTING
    assert drama.now == pytest.approx(until + 0.001)


@pytest.mark.parametrize("state", [PAUSED, RECONNECTING])
def test_a_standing_promise_spares_the_fence(state):
    """Taken in paused/reconnecting from a client that has promised: no fence, promised stands."""
    drama = Drama("ann", "ben").play().pause("ann")
    if state is RECONNECTING:
        drama.reconnect()
    assert drama.state is state
    drama.enters("ann")
    member = drama.session.members["ann"]
    assert (member.gen, member.promised, member.ready) == (2, True, False)
    assert member.fence_until < drama.now
    assert not drama.stored.seats[0].fenced
    drama.says("ben")
    assert drama.state is RECONNECTING


def test_who_reloads_while_reconnecting_is_waited_for():
    """Reload with a standing promise: still reconnecting, ready again only by its own word."""
    drama = Drama().play().pause("ann").reconnect()
    drama.says("ann", READY)
    conn = drama.enters("ann")
    assert (drama.view(conn).state, drama.view(conn).epoch) == (RECONNECTING, 2)
    drama.says("ben", READY)
    assert drama.state is RECONNECTING
    drama.says("ann", READY)
    assert drama.state is RESUMED


@pytest.mark.parametrize("state", [RESUMED, CONNECTED])
def test_a_promise_that_has_been_redeemed_spares_no_fence(state):
    """In resumed and connected promised(p) is of the epoch being played: the fence runs."""
    drama = Drama().play().pause().resume()
    if state is CONNECTED:
        drama.all_say(PLAYING)
    member = drama.session.members["ann"]
    assert member.promised
    drama.enters("ann")
    assert not member.promised
    assert member.fence_until == pytest.approx(drama.now + drama.policy.lease_bound)


def test_only_a_promise_of_this_very_epoch_spares_the_fence():
    """A promise of the epoch before is cleared by the pause: the seat is fenced."""
    drama = Drama().play().pause("ann").resume()
    drama.pause("ben")
    drama.enters("ann")
    member = drama.session.members["ann"]
    assert not member.promised
    assert member.fence_until == pytest.approx(drama.now + drama.policy.lease_bound)


def test_a_running_fence_is_never_shortened():
    """A standing promise leaves a running fence as it is, in memory and in the record."""
    drama = Drama().play()
    drama.enters("ann")
    until = drama.session.members["ann"].fence_until
    drama.pause("ben")
    drama.says("ann")
    drama.wait(1.0, "ann", "ben")
    drama.enters("ann")
    member = drama.session.members["ann"]
    assert (member.gen, member.promised, member.fence_until) == (3, True, until)
    assert drama.stored.seats[0].fenced
    drama.wait(until - drama.now - 0.001, "ann", "ben")
    assert drama.state is PAUSED


def test_a_fence_lasts_as_long_as_the_last_of_the_older_clients_may_play():
    """fence_until = max(fence_until, last_report_at + lease_bound): three clients, two fences."""
    drama = Drama().play()
    drama.enters("ann")
    drama.wait(2.0, "ann", "ben")
    heard_at = drama.session.members["ann"].last_report_at
    drama.enters("ann")
    until = heard_at + drama.policy.lease_bound
    assert drama.session.members["ann"].fence_until == pytest.approx(until)


def test_a_fence_runs_a_full_bound_after_a_restart():
    """A set fence bit: whatever was left of the fence, lease_bound counts from the restart."""
    drama = Drama().play()
    drama.enters("ann")
    drama.wait(9.0, "ann", "ben")
    drama.pause("ben")
    assert drama.stored.seats[0].fenced
    drama.restarts()
    until = drama.now + drama.policy.lease_bound
    assert drama.session.members["ann"].fence_until == until
    drama.all_say(HALTED)
    drama.wait(until - drama.now - 0.001, "ann", "ben")
    assert drama.state is PAUSED
    drama.wait(0.002, "ann", "ben")
    assert drama.state is RECONNECTING


def test_with_topology_server_no_fence_is_waited_for():
    """halted(p) is true in topology server, fence or not."""
    drama = Drama(topology="server").play()
    drama.enters("ann")
    drama.pause("ben")
    assert drama.state is RECONNECTING


def test_a_fence_outlives_the_player_who_leaves():
    """I2: a second client takes the seat and leaves at once; the older one may still be playing,
    so reconnecting waits until its lease bound has run out.
    """
    drama = Drama("ann", "ben", "cas", on_leave="go_on").play()
    heard_at = drama.now
    drama.enters("cas")
    drama.says("cas", LEFT)
    assert drama.notices[0] == PlayerDropped("cas", "left")
    drama.says("ann")
    drama.says("ben")
    assert drama.state is PAUSED
    drama.wait(heard_at + drama.policy.lease_bound - drama.now - 0.001, "ann", "ben")
    assert drama.state is PAUSED
    drama.wait(0.002, "ann", "ben")
    assert drama.state is RECONNECTING


def test_the_new_page_of_who_has_left_holds_nobody_up():
    """Whoever left plays no more: another client of that player starts no fence to wait for."""
    drama = Drama("ann", "ben", "cas", on_leave="go_on").play()
    drama.says("cas", LEFT)
    drama.enters("cas")
    drama.says("ann")
    drama.says("ben")
    assert drama.state is RECONNECTING


def test_a_duplicate_tab_cannot_play_beside_the_older():
    """M9, M18 from beginning to end: the new page asks for a pause, the old one's lease is waited
    out, and only then both players begin again.
    """
    drama = Drama().play()
    heard_at = drama.now
    drama.enters("ann")
    assert drama.view("ann").state is CONNECTED
    drama.says("ann", HALTED, 2)
    drama.says("ben")
    assert drama.state is PAUSED
    drama.all_say(READY)
    assert drama.state is PAUSED
    drama.wait(drama.policy.lease_bound + 0.001, "ann", "ben")
    assert drama.now >= heard_at + drama.policy.lease_bound
    assert drama.state is RESUMED
    assert [one.phase for one in drama.view("ann").players] == [Phase.READY] * 2
