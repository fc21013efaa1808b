"""Lockstep: nobody steps before it has everybody's input for it; and the books about that.

The game can be handed over (`snapshot`, `restore`) and brought together (`mark`, `since`,
`merge`): what counts in it are the inputs, so two copies that hold the same inputs are the same.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterable, Sequence
from random import Random
from typing import Any

from attrs import define, field

from reconnect.demo.game import STAY, Game

DELAY = 3  # frames; a tenth of a second for an input to arrive in
INPUT = struct.Struct("!IB")  # frame, input


@define
class Ledger:
    """What arrived from one player, by the numbers it bore."""

    delivered: int = 0
    duplicated: int = 0
    reordered: int = 0
    next: int = DELAY
    """The first number that has not been reached yet."""
    _missing: set[int] = field(factory=set)
    _handed: set[int] = field(factory=set)

    def enter(self, number: int) -> None:
        """Inputs are numbered by their frame, without a hole, from the first that is sent."""
        self.delivered += 1
        if number in self._handed:
            self._handed.discard(number)
        elif number >= self.next:
            self._missing.update(range(self.next, number))
            self.next = number + 1
        elif number in self._missing:
            self._missing.discard(number)
            self.reordered += 1
        else:
            self.duplicated += 1

    def hand_over(self, number: int) -> None:
        """A resync brought this number, the next of its player; it may still come by itself."""
        self._handed.add(number)
        self.next = number + 1

    @property
    def handed_over(self) -> int:
        """How many numbers have come by resync only."""
        return len(self._handed)

    @property
    def lost(self) -> int:
        """Numbers before the highest one that have not come."""
        return len(self._missing)


class Lockstep:
    """One player's part in the game."""

    def __init__(self, players: Sequence[str], me: str, *, seed: int, step_seed: int) -> None:
        self.game = Game(players, seed)
        self.first = 0
        """The frame this program's game began with."""
        self.hashes: list[str] = []
        """Of each frame since then, as it was after that step."""
        self.stop_at: int | None = None
        self.sent = 0
        self.on_restore: Callable[[int], None] = lambda _frame: None
        """Told from which frame a game that was handed over goes on."""
        self.ledgers = {player: Ledger() for player in players if player != me}
        self._me = me
        self._players = list(players)
        self._random = Random(step_seed)
        self._mine = DELAY
        """The next frame for which this player has to give its input."""
        self._inputs = {frame: dict.fromkeys(players, STAY) for frame in range(DELAY)}

    @property
    def done(self) -> bool:
        """Whether the last frame has been played."""
        return self.stop_at is not None and self.game.frame >= self.stop_at

    def heard(self, player: str, data: bytes) -> None:
        """An input of another player arrived."""
        frame, move = INPUT.unpack(data)
        self.ledgers[player].enter(frame)
        self._hold(frame, player, move)

    def owed(self) -> Iterable[bytes]:
        """The inputs that this player has to send now."""
        ahead = self.game.frame + DELAY
        while self._mine < (ahead if self.stop_at is None else min(ahead, self.stop_at)):
            move = self.game.choose(self._me, self._random)
            self._hold(self._mine, self._me, move)
            yield INPUT.pack(self._mine, move)
            self._mine += 1
            self.sent += 1

    @property
    def can_step(self) -> bool:
        """Whether everybody's input for the next step is there."""
        return not self.done and len(self._inputs.get(self.game.frame, ())) == len(self._players)

    def step(self) -> None:
        """Take one step."""
        self.game.step(self._inputs[self.game.frame])
        self.hashes.append(self.game.digest.hex())
        # peers are at most DELAY frames behind, and may lack what their own last link lost
        self._inputs.pop(self.game.frame - 2 * DELAY, None)

    def _hold(self, frame: int, player: str, move: int) -> None:
        self._inputs.setdefault(frame, {}).setdefault(player, move)

    # -- handing over, bringing together -----------------------------------------------------------

    def snapshot(self) -> bytes:
        return json.dumps({"game": self.game.state(), "inputs": self._all_inputs()}).encode()

    def restore(self, snapshot: bytes) -> None:
        held = json.loads(snapshot)
        self.game.become(held["game"])
        self.first = self.game.frame
        self.hashes = []
        self._inputs = {}
        self._mine = max(DELAY, self.game.frame)
        for ledger in self.ledgers.values():
            ledger.next = max(DELAY, self.game.frame)
        self._take_over(held["inputs"])
        self.on_restore(self.game.frame)

    def mark(self, _peer: str) -> bytes:
        return json.dumps({player: self._frontier(player) for player in self._players}).encode()

    def since(self, _peer: str, mark: bytes) -> bytes:
        holds: dict[str, int] = json.loads(mark)
        return json.dumps([one for one in self._all_inputs() if one[0] >= holds[one[1]]]).encode()

    def merge(self, _peer: str, data: bytes) -> None:
        self._take_over(json.loads(data))

    def _all_inputs(self) -> list[tuple[int, str, int]]:
        return [
            (frame, player, move)
            for frame, moves in sorted(self._inputs.items())
            for player, move in moves.items()
        ]

    def _frontier(self, player: str) -> int:
        """The first frame for which this game lacks the player's input."""
        return self._mine if player == self._me else self.ledgers[player].next

    def _take_over(self, inputs: Sequence[Any]) -> None:
        for frame, player, move in inputs:
            self._hold(frame, player, move)
            if frame < self._frontier(player):
                continue
            if player == self._me:
                self._mine = frame + 1
            else:
                self.ledgers[player].hand_over(frame)
