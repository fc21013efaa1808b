"""Whatever comes in, the answer is a message or a `RemoteProtocolError`."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconnect.core import decode
from reconnect.core.decode import claim_of, decode_from_client, decode_from_coordinator, session_of
from reconnect.core.messages import Bye, Claim, Data, Kind, Report, Signal
from reconnect.core.wire import encode
from reconnect.errors import RemoteProtocolError
from tests.core.wire_values import from_client, from_coordinator

CANARY = "cAnArY"
DECODERS = [decode_from_client, decode_from_coordinator, session_of, claim_of]
ENVELOPE = {"v": 1, "session": "s"}
REPORT = ENVELOPE | {
    "type": "report",
    "player": "alice",
    "token": "t",
    "gen": 1,
    "seq": 2,
    "epoch": 3,
    "phase": "ready",
    "version": 4,
    "frame": 5,
    "rtt_ms": 6,
    "cause": "late",
    "kind": "browser",
    "links": {"bob": {"up": True, "cause": "x", "attempt": 1, "kind": "relay"}},
    "facts": [{"n": 1, "kind": "hidden", "ago_ms": 2, "data": {"lag": 0.5}}],
}
VIEW = ENVELOPE | {
    "type": "view",
    "version": 4,
    "epoch": 3,
    "state": "resumed",
    "players": [
        {
            "id": "bob",
            "gen": 1,
            "kind": "view",
            "attached": True,
            "phase": "left",
            "links": {"alice": False},
        }
    ],
    "gen": 1,
    "ack": 2,
    "held_ms": 3,
    "resume": {"frame": 5, "start_in_ms": 6},
    "remaining_ms": 7,
    "cause": "late",
    "reason": "x",
}
SHORT_VIEW = ENVELOPE | {"type": "view", "version": 4, "gen": 1, "ack": 2, "held_ms": 3}
SIGNAL = ENVELOPE | {
    "type": "signal",
    "to": "bob",
    "from": "alice",
    "gen_from": 1,
    "gen_to": 2,
    "n": 3,
    "attempt_id": "1.1",
    "attempt": "rebuild",
    "kind": "answer",
    "payload": "v=0",
}
SIGNAL_ACK = ENVELOPE | {
    "type": "signal_ack",
    "to": "bob",
    "from": "alice",
    "gen_from": 1,
    "gen_to": 2,
    "n": 3,
}
DATA = ENVELOPE | {"type": "data", "to": "bob", "from": "alice", "payload": "AAAA"}
ERROR = ENVELOPE | {"type": "error", "code": "version", "detail": "no", "speaks": [1]}

OPTIONAL = {
    "report": {
        "frame",
        "rtt_ms",
        "cause",
        "kind",
        "links",
        "links.bob.cause",
        "links.bob.attempt",
        "links.bob.kind",
        "facts",
        "facts.0.data",
    },
    "view": {"resume", "remaining_ms", "cause", "reason"},
    "error": {"detail", "speaks"},
}
ELSEWHERE = {"session", "player", "token", "facts.0.data.lag"}  # have tests of their own
NOT_A_FIELD = {"bob", "alice", "0"}  # what a list or an object has, not what a message has


def places(form, above=()):
    """The path of every value in a message, those inside others too."""
    for key in form if isinstance(form, dict) else range(len(form)):
        yield (*above, key)
        if isinstance(form[key], (dict, list)):
            yield from places(form[key], (*above, key))


def changed(form, path, *value):
    """A copy of `form` with another value in one place, or with none there."""
    first, *rest = path
    copy = form.copy()
    if rest:
        copy[first] = changed(copy[first], rest, *value)
    elif value:
        copy[first] = value[0]
    else:
        del copy[first]
    return copy


def at(form, path):
    """The value in one place."""
    for key in path:
        form = form[key]
    return form


READ = [
    (decode_from_client, REPORT, ()),
    *((decode_from_client, form, {"from"}) for form in (SIGNAL, SIGNAL_ACK, DATA)),
    (decode_from_coordinator, VIEW, {"state"}),  # without it, it is a short view
    *(
        (decode_from_coordinator, form, ())
        for form in (SHORT_VIEW, SIGNAL, SIGNAL_ACK, DATA, ERROR)
    ),
]
PLACES = [
    pytest.param(read, form, path, id=f"{read.__name__}-{form['type']}-{name}")
    for read, form, left_out in READ
    for path in places(form)
    if (name := ".".join(map(str, path))) not in ELSEWHERE and name not in left_out
]
FIELDS = [one for one in PLACES if str(one.values[2][-1]) not in NOT_A_FIELD]
each_place = pytest.mark.parametrize(("read", "form", "path"), PLACES)
each_field = pytest.mark.parametrize(("read", "form", "path"), FIELDS)
WRONG = [True, 1.5, 2**70, -1, f"\ud800{CANARY}", b"x", (), [[]], {"": []}]

junk = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.binary(max_size=9)
    | st.text(st.characters(), max_size=9)
    | st.sampled_from([CANARY, CANARY * 99, f"{CANARY}\ud800", math.nan, 2**70, "1", object()])
    | st.sampled_from([1, "report", "view", "signal", "data", "error", "paused", "ready"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner)
        | st.dictionaries(
            st.sampled_from([*REPORT, *VIEW, *SIGNAL, *ERROR, CANARY, 1, None, b"v", (), 0.5]),
            inner,
            max_size=9,
        )
    ),
    max_leaves=30,
)


def attempt(read, raw):
    """What `read` makes of it; anything but a value and `RemoteProtocolError` fails the test."""
    try:
        return read(raw)
    except RemoteProtocolError as error:
        refusal = error
    assert CANARY not in repr(refusal)
    assert refusal.code in ("malformed", "too_large", "version")
    return refusal


@each_place
@pytest.mark.parametrize("value", WRONG, ids=range(len(WRONG)))
def test_a_value_of_the_wrong_kind_is_refused(read, form, path, value):
    """No message is half a message: one wrong value anywhere and nothing of it is taken."""
    assert not isinstance(attempt(read, form), RemoteProtocolError)
    if value is True and type(at(form, path)) is bool:
        value = 1
    assert isinstance(attempt(read, changed(form, path, value)), RemoteProtocolError)


@each_place
def test_a_control_character_is_refused(read, form, path):
    """Nothing can forge a line of a log; only a signal's payload consists of lines."""
    outcome = attempt(read, changed(form, path, f"{CANARY}\r\n\x1b"))
    allowed = form is SIGNAL and path == ("payload",)
    assert isinstance(outcome, Signal if allowed else RemoteProtocolError)


@each_field
def test_a_field_that_is_needed_is_not_made_up(read, form, path):
    """Left out and null are the same, and are allowed only where a message can do without."""
    first, second = attempt(read, changed(form, path)), attempt(read, changed(form, path, None))
    if ".".join(map(str, path)) in OPTIONAL.get(form["type"], ()):
        assert first == second
        assert not isinstance(first, RemoteProtocolError)
    else:
        assert isinstance(first, RemoteProtocolError)
        assert str(first) == str(second)


@pytest.mark.parametrize(
    ("read", "raw"),
    [
        (decode_from_client, REPORT | {"cause": "x" * 65}),
        (decode_from_client, REPORT | {"links": {f"p{n}": {"up": True} for n in range(65)}}),
        (decode_from_client, REPORT | {"links": {"p" * 129: {"up": True}}}),
        (decode_from_client, REPORT | {"facts": REPORT["facts"] * 17}),
        (decode_from_client, REPORT | {"facts": [{"n": 1, "kind": "k" * 65, "ago_ms": 0}]}),
        (decode_from_client, REPORT | {"type": "r" * 65}),
        (decode_from_client, SIGNAL | {"payload": "x" * (64 * 1024 + 1)}),
        (decode_from_client, SIGNAL | {"to": "x" * 129}),
        (decode_from_client, SIGNAL | {"attempt_id": "x" * 65}),
        (decode_from_client, DATA | {"payload": "A" * 1540}),
        (decode_from_client, DATA | {"payload": "AAAA" * 384}),
        (decode_from_coordinator, VIEW | {"players": VIEW["players"] * 65}),
        (decode_from_coordinator, VIEW | {"reason": "x" * 65}),
        (decode_from_coordinator, ERROR | {"code": "x" * 65}),
        (decode_from_coordinator, ERROR | {"detail": "x" * 201}),
        (decode_from_coordinator, ERROR | {"speaks": [1] * 17}),
        (session_of, ENVELOPE | {"session": "s" * 129}),
        (claim_of, REPORT | {"token": "t" * 129}),
        (claim_of, REPORT | {"player": "p" * 129}),
    ],
)
def test_what_is_too_long_has_a_code_of_its_own(read, raw):
    """Every string, list and object has a bound."""
    with pytest.raises(RemoteProtocolError) as caught:
        read(raw)
    assert caught.value.code == "too_large"


@pytest.mark.parametrize(
    "raw",
    [
        REPORT | {"cause": "x" * 64},
        REPORT | {"links": {f"p{n}": {"up": True} for n in range(64)}},
        REPORT | {"facts": REPORT["facts"] * 16},
        SIGNAL | {"payload": "x" * (64 * 1024), "to": "x" * 128},
        DATA | {"payload": "AAAA" * 383},
    ],
)
def test_the_bounds_themselves_are_allowed(raw):
    """A bound is the longest that is taken."""
    assert not isinstance(attempt(decode_from_client, raw), RemoteProtocolError)


@pytest.mark.parametrize("value", ["A", "AA", "AA=", "AAAA\n", "AA==AA==", "AA-_", "é", "=AAA"])
def test_data_is_strict_base64(value):
    """No line breaks, no missing padding, no other alphabet."""
    with pytest.raises(RemoteProtocolError, match="payload is not base64"):
        decode_from_client(DATA | {"payload": value})


@pytest.mark.parametrize("value", [0, 2, 999, -1, 2**70])
@pytest.mark.parametrize("read", DECODERS)
def test_another_version_is_told_from_nonsense(read, value):
    """Whoever speaks another version is told which one is spoken here."""
    for raw in (REPORT | {"v": value}, {"v": value}):
        with pytest.raises(RemoteProtocolError) as caught:
            read(raw)
        assert (caught.value.code, caught.value.detail) == ("version", "this end speaks 1")


@pytest.mark.parametrize("value", [True, 1.0, "1", None, [1]])
@pytest.mark.parametrize("read", DECODERS)
def test_a_version_is_a_whole_number(read, value):
    """`True == 1` is no reason to take it."""
    with pytest.raises(RemoteProtocolError, match="v is not a whole number") as caught:
        read(REPORT | {"v": value})
    assert caught.value.code == "malformed"


@pytest.mark.parametrize("read", DECODERS)
@given(raw=junk)
def test_no_object_whatever_does_harm(read, raw):
    """Nested junk, NaN, bytes, lone surrogates, keys that are no strings: a value or a refusal."""
    attempt(read, raw)


@pytest.mark.parametrize("read", DECODERS)
def test_depth_does_no_harm(read):
    """Neither an object in itself nor one of many levels is followed down."""
    loop = dict(REPORT)
    loop["links"] = loop["facts"] = loop["players"] = loop
    deep = "x"
    for _ in range(100_000):
        deep = [deep]
    for raw in (loop, [loop], REPORT | {"links": {"bob": loop}}, REPORT | {"facts": deep}, deep):
        attempt(read, raw)
    while isinstance(deep, list):
        deep = deep.pop()


@given(message=from_client | from_coordinator, value=junk, data=st.data())
def test_one_wrong_spot_does_no_harm(message, value, data):
    """A real message with junk somewhere inside is read, or refused as a whole."""
    form = encode(message, session="s")
    place = form
    while True:
        key = data.draw(
            st.sampled_from(sorted(place) if type(place) is dict else range(len(place)))
        )
        if not (isinstance(place[key], (dict, list)) and place[key] and data.draw(st.booleans())):
            break
        place = place[key]
    place[key] = value
    for read in DECODERS:
        attempt(read, form)


@given(st.text() | st.binary())
def test_no_json_text_does_harm(text):
    """What a parser makes of any text is a value or a refusal."""
    try:
        raw = json.loads(text)
    except (ValueError, RecursionError):
        raw = text
    for read in DECODERS:
        attempt(read, raw)


def test_unknown_fields_mean_nothing():
    """A later release may say more."""
    more = {"mood": {"deep": [CANARY]}, "1": None}
    links = {"bob": {"up": True, "mood": CANARY}}
    expected = decode_from_client(REPORT | {"links": {"bob": {"up": True}}})
    assert decode_from_client(REPORT | more | {"links": links}) == expected
    assert decode_from_coordinator(VIEW | more) == decode_from_coordinator(VIEW)


def test_nobody_says_who_he_is():
    """A sender given by a client is not even looked at; one given by the coordinator is."""
    for form, kind in ((SIGNAL, Signal), (DATA, Data)):
        for name in ("eve", "", 5, CANARY * 99):
            message = decode_from_client(form | {"from": name})
            assert isinstance(message, kind)
            assert message.sender is None
        assert decode_from_coordinator(form).sender == "alice"


def test_a_client_cannot_speak_for_the_coordinator_or_the_other_way():
    """Views and errors come from the coordinator only, reports from clients only."""
    for read, forms in (
        (decode_from_client, (VIEW, SHORT_VIEW, ERROR)),
        (decode_from_coordinator, (REPORT,)),
    ):
        for form in (*forms, ENVELOPE, ENVELOPE | {"type": "REPORT"}):
            with pytest.raises(RemoteProtocolError, match="type is n"):
                read(form)
        assert read(ENVELOPE | {"type": "bye"}) == Bye()


def test_a_session_is_named_by_every_message():
    """It is read without looking at the rest, and a message without one is refused."""
    assert session_of(ENVELOPE) == "s"
    for raw in ({"v": 1}, ENVELOPE | {"session": ""}, ENVELOPE | {"session": 5}, None):
        with pytest.raises(RemoteProtocolError):
            session_of(raw)


def test_a_claim_is_whole_or_there_is_none():
    """A player without a token, or a token without a player, claims nothing and is refused."""
    assert claim_of(REPORT) == Claim("alice", "t")
    assert claim_of(ENVELOPE) is None
    assert claim_of(REPORT | {"player": None, "token": None}) is None
    for half in ({"player": None}, {"token": None}, {"token": 5}, {"player": ""}):
        with pytest.raises(RemoteProtocolError):
            claim_of(REPORT | half)


@pytest.mark.parametrize(
    "value", [None, True, 0, -5, 0.5, 10**300, "", "x" * 200, 2**53 - 1, 1 - 2**53]
)
def test_a_fact_has_plain_values(value):
    """Null, true, false, numbers and lines; a number that JSON cannot hold exactly is refused."""
    fact = {"n": 1, "kind": "k", "ago_ms": 0, "data": {"x": value}}
    outcome = attempt(decode_from_client, REPORT | {"facts": [fact]})
    if value == 10**300:
        assert isinstance(outcome, RemoteProtocolError)
    else:
        assert outcome.facts[0].data == {"x": value}
        assert type(outcome.facts[0].data["x"]) is type(value)


@pytest.mark.parametrize(
    "data", [{"x": math.nan}, {"x": math.inf}, {"x": []}, {"x": "y" * 201}, {5: 1}, {"a\n": 1}, []]
)
def test_a_fact_has_no_other_values(data):
    """Neither structure nor what is no JSON."""
    fact = {"n": 1, "kind": "k", "ago_ms": 0, "data": data}
    outcome = attempt(decode_from_client, REPORT | {"facts": [fact]})
    assert isinstance(outcome, RemoteProtocolError)


def test_a_heartbeat_needs_only_what_has_no_default():
    """What a report leaves out has its default value."""
    short = {name: REPORT[name] for name in ("type", "gen", "seq", "epoch", "phase", "version")}
    report = decode_from_client(ENVELOPE | short)
    assert report == Report(1, 2, 3, report.phase, 4)
    assert (report.frame, report.rtt, report.links, report.facts) == (0, None, None, ())
    assert report.kind is Kind.PYTHON


def test_the_words_of_every_enum_are_known():
    """A new member of an enum can be read at once."""
    for choices in (
        decode.PHASES,
        decode.KINDS,
        decode.STATES,
        decode.ATTEMPT_KINDS,
        decode.SIGNAL_KINDS,
    ):
        kinds = {type(one) for one in choices.values()}
        assert len(kinds) == 1
        assert set(choices.values()) == set(kinds.pop())
