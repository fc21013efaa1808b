"""Stories: what went wrong, as short as it still does."""

import json
from pathlib import Path

import pytest
from attrs import evolve

from reconnect.core.session import Session
from reconnect.testing.simulation import Simulation, Story, shortened
from reconnect.testing.simulation.setting import drawn_setting

STORIES = sorted(Path(__file__).with_name("stories").glob("*.jsonl"))


@pytest.mark.parametrize("path", STORIES, ids=lambda path: path.stem)
def test_what_once_went_wrong_goes_well(path):
    """Each of these stories broke a law when it was written down."""
    story = Story.read(path)
    assert story.broken
    outcome = story.told()
    assert outcome.violation is None, f"{outcome.violation}\n{outcome.explanation}"


def test_a_story_comes_back_from_its_file(tmp_path):
    """One line for the setting, and one for each step."""
    story = Story.of(Simulation.of(11).draw())
    story.write(tmp_path / "story.jsonl")
    assert Story.read(tmp_path / "story.jsonl") == story
    lines = (tmp_path / "story.jsonl").read_text().splitlines()
    assert len(lines) == 1 + len(story.steps)


def test_a_story_of_another_format_is_refused(tmp_path):
    """A newer release may have written it."""
    path = tmp_path / "story.jsonl"
    Story.of(Simulation.of(11).draw()).write(path)
    path.write_text(path.read_text().replace('"story": 1', '"story": 99'))
    with pytest.raises(ValueError, match="format 99"):
        Story.read(path)


BEGIN = {"story": 1, "broken": None, "calm_at": 3.0, "setting": drawn_setting(11).to_json()}
STEP = {"at": 1.0, "do": "stall", "player": "ann", "seconds": 1.0}


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([""], "line 1, is not the beginning of a story: no JSON, Expecting value at column 1"),
        ([[1]], r"line 1, is not the beginning of a story: \[1\] is no object"),
        ([{"at": 1.0}], "line 1, is not the beginning of a story: there is no 'story'"),
        ([BEGIN | {"calm_at": "soon"}], "line 1, .*'soon'"),
        ([BEGIN | {"setting": {}}], "line 1, is not the beginning of a story: there is no 'seed'"),
        ([BEGIN, STEP, '{"at": 1.0,'], "line 3, is not a step of a story: no JSON, Expecting prop"),
        ([BEGIN, "3"], "line 2, is not a step of a story: 3 is no object"),
        ([BEGIN, {"do": "leave"}], "line 2, is not a step of a story: there is no 'at'"),
        ([BEGIN, {"at": 1.0}], "line 2, is not a step of a story: there is no 'do'"),
        ([BEGIN, STEP | {"do": "stal"}], "line 2, .* nobody can do 'stal', but .*, stall, "),
        (
            [BEGIN, STEP | {"second": 1}],
            "'stall' takes player, seconds: got an unexpected keyword argument 'second'",
        ),
        (
            [BEGIN, {"at": 1.0, "do": "cooperate"}],
            "'cooperate' takes fill: missing a required .*argument: 'fill'",
        ),
    ],
)
def test_what_is_no_story_is_refused_with_its_place(tmp_path, lines, said):
    """Whoever has written it by hand finds the line."""
    path = tmp_path / "story.jsonl"
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    path.write_text("\n".join(texts), encoding="utf-8")
    with pytest.raises(ValueError, match=said) as raised:
        Story.read(path)
    assert str(raised.value).startswith(f"{path}, line ")


def test_a_story_is_told_with_the_time_between_turns_that_it_had(tmp_path):
    """It is in the file where it is not the usual one."""
    path = tmp_path / "story.jsonl"
    story = evolve(Story.of(Simulation.of(11).draw()), step=0.1)
    story.write(path)
    assert Story.read(path) == story
    assert story.told().step == 0.1


def test_a_check_can_be_what_decides():
    """A story is shortened to what the check needs, and told with it."""

    def check(table):
        if table.intruded:
            raise KeyError("intruded")

    outcome = next(
        outcome
        for outcome in (Simulation(drawn_setting(seed), check=check).draw() for seed in range(300))
        if outcome.violation and len(outcome.steps) > 3
    )
    story = shortened(Story.of(outcome), check=check)
    assert [step.do for step in story.steps] == ["intruder"]
    assert story.broken == "the check raised KeyError: 'intruded'"
    assert story.told(check=check).violation == story.broken
    assert story.told().violation is None


def test_a_story_is_told_in_the_fewest_steps(monkeypatch):
    """None of those that are left can be left out."""
    seat = Session._seat

    def without_a_fence(self: Session, turn, member, event):
        seat(self, turn, member, event)
        member.fence_until = float("-inf")

    monkeypatch.setattr(Session, "_seat", without_a_fence)
    outcome = next(
        outcome
        for outcome in (Simulation.of(seed).draw() for seed in range(200))
        if outcome.violation and len(outcome.steps) > 3
    )
    story = shortened(Story.of(outcome))
    assert len(story.steps) < len(outcome.steps)
    assert story.broken
    for step in story.steps:
        others = tuple(one for one in story.steps if one is not step)
        assert evolve(story, steps=others).told().violation is None
