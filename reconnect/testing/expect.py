"""Expect: an assertion that says why a session, or a client, is where it is."""

from __future__ import annotations

from typing import Protocol


class Explains(Protocol):
    """A `SessionHandle` or a `Client`."""

    def explain(self) -> str: ...


def expect(condition: object, **explained: Explains) -> None:
    """Raise `AssertionError` with everybody's own explanation if `condition` does not hold.

    expect(alice.playing and bob.playing, session=session, alice=alice, bob=bob)
    """
    if not condition:
        reasons = (f"{name}: {one.explain()}" for name, one in explained.items())
        raise AssertionError("\n".join(["not as expected", *reasons]))
