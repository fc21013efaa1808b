from reconnect.testing.abstract.numbers import Forgetful, Older, Renumbered, Seen, least
from reconnect.testing.abstract.values import EPOCH, SENT, SEQ

PLACES = {(EPOCH, ""): 0, (SEQ, "a"): 1, (SENT, "a"): 2}


def test_the_least_numbers_keep_their_order():
    """Zero stays zero, and no gap is wider than it was or than what matters."""
    assert least(frozenset({0, 4, 9}), 1) == {0: 0, 4: 1, 9: 2}
    assert least(frozenset({7, 8, 20}), 3) == {0: 0, 7: 3, 8: 4, 20: 7}
    assert least(frozenset({1, 2}), 1) == {0: 0, 1: 1, 2: 2}
    assert least(frozenset(), 1) == {0: 0}


def test_a_second_later():
    """Instants come nearer, down to where they no longer matter; numbers stay."""
    assert Older().instant(2.0, 0.0) == 1.0
    assert Older().instant(0.0, 0.0) == 0.0
    assert Older().number(EPOCH, "", 4) == 4


def test_numbers_are_found_and_changed_by_place():
    """A SENT is a SEQ, found apart and numbered alike."""
    seen = Seen(PLACES, [set(), set(), set()])
    for kind, owner, number in ((EPOCH, "", 4), (SEQ, "a", 6), (SENT, "a", 7)):
        assert seen.number(kind, owner, number) == number
    assert seen.found == [{4}, {6}, {7}]
    assert seen.instant(1.0, 0.0) == 1.0
    other = Renumbered(PLACES, {1: {6: 1, 7: 2}})
    assert other.number(EPOCH, "", 4) == 4
    assert (other.number(SEQ, "a", 6), other.number(SENT, "a", 7)) == (1, 2)
    assert other.instant(1.0, 0.0) == 1.0


def test_what_is_not_waited_for_is_forgotten():
    """A report that nobody can acknowledge any more needs no time of sending."""
    forgetful = Forgetful(frozenset({7}))
    assert (forgetful.number(SENT, "a", 7), forgetful.number(SENT, "a", 6)) == (7, None)
    assert forgetful.number(SEQ, "a", 6) == 6
    assert forgetful.instant(1.0, 0.0) == 1.0
