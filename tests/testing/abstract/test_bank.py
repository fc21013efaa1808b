import pytest

from reconnect.core.control import Dialled
from reconnect.core.messages import ShortView
from reconnect.testing.abstract.client import beginning
from reconnect.testing.abstract.folds import Folds
from reconnect.testing.abstract.values import GEN, SEQ, VERSION
from reconnect.testing.exhaustive import tiny_policy


@pytest.fixture
def bank():
    return Folds(tiny_policy(), ("a", "b"))


def test_equal_values_have_one_name(bank):
    """Put twice is put once; another player's is another."""
    assert bank.put(beginning("a"), "a") == bank.put(beginning("a"), "a")
    assert bank.put(beginning("a"), "a") != bank.put(beginning("b"), "b")


def test_a_value_can_be_looked_at_and_brought_to_life(bank):
    """To look is to see the same thing each time; to bring to life makes a new one."""
    at = bank.put(beginning("a"), "a")
    assert bank.look(at) is bank.peer(at)
    assert bank.live(at) is not bank.live(at)
    assert not bank.over(at)


def test_a_value_grows_older(bank):
    """What is due, comes to be due; time that no longer matters stands still."""
    client, _ = bank.to_client(bank.put(beginning("a"), "a"), ("time",))
    assert bank.peer(client).control.dialled is Dialled.DIALLING
    assert not bank.due(client)
    for _ in range(5):
        client = bank.older(client)
    assert bank.due(client)
    assert bank.older(client) == client


def test_numbers_are_made_least_together(bank):
    """The same change for all that speak of them; a value without such a number is itself."""
    mine, yours = bank.put(ShortView(7, 3, 9, 0.0), "a"), bank.put(ShortView(4, 3, 2, 0.0), "b")
    numbers = [bank.numbers(at) for at in (mine, yours)]
    changes = bank.maps(tuple(one | other for one, other in zip(*numbers, strict=True)))
    a, b = bank.look(bank.renumber(mine, changes)), bank.look(bank.renumber(yours, changes))
    assert (a.version, a.gen, a.ack) == (2, 1, 1)
    assert (b.version, b.gen, b.ack) == (1, 1, 1)
    places = bank.places
    assert numbers[0][places[VERSION, ""]] == numbers[0][places[VERSION, "a"]] == {7}
    assert numbers[0][places[GEN, "a"]] == {3}
    assert numbers[0][places[SEQ, "b"]] == frozenset()
    untouched = bank.put(beginning("a"), "a")
    assert bank.renumber(untouched, ()) == untouched


def test_connections_get_other_names(bank):
    """Also none, where one is gone for good."""
    session = bank.live(bank.born()[0])
    session.members["a"].conn, session.members["b"].informed_conn = 3, 2
    again = bank.session(bank.reconnect(bank.put(session), ((2, None), (3, 1))))
    assert (again.members["a"].conn, again.members["b"].informed_conn) == (1, None)


def test_reports_that_nobody_can_acknowledge_are_forgotten(bank):
    """The client is the same without the time when it sent them."""
    client, _ = bank.to_client(bank.put(beginning("a"), "a"), ("time",))
    client, _ = bank.to_client(client, ("opened",))
    assert bank.forget(client, frozenset({1})) == client
    assert bank.peer(bank.forget(client, frozenset())).control._sent_at == {}
