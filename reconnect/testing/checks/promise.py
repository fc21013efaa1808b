"""What the checks of adapters have in common: promises, how one is broken, and random stories."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from attrs import frozen
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.strategies import SearchStrategy

T = TypeVar("T")

SHRINKING_MAX = 5.0  # s; a story of a real network that goes wrong may wait in vain each time


class BrokenPromise(AssertionError):
    """An adapter does not keep a word of its port."""

    def __init__(self, promise: Promise, saw: str, *, done: Sequence[str] = ()) -> None:
        self.promise = promise
        self.saw = saw
        self.done = tuple(done)
        lines = [f'a promise of reconnect.ports.{promise.where} is broken: "{promise.words}"', saw]
        if done:
            lines += ["what was done:", *(f"    {one}" for one in done)]
        super().__init__("\n".join(lines))


@frozen
class Promise:
    """A sentence of `reconnect.ports`, word for word; `where` is empty for what all ports say."""

    where: str
    words: str


def explore(stories: SearchStrategy[T], tell: Callable[[T], None], *, examples: int) -> None:
    """Tell so many random stories; raises the `BrokenPromise` of the shortest that breaks one.

    A story that went wrong is not told again, so that chance in the adapter cannot hide it.
    """
    broken: dict[str, BrokenPromise] = {}
    ends_at = float("inf")

    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
        print_blob=False,
    )
    @given(stories)
    def told(story: T) -> None:
        nonlocal ends_at
        key = repr(story)
        if key in broken:
            raise broken[key]
        if time.monotonic() > ends_at:
            return
        try:
            tell(story)
        except BrokenPromise as error:
            ends_at = min(ends_at, time.monotonic() + SHRINKING_MAX)
            broken[key] = error
            raise

    try:
        told()
    except BrokenPromise as error:
        # without Hypothesis' own frames, which tell of nothing in the adapter
        raise error.with_traceback(None) from None
