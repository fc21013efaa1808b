"""The mailbox: nothing is told before it is durable, and a store that fails harms one session."""

from itertools import pairwise

import attrs
import pytest

from reconnect.core.messages import Reason
from reconnect.core.notices import Connected, Ended, Paused, Reconnecting, Resumed
from reconnect.core.table import State
from reconnect.errors import (
    Conflict,
    LocalProtocolError,
    RefusedMove,
    SessionEnded,
    StoreError,
    StoreInUse,
)
from reconnect.mailbox import FIRST_SAVES_MAX, WAITING_MAX, WAITING_PER_CONNECTION, Mailbox
from reconnect.policy import Policy

from .by_hand import WORK_MAX, Diary, FaultyStore, Hand, House

FAILED = StoreError("the disk is full")


def slow(**options) -> House:
    """A house whose store blocks."""
    return House(store=FaultyStore(blocking=True), **options)


def both(test):
    """Hold for a store that blocks and for one that does not."""
    return pytest.mark.parametrize("blocking", [False, True], ids=["inline", "blocking"])(test)


# -- write-ahead ---------------------------------------------------------------------------------


def test_nobody_is_answered_before_the_first_save():
    """A client that comes while the new session is being saved waits for the save."""
    house = slow()
    house.runtime.hangs = True
    handle = house.coordinator.open(["ann", "ben"])
    ann = Hand(house, "ann", handle.invite("ann"), handle.id)
    ann.claim()
    assert ann.heard == []
    assert house.store.load_all() == ()
    house.runtime.release()
    house.run(1.0)
    assert ann.types == ["view"]
    assert ann.last["gen"] == 1


def test_a_token_is_good_for_whoever_comes_before_it_is_saved():
    """`invite` returns at once; who is quicker than the store is let in when it is done."""
    house = slow()
    handle = house.coordinator.open(["ann", "ben"])
    house.settle()
    house.runtime.hangs = True
    ann = Hand(house, "ann", handle.invite("ann"), handle.id)
    ann.claim()
    assert ann.heard == []
    house.runtime.release()
    house.run(1.0)
    assert ann.errors == []
    assert ann.last["gen"] == 1


def test_a_view_is_sent_only_when_what_it_says_is_durable():
    """While the save hangs the players hear nothing, and the application sees no change."""
    house = slow()
    handle, (ann, ben) = house.game()
    handle.notices()
    ben.heard.clear()
    house.runtime.hangs = True
    ann.report("halted", 2, cause="link_lost")
    assert ben.heard == []
    assert handle.state is State.CONNECTED
    assert handle.notices() == []
    house.runtime.release()
    house.settle()
    assert ben.last["state"] == "paused"
    assert handle.state is State.PAUSED
    assert handle.notices() == [Paused("link_lost", frozenset(), 1)]


def test_a_game_does_not_go_on_while_its_pause_is_being_saved():
    """`playing` is False from the pause on; only what is good news waits for the store."""
    house = slow()
    handle, (ann, _) = house.game()
    handle.notices()
    assert handle.playing
    house.runtime.hangs = True
    ann.report("halted", 2)
    assert not handle.playing


def test_events_wait_for_the_save_in_their_order():
    """What comes during a save is handled behind it, one after the other."""
    diary = Diary()
    house = slow(recorder=diary)
    _, (ann, ben) = house.game()
    house.runtime.hangs = True
    diary.entries.clear()
    ann.report("halted", 2)
    ben.report("halted", 2)
    ann.report("ready")
    ben.hang_up()
    assert diary.events == []
    house.runtime.release()
    house.run(1.0)
    assert diary.events == ["ReportArrived", "ReportArrived", "ReportArrived", "ConnectionClosed"]
    assert [entry[2].report.epoch for entry in diary.entries[:3]] == [2, 2, 2]


def test_a_report_knows_how_long_it_waited():
    """The wait is in the answer, so that the client can take it off the round trip."""
    house = slow()
    _, (ann, ben) = house.game()
    house.runtime.hangs = True
    ann.report("halted", 2)
    ben.report()
    house.run(1.0)
    house.runtime.release()
    ben.heard.clear()
    house.settle()
    answer = next(one for one in ben.heard if one["ack"] == ben.seq)
    assert 1000 <= answer["held_ms"] <= 1000 + 8 * 1000 * WORK_MAX


def test_what_was_held_is_sent_as_it_is_now():
    """The start instant and the deadline stay where they are, however long the save took."""
    house = slow(policy=Policy(outage_timeout=30, countdown=3))
    _, (ann, ben) = house.game()
    ann.report("halted", 2)
    ben.report("halted", 2)
    ann.report("ready")
    house.runtime.hangs = True
    ben.report("ready")
    at = house.runtime.now()
    house.run(1.5)
    house.runtime.release()
    house.settle()
    waited = house.runtime.now() - at
    start_in = ann.view["resume"]["start_in_ms"] / 1000
    assert ann.view["state"] == "resumed"
    assert 3.0 - waited <= start_in < 1.6
    assert ann.view["remaining_ms"] / 1000 < 30 - 1.5
    assert ben.view["held_ms"] >= 1500


def test_a_heartbeat_is_saved_nowhere():
    """Saves happen on transitions only."""
    house = House(store=FaultyStore())
    _, hands = house.game()
    saves = len(house.store.saves)
    house.keep(10, *hands)
    assert len(house.store.saves) == saves


def test_reports_beyond_the_bound_are_thrown_away_and_counted():
    """A flood during a save costs a bounded amount of memory; the next report says it all."""
    house = slow()
    handle, (ann, *others) = house.game(*(f"p{n:02}" for n in range(12)))
    house.runtime.hangs = True
    ann.report("halted", 2)
    for n in range(WAITING_MAX + 7):
        hand = others[n % len(others)]
        hand.line.send(hand.report_with())
    house.run(0.1)
    ben = others[0]
    ben.hang_up()
    assert house.coordinator.stats()["overflowed"] == 7
    house.runtime.release()
    house.run(1.0)
    assert handle.missing == {"p01"}


def test_one_connection_cannot_fill_the_mailbox():
    """Who floods it while a save takes its time has its own reports thrown away, nobody else's."""
    house = slow()
    _, (ann, ben) = house.game()
    house.runtime.hangs = True
    seq = ben.seq
    ann.report("halted", 2)
    for _ in range(150):
        ann.line.send(ann.report_with())
    house.run(0.1)
    assert house.coordinator.stats()["overflowed"] == 150 - WAITING_PER_CONNECTION
    ben.report("halted", 2)
    assert house.coordinator.stats()["overflowed"] == 150 - WAITING_PER_CONNECTION
    house.runtime.release()
    house.run(1.0)
    assert ben.last["ack"] == ben.seq > seq


def test_claims_of_connections_that_are_gone_take_no_room():
    """Dialling, claiming and hanging up again and again while the store hangs leaves nothing."""
    house = slow()
    handle, (ann, _) = house.game()
    house.runtime.hangs = True
    ann.report("halted", 2)
    waiting = len(handle._mailbox._letters)
    again = Hand(house, "ann", ann.token, handle.id)
    for _ in range(10):
        again.claim()
        again.hang_up()
    assert len(handle._mailbox._letters) == waiting
    again.claim()
    house.runtime.release()
    house.run(1.0)
    assert again.view["gen"] == 2


# -- crashes of one session ----------------------------------------------------------------------


@both
@pytest.mark.parametrize("fault", [FAILED, Conflict("s", expected=1, found=2), ValueError("?")])
def test_a_save_that_fails_was_never_said(blocking, fault):
    """The pause is not heard of; the session is loaded again and goes on as it was before."""
    house = House(store=FaultyStore(blocking=blocking))
    handle, (ann, ben) = house.game()
    handle.notices()
    before = house.record(handle)
    house.store.faults = [fault]
    ben.heard.clear()
    ann.report("halted", 2)
    house.run(1.0)
    assert ben.heard == []
    assert handle.notices() == []
    assert handle.state is State.CONNECTED
    assert house.record(handle) == attrs.evolve(before, version=before.version + 1)
    assert house.coordinator.stats()["crashes"] == 1


@both
def test_after_a_crash_the_next_report_does_it_again(blocking):
    """Every report is a whole state: what was lost with the crash is said by the next one."""
    house = House(store=FaultyStore(blocking=blocking))
    handle, (ann, ben) = house.game()
    house.store.faults = [FAILED]
    ann.report("halted", 2)
    house.run(0.5)
    ann.report()
    ben.report("halted", 2)
    assert ben.view["epoch"] == 2
    assert handle.state is State.RECONNECTING
    ann.report("ready")
    ben.report("ready")
    assert handle.state is State.RESUMED


def test_after_a_crash_all_leases_are_assumed_to_run():
    """As after a start of the process: who is silent may be playing for a whole lease bound."""
    house = House(store=FaultyStore())
    handle, (ann, ben) = house.game()
    ben.hang_up()
    house.run(0.1)
    house.store.faults = [FAILED]
    ann.report("halted", 2)
    house.run(0.1)
    crashed_at = house.runtime.now()
    ann.report()
    assert handle.state is State.PAUSED
    house.keep(house.policy.lease_bound - 0.5, ann)
    assert handle.state is State.PAUSED
    house.keep(1.0, ann)
    assert handle.state is State.RECONNECTING
    assert house.runtime.now() - crashed_at >= house.policy.lease_bound


def test_while_a_session_is_lost_its_reports_get_no_answer():
    """So that leases run out by themselves, if the store does not come back."""
    house = House(store=FaultyStore())
    handle, (ann, ben) = house.game()
    house.store.faults = [FAILED]
    house.store.load_faults = [FAILED] * 3
    ann.report("halted", 2)
    ann.heard.clear()
    ben.heard.clear()
    ann.report()
    ben.report()
    assert ann.heard == ben.heard == []
    assert handle.missing == {"ann", "ben"}
    assert not handle.playing
    assert "store" in handle.explain()
    house.run(1.0)
    assert ann.last["epoch"] == 2
    assert handle.missing == set()


def test_the_store_is_tried_again_at_growing_intervals_up_to_a_second():
    """Soon at first, never in a storm, and for as long as it takes."""
    house = House(store=FaultyStore())
    handle, (ann, _) = house.game()
    house.store.faults = [FAILED]
    house.store.load_faults = [FAILED] * 1000
    ann.report("halted", 2)
    tried = []
    for _ in range(2000):
        left = len(house.store.load_faults)
        house.run(0.01)
        if len(house.store.load_faults) < left:
            tried.append(house.runtime.now())
    gaps = [round(b - a, 1) for a, b in pairwise(tried)]
    assert gaps[:4] == [0.1, 0.2, 0.4, 0.8]
    assert set(gaps[4:]) == {1.0}
    house.store.load_faults.clear()
    house.run(1.1)
    ann.report()
    assert handle.state is State.PAUSED


def test_a_dead_store_is_logged_once():
    """The log says that a session was lost, not every second that it still is."""
    house = House(store=FaultyStore())
    _, (ann, _) = house.game()
    house.store.faults = [FAILED]
    house.store.load_faults = [FAILED] * 1000
    ann.report("halted", 2)
    house.run(30)
    assert house.options["logger"].events.count("reconnect.session_crashed") == 1


def test_a_save_that_hangs_is_a_crash():
    """After `save_timeout` the session goes on from what is durable."""
    house = slow()
    handle, (ann, ben) = house.game()
    house.runtime.hangs = True
    ann.report("halted", 2)
    house.runtime.hangs = False  # the one save hangs, what comes after it does not
    house.run(house.policy.save_timeout - 0.1)
    assert house.coordinator.stats()["crashes"] == 0
    house.run(1.0)
    assert house.coordinator.stats()["crashes"] == 1
    ben.report()
    assert ben.last["version"] == handle._mailbox.record.version
    assert handle.state is State.CONNECTED


def test_a_save_that_was_given_up_and_comes_late_changes_nothing():
    """The session was saved again since; nobody who starts there finds an outage of long ago."""
    house = slow()
    handle, (ann, ben) = house.game()
    house.runtime.hangs = True
    ann.report("halted", 2)
    house.runtime.hangs = False
    house.run(house.policy.save_timeout + 0.5)
    before = house.record(handle)
    house.keep(1.0, ben)
    house.runtime.release()
    house.settle()
    assert house.record(handle) == before
    assert handle.state is before.state is State.CONNECTED
    ann.report()
    house.run(1.0)
    assert handle.state is house.record(handle).state is State.PAUSED
    assert house.coordinator.stats()["crashes"] == 1


@both
def test_a_save_that_comes_late_and_in_time_is_followed(blocking, monkeypatch):
    """It is done after the load, and before the session is saved again: the store has decided."""
    house = House(store=FaultyStore(blocking=blocking))
    handle, (ann, ben) = house.game()
    load = house.store.load

    def late(session):
        found = load(session)
        monkeypatch.undo()
        paused = attrs.evolve(
            found, version=found.version + 1, state=State.PAUSED, epoch=2, outages=1
        )
        house.store.save(paused, expected=found.version)
        return found

    monkeypatch.setattr(house.store, "load", late)
    version = house.record(handle).version
    house.store.faults = [FAILED]
    ann.report("halted", 2)
    house.run(1.0)
    assert house.record(handle).version == version + 2
    assert handle.state is State.PAUSED
    assert handle.notices()[-1] == Paused("", frozenset({"ann", "ben"}), 1)
    assert house.coordinator.stats()["outages"] == 1
    ann.report()
    ben.report("halted", 2)
    assert handle.state is State.RECONNECTING


@both
def test_a_save_that_only_seemed_to_fail_is_told_after_the_load(blocking):
    """The application hears of the state that the store has, although the save had failed."""
    house = House(store=FaultyStore(blocking=blocking))
    handle, (ann, ben) = house.game()
    handle.notices()
    house.store.lies = [FAILED]
    ann.report("halted", 2, cause="link_lost")
    house.run(1.0)
    (notice,) = handle.notices()
    assert notice == Paused("link_lost", frozenset({"ann", "ben"}), 1)
    assert house.coordinator.stats()["outages"] == 1
    ann.report()
    ben.report("halted", 2)
    assert ben.view["state"] == "reconnecting"


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        (1, Paused),
        (2, Reconnecting),
        (4, Resumed),
        (6, Connected),
    ],
)
def test_each_state_can_be_found_in_the_store(steps, expected):
    """Whatever move was thought to have failed, the application is told where the session is."""
    house = House(store=FaultyStore())
    handle, (ann, ben) = house.game()
    says = [
        (ann, "halted", 2),
        (ben, "halted", 2),
        (ann, "ready", 2),
        (ben, "ready", 2),
        (ann, "playing", 2),
        (ben, "playing", 2),
    ]
    for hand, phase, epoch in says[: steps - 1]:
        hand.report(phase, epoch)
    handle.notices()
    house.store.lies = [FAILED]
    hand, phase, epoch = says[steps - 1]
    hand.report(phase, epoch)
    house.run(0.2)
    assert [type(notice) for notice in handle.notices()] == [expected]


@both
def test_the_end_that_was_saved_is_heard_of(blocking):
    """A game that has ended in the store has ended for the application too."""
    house = House(store=FaultyStore(blocking=blocking))
    handle, (ann, _) = house.game()
    handle.notices()
    house.store.lies = [FAILED]
    handle.end("won")
    house.run(1.0)
    assert handle.notices() == [Ended("won")]
    ann.report()
    assert ann.view["reason"] == "won"


@both
def test_what_the_application_ordered_is_done_again(blocking):
    """A token that was handed out and an end that was decided survive a save that fails."""
    house = House(store=FaultyStore(blocking=blocking))
    handle, _ = house.game()
    house.store.faults = [FAILED] * 3
    token = handle.invite("ann")
    house.run(2.0)
    again = Hand(house, "ann", token, handle.id)
    again.claim()
    assert again.errors == []
    house.store.faults = [FAILED] * 3
    handle.end("won")
    house.run(2.0)
    assert handle.reason == "won"
    again.report()
    assert again.view["reason"] == "won"


def test_orders_are_done_again_in_their_order():
    """Of two tokens the newer one is good, although the older one had to be saved twice."""
    house = slow()
    handle, _ = house.game()
    house.store.faults = [FAILED]
    older, newer = handle.invite("ann"), handle.invite("ann")
    house.run(1.0)
    assert house.coordinator.stats()["crashes"] == 1
    for token, errors in ((older, ["bad_token"]), (newer, [])):
        hand = Hand(house, "ann", token, handle.id)
        hand.claim()
        assert hand.errors == errors


def test_an_order_that_was_saved_is_not_done_again(monkeypatch):
    """A crash for another reason repeats nothing."""
    house = House(store=FaultyStore())
    handle, (ann, _) = house.game()
    handle.invite("ben")
    record = house.record(handle)
    monkeypatch.setattr(type(handle._mailbox.session), "_heed", lambda *_: 1 / 0)
    ann.report()
    monkeypatch.undo()
    house.run(0.2)
    assert house.coordinator.stats()["crashes"] == 1
    assert house.record(handle) == attrs.evolve(record, version=record.version + 1)


def test_an_order_that_comes_too_late_does_nothing():
    """The game ended while the order waited; the application reads that in the notices."""
    house = slow()
    handle, (ann, _) = house.game()
    house.runtime.hangs = True
    ann.report("left")
    handle.end("won")
    handle.invite("ben")
    house.runtime.release()
    house.run(1.0)
    assert handle.reason == Reason.PLAYER_LEFT
    assert house.coordinator.stats()["crashes"] == 0


def test_one_session_crashes_alone():
    """Others are saved, answered and kept as if nothing had happened."""
    house = House(store=FaultyStore())
    _, (ann, _) = house.game()
    other, (cid, dan) = house.game("cid", "dan")
    house.store.faults = [FAILED]
    house.store.load_faults = [FAILED] * 5
    ann.report("halted", 2)
    cid.report("halted", 2)
    assert dan.view["state"] == "paused"
    assert other.state is State.PAUSED


@pytest.mark.parametrize("bug", [ZeroDivisionError(), RefusedMove("ended", "pause")])
def test_a_bug_in_the_core_is_a_crash_and_costs_the_connection(bug, monkeypatch):
    """Fail-stop: the half-changed session is thrown away, and who triggered it is hung up."""
    house = House()
    handle, (ann, ben) = house.game()
    session = handle._mailbox.session

    def fails(*_):
        raise bug

    monkeypatch.setattr(type(session), "_heed", fails)
    ann.report()
    monkeypatch.undo()
    assert ann.closings == ["closed"]
    house.run(0.2)
    assert handle._mailbox.session is not session
    ben.report()
    assert ben.last["ack"] == ben.seq
    assert handle.state is State.CONNECTED
    line = next(
        one for one in house.options["logger"].lines if one["event"] == "reconnect.session_crashed"
    )
    assert line["error"] == type(bug).__name__


def test_a_bug_without_a_connection_is_a_crash_too(monkeypatch):
    """Time passes again when the session has been loaded."""
    house = House()
    handle, (ann, ben) = house.game()
    monkeypatch.setattr(type(handle._mailbox.session), "_time_passed", lambda *_: 1 / 0)
    house.run(house.policy.silence_timeout + 0.5)
    monkeypatch.undo()
    assert house.coordinator.stats()["crashes"] >= 1
    house.run(1.5)
    assert handle.state is State.CONNECTED
    assert ann.closings == ben.closings == []
    house.run(house.policy.lease_bound + 0.1)
    assert handle.state is State.RECONNECTING


# -- stores that fail for good -------------------------------------------------------------------


@both
def test_a_first_save_that_fails_is_tried_again(blocking):
    """A short trouble of the store is nothing that an application or a player notices."""
    house = House(store=FaultyStore(blocking=blocking))
    house.store.faults = [FAILED] * (FIRST_SAVES_MAX - 1)
    handle = house.coordinator.open(["ann", "ben"])
    ann = Hand(house, "ann", handle.invite("ann"), handle.id)
    ann.claim()
    house.run(3)
    assert ann.last["gen"] == 1
    assert house.record(handle) is not None


@both
def test_a_first_save_that_fails_for_good_ends_the_session_here(blocking):
    """Nothing is in the store; who was invited hears the reason, and the application too."""
    diary = Diary()
    house = House(store=FaultyStore(blocking=blocking), recorder=diary)
    house.store.faults = [FAILED] * 100
    handle = house.coordinator.open(["ann", "ben"])
    ann = Hand(house, "ann", handle.invite("ann"), handle.id)
    ann.claim()
    assert handle.state is State.PAUSED
    house.run(5)
    assert (handle.state, handle.reason) == (State.ENDED, Reason.STORE_FAILED)
    assert handle.notices() == [Ended(Reason.STORE_FAILED)]
    assert ann.last["state"] == "ended"
    assert ann.last["reason"] == "store_failed"
    assert house.record(handle) is None
    assert diary.entries[0][:3] == ("began", handle.id, State.PAUSED)
    assert "ApplicationEnded" in diary.events
    with pytest.raises(SessionEnded):
        handle.invite("ann")


def test_an_id_that_the_store_has_is_not_tried_twice():
    """Somebody else's record is not overwritten, and waiting would not help."""
    store = FaultyStore()
    other = House(store=store)
    other.coordinator.open(["cid", "dan"], id="game")
    record = store.load("game")
    store.load_all = lambda: ()  # as if the other coordinator had opened it just now
    house = House(store=store)
    handle = house.coordinator.open(["ann", "ben"], id="game")
    assert handle.reason == Reason.STORE_FAILED
    assert handle.notices() == [Ended(Reason.STORE_FAILED)]
    assert store.load("game") == record


def test_a_record_that_vanished_ends_the_session_here():
    """A store that has lost a game cannot go on with it; the players are told."""
    house = House(store=FaultyStore())
    handle, (ann, ben) = house.game()
    handle.notices()
    house.store.faults = [FAILED]
    house.store.forget(handle.id)
    ann.report("halted", 2)
    house.run(1.0)
    assert handle.notices() == [Ended(Reason.STORE_FAILED)]
    for hand in (ann, ben):
        hand.report()
        assert hand.view["reason"] == "store_failed"


def test_an_ended_record_that_vanished_stays_ended(monkeypatch):
    """Ended is ended, for the reason it was, even if the store forgets it early."""
    house = House()
    handle, (ann, _) = house.game()
    handle.end("won")
    house.store.forget(handle.id)
    monkeypatch.setattr(type(handle._mailbox.session), "_reported", lambda *_: 1 / 0)
    ann.report()
    monkeypatch.undo()
    house.run(1.0)
    assert handle.reason == "won"
    ann.claim()
    assert ann.view["reason"] == "won"


def test_a_hanging_load_is_tried_again():
    """It has as long as a save; what it brings later is ignored."""
    house = slow()
    handle, (ann, _) = house.game()
    house.store.faults = [FAILED]
    ann.line.send(ann.report_with(epoch=2))
    assert house.runtime.run_until(lambda: house.coordinator.stats()["crashes"])
    house.runtime.hangs = True
    house.run(1.0)
    assert len(house.runtime.stuck) == 1
    house.runtime.hangs = False
    house.run(house.policy.save_timeout + 1.0)
    session = handle._mailbox.session
    assert session is not None
    house.runtime.release()
    house.run(1.0)
    assert handle._mailbox.session is session


@both
def test_a_coordinator_that_lost_its_store_stops(blocking):
    """Another one has taken over: no lease may be renewed here any more."""
    house = House(store=FaultyStore(blocking=blocking))
    handle, (ann, ben) = house.game()
    house.store.faults = [StoreInUse("the other")]
    ann.report("halted", 2)
    house.run(1.0)
    assert ann.closings == ben.closings == ["closed"]
    assert ben.last["type"] == "bye"
    assert "reconnect.deposed" in house.options["logger"].events
    with pytest.raises(LocalProtocolError, match="closed"):
        house.coordinator.open(["cid", "dan"])
    with pytest.raises(LocalProtocolError, match="closed"):
        handle.end()


# -- what the recorder is told -------------------------------------------------------------------


@both
def test_the_recorder_hears_only_what_happened(blocking):
    """What was thrown away in a crash is not in its book; the session begins anew there."""
    diary = Diary()
    house = House(store=FaultyStore(blocking=blocking), recorder=diary)
    handle, (ann, _) = house.game()
    diary.entries.clear()
    house.store.faults = [FAILED]
    ann.report("halted", 2)
    house.run(1.0)
    assert [entry[:3] for entry in diary.entries] == [("began", handle.id, State.CONNECTED)]
    diary.entries.clear()
    ann.report()
    house.settle()
    assert diary.events == ["ReportArrived"]


def test_the_recorder_can_play_it_again():
    """From `began` on, the events at their times give the same effects in another session."""
    house = House(recorder=(book := Book()))
    handle, (ann, ben) = house.game()
    ann.report("halted", 2)
    ben.hang_up()
    house.keep(7, ann)
    handle.end()
    assert len(book.entries) > 20
    for event, now, effects in book.entries:
        assert book.twin.handle(event, now=now) == effects


class Book(Diary):
    """Keeps a twin of the session as it began."""

    def began(self, session, *, now):
        self.twin = type(session).loaded(session.record(now), now=now, wall=1_700_000_000.0 + now)
        self.twin.resumed_at = session.resumed_at

    def handled(self, session, event, effects, *, now):
        self.entries.append((event, now, list(effects)))


def test_the_first_save_comes_before_the_beginning():
    """A session that is not durable has not begun."""
    diary = Diary()
    house = slow(recorder=diary)
    house.runtime.hangs = True
    house.coordinator.open(["ann", "ben"])
    assert diary.entries == []
    house.runtime.release()
    house.settle()
    assert [entry[0] for entry in diary.entries] == ["began"]


def test_a_long_queue_needs_no_deep_stack():
    """A thousand saves that are waited for one after the other, inline or not."""
    house = House(store=FaultyStore())
    handle, _ = house.game()
    mailbox: Mailbox = handle._mailbox
    house.store.faults = [FAILED]
    handle.invite("ann")
    for _ in range(3000):
        handle.invite("ann")
    assert mailbox.busy
    house.run(1.0)
    assert not mailbox.busy
    assert house.coordinator.stats()["crashes"] == 1
