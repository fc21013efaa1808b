"""What is left behind is found, and a check says where it may be called."""

import asyncio

import pytest

from reconnect.testing.checks import scene
from reconnect.testing.checks.promise import BrokenPromise
from reconnect.testing.checks.scene import Times, run_clean, shown

TIMES = Times(patience=0.05, quiet=0.01)


def test_a_task_that_is_left_is_named():
    """By its coroutine."""

    async def forgotten():
        await asyncio.sleep(3600)

    async def play():
        play.task = asyncio.create_task(forgotten())

    with pytest.raises(BrokenPromise, match=r"tasks are left: .*forgotten") as caught:
        run_clean(play, TIMES)
    assert caught.value.promise == scene.TASKS


def test_a_task_that_ends_in_time_is_not_left():
    """It may take a moment."""

    async def play():
        play.task = asyncio.create_task(asyncio.sleep(0.01))

    run_clean(play, Times(patience=5.0, quiet=0.01))


def test_an_exception_that_nobody_heard_of_is_told():
    """It would have been a line in a log."""

    async def play():
        asyncio.get_running_loop().call_soon(lambda: 1 / 0)
        await asyncio.sleep(0.01)

    with pytest.raises(BrokenPromise, match=r"nobody heard of this.*ZeroDivisionError"):
        run_clean(play, TIMES)


def test_a_long_message_is_cut():
    """A line of a report stays a line."""
    assert shown({"a": 1}) == "{'a': 1}"
    assert shown("x" * 1000).endswith("... (1002 characters)")
    assert len(shown("x" * 1000)) < 120
