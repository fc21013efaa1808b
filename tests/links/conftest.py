"""Fixtures for links over loopback."""

import asyncio
import gc
from collections.abc import AsyncIterator
from typing import Any

import pytest

from reconnect.testing.path import UdpPath
from tests.links.pair import Pair, until


@pytest.fixture
async def path() -> AsyncIterator[UdpPath]:
    """And no test may leave a task, a socket, or an exception that nobody heard of."""
    unheard: list[dict[str, Any]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: unheard.append(context))
    path = UdpPath(seed=1)
    yield path
    path.close()
    await until(lambda: len(asyncio.all_tasks()) == 1)
    gc.collect()
    await asyncio.sleep(0)
    assert not unheard


@pytest.fixture
async def pair(path: UdpPath) -> AsyncIterator[Pair]:
    pair = Pair(path)
    yield pair
    await pair.ends_all()
