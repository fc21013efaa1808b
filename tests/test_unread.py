"""The queue of unread notices: bounded, and with an end."""

from contextlib import nullcontext

from reconnect.core.notices import Attached, Connected, Detached, Ended, Notice, Paused
from reconnect.unread import UNREAD_MAX, Unread


def unread() -> Unread[Notice]:
    return Unread(nullcontext())


def test_notices_are_read_once_and_in_order():
    """By `pop` one at a time, by `drain` all that are left."""
    queue = unread()
    assert queue.pop() is None
    assert queue.drain() == []
    for player in "abc":
        queue.put(Detached(player))
    assert len(queue) == 3
    assert queue.pop() == Detached("a")
    assert queue.drain() == [Detached("b"), Detached("c")]
    assert len(queue) == 0


def test_the_oldest_are_lost_and_counted():
    """A program that does not read costs a bounded amount of memory; the end is never lost."""
    queue = unread()
    for generation in range(UNREAD_MAX):
        queue.put(Attached("a", generation))
    assert queue.lost == 0
    queue.put(Detached("a"))
    queue.put(Ended("completed"))
    assert queue.lost == 2
    drained = queue.drain()
    assert len(drained) == UNREAD_MAX
    assert drained[0] == Attached("a", 2)
    assert drained[-1] == Ended("completed")


def test_it_is_over_when_the_end_has_been_read():
    """Not when it has been told, and whichever way it is read."""
    for read in (Unread.pop, Unread.drain):
        queue = unread()
        queue.put(Ended("completed"))
        assert not queue.over
        read(queue)
        assert queue.over


def test_it_can_be_over_without_an_end():
    """What is unread is still to be read."""
    queue = unread()
    queue.put(Connected())
    queue.finish()
    assert not queue.over
    queue.pop()
    assert queue.over


def test_it_knows_what_kinds_are_unread():
    """Until they are read."""
    queue = unread()
    queue.put(Paused("start"))
    assert queue.has((Paused, Ended))
    assert not queue.has((Ended,))
    queue.pop()
    assert not queue.has((Paused,))


def test_listeners_are_woken_until_they_cancel():
    """By every notice and by the end; each by itself."""
    queue = unread()
    woken: list[str] = []
    cancel = queue.listen(lambda: woken.append("one"))
    queue.listen(lambda: woken.append("other"))
    queue.put(Connected())
    assert woken == ["one", "other"]
    cancel()
    cancel()
    queue.finish()
    assert woken == ["one", "other", "other"]


def test_a_listener_finds_the_notice_and_may_cancel():
    """It is woken when there is something to read, and may go while it is woken."""
    queue = unread()
    heard: list[Notice | None] = []

    def wake():
        heard.append(queue.pop())
        cancel()

    cancel = queue.listen(wake)
    queue.put(Connected())
    queue.put(Connected())
    assert heard == [Connected()]
