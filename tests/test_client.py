"""The client shell, as a game uses it."""

from math import inf, nan

import pytest

from reconnect import (
    Client,
    Connected,
    Ended,
    LocalProtocolError,
    NoSuchPlayer,
    Paused,
    Policy,
    Reason,
    Reconnecting,
    Resumed,
    SessionEnded,
    State,
)
from reconnect.core.notices import LinkSuspect
from tests.games import Game


def test_a_game_starts_when_all_have_come():
    """Notices tell of the start, and from then on everybody plays and hears everybody."""
    game = Game()
    game.run(2)
    for player in game.players.values():
        assert player.kinds() == ["Reconnecting", "Resumed", "Connected"]
        assert player.client.state is State.CONNECTED
        assert player.client.players == ("alice", "bob")
    assert game.all_playing
    game.assert_nothing_lost()


def test_a_cut_link_pauses_both_and_nothing_is_lost():
    """A cut of 3 s: both pause within 1.2 s, play on when it is mended, and have lost nothing."""
    game = Game(loss=0.05)
    game.run(3)
    cut_at = game.runtime.now()
    game.network.cut("alice", "bob")
    game.run(1.2)
    assert not any(player.client.playing for player in game.players.values())
    game.run(1.8)
    game.network.mend("alice", "bob")
    game.run(2)
    assert game.all_playing
    for player in game.players.values():
        assert [type(one) for one in player.heard if not isinstance(one, LinkSuspect)] == [
            *(Reconnecting, Resumed, Connected),
            *(Paused, Reconnecting, Resumed, Connected),
        ]
        paused = [at for at in player.steps if cut_at + 1.2 < at < cut_at + 3]
        assert paused == []
    game.assert_nothing_lost()


def test_all_start_at_the_same_instant():
    """The first steps after a resume are no further apart than two turns of the loop."""
    game = Game("alice", "bob", "carol")
    game.run(3)
    game.network.cut("alice", "bob")
    game.run(3)
    mended_at = game.runtime.now()
    game.network.mend("alice", "bob")
    game.run(2)
    firsts = [next(at for at in player.steps if at > mended_at) for player in game.players.values()]
    assert max(firsts) - min(firsts) <= 2 / 30


def test_a_policy_travels():
    """A client that was told nothing keeps the times that the server's policy says."""
    game = Game(policy=Policy(outage_timeout=15))
    game.run(2)
    for player in game.players.values():
        policy = player.client._peer.policy
        assert policy is not None
        assert policy.outage_timeout == 15
        assert policy.lease == 5
        assert policy == game.coordinator.policy
    game.network.cut("alice", "bob")
    game.run(15.5)
    assert not any(player.client.ended for player in game.players.values())
    game.run(1.5)
    assert {player.client.reason for player in game.players.values()} == {Reason.TIMEOUT}
    assert game.session.reason == Reason.TIMEOUT


def test_at_the_deadline_all_end_alike():
    """An outage that does not end does: everybody hears `timeout`, and only as the last word."""
    game = Game("alice", "bob", "carol", policy=Policy(outage_timeout=5))
    game.run(2)
    game.network.cut("alice", "bob")
    game.run(10)
    for player in game.players.values():
        assert player.client.ended
        assert player.heard[-1] == Ended(Reason.TIMEOUT)
        assert player.kinds().count("Ended") == 1


def test_a_blip_of_the_control_link_pauses_nobody():
    """Three seconds without the coordinator, with healthy links, are not noticed by the game."""
    game = Game()
    game.run(2)
    game.network.cut_control("alice", half_open=True)
    game.run(3)
    game.network.mend_control("alice")
    game.run(6)
    assert game.all_playing
    assert all("Paused" not in player.kinds() for player in game.players.values())


def test_a_half_open_control_link_is_noticed_and_dialled_again():
    """Nobody tells the client that its connection is dead; it finds out and comes back."""
    game = Game()
    game.run(2)
    before = game.coordinator.stats()["connections"]
    game.network.cut_control("alice", half_open=True)
    game.run(20)
    assert game.session.state is State.RECONNECTING
    assert "alice" in game.session.missing
    game.network.mend_control("alice")
    game.run(3)
    assert game.all_playing
    assert before == 2
    game.assert_nothing_lost()


def test_no_step_is_taken_before_its_notice_is_read():
    """`playing` is False while a change of state is unread."""
    game = Game()
    client = game.players["alice"].client
    game.runtime.run(2)
    assert client.state is State.CONNECTED
    assert not client.playing
    assert client.play_until == 0.0
    client.notices()
    assert client.playing
    assert client.play_until > game.runtime.now()


def test_on_notice_hears_at_once():
    """With `on_notice`, nothing is unread; during the call itself no step may be taken."""
    game = Game()
    playing = []
    heard = []

    def on_notice(notice: object) -> None:
        heard.append(type(notice))
        playing.append(player.client.playing)

    player = game.join("bob", on_notice=on_notice)
    game.players["bob"] = player
    game.run(3)
    assert player.client.playing
    assert heard == [Reconnecting, Resumed, Connected]
    assert playing == [False, False, False]


def test_what_on_notice_raises_harms_nothing():
    """An exception of the application is logged, and the protocol goes on."""
    game = Game()

    def on_notice(_notice: object) -> None:
        raise ZeroDivisionError

    game.players["bob"] = game.join("bob", on_notice=on_notice)
    game.run(3)
    assert game.all_playing


def test_a_newer_client_takes_the_seat():
    """The older one hears `superseded` and stops; it cannot take the seat back."""
    game = Game()
    game.run(2)
    old = game.players["bob"]
    game.players["bob"] = game.join("bob")
    game.run(1)
    old.turn(game.runtime.now())
    assert old.client.ended
    assert old.client.reason == Reason.SUPERSEDED
    game.run(15)
    assert game.all_playing


def test_leaving_ends_the_game_of_two():
    """The others hear `player_left`, the one who left hears `left`."""
    game = Game()
    game.run(2)
    game.players["alice"].client.leave()
    game.run(3)
    assert game.players["alice"].client.reason == Reason.LEFT
    assert game.players["bob"].client.reason == Reason.PLAYER_LEFT
    assert game.session.reason == Reason.PLAYER_LEFT


def test_leaving_without_a_connection_is_told_on_a_new_one():
    """The others hear `player_left` within a second, not of somebody who is missing."""
    game = Game()
    game.run(2)
    game.network.cut_control("alice")
    game.run(0.5)
    game.players["alice"].client.leave()
    game.run(0.2)
    assert not game.players["bob"].client.ended
    game.network.mend_control("alice")
    game.run(1)
    assert game.session.reason == Reason.PLAYER_LEFT
    assert game.players["bob"].client.reason == Reason.PLAYER_LEFT
    assert game.players["alice"].client.reason == Reason.LEFT


def test_leaving_goes_on_when_the_connection_breaks_during_it():
    """What has not been acknowledged is said again on the next connection."""
    game = Game()
    game.run(2)
    game.players["alice"].client.leave()
    game.network.drop_control("alice")
    game.run(1)
    assert game.session.reason == Reason.PLAYER_LEFT


def test_leaving_ends_although_nobody_hears_it():
    """After 2 s nothing is dialled any more, and nothing is due."""
    game = Game()
    game.run(2)
    game.network.cut_control("alice")
    alice = game.players["alice"].client
    alice.leave()
    game.run(1.9)
    assert alice._peer.leaving
    game.run(0.2)
    assert not alice._peer.leaving
    assert alice._wiring._dial is None
    assert alice._wiring._armed is None


def test_closing_is_not_leaving():
    """A program that is closed in order leaves its seat to the next one, without a fence."""
    game = Game()
    game.run(2)
    closed = game.players["bob"].client
    closed.close()
    closed.close()
    assert closed.ended or closed.notices()
    assert closed.reason == Reason.CLOSED
    game.players["bob"] = game.join("bob")
    game.run(3)
    assert game.all_playing
    assert game.session.outages == 1


def test_closing_in_on_notice_is_closing_in_order():
    """The parting report still goes out, so that the next program need not wait for a fence."""
    game = Game()
    closed_at = []

    def on_notice(notice: object) -> None:
        if isinstance(notice, Connected):
            closed_at.append(game.runtime.now())
            alice.client.close()

    alice = game.players["alice"] = game.join("alice", on_notice=on_notice)
    game.run(2)
    assert alice.client.ended
    assert alice.client.reason == Reason.CLOSED
    game.players["alice"] = game.join("alice")
    game.run(3)
    assert closed_at
    assert game.all_playing


def test_a_wrong_token_ends_the_client():
    """A client that may not attach hears why, and does not try again."""
    game = Game()
    stranger = game.join("bob", token="A" * 43)
    game.run(1)
    stranger.turn(game.runtime.now())
    assert stranger.client.reason == Reason.BAD_TOKEN
    dials = game.coordinator.stats()["refused"]
    game.run(5)
    assert game.coordinator.stats()["refused"] == dials == 1


def test_sending_what_cannot_be_sent_is_refused_aloud():
    """Before there is anybody, to a stranger, too long, and after the end."""
    game = Game(policy=Policy(message_max=100))
    client = game.players["alice"].client
    with pytest.raises(LocalProtocolError, match="nobody to send to"):
        client.send(b"early")
    game.run(2)
    with pytest.raises(NoSuchPlayer):
        client.send(b"?", to="mallory")
    with pytest.raises(LocalProtocolError, match="100"):
        client.send(bytes(101))
    with pytest.raises(LocalProtocolError, match="packet"):
        client.send_latest(bytes(5000))
    game.session.end()
    game.run(1)
    with pytest.raises(SessionEnded, match="completed"):
        client.send(b"late")


@pytest.mark.parametrize(
    ("bad", "sentence"),
    [
        ({"session": None}, "session is None, which is no id"),
        ({"player": 3}, "player is 3, which is no id"),
        ({"player": ""}, "player is '', which is no id"),
        ({"token": None}, "token is none that `invite` has given"),
        ({"token": "secret\n"}, "token is none that `invite` has given"),
    ],
)
def test_a_claim_that_cannot_be_right_is_refused_aloud(bad, sentence):
    """When the client is made; the coordinator would refuse it again and again."""
    game = Game()
    with pytest.raises(LocalProtocolError) as caught:
        Client(
            **{
                "signaling": game.network.client("alice"),
                "session": game.session.id,
                "player": "alice",
                "token": "x",
            }
            | bad
        )
    assert str(caught.value).startswith(sentence)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("frame", [1.5, -1, 2**53, True, None, "7"])
def test_a_frame_is_a_whole_number(frame):
    """The coordinator could not read any other, and would hang up."""
    client = Game().players["alice"].client
    with pytest.raises(LocalProtocolError, match="frame is"):
        client.frame = frame
    assert client.frame == 0


@pytest.mark.parametrize("seconds", [nan, -1, inf, None, "3", 1e9])
def test_a_long_step_has_a_duration(seconds):
    """Anything else is refused, and changes nothing."""
    game = Game()
    game.run(2)
    with pytest.raises(LocalProtocolError, match="busy for"):
        game.players["alice"].client.busy(seconds)
    game.run(1)
    assert game.all_playing


def test_the_latest_value_arrives():
    """`send_latest` reaches the others, the newest last."""
    game = Game()
    game.run(2)
    bob = game.players["bob"].client
    for value in (b"-1", b"-2", b"-3"):
        game.players["alice"].client.send_latest(value, to="bob")
    game.runtime.run(0.2)
    values = [data for _, data in bob.receive() if data.startswith(b"-")]
    assert values[-1] == b"-3"


def test_what_the_application_knows_is_passed_on():
    """Telling of a network change, a long step or a hidden page changes no game that is well."""
    game = Game()
    game.run(2)
    client = game.players["alice"].client
    client.network_changed()
    client.busy(1.0)
    client.hidden(True)
    client.hidden(False)
    game.run(2)
    assert game.all_playing


def test_explain_says_what_is_waited_for():
    """A paused client names what it waits for; a playing one its lease."""
    game = Game()
    game.run(2)
    client = game.players["alice"].client
    assert "playing" in client.explain()
    game.network.cut("alice", "bob")
    game.run(2.5)
    assert "bob: link down" in client.explain()
    assert client.remaining is not None
    assert 25 < client.remaining < 30
    assert "alice: attached, link to bob down" in game.session.explain()


def test_garbage_from_the_coordinator_is_dropped_and_counted():
    """A client survives whatever its server sends."""
    game = Game()
    game.run(2)
    client = game.players["alice"].client
    dial = client._wiring._dial
    assert dial is not None
    for junk in (None, 7, b"x", {}, {"v": 1}, {"v": 1, "session": "other", "type": "bye"}, []):
        dial.received(junk)
    game.run(1)
    assert game.all_playing
    assert client.stats()["malformed"] == 7


def test_a_relayed_game_needs_no_links():
    """With topology `relayed` the coordinator carries the game, and nothing is lost either."""
    game = Game(policy=Policy(topology="relayed"))
    game.run(2)
    assert game.all_playing
    game.network.drop_control("alice")
    game.run(4)
    assert game.all_playing
    game.assert_nothing_lost()


def test_the_class_is_what_reconnect_exports():
    """`reconnect.Client` is this class."""
    assert Client.__module__ == "reconnect.client"
