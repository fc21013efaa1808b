"""What a test asks of a table."""

import pytest

from reconnect import Policy
from reconnect.errors import PolicyError
from reconnect.testing.network import ANYBODY
from reconnect.testing.options import (
    NAMES,
    check_game,
    check_players,
    check_step,
    names_of,
    policy_of,
)


class Plain:
    def turn(self): ...


def test_a_policy_is_given_whole_or_by_what_matters_in_it():
    """Both ways give the same; with nothing it is the default."""
    assert policy_of(None, {"outage_timeout": 10.0}) == Policy(outage_timeout=10.0)
    assert policy_of(Policy(countdown=3.0), {}) == Policy(countdown=3.0)
    assert policy_of(None, {}) == Policy()


def test_a_policy_is_not_given_twice():
    """A value beside a whole policy would be lost without a word."""
    with pytest.raises(TypeError, match="a whole policy and countdown are given"):
        policy_of(Policy(), {"countdown": 3.0})


def test_an_option_that_nobody_has_is_named():
    """A slip of the pen does not go through as a default."""
    with pytest.raises(TypeError, match="neither a table nor a policy has outage_timout"):
        policy_of(None, {"outage_timout": 3.0})


def test_what_a_policy_refuses_is_refused():
    """The policy's own sentence says why."""
    with pytest.raises(PolicyError, match=r"outage_timeout is 0\.1 s"):
        policy_of(None, {"outage_timeout": 0.1})


def test_players_are_names_or_how_many():
    """Numbers give the same names each time."""
    assert names_of(["zoe", "yan"]) == ("zoe", "yan")
    assert names_of(3) == ("ann", "ben", "cas")
    assert names_of(len(NAMES)) == NAMES


@pytest.mark.parametrize("many", [0, -1, len(NAMES) + 1])
def test_a_number_of_players_without_names_is_refused(many):
    """The sentence says how many there can be."""
    with pytest.raises(ValueError, match=f"players is {many}; 1 to 8"):
        names_of(many)


def test_one_name_is_not_taken_for_a_list_of_letters():
    """`players="ann"` would be three players."""
    with pytest.raises(TypeError, match="players is 'ann'; give a list"):
        names_of("ann")


@pytest.mark.parametrize("has", [(), ("snapshot", "restore"), ("mark", "since", "merge")])
def test_a_game_has_all_of_a_port_or_nothing_of_it(has):
    """What the resync asks for is optional."""
    check_game(type("Game", (Plain,), dict.fromkeys(has, Plain.turn))())


def test_one_word_that_means_something_else_is_no_mistake():
    """A game of noughts and crosses may have a `mark` of its own."""
    check_game(type("Game", (Plain,), {"mark": Plain.turn})())


@pytest.mark.parametrize(
    ("has", "said"),
    [
        (["snapshot"], "Game has snapshot, and no restore"),
        (["restore"], "Game has restore, and no snapshot"),
        (["mark", "merge"], "Game has mark and merge, and no since"),
    ],
)
def test_half_of_what_the_resync_asks_for_is_refused(has, said):
    """Otherwise the game would silently count as one that cannot be handed over."""
    with pytest.raises(TypeError, match=said):
        check_game(type("Game", (Plain,), dict.fromkeys(has, Plain.turn))())


def test_a_game_without_turn_is_refused():
    """Also what a factory forgot to return."""
    with pytest.raises(TypeError, match=r"the game is a NoneType, which has no method turn\(\)"):
        check_game(None)


def test_an_async_turn_is_refused():
    """It would be a coroutine that nobody awaits."""

    class Async:
        async def turn(self): ...

    with pytest.raises(TypeError, match=r"Async\.turn is async"):
        check_game(Async())


@pytest.mark.parametrize("players", [["ann"], ["ann", "ben"], ["ann", ANYBODY], [ANYBODY] * 2])
def test_players_at_the_table_and_anybody_may_be_named(players):
    """One, two, or one and all others."""
    check_players(players, among=["ann", "ben"])


def test_who_is_not_at_the_table_cannot_be_named():
    """The sentence says who is."""
    with pytest.raises(LookupError, match="no player 'bne' is at this table; there are 'ann', 'b"):
        check_players(["ann", "bne"], among=["ann", "ben"])


def test_nobody_has_a_link_to_themselves():
    """A cut of it would do nothing."""
    with pytest.raises(ValueError, match="'ann' has no link to itself"):
        check_players(["ann", "ann"], among=["ann", "ben"])


@pytest.mark.parametrize("step", [0, -1.0, float("inf"), float("nan")])
def test_time_passes_between_two_turns(step):
    """Otherwise a table would stand still for ever."""
    check_step(0.01)
    with pytest.raises(ValueError, match=f"step is {step}; "):
        check_step(step)
