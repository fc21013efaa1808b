"""Promises are quoted, not made up; random stories are shrunk, and told no second time."""

import inspect

import pytest
from hypothesis import strategies as st

from reconnect import ports
from reconnect.testing import check_link, check_signaling
from reconnect.testing.checks import ears, ends, place, runtime, scene
from reconnect.testing.checks.promise import BrokenPromise, Promise, explore

MODULES = (check_link, check_signaling, ears, ends, place, runtime, scene)
PROMISES = {one for module in MODULES for one in vars(module).values() if isinstance(one, Promise)}
SPOKEN = Promise("Store", "a word")


def said(where):
    """What `ports.py` says there, on one line."""
    found = ports
    for name in filter(None, where.split(".")):
        found = getattr(found, name)
    return " ".join((inspect.getdoc(found) or "").split())


@pytest.mark.parametrize("promise", sorted(PROMISES, key=str), ids=lambda one: one.where)
def test_a_promise_is_quoted_word_for_word(promise):
    """What a check holds an adapter to stands in `ports.py`, at the place that it names."""
    assert promise.words in said(promise.where)


def test_every_port_has_promises():
    """No port is left out, and there are as many promises as one would expect."""
    assert len(PROMISES) > 40
    assert {one.where.partition(".")[0] for one in PROMISES} == {
        "",
        "Cancel",
        "ClientHears",
        "ClientSignaling",
        "Link",
        "LinkHears",
        "Links",
        "Owned",
        "Runtime",
        "ServerHears",
        "ServerSignaling",
        "Store",
    }


def test_the_shortest_story_is_told():
    """With its own words, and nothing of Hypothesis' around them."""

    def tell(number):
        if number > 41:
            raise BrokenPromise(SPOKEN, f"it was {number}", done=["this", "that"])

    with pytest.raises(BrokenPromise) as caught:
        explore(st.integers(0, 1000), tell, examples=100)
    assert str(caught.value).splitlines() == [
        'a promise of reconnect.ports.Store is broken: "a word"',
        "it was 42",
        "what was done:",
        "    this",
        "    that",
    ]
    assert caught.value.__cause__ is None


def test_chance_does_not_hide_a_broken_word():
    """What went wrong once is told, even if it would go well the next time."""
    told = []

    def tell(story):
        told.append(story)
        if len(told) == 1:
            raise BrokenPromise(SPOKEN, f"it was {story!r}")

    with pytest.raises(BrokenPromise):
        explore(st.integers(), tell, examples=10)
    assert told.count(told[0]) == 1


def test_another_error_is_no_broken_word():
    """A mistake in a test's own setting is raised as it is."""

    def tell(story):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        explore(st.just(1), tell, examples=1)
