"""Faults: everything that a simulation does to a table, by name, with arguments that are JSON."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any, TypeAlias

from attrs import frozen

from reconnect.core.table import State
from reconnect.policy import Topology
from reconnect.testing.simulation.faulty import FaultyTable
from reconnect.testing.simulation.unreliable import Trouble

Arguments: TypeAlias = dict[str, Any]
Draw: TypeAlias = Callable[[Random, FaultyTable], Any]


def _always(_table: FaultyTable) -> bool:
    return True


@frozen
class Fault:
    """One thing that can happen."""

    do: Callable[..., None]
    """A method of `FaultyTable`."""
    arguments: dict[str, Draw]
    """How each of its arguments is drawn."""
    harms: int = 1
    """How many faults it counts for; 0 for what must not pause anybody."""
    lossless: bool = True
    """Whether no link is lost but by this fault itself."""
    fits: Callable[[FaultyTable], object] = _always
    """Whether it can happen here at all."""

    def possible(self, table: FaultyTable) -> bool:
        """Whether it can happen at this table, now."""
        drawn = set(self.arguments.values())
        return (
            bool(self.fits(table))
            and (_running not in drawn or bool(_reachable(table)))
            and (_started not in drawn or bool(table.programs))
        )

    def draw(self, random: Random, table: FaultyTable) -> Arguments:
        """Its arguments; two players are two different ones."""
        drawn = {name: draw(random, table) for name, draw in self.arguments.items()}
        if "other" in drawn:
            others = [player for player in table.players if player != drawn["one"]]
            drawn["other"] = random.choice(others)
        return drawn


def _reachable(table: FaultyTable) -> list[str]:
    """The players to whose programs something can happen."""
    programs = table.living()
    if not programs and table.state is State.ENDED:  # which nothing may undo
        programs = [program for program in table.programs if program.alive]
    running = {program.player for program in programs}
    return [player for player in table.players if player in running]


def _running(random: Random, table: FaultyTable) -> str:
    return random.choice(_reachable(table))


def _started(random: Random, table: FaultyTable) -> str:
    started = {program.player for program in table.programs}
    return random.choice([player for player in table.players if player in started])


def _one_of(*choices: Any) -> Draw:
    return lambda random, _table: random.choice(choices)


def _between(least: float, most: float) -> Draw:
    return lambda random, _table: round(random.uniform(least, most), 3)


def _peers(table: FaultyTable) -> bool:
    return table.policy.topology.peer_to_peer


def _has_games(table: FaultyTable) -> bool:
    return table.policy.topology is not Topology.SERVER


def _goes_on(table: FaultyTable) -> bool:
    return _served(table) and table.state is not State.ENDED


def _served(table: FaultyTable) -> bool:
    return table.coordinator is not None


LONG = _one_of(0.3, 0.7, 1.5, 3.0, 6.0)
PLAYER: dict[str, Draw] = {"player": _running}
SEAT: dict[str, Draw] = {"player": _started}
PAIR: dict[str, Draw] = {"one": _running, "other": _running}
EITHER = _one_of(True, False)

FAULTS: dict[str, Fault] = {
    "control drop": Fault(FaultyTable.control_drop, {**PLAYER, "client": EITHER, "server": EITHER}),
    "control refused": Fault(FaultyTable.control_refused, {**PLAYER, "seconds": LONG}),
    "control half open": Fault(FaultyTable.control_half_open, {**PLAYER, "seconds": LONG}),
    "control clog": Fault(
        FaultyTable.control_clog,
        {**PLAYER, "up": _one_of(True), "down": EITHER, "seconds": LONG, "fresh": EITHER},
    ),
    "deaf": Fault(
        FaultyTable.control_clog,
        {
            **PLAYER,
            "up": _one_of(False),
            "down": _one_of(True),
            "seconds": LONG,
            "fresh": EITHER,
        },
    ),
    "link cut": Fault(
        FaultyTable.link_cut, {**PAIR, "seconds": LONG, "fresh": EITHER}, fits=_peers
    ),
    "link one way": Fault(FaultyTable.link_one_way, {**PAIR, "seconds": LONG}, fits=_peers),
    "link flap": Fault(
        FaultyTable.link_flap,
        {
            **PAIR,
            "times": _one_of(2, 3, 5),
            "off": _between(0.2, 1.2),
            "on": _between(0.1, 0.8),
        },
        harms=5,
        fits=_peers,
    ),
    "link glitch": Fault(
        FaultyTable.link_cut,
        {**PAIR, "seconds": _between(0.4, 0.8), "fresh": _one_of(False)},
        fits=_peers,
    ),
    "link channel": Fault(
        FaultyTable.link_channel, {**PAIR, "lag": _one_of(0.0, 0.1, 0.5)}, fits=_peers
    ),
    "packet loss": Fault(
        FaultyTable.link_weather,
        {"loss": _one_of(0.05, 0.15, 0.3), "seconds": LONG},
        lossless=False,
        fits=_peers,
    ),
    "packet duplication": Fault(
        FaultyTable.link_weather,
        {"duplication": _one_of(0.1, 0.5), "seconds": LONG},
        harms=0,
        fits=_peers,
    ),
    "packet reordering": Fault(
        FaultyTable.link_weather,
        {"reordering": _one_of(0.1, 0.5), "seconds": LONG},
        harms=0,
        fits=_peers,
    ),
    "reload": Fault(
        FaultyTable.player_reload,
        {
            **PLAYER,
            "gone": _one_of(False),
            "after": _one_of(0.0, 0.1, 1.0, None),
            "new_token": _one_of(False, False, False, True),
        },
    ),
    "program killed": Fault(
        FaultyTable.player_reload,
        {
            **PLAYER,
            "gone": _one_of(True),
            "after": _one_of(0.0, 0.1, 1.0, None),
            "new_token": _one_of(False, False, False, True),
        },
    ),
    "duplicate": Fault(
        FaultyTable.player_duplicate, {**SEAT, "stuck": _one_of(0.0, 0.0, 0.5, 3.0)}, harms=3
    ),
    "sleep": Fault(FaultyTable.player_sleep, {**PLAYER, "seconds": _one_of(0.5, 2.0, 5.0)}),
    "stall": Fault(FaultyTable.stall, {**PLAYER, "seconds": _one_of(0.3, 0.9, 2.5, 4.0)}),
    "clock jump": Fault(
        FaultyTable.player_clock_jump, {**PLAYER, "seconds": _one_of(1.0, 5.0, 3600.0)}
    ),
    "leave": Fault(FaultyTable.leave, PLAYER),
    "intruder": Fault(
        FaultyTable.player_intruder,
        {**SEAT, "seconds": _one_of(0.3, 1.0, 2.0)},
        harms=40,
        lossless=False,
    ),
    "forger": Fault(
        FaultyTable.player_forger,
        {
            **SEAT,
            "what": _one_of("void", "void", "another's", "made up"),
            "seconds": _one_of(0.3, 1.0),
        },
        harms=0,
    ),
    "game raises": Fault(FaultyTable.player_game_fails, PLAYER, fits=_has_games),
    "quirk": Fault(
        FaultyTable.player_quirk,
        {**PLAYER, "what": _one_of("hidden", "shown", "busy", "network")},
        harms=0,
    ),
    "server crash": Fault(
        FaultyTable.server_crash,
        {
            "down": _one_of(0.05, 0.3, 2.0),
            "wall_jump": _one_of(0.0, 0.0, 0.0, 0.0, 3600.0, -3600.0),
        },
        fits=_served,
    ),
    "server restart": Fault(
        FaultyTable.server_restart, {"down": _one_of(0.05, 0.3, 2.0)}, fits=_served
    ),
    "server stall": Fault(
        FaultyTable.server_stall, {"seconds": _one_of(0.2, 0.6, 1.4, 2.5)}, harms=2, fits=_served
    ),
    "game ended": Fault(FaultyTable.server_ends_game, {}, fits=_goes_on),
    **{
        f"store {trouble}": Fault(
            FaultyTable.store_trouble,
            {"what": _one_of(str(trouble)), "seconds": _one_of(0.1, 0.5, 2.0)},
            harms=3,
        )
        for trouble in Trouble
    },
}

RARE = {"leave", "game ended", "intruder", "game raises"}
"""What ends many games early."""
IMPOSSIBLE = {("game ended", State.ENDED)}
"""Cells that can never be filled."""
CELLS = {(name, state) for name in FAULTS for state in State} - IMPOSSIBLE
