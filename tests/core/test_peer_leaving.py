"""The goodbye of a client whose player leaves: said until it is heard, on any connection."""

from math import inf

import pytest

from reconnect.core.effects import Dial, HangUp, Inform, SendReport
from reconnect.core.events import ApplicationLeft, ControlOpened, ErrorArrived, ViewArrived
from reconnect.core.messages import Phase, ShortView
from reconnect.core.notices import Ended
from reconnect.core.peer import LEAVING_TIMEOUT
from tests.core.peer_drama import ENDED, PeerDrama


def test_leaving_is_said_again_until_it_is_acknowledged():
    """ended, reason `left`; report left, repeated until a view acknowledges it; then bye."""
    drama = PeerDrama().play()
    drama.hear(ApplicationLeft())
    assert (drama.play_now, drama.peer.reason) == (ENDED, "left")
    assert drama.report.phase is Phase.LEFT
    assert drama.notices == [Ended("left")]
    assert drama.of_kind(HangUp) == []
    drama.hear(ViewArrived(ShortView(drama.version, 1, drama.peer.control.seq - 1, 0.0)))
    assert drama.effects == []
    drama.wait(0.6, answered=False)
    assert [report.phase for report in drama.reports] == [Phase.LEFT] * 2
    drama.answers()
    assert drama.effects == [HangUp()]
    assert not drama.peer.leaving


def test_leaving_is_said_for_two_seconds_at_most():
    """What is not acknowledged by then, silence has to say."""
    drama = PeerDrama().play()
    drama.hear(ApplicationLeft())
    drama.wait(1.99, answered=False)
    assert drama.peer.leaving
    drama.wait(0.02, answered=False)
    assert drama.of_kind(HangUp) == [HangUp()]
    assert (drama.peer.leaving, drama.peer.deadline) == (False, inf)


def test_a_goodbye_without_a_connection_is_said_on_a_new_one():
    """The dial goes out at once, whatever delay was drawn; its first report says `left`."""
    drama = PeerDrama().play()
    for _ in range(5):
        drama.loses_control()
        drama.reattach()
    drama.loses_control()
    drama.hear(ApplicationLeft())
    assert drama.effects == [Dial(), Inform(Ended("left"))]
    report = drama.opens()
    assert (report.gen, report.phase) == (1, Phase.LEFT)
    drama.answers()
    assert drama.effects == [HangUp()]
    assert (drama.peer.leaving, drama.peer.reason) == (False, "left")


def test_a_goodbye_is_said_again_on_the_next_connection():
    """What breaks while it is said is dialled again, and that as often as there is time for."""
    drama = PeerDrama().play()
    drama.hear(ApplicationLeft())
    for _ in range(3):
        drama.loses_control()
        assert drama.peer.leaving
        while not drama.of_kind(Dial):
            drama.now = drama.peer.deadline
            drama.due()
        assert drama.opens().phase is Phase.LEFT
    drama.answers()
    assert drama.effects == [HangUp()]


def test_a_goodbye_that_nobody_hears_is_given_up_after_two_seconds():
    """However many dials fail; then nothing is due any more."""
    drama = PeerDrama().play()
    drama.loses_control()
    drama.hear(ApplicationLeft())
    left_at = drama.now
    dials = 1
    while drama.peer.leaving:
        drama.loses_control()
        drama.now = drama.peer.deadline
        drama.due()
        dials += len(drama.of_kind(Dial))
    assert drama.now == left_at + LEAVING_TIMEOUT
    assert drama.effects == [HangUp()]
    assert dials > 3
    assert drama.peer.deadline == inf
    drama.hear(ControlOpened())
    assert drama.effects == []


def test_a_goodbye_hangs_up_on_a_silent_coordinator():
    """A connection that is there and dead is no excuse."""
    drama = PeerDrama(outage_timeout=3.0, lease=1.0).play()
    drama.hear(ApplicationLeft())
    drama.wait(drama.policy.silence_timeout + 0.2, answered=False)
    assert drama.of_kind(HangUp) == [HangUp()]
    assert drama.of_kind(Dial) == [Dial()]
    assert drama.peer.leaving


def test_who_was_never_seated_takes_the_seat_to_leave():
    """The others need not wait for somebody who will not come."""
    drama = PeerDrama()
    drama.due()
    drama.hear(ApplicationLeft())
    report = drama.opens()
    assert (report.gen, report.phase) == (0, Phase.LEFT)
    drama.gen = 1
    drama.views("paused", 0, version=0, ack=0)
    assert (drama.report.gen, drama.report.phase) == (1, Phase.LEFT)
    assert not drama.of_kind(SendReport)[0].attach
    drama.answers()
    assert not drama.peer.leaving


def test_who_leaves_before_the_first_view_says_so_after_it():
    """Until then only the first report of a connection is sent."""
    drama = PeerDrama().play()
    drama.reattach_after_loss()
    drama.hear(ApplicationLeft())
    assert drama.reports == []
    drama.views("connected", 1)
    assert drama.report.phase is Phase.LEFT


@pytest.mark.parametrize("players", [None, ()])
def test_a_goodbye_is_over_when_the_game_is(players):
    """Ended, or no member any more: then there is nobody to say it to, whatever is acknowledged."""
    drama = PeerDrama().play()
    drama.hear(ApplicationLeft())
    state = "connected" if players == () else "ended"
    drama.views(state, 1, ack=0, players=players)
    assert drama.effects == [HangUp()]
    assert (drama.peer.leaving, drama.peer.reason) == (False, "left")


def test_a_goodbye_that_is_refused_for_good_is_not_repeated():
    """A final error ends it; after any other one it is said on another connection."""
    drama = PeerDrama().play()
    drama.hear(ApplicationLeft())
    drama.hear(ErrorArrived("rate_limited"))
    assert drama.effects == [HangUp()]
    assert drama.peer.leaving
    drama.reattach()
    drama.hear(ErrorArrived("bad_token"))
    assert drama.effects == [HangUp()]
    assert (drama.peer.leaving, drama.peer.reason) == (False, "left")


def test_a_goodbye_does_not_outlive_all_hope():
    """No acknowledgement for `give_up_timeout` ends it, too, and nothing is due in the past."""
    drama = PeerDrama().play()
    drama.loses_control()
    drama.now = drama.peer.control.give_up_at - 0.5
    drama.hear(ApplicationLeft())
    while drama.peer.leaving:
        drama.loses_control()
        drama.now = drama.peer.deadline
        drama.due()
    assert drama.now == drama.peer.control.give_up_at
