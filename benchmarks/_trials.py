"""One trial of each kind: what is done to two players, and what comes of it."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from math import inf

from _arms import ARMS
from _game import Books, Game
from _lab import LOOPBACK, PLAYERS, Lab, until
from _measure import OURS
from _processes import Remote
from attrs import define

from reconnect.testing.tcp import TcpProxy

BEFORE = 1.0  # s of play in front of what is done
AFTER = 1.0
PATIENCE = 12.0  # s; who does not play by then counts as never
RELOAD_PATIENCE = 40.0  # s; who waits for a lease to run out needs eleven of them
START_TIMEOUT = 30.0


class NeverStarted(Exception):
    """Two players of this arm did not come together at all."""


@define
class Cut:
    """What one cut of the path led to; seconds, infinity for what never came."""

    paused: float
    """From the cut until both had stopped."""
    back: float
    """From the path's return until both played."""
    sent: int
    books: list[Books]


async def cut(lab: Lab, arm: str, *, mode: str, outage: float, phase: float) -> Cut:
    """Play, cut the path for a while, and play on; all on one event loop."""
    async with lab.table() as table:
        arms = [ARMS[arm](table.seats[player], table.path) for player in PLAYERS]
        for one in arms:
            await one.open()
        games = [Game(one) for one in arms]
        logs = [game.log for game in games]
        if not await until(lambda: all(log.arrived for log in logs), within=START_TIMEOUT):
            raise NeverStarted(arm)
        await asyncio.sleep(BEFORE + phase)

        table.path.cut(*PLAYERS, mode=mode)
        cut_at = time.monotonic()
        await asyncio.sleep(outage)
        table.path.mend(*PLAYERS)
        mended_at = time.monotonic()

        def back() -> float:
            return max(log.back_after(cut_at, mended_at) for log in logs)

        if await until(lambda: back() < inf, within=PATIENCE):
            await asyncio.sleep(AFTER)  # who still played when the path came back may stop yet
            await until(lambda: back() < inf, within=PATIENCE)
        for game in games:
            game.stepping = False
        await asyncio.sleep(AFTER)
        found = Cut(
            max(log.stop_after(cut_at) for log in logs) - cut_at,
            back() - mended_at,
            sum(log.sent for log in logs),
            [Books.of(logs[0], logs[1]), Books.of(logs[1], logs[0])],
        )
        for game in games:
            await game.close()
    return found


@define
class Start:
    """How far apart two players began to play, and were told to; seconds."""

    began: float
    told: float


async def starts(lab: Lab, *, delays: tuple[float, float], runs: int) -> list[Start]:
    """Pause and resume again and again, with so many seconds on the way to each player."""
    found: list[Start] = []
    async with AsyncExitStack() as stack:
        table = await stack.enter_async_context(lab.table(remote=True))
        remotes: list[Remote] = []
        for player, delay in zip(PLAYERS, delays, strict=True):
            seat = table.seats[player]
            seat["url"] = await _through_proxy(stack, seat["url"], delay)
            remotes.append(await stack.enter_async_context(Remote.spawned()))
            remotes[-1].play(OURS, seat)
        await _all_play(OURS, remotes)
        for _ in range(runs):
            await asyncio.sleep(BEFORE)
            table.path.cut(*PLAYERS)
            await until(lambda: not any(one.log.playing for one in remotes), within=PATIENCE)
            table.path.mend(*PLAYERS)
            await _all_play(OURS, remotes)
            one, other = (remote.log for remote in remotes)
            found.append(
                Start(abs(one.starts[-1] - other.starts[-1]), abs(one.told[-1] - other.told[-1]))
            )
    return found


async def reload(lab: Lab, arm: str, *, how: str) -> float:
    """Seconds until all play again after one program ended and another took its place.

    `close` is an orderly end, `kill` one without a word. The new program is there already, as
    how fast a Python starts says nothing about us.
    """
    async with AsyncExitStack() as stack:
        table = await stack.enter_async_context(lab.table(remote=True))
        alice, old, new = [await stack.enter_async_context(Remote.spawned()) for _ in range(3)]
        alice.play(arm, table.seats["alice"])
        old.play(arm, table.seats["bob"])
        await _all_play(arm, [alice, old])
        await asyncio.sleep(BEFORE)

        gone_at = time.monotonic()
        if how == "kill":
            old.kill()
        else:
            old.close()
            await until(lambda: old.closing_at < inf)
            gone_at = old.closing_at
        new.play(arm, table.seats["bob"])

        def back() -> float:
            logs = [alice.log, new.log]
            return max(log.starts[-1] if log.playing else inf for log in logs)

        fresh = await until(
            lambda: gone_at < alice.log.starts[-1] and back() < inf, within=RELOAD_PATIENCE
        )
        return back() - gone_at if fresh else inf


async def _all_play(arm: str, remotes: list[Remote]) -> None:
    if not await until(lambda: all(one.log.playing for one in remotes), within=START_TIMEOUT):
        raise NeverStarted(arm)


async def _through_proxy(stack: AsyncExitStack, url: str, delay: float) -> str:
    proxy = TcpProxy(LOOPBACK, int(url.rpartition(":")[2]), delay=delay)
    await proxy.start()
    stack.callback(proxy.close)
    return f"http://{LOOPBACK}:{proxy.port}"
