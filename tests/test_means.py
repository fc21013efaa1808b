"""What sessions work with: a recorder that fails harms none of them."""

from reconnect.core.table import State

from .by_hand import Diary, House


def test_a_recorder_that_raises_is_logged_and_harms_nobody():
    """The game goes on as if there were none; the log has the kind of error, and no more."""
    diary = Diary()
    diary.fails = True
    house = House(recorder=diary)
    handle, hands = house.game()
    house.keep(5, *hands)
    assert handle.state is State.CONNECTED
    assert house.coordinator.stats()["crashes"] == 0
    lines = [
        line
        for line in house.options["logger"].lines
        if line["event"] == "reconnect.recorder_failed"
    ]
    assert len(lines) == len(diary.entries)
    assert {line["error"] for line in lines} == {"RuntimeError"}
    assert "full" not in str(lines)


def test_the_recorder_hears_everything_in_order():
    """First that the session began, then every event with its effects and its instant."""
    diary = Diary()
    house = House(recorder=diary)
    handle, (ann, _) = house.game()
    ann.hang_up()
    handle.end()
    assert diary.entries[0][:3] == ("began", handle.id, State.PAUSED)
    assert diary.events.count("TokenIssued") == 2
    assert diary.events[-2:] == ["ConnectionClosed", "ApplicationEnded"]
    times = [entry[-1] for entry in diary.entries]
    assert times == sorted(times)


def test_without_a_recorder_nothing_is_kept():
    """It may be left out."""
    house = House(recorder=None)
    handle, _ = house.game()
    assert handle.state is State.CONNECTED
