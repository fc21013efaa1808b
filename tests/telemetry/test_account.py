"""What one session's outages came to, with clients whose every report is written by hand."""

from typing import Any

import pytest

from reconnect import Policy
from reconnect.errors import StoreError
from reconnect.telemetry import account as module
from reconnect.telemetry.account import Account
from reconnect.telemetry.cause import Finding, OutageCause
from reconnect.telemetry.evidence import Clue
from reconnect.telemetry.outage import Outage
from reconnect.telemetry.outages import Outages
from tests.by_hand import BIRTH, FaultyStore, Hand, House


class Desk:
    """A session of three in which everybody plays, and its account."""

    def __init__(self, *, store: FaultyStore | None = None, **policy: Any) -> None:
        self.outages = Outages()
        self.house = House(recorder=self.outages, store=store, policy=Policy(**policy))
        self.handle, hands = self.house.game("ann", "ben", "cas", id="game")
        self.hands = {hand.player: hand for hand in hands}
        self.ann, self.ben, self.cas = hands
        self.keep(1.0)

    def keep(self, seconds: float, *without: Hand) -> None:
        """Let time pass; the others report as they should."""
        self.house.keep(seconds, *(one for one in self.hands.values() if one not in without))

    def stop(self, hand: Hand, cause: str = "link_lost", **fields: Any) -> None:
        """This client stops play."""
        hand.report("halted", hand.view["epoch"] + 1, cause=cause, **fields)

    def promise(self, *hands: Hand, **fields: Any) -> None:
        """These clients say that they have stopped, too."""
        for hand in hands:
            hand.report("halted", hand.view["epoch"], **fields)

    def resume(self) -> None:
        self.house.resume(*self.hands.values())
        assert self.handle.state == "connected"

    def outage(self, seconds: float = 3.0) -> Outage:
        """Everybody stops, and plays again after so long."""
        self.stop(self.ann)
        self.promise(self.ben, self.cas)
        self.keep(seconds)
        self.resume()
        return self.records[-1]

    @property
    def wall(self) -> float:
        return BIRTH + self.house.runtime.now()

    @property
    def account(self) -> Account:
        account = self.outages.account("game")
        assert account is not None
        return account

    @property
    def records(self) -> list[Outage]:
        return self.account.outages

    def kinds(self, number: int = 0) -> list[str]:
        return [str(one.kind) for one in self.records[number].evidence]


def fact(
    n: int, kind: str = "link_lost", ago_ms: int = 0, peer: str = "ben", **data: Any
) -> dict[str, Any]:
    return {"n": n, "kind": kind, "ago_ms": ago_ms, "data": {"peer": peer, **data}}


# -- from the beginning to the end -----------------------------------------------------------------


def test_the_first_start_is_no_outage():
    """Waiting for everybody to come counts as no pause, even where the start fails at first."""
    outages = Outages()
    house = House(recorder=outages)
    handle = house.coordinator.open(["ann", "ben"])
    ann, ben = house.players(handle)
    for hand in (ann, ben):
        hand.report("halted", 1)
    for hand in (ann, ben):
        hand.report("ready", 1)
    assert handle.state == "resumed"
    ann.report("halted", 2, cause="link_lost")
    assert handle.state == "paused"
    house.resume(ann, ben)
    assert (handle.state, outages.of(handle.id)) == ("connected", [])


def test_a_session_without_an_outage_has_an_account_too():
    """With nothing in it."""
    desk = Desk()
    assert desk.records == []
    assert (desk.account.number, desk.account.paused_s, desk.account.reason) == (0, 0.0, None)


def test_an_outage_has_its_times_and_its_end():
    """Until all had stopped, until all were ready, until all played."""
    desk = Desk(countdown=2.0)
    began = desk.wall
    desk.stop(desk.ann)
    desk.house.run(0.5)
    desk.promise(desk.ben, desk.cas)
    desk.keep(3.0)
    desk.resume()
    (record,) = desk.records
    assert record.started_at == pytest.approx(began)
    assert record.halted_s == pytest.approx(0.5)
    assert record.resumed_s == pytest.approx(3.5)
    assert record.paused_s == pytest.approx(5.52)
    assert (record.number, record.outcome, record.pauses, record.said) == (
        1,
        "connected",
        1,
        "link_lost",
    )


def test_a_resume_that_fails_is_the_same_outage():
    """One record, paused twice; the cause is that of the first pause."""
    desk = Desk()
    desk.stop(desk.ann)
    desk.promise(desk.ben, desk.cas)
    for hand in desk.hands.values():
        hand.report("ready", hand.view["epoch"])
    assert desk.handle.state == "resumed"
    desk.stop(desk.ben, "late")
    desk.promise(desk.ann, desk.cas)
    desk.resume()
    (record,) = desk.records
    assert (record.pauses, record.said) == (2, "link_lost")
    assert [one.word("said") for one in record.evidence if one.kind is Clue.PAUSED] == [
        "link_lost",
        "late",
    ]


def test_the_application_may_end_a_game_that_is_paused():
    """Then the reason is the outcome, and nobody was away for long."""
    desk = Desk()
    desk.stop(desk.ann)
    desk.house.run(0.5)
    desk.handle.end("rained_out")
    (record,) = desk.records
    assert (record.outcome, record.paused_s, record.missing) == (
        "rained_out",
        pytest.approx(0.5),
        (),
    )
    assert (desk.account.reason, desk.account.ended_at) == (
        "rained_out",
        pytest.approx(desk.wall),
    )


def test_a_word_that_is_no_word_of_ours_is_not_repeated():
    """A client may give any cause; a record holds none that could be a story."""
    desk = Desk()
    desk.stop(desk.ann, "call 203.0.113.7 now")
    assert desk.records[0].said is None


def test_the_account_as_json():
    """The session's own sums, whether or not there is a record of each outage."""
    desk = Desk()
    desk.outage()
    desk.handle.end("won")
    assert desk.account.to_json() == {
        "players": ["ann", "ben", "cas"],
        "reason": "won",
        "ended_at": desk.account.ended_at,
        "outages_total": 1,
        "paused_total_s": desk.handle.paused_total,
        "attempts_total": 0,
        "unkept": 0,
        "outages": [desk.records[0].to_json()],
    }


def test_records_are_bounded(monkeypatch: pytest.MonkeyPatch):
    """Of too many the oldest are thrown away and counted; the sums are of all."""
    monkeypatch.setattr(module, "OUTAGES_MAX", 2)
    desk = Desk()
    for _ in range(3):
        desk.outage(1.0)
    assert [record.number for record in desk.records] == [2, 3]
    assert (desk.account.number, desk.account.unkept) == (3, 1)
    assert desk.account.paused_s == desk.handle.paused_total


# -- who is missing --------------------------------------------------------------------------------


@pytest.mark.parametrize(("late", "missing"), [(0.9, ()), (1.1, ("cas",))])
@pytest.mark.parametrize("topology", ["mesh", "server"])
def test_who_does_not_say_in_time_that_play_has_stopped_is_missing(topology, late, missing):
    """A living client says so at once; nobody asks who was the first to report."""
    desk = Desk(topology=topology)
    desk.stop(desk.ann)
    desk.promise(desk.ben)
    desk.keep(late, desk.cas)
    desk.promise(desk.cas)
    desk.resume()
    (record,) = desk.records
    assert record.missing == missing
    assert [one.player for one in record.evidence if one.kind is Clue.AWAY] == list(missing)


def test_a_slow_way_to_the_coordinator_is_no_absence():
    """A view has to get there, and the answer back."""
    desk = Desk()
    desk.cas.report(rtt_ms=900)
    desk.stop(desk.ann)
    desk.promise(desk.ben)
    desk.keep(1.5, desk.cas)
    desk.promise(desk.cas, rtt_ms=900)
    assert desk.records[0].missing == ()


def test_who_has_no_control_link_when_play_stops_is_missing():
    """However soon there is another one."""
    desk = Desk()
    desk.cas.hang_up()
    desk.stop(desk.ann)
    assert desk.records[0].missing == ("cas",)
    desk.cas.claim()
    desk.promise(desk.ben, desk.cas)
    assert desk.records[0].missing == ("cas",)


@pytest.mark.parametrize(("away", "missing"), [(0.5, ()), (5.0, ("cas",))])
def test_who_loses_the_control_link_later_is_missing_if_it_lasts(away, missing):
    """A connection that is replaced at once held nobody up."""
    desk = Desk()
    desk.stop(desk.ann)
    desk.promise(desk.ben, desk.cas)
    desk.cas.hang_up()
    desk.keep(away, desk.cas)
    desk.cas.claim()
    desk.resume()
    assert desk.records[0].missing == missing


def test_who_is_away_when_the_game_ends_was_missing():
    """Whoever never comes back is named as well."""
    desk = Desk(outage_timeout=12)
    desk.stop(desk.ann)
    desk.promise(desk.ben)
    desk.keep(20.0, desk.cas)
    (record,) = desk.records
    assert (record.outcome, record.missing) == ("timeout", ("cas",))
    assert "detached" in desk.kinds()


def test_who_is_dropped_was_missing_and_the_others_go_on():
    """One outage, with the one who held it up, until those who are left play on."""
    desk = Desk(outage_timeout=12, on_deadline="go_on", topology="relayed")
    desk.stop(desk.ann)
    desk.promise(desk.ben)
    desk.keep(15.0, desk.cas)
    assert desk.handle.players == ("ann", "ben")
    desk.house.resume(desk.ann, desk.ben)
    (record,) = desk.records
    assert (record.outcome, record.missing) == ("connected", ("cas",))
    assert "dropped" in desk.kinds()


# -- how far the game had got ----------------------------------------------------------------------


def test_the_frame_is_that_of_the_slowest_player():
    """As told when play stopped, and exactly when all have stopped."""
    desk = Desk()
    for hand, frame in ((desk.ann, 100), (desk.ben, 90), (desk.cas, 95)):
        hand.frame = frame
        hand.report()
    desk.ann.frame = 110
    desk.stop(desk.ann)
    assert desk.records[0].frame == 90
    desk.ben.frame, desk.cas.frame = 108, 107
    desk.promise(desk.ben, desk.cas)
    assert desk.records[0].frame == 107


def test_a_program_that_was_started_anew_does_not_take_the_game_back():
    """It tells of frame 0, but its player had got further."""
    desk = Desk()
    for hand in desk.hands.values():
        hand.frame = 50
        hand.report()
    again = desk.house.client(desk.handle, "cas")
    again.attach()
    again.report("halted", again.view["epoch"] + 1, cause="late")
    (record,) = desk.records
    assert (record.frame, record.finding.about) == (50, ("cas",))


def test_a_game_that_runs_on_the_server_has_the_servers_frame():
    """With topology `server` nobody else has one."""
    desk = Desk(topology="server")
    desk.handle.frame = 77
    desk.stop(desk.ann)
    assert desk.records[0].frame == 77


# -- facts -----------------------------------------------------------------------------------------


def test_a_fact_has_the_coordinators_time_less_how_long_ago_it_was():
    """The client's own clock is never asked."""
    desk = Desk()
    desk.stop(desk.ann, facts=[fact(1, ago_ms=750)])
    (loss,) = desk.records[0].losses
    assert loss.at == pytest.approx(desk.wall - 0.75)


def test_a_fact_whose_report_had_to_wait_is_older_by_that():
    """While a save is under way reports wait for their turn."""
    desk = Desk(store=FaultyStore(blocking=True))
    arrived = desk.wall
    desk.ann.line.send(desk.ann.report_with(phase="halted", epoch=2, cause="link_lost"))
    desk.ben.line.send(desk.ben.report_with(facts=[fact(1, ago_ms=500, peer="ann")]))
    desk.house.settle()
    (record,) = desk.records
    (loss,) = record.losses
    assert loss.at == pytest.approx(arrived - 0.5)
    assert record.started_at == pytest.approx(arrived)


def test_facts_are_numbered_and_counted_once():
    """Reports repeat them until they are acknowledged, and may come again on another connection."""
    desk = Desk()
    desk.stop(desk.ann, facts=[fact(1), fact(2, "hidden", hidden=True)])
    desk.promise(desk.ann, facts=[fact(1, ago_ms=300), fact(2, "hidden", hidden=True), fact(3)])
    desk.ann.hang_up()
    desk.ann.claim(facts=[fact(2, "hidden", hidden=True), fact(3, ago_ms=100)])
    desk.ann.report(facts=[fact(4, "weather"), fact(5, peer="ann")])  # none of ours
    assert desk.kinds().count("link_lost") == 2
    assert desk.kinds().count("hidden") == 1


def test_a_new_client_numbers_its_facts_anew():
    """They are told apart by the generation; a request for one says nothing yet."""
    desk = Desk()
    desk.stop(desk.ann, facts=[fact(1)])
    again = desk.house.client(desk.handle, "ann")
    again.claim(facts=[fact(1, "stalled", stalled_ms=700)])
    assert "stalled" not in desk.kinds()
    again.report(facts=[fact(1, "stalled", stalled_ms=700)])
    again.report(facts=[fact(1, "stalled", stalled_ms=700)])
    assert desk.kinds().count("stalled") == 1
    desk.ann.claim(facts=[fact(2)])  # the older client has lost its seat
    assert desk.kinds().count("link_lost") == 1


def test_a_fact_that_comes_late_belongs_to_the_outage_in_which_it_happened():
    """Two outages are over, and somebody tells of the first."""
    desk = Desk()
    first, second = desk.outage(), desk.outage()
    ago = round((desk.wall - first.started_at - 0.5) * 1000)
    revision = desk.account.revision
    desk.ben.report(facts=[fact(1, ago_ms=ago, peer="ann")])
    assert ([len(one.losses) for one in (first, second)], desk.account.revision > revision) == (
        [1, 0],
        True,
    )


def test_a_fact_that_is_told_after_the_end_is_kept():
    """A client comes back to a game that is over, and says what it saw."""
    desk = Desk(outage_timeout=12)
    desk.stop(desk.ann)
    desk.promise(desk.ben)
    desk.keep(20.0, desk.cas)
    ago = round((desk.wall - desk.records[0].started_at) * 1000)
    desk.cas.claim(facts=[fact(1, ago_ms=ago)])
    assert desk.records[0].losses[0].player == "cas"


def test_what_led_to_no_outage_is_in_no_record():
    """A link that was lost and mended in the middle of the game is nobody's cause later."""
    desk = Desk(link_grace_period=0.5)
    desk.ann.report(facts=[fact(1)])
    desk.keep(20.0)
    desk.stop(desk.ben)
    assert desk.records[0].losses == []
    desk.ann.report(facts=[fact(2, ago_ms=15_000)])
    assert desk.records[0].losses == []


def test_what_happened_before_an_outage_that_is_over_is_not_told_of_the_next():
    """Between two outages lies a game that was played."""
    desk = Desk()
    desk.outage(1.0)
    ago = round((desk.wall - desk.records[0].ended_at) * 1000)
    desk.keep(2.0)
    desk.stop(desk.ann, facts=[fact(1, ago_ms=ago + 2600)])
    assert [len(record.losses) for record in desk.records] == [1, 0]


def test_a_page_that_was_hidden_long_ago_is_hidden_still():
    """However old that is; a page that is seen again is not."""
    desk = Desk()
    desk.ann.report(facts=[fact(1, "hidden", hidden=True)])
    desk.ben.report(facts=[fact(1, "hidden", hidden=True)])
    desk.cas.report(facts=[fact(1, "hidden", hidden=True)])
    desk.keep(60.0)
    desk.ben.report(facts=[fact(2, "hidden", hidden=False)])
    desk.keep(20.0)
    desk.house.client(desk.handle, "cas").attach()  # another page
    desk.stop(desk.ann, facts=[fact(2)])
    told = [one for one in desk.records[0].evidence if one.kind is Clue.HIDDEN]
    assert [(one.player, one.flag("hidden")) for one in told] == [("ann", True)]


def test_early_evidence_is_bounded_for_each_player(monkeypatch: pytest.MonkeyPatch):
    """Who floods it loses the own oldest, and nobody else's."""
    monkeypatch.setattr(module, "EARLY_MAX", 2)
    desk = Desk(link_grace_period=2.0)
    desk.ben.report(facts=[fact(1, peer="ann")])
    desk.ann.report(facts=[fact(n, silent_ms=n) for n in range(1, 10)])
    desk.stop(desk.cas)
    told = [(one.player, one.count("silent_ms")) for one in desk.records[0].losses]
    assert told == [("ben", None), ("ann", 8), ("ann", 9)]


def test_a_program_that_is_closed_in_order_says_so():
    """Its last word may come when others have already stopped."""
    desk = Desk()
    desk.stop(desk.ann)
    desk.promise(desk.cas, cause="closing")
    assert desk.records[0].finding == Finding(OutageCause.CLOSED, ("cas",))


# -- a session that is loaded again ----------------------------------------------------------------


def test_a_save_that_failed_is_no_end_of_the_record():
    """The session is thrown away and loaded again in the middle of an outage: one record."""
    desk = Desk(store=FaultyStore())
    desk.stop(desk.ann)
    desk.promise(desk.ben)
    desk.house.store.faults.append(StoreError("full"))
    desk.promise(desk.cas)
    desk.keep(2.0)
    desk.resume()
    (record,) = desk.records
    assert (record.number, record.restarts, record.outcome) == (1, 1, "connected")
    assert record.paused_s == pytest.approx(desk.handle.paused_total)
    assert "restarted" in desk.kinds()


def test_an_end_that_was_saved_and_not_told_is_an_end():
    """The save that was thought to have failed was durable; so the outage is over."""
    desk = Desk(store=FaultyStore())
    desk.stop(desk.ann)
    desk.promise(desk.ben, desk.cas)
    for hand in desk.hands.values():
        hand.report("ready", hand.view["epoch"])
    desk.keep(0.1)
    for hand in (desk.ann, desk.ben):
        hand.report("playing")
    desk.house.store.lies.append(StoreError("who knows"))
    desk.cas.report("playing")
    desk.keep(1.0)
    assert desk.handle.state == "connected"
    (record,) = desk.records
    assert (record.outcome, record.restarts) == ("connected", 0)
    assert record.paused_s == pytest.approx(desk.handle.paused_total)


def test_a_beginning_that_was_saved_and_not_told_is_a_beginning():
    """The record begins with what the store knows."""
    desk = Desk(store=FaultyStore())
    began = desk.wall
    desk.house.store.lies.append(StoreError("who knows"))
    desk.stop(desk.ann)
    desk.keep(1.0)
    (record,) = desk.records
    assert (record.number, record.said, record.restarts) == (1, "link_lost", 1)
    assert record.started_at == pytest.approx(began)
    assert record.finding == Finding(OutageCause.UNKNOWN)
