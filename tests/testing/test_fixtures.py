"""The fixture `table`, in a project of its own."""

import pytest

pytest_plugins = ["pytester"]

CONFTEST = 'pytest_plugins = ["reconnect.testing.fixtures"]'
GAME = """
import pytest

class Game:
    def __init__(self, me):
        self.me, self.frame = me, 0

    def turn(self):
        self.client.notices()
        self.client.receive()
        if self.client.playing:
            self.frame += 1
            self.client.frame = self.frame
"""


@pytest.fixture
def tested(pytester):
    """What pytest says of a file of tests."""

    def run(code, *options, conftest=CONFTEST):
        pytester.makeconftest(conftest)
        pytester.makepyfile(GAME + code)
        return pytester.runpytest_inprocess("--strict-markers", "-p", "no:asyncio", *options)

    return run


def test_without_a_marker_two_play_the_built_in_game(tested):
    """And play already."""
    result = tested("""
def test_it(table):
    assert table.playing and table.state == "connected"
    assert table.players == ("ann", "ben")
    table.cut("ann", "ben")
    table.run(3)
    assert table.paused
    table.mend()
    table.until_playing()
""")
    result.assert_outcomes(passed=1)


def test_a_marker_says_who_plays_what_by_which_rules(tested):
    """That of a module holds for all; the nearest counts most."""
    result = tested("""
pytestmark = pytest.mark.table(game=Game, outage_timeout=10.0)

def test_module(table):
    assert isinstance(table.games()["ann"], Game)
    assert table.policy.outage_timeout == 10.0

@pytest.mark.table(players=["zoe", "yan", "xi"], seed=7, countdown=1.0)
class TestClass:
    def test_class(self, table):
        assert isinstance(table.games()["zoe"], Game)
        assert table.seed == 7
        assert (table.policy.countdown, table.policy.outage_timeout) == (1.0, 10.0)

    @pytest.mark.table(players=2, outage_timeout=5.0)
    def test_method(self, table):
        assert table.players == ("ann", "ben")
        assert (table.policy.countdown, table.policy.outage_timeout) == (1.0, 5.0)

@pytest.mark.table(start=False)
def test_nobody_yet(table):
    assert table.programs == []
""")
    result.assert_outcomes(passed=4)


def test_the_marker_is_known(tested):
    """`pytest --markers` tells of it; strict projects accept it."""
    result = tested("", "--markers")
    result.stdout.fnmatch_lines(["@pytest.mark.table(?, game=None, players=2,*"])


def test_a_failing_test_shows_why_everybody_is_where_they_are(tested):
    """For each table among its fixtures, by name."""
    result = tested("""
from reconnect.testing.table import Table

@pytest.fixture
def lobby():
    return Table(Game, players=3, start=False)

def test_it(table, lobby):
    table.unplug("ben")
    table.run(3)
    assert table.playing
""")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "*assert False*",
            "*where False = <Table of ann, ben at * s: paused>.playing",
            "*- table, <Table of ann, ben at * s: paused> -*",
            "session: paused *; waits *",
            "ann.1: paused (link_lost); waits for ben: link down*",
            "ben.1: paused *",
            "*- lobby, <Table of ann, ben, cas at 0.00 s: * -*",
        ]
    )


def test_a_test_that_passes_shows_nothing(tested):
    """Explanations are for failures."""
    result = tested("def test_it(table): pass", "-rA")
    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line("*session:*")


def test_a_failing_test_without_a_table_is_as_ever(tested):
    """Also one that is no function of pytest's."""
    result = tested("""
import unittest

def test_it():
    assert 1 == 2

class Old(unittest.TestCase):
    def test_old(self):
        self.fail("old")
""")
    result.assert_outcomes(failed=2)
    result.stdout.no_fnmatch_line("*session:*")


def test_a_game_that_never_plays_fails_before_the_test(tested):
    """And the reason is said."""
    result = tested("""
class Deaf(Game):
    def turn(self):
        pass

@pytest.mark.table(game=Deaf)
def test_it(table): pass
""")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["E *AssertionError: not within 60 s:", "E *session: *"])


@pytest.mark.parametrize(
    ("marker", "said"),
    [
        ("game=Game, playerz=3", "*TypeError: neither a table nor a policy has playerz"),
        ("game=Game('ann')", "*TypeError: game is a Game; it must be a class or a function"),
        ("game=lambda me: 3", "*TypeError: the game is a int, which has no method turn*"),
        ("outage_timeout=0.1", "*PolicyError: outage_timeout is 0.1 s*"),
        ("3", "the marker takes its options by name: @pytest*"),
    ],
)
def test_a_mistake_in_a_marker_is_told_in_a_line(tested, marker, said):
    """The test is not run."""
    result = tested(f"""
@pytest.mark.table({marker})
def test_it(table): pass
""")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([said])


@pytest.mark.parametrize("game", ["Game", "make"])
@pytest.mark.parametrize(
    "code",
    [
        "class TestIt:\n    def test_it(self, table): pass",
        "def test_it(table): pass",
        "async def test_it(table): pass",
    ],
)
def test_a_game_without_its_name_does_not_make_a_test_vanish(tested, game, code):
    """Pytest lets a marker mark the class or function that it is called with, and no test."""
    result = tested(f"""
def make(me):
    return Game(me)

@pytest.mark.table({game})
{code}
""")
    result.assert_outcomes(errors=1)
    name = "TestIt" if "class" in code else "test_it"
    result.stdout.fnmatch_lines([f"{name} is a Game, and no test any more*by name: @pytest.mark*"])


def test_what_is_no_game_may_be_called_like_a_test(tested):
    """And a game like anything else."""
    result = tested("""
from unittest.mock import NonCallableMock

test_double = NonCallableMock()
test_number = 3
game = Game("ann")

class TestGame(Game):
    __test__ = False

def test_it(): pass
""")
    result.assert_outcomes(passed=1)


def test_a_mistake_in_a_test_is_shown_where_it_was_made(tested):
    """The table's own checks are not in the traceback."""
    result = tested("""
def test_it(table):
    table.cut("bne")
""")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*LookupError: no player 'bne' is at this table; there are 'ann*"])
    result.stdout.no_fnmatch_line("*def check_players*")


def test_all_scenarios_are_one_line(tested):
    """What makes no sense is skipped, and said."""
    result = tested(
        """
from reconnect.testing.scenarios import SCENARIOS

@pytest.mark.table(game=Game, topology="relayed")
@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=str)
def test_it(table, scenario):
    scenario.run(table)
""",
        "-rs",
        "-k",
        "blip or glitch",
    )
    result.assert_outcomes(passed=1, skipped=1, deselected=result.parseoutcomes()["deselected"])
    result.stdout.fnmatch_lines(["*link-glitch: makes no sense in topology 'relayed'"])


def test_the_fixture_can_be_imported_alone(tested):
    """Without the plugin's report; the marker has to be made known by hand then."""
    result = tested(
        "def test_it(table): assert table.playing",
        conftest="from reconnect.testing.fixtures import table",
    )
    result.assert_outcomes(passed=1)
