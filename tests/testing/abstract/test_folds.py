import pytest

from reconnect.core.effects import Dial, SendReport
from reconnect.core.messages import Phase, Report
from reconnect.core.peer import Peer
from reconnect.core.session import Session
from reconnect.core.table import State
from reconnect.testing.abstract.folds import Folds, LawBroken
from reconnect.testing.exhaustive import tiny_policy


@pytest.fixture
def folds():
    return Folds(tiny_policy(), ("a", "b"))


def attach(folds):
    """A client that has dialled, and its first report."""
    client, _ = folds.to_client(folds.begun("a"), ("time",))
    client, ((name, report),) = folds.to_client(client, ("opened",))
    assert name == "report"
    return client, report


def test_the_same_is_asked_once(folds):
    """What becomes of a value at an event is worked out by the real function, and then known."""
    first = attach(folds)
    calls = folds.handled
    assert attach(folds) == first
    assert folds.handled == calls


def test_orders_say_who_is_told(folds):
    """A save comes first; a view is about the one who reads it."""
    session, record = folds.born()
    client, report = attach(folds)
    after, (save, send) = folds.to_session(session, ("report", 1, "a", report))
    assert (save[0], send[:2]) == ("save", ("send", 1))
    assert folds.record(save[1]).version == folds.record(record).version + 1
    client, (again,) = folds.to_client(client, ("view", send[2]))
    assert folds.look(again[1]).gen == folds.peer(client).gen == 1
    assert folds.session(after).members["a"].gen_next == 1
    assert folds.recorded(after) == save[1]


def test_a_restart_remembers_the_record_only(folds):
    """Nobody is connected any more; the state is what was saved."""
    session, record = folds.born()
    loaded = folds.session(folds.loaded(record))
    assert (loaded.state, loaded.epoch) == (State.PAUSED, 1)
    assert loaded.missing == {"a", "b"}
    closed, orders = folds.to_session(session, ("closed", 1))
    assert (closed, orders) == (session, ())


def test_who_leaves_or_gives_up_has_ended(folds):
    """And so has who is closed; a host can end the session."""
    client, _ = attach(folds)
    for told in (("leaves",), ("closing",), ("gives up",)):
        assert folds.peer(folds.to_client(client, told)[0]).ended
    ended, _ = folds.to_session(folds.born()[0], ("finished",))
    assert folds.session(ended).state is State.ENDED


def test_what_is_no_event_is_our_mistake(folds):
    """Not a finding."""
    with pytest.raises(AssertionError):
        folds.to_client(folds.begun("a"), ("nonsense",))
    with pytest.raises(AssertionError):
        folds.to_session(folds.born()[0], ("nonsense",))


@pytest.mark.parametrize(
    ("deed", "law"),
    [
        (lambda self: setattr(self, "play", "playing"), "I1: a client that has ended goes on"),
        (lambda self: self.nothing, "it raised AttributeError"),
    ],
)
def test_a_client_that_breaks_a_law_is_found(folds, monkeypatch, deed, law):
    """Whatever is wrong with a fold says so itself."""
    client, _ = folds.to_client(attach(folds)[0], ("closing",))

    def handle(self, event, *, now):
        deed(self)
        return []

    monkeypatch.setattr(Peer, "handle", handle)
    with pytest.raises(LawBroken, match=law):
        folds.to_client(client, ("time",))


@pytest.mark.parametrize(
    ("effect", "law"),
    [(Dial(), "dials"), (SendReport(Report(1, 1, 1, Phase.READY, 1)), "says more than goodbye")],
)
def test_an_ended_client_says_goodbye_only(folds, monkeypatch, effect, law):
    """It neither dials, nor reports anything else."""
    client, _ = folds.to_client(attach(folds)[0], ("closing",))
    monkeypatch.setattr(Peer, "handle", lambda self, event, *, now: [effect])
    with pytest.raises(LawBroken, match=f"I1: a client that has ended {law}"):
        folds.to_client(client, ("time",))


def test_a_session_that_comes_back_is_found(folds, monkeypatch):
    """Ended has no exit."""
    ended, _ = folds.to_session(folds.born()[0], ("finished",))

    def handle(self, event, *, now):
        self.state = State.PAUSED
        return []

    monkeypatch.setattr(Session, "handle", handle)
    with pytest.raises(LawBroken, match="I1: a session"):
        folds.to_session(ended, ("time",))


def test_what_is_stale_changes_nothing(folds, monkeypatch):
    """A report that was seen before, and a view that is older than another."""
    session, _ = folds.born()
    client, report = attach(folds)
    session, (_, (_, _, offer)) = folds.to_session(session, ("report", 1, "a", report))
    client, ((_, report),) = folds.to_client(client, ("view", offer))
    session, (_, (_, _, view)) = folds.to_session(session, ("report", 1, "a", report))
    assert folds.look(report).phase is Phase.HALTED
    again, orders = folds.to_session(session, ("report", 1, "a", report))
    assert (again, orders) == (session, ())
    client, _ = folds.to_client(client, ("view", view))
    same, _ = folds.to_client(client, ("view", offer))
    assert same == client

    def handle(self, event, *, now):
        if isinstance(self, Peer):
            self.gen = 9
        else:
            self.epoch = 9
        return []

    monkeypatch.setattr(Session, "handle", handle)
    monkeypatch.setattr(Peer, "handle", handle)
    folds._clients.clear()
    folds._sessions.clear()
    with pytest.raises(LawBroken, match="I4: a stale report"):
        folds.to_session(session, ("report", 1, "a", report))
    with pytest.raises(LawBroken, match="I4: an older view"):
        folds.to_client(client, ("view", offer))
