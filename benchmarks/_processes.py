"""Players as processes of their own: for what one event loop would hide, or could not do."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from math import inf
from pathlib import Path
from typing import Any

from _game import Log
from _lab import until

PLAYER = Path(__file__).with_name("_player.py")
ENDING_TIMEOUT = 10.0


class Remote:
    """One player's process, and what it has said."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.log = Log()
        self.closing_at = inf
        self._process = process
        self._up = False
        self._listening = asyncio.create_task(self._listen())

    @classmethod
    @asynccontextmanager
    async def spawned(cls) -> AsyncIterator[Remote]:
        """A process that has imported everything, and waits to be told whom to play."""
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            sys.executable, str(PLAYER), stdin=pipe, stdout=pipe
        )
        remote = cls(process)
        try:
            await until(lambda: remote._up)
            yield remote
        finally:
            await remote._ended()

    def play(self, arm: str, seat: dict[str, Any]) -> None:
        self._order({"arm": arm, **seat})

    def close(self) -> None:
        """Let it go away in order."""
        self._order({})

    def kill(self) -> None:
        self._process.kill()

    def _order(self, order: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order).encode() + b"\n")

    async def _listen(self) -> None:
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            match json.loads(line):
                case {"event": "up"}:
                    self._up = True
                case {"event": "closing", "t": instant}:
                    self.closing_at = instant
                case {"event": "log", "starts": starts, "stops": stops, "told": told}:
                    self.log = Log(starts, stops, told)

    async def _ended(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), ENDING_TIMEOUT)
        except TimeoutError:
            self._process.kill()
        await self._listening
