"""Asynchronous iteration over what a session or a client is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Protocol, TypeVar

from reconnect.core.notices import Notice
from reconnect.unread import Unread

N = TypeVar("N", bound=Notice)


class Hearer(Protocol[N]):
    """Whoever is told notices: a `SessionHandle`, a `Client`."""

    @property
    def unread(self) -> Unread[N]: ...


async def notices(hearer: Hearer[N]) -> AsyncIterator[N]:
    """Every notice, one at a time, as it comes; ends behind `Ended`.

    A notice counts as read when the loop gets it. Who breaks off leaves the rest unread, for
    `hearer.notices()` or another iteration; two at once share the notices between them.
    """
    loop, news = asyncio.get_running_loop(), asyncio.Event()

    def wake() -> None:
        # it may be called in another thread, and once more after this loop has been closed
        if not loop.is_closed():
            loop.call_soon_threadsafe(news.set)

    cancel = hearer.unread.listen(wake)
    try:
        while not hearer.unread.over:
            news.clear()
            while (notice := hearer.unread.pop()) is not None:
                yield notice
            if not hearer.unread.over:
                await news.wait()
    finally:
        cancel()
