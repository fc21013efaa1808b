import attrs
import pytest

from reconnect.core.effects import SendReport
from reconnect.core.events import ControlOpened, ReportArrived, TimePassed, ViewArrived
from reconnect.core.session import Session
from reconnect.errors import PolicyError
from reconnect.testing.abstract.client import beginning
from reconnect.testing.abstract.forms import Forms
from reconnect.testing.exhaustive import tiny_policy

POLICY = tiny_policy()


def attached():
    """A session and a client that has just been offered a generation and taken it."""
    session = Session.born("game", ["a", "b"], POLICY, now=0.0, wall=0.0)
    peer = beginning("a")
    peer.handle(TimePassed(), now=0.0)
    effects = peer.handle(ControlOpened(), now=0.0)
    for _ in range(2):
        (report,) = [one.report for one in effects if isinstance(one, SendReport)]
        view = session.handle(ReportArrived(1, "a", report), now=0.0)[1].message
        effects = peer.handle(ViewArrived(view), now=0.0)
    return session, peer


def test_a_session_and_its_record_live_again():
    """Whatever a rule asks of them is what it was."""
    forms = Forms.of(POLICY)
    session, _ = attached()
    again = forms.session.live(forms.session.write(session))
    for member, other in zip(session.in_game, again.in_game, strict=True):
        assert attrs.evolve(other, received_at=member.received_at).view() == member.view()
        assert (member.seq, member.gen, member.promised) == (other.seq, other.gen, other.promised)
    assert again.deadline == session.deadline
    record = session.record(0.0)
    loaded = forms.record.live(forms.record.write(record))
    assert (loaded.state, loaded.epoch, loaded.seats) == (record.state, record.epoch, record.seats)
    assert loaded.policy is POLICY


def test_a_client_lives_again():
    """With its lease, its view and what it said last."""
    forms = Forms.of(POLICY)
    _, peer = attached()
    again = forms.peer.live(forms.peer.write(peer))
    assert again.deadline == peer.deadline
    assert again.control.lease_until == peer.control.lease_until == 4.0
    assert again.phase(0.0) is peer.phase(0.0)
    assert again.public is peer.public
    assert forms.peer.write(again) == forms.peer.write(peer)


def test_what_a_client_does_not_ask_of_its_last_view_is_missing():
    """So a new rule that asked it would be noticed."""
    forms = Forms.of(POLICY)
    _, peer = attached()
    kept = forms.peer.live(forms.peer.write(peer)).view
    assert (kept.state, kept.epoch) == (peer.view.state, peer.view.epoch)
    with pytest.raises(AttributeError):
        _ = kept.resume
    with pytest.raises(AttributeError):
        _ = kept.players[0].phase


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"heartbeat_interval": 0.5}, "heartbeat_interval is 0.5; it must be whole seconds"),
        ({"topology": "mesh", "link_grace_period": 1}, "link_grace_period must be 0"),
        ({"topology": "star", "on_deadline": "go_on"}, "on_deadline must be end"),
    ],
)
def test_what_cannot_be_searched_is_refused(given, said):
    """Time is whole seconds, and abstract links are not reported."""
    with pytest.raises(PolicyError) as refused:
        Forms.of(tiny_policy(**given))
    assert refused.value.broken[0].startswith(said)
