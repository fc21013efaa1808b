"""Lines: how the processes of the demo talk: JSON objects on standard input and output."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator
from typing import Any

import attrs

from reconnect.core.notices import Notice


def say(event: str, **facts: Any) -> None:
    """Tell the parent; `t` is the clock that all processes of one machine share."""
    line = json.dumps({"event": event, "t": time.monotonic(), **facts}, default=_plain)
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def say_notice(notice: Notice) -> None:
    """Tell the parent what the application heard."""
    say("notice", notice=type(notice).__name__, **attrs.asdict(notice))


async def orders() -> AsyncIterator[dict[str, Any]]:
    """What the parent says, until it is gone."""
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        yield json.loads(line)


def _plain(value: object) -> object:
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    return str(value)
