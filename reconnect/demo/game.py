"""The game: players gather gems on a small world without edges. Same inputs, same game.

Everything in it follows from the seed and the players' inputs, and each step is hashed into a
chain, so that two players who disagree about anything at all have different hashes ever after.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from random import Random
from typing import Any

WIDTH, HEIGHT = 22, 9
GEMS = 6
MOVES = {0: (0, 0), 1: (0, -1), 2: (1, 0), 3: (0, 1), 4: (-1, 0)}
"""Inputs: stay, north, east, south, west."""
STAY = 0
BOLDNESS = 0.85  # how often a player goes straight for a gem


class Game:
    """One player's copy of the game."""

    def __init__(self, players: Sequence[str], seed: int) -> None:
        self.frame = 0
        self.digest = b""
        self._random = Random(seed)
        self._at = {player: self._somewhere() for player in players}
        self.scores = dict.fromkeys(players, 0)
        self._gems = {self._somewhere() for _ in range(GEMS)}

    def step(self, inputs: Mapping[str, int]) -> None:
        """One step, from everybody's input for this frame."""
        for player, (x, y) in self._at.items():
            dx, dy = MOVES[inputs[player]]
            at = (x + dx) % WIDTH, (y + dy) % HEIGHT
            self._at[player] = at
            if at in self._gems:
                self._gems.discard(at)
                self.scores[player] += 1
                self._gems.add(self._somewhere())
        self.frame += 1
        state = (self.frame, sorted(self._at.items()), sorted(self._gems), self.scores)
        self.digest = blake2b(self.digest + repr(state).encode(), digest_size=8).digest()

    def state(self) -> dict[str, Any]:
        """Everything that follows from the past, as JSON."""
        version, internal, gauss = self._random.getstate()
        return {
            "frame": self.frame,
            "digest": self.digest.hex(),
            "random": [version, internal, gauss],
            "at": self._at,
            "scores": self.scores,
            "gems": sorted(self._gems),
        }

    def become(self, state: Mapping[str, Any]) -> None:
        """Go on from another copy's `state`."""
        version, internal, gauss = state["random"]
        self._random.setstate((version, tuple(internal), gauss))
        self.frame = state["frame"]
        self.digest = bytes.fromhex(state["digest"])
        self._at = {player: (x, y) for player, (x, y) in state["at"].items()}
        self.scores = dict(state["scores"])
        self._gems = {(x, y) for x, y in state["gems"]}

    def choose(self, player: str, random: Random) -> int:
        """What `player` would like to do next; `random` is private to it."""
        if random.random() > BOLDNESS:
            return random.choice(list(MOVES))
        x, y = self._at[player]
        gx, gy = min(sorted(self._gems), key=lambda gem: _steps(gem[0] - x, gem[1] - y))
        dx, dy = _shortest(gx - x, WIDTH), _shortest(gy - y, HEIGHT)
        if dx:
            return 2 if dx > 0 else 4
        return 3 if dy > 0 else 1 if dy < 0 else STAY

    def board(self) -> list[str]:
        """The world as lines of text: players by their initial, gems as `*`."""
        rows = [["·"] * WIDTH for _ in range(HEIGHT)]
        for x, y in self._gems:
            rows[y][x] = "*"
        for player, (x, y) in self._at.items():
            rows[y][x] = player[0].upper()
        return ["".join(row) for row in rows]

    def _somewhere(self) -> tuple[int, int]:
        return self._random.randrange(WIDTH), self._random.randrange(HEIGHT)


def _shortest(distance: int, size: int) -> int:
    """The same distance around a world of this size, the short way."""
    return (distance + size // 2) % size - size // 2


def _steps(dx: int, dy: int) -> int:
    return abs(_shortest(dx, WIDTH)) + abs(_shortest(dy, HEIGHT))
