"""One record: what belongs to it, what follows from it, and what it is as JSON."""

import json

import pytest

from reconnect import Policy
from reconnect.telemetry import outage as module
from reconnect.telemetry.evidence import Clue, Evidence, Teller
from reconnect.telemetry.outage import Attempt, Outage

T = 1000.0


def record(**given: object) -> Outage:
    given = {"paused_s": 8.0, "outcome": "connected", **given}
    return Outage("game", 3, T, ("alice", "bob", "carol"), Policy(), T - 11.0, **given)


def told(kind: Clue, player: str, after: float = 0.0, **data: object) -> Evidence:
    return Evidence(T + after, kind, player, Teller.CLIENT, {"peer": "bob", **data})


def attempt(after: float, player: str = "alice", peer: str = "bob", **data: object) -> Evidence:
    data = {"id": "1.1", "number": 1, "method": "rebuild", "offers": True, **data}
    return told(
        Clue.ATTEMPT, player, after, **{"duration_ms": 500, "outcome": "success", **data}, peer=peer
    )


@pytest.mark.parametrize(
    ("one", "concerns"),
    [
        (told(Clue.LINK_LOST, "alice", -11.5), False),
        (told(Clue.LINK_LOST, "alice", -10.5), True),
        (told(Clue.LINK_LOST, "alice", 7.9), True),
        (told(Clue.LINK_LOST, "alice", 8.1), False),
        (told(Clue.LINK_MENDED, "alice", -0.1), False),
        (told(Clue.LINK_MENDED, "alice", 0.1), True),
        (attempt(0.4), False),
        (attempt(0.6), True),
        (attempt(8.4), True),
        (attempt(8.6), False),
        (told(Clue.STALLED, "alice", 8.4, stalled_ms=500), True),
        (told(Clue.STALLED, "alice", 60.0, stalled_ms=70_000), True),
        (told(Clue.STALLED, "alice", 9.0, stalled_ms=500), False),
        (told(Clue.STALLED, "alice", -12.0, stalled_ms=500), False),
    ],
)
def test_what_belongs_to_an_outage(one, concerns):
    """What made it, from so long ago as that can take; what mended it must have begun in it."""
    assert record().concerns(one) is concerns


def test_an_outage_that_lasts_has_no_end():
    """Everything that comes belongs to it."""
    lasting = record(paused_s=None, outcome=None)
    assert lasting.concerns(told(Clue.LINK_LOST, "alice", 1e6))
    assert (lasting.finding.cause, lasting.said, lasting.method) == ("unknown", None, None)


def test_evidence_is_in_order_of_time():
    """Reports come later than what they tell."""
    one = record()
    for after in (3.0, -1.0, 2.0):
        one.add(told(Clue.LINK_LOST, "alice", after))
    assert [piece.at - T for piece in one.evidence] == [-1.0, 2.0, 3.0]


def test_evidence_is_bounded_for_each_player(monkeypatch: pytest.MonkeyPatch):
    """A player who floods the record leaves room for all others, and for what is known of it."""
    monkeypatch.setattr(module, "EVIDENCE_MAX", 2)
    one = record()
    kept = [one.add(told(Clue.HIDDEN, "alice", after, hidden=True)) for after in range(5)]
    assert kept == [True, True, False, False, False]
    one.add(Evidence(T, Clue.DETACHED, "alice", data={"how": "silent"}))
    one.add(told(Clue.HIDDEN, "carol", hidden=True))
    assert [(piece.player, piece.by) for piece in one.evidence].count(("alice", "client")) == 2
    assert len(one.evidence) == 4
    assert one.unkept == 3


def test_each_attempt_is_counted_once():
    """Both ends tell of it; the one that made the offer is believed, if it ever tells."""
    one = record()
    one.add(attempt(2.0, "bob", "alice", offers=False, duration_ms=700, outcome="timeout"))
    one.add(attempt(2.0))
    one.add(attempt(4.0, number=2, id="1.2"))
    one.add(attempt(3.0, "bob", "carol", offers=False, outcome="void"))
    one.add(attempt(5.0, number=3, id="1.1"))  # another pair of generations begins anew
    assert one.attempts == [
        Attempt(1, "rebuild", "alice", "bob", T + 1.5, 0.5, "success"),
        Attempt(1, "rebuild", "bob", "carol", T + 2.5, 0.5, "void"),
        Attempt(2, "rebuild", "alice", "bob", T + 3.5, 0.5, "success"),
        Attempt(3, "rebuild", "alice", "bob", T + 4.5, 0.5, "success"),
    ]


@pytest.mark.parametrize(
    ("methods", "method"),
    [
        ([], None),
        (["self"], "self"),
        (["rebuild", "self"], "rebuild"),
        (["restart", "self", "relay"], "relay"),
        (["magic"], None),
    ],
)
def test_the_method_is_the_most_that_a_link_needed(methods, method):
    """Of several links the one that was hardest to mend counts."""
    one = record()
    for name in methods:
        one.add(told(Clue.LINK_MENDED, "alice", 5.0, method=name))
    assert one.method == method


def test_the_record_as_json():
    """Every field, of an outage with one of everything."""
    one = record(frame=70, halted_s=0.1, resumed_s=7.9, restarts=1, unkept=2)
    data = {"cause": "silent", "ice": "connected", "channel": True, "frame": 71, "hidden": False}
    one.add(told(Clue.LINK_LOST, "alice", -0.5, **data))
    one.add(Evidence(T, Clue.PAUSED, "alice", data={"said": "link_lost"}))
    one.add(attempt(3.0, duration_ms=None, number=None, outcome=None))
    one.add(told(Clue.LINK_MENDED, "alice", 3.0, method="rebuild", down_ms=3500))
    one.misses("bob", T)
    one.misses("bob", T + 5.0)
    form = one.to_json()
    assert json.loads(json.dumps(form)) == form
    assert form == {
        "number": 3,
        "started_at": T,
        "paused_s": 8.0,
        "outcome": "connected",
        "cause": "player_lost",
        "about": ["bob"],
        "said": "link_lost",
        "missing": ["bob"],
        "links": [["alice", "bob"]],
        "frame": 70,
        "halted_s": 0.1,
        "resumed_s": 7.9,
        "pauses": 1,
        "restarts": 1,
        "method": "rebuild",
        "losses": [
            {
                "at": T - 0.5,
                "player": "alice",
                "peer": "bob",
                "cause": "silent",
                "ice": "connected",
                "channel": True,
                "frame": 71,
            }
        ],
        "attempts": [
            {
                "number": None,
                "kind": "rebuild",
                "player": "alice",
                "peer": "bob",
                "started_at": T + 3.0,
                "duration_s": 0.0,
                "outcome": None,
            }
        ],
        "evidence": [piece.to_json() for piece in one.evidence],
        "unkept": 2,
    }
    assert [piece["kind"] for piece in form["evidence"]] == [
        "link_lost",
        "paused",
        "attempt",
        "link_mended",
    ]


def test_who_was_missing_only_later_is_no_part_of_the_cause():
    """`missing` has all; what the outage came of is about those who were not there at first."""
    one = record()
    one.add(told(Clue.LINK_LOST, "alice"))
    one.misses("bob", T + 5.0)
    assert one.missing == ("bob",)
    assert (one.finding.cause, one.finding.about) == ("link_lost", ())
