"""Is the far end there: two detectors over a bad link, in virtual time."""

import heapq
import itertools
import math
from random import Random

import pytest
from attrs import define, field

from reconnect.core.detector import (
    BUSY_MAX,
    EXCUSES,
    HIDDEN_FACTOR,
    RTT_MAX,
    WAITING_MAX,
    Detector,
    Evidence,
    Liveness,
)
from reconnect.policy import Policy

POLICY = Policy()
ALIVE, SUSPECT, LOST = Liveness
HOUR = 3600.0


@define
class Lab:
    """Two idle ends of one link, that do nothing but ask each other whether they are there."""

    loss: float = 0.0
    delay: float = 0.02
    burst: int = 1
    """How many packets in a row each loss takes."""
    seed: int = 0
    dark_from: float = math.inf
    stalls: tuple = ()
    """(end, from, to): until then this end's loop does nothing."""
    due_first: bool = False
    """Whether a stalled loop calls its timers before it reads what has arrived."""
    policy: Policy = POLICY
    now: float = 0.0
    chance: Random = field(init=False)
    ends: tuple = field(init=False)
    calendars: tuple = field(init=False, factory=lambda: ([], []))
    order: itertools.count = field(init=False, factory=itertools.count)
    losing: list = field(init=False, factory=lambda: [0, 0])
    losses: list = field(init=False, factory=list)
    """(when, end) of each time that an end was found lost."""
    packets: int = field(init=False, default=0)

    def __attrs_post_init__(self):
        self.chance = Random(self.seed)
        self.ends = (Detector(self.policy, now=0.0), Detector(self.policy, now=0.007))

    def send(self, side, what):
        self.packets += 1
        if self.losing[side]:
            self.losing[side] -= 1
        elif self.chance.random() < self.loss / self.burst:
            self.losing[side] = self.burst - 1
        elif self.now < self.dark_from:
            heapq.heappush(
                self.calendars[1 - side], (self.now + self.delay, next(self.order), what)
            )

    def asleep_until(self, side, when):
        return max((b for end, a, b in self.stalls if end == side and a <= when < b), default=when)

    def timer(self, side):
        end = self.ends[side]
        if self.now < end.deadline:
            return
        before = end.liveness
        nonce = end.due(self.now)
        assert end.deadline > self.now
        if before is not LOST and end.liveness is LOST:
            self.losses.append((self.now, side))
        if nonce is not None:
            self.send(side, ("ping", nonce))

    def arrivals(self, side):
        end, calendar = self.ends[side], self.calendars[side]
        while calendar and calendar[0][0] <= self.now:
            kind, nonce = heapq.heappop(calendar)[2]
            end.heard(self.now)
            if kind == "ping":
                self.send(side, ("pong", nonce))
            else:
                end.answered(nonce, self.now)

    def next_for(self, side):
        arrival = self.calendars[side][0][0] if self.calendars[side] else math.inf
        return self.asleep_until(side, max(self.now, min(arrival, self.ends[side].deadline)))

    def run(self, until):
        acts = (self.timer, self.arrivals) if self.due_first else (self.arrivals, self.timer)
        while (soonest := min(times := [self.next_for(0), self.next_for(1)])) <= until:
            self.now = soonest
            for side, when in enumerate(times):
                if when == soonest:
                    for act in acts:
                        act(side)
        self.now = until


def alive(now=0.0, *, policy=POLICY):
    one = Detector(policy, now=now)
    one.due(now)
    one.heard(now)
    return one


def until_lost(one, now):
    """Obey the deadlines in silence; when it was lost, and the times of its heartbeats."""
    pings = []
    while one.liveness is not LOST:
        now = max(now, one.deadline)
        if one.due(now) is not None:
            pings.append(now)
    return now, pings


class TestLife:
    def test_a_fresh_link_is_not_up(self):
        """A new link is lost, asks at once and then at every heartbeat, and is up when heard."""
        one = Detector(POLICY, now=5.0)
        assert one.liveness is LOST
        asked = []
        for _ in range(10):
            when = one.deadline
            asked.append(when)
            assert one.due(when) is not None
        assert asked == pytest.approx([5.0 + n * POLICY.link_heartbeat for n in range(10)])
        assert one.liveness is LOST
        one.heard(8.0)
        assert one.liveness is ALIVE

    def test_two_ends_find_each_other(self):
        """Two ends are alive a packet's way after they began, and stay so."""
        lab = Lab()
        lab.run(60.0)
        assert [end.liveness for end in lab.ends] == [ALIVE, ALIVE]
        assert lab.losses == []
        for end in lab.ends:
            assert end.rtt == pytest.approx(0.04)
            assert end.evidence(lab.now).silent_for < 0.3

    @pytest.mark.parametrize("dark_from", [10.0 + n / 37 for n in range(10)])
    def test_a_dead_path_is_found(self, dark_from):
        """Both ends find out at most a second after the last they heard, whenever that was."""
        lab = Lab(dark_from=dark_from)
        lab.run(dark_from + 0.02)
        lab.run(20.0)
        assert sorted(side for _, side in lab.losses) == [0, 1]
        for when, side in lab.losses:
            silent = lab.ends[side].evidence(when).silent_for
            assert silent == pytest.approx(1.0)
            assert when <= dark_from + lab.delay + 1.0

    def test_the_way_to_lost(self):
        """Silence is suspect at 0.5 s and lost at 1.0 s; a missed answer quickens it."""
        one = alive(10.0)
        for when in (10.25, 10.35, 10.45):
            assert one.deadline == pytest.approx(when)
            assert one.due(one.deadline) is not None
            assert one.liveness is ALIVE
        assert one.deadline == 10.5
        assert one.due(10.5) is not None
        assert one.liveness is SUSPECT
        lost_at, pings = until_lost(one, 10.5)
        assert lost_at == 11.0
        assert pings[:4] == pytest.approx([10.6, 10.7, 10.8, 10.9])
        assert one.evidence(lost_at).silent_for == 1.0
        assert one.evidence(lost_at).unanswered == 4 + len(pings)

    def test_a_lost_link_is_still_asked(self):
        """Heartbeats go on at their usual pace, so a path that heals by itself is noticed."""
        one = alive()
        lost_at, _ = until_lost(one, 0.0)
        times = []
        for _ in range(4):
            times.append(one.deadline)
            assert one.due(times[-1]) is not None
        waits = [after - before for before, after in itertools.pairwise(times)]
        assert waits == pytest.approx([0.25] * 3)
        assert times[0] <= lost_at + 0.25
        one.heard(5.0)
        assert one.liveness is ALIVE

    def test_anything_heard_ends_suspicion(self):
        """Any valid packet is a sign of life."""
        one = alive()
        one.due(0.25)
        one.due(0.5)
        assert one.liveness is SUSPECT
        one.heard(0.51)
        assert one.liveness is ALIVE
        assert one.evidence(0.6) == Evidence(
            silent_for=pytest.approx(0.09), unanswered=0, stall=0.0, hidden=False
        )

    def test_an_answer_calms_it(self):
        """When something is heard, the next heartbeat is a whole interval after the last."""
        one = alive()
        one.due(0.25)
        assert one.deadline == pytest.approx(0.35)
        one.heard(0.3)
        assert one.deadline == 0.5

    def test_nothing_to_do_before_the_deadline(self):
        """A call too early asks for nothing and changes nothing."""
        one = alive()
        deadline = one.deadline
        assert one.due(0.1) is None
        assert one.deadline == deadline


class TestOwnFault:
    @pytest.mark.parametrize("due_first", [True, False])
    @pytest.mark.parametrize("length", [0.3, 0.9, 1.0, 3.0, 60.0])
    def test_own_stall(self, length, due_first):
        """An end whose own loop stood still does not take that for silence of the other."""
        lab = Lab(
            stalls=[(0, start, start + length) for start in (10.0, 100.1, 200.2, 300.3)],
            due_first=due_first,
        )
        lab.run(400.0)
        assert [when for when, side in lab.losses if side == 0] == []

    @pytest.mark.parametrize("loss", [0.0, 0.1])
    def test_the_far_ends_short_stall(self, loss):
        """A far end that stands still for less than the limit less a heartbeat is not lost."""
        starts = [10.0 + n * 4.03 for n in range(60)]
        lab = Lab(loss=loss, stalls=[(0, start, start + 0.7) for start in starts], seed=5)
        lab.run(300.0)
        assert lab.losses == []

    def test_a_stall_is_a_fresh_start(self):
        """Woken late, it asks at once, gives a whole new limit, and keeps the lateness in mind."""
        one = alive()
        assert one.due(5.0) is not None
        assert one.liveness is ALIVE
        assert one.evidence(5.0) == Evidence(silent_for=5.0, unanswered=1, stall=4.75, hidden=False)
        lost_at, _ = until_lost(one, 5.0)
        assert lost_at == 6.0

    def test_a_stall_is_told_once(self):
        """How long the loop stood still can be asked, whatever is heard at once afterwards."""
        one = alive()
        assert one.stood_still() == 0.0
        one.due(5.0)
        one.heard(5.0)
        assert one.stood_still() == 4.75
        assert one.stood_still() == 0.0

    def test_a_sleep_is_a_stall(self):
        """`woke` comes before `due`, which then finds nothing late any more."""
        one = alive()
        one.woke(60.0)
        one.due(60.0)
        assert one.stood_still() == 59.75

    def test_each_silence_has_its_own_excuses(self):
        """However often the loop has stalled before, a stall after a sign of life is excused."""
        one = alive()
        for n in range(2 * EXCUSES):
            one.heard(n * 5.0)
            one.due(n * 5.0 + 0.25)
            one.due(n * 5.0 + 4.0)
            assert one.liveness is ALIVE

    def test_a_loop_that_stalls_for_ever(self):
        """Stall after stall, with nothing heard in between, does not hide a loss for good."""
        one = alive()
        now = 0.0
        while one.liveness is not LOST:
            now += 0.6
            one.due(now)
        assert now <= 0.6 * (EXCUSES + 3)

    def test_silence_counts_only_against_an_answer_that_is_due(self):
        """Where the first question comes late, the verdict waits for the answer."""
        one = alive(policy=Policy(link_heartbeat=0.9, link_suspect=0.9, link_lost=1.0))
        assert one.due(0.5) is None
        assert one.due(1.1) is not None
        assert one.liveness is ALIVE
        lost_at, _ = until_lost(one, 1.1)
        assert lost_at == pytest.approx(1.6)

    def test_a_stall_spoils_no_round_trip(self):
        """An answer that waited for our own loop says nothing about the path."""
        one = alive()
        one.answered(1, 0.04)
        nonce = one.due(one.deadline)
        assert nonce is not None
        one.heard(9.0)
        one.answered(nonce, 9.0)
        assert one.rtt == 0.04


class TestRoundTrip:
    def test_smoothed(self):
        """The first answer sets it, each later one moves it by an eighth."""
        one = alive()
        assert one.rtt is None
        one.answered(1, 0.08)
        assert one.rtt == 0.08
        nonce = one.due(0.25)
        one.heard(0.41)
        one.answered(nonce, 0.41)
        assert one.rtt == pytest.approx(0.09)

    def test_unknown_answers_count_for_nothing(self):
        """An answer to what was never asked, or to the same twice, moves nothing."""
        one = alive()
        one.answered(99, 0.01)
        assert one.rtt is None
        one.answered(1, 0.08)
        one.answered(1, 0.2)
        assert one.rtt == 0.08

    def test_only_so_many_answers_are_waited_for(self):
        """Of very old heartbeats nobody wants to know any more."""
        one = Detector(POLICY, now=0.0)
        nonces = [one.due(one.deadline) for _ in range(WAITING_MAX + 1)]
        one.answered(nonces[0], one.deadline)
        assert one.rtt is None
        one.answered(nonces[1], one.deadline)
        assert one.rtt == RTT_MAX

    def test_a_long_round_trip_widens_the_limits(self):
        """Four round trips must fit the limit, two must fit before the link is suspect."""
        one = alive()
        nonce = one.due(0.25)
        for when in (0.35, 0.45, 0.55, 0.64):
            one.due(when)
        one.heard(0.65)
        one.answered(nonce, 0.65)
        assert one.rtt == pytest.approx(0.4)
        while one.liveness is ALIVE:
            now = one.deadline
            one.due(now)
        assert now == pytest.approx(0.65 + 0.8)
        lost_at, _ = until_lost(one, now)
        assert lost_at == pytest.approx(0.65 + 1.6)


class TestExcuses:
    def test_an_announced_silence(self):
        """Silence that was announced counts from its end."""
        one = alive()
        one.busy(0.0, seconds=2.0)
        lost_at, _ = until_lost(one, 0.0)
        assert lost_at == pytest.approx(3.0)

    def test_announcing_does_not_pile_up(self):
        """However often it is said, no more than the maximum of one silence is excused."""
        one = alive()
        for n in range(10):
            one.busy(n / 10, seconds=math.inf)
        lost_at, _ = until_lost(one, 1.0)
        assert lost_at == pytest.approx(BUSY_MAX + 1.0)

    @pytest.mark.parametrize("seconds", [0.0, -5.0, math.nan])
    def test_announcing_nothing(self, seconds):
        """No length, or an impossible one, changes nothing."""
        one = alive()
        one.busy(0.0, seconds=seconds)
        lost_at, _ = until_lost(one, 0.0)
        assert lost_at == 1.0

    def test_hidden(self):
        """A page in the background has its larger limits, and says so."""
        one = alive()
        one.hidden(0.0)
        lost_at, pings = until_lost(one, 0.0)
        assert lost_at == HIDDEN_FACTOR
        assert pings[:2] == pytest.approx([0.0, 0.4])
        assert one.evidence(lost_at).hidden

    def test_timers_of_a_hidden_page(self):
        """Called once a second, a hidden page is neither lost nor deaf to a loss."""
        one = alive()
        one.hidden(0.0)
        for second in range(1, 60):
            nonce = one.due(float(second))
            if nonce is not None:
                one.heard(second + 0.05)
                one.answered(nonce, second + 0.05)
        assert one.liveness is ALIVE
        assert one.evidence(60.0).stall == 0.0
        second = 60
        while one.liveness is not LOST:
            one.due(float(second))
            second += 1
        assert second <= 66

    def test_shown(self):
        """A page that is seen again asks at once, and judges by the small limits from then on."""
        one = alive()
        one.hidden(0.0)
        one.due(0.0)
        one.shown(1.9)
        assert one.deadline == 1.9
        lost_at, _ = until_lost(one, 1.9)
        assert lost_at == pytest.approx(2.9)
        assert not one.evidence(lost_at).hidden

    def test_woke(self):
        """After a sleep the link is suspect and asked at once; missed heartbeats are not sent."""
        one = alive()
        one.woke(10_000.0)
        assert one.liveness is SUSPECT
        assert one.deadline == 10_000.0
        assert one.due(10_000.0) is not None
        assert one.due(10_000.0) is None
        lost_at, _ = until_lost(one, 10_000.0)
        assert lost_at == 10_001.0
        one.woke(20_000.0)
        assert one.liveness is LOST

    def test_no_channel(self):
        """Without a channel it is lost and silent; with a new one it asks at once."""
        one = alive()
        one.closed()
        assert one.liveness is LOST
        assert one.deadline == math.inf
        assert one.due(1.0) is None
        one.opened(50.0)
        assert one.liveness is LOST
        assert one.due(one.deadline) is not None
        one.heard(50.1)
        assert one.liveness is ALIVE

    def test_what_is_heard_came_through_a_channel(self):
        """A packet before the word that the channel is open counts all the same."""
        one = alive()
        one.closed()
        one.heard(3.0)
        assert one.liveness is ALIVE
        assert one.due(max(3.0, one.deadline)) is not None


class TestFalseAlarms:
    @pytest.mark.parametrize(
        ("loss", "burst"), [(0.0, 1), (0.05, 1), (0.1, 1), (0.05, 3), (0.1, 3)]
    )
    def test_none_up_to_ten_percent(self, loss, burst):
        """A quarter of an hour of two idle ends and a lossy path pauses nobody."""
        lab = Lab(loss=loss, burst=burst, seed=4)
        lab.run(HOUR / 4)
        assert lab.losses == []
        assert lab.packets > 14 * HOUR / 4

    def test_a_useless_path_is_lost(self):
        """With four of five packets lost, the link is found lost again and again."""
        lab = Lab(loss=0.8, seed=4)
        lab.run(120.0)
        assert len(lab.losses) > 5
