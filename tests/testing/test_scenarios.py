"""Scenarios end well for a good game, and not for a bad one."""

from itertools import count
from unittest import SkipTest

import pytest

from reconnect.testing import scenarios
from reconnect.testing.lockstep import Lockstep
from reconnect.testing.network import Weather
from reconnect.testing.scenarios import (
    PEER_TO_PEER,
    SCENARIOS,
    Scenario,
    goes_on,
    is_over,
    nobody_was_paused,
)
from reconnect.testing.table import Table


class Counter:
    """Cannot be handed over."""

    def __init__(self, me):
        self.frame = 0

    def turn(self):
        self.client.notices()
        self.client.receive()
        if self.client.playing:
            self.client.send(b"%d" % self.frame)
            self.frame += 1
            self.client.frame = self.frame


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=str)
def test_each_ends_well_between_two_players(scenario):
    """With the game that notices everything."""
    scenario.run(Table())


@pytest.mark.parametrize("topology", ["star", "relayed", "server"])
@pytest.mark.parametrize("name", ["airplane-mode", "crash", "leave", "server-gone", "slow-store"])
def test_other_topologies_fare_as_well(name, topology):
    """Where there is a hub, and where nobody has links."""
    SCENARIOS[name].run(Table(topology=topology))


@pytest.mark.parametrize("name", ["fresh-path", "leave", "never-back", "duplicate-tab"])
def test_three_play_on_where_the_policy_wants_it(name):
    """A star has links with its hub only; who goes is not waited for."""
    table = Table(players=3, topology="star", on_leave="go_on", on_deadline="go_on")
    SCENARIOS[name].run(table)
    assert table.session.reason is None


@pytest.mark.parametrize("name", ["reload", "crash", "duplicate-tab"])
def test_a_game_that_cannot_be_handed_over_has_ended_alike(name):
    """For both, or for the newcomer alone where the others may go on."""
    table = Table(Counter)
    SCENARIOS[name].run(table)
    assert table.session.reason == "player_left"
    table = Table(Counter, players=3, on_leave="go_on")
    SCENARIOS[name].run(table)
    assert len(table.session.players) == 2
    assert table.session.reason is None


@pytest.mark.parametrize("name", ["airplane-mode", "sleep-and-wake", "slow-store", "server-crash"])
def test_a_policy_of_ones_own_is_no_obstacle(name):
    """Stories last as long as the policy lets them."""
    SCENARIOS[name].run(Table(outage_timeout=5.0, countdown=1.0))


@pytest.mark.parametrize("topology", ["relayed", "server"])
@pytest.mark.parametrize(
    "scenario", [one for one in SCENARIOS.values() if one.topologies == PEER_TO_PEER], ids=str
)
def test_where_a_scenario_makes_no_sense_it_says_so(scenario, topology):
    """It is skipped, for a reason, and nothing has happened at the table."""
    table = Table(topology=topology)
    with pytest.raises(SkipTest, match=f"{scenario}: makes no sense in topology '{topology}'"):
        scenario.run(table)
    assert table.runtime.now() == 0.0


def test_names_and_stories_are_for_people():
    """A name as in a test's id, and a sentence."""
    for name, scenario in SCENARIOS.items():
        assert name == str(scenario) == scenario.name
        assert name.replace("-", "").isalpha()
        assert scenario.story.endswith(".")
        assert "  " not in scenario.story
    assert len(SCENARIOS) >= 20


# -- a bad game does not get through ---------------------------------------------------------------


class Forgets(Lockstep):
    """Restores a snapshot without the inputs that are held."""

    def restore(self, snapshot):
        super().restore(snapshot)
        self.inputs.clear()

    def merge(self, peer, data):
        """Would heal it."""


class Raises(Lockstep):
    def restore(self, snapshot):
        raise KeyError(snapshot)


class Stops(Lockstep):
    """Never steps again after it has heard of a pause."""

    def turn(self):
        if self.client.state == "connected" and self.client.epoch < 2:
            super().turn()
        elif self.client.playing:
            self.client.notices()
            self.client.receive()
        else:
            super().turn()


class Becomes(Lockstep):
    """Another state than it was given."""

    def restore(self, snapshot):
        super().restore(snapshot)
        self.state += 1
        self.states = {self.frame: self.state}


@pytest.mark.parametrize(
    ("game", "name", "said"),
    [
        (Forgets, "reload", "not within 60 s"),
        (Raises, "reload", r"restore\(\) raised KeyError at .*test_scenarios\.py"),
        (Stops, "airplane-mode", "not within 60 s"),
        (Becomes, "crash", "differ in frame"),
    ],
)
def test_a_game_that_does_not_survive_fails(game, name, said):
    """And the sentence says in what."""
    number = count()
    table = Table(lambda me: game(me, program=f"{me}.{next(number)}"))
    with pytest.raises(AssertionError, match=said):
        SCENARIOS[name].run(table)


def test_a_game_that_ends_where_it_should_go_on_fails():
    """The explanation says why it ended."""
    with pytest.raises(AssertionError, match="ended: timeout"):
        Scenario("too-long", "Too long.", too_long).run(Table(outage_timeout=3.0))


def too_long(table):
    table.unplug("ann")
    table.run(30)
    table.mend()
    goes_on(table)


def test_a_pause_that_nobody_needed_fails():
    """Where links are well, nobody has to stop."""
    table = Table()
    table.until_playing()
    table.cut("ann", "ben")
    table.run(2)
    with pytest.raises(AssertionError, match="there was a pause, and no need of one"):
        nobody_was_paused(table, outages=0)


def test_bad_weather_in_which_somebody_is_paused_fails(monkeypatch):
    """Although all play on after it; unless the policy is so quick to call a link lost."""
    SCENARIOS["bad-weather"].run(Table(link_heartbeat=0.4, link_suspect=0.45, link_lost=0.5))
    monkeypatch.setattr(scenarios, "LOSSY", Weather(loss=0.9))
    with pytest.raises(AssertionError, match="there was a pause, and no need of one"):
        SCENARIOS["bad-weather"].run(Table())
    SCENARIOS["bad-weather"].run(Table(link_lost=0.9))


def test_a_game_of_which_half_ended_for_another_reason_fails():
    """All have to hear the same."""
    table = Table()
    table.until_playing()
    table.session.end()
    is_over(table)
    table.present("ann").client._peer.reason = "timeout"
    with pytest.raises(AssertionError, match=r"ended for \['completed', 'timeout'\]"):
        is_over(table)


def test_a_game_that_ended_for_something_else_fails():
    """The story says why it should."""
    table = Table()
    table.until_playing()
    table.session.end()
    with pytest.raises(AssertionError, match="ended, and not for player_left"):
        SCENARIOS["leave"].tell(table)
