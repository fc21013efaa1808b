"""Many games: what is drawn, what is asked for, and what is kept."""

from itertools import count

import pytest

from reconnect.testing.lockstep import Lockstep
from reconnect.testing.simulation import Story, simulate, summary
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
    seed = path.stem.removeprefix("Fragile-seed-")
    assert str(raised.value).startswith(f"seed {seed}: ")
    story = Story.read(path)
    assert "nobody there" in story.broken
    assert len(story.steps) <= 2
    assert "nobody there" in story.told(game=Fragile).violation
    assert story.told(game=Counter).violation is None
    with pytest.raises(TypeError, match="this happened to Fragile, and would prove nothing"):
        story.told()


def test_the_stories_of_two_games_are_two_files(tmp_path):
    """Neither takes the place of the other."""
    for game in (Fragile, lambda player: Fragile(player)):
        with pytest.raises(AssertionError, match="nobody there"):
            simulate(game, seeds=range(20), topology="mesh", players=2, keep=tmp_path)
    assert sorted(path.name[:7] for path in tmp_path.iterdir()) == ["Fragile", "lambda-"]


def test_what_cannot_be_kept_or_checked_is_said_before_anything_is_played(tmp_path):
    """And not in the place of what went wrong."""
    path = tmp_path / "file"
    path.touch()
    with pytest.raises(NotADirectoryError, match="which is a file: stories go into a folder"):
        simulate(seeds=1, keep=path)
    with pytest.raises(TypeError, match="check is 5; give a function"):
        simulate(seeds=1, check=5)


def test_what_a_check_raises_is_a_violation():
    """With the seed, the exception, and why everybody is where they are."""

    def check(table):
        raise KeyError("mine")

    with pytest.raises(AssertionError) as raised:
        simulate(Counter, seeds=[5], check=check)
    said = str(raised.value)
    assert said.startswith("seed 5: the check raised KeyError: 'mine'\nsession: ")
    assert 'raise KeyError("mine")' in said


def nobody_is_new(table):
    names = [program.name for program in table.programs]
    if len(names) > len(table.players):
        raise LookupError(f"{len(names)} programs: {names}")


def test_what_a_check_raises_is_kept_as_a_short_story(tmp_path):
    """The check says which steps are needed; the error is about the story that was kept."""
    with pytest.raises(AssertionError) as raised:
        simulate(Counter, seeds=20, topology="mesh", players=2, check=nobody_is_new, keep=tmp_path)
    (path,) = tmp_path.iterdir()
    story = Story.read(path)
    assert story.broken.startswith("the check raised LookupError: 3 programs: [")
    assert len(story.steps) == 1
    told = story.told(game=Counter, check=nobody_is_new)
    assert told.violation == story.broken
    assert story.told(game=Counter).violation is None
    seed = told.setting.seed
    assert str(raised.value) == (
        f"seed {seed}: {told.violation}\nthe story is in {path}\n{told.explanation}"
    )


def test_where_a_story_goes_well_when_told_again_that_is_said(tmp_path):
    """Then the error is about the game that was played, and says what makes a story useless."""
    tables = []

    def check(table):
        tables.append(table)
        if len(tables) == 1:
            raise ValueError("the first one")

    with pytest.raises(AssertionError) as raised:
        simulate(seeds=[1], check=check, keep=tmp_path)
    first, second, *_ = str(raised.value).splitlines()
    assert first == "seed 1: the check raised ValueError: the first one"
    assert second.startswith(f"the story is in {tmp_path / 'seed-1.jsonl'}, but told again it goes")


def test_so_many_seeds_are_the_first_so_many():
    """Like `range`."""
    assert [one.setting.seed for one in simulate(seeds=2)] == [0, 1]
    assert [one.setting.seed for one in simulate(seeds=iter([4, 2]))] == [4, 2]


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"seeds": True}, TypeError, r"seeds is True; give some, as in range\(20\), or how many"),
        ({"seeds": "12"}, TypeError, "seeds is '12'; give some"),
        ({"seeds": 2.0}, TypeError, r"seeds is 2\.0; give some"),
        ({"seeds": 0}, ValueError, "seeds is 0; at least one game has to be played"),
        ({"seeds": -3}, ValueError, "seeds is -3; at least one game has to be played"),
        ({"seeds": []}, ValueError, "there are no seeds, and so nothing was played"),
        ({"seeds": 1, "players": 1}, ValueError, "players is 1; two or more play"),
        ({"seeds": 1, "step": 0}, ValueError, "step is 0; say how many seconds"),
    ],
)
def test_what_cannot_be_played_is_refused(options, error, said):
    """A test that plays nothing would prove nothing."""
    with pytest.raises(error, match=said):
        simulate(**options)


def test_the_time_between_two_turns_can_be_given(tmp_path):
    """A story that is kept is told with the same."""
    steps = []

    def check(table):
        steps.append(table.step)
        raise KeyError

    (outcome,) = simulate(Counter, seeds=[0])
    assert outcome.step == 0.2
    with pytest.raises(AssertionError, match="the check raised KeyError"):
        simulate(Counter, seeds=[0], step=0.05, check=check, keep=tmp_path)
    assert len(steps) > 2
    assert set(steps) == {0.05}
    assert Story.read(tmp_path / "Counter-seed-0.jsonl").step == 0.05


def test_what_many_games_came_to_is_a_line():
    """How many, for how long, what was done to them, and how they ended."""
    outcomes = simulate(seeds=12)
    minutes = sum(one.seconds for one in outcomes) / 60
    faults = sum(step.do != "cooperate" for one in outcomes for step in one.steps)
    reasons = [str(one.reason) for one in outcomes if one.reason is not None]
    often = max(reasons, key=reasons.count)
    line = summary(outcomes)
    assert line.startswith(
        f"12 games, {minutes:.0f} minutes of play, {faults} faults: "
        f"{12 - len(reasons)} went on, {len(reasons)} ended ({reasons.count(often)} {often}"
    )
    assert "\n" not in line
    going = [one for one in outcomes if one.reason is None][:1]
    assert summary(going).endswith(" faults: 1 went on, 0 ended")


def test_a_check_is_made_at_the_table_of_each_game():
    """When all is over; games have their last state."""
    numbers = count()
    tables = []

    def game(player):
        return Lockstep(player, program=f"{player}.{next(numbers)}")

    simulate(game, seeds=range(2), check=tables.append)
    assert [table.seed for table in tables] == [0, 1]
