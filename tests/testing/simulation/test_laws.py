"""The laws: each of them is broken by hand once, and says so."""

import pytest

from reconnect.core.events import TimePassed
from reconnect.core.outlook import Play
from reconnect.core.table import State
from reconnect.errors import LocalProtocolError
from reconnect.testing.simulation.course import LawBroken
from reconnect.testing.simulation.laws import plays
from tests.testing.simulation.lawless import broken, peer, session


def test_playing_on_while_the_session_recovers_is_against_the_law(laws):
    """I2."""
    session(laws).state = State.RECONNECTING
    laws.course.state = State.RECONNECTING
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


def test_a_lease_ends_before_its_bound(laws):
    """L."""
    session(laws).members["ben"].last_report_at -= 60.0
    assert broken(laws).startswith("L")


def test_more_outages_than_faults_are_against_the_law(laws):
    """I8, while every lost link is somebody's deed."""
    laws.table.cut("ann", "ben")
    assert broken(laws) == "I8: more outages than faults"


@pytest.mark.parametrize(
    ("reason", "sentence"),
    [
        ("bad_token", "W: a token is called void, and opens the seat by the record"),
        ("dropped", "W: dropped, and a member by the record"),
        ("unknown_session", "W: a session that goes on is called unknown"),
        ("superseded", "I7: superseded by nobody who is there"),
    ],
)
def test_who_is_sent_away_for_good_is_told_the_truth(laws, reason, sentence):
    """And the truth is stored before."""
    ann = peer(laws, "ann")
    laws.before_peer(ann, TimePassed(), 0.0)
    ann.play, ann.reason = Play.ENDED, reason
    with pytest.raises(LawBroken, match=sentence):
        laws.after_peer(ann, TimePassed(), [], 0.0)


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
