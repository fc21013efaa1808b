"""Many games: what is drawn, what is asked for, and what is kept."""

from itertools import count

import pytest

from reconnect.testing.lockstep import Lockstep
from reconnect.testing.simulation import Story, simulate
from reconnect.testing.simulation.setting import drawn_setting


class Counter:
    """Sends to everybody, which nobody can where the server is the game."""

    def __init__(self, me):
        self.frame = 0

    def turn(self):
        self.client.notices()
        self.client.receive()
        if self.client.playing:
            self.client.send(b"%d" % self.frame)
            self.frame += 1
            self.client.frame = self.frame


class Fragile(Counter):
    """Does not like to be alone for long."""

    def turn(self):
        super().turn()
        if self.client.state == "reconnecting" and self.frame:
            raise ZeroDivisionError("nobody there")


def test_without_wishes_everything_is_drawn():
    """The same for the same seed."""
    (outcome,) = simulate(seeds=[3])
    assert outcome.setting == drawn_setting(3)


def test_nothing_is_lost_whatever_happens():
    """Messages are held against what was sent, whatever the game makes of them."""
    seen = simulate(
        Counter, seeds=range(6), check=lambda table: table.intruded or table.assert_nothing_lost()
    )
    assert len(seen) == 6


def test_players_and_topology_can_be_wished_for():
    """The rest is drawn."""
    outcomes = simulate(seeds=range(3), players=3, topology="star")
    for seed, outcome in enumerate(outcomes):
        drawn = drawn_setting(seed)
        assert outcome.setting.players == ("ann", "ben", "cas")
        assert outcome.setting.policy.topology == "star"
        assert outcome.setting.policy.lease == drawn.policy.lease
        assert outcome.setting.weather == drawn.weather


def test_who_comes_late_does_so_by_any_name():
    """And is always one of the players."""
    late = next(seed for seed in range(200) if drawn_setting(seed).late)
    (outcome,) = simulate(seeds=[late], players=["zoe", "yan", "xi", "wu", "vic"])
    assert outcome.setting.late
    assert set(outcome.setting.late) <= set(outcome.setting.players)


def test_a_game_of_ones_own_has_players_who_send_to_each_other():
    """Unless a topology is wished for in which they do not."""
    served = [seed for seed in range(60) if drawn_setting(seed).policy.topology == "server"][:1]
    (outcome,) = simulate(Counter, seeds=served)
    assert outcome.setting.policy.topology == "mesh"
    with pytest.raises(AssertionError, match="nobody to send to"):
        simulate(Counter, seeds=served, topology="server")


def test_a_game_that_goes_wrong_is_kept_as_a_short_story(tmp_path):
    """It still goes wrong, with the same game, and says so; with a better one it does not."""
    with pytest.raises(AssertionError, match="ZeroDivisionError: nobody there") as raised:
        simulate(Fragile, seeds=range(20), topology="mesh", players=2, keep=tmp_path / "stories")
    (path,) = (tmp_path / "stories").iterdir()
    assert f"the story is in {path}" in str(raised.value)
    assert str(raised.value).startswith(f"{path.stem.replace('-', ' ')}: ")
    story = Story.read(path)
    assert "nobody there" in story.broken
    assert len(story.steps) <= 2
    assert "nobody there" in story.told(game=Fragile).violation
    assert story.told(game=Counter).violation is None


def test_what_a_check_raises_names_the_seed():
    """As a note, with the reason for everything."""

    def check(table):
        raise KeyError("mine")

    with pytest.raises(KeyError) as raised:
        simulate(Counter, seeds=[5], check=check)
    (note,) = raised.value.__notes__
    assert note.startswith("in the game of seed 5:\nsession: ")


def test_a_check_is_made_at_the_table_of_each_game():
    """When all is over; games have their last state."""
    numbers = count()
    tables = []

    def game(player):
        return Lockstep(player, program=f"{player}.{next(numbers)}")

    simulate(game, seeds=range(2), check=tables.append)
    assert [table.seed for table in tables] == [0, 1]
