"""A record goes into a store as JSON and comes out equal, or says what is wrong with it."""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconnect.core.messages import Reason
from reconnect.core.record import Record, Seat, record_from_json, record_to_json
from reconnect.core.table import State
from reconnect.errors import RemoteProtocolError, StoreError
from reconnect.policy import Policy
from tests.core.wire_values import json_values, records

RECORD = Record(
    session="s",
    version=3,
    state=State.PAUSED,
    epoch=2,
    policy=Policy(),
    seats=(Seat("alice", 1, 2, True, "ab" * 32), Seat("bob")),
    players=("alice",),
    reason=None,
    cause="link_lost",
    deadline=1e9,
    outage_started_at=1e9 - 30,
    outages=1,
    paused_total=2.5,
    resume_frame=7,
    data={"map": "dust"},
)
FORM = record_to_json(RECORD)
NULLABLE = {"reason", "cause", "deadline", "outage_started_at", "resume_at", "ended_at"}


@given(records())
def test_nothing_of_a_record_is_lost(record):
    """Through JSON text and back it is equal: instants to the last bit, the policy, the data."""
    text = json.dumps(record_to_json(record), allow_nan=False)
    assert record_from_json(json.loads(text)) == record


def test_a_record_has_the_documented_form():
    """What an operator reads in the store."""
    assert {name: value for name, value in FORM.items() if name != "policy"} == {
        "format": 1,
        "session": "s",
        "version": 3,
        "state": "paused",
        "epoch": 2,
        "seats": [
            {
                "player": "alice",
                "gen": 1,
                "gen_next": 2,
                "fenced": True,
                "token_digest": "ab" * 32,
            },
            {"player": "bob", "gen": 0, "gen_next": 0, "fenced": False, "token_digest": None},
        ],
        "players": ["alice"],
        "reason": None,
        "cause": "link_lost",
        "deadline": 1e9,
        "outage_started_at": 1e9 - 30,
        "outages": 1,
        "paused_total": 2.5,
        "resume_frame": 7,
        "resume_at": None,
        "ended_at": None,
        "data": {"map": "dust"},
    }


def test_a_reason_is_written_as_a_plain_string():
    """No enum is left in the form."""
    ended = Record(
        session="s",
        version=1,
        state=State.ENDED,
        epoch=1,
        policy=Policy(),
        seats=(),
        players=(),
        reason=Reason.TIMEOUT,
    )
    form = record_to_json(ended)
    assert type(form["reason"]) is type(form["state"]) is str
    assert record_from_json(form) == ended


@pytest.mark.parametrize("name", sorted(FORM))
@pytest.mark.parametrize("value", [None, True, -1, "x\x00", [0], {"": 0}, float("nan")])
def test_a_damaged_record_is_refused(name, value):
    """No value is made up for what is not there or not what it has to be."""
    if (value is None and name in NULLABLE) or (name == "data" and isinstance(value, dict)):
        assert getattr(record_from_json(FORM | {name: value}), name) == value
    elif name in NULLABLE | {"paused_total"} and value == -1 and name not in ("reason", "cause"):
        assert getattr(record_from_json(FORM | {name: value}), name) == -1.0
    else:
        with pytest.raises(StoreError, match="a record "):
            record_from_json(FORM | {name: value})


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"format": 2}, "a record has format 2; this release reads 1"),
        ({"epoch": "2"}, "a record cannot be read: epoch is not a whole number from 0 to"),
        ({"players": ["eve"]}, "a record cannot be read: players has one without a seat"),
        ({"players": ["alice", "alice", "alice"]}, "players is longer than 2"),
        ({"seats": [{"player": "alice"}]}, "gen is not a whole number"),
        ({"policy": None}, "policy is not an object"),
    ],
)
def test_the_sentence_says_what_is_wrong(wrong, sentence):
    """An operator finds the spot; another release's record is told from a damaged one."""
    with pytest.raises(StoreError, match=sentence) as caught:
        record_from_json(FORM | wrong)
    assert not isinstance(caught.value, RemoteProtocolError)


@pytest.mark.parametrize("raw", [None, [], "record", 5, b"{}"])
def test_only_an_object_is_a_record(raw):
    """Anything else is no record."""
    with pytest.raises(StoreError, match="record is not an object"):
        record_from_json(raw)


@given(json_values | st.dictionaries(st.sampled_from(sorted(FORM)), json_values))
def test_no_json_does_harm(raw):
    """Whatever a store holds in our place is refused as a `StoreError`."""
    for form in (raw, FORM | raw if isinstance(raw, dict) else raw):
        with contextlib.suppress(StoreError):
            assert isinstance(record_from_json(form), Record)


def test_unknown_values_mean_nothing():
    """A later release of the same format may write more."""
    assert record_from_json(FORM | {"mood": "good"}) == RECORD


def test_a_digest_is_in_no_repr():
    """A record can be logged: not even the digest of a token is shown."""
    assert "abab" not in repr(RECORD)


def test_the_form_is_a_copy():
    """What is changed in it afterwards does not change the record."""
    form = record_to_json(RECORD)
    form["data"]["map"] = "other"
    form["players"].append("bob")
    assert RECORD.data == {"map": "dust"}
    assert RECORD.players == ("alice",)
