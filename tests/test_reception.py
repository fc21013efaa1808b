"""The reception: whatever comes in, nobody sees or changes what is not theirs."""

import base64
import json
import string

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconnect import tokens
from reconnect.core.table import State
from reconnect.policy import Policy
from reconnect.reception import ATTACH_TIMEOUT, EXCESS_MAX
from reconnect.seats import (
    ARRIVAL_BURST,
    BURST,
    BURST_PER_PEER,
    CONNECTIONS_MAX,
    RATE_PER_PEER,
    REPORTS_PER_PEER,
)

from .by_hand import FaultyStore, Hand, House

FINAL = ("bad_token", "unknown_session", "version")


def signal(to: str, **fields) -> dict:
    return {
        "type": "signal",
        "to": to,
        "gen_from": 1,
        "gen_to": 1,
        "n": 1,
        "attempt_id": "1.1",
        "attempt": "rebuild",
        "kind": "offer",
        "payload": "v=0\r\n",
    } | fields


def ack(to: str, **fields) -> dict:
    return {"type": "signal_ack", "to": to, "gen_from": 1, "gen_to": 1, "n": 1} | fields


def data(to: str, payload: bytes = b"jump", **fields) -> dict:
    packed = base64.b64encode(payload).decode()
    return {"type": "data", "to": to, "payload": packed} | fields


def envelope(hand: Hand, message: dict) -> dict:
    return {"v": 1, "session": hand.session} | message


# -- claims --------------------------------------------------------------------------------------

WRONG_TOKENS = {
    "another one": tokens.mint(),
    "empty": "",
    "the digest": None,
    "of another seat": None,
    "voided": None,
    "not ascii": "ä" * 43,
    "short": "x",
}


@pytest.mark.parametrize("wrong", WRONG_TOKENS)
def test_a_wrong_token_opens_no_seat(wrong):
    """The answer is final, the connection is closed, and nothing of the session has changed."""
    house = House()
    handle = house.coordinator.open(["ann", "ben"])
    voided = handle.invite("ann")
    ann = house.client(handle, "ann")
    ben = house.client(handle, "ben")
    before = house.record(handle)
    intruder = Hand(house, "ann", "", handle.id)
    token = {
        "the digest": tokens.digest(ann.token),
        "of another seat": ben.token,
        "voided": voided,
    }.get(wrong, WRONG_TOKENS[wrong])
    intruder.claim(token=token)
    assert intruder.errors == ["bad_token"]
    assert intruder.types == ["error", "bye"]
    assert intruder.closings == ["closed"]
    assert house.record(handle) == before
    assert handle.missing == {"ann", "ben"}
    assert house.coordinator.stats()["refused"] == 1


def test_the_right_token_opens_its_own_seat_only():
    """Every player's token on every other player's seat, in every session: refused."""
    house = House()
    handles = [house.coordinator.open(["ann", "ben", "cid"]) for _ in range(3)]
    seats = [(handle, player) for handle in handles for player in handle.players]
    opened = {seat: house.client(*seat).token for seat in seats}
    for handle, player in seats:
        for owner, token in opened.items():
            hand = Hand(house, player, token, handle.id)
            hand.claim()
            right = owner == (handle, player)
            assert hand.errors == ([] if right else ["bad_token"])


def test_who_has_no_seat_learns_no_names():
    """A player that there is not, and one whose token is wrong, get the same answer."""
    house = House()
    handle = house.coordinator.open(["ann", "ben"])
    answers = []
    for player in ("ann", "nobody"):
        hand = Hand(house, player, "wrong", handle.id)
        hand.claim()
        answers.append(hand.heard)
    assert answers[0] == answers[1]


def test_an_unknown_session_is_said_so():
    """The answer names the session that was asked for, and is final."""
    house = House()
    hand = Hand(house, "ann", "token", "nowhere")
    hand.claim()
    assert hand.errors == ["unknown_session"]
    assert hand.last == {"v": 1, "session": "nowhere", "type": "bye"}
    assert hand.closings == ["closed"]


@pytest.mark.parametrize("version", [0, 2, 99])
def test_another_version_is_told_what_is_spoken(version):
    """So that a client can say what its user has to update."""
    house = House()
    handle = house.coordinator.open(["ann", "ben"])
    ann = house.client(handle, "ann")
    ann.claim(v=version)
    assert ann.heard[0]["code"] == "version"
    assert ann.heard[0]["speaks"] == [1]
    assert ann.closings == ["closed"]
    assert house.coordinator.stats()["refused"] == 1


@pytest.mark.parametrize(
    "first",
    [
        {"type": "report", "gen": 0, "seq": 1, "epoch": 0, "phase": "halted", "version": 0},
        {
            "type": "report",
            "gen": 0,
            "seq": 1,
            "epoch": 0,
            "phase": "halted",
            "version": 0,
            "player": "ann",
        },
        signal("ben"),
        ack("ben"),
        data("ben"),
    ],
    ids=["no claim", "half a claim", "signal", "signal_ack", "data"],
)
def test_the_first_message_claims_a_seat(first):
    """Anything else is refused, and the connection closed."""
    house = House()
    handle = house.coordinator.open(["ann", "ben"])
    ann = house.client(handle, "ann")
    ann.dial()
    ann.say(envelope(ann, first))
    assert ann.errors == ["malformed"]
    assert ann.closings == ["closed"]
    assert house.coordinator.stats()["malformed"] == 1


def test_a_connection_is_one_player_in_one_session():
    """Who has a seat cannot name another session, even with a token that opens a seat there."""
    house = House()
    mine, (ann, _) = house.game()
    other = house.coordinator.open(["ann", "ben"])
    token = other.invite("ann")
    house.settle()
    record, others = house.record(mine), house.record(other)
    ann.say(ann.report_with(session=other.id, player="ann", token=token))
    assert ann.errors == ["bad_token"]
    assert ann.closings == ["closed"]
    assert (house.record(mine), house.record(other)) == (record, others)
    assert mine.missing == {"ann"}


@pytest.mark.parametrize("who", ["ann", "ben"])
def test_a_later_claim_is_held_to_its_word(who):
    """A seated connection that claims again does it for its own seat and with its own token."""
    house = House()
    handle, (ann, ben) = house.game()
    record = house.record(handle)
    ann.report(player="ann", token=ann.token)
    assert ann.errors == []
    ann.report(player=who, token="wrong" if who == "ann" else ben.token)
    assert ann.errors == ["bad_token"]
    assert ann.closings == ["closed"]
    assert house.record(handle) == record
    assert handle.missing == {"ann"}


def test_two_claims_that_wait_give_one_seat():
    """A connection that claims seats in two sessions while both are saved gets the first only."""
    house = House(store=FaultyStore(blocking=True))
    house.runtime.hangs = True
    one, two = (house.coordinator.open(["ann", "ben"]) for _ in range(2))
    ann = Hand(house, "ann", one.invite("ann"), one.id)
    ann.claim()
    ann.say(ann.report_with(session=two.id, player="ann", token=two.invite("ann")))
    house.runtime.release()
    house.run(1.0)
    assert ann.errors == ["bad_token"]
    assert ann.closings == ["closed"]
    assert one.missing == two.missing == {"ann", "ben"}


def test_a_claim_whose_connection_is_gone_is_not_heard():
    """Who hung up while the claim waited for a save gets no seat, and no offer is saved."""
    house = House(store=FaultyStore(blocking=True))
    handle = house.coordinator.open(["ann", "ben"])
    ann = house.client(handle, "ann")
    house.runtime.hangs = True
    handle.invite("ben")
    ann.claim()
    ann.hang_up()
    house.runtime.release()
    house.run(1.0)
    assert [seat.gen_next for seat in house.record(handle).seats] == [0, 0]
    assert house.coordinator.seat(ann.line) is None


def test_a_token_that_is_void_when_its_turn_has_come_opens_nothing():
    """It was good when the claim came, but a newer one had been given out before."""
    house = House(store=FaultyStore(blocking=True))
    handle, (ann, _) = house.game()
    house.runtime.hangs = True
    handle.invite("ben")
    handle.invite("ann")
    late = Hand(house, "ann", ann.token, handle.id)
    late.claim()
    assert late.heard == []
    house.runtime.release()
    house.run(1.0)
    assert late.errors == ["bad_token"]
    assert late.closings == ["closed"]


def test_nobody_hears_that_a_token_is_void_before_the_newer_one_is_stored():
    """Who claims while the newer token is being saved waits; it might never be stored."""
    house = House(store=FaultyStore(blocking=True))
    handle, (ann, _) = house.game()
    house.runtime.hangs = True
    handle.invite("ann")
    late = Hand(house, "ann", ann.token, handle.id)
    late.claim()
    assert late.heard == []
    assert late.closings == []
    house.runtime.release()
    house.run(1.0)
    assert late.errors == ["bad_token"]


def test_a_second_claim_of_a_seat_whose_connection_is_gone_is_not_heard():
    """Who hung up while it waited for a save is gone, and stays so."""
    house = House(store=FaultyStore(blocking=True))
    handle, (ann, ben) = house.game()
    house.runtime.hangs = True
    handle.invite("ben")
    ann.report("halted", 2, player="ann", token=ann.token)
    ann.hang_up()
    house.runtime.release()
    house.keep(1.0, ben)
    assert handle.missing == {"ann"}
    assert house.record(handle).epoch == 1


def test_a_connection_that_never_claims_is_closed():
    """In ten seconds, without a word; one that has its seat stays."""
    house = House()
    handle, (ann, _) = house.game()
    idle = house.client(handle, "ann")
    idle.dial()
    house.keep(ATTACH_TIMEOUT - 0.5, ann)
    assert idle.closings == []
    house.keep(1.0, ann)
    assert idle.closings == ["closed"]
    assert idle.heard == []
    assert ann.closings == []
    assert house.coordinator.stats()["unattached"] == 1


# -- bad input -----------------------------------------------------------------------------------

REPORT = {"type": "report", "gen": 1, "seq": 99, "epoch": 2, "phase": "halted", "version": 1}
BAD = {
    "not an object": [],
    "nothing": None,
    "a string": "report",
    "no version": {"session": "s", "type": "bye"},
    "no type": {},
    "a type that is none": {"type": "view"},
    "a phase that is none": REPORT | {"phase": "armed"},
    "a negative number": REPORT | {"seq": -1},
    "a number as text": REPORT | {"seq": "99"},
    "true for one": REPORT | {"gen": True},
    "a broken number": REPORT | {"epoch": 2.0},
    "too large a number": REPORT | {"seq": 2**70},
    "too long a cause": REPORT | {"cause": "x" * 10_000},
    "too many links": REPORT | {"links": {str(n): {"up": True} for n in range(10_000)}},
    "links that are a list": REPORT | {"links": [1]},
    "too many facts": REPORT | {"facts": [{"n": 1, "kind": "x", "ago_ms": 1}] * 17},
    "a huge signal": signal("ben", payload="x" * 100_000),
    "a signal of no kind": signal("ben", kind="hug"),
    "a packet that is not base64": data("ben") | {"payload": "???"},
    "a huge packet": data("ben", b"x" * 5000),
    "an error": {"type": "error", "code": "malformed"},
}


@pytest.mark.parametrize("bad", BAD)
def test_bad_input_changes_nothing(bad):
    """The answer is an error; the record, the seat and the other player stay as they were."""
    house = House()
    handle, (ann, ben) = house.game()
    handle.notices()
    record, seen = house.record(handle), len(ben.heard)
    raw = BAD[bad]
    if bad not in ("not an object", "nothing", "a string", "no version"):
        raw = envelope(ann, raw)
    ann.say(raw)
    assert ann.errors in (["malformed"], ["too_large"])
    assert house.record(handle) == record
    assert handle.notices() == []
    assert len(ben.heard) == seen
    assert house.coordinator.stats()["malformed"] == 1
    ann.report()
    assert ann.last["ack"] == ann.seq
    assert ann.closings == []


@pytest.mark.parametrize("bad", BAD)
def test_bad_input_of_strangers_closes_their_connection(bad):
    """Who has no seat has nothing to lose: error, and good bye."""
    house = House()
    handle = house.coordinator.open(["ann", "ben"])
    record = house.record(handle)
    stranger = Hand(house, "ann", "", handle.id)
    stranger.dial()
    raw = BAD[bad]
    stranger.say(raw if type(raw) is not dict else {"v": 1, "session": handle.id} | raw)
    assert len(stranger.errors) == 1 or bad == "no version"
    assert stranger.closings == ["closed"]
    assert house.record(handle) == record


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=8)
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(string.ascii_letters, max_size=6), inner, max_size=4)
    ),
    max_leaves=8,
)
FIELDS = """
v session type gen seq epoch phase version to n payload links facts kind player token cause
gen_from gen_to attempt attempt_id frame rtt_ms
"""
fields = st.sampled_from(FIELDS.split())


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None, max_examples=100)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([REPORT, signal("ben"), ack("ben"), data("ben"), {"type": "bye"}]),
            st.dictionaries(fields, anything, max_size=3),
        ),
        max_size=5,
    )
)
def test_no_message_breaks_anything(messages):
    """Mutated messages, a few at a time: no exception, no bug is logged, the others play on."""
    house = House()
    _, (ann, ben) = house.game()
    for message, changes in messages:
        ann.say(json.loads(json.dumps(envelope(ann, message) | changes)))
        if ann.closings:
            ann.claim()
    ben.report()
    assert ben.last["ack"] == ben.seq
    assert "reconnect.bug" not in house.options["logger"].events
    assert house.coordinator.stats()["crashes"] == 0


def test_a_bug_of_ours_costs_one_connection(monkeypatch):
    """It is logged without what was received, and everybody else goes on."""
    house = House()
    handle, (ann, ben) = house.game()

    def fails(raw):
        raise KeyError(raw["token"])

    monkeypatch.setattr("reconnect.reception.decode_from_client", fails)
    ann.report(token="a secret")
    monkeypatch.undo()
    assert ann.closings == ["closed"]
    assert handle.missing == {"ann"}
    ben.report()
    assert ben.last["ack"] == ben.seq
    (line,) = (one for one in house.options["logger"].lines if one["event"] == "reconnect.bug")
    assert line["error"] == "KeyError"
    assert "secret" not in str(house.options["logger"].lines)


def test_what_a_message_names_as_its_session_is_echoed_only_if_it_is_an_id():
    """An error carries the session that was asked for, or none."""
    house = House()
    for named in (["x"], "x" * 1000, "a\nb", None, "", 7):
        hand = Hand(house, "ann", "token", "s")
        hand.claim(session=named)
        assert hand.types == ["error"]
        assert hand.last["session"] == ""


def test_a_connection_that_nobody_opened_is_ignored():
    """Late words of a connection that has been closed are not heard."""
    house = House()
    reception = house.coordinator._reception
    reception.received("nobody", {"v": 1})
    reception.closed("nobody")
    assert house.coordinator.stats()["malformed"] == 0


# -- the end of a connection ---------------------------------------------------------------------


def test_bye_detaches_the_player():
    """The seat stays, the connection does not."""
    house = House()
    handle, (ann, _) = house.game()
    ann.say(envelope(ann, {"type": "bye"}))
    assert handle.missing == {"ann"}
    assert ann.closings == ["closed"]
    ann.claim()
    assert handle.missing == set()


def test_bye_is_a_good_first_word_too():
    """Who changes their mind before the claim just goes."""
    house = House()
    handle = house.coordinator.open(["ann", "ben"])
    ann = house.client(handle, "ann")
    ann.dial()
    ann.say(envelope(ann, {"type": "bye"}))
    assert ann.closings == ["closed"]
    assert ann.errors == []
    assert house.coordinator.stats()["connections"] == 0


def test_a_newer_client_takes_the_seat_and_the_older_one_hears_why():
    """The old connection gets its personal end and good bye; the new one plays."""
    house = House()
    handle, (ann, _) = house.game()
    again = house.client(handle, "ann")
    again.attach()
    assert ann.heard[-2]["reason"] == "superseded"
    assert ann.types[-1] == "bye"
    assert ann.closings == ["closed"]
    assert house.coordinator.stats()["connections"] == 2
    assert handle.missing == set()


def test_a_silent_connection_is_half_open_and_may_speak_again():
    """The player counts as gone; the next report on the same connection brings them back."""
    house = House(policy=Policy(outage_timeout=30, step_max=0.1))
    handle, (ann, ben) = house.game()
    house.keep(house.policy.silence_timeout + 0.1, ben)
    assert handle.missing == {"ann"}
    assert ann.closings == []
    ann.report()
    assert handle.missing == set()


# -- passed on -----------------------------------------------------------------------------------


@pytest.mark.parametrize("message", [signal("ben"), ack("ben"), data("ben")], ids=str)
def test_signals_and_data_are_passed_on_with_their_sender(message):
    """The sender is who the connection is, whatever the message says; unknown fields stay here."""
    house = House()
    _, (ann, ben) = house.game()
    sent = envelope(ann, message)
    ann.say(sent | {"from": "cid", "sender": "cid", "more": "x"})
    assert ben.last == sent | {"from": "ann"}
    assert ann.errors == []
    assert house.coordinator.stats()["relayed"] == 1


def test_they_wait_for_no_save():
    """While the store hangs, attempts to mend links go on."""
    house = House(store=FaultyStore(blocking=True))
    _, (ann, ben) = house.game()
    house.runtime.hangs = True
    ann.report("halted", 2)
    ann.say(envelope(ann, signal("ben")))
    assert ben.last["type"] == "signal"


@pytest.mark.parametrize("message", [signal, ack])
@pytest.mark.parametrize("gens", [(0, 1), (2, 1), (1, 0), (1, 2)])
def test_signals_of_other_generations_are_dropped(message, gens):
    """Both have to be current; they are counted as stale."""
    house = House()
    _, (ann, ben) = house.game()
    seen = len(ben.heard)
    ann.say(envelope(ann, message("ben", gen_from=gens[0], gen_to=gens[1])))
    assert len(ben.heard) == seen
    assert ann.errors == []
    assert house.coordinator.stats()["stale"] == 1


@pytest.mark.parametrize("message", [signal, ack, data])
def test_who_is_no_member_is_told_so(message):
    """To a stranger, and from a player who is out: refused, and the connection stays."""
    house = House(policy=Policy(outage_timeout=30, on_leave="go_on"))
    handle, (ann, ben, cid) = house.game("ann", "ben", "cid")
    ann.say(envelope(ann, message("zoe")))
    assert ann.errors == ["not_a_member"]
    cid.report("left")
    assert handle.players == ("ann", "ben")
    ann.say(envelope(ann, message("cid")))
    cid.say(envelope(cid, message("ben")))
    assert ann.errors == ["not_a_member"] * 2
    assert cid.errors == ["not_a_member"]
    assert ann.closings == []
    assert "from" not in ben.last


def test_what_nobody_can_receive_is_lost_without_a_word():
    """To oneself, to a player without a connection, in a session that is being loaded again."""
    house = House(store=FaultyStore())
    handle, (ann, ben) = house.game()
    ann.say(envelope(ann, data("ann")))
    ben.hang_up()
    ann.say(envelope(ann, data("ben")))
    house.store.faults = [OSError()]
    handle.invite("ben")
    ann.say(envelope(ann, data("ben")))
    assert ann.errors == []
    assert house.coordinator.stats()["undelivered"] == 3
    assert house.coordinator.stats()["relayed"] == 0


def test_nothing_is_passed_on_behind_the_end():
    """The game is over, and with it what travels through the coordinator."""
    house = House()
    handle, (ann, ben) = house.game()
    handle.end()
    house.settle()
    for message in (signal("ben"), ack("ben"), data("ben")):
        ann.say(envelope(ann, message))
    assert ben.last["state"] == "ended"
    assert ann.errors == []


def test_a_superseded_connection_sends_to_nobody():
    """What an older client still says when a newer one has the seat reaches no one."""
    house = House()
    handle, (ann, ben) = house.game()
    again = house.client(handle, "ann")
    again.attach()
    seen = len(ben.heard)
    ann.line.send(envelope(ann, data("ben")))
    house.settle()
    assert len(ben.heard) == seen


def test_nothing_of_one_session_reaches_another():
    """Players of the same name in two sessions hear only their own."""
    house = House()
    _, (ann, _) = house.game()
    _, (_, other_ben) = house.game()
    seen = len(other_ben.heard)
    ann.say(envelope(ann, data("ben", b"canary")))
    ann.report("halted", 2)
    assert len(other_ben.heard) == seen


# -- too many ------------------------------------------------------------------------------------


def flood(house: House, hand: Hand, count: int, message: dict) -> None:
    for _ in range(count):
        hand.line.send(message)
    house.settle()


def test_sixty_packets_a_second_to_every_peer_are_no_flood():
    """With acknowledgements, heartbeats and signals beside them, for as long as it lasts."""
    house = House(policy=Policy(topology="relayed", outage_timeout=30))
    _, hands = house.game("ann", "ben", "cid", "dan")
    ann, others = hands[0], hands[1:]
    for _ in range(60 * 5):
        for other in others:
            ann.line.send(envelope(ann, data(other.player)))
            ann.line.send(envelope(ann, data(other.player)))
        house.run(1 / 60)
    house.keep(0.1, *hands)
    assert ann.errors == []
    assert house.coordinator.stats()["rate_limited"] == 0


def test_a_stream_may_send_everything_again_at_once():
    """After an outage a whole MiB comes in one burst."""
    house = House(policy=Policy(topology="relayed", outage_timeout=30))
    _, (ann, _) = house.game()
    flood(house, ann, (1 << 20) // 1150, envelope(ann, data("ben", b"x" * 1150)))
    assert ann.errors == []


def test_a_flood_is_told_once_and_then_cut():
    """The first excess gets an error, a hundred of them the end; the others notice nothing."""
    house = House()
    handle, (ann, ben) = house.game()
    allowed = int(BURST_PER_PEER)
    flood(house, ann, allowed + EXCESS_MAX // 2, envelope(ann, data("ben")))
    assert ann.errors == ["rate_limited"]
    assert ann.closings == []
    flood(house, ann, EXCESS_MAX, envelope(ann, data("ben")))
    assert ann.errors == ["rate_limited"]
    assert ann.types[-1] == "bye"
    assert handle.missing == {"ann"}
    assert ben.closings == []
    assert house.coordinator.stats()["rate_limited"] == EXCESS_MAX


def test_who_may_pass_on_much_may_not_report_as_much():
    """A report may be news for all, so a flood of them is cut long before one of packets."""
    house = House()
    handle, (ann, ben) = house.game()
    before = len(ben.heard)
    for turn in range(int(BURST + REPORTS_PER_PEER) + EXCESS_MAX):
        ann.line.send(ann.report_with(phase=("ready", "halted")[turn % 2]))
    house.settle()
    assert ann.errors == ["rate_limited"]
    assert handle.missing == {"ann"}
    assert len(ben.heard) - before <= BURST + REPORTS_PER_PEER + 1
    ben.report()
    assert ben.last["ack"] == ben.seq


def test_packets_leave_room_for_reports():
    """Who sends too many packets can still say that it has stopped."""
    house = House()
    _, (ann, _) = house.game()
    flood(house, ann, int(BURST_PER_PEER) + EXCESS_MAX // 2, envelope(ann, data("ben")))
    ann.report("halted", 2)
    assert ann.view["state"] != "connected"


def test_who_has_no_seat_yet_may_say_little():
    """While a good claim waits for a save, what is over the bound is not even read."""
    house = House(store=FaultyStore(blocking=True))
    handle = house.coordinator.open(["ann", "ben"])
    ann = house.client(handle, "ann")
    house.runtime.hangs = True
    handle.invite("ben")
    ann.claim()
    allowed = int(BURST + REPORTS_PER_PEER)
    flood(house, ann, allowed + EXCESS_MAX, ann.report_with(player="ann", token=ann.token))
    assert ann.errors == ["rate_limited"]
    assert ann.closings == ["closed"]


def test_who_has_no_token_takes_up_no_room():
    """While a save takes its time, strangers are refused at once and wait with nobody's reports."""
    house = House(store=FaultyStore(blocking=True))
    handle, (ann, _) = house.game()
    house.runtime.hangs = True
    ann.report("halted", 2)
    waiting = len(handle._mailbox._letters)
    for _ in range(10):
        stranger = Hand(house, "ann", tokens.mint(), handle.id)
        stranger.claim()
        assert stranger.errors == ["bad_token"]
        assert stranger.closings == ["closed"]
    assert len(handle._mailbox._letters) == waiting
    token = handle.invite("ben")
    again = Hand(house, "ben", token, handle.id)
    again.claim()
    assert again.heard == []
    house.runtime.release()
    house.run(1.0)
    assert again.view["gen"] == 2


def test_another_connection_of_a_player_takes_nothing_from_the_first():
    """An old tab that runs wild is cut; the one that plays may say as much as ever."""
    house = House()
    handle, (ann, ben) = house.game()
    other = Hand(house, "ann", ann.token, handle.id)
    other.claim()
    flood(house, other, int(BURST_PER_PEER) + EXCESS_MAX, envelope(other, data("ben")))
    assert other.closings == ["closed"]
    seen = len(ben.heard)
    flood(house, ann, int(BURST_PER_PEER), envelope(ann, data("ben")))
    for _ in range(int(BURST) // 2):
        ann.report()
    assert ann.errors == []
    assert len(ben.heard) - seen == BURST_PER_PEER
    assert handle.missing == set()


def test_a_seat_has_few_connections_at_once():
    """Where more come the oldest is closed that the session does not hear; never the player's."""
    house = House()
    handle, (ann, _) = house.game()
    others = [Hand(house, "ann", ann.token, handle.id) for _ in range(CONNECTIONS_MAX + 2)]
    for other in others:
        other.claim()
    assert [len(other.closings) for other in others] == [1] * 3 + [0] * (CONNECTIONS_MAX - 1)
    assert ann.closings == []
    assert handle.missing == set()
    assert house.coordinator.stats()["connections"] == 1 + CONNECTIONS_MAX


def test_connections_that_wait_for_a_save_are_bounded_too():
    """Claims with a good token: the newest few wait, whatever becomes of the store."""
    house = House(store=FaultyStore(blocking=True))
    handle = house.coordinator.open(["ann", "ben"])
    ann = house.client(handle, "ann")
    house.runtime.hangs = True
    handle.invite("ben")
    others = [Hand(house, "ann", ann.token, handle.id) for _ in range(CONNECTIONS_MAX + 3)]
    for other in others:
        other.claim()
    assert [len(other.closings) for other in others] == [1] * 3 + [0] * CONNECTIONS_MAX
    house.runtime.release()
    house.run(1.0)
    assert all("policy" in other.view for other in others[3:])


def test_who_dials_too_often_has_to_wait():
    """It is told so, its connection is closed, and a second later the next one gets in."""
    house = House()
    handle, (ann, ben) = house.game()
    for _ in range(int(ARRIVAL_BURST)):
        other = Hand(house, "ann", ann.token, handle.id)
        other.claim()
        other.hang_up()
    before = house.coordinator.stats()["rate_limited"]
    ben.report()
    other.claim()
    assert other.errors[-1] == "rate_limited"
    assert other.closings == ["closed"]
    assert house.coordinator.stats()["rate_limited"] == before + 1
    house.keep(1.0, ann, ben)
    other.claim()
    assert other.closings == []
    assert ann.closings == ben.closings == []


def test_new_clients_on_one_connection_are_counted_as_dials():
    """Each asks for a generation, which is saved, and makes the others build their links anew."""
    house = House(store=FaultyStore())
    _, (ann, ben) = house.game()
    saves = len(house.store.saves)
    for _ in range(int(BURST)):
        ann.line.send(ann.report_with(gen=0))
    house.settle()
    assert len(house.store.saves) - saves <= ARRIVAL_BURST
    assert "rate_limited" in ann.errors
    ben.report()
    assert ben.last["ack"] == ben.seq


def test_a_flood_that_stopped_is_forgiven():
    """Later excesses are told again, and only then counted against the limit."""
    house = House()
    _, (ann, ben) = house.game()
    allowed = int(BURST_PER_PEER)
    for turn in range(1, 4):
        flood(house, ann, allowed + EXCESS_MAX // 2, envelope(ann, data("ben")))
        assert ann.errors == ["rate_limited"] * turn
        house.run(allowed / RATE_PER_PEER + 1)
        ann.report()
        ben.report()
        assert ann.last["ack"] == ann.seq
    assert ann.closings == []


class DoubtfulStore(FaultyStore):
    """A store that another coordinator may have taken over."""

    def __init__(self):
        super().__init__()
        self.certain = True

    def owned(self):
        return self.certain


def test_nobody_is_heard_while_the_store_may_be_anothers():
    """An answer would renew the lease of a player who counts as stopped over there.

    Time passes all the same, and what follows from it is saved, which ends the doubt.
    """
    house = House(store=(store := DoubtfulStore()))
    handle, (ann, ben) = house.game()
    new = Hand(house, "ann", ann.token, handle.id)
    store.certain = False
    for hand in (ann, ben):
        hand.heard.clear()
        hand.report()
        hand.say({"nonsense": True})
    new.claim()
    assert ann.heard == ben.heard == new.heard == []
    house.run(house.policy.silence_timeout + house.policy.control_grace_period + 0.1)
    assert handle.state is State.PAUSED
    store.certain = True
    ann.claim()
    assert ann.view["state"] == "paused"


def test_no_token_is_ever_logged():
    """Claims good and bad, malformed ones, a bug, a crash: no log line has a token in it."""
    house = House(store=FaultyStore())
    handle, (ann, ben) = house.game()
    Hand(house, "ann", ben.token, handle.id).claim()
    Hand(house, "ann", ann.token, handle.id).claim(seq="x")
    Hand(house, "ann", ann.token, "nowhere").claim()
    house.store.faults = [ValueError(ann.token)]
    token = handle.invite("ann")
    house.run(1.0)
    assert handle.state is not State.ENDED
    text = str(house.options["logger"].lines)
    for secret in (ann.token, ben.token, token, tokens.digest(token)):
        assert secret not in text
        assert secret not in repr(handle._mailbox.session)
        assert secret not in repr(handle)
