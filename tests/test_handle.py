"""What an application holds of a session: it says what the store has, and never guesses."""

import pytest

from reconnect.core.notices import Attached, Connected, Ended, Paused, Reconnecting, Resumed
from reconnect.core.table import State
from reconnect.errors import LocalProtocolError, NoSuchPlayer, SessionEnded
from reconnect.policy import Policy

from .by_hand import FaultyStore, House


def test_it_tells_how_the_session_stands():
    """State, epoch, players, who is missing, how often and for how long it was paused."""
    house = House()
    handle = house.coordinator.open(["ann", "ben"], id="game", data={"map": "dust"})
    assert (handle.id, handle.state, handle.epoch) == ("game", State.PAUSED, 1)
    assert handle.players == ("ann", "ben")
    assert handle.missing == {"ann", "ben"}
    assert handle.data == {"map": "dust"}
    ann, ben = house.players(handle)
    assert handle.missing == set()
    house.resume(ann, ben)
    assert (handle.state, handle.outages, handle.paused_total) == (State.CONNECTED, 0, 0.0)
    ann.report("halted", 2)
    house.keep(1.5, ann, ben)
    assert (handle.state, handle.epoch, handle.outages) == (State.PAUSED, 2, 1)
    house.resume(ann, ben)
    assert handle.paused_total == pytest.approx(1.5, abs=0.1)
    assert repr(handle) == "<SessionHandle 'game' connected>"
    assert handle.reason is None


def test_its_data_cannot_be_changed():
    """What is in the store stays as it was given."""
    given = {"map": "dust"}
    handle = House().coordinator.open(["ann", "ben"], data=given)
    given["map"] = "other"
    assert handle.data == {"map": "dust"}
    with pytest.raises(TypeError):
        handle.data["map"] = "other"


def test_invite_is_for_players_of_this_session():
    """Anybody else is refused, and nothing is saved."""
    house = House()
    handle = house.coordinator.open(["ann", "ben"])
    house.settle()
    record = house.record(handle)
    with pytest.raises(NoSuchPlayer):
        handle.invite("zoe")
    assert house.record(handle) == record


def test_a_new_token_voids_the_older_one():
    """Who is attached stays so; who comes with the older token is refused."""
    house = House()
    handle, (ann, _) = house.game()
    handle.invite("ann")
    ann.report()
    assert ann.last["ack"] == ann.seq
    ann.claim()
    assert ann.errors == ["bad_token"]


@pytest.mark.parametrize("reason", ["completed", "won", "x" * 64])
def test_end_ends_it_for_all(reason):
    """Every player is told the reason."""
    house = House()
    handle, (ann, ben) = house.game()
    handle.end(reason)
    house.settle()
    assert ann.view["reason"] == ben.view["reason"] == reason
    assert (handle.state, handle.reason) == (State.ENDED, reason)
    assert handle.explain() == f"ended: {reason}"


@pytest.mark.parametrize("reason", ["", "x" * 65, "two\nlines", None, 7])
def test_a_reason_is_a_word(reason):
    """Anything else is refused, and the game goes on."""
    house = House()
    handle, _ = house.game()
    with pytest.raises(LocalProtocolError):
        handle.end(reason)
    assert handle.state is State.CONNECTED


def test_after_the_end_there_is_nothing_to_order():
    """Neither a token nor another end; the first reason stays."""
    house = House()
    handle, _ = house.game()
    handle.end("won")
    for order in (handle.end, lambda: handle.invite("ann")):
        with pytest.raises(SessionEnded):
            order()
    assert handle.reason == "won"


def test_it_stays_readable_when_it_is_forgotten():
    """Whoever still holds it can look up how the game ended."""
    house = House()
    handle, _ = house.game()
    handle.end("won")
    house.run(house.policy.retention + 1)
    assert house.coordinator.get(handle.id) is None
    assert (handle.state, handle.reason) == (State.ENDED, "won")
    assert handle.explain() == "ended: won"
    with pytest.raises(SessionEnded):
        handle.end()


# -- playing -------------------------------------------------------------------------------------


def test_playing_begins_at_the_start_instant():
    """Resumed is not enough, and connected is not needed."""
    house = House(policy=Policy(outage_timeout=30, countdown=3))
    handle = house.coordinator.open(["ann", "ben"])
    ann, ben = house.players(handle)
    for hand in (ann, ben):
        hand.report("ready", 1)
    handle.notices()
    assert handle.state is State.RESUMED
    assert not handle.playing
    house.keep(2.9, ann, ben)
    assert not handle.playing
    house.keep(0.2, ann, ben)
    assert handle.state is State.RESUMED
    assert handle.playing


def test_playing_waits_until_a_resume_has_been_read():
    """No step is taken by a game that has not heard of its resume."""
    house = House()
    handle, _ = house.game()
    assert handle.state is State.CONNECTED
    assert not handle.playing
    assert [type(one) for one in handle.notices()] == [
        Attached,
        Attached,
        Reconnecting,
        Resumed,
        Connected,
    ]
    assert handle.playing


def test_playing_waits_until_a_pause_has_been_read():
    """Not even a pause that is over already is overlooked."""
    house = House()
    handle, (ann, ben) = house.game()
    handle.notices()
    ann.report("halted", 2)
    house.resume(ann, ben)
    assert handle.state is State.CONNECTED
    assert not handle.playing
    assert isinstance(handle.unread.pop(), Paused)
    assert not handle.playing
    handle.notices()
    assert handle.playing


def test_playing_does_not_wait_for_what_is_no_pause():
    """That all play now, or that a player has come or gone, stops nobody."""
    house = House()
    handle, (_, ben) = house.game()
    handle.notices()
    ben.hang_up()
    ben.claim()
    assert len(handle.unread) == 2
    assert handle.playing


def test_with_on_notice_playing_waits_until_it_has_returned():
    """While it runs the game does not play; afterwards it does, whoever reads the queue."""
    seen = []

    def on_notice(session, notice):
        seen.append((session, type(notice), session.playing))

    house = House(on_notice=on_notice)
    handle, (ann, ben) = house.game()
    assert handle.playing
    ann.report("halted", 2)
    assert not handle.playing
    house.resume(ann, ben)
    assert handle.playing
    assert {session for session, _, _ in seen} == {handle}
    assert [(kind, playing) for _, kind, playing in seen if kind is Connected] == [
        (Connected, True)
    ] * 2
    assert not any(playing for _, kind, playing in seen if kind is not Connected)


def test_a_resume_that_is_not_durable_is_not_played():
    """However long the save takes; the start instant itself does not wait for it."""
    house = House(store=FaultyStore(blocking=True), policy=Policy(topology="server"))
    handle = house.coordinator.open(["ann", "ben"])
    house.settle()
    ann, ben = house.players(handle)
    ann.report("ready", 1)
    house.runtime.hangs = True
    ben.report("ready", 1)
    house.run(1.0)
    handle.notices()
    assert not handle.playing
    house.runtime.release()
    house.settle()
    handle.notices()
    assert handle.playing


# -- frames --------------------------------------------------------------------------------------


def test_a_game_on_the_server_resumes_at_its_frame():
    """The newest frame counts, whether the session has heard of others or not."""
    house = House(policy=Policy(topology="server"))
    handle = house.coordinator.open(["ann", "ben"])
    for frame in range(1235):
        handle.frame = frame
    assert handle.frame == 1234
    ann, ben = house.players(handle)
    ann.frame = 7
    house.resume(ann, ben)
    assert Resumed(1234, 0.02) in handle.notices()


def test_the_frame_survives_a_crash_of_the_session():
    """The application has set it once, and does not hear of the crash."""
    house = House(store=FaultyStore(), policy=Policy(topology="server"))
    handle = house.coordinator.open(["ann", "ben"])
    handle.frame = 1234
    house.store.faults = [OSError()]
    handle.invite("ann")
    house.run(1.0)
    ann, ben = house.players(handle)
    house.resume(ann, ben)
    assert ann.view["state"] == "connected"
    assert Resumed(1234, 0.02) in handle.notices()


@pytest.mark.parametrize("frame", [-1, 1.0, "1", True, None, 2**53])
def test_a_frame_is_a_whole_number(frame):
    """Anything else is refused, and the frame stays."""
    handle = House().coordinator.open(["ann", "ben"])
    handle.frame = 5
    with pytest.raises(LocalProtocolError):
        handle.frame = frame
    assert handle.frame == 5


# -- orders from within --------------------------------------------------------------------------


def test_on_notice_may_give_orders():
    """What it asks for happens behind what is being told."""
    tokens = []

    def on_notice(session, notice):
        if isinstance(notice, Paused):
            tokens.append(session.invite("ben"))
            session.end("paused")

    house = House(on_notice=on_notice)
    handle, (ann, _) = house.game()
    ann.report("halted", 2)
    assert handle.reason == "paused"
    assert ann.view["state"] == "ended"
    assert len(tokens) == 1
    assert handle.notices()[-2:] == [Paused("late", frozenset(), 1), Ended("paused")]
