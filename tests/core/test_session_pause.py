"""What a pause does: the epoch, the outage, its deadline and the budget (PAUSE of the protocol)."""

import pytest

from reconnect.core.notices import Ended, Paused
from tests.core.drama import HALTED, PAUSED, PLAYING, Drama, same_instant


def bits(drama: Drama, player: str) -> tuple[bool, bool, bool]:
    member = drama.session.members[player]
    return member.promised, member.ready, member.started


def test_a_pause_raises_the_epoch_and_opens_an_outage():
    """PAUSE(cause): epoch+1; an outage opens; deadline = now + outage_timeout; all are told."""
    drama = Drama().play()
    drama.wait(1.0, "ann", "ben")
    drama.says("ann", HALTED, 2, cause="link_lost")
    session = drama.session
    assert (session.state, session.epoch, session.cause) == (PAUSED, 2, "link_lost")
    assert (session.outages, session.outage_started_at) == (1, drama.now)
    assert session.ends_at == drama.now + 30.0
    assert drama.notices == [Paused("link_lost", frozenset(), 1)]
    assert same_instant(drama.stored.deadline, drama.wall + 30.0)
    assert (drama.view("ann").epoch, drama.view("ben").epoch) == (2, 2)


def test_a_pause_forgets_what_was_said_of_the_older_epoch():
    """PAUSE clears promised, ready and started, of all but the one who asks in this very report."""
    drama = Drama("ann", "ben", "cas").play()
    for member in drama.session.in_game:
        member.promised = member.ready = member.started = True
    drama.pause("ann")
    assert bits(drama, "ann") == (True, False, False)
    assert bits(drama, "ben") == bits(drama, "cas") == (False, False, False)


def test_a_pause_on_the_way_back_belongs_to_the_same_outage():
    """Out of resumed no new outage opens and the deadline is not renewed: it ends some time."""
    drama = Drama().play().pause()
    ends_at = drama.session.ends_at
    for _ in range(5):
        drama.wait(5.0, "ann", "ben")
        drama.resume()
        drama.pause("ben")
        assert drama.notices == [Paused("late", frozenset(), 1)]
        assert (drama.session.outages, drama.session.ends_at) == (1, ends_at)
        assert drama.session.resume_at is None
    drama.wait(5.0, "ann", "ben")
    assert drama.notices[-1] == Ended("timeout")
    assert drama.session.paused_total == pytest.approx(30.0)


def pause_for(drama: Drama, seconds: float) -> None:
    drama.pause()
    drama.wait(seconds, *drama.players)
    drama.resume()
    drama.all_say(PLAYING)


def test_an_outage_has_what_is_left_of_the_budget():
    """Deadline = now + min(outage_timeout, what is left of pause_budget)."""
    drama = Drama(pause_budget=50.0).play()
    pause_for(drama, 25.0)
    drama.pause()
    assert drama.left_of_outage() == pytest.approx(25.0)
    drama.wait(25.1, "ann", "ben")
    assert drama.notices[-1] == Ended("budget_spent")
    assert drama.session.paused_total == pytest.approx(50.0)


@pytest.mark.parametrize("budget", [100.0, 55.5])
def test_an_outage_within_the_budget_ends_by_its_own_timeout(budget):
    """Ended(`timeout`) where the outage has run out, and of the budget a little is left."""
    drama = Drama(pause_budget=budget).play()
    pause_for(drama, 25.0)
    drama.pause()
    drama.wait(30.1, "ann", "ben")
    assert drama.notices[-1] == Ended("timeout")


def test_without_any_budget_the_first_outage_ends_the_session():
    """pause_budget 0: the deadline is the pause itself; at the next look the session is over."""
    drama = Drama(pause_budget=0.0).play().pause()
    assert drama.session.deadline == drama.now
    drama.due()
    assert drama.notices == [Ended("budget_spent")]


def test_without_any_budget_a_pause_and_its_end_are_one_event():
    """A control link lost with pause_budget 0: paused and ended, one save, both told."""
    drama = Drama(pause_budget=0.0).play()
    drama.loses("ben")
    drama.wait(5.1, "ann")
    assert drama.notices == [
        Paused("control_lost", frozenset({"ben"}), 1),
        Ended("budget_spent"),
    ]


@pytest.mark.parametrize("pauses_max", [0, 1, 2])
def test_after_pauses_max_outages_the_next_has_no_time(pauses_max):
    """Deadline = now + 0 where pauses_max is used up, and the reason is budget_spent."""
    drama = Drama(pauses_max=pauses_max).play()
    for _ in range(pauses_max):
        pause_for(drama, 1.0)
    drama.pause()
    assert drama.left_of_outage() == 0.0
    drama.due()
    assert drama.notices == [Ended("budget_spent")]
