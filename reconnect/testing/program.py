"""Program: one life of a player's program, with its clock, its game and its client."""

from __future__ import annotations

from typing import Any

from attrs import define, field

from reconnect.testing.virtual import VirtualProcess
from reconnect.testing.witness import Witness


@define(eq=False)
class Program:
    """A player may have had several; a `Table` keeps them all."""

    player: str
    number: int
    """From 1; the last one of a player is the present one."""
    token: str = field(repr=False)
    game: Any
    process: VirtualProcess
    client: Witness

    @property
    def name(self) -> str:
        return f"{self.player}.{self.number}"

    @property
    def alive(self) -> bool:
        return self.process.alive

    @property
    def hangs(self) -> bool:
        """Whether it is stalled, or its machine asleep."""
        return self.process.outer.now() < self.process.stalled_until

    @property
    def playing(self) -> bool:
        """Whether it may take a step now. Who is gone or hangs is not even asked."""
        return self.alive and not self.hangs and self.client.playing
