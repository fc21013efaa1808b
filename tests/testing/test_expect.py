"""A failing test of a game says what everybody waits for."""

import pytest

from reconnect.testing.expect import expect
from tests.games import Game


def test_a_failure_explains_everybody():
    """The message has one sentence for the session and one for each client."""
    game = Game()
    game.run(2)
    alice = game.players["alice"].client
    expect(alice.playing, session=game.session, alice=alice)
    game.network.cut("alice", "bob")
    game.run(3)
    with pytest.raises(AssertionError) as failed:
        expect(alice.playing, session=game.session, alice=alice)
    first, session, client = str(failed.value).splitlines()
    assert first == "not as expected"
    assert session.startswith("session: reconnecting for ")
    assert client.startswith("alice: reconnecting (link_lost); waits for bob: link down")
