"""One call of the store goes wrong in a whole game: every call, in every way; nobody is harmed.

The game starts, loses a link, loses a control link, has a page loaded again, and is ended. All
the while the invariants are looked at (see `served`); in the end everybody says the same.
"""

from functools import cache

import pytest

from reconnect import Ended, Policy, StoreError
from reconnect.testing.virtual import VirtualProcess
from tests.served import ServedGame

POLICY = Policy(outage_timeout=6, save_timeout=0.5, retention=2)
SOON = 15.0  # s; a lease bound for a fence, a timeout for the save, and a round of attempts
FAULTS = ["raises", "raises three times", "lies", "hangs", "hangs and is done", "is done too late"]


class FlakyProcess(VirtualProcess):
    """A process in which one piece of blocking work, by its number, goes wrong."""

    fault = ""
    fails_at = 0
    calls = 0

    def work(self, job, done):
        self.calls += 1
        lasts = 3 if self.fault == "raises three times" else 1
        if not self.fails_at <= self.calls < self.fails_at + lasts or not self.fault:
            super().work(job, done)
            return
        match self.fault:
            case "raises" | "raises three times":
                super().work(self.fail, done)
            case "lies":
                super().work(lambda: (job(), self.fail()), done)
            case "hangs":
                pass
            case "hangs and is done":
                super().work(job, lambda _: None)
            case "is done too late":
                late = self.now() + POLICY.save_timeout + 0.3
                self.call_at(late, lambda: VirtualProcess.work(self, job, done))

    @staticmethod
    def fail():
        raise StoreError("the disk is full")


class FlakyGame(ServedGame):
    """A game whose server has such a process."""

    def __init__(self, fault, fails_at):
        self._fault = fault, fails_at
        super().__init__(policy=POLICY)

    def process(self):
        process = FlakyProcess(self.runtime)
        process.fault, process.fails_at = self._fault
        return process


def played(fault="", fails_at=0):
    """A whole game; everybody has ended alike, and so has the record."""
    game = FlakyGame(fault, fails_at)
    game.run_until_all_play(within=SOON)
    game.network.cut("alice", "bob")
    game.run(1.5)
    game.network.mend("alice", "bob")
    game.run_until_all_play(within=SOON)
    game.network.cut_control("alice")
    game.run(2.5)
    game.network.mend_control("alice")
    game.run_until_all_play(within=SOON)
    game.assert_nothing_lost()
    game.players["bob"].client.close()
    game.players["bob"] = game.join("bob")
    game.run_until_all_play(within=SOON)
    assert game.session.outages <= 4
    game.session.end("won")
    game.run(1.7)
    assert game.session.reason == "won"
    assert game.store.load(game.session.id).reason == "won"
    for player in game.players.values():
        assert player.client.reason == "won"
        assert player.heard[-1] == Ended("won")
    assert [type(one).__name__ for one in game.told].count("Ended") == 1
    game.run(POLICY.retention)
    assert game.coordinator.sessions() == []
    return game


@cache
def calls():
    """How many calls of the store a game in which none goes wrong takes."""
    return played().server.calls


def test_the_game_uses_the_store_throughout():
    """The opening, tokens, offers, seats, each transition, the end, and being forgotten."""
    assert calls() >= 25
    game = played()
    assert game.coordinator.stats()["crashes"] == 0
    assert game.store.load(game.session.id) is None


@pytest.mark.parametrize("fault", FAULTS)
def test_any_call_may_go_wrong(fault):
    """The session is loaded again and goes on, or is not even disturbed."""
    for fails_at in range(1, calls() + 1):
        try:
            game = played(fault, fails_at)
        except Exception as error:
            raise AssertionError(f"call {fails_at} of {calls()} {fault}") from error
        assert game.server.calls >= fails_at
