"""The real session beside a short oracle, in histories that Hypothesis draws and shrinks.

Hand-made clients drive it. Sessions that lack a rule must not pass for the real one.
"""

from __future__ import annotations

from collections import Counter
from math import inf
from typing import Any, ClassVar

import pytest
from attrs import evolve
from hypothesis import HealthCheck, settings
from hypothesis import Phase as Stage
from hypothesis import event as note
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from reconnect.core.events import ApplicationEnded, ConnectionClosed
from reconnect.core.messages import Phase
from reconnect.core.session import Session
from reconnect.policy import Policy
from tests.conftest import ON_CI
from tests.core.hands import Game, Hand
from tests.core.oracle import HALTING
from tests.core.planted import Planted, lacking

NAMES = ("ann", "ben", "cas", "dan")
JUST_BEFORE = 1 / 64
ENOUGH = 7.0  # s; a lease bound of 4.5 and some reports
ENDS = st.sampled_from(["end", "go_on"])

# whole fractions of two, so that instants add up exactly whatever the clock shows
POLICIES = st.builds(
    Policy,
    topology=st.sampled_from(["mesh", "star", "relayed", "server"]),
    on_deadline=ENDS,
    on_leave=ENDS,
    players_min=st.sampled_from([2, 1]),
    outage_timeout=st.sampled_from([8.0, 12.0]),
    start_timeout=st.sampled_from([30.0, 6.0, None]),
    pause_budget=st.sampled_from([600.0, 600.0, 10.0, 0.0]),
    pauses_max=st.sampled_from([100, 100, 1]),
    control_grace_period=st.sampled_from([2.0, 0.25]),
    resume_timeout=st.sampled_from([3.0, 5.0]),
    lease=st.just(4.0),
    lease_bound=st.just(4.5),
    step_max=st.just(0.25),
    heartbeat_interval=st.just(0.5),
    silence_timeout=st.just(1.5),
)
WHO = st.integers(0, 7)
SOME = st.just(15) | st.integers(0, 15)  # a bit for each
JUMPS = st.sampled_from([0.0, 0.0, 3600.0, -3600.0])


somebody_is_there = precondition(lambda self: self.game.alive)


class Histories(RuleBasedStateMachine):
    kind: ClassVar[type[Session]] = Session
    seen: ClassVar[Counter[str]] = Counter()

    @initialize(policy=POLICIES, players=st.integers(2, 4), begun=st.booleans())
    def opens(self, policy: Policy, players: int, begun: bool) -> None:
        self.game = Game(self.kind, NAMES[:players], policy)
        if begun:
            self.everybody_cooperates(rounds=3, pace=0.0)

    def one(self, who: int) -> Hand:
        return self.game.alive[who % len(self.game.alive)]

    def fault(self, name: str) -> None:
        self.game.faults += 1
        self.game.seen["fault"] += 1
        self.game.seen[name] += 1

    # -- half of the steps: a world that cooperates ------------------------------------------------

    @rule(rounds=st.integers(1, 3), pace=st.sampled_from([0.0, 0.5]))
    def everybody_cooperates(self, rounds: int, pace: float) -> None:
        self.game.seen["cooperation"] += 1
        for _ in range(rounds):
            self.game.advance(self.game.now + pace)
            for player in self.game.players:
                self.game.cooperate(player)

    @rule()
    def the_faults_stop(self) -> None:
        """I1, I5: soon everybody plays, or the session has ended for everybody."""
        self.game.seen["cooperation"] += 1
        game, oracle = self.game, self.game.oracle
        game.store_does = "work"
        in_time = oracle.state in HALTING and (oracle.deadline or inf) > game.now + ENOUGH
        for _ in range(40):
            for player in game.players:
                game.cooperate(player)
            if oracle.state in ("connected", "ended"):
                break
            game.advance(game.now + 1.0)
        assert oracle.state == "connected" or (oracle.state == "ended" and not in_time)
        assert not (game.alive and oracle.state == "ended")

    @rule(who=WHO)
    def somebody_cooperates(self, who: int) -> None:
        self.game.seen["cooperation"] += 1
        self.game.cooperate(self.game.players[who % len(self.game.players)])

    # every name of a rule is as likely as any other
    everybody_2 = everybody_3 = everybody_4 = everybody_5 = everybody_cooperates
    faults_stop_2 = faults_stop_3 = the_faults_stop
    somebody_2 = somebody_3 = somebody_4 = somebody_cooperates

    # -- the other half ----------------------------------------------------------------------------

    @rule(who=WHO, stays=st.booleans())
    def another_client_comes(self, who: int, stays: bool) -> None:
        """It asks for a generation; what it does with it, if anything, is to be seen."""
        self.fault("another client")
        hand = self.game.new_hand(self.game.players[who % len(self.game.players)])
        self.game.say(hand)
        if stays:
            self.game.act(hand)

    @rule(who=WHO, late=st.booleans())
    @somebody_is_there
    def reports(self, who: int, late: bool) -> None:
        """It has not read its views."""
        hand = self.one(who)
        self.fault("late report" if late else "report")
        self.game.say(hand, late=late)

    @rule(who=WHO, late=st.booleans())
    @somebody_is_there
    def stops(self, who: int, late: bool) -> None:
        """A link of its own is lost: if it plays, it asks for a pause."""
        hand = self.one(who)
        self.fault("stop")
        hand.willing = False
        if hand.plays(self.game.now):
            hand.stop(hand.epoch + 1)
        self.game.say(hand, late=late)

    @rule(
        who=WHO,
        everybody=st.booleans(),
        phase=st.sampled_from([Phase.READY, Phase.READY, Phase.HALTED, Phase.PLAYING]),
        ahead=st.sampled_from([-1, -1, 0, 1, 2]),
    )
    @somebody_is_there
    def lies(self, who: int, everybody: bool, phase: Phase, ahead: int) -> None:
        """Says that it has stopped, is ready or plays, in an epoch near the session's."""
        self.fault("lie")
        epoch = max(0, self.game.oracle.epoch + ahead)
        for hand in self.game.alive if everybody else [self.one(who)]:
            hand.honest = False
            self.game.say(hand, phase=phase, epoch=epoch)

    @rule(which=st.integers(0, 63), elsewhere=st.booleans())
    def comes_twice(self, which: int, elsewhere: bool) -> None:
        """A report that has arrived, also one of an older client, arrives once more."""
        if heard := self.game.heard:
            self.fault("repetition")
            old = heard[-1 - which % len(heard)]
            conn = next(self.game.conns) if elsewhere else old.conn
            self.game.hear(evolve(old, conn=conn))

    @rule(who=WHO, dies=st.booleans(), noticed=st.booleans())
    @somebody_is_there
    def loses_its_connection(self, who: int, dies: bool, noticed: bool) -> None:
        hand = self.one(who)
        self.fault("loss")
        conn = hand.conn
        self.game.hang_up(hand)
        hand.inbox.clear()
        if dies:
            hand.phase = "ended"
        if noticed and conn is not None:
            self.game.hear(ConnectionClosed(conn))

    @rule(who=WHO)
    @somebody_is_there
    def leaves(self, who: int) -> None:
        hand = self.one(who)
        self.fault("leave")
        hand.phase = "ended"
        self.game.say(hand, phase=Phase.LEFT)

    @rule()
    @precondition(lambda self: self.game.faults > 8)
    def the_host_ends_it(self) -> None:
        if not self.game.over:
            self.fault("host")
            self.game.hear(ApplicationEnded("completed"))

    @rule(
        some=SOME,
        how=st.sampled_from(["to", "before", "beyond"]),
        starts=st.booleans(),
    )
    def time_passes(self, some: int, how: str, starts: bool) -> None:
        """To the session's deadline, or nearly, or far beyond, while some send heartbeats."""
        self.fault(f"time: {how}")
        game = self.game
        beating = [hand for place, hand in enumerate(game.alive) if some >> place & 1]
        if how == "beyond":
            game.wait(14.0, beating, starts=starts)
        elif game.due < game.now + 60.0:
            due = max(game.now, game.due - (JUST_BEFORE if how == "before" else 0.0))
            game.advance(due)

    @rule(seconds=st.sampled_from([0.25, 2.0, 6.0, 24.0]))
    def the_timer_is_late(self, seconds: float) -> None:
        self.fault("late timer")
        self.game.now += seconds

    @rule(how=st.sampled_from(["fail", "lie"]))
    def the_store_fails(self, how: str) -> None:
        self.fault("store")
        self.game.store_does = how

    @rule(
        after=st.sampled_from([0.5, 6.0]), clock_jump=st.sampled_from([0.0, 0.0, 3600.0, -3600.0])
    )
    def the_process_starts_again(self, after: float, clock_jump: float) -> None:
        self.fault("restart")
        self.game.restart(after, clock_jump)

    @rule(policy=POLICIES, players=st.integers(2, 4), begun=st.booleans())
    @precondition(lambda self: self.game.over)
    def another_game_begins(self, policy: Policy, players: int, begun: bool) -> None:
        self.teardown()
        self.opens(policy, players, begun)

    another_2 = another_3 = another_game_begins

    def teardown(self) -> None:
        if hasattr(self, "game"):
            note(f"the last state is {self.game.oracle.state}")
            self.seen.update(self.game.seen + self.game.oracle.rows)


ROWS = {
    *("offer", "seat", "seat: fenced", "seat: promised", "superseded", "ignored", "dropped"),
    *("view", "ended", "promise", "start", "no news", "silent", "left in a pause"),
    *("pause: asked", "pause: left", "pause: grace", "pause: bound", "pause: resume timeout"),
    *("end: timeout", "end: budget_spent", "end: never_started", "end: player_left"),
    *("end: completed", "end: state_lost", "dropped at the deadline"),
    *("paused -> reconnecting", "reconnecting -> resumed", "resumed -> connected"),
    *("connected -> paused", "resumed -> paused", "connected -> ended", "paused -> ended"),
    *("reconnecting -> ended", "resumed -> ended"),
}


def budget(**more: Any) -> settings:
    return settings(stateful_step_count=60, suppress_health_check=list(HealthCheck), **more)


def test_the_session_is_what_the_oracle_says():
    """I1-I4, I8, I11, I12, D, P in every history; and these go nearly everywhere: of all the rows
    of the tables at most two are not visited, and about half of the steps are cooperation.
    """
    Histories.seen.clear()
    run_state_machine_as_test(
        Histories, settings=budget(max_examples=300, derandomize=ON_CI, print_blob=True)
    )
    seen = Histories.seen
    assert len(ROWS - seen.keys()) <= 2, ROWS - seen.keys()
    assert 1 / 3 < seen["cooperation"] / (seen["cooperation"] + seen["fault"]) < 2 / 3


def found(kind: type[Session], examples: int) -> bool:
    """Whether the machine fails with a session of this kind, in as many histories."""
    machine = type("Machine", (Histories,), {"kind": kind, "seen": Counter()})
    try:
        run_state_machine_as_test(
            machine,
            settings=budget(
                max_examples=examples,
                derandomize=True,
                print_blob=False,
                phases=[Stage.generate],
                report_multiple_bugs=False,
            ),
        )
    except AssertionError:
        return True
    return False


@pytest.mark.parametrize("kind", lacking(), ids=lambda kind: kind.__name__)
def test_a_rule_that_is_missing_is_missed(kind):
    """Without any one of these rules the machine fails."""
    assert found(kind, 1000)


def test_what_lacks_nothing_is_not_found():
    """What finds the missing rules is that they are missing."""
    assert not found(Planted, 20)
