"""The course of a session: what it was is held against what it says of itself."""

import pytest

from reconnect.testing.simulation.course import LawBroken, law
from reconnect.testing.simulation.laws import Laws
from tests.testing.simulation.lawless import broken, session


def test_no_deadline_is_pending_while_all_play(laws):
    """D."""
    session(laws).ends_at = laws.table.server.now() + 5
    assert broken(laws).startswith("D")


def test_each_outage_is_counted_once(laws):
    """I8."""
    session(laws).outages += 1
    assert broken(laws).startswith("I8")


def test_the_pauses_add_up(laws):
    """P."""
    session(laws).paused_total += 0.01
    assert broken(laws).startswith("P")


def restarted(laws: Laws) -> str:
    """What the laws say when a server is started on what is stored."""
    laws.loaded(session(laws), laws.table.server.now())
    return str(laws.failure)


def test_an_older_record_is_not_loaded(laws):
    """What was saved last is what there is."""
    session(laws).version -= 1
    assert restarted(laws) == "an older record was loaded than was saved"


def test_a_restart_moves_no_deadline(laws):
    """I5d; it is what it was on the wall clock."""
    laws.faults = 3
    laws.table.unplug("ann")
    laws.table.run(1.2)
    assert restarted(laws) == "None"
    session(laws).ends_at += 5.0
    assert restarted(laws) == "I5d: a restart moved the deadline"


def test_a_clock_that_jumps_back_gives_the_whole_time_once_more(laws):
    """And no more."""
    laws.faults = 3
    laws.table.unplug("ann")
    laws.table.run(1.2)
    laws.table.wall_jump -= 3600.0
    now, policy = laws.table.server.now(), laws.table.policy
    session(laws).ends_at = now + policy.outage_timeout
    assert restarted(laws) == "None"


def test_a_law_says_its_sentence():
    """Nothing else does."""
    law(True, "never said")
    with pytest.raises(LawBroken, match="said"):
        law(False, "said")
