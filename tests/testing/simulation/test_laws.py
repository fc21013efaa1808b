"""The laws: each of them is broken by hand once, and says so."""

import pytest

from reconnect.core.outlook import Play
from reconnect.core.session import Session
from reconnect.core.table import State
from reconnect.errors import LocalProtocolError
from reconnect.policy import Policy
from reconnect.testing.network import Weather
from reconnect.testing.simulation.faulty import FaultyTable
from reconnect.testing.simulation.laws import LawBroken, Laws, law, plays
from reconnect.testing.simulation.setting import Setting
from reconnect.testing.watch import watching


@pytest.fixture
def laws():
    """Two players at a table, who play by the laws."""
    table = FaultyTable(Setting(3, ("ann", "ben"), Policy(), Weather()))
    laws = Laws(table)
    table.store.saved = laws.saved
    with watching(laws):
        for player in table.players:
            table.start(player)
        table.until_playing()
        assert laws.failure is None
        yield laws


def broken(laws: Laws) -> str:
    """What the laws say within the next seconds."""
    try:
        laws.table.run(3.0)
    except LawBroken as error:
        return str(error)
    return str(laws.failure)


def peer(laws: Laws, player: str):
    return laws.table.present(player).client._peer


def session(laws: Laws) -> Session:
    assert laws.session is not None
    return laws.session


def test_playing_on_while_the_session_recovers_is_against_the_law(laws):
    """I2."""
    session(laws).state = State.RECONNECTING
    laws.state = State.RECONNECTING
    session(laws).ends_at = laws.table.server.now() + 9
    session(laws).epoch += 1
    assert broken(laws).startswith("I2")


def test_two_epochs_do_not_play_at_once(laws):
    """I3b, or I3 where the session is asked first."""
    peer(laws, "ann").epoch += 1
    assert broken(laws).startswith("I3b")


def test_a_player_plays_once(laws):
    """I7."""
    laws.table.present("ben").player = "ann"
    assert broken(laws).startswith("I7")


def test_an_ended_client_stays_ended(laws):
    """I1."""
    ann = peer(laws, "ann")
    ann.play = Play.ENDED
    ann.reason = "closed"

    original = type(ann)._after_the_end
    try:
        type(ann)._after_the_end = lambda self, *_: setattr(self, "play", Play.HALTED)
        assert broken(laws).startswith("I1")
    finally:
        type(ann)._after_the_end = original


def test_the_pauses_add_up(laws):
    """P."""
    session(laws).paused_total += 0.01
    assert broken(laws).startswith("P")


def test_each_outage_is_counted_once(laws):
    """I8."""
    session(laws).outages += 1
    assert broken(laws).startswith("I8")


def test_no_deadline_is_pending_while_all_play(laws):
    """D."""
    session(laws).ends_at = laws.table.server.now() + 5
    assert broken(laws).startswith("D")


def test_a_lease_ends_before_its_bound(laws):
    """L."""
    session(laws).members["ben"].last_report_at -= 60.0
    assert broken(laws).startswith("L")


def test_more_outages_than_faults_are_against_the_law(laws):
    """I8, while every lost link is somebody's deed."""
    laws.table.cut("ann", "ben")
    assert broken(laws) == "I8: more outages than faults"


def test_what_a_handler_raises_is_not_forgotten(laws):
    """The shell survives it, and so nobody else would know."""
    laws.failed(RuntimeError("a bug"))
    laws.failed(RuntimeError("another one, in its wake"))
    assert str(laws.failure) == "a bug"
    with pytest.raises(LocalProtocolError):
        laws.table.present("ann").client.send(b"", to="nobody")
    assert str(laws.failure) == "a bug"


def test_who_hangs_may_still_play_while_the_lease_lasts(laws):
    """And who was killed does not."""
    ann = laws.table.present("ann")
    assert plays(ann)
    ann.process.stall(1.0)
    assert plays(ann)
    ann.process.kill()
    assert not plays(ann)


def test_a_law_says_its_sentence():
    """Nothing else does."""
    law(True, "never said")
    with pytest.raises(LawBroken, match="said"):
        law(False, "said")
