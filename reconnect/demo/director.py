"""Director: starts the demo's processes, cuts the wire, mends it, and hears what came of it."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable
from contextlib import AsyncExitStack
from math import inf
from pathlib import Path
from typing import Any

from attrs import define, field

from reconnect.core.messages import Reason
from reconnect.demo.processes import Process
from reconnect.demo.timeline import SERVER, Timeline
from reconnect.demo.verdict import CONTROL_FAULTS, LINK_FAULTS, Plan, Verdict, judge
from reconnect.errors import ReconnectError
from reconnect.testing.path import UdpPath
from reconnect.testing.remote import PathServer
from reconnect.testing.tcp import TcpProxy

NAMES = ("alice", "bob", "carol", "dave")
START_TIMEOUT = 60.0  # s; two cores may have to start five interpreters
PLAY_BEFORE = 2.0  # s of undisturbed play
FRAMES_AFTER = 45  # to play on when all is well again
SETTLE = 30.0  # s for what has no deadline of its own


class DemoFailed(ReconnectError):
    """The demo could not be shown; its sentence says what to look at."""


@define(eq=False)
class Director:
    """One run."""

    plan: Plan
    on_line: Callable[[float, str, str], None]
    folder: Path = field(factory=lambda: Path(tempfile.mkdtemp(prefix="reconnect-demo-")))
    timeline: Timeline = field(init=False)
    _processes: dict[str, Process] = field(init=False, factory=dict)

    def __attrs_post_init__(self) -> None:
        self.timeline = Timeline(list(NAMES[: self.plan.players]), self.on_line)

    @property
    def trace(self) -> Path:
        """Where the coordinator's trace lies."""
        return self.folder / "trace.jsonl"

    async def run(self) -> Verdict:
        """Play, disturb, and judge; raises `DemoFailed` if a process does not come up."""
        async with AsyncExitStack() as stack:
            path = UdpPath(seed=self.plan.seed)
            stack.callback(path.close)
            paths = PathServer(path)
            await paths.start()
            stack.callback(paths.close)
            stack.push_async_callback(self._stop)
            await self._start_server()
            proxies = await self._start_players(paths.address, stack)
            await self._play_before()
            await self._disturb(path, proxies)
            await self._finish()
        return judge(self.plan, self.timeline, trace=str(self.trace))

    # -- the processes ---------------------------------------------------------------------------

    async def _start_server(self) -> None:
        await self._spawn(
            SERVER,
            "reconnect.demo.server",
            {
                "players": self.timeline.players,
                "timeout": self.plan.timeout,
                "trace": str(self.trace),
            },
        )
        await self._expect(lambda: self.timeline.ready is not None, "the server to start")

    async def _start_players(
        self, path: tuple[str, int], stack: AsyncExitStack
    ) -> dict[str, TcpProxy]:
        ready = self.timeline.ready
        assert ready is not None
        proxies = {}
        for player in self.timeline.players:
            proxies[player] = proxy = TcpProxy("127.0.0.1", ready["port"])
            await proxy.start()
            stack.callback(proxy.close)
            await self._spawn(
                player,
                "reconnect.demo.player",
                {
                    "player": player,
                    "players": self.timeline.players,
                    "session": ready["session"],
                    "token": ready["tokens"][player],
                    "url": f"http://127.0.0.1:{proxy.port}",
                    "path": path,
                    "seed": self.plan.seed,
                },
            )
        return proxies

    async def _spawn(self, name: str, module: str, config: dict[str, Any]) -> None:
        log = self.folder / f"{name}.log"
        self._processes[name] = process = Process(name, module, log, self.timeline.hear)
        await process.start(config)

    async def _stop(self) -> None:
        await asyncio.gather(*(process.ended() for process in self._processes.values()))

    async def _expect(self, condition: Callable[[], bool], what: str) -> None:
        def settled() -> bool:
            return condition() or bool(self.timeline.gone)

        if not await self.timeline.until(settled, within=START_TIMEOUT) or not condition():
            gone = ", ".join(sorted(self.timeline.gone)) or "nobody"
            raise DemoFailed(f"waited for {what}; {gone} has exited; see {self.folder}/*.log")

    # -- the play --------------------------------------------------------------------------------

    async def _play_before(self) -> None:
        await self._expect(lambda: self.timeline.all_play(after=0.0), "the game to start")
        await asyncio.sleep(PLAY_BEFORE)

    async def _disturb(self, path: UdpPath, proxies: dict[str, TcpProxy]) -> None:
        plan, timeline = self.plan, self.timeline
        first, second = timeline.players[:2]
        what = {"link": f"the link {first}-{second}", "control": f"{first}'s control link"}
        cut = what.get(plan.fault, f"the link {first}-{second} and {first}'s control link")
        if plan.fault in LINK_FAULTS:
            path.cut(first, second, mode=plan.path)
        if plan.fault in CONTROL_FAULTS:
            proxies[first].freeze()
        timeline.cut_at = timeline.did(f"cut: {cut}, {_lasting(plan.outage)}")
        over = await timeline.until(lambda: timeline.all_ended, within=plan.outage)
        if over:
            return
        path.mend(first, second)
        if plan.fault in CONTROL_FAULTS:
            # what a cut wire swallowed does not come back: the old connections are dead
            proxies[first].resume()
        timeline.mended_at = timeline.did("the path is back")
        await timeline.until(self._settled, within=SETTLE + plan.policy.give_up_timeout)

    def _settled(self) -> bool:
        """Whether everybody has played on after the last pause, or the game is over."""
        timeline = self.timeline
        if timeline.all_ended:
            return True
        assert timeline.cut_at is not None
        for player in timeline.players:
            paused_at = timeline.first(player, "Paused", after=timeline.cut_at)
            if paused_at is None:
                if self.plan.outage > self.plan.pauses_after:
                    return False
            elif timeline.plays_after(player, paused_at) is None:
                return False
        return True

    async def _finish(self) -> None:
        """Play to the same last frame everywhere, so that the books can be closed."""
        timeline = self.timeline
        if not timeline.all_ended:
            stop_at = timeline.frame + FRAMES_AFTER
            for player in timeline.players:
                self._processes[player].order({"stop_at": stop_at})
            await timeline.until(
                lambda: timeline.all_ended or timeline.done >= set(timeline.players), within=SETTLE
            )
        if not timeline.all_ended:
            self._processes[SERVER].order({"end": Reason.COMPLETED})
            await timeline.until(lambda: timeline.all_ended, within=SETTLE)
        self._processes[SERVER].order({"final": True})
        await timeline.until(lambda: SERVER in timeline.finals, within=SETTLE)


def _lasting(seconds: float) -> str:
    return "for ever" if seconds == inf else f"for {seconds:g} s"
