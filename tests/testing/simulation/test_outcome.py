"""What became of one game, in a line."""

import json
from collections import Counter

from attrs import evolve

from reconnect.testing.simulation import Outcome, Step
from reconnect.testing.simulation.setting import drawn_setting

SETTING = drawn_setting(3)
PLAYERS = ", ".join(SETTING.players)


def outcome(**changes):
    return evolve(Outcome(SETTING, [], 3.0, Counter()), **changes)


def test_a_game_that_went_on_says_who_played_where():
    """Without everything that was drawn and done."""
    topology = str(SETTING.policy.topology)
    assert repr(outcome()) == f"<Game of seed 3: {PLAYERS} in {topology}, went on>"


def test_a_game_that_ended_says_why():
    """By the reason of the session."""
    assert repr(outcome(reason="timeout")).endswith(", ended: timeout>")


def test_a_game_that_went_wrong_says_in_what():
    """In one line, which is not too long."""
    wrong = outcome(reason="timeout", violation="AssertionError: no\n  +  where")
    assert repr(wrong).endswith(", broken: AssertionError: no>")
    assert len(repr(outcome(violation="x" * 5000))) < 200


def test_a_step_comes_back_from_json():
    """Its arguments stand beside what is done, and when."""
    step = Step(1.5, "stall", {"player": "ann", "seconds": 2.0})
    assert Step.from_json(json.loads(json.dumps(step.to_json()))) == step
