"""Exceptions carry facts and make their own sentences."""

import copy
import pickle

import pytest

from reconnect import errors
from reconnect.core.table import State, Trigger

EVERY = [
    (errors.ReconnectError("anything"), "anything", {}),
    (errors.LocalProtocolError("anything"), "anything", {}),
    (errors.PolicyError(["a", "b"]), "a; b", {"broken": ("a", "b")}),
    (
        errors.RefusedMove("ended", "pause"),
        "'pause' is not possible in state 'ended'",
        {"state": "ended", "trigger": "pause"},
    ),
    (
        errors.SessionEnded("s", "timeout"),
        "session 's' has ended (timeout); open a new one",
        {"session": "s", "reason": "timeout"},
    ),
    (
        errors.NoSuchPlayer("s", "eve"),
        "'eve' is not a player of session 's'",
        {"session": "s", "player": "eve"},
    ),
    (
        errors.StreamFull("bob", messages=3, waiting=70),
        "3 messages (70 bytes) are waiting for 'bob'; "
        "nothing was accepted: send less, or wait until the link is back",
        {"peer": "bob", "messages": 3, "waiting": 70},
    ),
    (
        errors.RemoteProtocolError("v is missing"),
        "malformed: v is missing",
        {"detail": "v is missing", "code": "malformed"},
    ),
    (
        errors.RemoteProtocolError("v is 2", code="version"),
        "version: v is 2",
        {"detail": "v is 2", "code": "version"},
    ),
    (errors.StoreError("disk full"), "disk full", {}),
    (
        errors.Conflict("s", expected=4, found=None),
        "record of session 's': expected version 4, found None",
        {"session": "s", "expected": 4, "found": None},
    ),
    (
        errors.StoreInUse("c1"),
        "the store is in use by coordinator 'c1'; stop it first, or give this one "
        "a store of its own",
        {"owner": "c1", "stuck": False},
    ),
    (
        errors.StoreInUse("c1", stuck=True),
        "the store is in use by coordinator 'c1', which hangs in the middle of a write and cannot "
        "be relieved: end its process (kill -9), or let it go on (kill -CONT), and start again",
        {"owner": "c1", "stuck": True},
    ),
]
every = pytest.mark.parametrize(
    ("error", "sentence", "facts"), EVERY, ids=[type(error).__name__ for error, _, _ in EVERY]
)


@every
def test_an_error_says_what_is_the_matter_and_carries_the_facts(error, sentence, facts):
    """The sentence is built from the facts, and the facts are attributes."""
    assert str(error) == sentence
    assert vars(error) == facts


@every
@pytest.mark.parametrize("through", [copy.copy, lambda one: pickle.loads(pickle.dumps(one))])
def test_an_error_survives_a_copy_and_a_process_boundary(error, sentence, facts, through):
    """Copied or pickled it is the same kind, with the same sentence and facts."""
    again = through(error)
    assert type(again) is type(error)
    assert str(again) == sentence
    assert vars(again) == facts


def test_every_exception_of_the_module_is_examined_here():
    """No exception is forgotten in this file."""
    public = {one for one in vars(errors).values() if isinstance(one, type)}
    kinds = {one for one in public if issubclass(one, errors.ReconnectError)}
    assert kinds == {type(error) for error, _, _ in EVERY}


def test_the_tree_says_whose_fault_it_is():
    """Ours, theirs and the store's are told apart by class, and built-in kinds are kept."""
    local, remote, store = errors.LocalProtocolError, errors.RemoteProtocolError, errors.StoreError
    for kind in (
        errors.PolicyError,
        errors.RefusedMove,
        errors.SessionEnded,
        errors.NoSuchPlayer,
        errors.StreamFull,
    ):
        assert issubclass(kind, local)
        assert not issubclass(kind, (remote, store))
    for kind in (errors.Conflict, errors.StoreInUse):
        assert issubclass(kind, store)
    assert not issubclass(remote, (local, store))
    assert issubclass(errors.PolicyError, ValueError)
    assert issubclass(errors.NoSuchPlayer, LookupError)


def test_a_refused_move_names_state_and_trigger_as_words():
    """Members of the enums read like the words they stand for."""
    sentence = str(errors.RefusedMove(State.ENDED, Trigger.PAUSE))
    assert sentence == "'pause' is not possible in state 'ended'"
