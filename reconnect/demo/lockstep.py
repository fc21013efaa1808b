"""Lockstep: nobody steps before it has everybody's input for it; and the books about that."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from random import Random

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
    _next: int = DELAY
    _missing: set[int] = field(factory=set)

    def enter(self, number: int) -> None:
        """Inputs are numbered by their frame, without a hole, from the first that is sent."""
        self.delivered += 1
        if number >= self._next:
            self._missing.update(range(self._next, number))
            self._next = number + 1
        elif number in self._missing:
            self._missing.discard(number)
            self.reordered += 1
        else:
            self.duplicated += 1

    @property
    def lost(self) -> int:
        """Numbers before the highest one that have not come."""
        return len(self._missing)


class Lockstep:
    """One player's part in the game."""

    def __init__(self, players: Sequence[str], me: str, *, seed: int, step_seed: int) -> None:
        self.game = Game(players, seed)
        self.hashes: list[str] = []
        """Of each frame, as it was after that step."""
        self.stop_at: int | None = None
        self.sent = 0
        self.ledgers = {player: Ledger() for player in players if player != me}
        self._me = me
        self._random = Random(step_seed)
        self._inputs = {frame: dict.fromkeys(players, STAY) for frame in range(DELAY)}

    @property
    def done(self) -> bool:
        """Whether the last frame has been played."""
        return self.stop_at is not None and self.game.frame >= self.stop_at

    def heard(self, player: str, data: bytes) -> None:
        """An input of another player arrived."""
        frame, move = INPUT.unpack(data)
        self.ledgers[player].enter(frame)
        self._inputs.setdefault(frame, {}).setdefault(player, move)

    @property
    def can_step(self) -> bool:
        """Whether everybody's input for the next step is there."""
        have = self._inputs.get(self.game.frame, {})
        return (
            not self.done
            and len(have) + 1 >= len(self.ledgers) + 1
            and all(player in have for player in self.ledgers)
        )

    def step(self) -> bytes | None:
        """Take a step; what is to be sent to all others before the next one, if anything."""
        self.game.step(self._inputs.pop(self.game.frame))
        self.hashes.append(self.game.digest.hex())
        frame = self.game.frame - 1 + DELAY
        if self.stop_at is not None and frame >= self.stop_at:
            return None
        move = self.game.choose(self._me, self._random)
        self._inputs.setdefault(frame, {})[self._me] = move
        self.sent += 1
        return INPUT.pack(frame, move)
