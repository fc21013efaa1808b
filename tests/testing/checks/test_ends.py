"""What an end of a link takes for a broken word."""

import pytest

from reconnect.core.messages import AttemptKind, SignalKind
from reconnect.testing.checks import ends
from reconnect.testing.checks.ends import LinkScene
from reconnect.testing.checks.scene import Times


class Mute:
    """A link, and all links, that never say anything."""

    kind = "python"
    mends = frozenset({AttemptKind.REBUILD})

    def open(self, peer, generation, hears):
        return self

    def attempt(self, attempt_id, *, kind, offers, ice_servers):
        pass

    def abandon(self, attempt_id):
        pass

    def signal(self, attempt_id, kind, payload):
        pass

    def send(self, frame):
        return True

    def close(self):
        pass


@pytest.fixture
def scene():
    return LinkScene(lambda: (Mute(), Mute()), Times(patience=0.05, quiet=0.01))


WRONG = {
    "speaks before any attempt": ([("signal", "1", SignalKind.OFFER, "")], ends.BEGUN),
    "of another attempt": (["begin", ("succeeded", "2")], ends.BEGUN),
    "of an abandoned one": (["begin", "abandon", ("failed", "1", "x")], ends.BEGUN),
    "fails without a word": (["begin", ("failed", "1", "")], ends.FAILED),
    "fails behind its success": (
        ["begin", ("succeeded", "1"), ("failed", "1", "x")],
        ends.FAILED,
    ),
    "succeeds twice": (["begin", ("succeeded", "1"), ("succeeded", "1")], ends.SUCCEEDED),
    "opens before its success": (["begin", ("channel", True)], ends.SUCCEEDED),
    "hears before its success": (["begin", ("received", b"x")], ends.SUCCEEDED),
    "hears what nobody sent": (
        ["begin", ("succeeded", "1"), ("received", b"x")],
        ends.PACKETS,
    ),
    "hears what is no packet": (["begin", ("succeeded", "1"), ("received", None)], ends.PACKETS),
    "says what is no word": (["begin", ("signal", "1", [], "")], ends.SAID),
    "says what is no signal": (["begin", ("signal", "1", "abort", "")], ends.SAID),
    "speaks after its end": (["close", ("ice", "closed")], ends.SILENT),
}


@pytest.mark.parametrize(("story", "promise"), WRONG.values(), ids=WRONG)
async def test_a_word_out_of_turn(story, promise, scene):
    """It is noticed, and nothing before it is."""
    deeds = {
        "begin": lambda: scene.alice.attempt("1", offers=True),
        "abandon": lambda: scene.alice.abandon("1"),
        "close": scene.alice.close,
    }
    scene.alice.carries = False
    for step in story:
        assert scene.wrong == []
        if isinstance(step, str):
            deeds[step]()
        else:
            word, *arguments = step
            getattr(scene.alice, word)(*arguments)
    assert scene.wrong[0][0] == promise


async def test_what_is_held_is_carried_over_later(scene):
    """In its order, and nothing of it before."""
    heard = []
    scene.bob.link.signal = lambda *said: heard.append(said)
    scene.hold()
    name = scene.attempt()
    scene.alice.signal(name, SignalKind.OFFER, "one")
    scene.alice.signal(name, SignalKind.CANDIDATE, "two")
    assert heard == []
    scene.release()
    assert heard == [(name, SignalKind.OFFER, "one"), (name, SignalKind.CANDIDATE, "two")]
    assert scene.wrong == []
