"""Scene: one instant of everything: the session, its clients, and the connections between them."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, TypeAlias

from attrs import define

from reconnect.testing.abstract.bank import Id

NOBODY = -1
DOWN = -1  # in the place of a session: its process does not run
NO_RECORD = -1  # where no crash can come any more

State: TypeAlias = tuple[Any, ...]
"""A scene, written down: equal for equal scenes."""
Label: TypeAlias = tuple[str, Id]
"""What happened, and the message it is about or `NOBODY`."""


class Fault(StrEnum):
    """What can go wrong."""

    DROP = "drop"
    """A control connection breaks; each end notices at any time or never."""
    SLOW = "slow"
    """What is sent on a control connection takes its time."""
    CRASH = "crash"
    """The coordinator's process dies, also between a save and what was to be said after it."""
    HANG = "hang"
    """The coordinator's process stands still for a while."""
    RELOAD = "reload"
    """A program is closed in order, and started again."""
    VANISH = "vanish"
    """A program is gone without a word, and started again."""
    DIE = "die"
    """A program is gone without a word, for ever."""
    DUPLICATE = "duplicate"
    """A second program of the same player is started."""
    STALL = "stall"
    """A program stands still for a while."""
    LEAVE = "leave"
    """A player leaves for good."""
    FINISH = "finish"
    """The host ends the game."""
    GIVE_UP = "give_up"
    """A client without a connection gives up."""
    STALE_REPORT = "stale_report"
    """A report arrives a second time, at any later time."""
    STALE_VIEW = "stale_view"
    """A view arrives a second time, at any later time."""
    LINK_BREAK = "link_break"
    """The link between two players breaks; one end notices first."""
    LINK_DEATH = "link_death"
    """It breaks, and no link can ever be mended again."""
    FALSE_ALARM = "false_alarm"
    """One end of a link that works takes it for broken."""


@define(eq=False)
class Line:
    """A control connection. Its place among the lines, from 1, is its name for the session."""

    client: int
    """The place of its client; `NOBODY` if that program is gone."""
    player: str
    client_open: bool = True
    server_open: bool = True
    loose: bool = False
    broken: bool = False
    """What is sent is lost; it may be noticed."""
    up_cut: bool = False
    """What is sent this way is lost."""
    down_cut: bool = False
    up: tuple[Id, ...] = ()
    down: tuple[Id, ...] = ()

    def written(self) -> tuple[Any, ...]:
        """As a tuple."""
        return (
            self.client,
            self.player,
            self.client_open,
            self.server_open,
            self.loose,
            self.broken,
            self.up_cut,
            self.down_cut,
            self.up,
            self.down,
        )


@define(eq=False)
class Scene:
    """Everything at one instant."""

    faults: tuple[Fault, ...]
    """Those that may still come."""
    session: Id
    record: Id
    hung: bool
    clients: list[tuple[Id, bool]]
    """Each client, and whether its program stands still."""
    lines: list[Line]
    successors: tuple[str, ...] = ()
    """Players whose next program will be started some time."""
    copy: tuple[str, int, Id] | None = None
    """What will arrive once more: `report` or `view`, the line, and the message."""
    works: frozenset[tuple[int, int]] = frozenset()
    """The clients, by place, between whom there is a link that works."""
    dead: bool = False
    """No link can be mended any more."""
    several: frozenset[str] = frozenset()
    """Players who have had more than one program."""

    @classmethod
    def of(cls, state: State) -> Scene:
        """What is written down, to be changed."""
        faults, session, record, hung, clients, lines, *rest = state
        return cls(
            faults, session, record, hung, list(clients), [Line(*line) for line in lines], *rest
        )

    def line_of(self, client: int) -> Line | None:
        """The connection that a client has, if any."""
        for line in self.lines:
            if line.client == client and line.client_open:
                return line
        return None

    @property
    def up(self) -> bool:
        """Whether the coordinator's process runs."""
        return self.session != DOWN

    def closed_by_client(self, line: Line) -> None:
        line.client_open = False
        line.down = ()

    def closed_by_server(self, line: Line) -> None:
        line.server_open = False
        line.up = ()

    def cut(self, line: Line) -> None:
        """Nothing that is sent from now on arrives."""
        line.loose = line.broken = line.up_cut = line.down_cut = True
