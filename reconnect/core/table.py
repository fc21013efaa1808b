"""The five states and every move between them, as data.

`ROWS` is the definition; `MACHINE` is a `transitions.Machine` built from it, and `NEXT` a dict
compiled from that machine's own transitions, because a dict costs a fortieth of a dispatch
through the machine. What makes a move happen is decided in `session` and `peer`, where it can be
read; nothing but `move` says where a move leads.
"""

from __future__ import annotations

from enum import StrEnum

from attrs import frozen
from transitions import Machine

from reconnect.errors import RefusedMove


class State(StrEnum):
    """What the coordinator says of a session, and what a client tells its application."""

    CONNECTED = "connected"
    PAUSED = "paused"
    RECONNECTING = "reconnecting"
    RESUMED = "resumed"
    ENDED = "ended"


class Trigger(StrEnum):
    """What makes a move."""

    PAUSE = "pause"
    RECOVER = "recover"
    RESUME = "resume"
    CONNECT = "connect"
    END = "end"


@frozen
class Row:
    """One move; `client_only` where a client alone can see it, because it missed a view."""

    trigger: Trigger
    source: State
    dest: State
    why: str
    client_only: bool = False


ROWS = (
    Row(Trigger.PAUSE, State.CONNECTED, State.PAUSED, "a player or a link is lost"),
    Row(Trigger.RECOVER, State.PAUSED, State.RECONNECTING, "everybody is known to have stopped"),
    Row(Trigger.RESUME, State.RECONNECTING, State.RESUMED, "everybody is back and ready"),
    Row(Trigger.CONNECT, State.RESUMED, State.CONNECTED, "everybody plays"),
    Row(Trigger.PAUSE, State.RESUMED, State.PAUSED, "lost again before everybody played"),
    Row(Trigger.PAUSE, State.RECONNECTING, State.PAUSED, "a newer epoch", client_only=True),
    Row(Trigger.RESUME, State.PAUSED, State.RESUMED, "a missed view", client_only=True),
    Row(Trigger.END, State.CONNECTED, State.ENDED, "the game is over"),
    Row(Trigger.END, State.PAUSED, State.ENDED, "deadline, or the game is over"),
    Row(Trigger.END, State.RECONNECTING, State.ENDED, "deadline, or the game is over"),
    Row(Trigger.END, State.RESUMED, State.ENDED, "the game is over"),
)

INITIAL = State.PAUSED
"""A session is born paused, so that its first start is the ordinary barrier."""

LIVING = frozenset(State) - {State.ENDED}


def build(rows: tuple[Row, ...]) -> Machine:
    """A machine of these rows, without a model: `machine.events[trigger].trigger(obj)` moves one.

    `transitions` accepts a mistyped source silently, so the rows are checked here.
    """
    for row in rows:
        assert isinstance(row.source, State), row
        assert isinstance(row.dest, State), row
        assert isinstance(row.trigger, Trigger), row
    assert len({(row.trigger, row.source) for row in rows}) == len(rows), "two rows for one move"
    return Machine(
        model=None,
        states=[str(state) for state in State],
        initial=str(INITIAL),
        transitions=[[str(row.trigger), str(row.source), str(row.dest)] for row in rows],
        auto_transitions=False,
    )


def compiled(machine: Machine) -> dict[tuple[State, Trigger], State]:
    """What the machine itself says of every move it allows."""
    return {
        (State(transition.source), Trigger(name)): State(str(transition.dest))
        for name, event in machine.events.items()
        for transitions in event.transitions.values()
        for transition in transitions
    }


MACHINE = build(ROWS)
NEXT = compiled(MACHINE)
COORDINATOR_MOVES = frozenset((row.source, row.trigger) for row in ROWS if not row.client_only)


def move(state: State, trigger: Trigger) -> State:
    """Where `trigger` leads from `state`; raises `RefusedMove` where there is no such row."""
    try:
        return NEXT[state, trigger]
    except KeyError:
        raise RefusedMove(state, trigger) from None
