"""Everything a peer is told has a form that can be read again, and everything it orders has one."""

import json
from math import inf
from typing import get_args

import pytest

from reconnect.core import effects as fx
from reconnect.core import events as ev
from reconnect.core import notices as nt
from reconnect.core.messages import (
    AttemptKind,
    Claim,
    Phase,
    Report,
    ShortView,
    Signal,
    SignalAck,
    SignalKind,
)
from reconnect.core.resync import Ask, Consult
from reconnect.errors import RemoteProtocolError
from reconnect.policy import IceServer
from reconnect.testing.conformance.peer_json import (
    effect_to_json,
    event_from_json,
    event_to_json,
    milliseconds,
)

SIGNAL = Signal("ann", 1, 2, 3, "1.1", AttemptKind.RESTART, SignalKind.OFFER, "v=0\r\n", "ben")
ACK = SignalAck("ann", 1, 2, 3, "ben")
EVENTS = [
    ev.ControlOpened(),
    ev.ControlClosed("reset"),
    ev.ViewArrived(ShortView(4, 1, 2, 0.003)),
    ev.ErrorArrived("version", "no"),
    ev.SignalArrived(SIGNAL),
    ev.SignalAcked(ACK),
    ev.DataArrived("ben", b"\x00\xff"),
    ev.SignalMade("ben", "1.1", SignalKind.CANDIDATE, "{}"),
    ev.FrameArrived("ben", b"rc\x01"),
    ev.ChannelChanged("ben", open=True),
    ev.IceChanged("ben", "failed"),
    ev.AttemptSucceeded("ben", "1.1"),
    ev.AttemptFailed("ben", "1.1", "unsupported"),
    ev.DataOffered(b"move", "ben", latest=True),
    ev.DataOffered(b"move"),
    ev.FrameReached(77),
    ev.Consulted(Ask.SINCE, "ben", round=2, answer=b"inputs"),
    ev.ConsultFailed(Ask.MERGE, "ben", round=2),
    ev.NetworkChanged(),
    ev.BusyDeclared(0.25),
    ev.HiddenChanged(hidden=True),
    ev.ApplicationClosing(),
    ev.ApplicationLeft(),
    ev.TimePassed(),
]
NOTICES = [
    nt.Paused("late", frozenset({"cas", "ben"}), 2),
    nt.Reconnecting(frozenset({"ben"})),
    nt.Resumed(5, 0.25),
    nt.Connected(1.5),
    nt.Ended("timeout"),
    nt.LinkSuspect("ben"),
    nt.Gap("ben"),
]
EFFECTS = [
    fx.Dial(),
    fx.HangUp(),
    fx.SendReport(Report(1, 2, 3, Phase.READY, 4), attach=True),
    fx.SendSignal(SIGNAL),
    fx.SendSignal(ACK),
    fx.SendData("ben", b"\x00"),
    fx.OpenLink("ben", 2),
    fx.CloseLink("ben"),
    fx.StartAttempt("ben", "1.1", AttemptKind.REBUILD, True, (IceServer("stun:x"),)),
    fx.AbandonAttempt("ben", "1.1"),
    fx.PassSignal("ben", "1.1", SignalKind.ANSWER, "v=0"),
    fx.SendFrame("ben", b"rc"),
    Consult(Ask.MARK, "ben", round=2, data=b"x"),
    *map(fx.Inform, NOTICES),
]


def said(effect):
    return effect_to_json(effect, session="game", claim=Claim("ann", "secret"))


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_an_event_is_read_back_as_it_was(event):
    """Through text, as another program writes and reads it."""
    form = json.loads(json.dumps(event_to_json(event, session="game", player="ann")))
    assert event_from_json(form) == event


def test_no_event_or_effect_or_notice_is_without_a_form():
    """A new one has to be thought of here."""
    assert {type(event) for event in EVENTS} == set(get_args(ev.PeerEvent))
    assert {type(effect) for effect in EFFECTS} == set(get_args(fx.PeerEffect))
    assert {type(notice) for notice in NOTICES} == set(get_args(nt.ClientNotice))


@pytest.mark.parametrize("effect", EFFECTS, ids=lambda effect: type(effect).__name__)
def test_an_effect_is_plain_json(effect):
    """Words are strings, sets are sorted, instants are milliseconds."""
    form = said(effect)
    assert json.loads(json.dumps(form)) == form
    assert form["do"]


def test_a_claim_goes_with_an_attach_and_nothing_else():
    """Where the token is written down is decided by the effect alone."""
    report = Report(1, 2, 3, Phase.READY, 4)
    assert said(fx.SendReport(report, attach=True))["message"]["token"] == "secret"
    assert "token" not in said(fx.SendReport(report))["message"]


def test_a_bye_of_the_coordinator_ends_the_connection():
    """As it does for a client's shell."""
    message = {"v": 1, "session": "game", "type": "bye"}
    form = {"is": "message", "message": message}
    assert event_from_json(form) == ev.ControlClosed("bye")


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"is": "nonsense"},
        {"is": "message"},
        {"is": "packet", "peer": "ben", "packet": "A"},
        {"is": "packet", "peer": "ben"},
        {"is": "channel", "peer": "ben", "open": 1},
        {"is": "consulted", "ask": "name", "peer": "ben", "gen": 1, "epoch": 1, "answer": ""},
    ],
)
def test_what_is_no_event_is_refused(form):
    """A vector with a slip in it is not taken for something else."""
    with pytest.raises((RemoteProtocolError, ValueError)):
        event_from_json(form)


def test_an_event_of_a_session_has_no_form_here():
    """These are the forms of what a client is told."""
    with pytest.raises(AssertionError, match="without a form"):
        event_to_json(ev.ConnectionClosed(1), session="game", player="ann")


def test_never_is_null():
    """An instant that does not come has no number in JSON."""
    assert (milliseconds(inf), milliseconds(-inf), milliseconds(0.0125)) == (None, None, 12)
