"""Watching the real rules at work."""

import pytest

from reconnect.core.events import PeerEvent
from reconnect.core.peer import Peer
from reconnect.core.session import Session
from reconnect.errors import LocalProtocolError
from reconnect.testing.table import Table
from reconnect.testing.watch import Watch, watching


class Ears(Watch):
    def __init__(self):
        self.heard, self.failures = [], []

    def before_peer(self, peer, event, now):
        self.heard.append(("before", peer.player, event, now))

    def after_peer(self, peer, event, effects, now):
        self.heard.append(("after", peer.player, event, now))
        self.effects = effects

    def before_session(self, session, event, now):
        self.heard.append(("before", "session", event, now))

    def after_session(self, session, event, effects, now):
        self.heard.append(("after", "session", event, now))

    def failed(self, error):
        self.failures.append(error)


def test_everything_that_is_handled_is_heard_before_and_after():
    """By every peer and session of the process, in order."""
    ears = Ears()
    with watching(ears):
        table = Table()
        table.until_playing()
    assert {who for _, who, *_ in ears.heard} == {"ann", "ben", "session"}
    open_calls = []
    for when, *what in ears.heard:
        if when == "before":
            open_calls.append(what)
        else:
            assert open_calls.pop() == what
    assert open_calls == []


def test_watching_changes_nothing():
    """The same seed gives the same game."""

    def explained(watch):
        with watching(watch):
            table = Table(seed=4)
            table.run(2)
            table.unplug("ann")
            table.run(4)
        return table.explain()

    assert explained(Watch()) == explained(Ears())


def test_afterwards_nothing_is_heard_and_everything_is_as_it_was():
    """Also where the block was left by an exception."""
    before = Peer.handle, Session.handle
    ears = Ears()
    with watching(ears):
        assert before != (Peer.handle, Session.handle)
    with pytest.raises(KeyError), watching(ears):
        raise KeyError
    assert before == (Peer.handle, Session.handle)
    Table().run(1)
    assert ears.heard == []


def test_what_the_application_may_not_ask_is_heard_before_and_not_after():
    """It is no failure of ours."""
    ears = Ears()
    with watching(ears):
        table = Table()
        client = table.present("ann").client
        ears.heard.clear()
        with pytest.raises(LocalProtocolError):
            client.send(b"to nobody")
    assert [when for when, *_ in ears.heard] == ["before"]
    assert ears.failures == []


def test_what_a_watch_raises_leaves_the_call_and_is_told():
    """So it is known even where a shell survives it."""

    class Strict(Ears):
        def after_peer(self, peer: Peer, event: PeerEvent, effects, now):
            raise AssertionError("a law")

    strict = Strict()
    with watching(strict), pytest.raises(AssertionError, match="a law"):
        Table()
    assert [str(one) for one in strict.failures] == ["a law"]
