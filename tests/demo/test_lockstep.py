"""Nobody steps ahead, and the books notice whatever a link could do to the inputs."""

import pytest

from reconnect.demo.lockstep import DELAY, INPUT, Ledger, Lockstep

PLAYERS = ["alice", "bob"]


def pair() -> tuple[Lockstep, Lockstep]:
    return tuple(  # type: ignore[return-value]  # of two, as there are two players
        Lockstep(PLAYERS, me, seed=1, step_seed=n) for n, me in enumerate(PLAYERS)
    )


def turn(me: Lockstep, others: dict[str, Lockstep], name: str) -> None:
    if me.can_step:
        me.step()
    for data in me.owed():
        for other in others.values():
            other.heard(name, data)


def test_a_step_waits_for_every_input():
    """Without the other's inputs a player gets as far as the inputs that everybody starts with."""
    alice, _ = pair()
    steps = 0
    while alice.can_step:
        alice.step()
        list(alice.owed())
        steps += 1
    assert steps == DELAY


def test_players_who_hear_each_other_stay_equal():
    """All frames of both have the same hash, and the books are closed without a difference."""
    alice, bob = pair()
    alice.stop_at = bob.stop_at = 100
    while not (alice.done and bob.done):
        turn(alice, {"bob": bob}, "alice")
        turn(bob, {"alice": alice}, "bob")
    assert alice.hashes == bob.hashes
    assert len(alice.hashes) == 100
    ledger = bob.ledgers["alice"]
    assert ledger.delivered == alice.sent == 100 - DELAY
    assert (ledger.lost, ledger.duplicated, ledger.reordered) == (0, 0, 0)


def test_a_game_is_handed_over_to_a_new_program():
    """A new program goes on from another's snapshot, and the books of both stay closed."""
    alice, bob = pair()
    for _ in range(40):
        turn(alice, {"bob": bob}, "alice")
        turn(bob, {"alice": alice}, "bob")
    fresh = Lockstep(PLAYERS, "alice", seed=1, step_seed=9)
    frames: list[int] = []
    fresh.on_restore = frames.append
    fresh.restore(bob.snapshot())
    assert frames == [bob.game.frame] == [fresh.first]
    for ledger in bob.ledgers.values():
        assert ledger.next == fresh._mine
    for _ in range(40):
        turn(fresh, {"bob": bob}, "alice")
        turn(bob, {"alice": fresh}, "bob")
    assert len(fresh.hashes) > 30
    last = min(fresh.game.frame, bob.game.frame)
    assert fresh.hashes[: last - fresh.first] == bob.hashes[fresh.first : last]
    assert (bob.ledgers["alice"].lost, fresh.ledgers["bob"].lost) == (0, 0)
    assert bob.ledgers["alice"].duplicated == 0


def test_what_only_one_has_is_merged():
    """An input that reached one of two others before its sender died reaches all by resync."""
    players = ["alice", "bob", "carol"]
    alice, bob, carol = (Lockstep(players, me, seed=1, step_seed=n) for n, me in enumerate(players))
    alice.step()
    (data,) = alice.owed()
    carol.heard("alice", data)
    fresh = Lockstep(players, "alice", seed=1, step_seed=9)
    fresh.restore(bob.snapshot())
    assert fresh._mine == DELAY
    for one, other in ((fresh, carol), (bob, carol), (carol, bob), (carol, fresh)):
        one.merge("", other.since("", one.mark("")))
    assert fresh._mine == bob.ledgers["alice"].next == DELAY + 1
    assert bob._inputs[DELAY] == carol._inputs[DELAY] == fresh._inputs[DELAY]
    assert bob.ledgers["alice"].handed_over == 1


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


def test_what_was_handed_over_first_is_delivered_once():
    """A third player's copy may be quicker than the sender's own, which then counts as usual."""
    ledger = Ledger()
    ledger.enter(3)
    ledger.hand_over(4)
    ledger.hand_over(5)
    assert ledger.handed_over == 2
    ledger.enter(4)
    ledger.enter(5)
    ledger.enter(6)
    assert (ledger.delivered, ledger.lost, ledger.duplicated, ledger.reordered) == (4, 0, 0, 0)
    assert ledger.handed_over == 0
    ledger.enter(5)
    assert ledger.duplicated == 1


def test_an_input_is_taken_once():
    """A second, different input for a frame changes nothing."""
    alice, _ = pair()
    alice.heard("bob", INPUT.pack(DELAY, 1))
    alice.heard("bob", INPUT.pack(DELAY, 2))
    assert alice._inputs[DELAY]["bob"] == 1
