"""One player as a process. Its first line of input says who it is; at the next it goes away."""

from __future__ import annotations

import asyncio

from _arms import ARMS
from _game import Game

from reconnect.demo.lines import orders, say
from reconnect.testing.remote import RemotePath

LOOK = 0.005  # s between two looks at the log; what is in it has been measured already


async def main() -> None:
    heard = orders()
    say("up")
    seat = await anext(heard)
    arm = ARMS[seat["arm"]](seat, RemotePath(tuple(seat["path"])))
    await arm.open()
    game = Game(arm)
    telling = asyncio.create_task(tell(game))
    await anext(heard, None)
    telling.cancel()
    say("closing")
    await game.close()


async def tell(game: Game) -> None:
    """Say each start and each stop, and when it was told to start."""
    last = None
    while True:
        log = {"starts": game.log.starts, "stops": game.log.stops, "told": game.log.told}
        if (now := {kind: len(instants) for kind, instants in log.items()}) != last:
            last = now
            say("log", **log)
        await asyncio.sleep(LOOK)


if __name__ == "__main__":
    asyncio.run(main())
