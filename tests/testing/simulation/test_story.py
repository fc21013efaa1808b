"""Stories: what went wrong, as short as it still does."""

from pathlib import Path

import pytest
from attrs import evolve

from reconnect.core.session import Session
from reconnect.testing.simulation import Simulation, Story, shortened

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
