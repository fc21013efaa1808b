"""A player of the demo, a process of its own: `python -m reconnect.demo.player`.

The first line on standard input says whom to play and where; it is not an argument of the
command, because it holds a token, and everybody on a machine can read those.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

from reconnect.client import Client
from reconnect.core.messages import Reason
from reconnect.core.notices import Resumed
from reconnect.core.table import State
from reconnect.demo.lines import orders, say, say_notice
from reconnect.demo.lockstep import Lockstep
from reconnect.links.aiortc import AiortcLinks
from reconnect.signaling.socketio import SocketIOClientSignaling
from reconnect.testing.path_links import PathLinks
from reconnect.testing.remote import RemotePath

STEP = 1 / 30
POLL = 1 / 240  # finer than a step, so that what is measured is the protocol and not this loop
SHOW = 1 / 10
LINGER = 0.5  # s; a page or a window would stay open, too


class Player:
    """One life of one player's program."""

    def __init__(self, config: dict[str, Any]) -> None:
        players: list[str] = config["players"]
        self.me: str = config["player"]
        self.play = Lockstep(
            players,
            self.me,
            seed=config["seed"],
            step_seed=config["seed"] * 1000 + players.index(self.me),
        )
        self.client = Client(
            signaling=SocketIOClientSignaling(config["url"]),
            links=PathLinks(
                AiortcLinks(addresses=["127.0.0.1"]),
                RemotePath(tuple(config["path"])),
                player=self.me,
            ),
            resync=self.play,
            session=config["session"],
            player=self.me,
            token=config["token"],
        )
        self.play.on_restore = self._restored
        self._next_step = 0.0
        self._next_show = 0.0
        self._waits_to_start = True
        self._told_done = False

    async def run(self) -> None:
        """The game loop, until the game is over."""
        while not self.client.ended:
            for notice in self.client.notices():
                say_notice(notice)
                self._waits_to_start |= isinstance(notice, Resumed)
            for player, data in self.client.receive():
                self.play.heard(player, data)
            if self.client.playing:
                self._step(time.monotonic())
            self._show(time.monotonic())
            await asyncio.sleep(POLL)
        self._final()
        if self.client.reason != Reason.CLOSED:
            await asyncio.sleep(LINGER)
        self.client.close()
        await self.client.closed()

    def _restored(self, frame: int) -> None:
        self.client.frame = frame

    def _step(self, now: float) -> None:
        if self._waits_to_start:
            self._waits_to_start = False
            self._next_step = now
            say("plays", frame=self.play.game.frame)
        for data in self.play.owed():
            self.client.send(data)
        if now < self._next_step or not self.play.can_step:
            return
        self._next_step = max(self._next_step + STEP, now - STEP)
        self.play.step()
        for data in self.play.owed():
            self.client.send(data)
        self.client.frame = self.play.game.frame
        if self.play.done and not self._told_done:
            self._told_done = True
            say("done", frame=self.play.game.frame)

    def _show(self, now: float) -> None:
        if now < self._next_show:
            return
        self._next_show = now + SHOW
        say(
            "shows",
            state=self.client.state,
            frame=self.play.game.frame,
            board=self.play.game.board(),
            scores=self.play.game.scores,
            hash=self.play.hashes[-1] if self.play.hashes else "",
            explain="" if self.client.state is State.CONNECTED else self.client.explain(),
        )

    def _final(self) -> None:
        ledgers = self.play.ledgers
        say(
            "final",
            reason=self.client.reason,
            sent=self.play.sent * len(ledgers),
            delivered=sum(one.delivered for one in ledgers.values()),
            lost=sum(one.lost for one in ledgers.values()),
            handed_over=sum(one.handed_over for one in ledgers.values()),
            duplicated=sum(one.duplicated for one in ledgers.values()),
            reordered=sum(one.reordered for one in ledgers.values()),
            first=self.play.first,
            hashes=self.play.hashes,
            stats=self.client.stats(),
        )


async def main() -> None:
    """Play as the first order says, and stop where a later one says."""
    heard = orders()
    player = Player(await anext(heard))

    async def listen() -> None:
        async for order in heard:
            if "close" in order:
                player.client.close()
            else:
                player.play.stop_at = order["stop_at"]
        player.client.close()  # the parent is gone

    listener = asyncio.create_task(listen())
    await player.run()
    listener.cancel()


if __name__ == "__main__":
    asyncio.run(main())
