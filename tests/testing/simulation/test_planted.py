from pathlib import Path

import pytest

from reconnect.core.outlook import Outlook
from reconnect.testing.exhaustive import CASES
from reconnect.testing.simulation.bug import Bug, Swap
from reconnect.testing.simulation.course import LawBroken
from reconnect.testing.simulation.planted import BUGS, RARE, SURVIVORS, hunt, tells_of
from tests.testing.simulation.retold import FOLDER

PAGE = Path(__file__).parents[3] / "docs/reliability.md"


def fails(_real, *_args):
    raise LawBroken("nothing holds")


NOTHING = Bug("nothing", "No rule.", "Nothing.", ())
EVERYTHING = Bug("everything", "Every rule.", "All.", (Swap(Outlook, "ready", fails),))
NOWHERE = Bug("nowhere", "Every rule.", "All.", EVERYTHING.swaps, shows=lambda _setting: False)


def test_every_bug_is_found_or_survives_for_a_reason():
    """The stories and the survivors are the whole bank."""
    found = {path.stem for path in FOLDER.glob("*.jsonl")}
    assert found == BUGS.keys() - SURVIVORS


def test_the_page_on_reliability_counts_them():
    """All of them, and how many are found by whom."""
    page = " ".join(PAGE.read_text("utf-8").split())
    by_chance = len(BUGS) - len(RARE) - len(SURVIVORS)
    assert f"Of {len(BUGS)} planted bugs {by_chance} are found by chance and {len(RARE)} by" in page
    assert f"{len(SURVIVORS)} have not been found by any" in page
    assert f"in {len(CASES)} searches" in page


def test_what_is_rare_does_not_survive():
    """Its story is replayed with those of all others."""
    assert RARE
    assert not RARE & SURVIVORS


def test_the_bank_has_every_rule_of_the_protocol():
    """Those whose removal was searched for when the protocol was designed."""
    assert {f"M{number}" for number in range(1, 19)} <= BUGS.keys()


def test_a_bug_is_found_and_its_story_told_as_shortly_as_possible():
    """Nothing has to be done to the table where nothing works."""
    found = hunt(EVERYTHING, range(5))
    assert found is not None
    assert (found.seed, found.seeds, found.story.steps) == (0, 1, ())
    assert found.story.broken == "LawBroken: nothing holds"
    assert tells_of(EVERYTHING, found.story)
    assert not tells_of(NOTHING, found.story)


def test_what_is_no_bug_is_not_found():
    """A game that breaks a law anyway is told of, and proves nothing."""
    flaws = {}
    assert hunt(NOTHING, range(1), flawed=flaws.__setitem__) is None
    assert flaws == {}
    with EVERYTHING.planted():
        assert hunt(NOTHING, range(1), flawed=flaws.__setitem__) is None
    assert flaws == {0: "LawBroken: nothing holds"}


def test_a_game_in_which_a_bug_cannot_show_is_not_played():
    """Nor is any, once the time is over."""
    assert hunt(NOWHERE, range(100)) is None
    assert hunt(EVERYTHING, range(100), seconds=0.0) is None


@pytest.mark.parametrize("bug", BUGS.values(), ids=lambda bug: bug.id)
def test_a_bug_says_what_it_is(bug):
    """The rule, what comes without it, and why nobody notices, are sentences."""
    for sentence in filter(None, (bug.rule, bug.breaks, bug.survives)):
        assert sentence.endswith(".")
        assert sentence[0].isupper()
