"""What messages do by themselves: they age, they compare, and they keep secrets."""

import pytest

from reconnect.core.messages import (
    FINAL_ERRORS,
    Claim,
    ErrorCode,
    Kind,
    Phase,
    PlayerView,
    Reason,
    Report,
    Resume,
    ShortView,
    View,
)
from reconnect.core.table import State
from reconnect.policy import Policy

PLAYERS = (PlayerView("alice", 1, Kind.PYTHON, True, Phase.READY, {"bob": True}),)


def view(**given):
    return View(7, 3, State.RESUMED, PLAYERS, 1, 100, 0.5, **given)


def test_a_view_that_waited_has_been_held_longer():
    """What is left shrinks and what has passed grows by the same time."""
    aged = view(resume=Resume(40, 2.0), remaining=9.0, cause="link_lost", policy=Policy()).aged(0.5)
    assert aged == View(
        7,
        3,
        State.RESUMED,
        PLAYERS,
        1,
        100,
        1.0,
        resume=Resume(40, 1.5),
        remaining=8.5,
        cause="link_lost",
        policy=Policy(),
    )


def test_nothing_is_left_of_what_ran_out_while_waiting():
    """A start instant or a deadline that has passed is now, not in the past."""
    aged = view(resume=Resume(40, 0.2), remaining=0.3).aged(5)
    assert aged.resume == Resume(40, 0.0)
    assert aged.remaining == 0.0


def test_a_view_without_instants_only_grows_older():
    """What was not there before is not there afterwards."""
    aged = view().aged(1.5)
    assert (aged.held, aged.resume, aged.remaining) == (2.0, None, None)


def test_an_outage_lasts_on_while_its_view_waits():
    """Between `connected` and the first start, and after the end, nothing lasts."""
    lasting = View(7, 3, State.PAUSED, PLAYERS, 1, 100, 0.5, outages=2, paused=4.0)
    assert lasting.in_outage
    assert lasting.aged(0.5).paused == 4.5
    for state, outages in ((State.CONNECTED, 2), (State.ENDED, 2), (State.PAUSED, 0)):
        over = View(7, 3, state, PLAYERS, 1, 100, 0.5, outages=outages, paused=4.0)
        assert not over.in_outage
        assert over.aged(0.5).paused == 4.0


def test_ageing_changes_no_view_that_was_sent():
    """One view goes to several connections, each of which may wait for a time of its own."""
    original = view(remaining=9.0)
    assert original.aged(0) is original
    original.aged(1)
    assert original == view(remaining=9.0)


def test_a_short_view_ages_too():
    """Its receiver counts its lease from when the report was sent, so waiting has to show."""
    assert ShortView(7, 1, 100, 0.5).aged(0.25) == ShortView(7, 1, 100, 0.75)


def test_a_claim_does_not_show_its_token():
    """It can be printed and logged."""
    assert "s3cret" not in repr(Claim("alice", "s3cret"))


def test_what_is_final_ends_a_client_with_a_reason_of_that_name():
    """The last errors are reasons, so a client ends with the word it was refused with."""
    assert {Reason(str(code)) for code in FINAL_ERRORS} == {
        Reason.BAD_TOKEN,
        Reason.UNKNOWN_SESSION,
        Reason.VERSION,
    }
    assert set(ErrorCode) > FINAL_ERRORS


@pytest.mark.parametrize("other", [{"seq": 2}, {"phase": Phase.HALTED}, {"links": {}}])
def test_reports_are_equal_where_all_of_them_is(other):
    """No news in the links is something else than the news that there are none."""
    first = {"gen": 1, "seq": 1, "epoch": 1, "phase": Phase.READY, "version": 1}
    assert Report(**first) == Report(**first)
    assert Report(**first) != Report(**first | other)
