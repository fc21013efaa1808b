"""Rollback, cut and with a program replaced. Run it: python examples/rollback.py"""

import asyncio
import json
import random

from _rollback_game import Rollback
from _table import Table

import reconnect

PLAYERS = ["alice", "bob"]
AT_ONCE = 8  # inputs in a packet: so many packets in a row may be lost without a hole


class Game(Rollback):
    """One program's copy of the game; it is the `resync=` of its `client`."""

    client: reconnect.Client

    def __init__(self, me: str) -> None:
        super().__init__(PLAYERS)
        self.me, self.frame = me, 0

    def turn(self) -> None:
        """What the loop does: take in what came, give an input, and simulate up to the present."""
        for notice in self.client.notices():
            print(f"{self.me:>6}: {notice}")
            if isinstance(notice, reconnect.Resumed):  # inputs that were given stay as they are
                self.frame = self.client.frame = notice.frame
        for peer, data in self.client.receive():
            self.heard(peer, data)
        if self.client.playing:
            self.hold(self.me, [(self.frame, random.randrange(10))])
            self.frame = self.client.frame = self.frame + 1
            self.client.send_latest(self.since("", b"%d" % (self.frame - AT_ONCE)))

    def heard(self, peer: str, data: bytes) -> None:
        """Inputs; or, for a loss too short for a pause, a question and its answer."""
        if data.startswith(b"!"):
            self.merge(peer, data[1:])
        elif data.startswith(b"?") and self.client.playing:
            self.client.send(b"!" + self.since(peer, data[1:]))
        elif data.startswith(b"["):
            inputs = json.loads(data)
            self.hold(peer, inputs)
            if self.hole(peer) < inputs[0][0] and self.client.playing:
                self.client.send(b"?" + self.mark(peer))

    def mark(self, peer: str) -> bytes:
        return b"%d" % self.hole(peer)

    def since(self, _peer: str, mark: bytes) -> bytes:
        return json.dumps(self.held(self.me, int(mark))).encode()

    def merge(self, peer: str, data: bytes) -> None:
        self.hold(peer, json.loads(data))

    def snapshot(self) -> bytes:  # for a program that has just started
        return json.dumps(self.whole(self.frame)).encode()

    def restore(self, snapshot: bytes) -> None:
        self.become(*json.loads(snapshot))
        self.frame = self.client.frame = self.confirmed


async def main() -> None:
    table = Table(PLAYERS, Game)
    await table.play()
    await table.outage("alice", "bob", 2.0)
    await table.play()
    table.compare()
    table.reload("bob")
    await table.play()
    await table.end()
    table.compare()


if __name__ == "__main__":
    asyncio.run(main())
