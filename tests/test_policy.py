"""Derived values hold together, and contradictions are named."""

import math

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconnect.core.policy_wire import policy_from_wire, policy_to_wire
from reconnect.errors import PolicyError
from reconnect.policy import (
    COUNTS,
    DURATIONS,
    ICE_SERVERS_MAX,
    ICE_TEXT_MAX,
    ICE_URLS_MAX,
    LONGEST,
    MAY_BE_ZERO,
    IceServer,
    OnShortage,
    Policy,
    Topology,
)

BROKEN = [
    ({"outage_timeout": 0.5}, "outage_timeout is 0.5 s, 0.5 s less than 1 s (1 s)"),
    (
        {"lease_bound": 10},
        "lease_bound is 10 s, 0.45 s less than lease x 1.02 + step_max (10.45 s)",
    ),
    (
        {"outage_timeout": 5, "lease": 5},
        "outage_timeout is 5 s, 0.35 s less than lease_bound (5.35 s)",
    ),
    (
        {"heartbeat_interval": 2},
        "silence_timeout is 4 s, 0.8 s less than 2.4 x heartbeat_interval (4.8 s)",
    ),
    (
        {"control_grace_period": 7},
        "lease is 10 s, 1 s less than silence_timeout + control_grace_period (11 s)",
    ),
    ({"link_suspect": 0.2}, "link_suspect is 0.2 s, 0.05 s less than link_heartbeat (0.25 s)"),
    ({"link_lost": 0.4}, "link_lost is 0.4 s, 0.1 s less than link_suspect (0.5 s)"),
    (
        {"attempt_delay_max": 0.1},
        "attempt_delay_max is 0.1 s, 0.1 s less than attempt_delay_min (0.2 s)",
    ),
    (
        {"resume_timeout": 3, "countdown": 3, "heartbeat_interval": 1},
        "resume_timeout is 3 s, 2 s less than countdown + heartbeat_interval + 1 s (5 s)",
    ),
    (
        {"give_up_timeout": 30},
        "give_up_timeout is 30 s, 19.45 s less than "
        "outage_timeout + lease_bound + silence_timeout + control_grace_period (49.45 s)",
    ),
    (
        {"message_max": 2000, "stream_bytes_max": 1500},
        "message_max is 2000, 500 more than stream_bytes_max (1500): "
        "no such message could ever be accepted",
    ),
    (
        {"topology": "mesh", "hub": "alice"},
        "hub is 'alice', but only a star has a hub and the topology is mesh",
    ),
]


@given(
    topology=st.sampled_from(Topology),
    outage_timeout=st.floats(1, 3600),
    countdown=st.floats(0, 60),
    step_max=st.floats(0.001, 0.3),
)
def test_whatever_the_author_gives_the_rest_follows(topology, outage_timeout, countdown, step_max):
    """From a topology and an outage timeout every other value is derived without contradiction."""
    policy = Policy(
        topology=topology, outage_timeout=outage_timeout, countdown=countdown, step_max=step_max
    )
    assert 0 < policy.heartbeat_interval < policy.silence_timeout < policy.lease
    assert policy.lease < policy.lease_bound < policy.outage_timeout < policy.give_up_timeout
    assert policy.resume_timeout > policy.countdown


@pytest.mark.parametrize(
    ("topology", "lease", "silence", "grace", "heartbeat"),
    [
        (Topology.MESH, 10, 4, 5, 1.667),
        (Topology.STAR, 10, 4, 5, 1.667),
        (Topology.RELAYED, 5, 2, 0.3, 0.833),
        (Topology.SERVER, 5, 2, 0.3, 0.833),
    ],
)
def test_the_defaults_are_those_of_the_specification(topology, lease, silence, grace, heartbeat):
    """The numbers that a reader of the table expects for an outage timeout of 30 s."""
    policy = Policy(topology=topology)
    assert policy.outage_timeout == 30
    assert policy.lease == lease
    assert policy.lease_bound == round(lease * 1.02 + 0.25, 3)
    assert policy.silence_timeout == silence
    assert policy.control_grace_period == grace
    assert policy.heartbeat_interval == heartbeat
    assert topology.peer_to_peer == (lease == 10)


@pytest.mark.parametrize(("given_", "sentence"), BROKEN, ids=[next(iter(one)) for one, _ in BROKEN])
def test_a_contradiction_is_named_with_its_size(given_, sentence):
    """Each constraint, broken alone, gives exactly the one sentence about it."""
    with pytest.raises(PolicyError) as caught:
        Policy(**given_)
    assert caught.value.broken == (sentence,)
    assert str(caught.value) == sentence


def test_every_contradiction_is_named_at_once():
    """Nobody mends a policy one message at a time."""
    with pytest.raises(PolicyError) as caught:
        Policy(link_lost=0.4, attempt_delay_max=0.1, hub="alice")
    named = [sentence.split()[0] for sentence in caught.value.broken]
    assert named == ["link_lost", "attempt_delay_max", "hub"]


@pytest.mark.parametrize("name", DURATIONS)
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, -1, LONGEST * 2])
def test_a_duration_is_finite_and_not_negative(name, value):
    """NaN, infinity, negative and absurd durations are refused by name."""
    with pytest.raises(PolicyError, match=rf"\b{name} is "):
        Policy(**{name: value})


@pytest.mark.parametrize("value", [None, "soon", [], pytest.param(10**400, id="huge")])
def test_a_duration_is_a_number(value):
    """What is none is refused by name, too."""
    with pytest.raises(PolicyError, match=r"\boutage_timeout is nan"):
        Policy(outage_timeout=value)


@pytest.mark.parametrize("name", DURATIONS)
def test_zero_is_a_duration_only_where_it_makes_sense(name):
    """A countdown may be none at all; a heartbeat every 0 s would be a busy loop."""
    if name in MAY_BE_ZERO:
        assert getattr(Policy(**{name: 0}), name) == 0
    else:
        with pytest.raises(PolicyError, match=rf"\b{name} is 0"):
            Policy(**{name: 0})


@pytest.mark.parametrize("name", COUNTS)
@pytest.mark.parametrize("value", [None, True, 1.0, "5", 1 << 31, "less"])
def test_a_count_is_a_whole_number(name, value):
    """Anything else, and what is less than its least value, is refused by name."""
    with pytest.raises(PolicyError, match=rf"\b{name} is .*whole number of at least"):
        Policy(**{name: COUNTS[name] - 1 if value == "less" else value})


@pytest.mark.parametrize("name", COUNTS)
def test_a_count_may_be_its_least_value(name):
    """The bound itself is allowed."""
    fitting = {"message_max": 1} if name == "stream_bytes_max" else {}
    assert getattr(Policy(**{name: COUNTS[name]} | fitting), name) == COUNTS[name]


def test_every_field_has_a_range_or_a_closed_set_of_values():
    """A new field cannot be forgotten in the checks."""
    named = {"topology", "hub", "on_deadline", "on_leave", "ice_servers"}
    assert {one.name for one in attrs.fields(Policy)} == named | set(DURATIONS) | set(COUNTS)


def test_words_become_members_of_their_enums():
    """Plain strings are welcome."""
    policy = Policy(topology="star", hub="alice", on_deadline="go_on", on_leave="go_on")
    assert policy.topology is Topology.STAR
    assert policy.on_deadline is policy.on_leave is OnShortage.GO_ON


@pytest.mark.parametrize("name", ["topology", "on_deadline", "on_leave"])
def test_an_unknown_word_is_answered_with_the_known_ones(name):
    """The sentence lists what is possible."""
    with pytest.raises(PolicyError, match=r"'ring' is not one of '(mesh|end)', '"):
        Policy(**{name: "ring"})


def test_a_start_may_take_for_ever():
    """`start_timeout` alone may be none."""
    assert Policy(start_timeout=None).start_timeout is None
    assert Policy(start_timeout=5).start_timeout == 5


def test_durations_are_whole_milliseconds():
    """What is finer cannot travel over the wire."""
    assert Policy(outage_timeout=20.00049).outage_timeout == 20.0


def test_a_policy_cannot_be_changed():
    """It is pinned for as long as the session lives, and a key like any value."""
    policy = Policy()
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        policy.lease = 1.0
    assert {policy: 1}[Policy()] == 1


def test_a_policy_error_is_a_value_error():
    """Who validates configuration in the usual way needs no import of ours."""
    with pytest.raises(ValueError, match="outage_timeout"):
        Policy(outage_timeout=0.1)


def test_one_ice_url_may_be_a_string():
    """A single URL is not taken apart into its characters."""
    assert IceServer("stun:a.example").urls == ("stun:a.example",)
    assert IceServer(["stun:a", "stun:b"]).urls == ("stun:a", "stun:b")
    assert Policy(ice_servers=[IceServer("stun:a")]).ice_servers == (IceServer("stun:a"),)


@pytest.mark.parametrize(
    ("servers", "sentence"),
    [
        ("stun:a", "ice_servers[0] is a str; it must be an IceServer"),
        ([IceServer("stun:a"), {"urls": "stun:b"}], "ice_servers[1] is a dict"),
        ([IceServer("stun:a")] * (ICE_SERVERS_MAX + 1), "ice_servers has 17 servers"),
        ([IceServer(["stun:a"] * (ICE_URLS_MAX + 1))], "ice_servers[0] has 9 URLs"),
        ([IceServer(["stun:a", None])], "ice_servers[0] has what is no text"),
        ([IceServer("turn:a", "user", "hunter2\n")], "ice_servers[0] has what is no text"),
        ([IceServer("turn:a", "x" * (ICE_TEXT_MAX + 1))], "ice_servers[0] has what is no text"),
    ],
)
def test_ice_servers_are_such_as_clients_accept(servers, sentence):
    """What they would refuse, the server's author hears of first; a credential is not quoted."""
    with pytest.raises(PolicyError) as caught:
        Policy(ice_servers=servers)
    assert caught.value.broken[0].startswith(sentence)
    assert "hunter2" not in str(caught.value)


def test_the_largest_ice_servers_travel():
    """What a policy accepts, the wire does."""
    server = IceServer(["stun:a"] * ICE_URLS_MAX, "x" * ICE_TEXT_MAX, "y" * ICE_TEXT_MAX)
    policy = Policy(ice_servers=[server] * ICE_SERVERS_MAX)
    assert policy_from_wire(policy_to_wire(policy)) == policy


def test_a_credential_is_in_no_repr():
    """A policy can be logged."""
    server = IceServer("turn:a.example", username="user", credential="hunter2")
    assert "hunter2" not in repr(Policy(ice_servers=[server]))
