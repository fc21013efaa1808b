"""A policy goes over the wire whole, and comes back the same or not at all."""

import json

import attrs
import pytest
from hypothesis import given

from reconnect.core.policy_wire import policy_from_wire, policy_to_wire
from reconnect.errors import RemoteProtocolError
from reconnect.policy import IceServer, Policy
from tests.core.wire_values import policies

REQUIRED = sorted(set(policy_to_wire(Policy())) - {"start_timeout_ms", "hub"})


@given(policies)
def test_nothing_of_a_policy_is_lost(policy):
    """Through JSON text and back it is equal, to the millisecond."""
    assert policy_from_wire(json.loads(json.dumps(policy_to_wire(policy)))) == policy


def test_every_field_is_there_and_every_duration_in_milliseconds():
    """A client without this library reads whole milliseconds and words."""
    form = policy_to_wire(
        Policy(
            topology="star",
            hub="alice",
            outage_timeout=20,
            ice_servers=[IceServer("turn:a", username="u", credential="c"), IceServer("stun:b")],
        )
    )
    assert {name.removesuffix("_ms") for name in form} == {one.name for one in attrs.fields(Policy)}
    assert form["outage_timeout_ms"] == 20_000
    assert form["lease_ms"] == 6_667
    assert (form["topology"], form["hub"], form["on_leave"]) == ("star", "alice", "end")
    assert form["ice_servers"] == [
        {"urls": ["turn:a"], "username": "u", "credential": "c"},
        {"urls": ["stun:b"]},
    ]
    assert {type(value) for value in form.values()} == {str, int, list}


@pytest.mark.parametrize(
    "name", sorted(set(policy_to_wire(Policy())) - {"start_timeout_ms", "hub"})
)
@pytest.mark.parametrize("value", [None, "5x", -1, True, [{}], [{"urls": "stun:a"}]])
def test_a_policy_is_whole_or_it_is_none(name, value):
    """A missing value, or one of another type, is not replaced by a default."""
    with pytest.raises(RemoteProtocolError) as caught:
        policy_from_wire(policy_to_wire(Policy()) | {name: value})
    assert caught.value.code == "malformed"
    assert "5x" not in str(caught.value)


def test_none_is_a_value_where_a_policy_has_none():
    """No start timeout and no hub, left out or null."""
    form = policy_to_wire(Policy(start_timeout=None))
    assert form["start_timeout_ms"] is form["hub"] is None
    without = {name: value for name, value in form.items() if value is not None}
    assert policy_from_wire(without) == policy_from_wire(form) == Policy(start_timeout=None)


def test_unknown_values_mean_nothing():
    """A later release may have more of them."""
    assert policy_from_wire(policy_to_wire(Policy()) | {"mood": "good"}) == Policy()


@pytest.mark.parametrize(
    "wrong",
    [{"lease_ms": 29_999}, {"hub": "CANARY"}, {"lease_ms": 0}, {"message_max": 1 << 31}],
)
def test_a_contradiction_is_refused_without_repeating_it(wrong):
    """The sentence of a `PolicyError` would quote the values."""
    with pytest.raises(RemoteProtocolError) as caught:
        policy_from_wire(policy_to_wire(Policy()) | wrong)
    assert str(caught.value) == "malformed: policy contradicts itself"
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("raw", [None, [], "policy", 5, policy_to_wire])
def test_only_an_object_is_a_policy(raw):
    """Anything else is malformed."""
    with pytest.raises(RemoteProtocolError, match="policy is not an object"):
        policy_from_wire(raw)


@pytest.mark.parametrize(
    "servers",
    [
        [{"urls": []}] * 17,
        [{"urls": ["stun:a"] * 9}],
        [{"urls": ["x" * 1025]}],
        [{"urls": [], "username": "x" * 1025}],
        [{"urls": [], "credential": "x" * 1025}],
    ],
)
def test_ice_servers_are_bounded(servers):
    """Neither their number nor their text is without end."""
    with pytest.raises(RemoteProtocolError) as caught:
        policy_from_wire(policy_to_wire(Policy()) | {"ice_servers": servers})
    assert caught.value.code == "too_large"
