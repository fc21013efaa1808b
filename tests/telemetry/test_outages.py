"""One record for each outage, whoever reports it."""

import json

import pytest

from reconnect import Policy, Reason
from reconnect.telemetry import outages as module
from reconnect.telemetry.outages import Outages
from tests.games import Game


def test_an_outage_is_recorded_from_its_cause_to_its_end():
    """Two players lose each other: one record, with what both saw, and how it was mended."""
    outages = Outages()
    game = Game(recorder=outages)
    game.run(2)
    game.network.cut("alice", "bob", fresh=True)
    game.run(3)
    game.network.mend("alice", "bob")
    game.run(3)
    (outage,) = outages.of(game.session.id)
    assert (outage.number, outage.cause, outage.outcome) == (1, "link_lost", "connected")
    assert outage.missing == ()
    assert outage.halted_s is not None
    assert outage.resumed_s is not None
    assert outage.paused_s is not None
    assert 0 <= outage.halted_s < outage.resumed_s < outage.paused_s
    lost = {seen.player: seen.data for seen in outage.seen if seen.kind == "link_lost"}
    assert lost["alice"]["peer"] == "bob"
    assert lost["bob"]["peer"] == "alice"
    assert all(isinstance(data["silent_ms"], int) for data in lost.values())
    assert [seen.data["outcome"] for seen in outage.attempts][-1] == "success"
    mended = [seen for seen in outage.seen if seen.kind == "link_mended"]
    assert {seen.data["method"] for seen in mended} <= {"restart", "rebuild"}


def test_the_pauses_add_up():
    """The lengths of the records are the session's own total."""
    outages = Outages()
    game = Game(recorder=outages)
    game.run(2)
    for _ in range(3):
        game.network.cut("alice", "bob")
        game.run(2.5)
        game.network.mend("alice", "bob")
        game.run(2)
    lengths = [outage.paused_s for outage in outages.of(game.session.id)]
    assert len(lengths) == 3
    assert sum(length or 0.0 for length in lengths) == pytest.approx(game.session.paused_total)


def test_who_is_missing_is_what_the_coordinator_knows():
    """Of three players the one without a control link is named, not the one who reported."""
    outages = Outages()
    game = Game("alice", "bob", "carol", recorder=outages, policy=Policy(outage_timeout=12))
    game.run(2)
    game.network.cut("carol")
    game.network.cut_control("carol", half_open=True)
    game.run(20)
    (outage,) = outages.of(game.session.id)
    assert outage.missing == ("carol",)
    assert outage.outcome == Reason.TIMEOUT


def test_a_fact_that_is_told_twice_is_kept_once():
    """Reports are repeated until they are acknowledged; their facts are not counted again."""
    outages = Outages()
    game = Game(recorder=outages)
    game.run(2)
    game.network.cut("alice", "bob")
    game.network.cut_control("alice", half_open=True)
    game.run(8)
    game.network.mend_control("alice")
    game.network.mend("alice", "bob")
    game.run(4)
    (outage,) = outages.of(game.session.id)
    told = [(seen.player, seen.generation, seen.n) for seen in outage.seen]
    assert len(told) == len(set(told))
    assert [seen.player for seen in outage.seen if seen.kind == "link_lost"].count("alice") == 1


def test_the_record_is_json():
    """Everything in a record can be written down."""
    outages = Outages()
    game = Game(recorder=outages)
    game.run(2)
    game.network.cut("alice", "bob")
    game.run(3)
    assert json.loads(json.dumps(outages.outages[0].to_json()))["outcome"] is None


def test_records_are_bounded(monkeypatch: pytest.MonkeyPatch):
    """Of too many outages the oldest are thrown away, and counted."""
    monkeypatch.setattr(module, "OUTAGES_MAX", 2)
    outages = Outages()
    game = Game(recorder=outages)
    game.run(2)
    for _ in range(3):
        game.network.cut("alice", "bob")
        game.run(2.5)
        game.network.mend("alice", "bob")
        game.run(2)
    assert [outage.number for outage in outages.outages] == [2, 3]
    assert outages.lost == 1
