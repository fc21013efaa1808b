"""Of what clients report, only what is known and fits is taken for evidence."""

import pytest

from reconnect.core.messages import Fact
from reconnect.telemetry.evidence import FIELDS, OF_A_LINK, Clue, Evidence, Teller, evidence_of

WHOLE = {
    Clue.LINK_LOST: {
        "cause": "silent",
        "silent_ms": 1000,
        "unanswered": 11,
        "stalled_ms": 0,
        "hidden": False,
        "ice": "disconnected",
        "channel": True,
        "frame": 7,
    },
    Clue.LINK_MENDED: {"method": "restart", "down_ms": 500, "attempts": 1, "frame": 7},
    Clue.ATTEMPT: {
        "id": "3.1",
        "kind": "rebuild",
        "number": 1,
        "offers": True,
        "duration_ms": 250,
        "outcome": "success",
        "frame": 7,
    },
    Clue.HIDDEN: {"hidden": True},
    Clue.STALLED: {"stalled_ms": 3000},
}


def read(kind: str, /, **data: object) -> Evidence | None:
    fact = Fact(1, kind, 0.5, data)
    return evidence_of(fact, player="alice", at=10.0, members={"alice", "bob"})


def test_every_kind_of_fact_has_an_example_here():
    """A fact that is added is tested below."""
    assert WHOLE.keys() == FIELDS.keys()


@pytest.mark.parametrize("kind", WHOLE)
def test_a_fact_that_fits_is_kept_whole(kind):
    """Who, when, and every value; what an attempt was is called its method."""
    peer = {"peer": "bob"} if kind in OF_A_LINK else {}
    data = peer | {"method" if name == "kind" else name: WHOLE[kind][name] for name in WHOLE[kind]}
    one = read(kind, **peer, **WHOLE[kind])
    assert one == Evidence(10.0, kind, "alice", Teller.CLIENT, data)
    form = one.to_json()
    assert form == {"at": 10.0, "by": "client", "kind": str(kind), "player": "alice", **data}


@pytest.mark.parametrize("kind", WHOLE)
@pytest.mark.parametrize(
    "value", [None, [], "203.0.113.7", "a story, with spaces", "x" * 33, -1, 1.5, 1 << 60, "3.1.2"]
)
def test_a_value_that_does_not_fit_is_unknown(kind, value):
    """Neither an address nor a story gets into a record, nor a number that is none."""
    for name in WHOLE[kind]:
        one = read(kind, peer="bob", **{**WHOLE[kind], name: value})
        assert one is not None
        assert one.data["method" if name == "kind" else name] is None


@pytest.mark.parametrize(
    ("name", "wrong"), [("silent_ms", True), ("hidden", 1), ("channel", "yes"), ("cause", True)]
)
def test_a_flag_is_no_number_and_no_word(name, wrong):
    """Neither the other way round."""
    one = read("link_lost", peer="bob", **{name: wrong})
    assert one is not None
    assert one.data[name] is None


@pytest.mark.parametrize("kind", sorted(OF_A_LINK))
@pytest.mark.parametrize("peer", ["alice", "carol", None, 7])
def test_a_player_can_tell_of_own_links_only(kind, peer):
    """A link to oneself, or to a stranger, is none."""
    assert read(kind, peer=peer, **WHOLE[kind]) is None


@pytest.mark.parametrize("kind", ["weather", "", "paused", "left"])
def test_what_is_no_fact_of_ours_is_no_evidence(kind):
    """Above all nobody can tell what only the coordinator knows."""
    assert read(kind, peer="bob") is None


def test_values_are_asked_for_by_their_kind():
    """Asked for as anything else, or where it is missing, a value is None."""
    one = read("link_lost", peer="bob", **WHOLE[Clue.LINK_LOST])
    assert one is not None
    assert (one.peer, one.word("ice"), one.count("frame"), one.flag("channel")) == (
        "bob",
        "disconnected",
        7,
        True,
    )
    assert (one.word("frame"), one.count("ice"), one.flag("frame")) == (None, None, None)
    assert (one.word("x"), one.count("x"), one.flag("x")) == (None, None, None)
    assert (one.seconds("silent_ms"), one.seconds("x")) == (1.0, 0.0)


def test_what_is_told_at_its_end_began_before():
    """An attempt and a stall are told when they are over; everything else when it happens."""
    began = {
        kind: one.began_at
        for kind in WHOLE
        if (one := read(kind, peer="bob", **WHOLE[kind])) is not None
    }
    assert began == {
        Clue.LINK_LOST: 10.0,
        Clue.LINK_MENDED: 10.0,
        Clue.ATTEMPT: 9.75,
        Clue.HIDDEN: 10.0,
        Clue.STALLED: 7.0,
    }
