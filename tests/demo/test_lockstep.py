"""Nobody steps ahead, and the books notice whatever a link could do to the inputs."""

import pytest

from reconnect.demo.lockstep import DELAY, INPUT, Ledger, Lockstep

PLAYERS = ["alice", "bob"]


def pair() -> tuple[Lockstep, Lockstep]:
    return tuple(  # type: ignore[return-value]  # of two, as there are two players
        Lockstep(PLAYERS, me, seed=1, step_seed=n) for n, me in enumerate(PLAYERS)
    )


def test_a_step_waits_for_every_input():
    """Without the other's inputs a player gets as far as the inputs that everybody starts with."""
    alice, _ = pair()
    steps = 0
    while alice.can_step:
        alice.step()
        steps += 1
    assert steps == DELAY


def test_players_who_hear_each_other_stay_equal():
    """All frames of both have the same hash, and the books are closed without a difference."""
    alice, bob = pair()
    alice.stop_at = bob.stop_at = 100
    while not (alice.done and bob.done):
        for me, other, name in ((alice, bob, "alice"), (bob, alice, "bob")):
            if me.can_step and (data := me.step()) is not None:
                other.heard(name, data)
    assert alice.hashes == bob.hashes
    assert len(alice.hashes) == 100
    ledger = bob.ledgers["alice"]
    assert ledger.delivered == alice.sent == 100 - DELAY
    assert (ledger.lost, ledger.duplicated, ledger.reordered) == (0, 0, 0)


@pytest.mark.parametrize(
    ("numbers", "books"),
    [
        ([3, 4, 5], (0, 0, 0)),
        ([3, 5, 6], (1, 0, 0)),
        ([3, 5, 4], (0, 0, 1)),
        ([3, 4, 4], (0, 1, 0)),
        ([5, 5], (2, 1, 0)),
        ([4, 3, 3], (0, 1, 1)),
    ],
)
def test_the_ledger_notices(numbers: list[int], books: tuple[int, int, int]):
    """Holes are lost, second copies duplicated, late ones out of order."""
    ledger = Ledger()
    for number in numbers:
        ledger.enter(number)
    assert (ledger.lost, ledger.duplicated, ledger.reordered) == books
    assert ledger.delivered == len(numbers)


def test_an_input_is_taken_once():
    """A second, different input for a frame changes nothing."""
    alice, _ = pair()
    alice.heard("bob", INPUT.pack(DELAY, 1))
    alice.heard("bob", INPUT.pack(DELAY, 2))
    assert alice._inputs[DELAY]["bob"] == 1
