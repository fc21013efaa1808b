"""Who is on which connection; and adapters that break their promises."""

from types import SimpleNamespace

from reconnect.core.messages import Error
from reconnect.seats import BURST, BURST_MAX, BURST_PER_PEER, REPORTS_PER_PEER, Seats

from .by_hand import House, Log


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


def test_connections_are_found_by_name_number_and_session():
    """Numbers are never used twice, not even for an adapter that does so with names."""
    seats = Seats(Wire(), Log().bind())
    one, two = seats.add("a", now=0.0), seats.add("b", now=0.0)
    assert (seats.of("a"), seats.numbered(two.number)) == (one, two)
    seats.sit(one, mailbox("game"), "ann")
    seats.sit(two, mailbox("game"), "ben")
    assert seats.in_session("game") == [one, two]
    assert (one.session, one.player) == ("game", "ann")
    seats.remove(one)
    assert seats.of("a") is seats.numbered(one.number) is None
    assert seats.in_session("game") == [two]
    assert seats.add("a", now=0.0).number > two.number
    assert len(seats) == len(list(seats)) == 2


def test_nothing_is_kept_of_a_session_without_connections():
    """So that a server that runs for months does not grow."""
    seats = Seats(Wire(), Log().bind())
    connection = seats.add("a", now=0.0)
    seats.sit(connection, mailbox("game"), "ann")
    seats.remove(connection)
    seats.remove(connection)
    assert seats._in_session == {}
    assert seats.in_session("game") == []


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
        connection = Seats(Wire(), Log().bind()).add("a", now=0.0)
        assert (connection.reports.burst, connection.passed_on.burst) == (BURST, 0.0)
        connection.sit(mailbox("game", players), "ann")
        reports = BURST + (players - 1) * REPORTS_PER_PEER
        assert (connection.reports.burst, connection.passed_on.burst) == (reports, burst)
