"""The dict, the machine and the rows say the same."""

import itertools

import pytest
from attrs import define
from transitions import MachineError

from reconnect.core.table import (
    COORDINATOR_MOVES,
    INITIAL,
    LIVING,
    MACHINE,
    NEXT,
    ROWS,
    Row,
    State,
    Trigger,
    build,
    compiled,
    move,
)
from reconnect.errors import RefusedMove

EVERY_PAIR = list(itertools.product(State, Trigger))
NOT_A_STATE = "pausd"


@define
class Slotted:
    """What the machine moves: an object without a `__dict__`."""

    state: str


def moved_by_the_machine(state, trigger):
    """Where the machine itself takes an object, or None where it refuses."""
    model = Slotted(str(state))
    try:
        MACHINE.events[str(trigger)].trigger(model)
    except MachineError:
        assert model.state == state, "a refused move changed the state"
        return None
    return State(model.state)


@pytest.mark.parametrize(("state", "trigger"), EVERY_PAIR)
def test_dict_and_machine_agree(state, trigger):
    """On every state and trigger, `move`, the dict, the machine and the rows have one answer."""
    rows = [row.dest for row in ROWS if (row.source, row.trigger) == (state, trigger)]
    expected = rows[0] if rows else None
    assert NEXT.get((state, trigger)) == expected
    assert moved_by_the_machine(state, trigger) == expected
    if expected is not None:
        assert move(state, trigger) is expected


@pytest.mark.parametrize("pair", [pair for pair in EVERY_PAIR if pair not in NEXT])
def test_a_move_without_a_row_is_refused(pair):
    """`move` raises, with the state and the trigger as facts."""
    with pytest.raises(RefusedMove) as caught:
        move(*pair)
    assert (caught.value.state, caught.value.trigger) == pair


def test_the_machine_has_these_states_and_triggers_and_no_others():
    """`transitions` has added no trigger of its own."""
    assert set(MACHINE.states) == set(State)
    assert set(MACHINE.events) == set(Trigger)
    assert MACHINE.initial == INITIAL is State.PAUSED
    assert compiled(MACHINE) == NEXT


def test_ended_has_no_exit():
    """Nothing leads out of the end, and everything living leads into it."""
    assert [row for row in ROWS if row.source is State.ENDED] == []
    assert {row.source for row in ROWS if row.trigger is Trigger.END} == LIVING
    assert {*LIVING, State.ENDED} == set(State)


def test_every_row_can_be_reached():
    """From birth, over the coordinator's own moves alone, every state is reached."""
    reached = {INITIAL}
    for _ in State:
        reached |= {NEXT[pair] for pair in COORDINATOR_MOVES if pair[0] in reached}
    assert reached == set(State)
    assert {row.source for row in ROWS} <= reached


def test_what_only_a_client_sees_is_no_move_of_the_coordinator():
    """The moves of a client that missed a view are marked, and only these two are."""
    client_only = {(row.source, row.trigger) for row in ROWS if row.client_only}
    assert client_only == {
        (State.RECONNECTING, Trigger.PAUSE),
        (State.PAUSED, Trigger.RESUME),
    }
    assert NEXT.keys() - client_only == COORDINATOR_MOVES


def test_a_mistyped_row_is_refused():
    """`transitions` would accept a state that does not exist, and so would nobody notice."""
    wrong = Row(Trigger.PAUSE, NOT_A_STATE, State.PAUSED, "mistyped")
    with pytest.raises(AssertionError):
        build((*ROWS, wrong))


def test_two_rows_for_one_move_are_refused():
    """Of two rows for one state and trigger the second would never be seen."""
    with pytest.raises(AssertionError):
        build((*ROWS, Row(Trigger.PAUSE, State.CONNECTED, State.ENDED, "twice")))
