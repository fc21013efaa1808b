import json

import pytest

from reconnect.core.messages import AttemptKind
from reconnect.links.memory import RETIRING, MemorySpace
from reconnect.ports import FRAME_MAX
from reconnect.runtimes import AsyncioRuntime
from reconnect.testing.check_link import check_link
from reconnect.testing.network import Network
from reconnect.testing.virtual import VirtualRuntime


class End:
    """One end of a link, and the messenger that carries what it says to the far end."""

    def __init__(self, links, peer, runtime):
        self.links = links
        self.peer = peer
        self.runtime = runtime
        self.far = None
        self.log = []
        self.frames = []
        self.carries = True
        self.link = links.open(peer, 1, self)

    def signal(self, attempt_id, kind, payload):
        self.log.append((attempt_id, kind))
        assert isinstance(payload, str)
        if self.carries:
            far = self.far
            self.runtime.call_at(
                self.runtime.now() + 0.02, lambda: far.link.signal(attempt_id, kind, payload)
            )

    def received(self, frame):
        self.frames.append(frame)

    def channel(self, is_open):
        self.log.append(("channel", is_open))

    def ice(self, state):
        self.log.append(("ice", state))

    def succeeded(self, attempt_id):
        self.log.append((attempt_id, "succeeded"))

    def failed(self, attempt_id, cause):
        self.log.append((attempt_id, "failed", cause))

    def attempt(self, attempt_id, kind, *, offers):
        self.link.attempt(attempt_id, kind=kind, offers=offers, ice_servers=())


class Pair:
    def __init__(self, seed=0):
        self.runtime = VirtualRuntime(seed)
        self.network = Network(self.runtime, seed)
        self.alice = End(self.network.links("alice"), "bob", self.runtime)
        self.bob = End(self.network.links("bob"), "alice", self.runtime)
        self.alice.far, self.bob.far = self.bob, self.alice
        self.attempts = 0

    def mend(self, kind, *, seconds=1.0):
        self.attempts += 1
        name = f"1.{self.attempts}"
        self.alice.attempt(name, kind, offers=True)
        self.bob.attempt(name, kind, offers=False)
        self.runtime.run(seconds)
        return name

    def frames_pass(self):
        """Whether a frame arrives each way."""
        for end in (self.alice, self.bob):
            end.frames.clear()
            if not end.link.send(b"hello"):
                return False
        self.runtime.run(0.5)
        return self.alice.frames == self.bob.frames == [b"hello"]


@pytest.fixture
def pair():
    return Pair()


@pytest.fixture
def joined(pair):
    pair.mend(AttemptKind.REBUILD)
    assert pair.frames_pass()
    pair.alice.log.clear()
    pair.bob.log.clear()
    return pair


def test_it_keeps_every_promise():
    """As every link does."""

    def make():
        space, runtime = MemorySpace(), AsyncioRuntime()
        return space.links("alice", runtime), space.links("bob", runtime)

    check_link(make, quiet=0.1)


@pytest.mark.parametrize(
    ("kind", "cause"), [(AttemptKind.RESTART, "no_connection"), (AttemptKind.RELAY, "not_a_path")]
)
def test_causes(pair, kind, cause):
    """What cannot be done fails with a cause, at both ends."""
    pair.mend(kind)
    assert pair.alice.log == pair.bob.log == [("1.1", "failed", cause)]


def test_rebuild(pair):
    """The first attempt goes through offer, answer and candidates to an open channel."""
    pair.mend(AttemptKind.REBUILD)
    assert pair.alice.log == [
        ("1.1", "offer"),
        ("1.1", "candidate"),
        ("ice", "checking"),
        ("ice", "connected"),
        ("1.1", "succeeded"),
        ("channel", True),
    ]
    assert pair.bob.log == [
        ("1.1", "answer"),
        ("1.1", "candidate"),
        ("ice", "checking"),
        ("ice", "connected"),
        ("1.1", "succeeded"),
        ("channel", True),
    ]
    assert pair.frames_pass()


def test_order_kept_when_perfect(joined):
    """Without a network of its own, frames arrive once and in order."""
    frames = [bytes([number]) for number in range(100)]
    joined.bob.frames.clear()
    for frame in frames:
        assert joined.alice.link.send(frame)
    joined.runtime.run(0.0)
    assert joined.bob.frames == frames


def test_restart_keeps_the_channel(joined):
    """A restart says nothing about the channel, and frames pass before, in it and after it."""
    assert joined.frames_pass()
    joined.mend(AttemptKind.RESTART, seconds=0.03)
    assert joined.frames_pass()
    joined.runtime.run(RETIRING + 1.0)
    assert joined.frames_pass()
    assert ("channel", True) not in joined.alice.log
    assert ("ice", "connected") in joined.alice.log


def test_restart_of_another_connection(joined):
    """A restart of a connection that the far end does not have fails there."""
    joined.bob.attempt("1.2", AttemptKind.RESTART, offers=False)
    joined.bob.link.signal("1.2", "offer", json.dumps({"connection": "another"}))
    joined.runtime.run(1.0)
    assert joined.bob.log == [("1.2", "failed", "no_connection")]
    assert joined.frames_pass()


def test_same_paths_heal(joined):
    """After an ordinary cut the old path works again by itself."""
    joined.network.cut("alice", "bob")
    assert not joined.frames_pass()
    joined.network.mend("alice", "bob")
    assert joined.frames_pass()


@pytest.mark.parametrize("kind", [AttemptKind.RESTART, AttemptKind.REBUILD])
def test_fresh_paths_need_an_attempt(joined, kind):
    """Where the old path stays dead, only an attempt helps: a restart does, and a rebuild."""
    joined.network.cut("alice", "bob", fresh=True)
    assert not joined.frames_pass()
    joined.network.mend("alice", "bob")
    assert not joined.frames_pass()
    joined.mend(kind)
    assert joined.frames_pass()


def test_attempt_begun_during_a_cut(joined):
    """An attempt begun while nothing passes succeeds when the path is back."""
    joined.network.cut("alice", fresh=True)
    joined.mend(AttemptKind.RESTART, seconds=5.0)
    assert ("ice", "connected") not in joined.alice.log
    joined.network.mend("alice")
    joined.runtime.run(1.0)
    assert joined.frames_pass()


def test_closed_channel(joined):
    """A channel that closed on a good path is not opened by a restart, but by a rebuild."""
    joined.network.break_channel("bob", "alice")
    joined.runtime.run(0.0)
    assert joined.alice.log == joined.bob.log == [("channel", False)]
    assert not joined.alice.link.send(b"hello")
    joined.mend(AttemptKind.RESTART)
    assert not joined.frames_pass()
    joined.mend(AttemptKind.REBUILD)
    assert joined.frames_pass()


def test_foreign_signals(pair):
    """Signals of unknown attempts, of unknown kinds and out of turn are ignored."""
    pair.bob.link.signal("1.1", "offer", "{}")
    pair.bob.attempt("1.1", AttemptKind.REBUILD, offers=False)
    payload = json.dumps({"connection": "c"})
    for name, kind in [("1.0", "offer"), ("1.1", "abort"), ("1.1", "answer")]:
        pair.bob.link.signal(name, kind, payload)
    pair.runtime.run(1.0)
    assert pair.bob.log == []


def test_frame_too_long(joined):
    """A frame that does not fit a packet is the caller's mistake."""
    assert joined.alice.link.send(bytes(FRAME_MAX))
    with pytest.raises(ValueError, match="a frame of 1151 bytes; at most 1150 fit"):
        joined.alice.link.send(bytes(FRAME_MAX + 1))


def test_close(joined):
    """The far end of a closed link hears that its channel is gone; the closed end hears nothing."""
    joined.alice.link.send(b"last")
    joined.alice.link.close()
    joined.alice.link.close()
    assert not joined.alice.link.send(b"hello")
    joined.bob.link.send(b"unheard")
    joined.bob.frames.clear()
    joined.mend(AttemptKind.REBUILD)
    assert joined.bob.frames == [b"last"]
    assert joined.bob.log[0] == ("channel", False)
    assert joined.alice.log == []


@pytest.mark.parametrize("said", ["ice", "succeeded"])
def test_close_while_it_is_told_of_success(pair, said):
    """Whoever closes the link when it hears of something hears nothing more of it."""
    tell = getattr(pair.alice, said)

    def closes(what):
        tell(what)
        if what != "checking":
            pair.alice.link.close()

    setattr(pair.alice, said, closes)
    name = pair.mend(AttemptKind.REBUILD)
    assert pair.alice.log[-1] == (("ice", "connected") if said == "ice" else (name, "succeeded"))


def test_close_over_a_dead_path(joined):
    """A close that cannot arrive is heard by nobody."""
    joined.network.cut("alice")
    joined.alice.link.close()
    joined.runtime.run(60.0)
    assert joined.bob.log == []
    assert joined.bob.link.send(b"into the dark")


def test_killed_end(joined):
    """A program that is killed says nothing: its far end finds out by silence alone."""
    process = joined.runtime.process()
    carol = End(joined.network.links("carol", runtime=process), "bob", process)
    carol.far, joined.bob.far = joined.bob, carol
    carol.attempt("1.9", AttemptKind.REBUILD, offers=True)
    joined.bob.attempt("1.9", AttemptKind.REBUILD, offers=False)
    joined.runtime.run(1.0)
    assert carol.link.send(b"alive")
    joined.runtime.run(0.0)
    process.kill()
    joined.bob.log.clear()
    carol.frames.clear()
    joined.bob.link.send(b"anybody?")
    joined.runtime.run(60.0)
    assert (joined.bob.log, carol.frames) == ([], [])


def test_attempts_end(pair):
    """Checks of a forgotten attempt do not go on for ever."""
    pair.network.cut("alice")
    pair.mend(AttemptKind.REBUILD)
    pair.runtime.run(3600.0)
    assert pair.runtime.pending == 0
