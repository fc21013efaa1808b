"""What a test asks of a table, and a clear word where it cannot be had.

`__tracebackhide__` lets pytest show the line that asked for it in place of ours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from inspect import iscoroutinefunction
from math import inf
from typing import Any, Protocol

from attrs import fields

from reconnect.client import Client
from reconnect.policy import Policy
from reconnect.testing.network import ANYBODY

NAMES = ("ann", "ben", "cas", "dee", "eve", "fay", "gus", "hal")
TOGETHER = (("snapshot", "restore"), ("mark", "since", "merge"))
"""What a game has all of, or none."""


class Game(Protocol):
    """One program of a player, as a table wants it; it may be `Snapshots` or `Marks` as well."""

    client: Client
    """Given to it before the first `turn`."""

    def turn(self) -> None:
        """One pass of the loop: read notices, receive, and step if `client.playing`."""
        ...


def policy_of(policy: Policy | None, rules: Mapping[str, Any]) -> Policy:
    """The whole policy that was given, or one that has these values."""
    __tracebackhide__ = True
    if unknown := rules.keys() - {one.name for one in fields(Policy)}:
        raise TypeError(f"neither a table nor a policy has {', '.join(sorted(unknown))}")
    if policy is None:
        return Policy(**rules)
    if rules:
        raise TypeError(f"a whole policy and {', '.join(rules)} are given: evolve() the policy")
    return policy


def names_of(players: Sequence[str] | int) -> tuple[str, ...]:
    """The players that were named, or as many as are wanted."""
    __tracebackhide__ = True
    if isinstance(players, str):
        raise TypeError(f"players is {players!r}; give a list of names, or how many there are")
    if not isinstance(players, int):
        return tuple(players)
    if not 1 <= players <= len(NAMES):
        raise ValueError(f"players is {players}; 1 to {len(NAMES)} have names, others need them")
    return NAMES[:players]


def check_game(game: Any) -> None:
    """Say what is missing now, and not in the middle of a test."""
    __tracebackhide__ = True
    kind = type(game).__name__
    if not callable(getattr(game, "turn", None)):
        raise TypeError(f"the game is a {kind}, which has no method turn(): one pass of its loop")
    if iscoroutinefunction(game.turn):
        raise TypeError(f"{kind}.turn is async; virtual time has no event loop: make it a `def`")
    for together in TOGETHER:
        missing = [name for name in together if not hasattr(game, name)]
        if len(missing) == 1:
            others = " and ".join(name for name in together if name not in missing)
            raise TypeError(f"{kind} has {others}, and no {missing[0]}: it needs all, or none")


def check_seconds(seconds: float, what: str) -> None:
    """Time goes forward, and a test has an end."""
    __tracebackhide__ = True
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise TypeError(f"{what} is {seconds!r}, and no number of seconds")
    if not 0 <= seconds < inf:
        raise ValueError(f"{what} is {seconds!r}; it takes 0 seconds or more, and has an end")


def check_step(step: float) -> None:
    """Time has to pass between two turns."""
    __tracebackhide__ = True
    check_seconds(step, "step")
    if not step:
        raise ValueError(f"step is {step!r}; say how many seconds lie between two turns")


def check_players(players: Sequence[str], *, among: Sequence[str]) -> None:
    """One player, or two different ones; `ANYBODY` is always there."""
    __tracebackhide__ = True
    for player in players:
        if player not in (*among, ANYBODY):
            there = ", ".join(map(repr, among))
            raise LookupError(f"no player {player!r} is at this table; there are {there}")
    if len(players) > 1 and len(set(players)) == 1 and ANYBODY not in players:
        raise ValueError(f"{players[0]!r} has no link to itself; name two players, or one")
