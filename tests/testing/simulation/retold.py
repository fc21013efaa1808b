"""Recorded stories of planted bugs.

    python -m tests.testing.simulation.retold M4 stream-order

hunts for these bugs again, and records what it finds; all of them, where none is named. It is
for rules that have changed so much that a story does not tell of its bug any more.
"""

import sys
from pathlib import Path

import pytest

from reconnect.testing.simulation.planted import BUGS, hunt, tells_of
from reconnect.testing.simulation.story import Story

FOLDER = Path(__file__).parent / "planted"
SEEDS = range(10_000)
SECONDS = 180.0


def path_of(bug):
    return FOLDER / f"{bug.id}.jsonl"


def each_found(bugs):
    """Parametrizes a test with the bugs that are found."""
    return pytest.mark.parametrize(
        "bug", [bug for bug in bugs if not bug.survives], ids=lambda bug: bug.id
    )


def assert_noticed(bug):
    """The story breaks a law with the bug, and none without it."""
    story = Story.read(path_of(bug))
    assert tells_of(bug, story), f"{bug.id} is not noticed: {bug.rule}"
    assert story.told().violation is None


def record(ids):
    for bug in [BUGS[one] for one in ids] or BUGS.values():
        found = (
            None if (bug.survives or bug.rare) and not ids else hunt(bug, SEEDS, seconds=SECONDS)
        )
        if found is None:
            print(f"{bug.id}: nothing")
        else:
            found.story.write(path_of(bug))
            story = found.story
            how = f"seed {found.seed}, {found.seeds} games, {len(story.steps)} steps"
            print(f"{bug.id}: {how}: {story.broken}")


if __name__ == "__main__":
    record(sys.argv[1:])
