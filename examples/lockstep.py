"""Lockstep, cut and with a program replaced. Run it: python examples/lockstep.py"""

import asyncio
import json
import random

from _table import Table

import reconnect

PLAYERS = ["alice", "bob", "carol"]
DELAY = 3  # frames for an input to arrive in


class Game:
    """One program's copy of the game; it is the `resync=` of its `client`."""

    client: reconnect.Client

    def __init__(self, me: str) -> None:
        self.me, self.frame = me, 0
        self.state = dict.fromkeys(PLAYERS, 0)
        self.states = {0: self.state}  # of every frame, to compare them at the end
        self.inputs: dict[tuple[int, str], int] = {}

    def turn(self) -> None:
        """What the loop does: take in what came, give the inputs that are due, step."""
        for notice in self.client.notices():
            print(f"{self.me:>6}: {notice}")
        for player, data in self.client.receive():
            self.merge(player, data)
        if self.client.playing:
            for frame in range(self.frame, self.frame + DELAY + 1):
                if (frame, self.me) not in self.inputs:
                    self.inputs[frame, self.me] = move = random.randrange(10)
                    self.client.send(json.dumps([(frame, self.me, move)]).encode())
            if all((self.frame, player) in self.inputs for player in PLAYERS):
                self.step()

    def step(self) -> None:
        moves = {player: self.inputs[self.frame, player] for player in PLAYERS}
        self.state = {player: (3 * self.state[player] + moves[player]) % 10007 for player in moves}
        self.client.frame = self.frame = self.frame + 1
        self.states[self.frame] = self.state
        oldest = self.frame - DELAY - 1  # nobody is further behind
        self.inputs = {key: move for key, move in self.inputs.items() if key[0] >= oldest}

    def snapshot(self) -> bytes:  # for a program that has just started
        return json.dumps([self.frame, self.state, self.since("", b"").decode()]).encode()

    def restore(self, snapshot: bytes) -> None:
        self.frame, self.state, inputs = json.loads(snapshot)
        self.client.frame = self.frame
        self.states = {self.frame: self.state}
        self.merge("", inputs)

    def mark(self, _peer: str) -> bytes:  # of three players, two may hold different inputs
        return b""  # so few that there is no need to say which

    def since(self, _peer: str, _mark: bytes) -> bytes:
        return json.dumps([(*key, move) for key, move in self.inputs.items()]).encode()

    def merge(self, _peer: str, inputs: bytes | str) -> None:
        self.inputs |= {(frame, player): move for frame, player, move in json.loads(inputs)}


async def main() -> None:
    table = Table(PLAYERS, Game)
    await table.play()
    await table.outage("alice", "bob", 2.0)
    await table.play()
    table.compare()
    table.reload("carol")
    await table.play()
    await table.end()
    table.compare()


if __name__ == "__main__":
    asyncio.run(main())
