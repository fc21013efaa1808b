"""Who is on which connection; and adapters that break their promises."""

from types import SimpleNamespace

from reconnect.core.decode import decode_from_client
from reconnect.core.messages import Error
from reconnect.policy import Policy
from reconnect.seats import (
    ARRIVAL_BURST,
    ARRIVAL_RATE,
    BURST,
    BURST_MAX,
    BURST_PER_PEER,
    FIRST_BURST,
    LARGE,
    NEWS_DELAY,
    RATE,
    REPORTS_PER_PEER,
    Seats,
)

from .by_hand import House, Log
from .games import Game
from .served import Viewer
from .test_reception import data, envelope


class Wire:
    """A signaling adapter that writes down what it is asked for, and may raise."""

    def __init__(self, *, fails: bool = False) -> None:
        self.log: list[tuple] = []
        self.fails = fails

    def send(self, conn, message):
        self.log.append(("send", conn, message["type"]))
        if self.fails:
            raise OSError("10.0.0.1 is gone")

    def close(self, conn):
        self.log.append(("close", conn))
        if self.fails:
            raise OSError("10.0.0.1 is gone")


def mailbox(name: str, players: int = 2):
    return SimpleNamespace(id=name, record=SimpleNamespace(seats=[None] * players))


def seated(seats: Seats, conn: str, box: SimpleNamespace, player: str = "ann", *, now=0.0):
    """A connection that has this seat."""
    connection = seats.add(conn, now=now)
    assert seats.seat(box, player, now=now).admits(connection, now)
    connection.sit()
    return connection


def test_connections_are_found_by_name_number_and_session():
    """Numbers are never used twice, not even for an adapter that does so with names."""
    seats = Seats(Wire(), Log().bind())
    game = mailbox("game")
    one, two = seated(seats, "a", game), seated(seats, "b", game, "ben")
    assert (seats.of("a"), seats.numbered(two.number)) == (one, two)
    assert seats.in_session("game") == [one, two]
    assert (one.session, one.player) == ("game", "ann")
    seats.remove(one)
    assert seats.of("a") is seats.numbered(one.number) is None
    assert seats.in_session("game") == [two]
    assert seats.add("a", now=0.0).number > two.number
    assert len(seats) == len(list(seats)) == 2


def test_nothing_is_kept_of_a_session_that_is_forgotten():
    """So that a server that runs for months does not grow."""
    seats = Seats(Wire(), Log().bind())
    connection = seated(seats, "a", mailbox("game"))
    seats.remove(connection)
    seats.remove(connection)
    assert seats.in_session("game") == []
    seats.forget("game")
    seats.forget("game")
    assert seats._in_session == {}


def test_to_a_closed_connection_nothing_is_sent():
    """Bye is the last word, and is said once."""
    wire = Wire()
    seats = Seats(wire, Log().bind())
    connection = seats.add("a", now=0.0)
    for _ in range(2):
        seats.send(connection, Error("malformed"), session="game")
        seats.hang_up(connection, session="game")
    assert wire.log == [("send", "a", "error"), ("send", "a", "bye"), ("close", "a")]


def test_without_a_session_there_is_no_bye():
    """There is no name to say it in."""
    wire = Wire()
    seats = Seats(wire, Log().bind())
    seats.hang_up(seats.add("a", now=0.0), session="")
    assert wire.log == [("close", "a")]


def test_an_adapter_that_raises_is_logged_and_harms_nobody():
    """Its sentence is not logged: it may have an address in it."""
    log = Log()
    seats = Seats(Wire(fails=True), log.bind())
    seats.hang_up(seats.add("a", now=0.0), session="game")
    assert log.events == ["reconnect.send_failed", "reconnect.close_failed"]
    assert "10.0.0.1" not in str(log.lines)


def test_a_broken_adapter_does_not_keep_views_from_the_others(monkeypatch):
    """One connection whose send raises costs the others nothing."""
    house = House()
    _, (ann, ben, cid) = house.game("ann", "ben", "cid")
    send, victim = house.signaling.send, house.coordinator._seats.numbered(2).conn

    def sometimes(conn, message):
        if conn == victim:
            raise OSError
        send(conn, message)

    monkeypatch.setattr(house.signaling, "send", sometimes)
    ann.report("halted", 2)
    assert ann.view["state"] == cid.view["state"] == "paused"
    assert ben.view["state"] == "connected"


def test_who_has_many_peers_may_send_more_but_not_without_bound():
    """The bursts grow with the players; that of what is passed on up to a limit."""
    for players, burst in ((2, BURST_PER_PEER), (64, BURST_MAX)):
        seats = Seats(Wire(), Log().bind())
        connection = seats.add("a", now=0.0)
        assert (connection.reports.burst, connection.passed_on.burst) == (FIRST_BURST, 0.0)
        connection = seated(seats, "b", mailbox("game", players))
        reports = BURST + (players - 1) * REPORTS_PER_PEER
        assert (connection.reports.burst, connection.passed_on.burst) == (reports, burst)


def all_of(connection, now: float) -> int:
    """How many reports it gets through at once."""
    return sum(connection.reports.take(now) for _ in range(1000))


def test_who_dials_again_and_again_may_not_say_more():
    """Each connection has an allowance of its own, but the next one a smaller one, down to none.

    Whatever a player does with connections, one after the other or beside each other, in any
    minute it says a few times as much as one that keeps its connection.
    """
    seats = Seats(Wire(), Log().bind())
    game = mailbox("game")
    said, admitted = 0, 0
    for turn in range(60 * 50):
        now = turn / 50
        connection = seats.add(turn, now=now)
        if seats.seat(game, "ann", now=now).admits(connection, now):
            admitted += 1
            said += all_of(connection, now)
        seats.remove(connection)
    assert admitted <= ARRIVAL_BURST + 60 * ARRIVAL_RATE
    assert said <= 2 * (BURST + REPORTS_PER_PEER + 60 * RATE)


def test_connections_beside_each_other_share_no_allowance():
    """What a second one says takes nothing from the first."""
    seats = Seats(Wire(), Log().bind())
    game = mailbox("game")
    first, second = seated(seats, "a", game), seated(seats, "b", game)
    all_of(second, 0.0)
    assert not second.reports.take(0.0)
    assert all_of(first, 0.0) == BURST + REPORTS_PER_PEER


def test_older_clients_cost_their_player_nothing():
    """They are turned away, whatever they ask for and however often."""
    house = House()
    handle, (ann, _) = house.game()
    again = house.client(handle, "ann")
    again.attach()
    seat = house.coordinator._seats.seat(handle._mailbox, "ann", now=house.runtime.now())
    left = seat.arrivals.share(house.runtime.now()), seat.pauses.share(house.runtime.now())
    for epoch in range(100):
        stale = decode_from_client(ann.report_with(epoch=epoch))
        assert seat.allows(stale, house.runtime.now())
    now = house.runtime.now()
    assert (seat.arrivals.share(now), seat.pauses.share(now)) == left


def test_of_a_session_that_is_being_loaded_only_arrivals_are_counted():
    """Nobody knows yet what else is new; it waits, and is bounded there."""
    house = House()
    handle, (ann, _) = house.game()
    seat = house.coordinator._seats.seat(handle._mailbox, "ann", now=house.runtime.now())
    handle._mailbox.session = None
    now = house.runtime.now()
    assert all(seat.allows(decode_from_client(ann.report_with(gen=7)), now) for _ in range(100))
    asks = [seat.allows(decode_from_client(ann.report_with(gen=0)), now) for _ in range(100)]
    assert sum(asks) < 25


def test_a_report_that_is_ignored_does_not_buy_any_pause():
    """Whatever epoch it claims: the session never heard of it."""
    house = House()
    handle, (ann, _) = house.game()
    seat = house.coordinator._seats.seat(handle._mailbox, "ann", now=house.runtime.now())
    session, now = handle._mailbox.session, house.runtime.now()
    assert session is not None
    gen = session.members["ann"].gen
    far = decode_from_client(ann.report_with(gen=gen, seq=1, epoch=2**40))
    assert seat.allows(far, now)
    allowed = 0
    for _ in range(100):
        session.epoch += 1
        stop = decode_from_client(ann.report_with(gen=gen, epoch=session.epoch + 1))
        allowed += seat.allows(stop, now)
    assert allowed < 25


def test_a_client_whose_control_link_breaks_all_the_time_gets_in_again():
    """It has dialled more often than it may; soon after the trouble it is back, and all play."""
    game = Game(policy=Policy(topology="relayed"), seed=2)
    game.run(2)
    for _ in range(200):
        game.network.drop_control("bob")
        game.run(0.05)
    assert game.coordinator.stats()["rate_limited"] > 0
    game.run(3)
    assert game.all_playing
    game.assert_nothing_lost()


# -- large sessions ------------------------------------------------------------------------------


def crowd(house: House, players: int):
    """A session of so many in which everybody plays."""
    handle = house.coordinator.open([f"p{number:02}" for number in range(players)])
    hands = house.players(handle)
    for phase in ("halted", "ready", "playing"):
        for hand in hands:
            hand.report(phase, 1)
        house.run(2 * NEWS_DELAY)
    assert handle.state == "connected"
    return handle, hands


def test_what_happens_within_a_moment_is_told_at_once():
    """Everybody stops within an instant: each is answered at once, and hears once of all others."""
    house = House(policy=Policy(topology="relayed", outage_timeout=30))
    handle, hands = crowd(house, 40)
    before = [len(hand.views) for hand in hands]
    for hand in hands:
        hand.report("halted", 2)
        assert hand.last["ack"] == hand.seq
    house.run(2 * NEWS_DELAY)
    assert handle.state == "reconnecting"
    assert {hand.view["state"] for hand in hands} == {"reconnecting"}
    assert {len(hand.views) - seen for hand, seen in zip(hands, before, strict=True)} == {1, 2}


def test_news_that_waits_says_how_late_it_is():
    """What is left of the outage is counted from when the view is sent."""
    house = House(policy=Policy(topology="relayed", outage_timeout=30))
    _, (first, *_, last) = crowd(house, LARGE + 1)
    first.report("halted", 2)
    assert last.view["state"] == "connected"
    house.run(2 * NEWS_DELAY)
    assert last.view["remaining_ms"] == 30_000 - NEWS_DELAY * 1000


def test_nothing_overtakes_news():
    """Who is passed something behind it has heard it before; who leaves hears it before bye."""
    house = House(policy=Policy(topology="relayed", outage_timeout=30))
    _, (first, second, third, *_) = crowd(house, LARGE + 1)
    for hand in (second, third):
        hand.heard.clear()
    first.report("halted", 2)
    first.say(envelope(first, data("p01")))
    third.say(envelope(third, {"type": "bye"}))
    assert second.types == ["view", "data"]
    assert third.types == ["view", "bye"]
    house.run(2 * NEWS_DELAY)
    assert second.types == ["view", "data", "view"]


def test_in_a_small_session_nobody_waits():
    """A view for each change costs nothing there."""
    house = House(policy=Policy(topology="relayed", outage_timeout=30))
    _, (first, *others) = crowd(house, LARGE)
    first.report("halted", 2)
    assert {hand.view["state"] for hand in others} == {"paused"}


def test_a_large_game_goes_through_an_outage():
    """Real clients: one is cut off, all stop, and all go on."""
    game = Game(*(f"p{n:02}" for n in range(12)), policy=Policy(topology="relayed"), seed=3)
    game.players = {name: Viewer(one.client) for name, one in game.players.items()}
    game.run(2)
    assert game.all_playing
    game.network.cut_control("p05")
    game.run(6)
    assert not any(player.client.playing for player in game.players.values())
    game.network.mend_control("p05")
    game.run(4)
    assert game.all_playing
    assert game.session.outages == 1
