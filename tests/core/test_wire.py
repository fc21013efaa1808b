"""What is written is plain JSON, in the form that is documented, and reads back the same."""

import json

import pytest
from hypothesis import given

from reconnect.core.decode import claim_of, decode_from_client, decode_from_coordinator, session_of
from reconnect.core.messages import (
    AttemptKind,
    Bye,
    Cause,
    Claim,
    Data,
    Error,
    ErrorCode,
    Fact,
    Kind,
    LinkReport,
    Phase,
    PlayerView,
    Report,
    Resume,
    ShortView,
    Signal,
    SignalAck,
    SignalKind,
    View,
)
from reconnect.core.policy_wire import policy_to_wire
from reconnect.core.table import State
from reconnect.core.wire import encode
from reconnect.policy import Policy
from tests.core.wire_values import claims, from_client, from_coordinator, ids, reports

ENVELOPE = {"v": 1, "session": "s"}
EXAMPLES = [
    (
        Report(1, 12, 3, Phase.PLAYING, 7, frame=1234, rtt=1.0011),
        {
            "type": "report",
            "gen": 1,
            "seq": 12,
            "epoch": 3,
            "phase": "playing",
            "version": 7,
            "frame": 1234,
            "rtt_ms": 1001,
        },
    ),
    (
        Report(
            1,
            13,
            4,
            Phase.HALTED,
            7,
            cause=Cause.LINK_LOST,
            links={
                "bob": LinkReport(False, Cause.LINK_LOST, 1, AttemptKind.REBUILD),
                "eve": LinkReport(True),
            },
            facts=(
                Fact(5, "link_lost", 1.003, {"ice": "failed", "lag": 1}),
                Fact(6, "hidden", 0),
            ),
            kind=Kind.BROWSER,
        ),
        {
            "type": "report",
            "gen": 1,
            "seq": 13,
            "epoch": 4,
            "phase": "halted",
            "version": 7,
            "frame": 0,
            "cause": "link_lost",
            "links": {
                "bob": {"up": False, "cause": "link_lost", "attempt": 1, "kind": "rebuild"},
                "eve": {"up": True},
            },
            "facts": [
                {
                    "n": 5,
                    "kind": "link_lost",
                    "ago_ms": 1003,
                    "data": {"ice": "failed", "lag": 1},
                },
                {"n": 6, "kind": "hidden", "ago_ms": 0},
            ],
            "kind": "browser",
        },
    ),
    (
        ShortView(7, 1, 13, 1.001),
        {"type": "view", "version": 7, "gen": 1, "ack": 13, "held_ms": 1001},
    ),
    (
        View(
            8,
            4,
            State.RESUMED,
            (PlayerView("alice", 1, Kind.PYTHON, True, Phase.READY, {"bob": True}),),
            1,
            13,
            1.005,
            resume=Resume(1234, 2.002),
            remaining=2.006,
            cause="link_lost",
            policy=Policy(),
            outages=2,
            paused=12.3456,
        ),
        {
            "type": "view",
            "version": 8,
            "epoch": 4,
            "state": "resumed",
            "players": [
                {
                    "id": "alice",
                    "gen": 1,
                    "kind": "python",
                    "attached": True,
                    "phase": "ready",
                    "links": {"bob": True},
                }
            ],
            "gen": 1,
            "ack": 13,
            "held_ms": 1005,
            "resume": {"frame": 1234, "start_in_ms": 2002},
            "remaining_ms": 2006,
            "cause": "link_lost",
            "policy": policy_to_wire(Policy()),
            "outages": 2,
            "paused_ms": 12346,
        },
    ),
    (
        View(9, 4, State.ENDED, (), 1, 13, 0, reason="timeout"),
        {
            "type": "view",
            "version": 9,
            "epoch": 4,
            "state": "ended",
            "players": [],
            "gen": 1,
            "ack": 13,
            "held_ms": 0,
            "reason": "timeout",
        },
    ),
    (
        Signal(
            "bob", 1, 2, 3, "1.4", AttemptKind.RESTART, SignalKind.OFFER, "v=0\r\n", sender="alice"
        ),
        {
            "type": "signal",
            "to": "bob",
            "from": "alice",
            "gen_from": 1,
            "gen_to": 2,
            "n": 3,
            "attempt_id": "1.4",
            "attempt": "restart",
            "kind": "offer",
            "payload": "v=0\r\n",
        },
    ),
    (
        SignalAck("alice", 1, 2, 3, sender="bob"),
        {"type": "signal_ack", "to": "alice", "from": "bob", "gen_from": 1, "gen_to": 2, "n": 3},
    ),
    (
        Data("bob", b"\x00\xff", sender="alice"),
        {"type": "data", "to": "bob", "from": "alice", "payload": "AP8="},
    ),
    (Bye(), {"type": "bye"}),
    (
        Error(ErrorCode.VERSION, "this end speaks 1", speaks=(1,)),
        {"type": "error", "code": "version", "detail": "this end speaks 1", "speaks": [1]},
    ),
]


@pytest.mark.parametrize(("message", "form"), EXAMPLES)
def test_a_message_has_the_documented_form(message, form):
    """Field for field, for whoever writes a client without this library; and it reads back."""
    decode = decode_from_client if isinstance(message, Report) else decode_from_coordinator
    assert encode(message, session="s") == ENVELOPE | form
    rounded = decode(ENVELOPE | form)
    assert encode(rounded, session="s") == ENVELOPE | form


def test_what_a_client_sends_names_no_sender():
    """The coordinator knows who it is, and adds it."""
    assert encode(Data("bob", b""), session="s") == ENVELOPE | {
        "type": "data",
        "to": "bob",
        "payload": "",
    }
    assert "from" not in encode(SignalAck("bob", 1, 1, 1), session="s")


@given(from_client, ids)
def test_what_a_client_sent_is_what_the_coordinator_reads(message, session):
    """Through JSON text and back, every message is equal and names its session."""
    text = json.dumps(encode(message, session=session), allow_nan=False)
    text.encode()
    assert decode_from_client(json.loads(text)) == message
    assert session_of(json.loads(text)) == session


@given(from_coordinator, ids)
def test_what_the_coordinator_sent_is_what_a_client_reads(message, session):
    """Through JSON text and back, every message is equal and names its session."""
    text = json.dumps(encode(message, session=session), allow_nan=False)
    text.encode()
    assert decode_from_coordinator(json.loads(text)) == message
    assert session_of(json.loads(text)) == session


@given(reports, ids, claims)
def test_a_claim_travels_with_a_report(report, session, claim):
    """The first report of a connection says which seat it claims; the others say nothing."""
    form = json.loads(json.dumps(encode(report, session=session, claim=claim)))
    assert claim_of(form) == claim
    assert decode_from_client(form) == report


@given(from_client | from_coordinator)
def test_what_is_written_is_of_plain_types(message):
    """No enum, tuple or class of ours is left in it, so that it needs no JSON text in between."""
    waiting = [encode(message, session="s")]
    while waiting:
        value = waiting.pop()
        assert type(value) in (dict, list, str, int, float, bool, type(None))
        if type(value) is dict:
            waiting += [*value.keys(), *value.values()]
        elif type(value) is list:
            waiting += value


def test_words_of_enums_are_written_as_plain_strings():
    """Causes, reasons, codes and the values of facts may be members of an enum."""
    fact = Fact(1, Cause.LATE, 0, {"why": Cause.LATE})
    form = encode(Report(0, 1, 1, Phase.HALTED, 0, cause=Cause.LATE, facts=(fact,)), session="s")
    for word in (form["cause"], form["facts"][0]["kind"], form["facts"][0]["data"]["why"]):
        assert type(word) is str


def test_the_encoded_form_is_a_copy():
    """What is changed in it afterwards does not change the message."""
    player = PlayerView("alice", 1, Kind.PYTHON, True, Phase.READY, {"bob": True})
    form = encode(View(1, 1, State.PAUSED, (player,), 1, 1, 0), session="s")
    form["players"][0]["links"]["bob"] = False
    assert player.links == {"bob": True}


def test_a_claim_is_in_the_form_and_nowhere_else():
    """The token is what the coordinator has to read; it is written out for nobody else."""
    claim = Claim("alice", "s3cret")
    form = encode(Report(0, 1, 0, Phase.HALTED, 0), session="s", claim=claim)
    assert (form["player"], form["token"]) == ("alice", "s3cret")
    assert "s3cret" not in repr(decode_from_client(form))
