"""A real peer without a clock and without chance of its own."""

import pytest

from reconnect.core.messages import AttemptKind, Kind
from reconnect.errors import RemoteProtocolError
from reconnect.testing.conformance.actor import BEGINNING, Actor, OutOfDraws, Unlike, Who, unlike

WHO = Who(session="game", player="ann")
TIME = {"is": "time"}
CLOSED = {"is": "closed", "cause": "reset"}


def test_the_random_numbers_of_a_line_are_used_in_their_order():
    """A delay of a dial is its number's share of the longest: 0.1 s at first, then 0.2 s."""
    actor = Actor.entering(WHO)
    actor.hears(TIME, at_ms=0)
    assert actor.hears(CLOSED, at_ms=100, draws=[0.5]).state["due_ms"] == 150
    actor.hears(TIME, at_ms=150)
    assert actor.hears(CLOSED, at_ms=200, draws=[0.25]).state["due_ms"] == 250


def test_a_line_without_random_numbers_has_none():
    """What another line has left over is not used."""
    actor = Actor.entering(WHO)
    actor.hears(TIME, at_ms=0, draws=[0.5])
    with pytest.raises(OutOfDraws):
        actor.hears(CLOSED, at_ms=100)


def test_a_line_says_only_what_is_news():
    """Lists that are not empty, and values that are others than before."""
    actor = Actor.entering(WHO)
    outcome = actor.hears(TIME, at_ms=0)
    assert outcome.to_json(BEGINNING) == {"effects": [{"do": "dial"}], "then": {"due_ms": 5000}}
    assert actor.hears(TIME, at_ms=1).to_json(outcome.state) == {}


def test_a_head_is_read_back_as_it_was():
    """Whatever a client can be."""
    who = Who(
        session="game",
        player="ann",
        kind=Kind.BROWSER,
        mends=frozenset(AttemptKind),
        marks=True,
        token="t",
    )
    assert Who.from_json(who.to_json()) == who
    with pytest.raises(ValueError, match="version 2"):
        Who.from_json({**who.to_json(), "version": 2})
    with pytest.raises(RemoteProtocolError):
        Who.from_json({**who.to_json(), "kind": "robot"})


@pytest.mark.parametrize(
    ("expected", "found"),
    [
        ({"a_ms": 5}, {"a_ms": 7}),
        ({"x": {"a_ms": 5}}, {"x": {"a_ms": 3}}),
        ({"a": [1, {"b": None}]}, {"a": [1, {}]}),
        ({"a_ms": None}, {"a_ms": None}),
    ],
)
def test_what_is_as_good_as_alike(expected, found):
    """Two milliseconds are rounding; null and nothing are the same."""
    assert list(unlike(expected, found)) == []


@pytest.mark.parametrize(
    ("expected", "found", "field"),
    [
        ({"a_ms": 5}, {"a_ms": 8}, "a_ms"),
        ({"a_ms": 5}, {"a_ms": None}, "a_ms"),
        ({"a": 5}, {"a": 6}, "a"),
        ({"a": 1}, {"a": True}, "a"),
        ({"a": [1]}, {"a": [1, 2]}, "a[1]"),
        ({}, {"a": {"b": 1}}, "a"),
        ({"a": {"b": 1}}, {"a": {"b": 2}}, "a.b"),
    ],
)
def test_what_is_unlike_is_named(expected, found, field):
    """With the way to it."""
    (one,) = unlike(expected, found)
    assert isinstance(one, Unlike)
    assert one.field == field
