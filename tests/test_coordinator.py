"""The coordinator: sessions from their opening to their end, across restarts."""

import asyncio
import json
import threading

import attrs
import pytest

from reconnect import aio
from reconnect.coordinator import CLOSE_TIMEOUT, Coordinator
from reconnect.core.messages import Reason
from reconnect.core.notices import Attached, Connected, Ended, Paused, Reconnecting, Resumed
from reconnect.core.table import State
from reconnect.errors import LocalProtocolError, StoreInUse
from reconnect.policy import Policy
from reconnect.runtimes import ThreadRuntime
from reconnect.signaling.memory import MemorySignaling
from reconnect.testing.virtual import VirtualRuntime

from .by_hand import Diary, FaultyStore, Hand, House

# -- a game --------------------------------------------------------------------------------------


def test_the_first_start_is_a_barrier():
    """Nobody plays before all have come and are ready; then all play from one instant."""
    house = House()
    handle = house.coordinator.open(["ann", "ben"])
    house.run(0.1)
    ann = house.client(handle, "ann")
    ann.attach()
    ann.report("ready", 1)
    assert ann.view["state"] == "reconnecting"
    ben = house.client(handle, "ben")
    ben.attach()
    assert ann.view["state"] == "reconnecting"
    assert [one["attached"] for one in ann.view["players"]] == [True, True]
    ann.frame, ben.frame = 7, 9
    ann.report()
    ben.report("ready", 1)
    assert ann.view["resume"] == ben.view["resume"] == {"frame": 7, "start_in_ms": 20}
    ann.report("playing")
    assert handle.state is State.RESUMED
    ben.report("playing")
    assert ann.view["state"] == ben.view["state"] == "connected"
    assert [type(one) for one in handle.notices()] == [
        Reconnecting,
        Attached,
        Attached,
        Resumed,
        Connected,
    ]


def test_a_new_client_is_offered_a_generation_and_the_policy():
    """The offer lets nobody play; the first view with the seat has the policy again."""
    house = House()
    handle = house.coordinator.open(["ann", "ben"])
    ann = house.client(handle, "ann")
    ann.claim()
    offer = ann.last
    assert (offer["gen"], offer["ack"], offer["epoch"], offer["version"]) == (1, 0, 0, 0)
    assert offer["policy"]["lease_ms"] == house.policy.lease * 1000
    assert handle.missing == {"ann", "ben"}
    ann.report()
    assert handle.missing == {"ben"}
    assert "policy" in ann.last
    ann.report()
    assert "policy" not in ann.last


def test_heartbeats_are_answered_shortly():
    """Nothing but version, generation, acknowledgement and the time it was held."""
    house = House()
    _, (ann, _) = house.game()
    ann.report()
    assert ann.last == {
        "v": 1,
        "session": ann.session,
        "type": "view",
        "version": ann.version,
        "gen": 1,
        "ack": ann.seq,
        "held_ms": 0,
    }


def test_a_lost_player_pauses_the_game_and_an_outage_ends_with_all_back():
    """The grace period passes, all are paused, come back, and play on together."""
    house = House()
    handle, (ann, ben) = house.game()
    handle.notices()
    ben.hang_up()
    house.keep(house.policy.control_grace_period + 0.1, ann)
    assert handle.notices()[-1] == Paused("control_lost", frozenset({"ben"}), 1)
    house.keep(2.0, ann)
    ben.claim()
    house.resume(ann, ben)
    assert handle.state is State.CONNECTED
    assert handle.outages == 1
    assert house.coordinator.stats()["outages"] == 1


def test_an_outage_ends_the_session_at_its_deadline():
    """Within a tick of the wheel, although nobody says anything any more."""
    house = House()
    handle, (ann, ben) = house.game()
    ann.hang_up()
    house.keep(house.policy.control_grace_period + 0.1, ben)
    assert handle.state is State.PAUSED
    deadline = house.record(handle).deadline - 1_700_000_000.0
    house.run(deadline - house.runtime.now() - 0.005)
    assert handle.state is State.RECONNECTING
    house.run(0.02)
    assert (handle.state, handle.reason) == (State.ENDED, Reason.TIMEOUT)


def test_a_promise_may_bring_reconnecting_nearer():
    """When the last player who could still be playing promises to have stopped, it is now."""
    house = House()
    handle, (ann, ben, cid) = house.game("ann", "ben", "cid")
    ben.hang_up()
    house.keep(4.0, cid)
    cid.report()
    ann.report("halted", 2)
    bound = house.policy.lease_bound
    house.keep(bound - 4.5, ann)
    assert handle.state is State.PAUSED
    # from here on only cid is waited for, and cid's promise is answered shortly
    house.keep(0.6, ann)
    assert handle.state is State.PAUSED
    cid.report("halted", 2)
    assert handle.state is State.RECONNECTING


def test_a_short_answer_that_moves_the_deadline_nearer_is_noticed():
    """A promise without any other news brings no view, but a shorter wait for the others."""
    house = House()
    handle = house.coordinator.open(["ann", "ben"])
    ben = house.client(handle, "ben")
    ben.attach()
    ben.hang_up()
    silent_since = house.runtime.now()
    house.run(house.policy.lease_bound - 2.0)
    ann = house.client(handle, "ann")
    ann.attach()
    assert ann.view["epoch"] == 1
    ann.report("halted", 1)
    assert "state" not in ann.last
    assert handle.state is State.PAUSED
    house.run(silent_since + house.policy.lease_bound - house.runtime.now() - 0.01)
    assert handle.state is State.PAUSED
    house.run(0.03)
    assert handle.state is State.RECONNECTING


# -- opening -------------------------------------------------------------------------------------


def test_sessions_are_found_again():
    """By id, all of them in order, and by connection."""
    house = House()
    one = house.coordinator.open(["ann", "ben"], id="one")
    two = house.coordinator.open(["ann", "ben"])
    assert house.coordinator.get("one") is one
    assert house.coordinator.get("three") is None
    assert house.coordinator.sessions() == [one, two]
    assert len({one.id, two.id, house.coordinator.id}) == 3
    ann = house.client(two, "ann")
    ann.attach()
    (conn,) = house.signaling._lines
    assert house.coordinator.seat(conn) == (two, "ann")
    assert house.coordinator.seat("nobody") is None
    ann.hang_up()
    assert house.coordinator.seat(conn) is None


@pytest.mark.parametrize(
    "bad",
    [
        {"id": ""},
        {"id": "x" * 129},
        {"id": "a\nb"},
        {"id": 7},
        {"id": "taken"},
        {"players": "ann"},
        {"players": ["ann"]},
        {"players": ["ann", "ann"]},
        {"players": ["ann", ""]},
        {"players": ["ann", 7]},
        {"players": [str(n) for n in range(17)]},
        {"players": {"ann", "ben"}},
        {"players": None},
        {"policy": {"topology": "mesh"}},
        {"policy": Policy},
        {"data": {"when": object()}},
        {"data": {"x": float("nan")}},
        {"data": 7},
    ],
    ids=str,
)
def test_what_cannot_be_opened_is_refused(bad):
    """The sentence says why, and nothing is saved."""
    house = House()
    house.coordinator.open(["ann", "ben"], id="taken")
    house.settle()
    stored = house.store.load_all()
    with pytest.raises(LocalProtocolError):
        house.coordinator.open(**({"players": ["ann", "ben"]} | bad))
    assert house.store.load_all() == stored
    assert len(house.coordinator.sessions()) == 1


def test_a_coordinator_wants_a_policy():
    """It says so when it is made, not when the first session is opened."""
    with pytest.raises(LocalProtocolError, match=r"policy is a reconnect\.Policy, not a dict"):
        Coordinator(signaling=MemorySignaling(VirtualRuntime()), policy={"topology": "mesh"})


def test_each_session_has_the_policy_it_was_opened_with():
    """Its own, or else the coordinator's."""
    house = House()
    own = Policy(topology="relayed", outage_timeout=5)
    one = house.coordinator.open(["ann", "ben"], policy=own)
    two = house.coordinator.open(["ann", "ben"])
    assert house.record(one).policy == own
    assert house.record(two).policy == house.policy


# -- restarts ------------------------------------------------------------------------------------


def test_a_restart_that_is_quick_pauses_nobody():
    """Sessions, seats and tokens are in the store; clients that come back in time play on."""
    house = House()
    handle, (ann, ben) = house.game(data={"map": "dust"})
    house.kill()
    assert ann.closings == ben.closings == []
    house.run(1.0)
    assert ann.closings == ben.closings == ["dropped"]
    house.start()
    again = house.coordinator.get(handle.id)
    assert again is not handle
    assert (again.state, again.players, again.data) == (
        State.CONNECTED,
        ("ann", "ben"),
        {"map": "dust"},
    )
    house.run(1.0)
    for hand in (ann, ben):
        hand.claim()
    house.keep(20, ann, ben)
    assert again.state is State.CONNECTED
    assert (ann.gen, again.outages) == (1, 0)


def test_a_restart_assumes_that_all_are_playing():
    """Whoever does not come back may still be playing for a whole lease bound from now on."""
    house = House()
    handle, (ann, ben) = house.game()
    house.keep(1.0, ann, ben)
    house.kill()
    house.run(60)
    house.start()
    handle = house.coordinator.get(handle.id)
    began = house.runtime.now()
    ann.claim()
    ann.report("halted", 2)
    house.keep(house.policy.lease_bound - 0.5, ann)
    assert handle.state is State.PAUSED
    house.keep(1.0, ann)
    assert handle.state is State.RECONNECTING
    assert house.runtime.now() - began >= house.policy.lease_bound


def test_the_deadline_goes_on_while_the_server_is_down():
    """An outage that was to end meanwhile ends the session when the server is back."""
    house = House()
    handle, (ann, _) = house.game()
    ann.report("halted", 2)
    house.kill()
    house.run(house.policy.outage_timeout + 1)
    house.start()
    house.run(house.policy.lease_bound + 0.1)
    handle = house.coordinator.get(handle.id)
    assert (handle.state, handle.reason) == (State.ENDED, Reason.TIMEOUT)


def test_the_recorder_hears_of_sessions_that_are_taken_up():
    """They are in this process from now on."""
    house = House(recorder=(diary := Diary()))
    handle, _ = house.game()
    house.kill()
    diary.entries.clear()
    house.start()
    assert [entry[:3] for entry in diary.entries] == [("began", handle.id, State.CONNECTED)]


def test_a_crash_between_save_and_send_loses_nothing():
    """What was durable when the process died is what the players are told by the next one."""
    house = House(store=FaultyStore(blocking=True))
    handle, (ann, ben) = house.game()
    ann.line.send(ann.report_with(epoch=2))
    saved = len(house.store.saves)
    assert house.runtime.run_until(lambda: len(house.store.saves) > saved)
    house.kill()
    house.run(1.0)
    assert ben.view["state"] == "connected"
    house.start()
    handle = house.coordinator.get(handle.id)
    assert (handle.state, handle.epoch) == (State.PAUSED, 2)
    ben.claim()
    assert (ben.view["state"], ben.view["epoch"]) == ("paused", 2)


def test_a_crash_before_the_save_was_never_said():
    """Nobody has heard of what is not in the store."""
    house = House(store=FaultyStore(blocking=True))
    handle, (ann, ben) = house.game()
    house.runtime.hangs = True
    handle.end("won")
    house.run(0.1)
    house.kill()
    house.runtime.hangs = False
    house.runtime.stuck.clear()
    house.run(1.0)
    house.start()
    assert house.coordinator.get(handle.id).state is State.CONNECTED
    assert ann.view["state"] == ben.view["state"] == "connected"


def test_a_store_that_cannot_be_read_stops_the_start():
    """The application is told at once, and by the store's own words."""
    store = FaultyStore()

    def in_use():
        raise StoreInUse("the other")

    store.load_all = in_use
    with pytest.raises(StoreInUse, match="give this one"):
        House(store=store)


# -- the end and after it ------------------------------------------------------------------------


def test_an_ended_session_answers_until_it_is_forgotten():
    """Late players hear why it ended, for as long as `retention`; then nothing is left of it."""
    house = House(store=FaultyStore())
    handle, (ann, ben) = house.game()
    ben.hang_up()
    handle.end("won")
    house.run(house.policy.retention - 1)
    ben.claim()
    assert ben.view["reason"] == "won"
    assert house.store.forgotten == []
    house.run(1.1)
    assert house.store.forgotten == [handle.id]
    assert house.record(handle) is None
    assert house.coordinator.sessions() == []
    assert ann.closings == ben.closings == ["closed"]
    late = Hand(house, "ann", ann.token, handle.id)
    late.claim()
    assert late.errors == ["unknown_session"]
    assert house.coordinator.stats()["connections"] == 0
    house.run(1000)
    assert house.runtime.pending == 0


def test_retention_is_counted_across_a_restart():
    """A session that ended long ago is forgotten at the start of the next process."""
    house = House(store=FaultyStore())
    handle, _ = house.game()
    handle.end("won")
    house.kill()
    house.run(60)
    house.start()
    again = house.coordinator.get(handle.id)
    assert (again.state, again.reason) == (State.ENDED, "won")
    house.run(house.policy.retention - 61)
    assert house.coordinator.get(handle.id) is again
    house.run(1.1)
    assert house.coordinator.get(handle.id) is None
    handle = house.coordinator.open(["ann", "ben"], id="late")
    handle.end()
    house.kill()
    house.run(1e6)
    house.start()
    house.run(0.02)
    assert house.coordinator.sessions() == []


def test_its_name_can_be_used_again_when_it_is_forgotten():
    """Not before."""
    house = House()
    house.coordinator.open(["ann", "ben"], id="game").end()
    with pytest.raises(LocalProtocolError):
        house.coordinator.open(["ann", "ben"], id="game")
    house.run(house.policy.retention + 0.1)
    handle = house.coordinator.open(["cid", "dan"], id="game")
    assert handle.state is State.PAUSED


@pytest.mark.parametrize("seed", range(5))
def test_its_name_can_be_used_again_when_the_store_has_forgotten_it_too(seed):
    """A new session is never in the store while the old one is being forgotten there."""
    house = House(store=FaultyStore(blocking=True), seed=seed)
    house.coordinator.open(["ann", "ben"], id="game").end()
    house.run(1.0)
    assert house.runtime.run_until(lambda: house.coordinator.get("game") is None, limit=200)
    with pytest.raises(LocalProtocolError, match="there already"):
        house.coordinator.open(["cid", "dan"], id="game")
    house.settle()
    handle = house.coordinator.open(["cid", "dan"], id="game")
    house.settle()
    assert handle.state is State.PAUSED
    assert house.record(handle).players == ("cid", "dan")


@pytest.mark.parametrize("blocking", [False, True])
def test_a_store_that_cannot_forget_is_logged(blocking):
    """The session is forgotten here all the same."""
    store = FaultyStore(blocking=blocking)

    def fails(session):
        raise OSError

    store.forget = fails
    house = House(store=store)
    handle, _ = house.game()
    handle.end()
    house.run(house.policy.retention + 1)
    assert house.coordinator.sessions() == []
    assert "reconnect.forget_failed" in house.options["logger"].events


async def test_notices_of_an_ended_session_are_over():
    """Who iterates over a session that ended in an earlier process does not wait for ever."""
    house = House()
    handle, _ = house.game()
    handle.end("won")
    async with asyncio.timeout(30):
        assert [notice async for notice in aio.notices(handle)][-1] == Ended("won")
        house.kill()
        house.start()
        again = house.coordinator.get(handle.id)
        assert [notice async for notice in aio.notices(again)] == []


# -- what the application is told ----------------------------------------------------------------


def test_on_notice_that_raises_is_logged_and_harms_nobody():
    """The players are told, the queue has the notice, the next one comes."""

    def fails(session, notice):
        raise ValueError("of the application")

    house = House(on_notice=fails)
    handle, (ann, ben) = house.game()
    ann.report("halted", 2)
    assert ben.view["state"] == "paused"
    assert len(handle.notices()) == 6
    assert house.options["logger"].events.count("reconnect.on_notice_failed") == 6


def test_moves_are_logged_and_heartbeats_are_not():
    """One line for each notice, with the session and what it carries."""
    house = House(id="k1")
    handle, hands = house.game()
    log = house.options["logger"]
    lines = len(log.lines)
    house.keep(20, *hands)
    assert len(log.lines) == lines
    hands[0].report("halted", 2, cause="link_lost")
    assert log.lines[lines] == {
        "event": "reconnect.paused",
        "level": "info",
        "coordinator": "k1",
        "session": handle.id,
        "cause": "link_lost",
        "missing": [],
        "outage": 1,
    }


def test_stats_count_sessions_by_state():
    """Every state has its number, and forgotten sessions stay in the counters."""
    house = House()
    handle, (ann, ben) = house.game()
    house.coordinator.open(["cid", "dan"])
    house.settle()
    ann.line.send(ann.report_with(seq=1))
    house.settle()
    stats = house.coordinator.stats()
    assert (stats["sessions"], stats["connections"]) == (2, 2)
    assert (stats["sessions_connected"], stats["sessions_reconnecting"]) == (1, 1)
    assert stats["stale"] == 1
    for _ in range(300):
        house.keep(0.5, ann)
        ben.hang_up()
        ben.claim()
    handle.end()
    lost = house.coordinator.stats()["notices_lost"]
    assert lost > 300
    house.run(house.policy.retention + 1)
    stats = house.coordinator.stats()
    assert (stats["stale"], stats["notices_lost"]) == (1, lost)
    assert all(type(value) is int for value in stats.values())
    json.dumps(stats)


# -- closing -------------------------------------------------------------------------------------


def test_close_hangs_up_and_the_sessions_live_on():
    """Clients hear good bye and may dial again; nothing in the store has changed."""
    store = FaultyStore()
    house = House(store=store, recorder=(diary := Diary()))
    handle, (ann, ben) = house.game()
    record = house.record(handle)
    house.coordinator.close()
    house.coordinator.close()
    house.run(60)
    assert ann.last["type"] == ben.last["type"] == "bye"
    assert ann.closings == ben.closings == ["closed"]
    assert house.record(handle) == record
    assert store.closed
    assert diary.closed
    house.start()
    assert house.coordinator.get(handle.id).state is State.CONNECTED


def test_nobody_plays_on_under_a_closed_coordinator():
    """Nobody watches any more whether the players are there; the session itself lives on."""
    house = House()
    handle, _ = house.game()
    handle.notices()
    assert handle.playing
    house.coordinator.close()
    assert not handle.playing
    assert handle.state is State.CONNECTED


def test_a_closed_coordinator_takes_no_orders_and_hears_nothing():
    """What was opened stays readable."""
    house = House()
    handle, (ann, _) = house.game()
    house.coordinator.close()
    house.settle()
    for order in (
        handle.end,
        lambda: handle.invite("ann"),
        lambda: house.coordinator.open(["ann", "ben"]),
    ):
        with pytest.raises(LocalProtocolError, match="closed"):
            order()
    heard = len(ann.heard)
    ann.claim()
    ann.hang_up()
    assert len(ann.heard) == heard
    assert handle.state is State.CONNECTED


def test_who_dials_a_closed_coordinator_is_hung_up():
    """It dials again, and may find the next one, rather than wait for an answer in vain."""
    house = House()
    _, (ann, ben) = house.game()
    house.coordinator.close()
    house.settle()
    ann.claim()
    assert ann.closings == ["closed"]
    assert house.coordinator.stats()["connections"] == 0
    house.start()
    ann.claim()
    ben.claim()
    assert ann.view["state"] == ben.view["state"] == "connected"


def test_close_waits_for_what_was_ordered():
    """An end that is being saved is saved, and the players are told before the good bye."""
    house = House(store=FaultyStore(blocking=True))
    handle, (ann, _) = house.game()
    other, _ = house.game("cid", "dan")
    house.store.faults = [OSError()]
    handle.end("won")
    other.end("lost")
    house.coordinator.close()
    assert not house.store.closed
    house.run(1.0)
    assert house.store.closed
    assert house.record(handle).reason == "won"
    assert house.record(other).reason == "lost"
    assert [one["type"] for one in ann.heard[-2:]] == ["view", "bye"]
    assert ann.view["reason"] == "won"


def test_close_does_not_wait_for_ever():
    """A store that hangs keeps nobody from going."""
    house = House(store=FaultyStore(blocking=True))
    handle, (ann, _) = house.game()
    house.runtime.hangs = True
    handle.end("won")
    house.coordinator.close()
    house.run(CLOSE_TIMEOUT - 0.1)
    assert ann.closings == []
    house.run(0.2)
    assert ann.closings == ["closed"]


def test_a_recorder_that_cannot_close_is_logged():
    """Store and connections are closed all the same."""
    diary = Diary()
    house = House(store=FaultyStore(), recorder=diary)
    diary.fails = True
    house.coordinator.close()
    assert house.store.closed
    assert "reconnect.recorder_failed" in house.options["logger"].events


async def test_closed_returns_when_all_is_done():
    """With the defaults and the real loop: open, close, wait."""
    coordinator = Coordinator(signaling=MemorySignaling())
    handle = coordinator.open(["ann", "ben"])
    coordinator.close()
    await asyncio.wait_for(coordinator.closed(), 30)
    await asyncio.wait_for(coordinator.closed(), 30)
    assert handle.state is State.PAUSED


async def test_closed_waits_for_the_store_and_the_adapter():
    """A store that blocks is closed in its own time, and the adapter's tasks have ended."""

    class Slow(FaultyStore):
        def close(self):
            threading.Event().wait(0.01)
            super().close()

    class Tasks(MemorySignaling):
        ended = False

        async def closed(self):
            self.ended = True

    store, signaling = Slow(blocking=True), Tasks()
    coordinator = Coordinator(signaling=signaling, store=store)
    coordinator.open(["ann", "ben"])
    coordinator.close()
    waiting = asyncio.ensure_future(coordinator.closed())
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait_for(coordinator.closed(), 30)
    assert store.closed
    assert signaling.ended
    assert len(store.load_all()) == 1


def test_threads_may_call_at_once():
    """On a runtime with threads every call is under its lock: nothing is lost or done twice."""
    runtime = ThreadRuntime()
    coordinator = Coordinator(signaling=MemorySignaling(runtime), store=FaultyStore(blocking=True))

    def work():
        for _ in range(50):
            handle = coordinator.open(["ann", "ben"])
            handle.invite("ann")
            assert handle.missing
            handle.end()
            assert coordinator.get(handle.id) is handle

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    stats = coordinator.stats()
    coordinator.close()
    runtime.close()
    assert (stats["sessions"], stats["sessions_ended"], stats["crashes"]) == (200, 200, 0)


# -- timers --------------------------------------------------------------------------------------


def test_a_thousand_sessions_have_one_timer():
    """And a heartbeat never sets it."""
    house = House()
    _, (ann, _) = house.game()
    for _ in range(1000):
        house.coordinator.open(["ann", "ben"])
    house.settle()
    assert house.runtime.pending == 1
    armed = []
    wheel = house.coordinator._wheel
    arm = wheel.arm
    wheel.arm = lambda key, when: (armed.append(key), arm(key, when))
    for _ in range(20):
        ann.report()
    assert armed == []


def test_a_bug_behind_a_timer_is_logged(monkeypatch):
    """The wheel turns on for all other sessions."""
    house = House()
    handle, _ = house.game()
    other, _ = house.game("cid", "dan")

    def fails():
        raise KeyError

    monkeypatch.setattr(handle._mailbox, "due", fails)
    house.run(house.policy.silence_timeout + 1)
    assert other.missing == {"cid", "dan"}
    assert "reconnect.bug" in house.options["logger"].events


def test_the_same_seed_gives_the_same_story():
    """Nothing depends on the order of a hash or on the wall clock."""

    def story():
        house = House(recorder=(diary := Diary()), seed=7)
        _, hands = house.game("ann", "ben", "cid", id="game")
        hands[1].hang_up()
        house.keep(20, hands[0], hands[2])
        return [
            (
                attrs.evolve(entry[2], digest="") if hasattr(entry[2], "digest") else entry[2],
                entry[-1],
            )
            for entry in diary.entries
        ]

    assert story() == story()
