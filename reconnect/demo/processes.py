"""Processes: the demo's server and players, as the parent sees them."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from attrs import define, field

LINE_MAX = 1 << 20  # a player's last line has the hash of every frame
ENDING_TIMEOUT = 10.0  # s; a process that is asked to end and does not is killed


@define(eq=False)
class Process:
    """One child; what it says is heard line by line."""

    name: str
    module: str
    log: Path
    """Where its errors go."""
    hear: Callable[[str, dict[str, Any]], None]
    process: asyncio.subprocess.Process | None = None
    _listening: asyncio.Task[None] | None = None
    _errors: Any = field(default=None, repr=False)

    async def start(self, config: dict[str, Any]) -> None:
        """Start it, and give it its first order."""
        self._errors = self.log.open("w", encoding="utf-8")
        self.process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            self.module,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=self._errors,
            limit=LINE_MAX,
        )
        self._listening = asyncio.create_task(self._listen())
        self.order(config)

    def order(self, order: dict[str, Any]) -> None:
        """Say something to it; lost if it is gone."""
        assert self.process is not None
        assert self.process.stdin is not None
        if self.process.returncode is None:
            self.process.stdin.write(json.dumps(order).encode() + b"\n")

    def kill(self) -> None:
        """As a crash does it: without a word."""
        assert self.process is not None
        self.process.kill()

    async def ended(self) -> int:
        """Let it end by itself, or else kill it; its exit status."""
        assert self.process is not None
        assert self.process.stdin is not None
        self.process.stdin.close()
        try:
            status = await asyncio.wait_for(self.process.wait(), ENDING_TIMEOUT)
        except TimeoutError:
            self.process.kill()
            status = await self.process.wait()
        if self._listening is not None:
            await self._listening
        self._errors.close()
        return status

    async def _listen(self) -> None:
        assert self.process is not None
        assert self.process.stdout is not None
        while line := await self.process.stdout.readline():
            self.hear(self.name, json.loads(line))
        self.hear(self.name, {"event": "gone"})
