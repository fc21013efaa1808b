"""What is expected is waited for, and what came instead is told with what was done."""

import pytest

from reconnect.testing.checks.patience import DONE_MAX, Patience
from reconnect.testing.checks.promise import BrokenPromise, Promise

PROMISE = Promise("", "it comes")
WORD = Promise("", "nothing else comes")


class Watched(Patience):
    """Has heard a wrong word once it was looked at so many times."""

    def __init__(self, *, wrong_after: float = float("inf"), patience: float = 60.0) -> None:
        super().__init__(patience, quiet=0.0)
        self.looks = 0
        self.wrong_after = wrong_after

    def judge(self):
        self.looks += 1
        self.expect(self.looks <= self.wrong_after, WORD, "something")


async def test_what_comes_is_waited_for():
    """However often one has to look."""
    watched = Watched()
    await watched.until(lambda: watched.looks == 3, PROMISE, lambda: "nothing")


async def test_what_never_comes_breaks_its_promise():
    """With what was seen instead."""
    with pytest.raises(BrokenPromise, match=r"in 0\.01 s: nothing") as caught:
        await Watched(patience=0.01).until(lambda: False, PROMISE, lambda: "nothing")
    assert caught.value.promise == PROMISE


async def test_a_wrong_word_ends_any_wait():
    """For something, and for nothing."""
    with pytest.raises(BrokenPromise, match="something") as caught:
        await Watched(wrong_after=2).until(lambda: False, PROMISE, lambda: "nothing")
    assert caught.value.promise == WORD
    await Watched().quiet()
    with pytest.raises(BrokenPromise, match="something"):
        await Watched(wrong_after=0).quiet()


def test_only_the_last_that_was_done_is_told():
    """A long story stays readable."""
    watched = Watched()
    watched.done += [str(number) for number in range(DONE_MAX + 1)]
    assert watched.broken(PROMISE, "nothing").done == tuple(watched.done[1:])
