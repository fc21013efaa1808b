"""One record for each outage of each session, live, across restarts, and bounded."""

from itertools import pairwise
from pathlib import Path
from random import Random

import pytest

from reconnect import Policy, Reason
from reconnect.core.notices import Connected, Paused
from reconnect.telemetry.cause import Finding, OutageCause
from reconnect.telemetry.evidence import Clue
from reconnect.telemetry.outages import Outages
from reconnect.telemetry.recorder import Recorders
from reconnect.telemetry.replay import replay
from reconnect.telemetry.trace import TraceWriter
from tests.by_hand import House
from tests.telemetry.scenes import BIRTH, Scene


def test_an_outage_is_recorded_from_its_cause_to_its_end():
    """Two players lose each other: what both saw, how it was mended, and how long it took."""
    scene = Scene("alice", "bob")
    cut_at = BIRTH + scene.runtime.now()
    scene.network.cut("alice", "bob", fresh=True)
    scene.run(4)
    scene.network.mend("alice", "bob")
    scene.recover()
    outage = scene.outage_now
    assert (outage.number, outage.said, outage.outcome) == (1, "link_lost", "connected")
    assert outage.started_at == pytest.approx(cut_at + 1.0, abs=0.3)
    assert outage.halted_s is not None
    assert outage.resumed_s is not None
    assert outage.paused_s is not None
    assert 0 <= outage.halted_s < outage.resumed_s < outage.paused_s
    ends = sorted((one.player, one.peer) for one in outage.losses)
    assert ends == [("alice", "bob"), ("bob", "alice")]
    assert all(one.seconds("silent_ms") >= 1.0 for one in outage.losses)
    assert all(one.flag("channel") and one.word("ice") == "connected" for one in outage.losses)
    *failed, last = outage.attempts
    assert {one.outcome for one in failed} <= {"timeout", "failed"}
    assert (last.outcome, last.kind, last.number) == ("success", outage.method, len(failed) + 1)
    assert outage.started_at <= last.started_at
    assert last.started_at + last.duration_s <= outage.ended_at


def test_the_pauses_add_up():
    """The lengths of the records are the session's own total, and each client's own notices."""
    scene = Scene()
    for player in ("bob", "carol", "bob"):
        scene.outage(player)
    account = scene.outages.account("game")
    assert account is not None
    lengths = [outage.paused_s or 0.0 for outage in account.outages]
    assert sum(lengths) == pytest.approx(scene.session.paused_total, abs=1e-9)
    assert account.paused_s == scene.session.paused_total
    assert account.number == scene.session.outages == len(lengths) == 3
    assert account.attempts == sum(len(outage.attempts) for outage in account.outages)
    for player in scene.players.values():
        told = [one.paused for one in player.heard if isinstance(one, Connected)]
        assert told == [0.0, *(pytest.approx(length, abs=0.001) for length in lengths)]
        numbers = [one.outage for one in player.heard if isinstance(one, Paused)]
        assert set(numbers) <= {0, 1, 2, 3}


def test_a_client_that_is_paused_by_the_others_hears_the_number():
    """A client that has noticed by itself could only guess it, and says 0."""
    scene = Scene()
    scene.outage("bob")
    scene.outage("bob")
    heard = {
        name: [one.outage for one in player.heard if isinstance(one, Paused)]
        for name, player in scene.players.items()
    }
    assert heard["carol"] == [1, 2]


def test_facts_told_twice_count_once():
    """What was reported on a connection that died is reported again on the next one."""
    scene = Scene()
    scene.network.cut("alice", "bob")
    scene.network.cut_control("alice", half_open=True)
    scene.run(8)
    scene.network.mend_control("alice")
    scene.network.mend("alice", "bob")
    scene.recover()
    outage = scene.outage_now
    assert [one.player for one in outage.losses].count("alice") == 1
    pieces = [(one.at, one.kind, one.player, str(one.data)) for one in outage.evidence]
    assert len(pieces) == len(set(pieces))


def test_a_player_who_comes_back_too_late_still_tells():
    """The game ended without carol, who saw it coming: her facts come with her."""
    scene = Scene(policy=Policy(outage_timeout=12))
    scene.network.unplug("carol")
    scene.run(15)
    outage = scene.outage_now
    assert outage.outcome == Reason.TIMEOUT
    assert {one.player for one in outage.losses} == {"alice", "bob"}
    scene.network.plug("carol")
    scene.run(10)
    assert {one.player for one in outage.losses} == {"alice", "bob", "carol"}
    assert outage.finding == Finding(OutageCause.PLAYER_LOST, ("carol",))
    assert outage.missing == ("carol",)


# -- restarts ------------------------------------------------------------------------------------


def test_a_restart_in_the_middle_goes_on_with_the_record_of_the_trace(tmp_path: Path):
    """The process that follows lives through the trace, and goes on where the other was killed."""
    path = tmp_path / "trace.jsonl"
    first = Outages()
    scene = Scene(recorder=Recorders(first, TraceWriter(path)))
    scene.outage("bob")
    scene.network.cut("alice", "carol")
    scene.run(3)
    scene.kill()
    scene.run(2)
    second = Outages()
    replay(path, recorder=second)
    assert [one.to_json() for one in second.outages] == [one.to_json() for one in first.outages]
    scene.restart(Recorders(second, TraceWriter(path)))
    scene.run(2)
    scene.network.mend("alice", "carol")
    scene.recover()
    one, other = second.of("game")
    assert (one.restarts, other.restarts) == (0, 1)
    assert (other.number, other.outcome, other.said) == (2, "connected", "link_lost")
    assert other.finding == Finding(OutageCause.LINK_LOST)
    assert (other.links, other.missing) == ((("alice", "carol"),), ())
    assert len(other.losses) == 2
    lengths = [outage.paused_s or 0.0 for outage in second.of("game")]
    assert sum(lengths) == pytest.approx(scene.session.paused_total, abs=1e-5)
    scene.coordinator.close()
    again = Outages()
    replay(path, recorder=again)
    assert [one.to_json() for one in again.outages] == [one.to_json() for one in second.outages]


def test_a_restart_in_the_middle_goes_on_with_what_the_store_has():
    """Without a trace what was told before is lost: the cause. Number, start and sums are not."""
    first, second = Outages(), Outages()
    scene = Scene(recorder=first)
    scene.outage("bob")
    scene.network.cut("alice", "carol")
    scene.run(3)
    scene.kill()
    scene.run(2)
    scene.restart(second)
    scene.run(2)
    scene.network.mend("alice", "carol")
    scene.recover()
    (before,) = [one for one in first.of("game") if one.outcome is None]
    (after,) = second.of("game")
    assert (after.number, after.restarts, after.outcome) == (2, 1, "connected")
    assert after.started_at == pytest.approx(before.started_at, abs=1e-5)
    assert (before.finding.cause, after.finding.cause) == ("link_lost", "unknown")
    assert after.said == "link_lost"
    account = second.account("game")
    assert account is not None
    assert (account.number, account.paused_s) == (2, scene.session.paused_total)


def test_a_coordinator_that_comes_back_late_is_the_cause():
    """Nobody lost anybody; the leases ran out, because nobody was there to renew them."""
    scene = Scene()
    scene.kill()
    scene.run(12)
    scene.restart(second := Outages())
    scene.recover()
    (outage,) = second.of("game")
    assert outage.finding == Finding(OutageCause.RESTARTED)
    assert outage.missing == ()


def test_who_does_not_come_back_to_a_coordinator_is_missing():
    """The others have found it again, so carol could have."""
    scene = Scene()
    scene.kill()
    scene.network.cut_control("carol")
    scene.run(1)
    scene.restart(second := Outages())
    scene.run(20)
    scene.network.mend_control("carol")
    scene.recover()
    (outage,) = second.of("game")
    assert outage.finding == Finding(OutageCause.CONTROL_LOST, ("carol",))
    assert outage.missing == ("carol",)


def test_a_quick_restart_is_no_outage():
    """The players come back before anybody would have been paused."""
    scene = Scene()
    scene.kill()
    scene.run(0.5)
    scene.restart(second := Outages())
    scene.run(15)
    assert second.of("game") == []
    assert scene.session.state == "connected"


# -- bounds --------------------------------------------------------------------------------------


def test_sessions_that_have_ended_are_kept_for_a_while():
    """The latest ended ones; of those that live, each."""
    outages = Outages(ended_max=2)
    house = House(recorder=outages)
    handles = [house.coordinator.open(["ann", "ben"], id=name) for name in "abcde"]
    late = house.client(handles[1], "ann")
    for handle in (handles[1], handles[0], handles[3]):
        handle.end("won")
    assert [account.session for account in outages.accounts()] == ["a", "c", "d", "e"]
    assert (outages.forgotten, outages.account("b"), outages.of("b")) == (1, None, [])
    late.claim()  # changes nothing any more
    assert outages.account("b") is None


def test_an_id_may_be_used_again():
    """The session of today has nothing of yesterday's."""
    outages = Outages()
    house = House(recorder=outages, policy=Policy(outage_timeout=12, retention=5))
    house.coordinator.open(["ann", "ben"], id="daily").end("won")
    first = outages.account("daily")
    house.run(6)
    house.coordinator.open(["ann", "ben", "cas"], id="daily")
    second = outages.account("daily")
    assert first is not None
    assert second is not None
    assert (first.reason, second.reason) == ("won", None)
    assert second.players == ("ann", "ben", "cas")


def test_what_is_told_of_a_session_is_in_the_order_of_time():
    """Evidence of both ends and of the coordinator makes one story."""
    scene = Scene()
    scene.network.unplug("carol")
    scene.run(6)
    scene.network.plug("carol")
    scene.recover()
    kinds = [one.kind for one in scene.outage_now.evidence]
    for earlier, later in (
        (Clue.LINK_LOST, Clue.DETACHED),
        (Clue.PAUSED, Clue.DETACHED),
        (Clue.DETACHED, Clue.ATTACHED),
        (Clue.ATTACHED, Clue.AWAY),
    ):
        assert kinds.index(earlier) < kinds.index(later)


# -- whatever happens ----------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(10))
def test_the_books_are_right_whatever_happens(tmp_path: Path, seed: int):
    """Faults of all kinds, also of the server: as many records as outages, and as long together.

    Lived through again, the trace of all processes gives the same records.
    """
    chance = Random(seed)
    path = tmp_path / "trace.jsonl"
    outages = Outages()
    scene = Scene(seed=seed, loss=0.1, recorder=Recorders(outages, TraceWriter(path)))
    faults = (cut, unplug, drop, stall, reload)
    for _ in range(6):
        chance.choice(faults)(scene, chance)
        if chance.random() < 0.3:
            scene.kill()
            scene.run(chance.uniform(0.1, 4.0))
            outages = Outages()
            replay(path, recorder=outages)
            scene.restart(Recorders(outages, TraceWriter(path)))
        scene.run(chance.uniform(0.5, 6.0))
        scene.network.plug("bob")
        scene.network.plug("carol")
        scene.run(chance.uniform(0.0, 6.0))
    scene.run(10)
    scene.session.end("won")
    account = outages.account("game")
    assert account is not None
    assert [one.number for one in account.outages] == [*range(1, scene.session.outages + 1)]
    lengths = [one.paused_s or 0.0 for one in account.outages]
    assert sum(lengths) == pytest.approx(scene.session.paused_total, abs=1e-4)
    assert (account.number, account.paused_s) == (
        scene.session.outages,
        scene.session.paused_total,
    )
    assert {one.outcome for one in account.outages} <= {"connected", account.reason}
    for one in account.outages:
        assert one.evidence
        assert set(one.missing) | set(one.finding.about) <= set(scene.players)
        assert all(one.concerns(piece) for piece in one.evidence if piece.kind is not Clue.HIDDEN)
    for earlier, later in pairwise(account.outages):
        assert earlier.ended_at <= later.started_at + 1e-4
    scene.coordinator.close()
    again = Outages()
    replay(path, recorder=again)
    assert [one.to_json() for one in again.outages] == [one.to_json() for one in outages.outages]


def cut(scene: Scene, chance: Random) -> None:
    scene.network.cut("bob", fresh=chance.random() < 0.5)


def unplug(scene: Scene, chance: Random) -> None:
    scene.network.unplug(chance.choice(["bob", "carol"]))


def drop(scene: Scene, chance: Random) -> None:
    scene.network.drop_control(chance.choice(["bob", "carol"]), tell_server=chance.random() < 0.5)


def stall(scene: Scene, chance: Random) -> None:
    scene.processes["carol"].stall(chance.uniform(0.3, 8.0))


def reload(scene: Scene, chance: Random) -> None:
    if chance.random() < 0.5:
        scene.players["bob"].client.close()
    else:
        scene.lose("bob")
    scene.run(chance.uniform(0.0, 3.0))
    scene.come_back("bob")
