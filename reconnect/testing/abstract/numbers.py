"""Numbers: what can be done to the instants and numbers in a value without changing what it is."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import define

from reconnect.testing.abstract.values import SENT, SEQ


@define(eq=False)
class Older:
    """One second later."""

    def instant(self, when: float, floor: float) -> float:
        return max(floor, when - 1.0)

    def number(self, _kind: str, _owner: str, number: int) -> int | None:
        return number


@define(eq=False)
class Seen:
    """Which numbers there are, for each place in `Folds.places`."""

    places: Mapping[tuple[str, str], int]
    found: list[set[int]]

    def instant(self, when: float, _floor: float) -> float:
        return when

    def number(self, kind: str, owner: str, number: int) -> int | None:
        self.found[self.places[kind, owner]].add(number)
        return number


@define(eq=False)
class Renumbered:
    """Other numbers in the same order."""

    places: Mapping[tuple[str, str], int]
    maps: Mapping[int, Mapping[int, int | None]]

    def instant(self, when: float, _floor: float) -> float:
        return when

    def number(self, kind: str, owner: str, number: int) -> int | None:
        at = self.maps.get(self.places[SEQ if kind == SENT else kind, owner])
        return number if at is None else at[number]


@define(eq=False)
class Forgetful:
    """Only those reports are remembered of which an acknowledgement may come."""

    keep: frozenset[int]

    def instant(self, when: float, _floor: float) -> float:
        return when

    def number(self, kind: str, _owner: str, number: int) -> int | None:
        return None if kind == SENT and number not in self.keep else number


def least(numbers: frozenset[int], gap: int) -> Mapping[int, int | None]:
    """The least numbers with the same order and no gap wider than before, or than `gap`."""
    new: dict[int, int | None] = {0: 0}
    last = latest = 0
    for number in sorted(numbers - {0}):
        latest += min(number - last, gap)
        new[number] = latest
        last = number
    return new
