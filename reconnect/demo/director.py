"""Director: starts the demo's processes, cuts the wire, mends it, and hears what came of it."""

from __future__ import annotations

import asyncio
import tempfile
import time
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
CALM = 2.0  # s in which a pause that should not come would have come
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
    _proxies: dict[str, TcpProxy] = field(init=False, factory=dict)
    _configs: dict[str, dict[str, Any]] = field(init=False, factory=dict)

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
            await self._start_server(port=0)
            ready = self.timeline.ready
            assert ready is not None
            for player in self.timeline.players:
                self._proxies[player] = proxy = TcpProxy("127.0.0.1", ready["port"])
                await proxy.start()
                stack.callback(proxy.close)
                self._configs[player] = self._config(player, ready, paths.address)
                await self._start_player(player)
            await self._expect(lambda: self.timeline.all_play(after=0.0), "the game to start")
            await asyncio.sleep(PLAY_BEFORE)
            await self._disturb(path)
            await self._finish()
        return judge(self.plan, self.timeline, trace=str(self.trace))

    # -- the processes ---------------------------------------------------------------------------

    async def _start_server(self, *, port: int) -> None:
        self.timeline.ready = None
        config = {
            "players": self.timeline.players,
            "timeout": self.plan.timeout,
            "store": str(self.folder / "sessions.db"),
            "trace": str(self.trace),
            "port": port,
        }
        await self._spawn(SERVER, "reconnect.demo.server", config)
        await self._expect(lambda: self.timeline.ready is not None, "the server to start")

    async def _start_player(self, player: str) -> None:
        await self._spawn(player, "reconnect.demo.player", self._configs[player])

    def _config(self, player: str, ready: dict[str, Any], path: tuple[str, int]) -> dict[str, Any]:
        return {
            "player": player,
            "players": self.timeline.players,
            "session": ready["session"],
            "token": ready["tokens"][player],
            "url": f"http://127.0.0.1:{self._proxies[player].port}",
            "path": path,
            "seed": self.plan.seed,
        }

    async def _spawn(self, name: str, module: str, config: dict[str, Any]) -> None:
        log = self.folder / f"{name}.log"
        self._processes[name] = process = Process(name, module, log, self.timeline.hear)
        self.timeline.gone.discard(name)
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

    async def _disturb(self, path: UdpPath) -> None:
        match self.plan.fault:
            case "reload":
                await self._reload(self.timeline.players[0])
            case "server-kill":
                await self._kill_server()
            case _:
                await self._cut(path)
        if not self.timeline.all_ended:
            within = SETTLE + self.plan.policy.give_up_timeout
            await self.timeline.until(self._settled, within=within)

    async def _cut(self, path: UdpPath) -> None:
        plan, timeline = self.plan, self.timeline
        first, second = timeline.players[:2]
        what = {"link": f"the link {first}-{second}", "control": f"{first}'s control link"}
        cut = what.get(plan.fault, f"the link {first}-{second} and {first}'s control link")
        if plan.fault in LINK_FAULTS:
            path.cut(first, second, mode=plan.path)
        if plan.fault in CONTROL_FAULTS:
            self._proxies[first].freeze()
        timeline.cut_at = timeline.did(f"cut: {cut}, {_lasting(plan.outage)}")
        if await timeline.until(lambda: timeline.all_ended, within=plan.outage):
            return
        path.mend(first, second)
        if plan.fault in CONTROL_FAULTS:
            self._proxies[first].resume()
        timeline.mended_at = timeline.did("the path is back")

    async def _reload(self, player: str) -> None:
        timeline, old = self.timeline, self._processes[player]
        timeline.cut_at = timeline.did(f"{player}'s program is closed, and starts again")
        old.order({"close": True})
        await timeline.until(lambda: player in timeline.gone, within=SETTLE)
        await old.ended()
        timeline.begin_again(player)
        timeline.mended_at = timeline.did(f"{player}'s new program starts")
        await self._start_player(player)

    async def _kill_server(self) -> None:
        timeline, down = self.timeline, self.plan.down
        ready = timeline.ready
        assert ready is not None
        self._processes[SERVER].kill()
        timeline.cut_at = timeline.did(f"the server is killed, and is down {_lasting(down)}")
        await self._processes[SERVER].ended()
        await asyncio.sleep(max(0.0, timeline.cut_at + down - time.monotonic()))
        timeline.mended_at = timeline.did("the server starts again")
        await self._start_server(port=ready["port"])

    def _settled(self) -> bool:
        """Whether everybody has played on after the last pause, or the game is over."""
        timeline, plan = self.timeline, self.plan
        if timeline.all_ended:
            return True
        assert timeline.cut_at is not None
        if not plan.pauses:
            return time.monotonic() >= timeline.cut_at + plan.lasts + CALM
        return all(self._plays_on(player, timeline.cut_at) for player in timeline.players)

    def _plays_on(self, player: str, cut_at: float) -> bool:
        paused_at = self.timeline.first(player, "Paused", after=cut_at)
        since = self.timeline.began_at.get(player, paused_at)
        return since is not None and self.timeline.plays_after(player, since) is not None

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
