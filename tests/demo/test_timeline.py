"""What the processes say is put in order."""

from reconnect.demo.timeline import Timeline

LINES = [
    (
        {"notice": "Paused", "cause": "link_lost", "missing": ["bob"]},
        "paused: link_lost, missing bob",
    ),
    ({"notice": "Reconnecting", "missing": []}, "reconnecting"),
    ({"notice": "Resumed", "frame": 7, "starts_in": 0.0501}, "resumed at frame 7, in 50 ms"),
    ({"notice": "Connected", "paused": 2.0}, "connected after 2.00 s"),
    ({"notice": "Ended", "reason": "timeout"}, "ended: timeout"),
    ({"notice": "LinkSuspect", "peer": "bob"}, "has not heard bob for a while"),
    ({"notice": "Attached", "player": "bob"}, "bob is attached"),
    ({"notice": "Detached", "player": "bob"}, "bob is gone"),
]


def test_notices_are_told_in_words():
    """Each notice is one readable line."""
    said: list[str] = []
    timeline = Timeline(["alice"], lambda _at, _who, what: said.append(what))
    for line, _ in LINES:
        timeline.hear("alice", {"event": "notice", "t": 1.0, **line})
    assert said == [sentence for _, sentence in LINES]


def test_plays_are_found_by_time():
    """`all_play` is about steps after an instant, of everybody."""
    timeline = Timeline(["alice", "bob"], lambda *_: None)
    timeline.hear("alice", {"event": "plays", "t": 1.0, "frame": 0})
    timeline.hear("bob", {"event": "plays", "t": 2.0, "frame": 0})
    assert timeline.all_play(after=1.0)
    assert not timeline.all_play(after=1.5)
    assert timeline.plays_after("bob", 1.5) == 2.0


async def test_waiting_ends_when_it_is_heard_or_too_late():
    """`until` is True as soon as the condition holds, and False when time is up."""
    timeline = Timeline(["alice"], lambda *_: None)
    assert not await timeline.until(lambda: timeline.all_ended, within=0.01)
    timeline.hear("alice", {"event": "final", "t": 3.0})
    assert await timeline.until(lambda: timeline.all_ended, within=0.01)
