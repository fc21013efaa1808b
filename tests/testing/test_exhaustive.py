"""Everything that one session and two clients can do, with one fault of every kind."""

import os
from contextlib import contextmanager

import pytest

from reconnect.core.control import Control
from reconnect.core.member import Member
from reconnect.core.messages import Phase
from reconnect.core.outlook import Outlook
from reconnect.core.peer import Peer
from reconnect.core.session import HALTING, Session
from reconnect.core.standing import Standing
from reconnect.errors import PolicyError
from reconnect.testing.exhaustive import CASES, Case, Fault, explore, search, tiny_policy
from reconnect.testing.simulation.tally import workers

LARGE = {  # each takes a minute or more, so they are for `reconnect prove`
    Case("relayed", (Fault.CRASH,)),
    Case("relayed", (Fault.HANG,)),
    Case("relayed", (Fault.DUPLICATE, Fault.DROP), playing=True),
    Case("relayed", (Fault.DUPLICATE, Fault.STALL), playing=True),
}
SEARCHED = [case for case in CASES if case.faults and case not in LARGE]


@pytest.fixture(scope="module")
def searches():
    """All of them, on all cores."""
    with workers(os.cpu_count() or 1) as pool:
        yield {case: pool.submit(explore, case) for case in SEARCHED}
        pool.shutdown(cancel_futures=True)


@pytest.mark.parametrize("case", SEARCHED, ids=str)
def test_every_state_is_safe_and_no_dead_end(case, searches):
    """With this fault at any moment: each reachable state seen, each law held, always a way out."""
    explored = searches[case].result()
    print(explored)
    assert explored.strikes, "the fault could never happen"
    assert explored.good
    assert explored.clean, "\n\n".join([str(explored), *map(str, explored.findings)])


@pytest.mark.parametrize("topology", ["server", "relayed", "mesh"])
def test_without_a_fault_everybody_plays(topology):
    """The whole life of a session without faults is a few thousand states, all of them safe."""
    explored = search(tiny_policy(topology))
    print(explored)
    assert explored.clean
    assert 0 < explored.good < explored.states < 10_000


# -- planted bugs ----------------------------------------------------------------------------------


@contextmanager
def instead(owner, name, make):
    """For a while `owner` has another function of this name, made from its own."""
    real = vars(owner)[name]
    setattr(owner, name, make(real))
    try:
        yield
    finally:
        setattr(owner, name, real)


def nobody_raises_the_epoch(real):
    """Neither who stops by itself, nor who refuses to start; one of the two makes up for it."""

    def halt(self, epoch, cause, now):
        by_itself = self.view is not None and epoch == self.epoch + 1 != self.view.epoch
        real(self, self.epoch if by_itself else epoch, cause, now)

    return halt


def lease_from_receipt(real):
    def heard(self, ack, held, now):
        real(self, ack, held, now)
        self._acked_sent_at = now

    return heard


def lease_is_not_checked(real):
    return lambda self, now: None


def any_epoch_promises(real):
    def heed(self, turn, member, report):
        if self.state in HALTING and report.phase in (Phase.HALTED, Phase.READY):
            member.promised = True
        real(self, turn, member, report)

    return heed


def links_are_not_asked(real):
    return lambda self, now: (
        self.halted and self.view is not None and now < self.control.lease_until
    )


def no_fence(real):
    def seat(self, turn, member, event):
        before = member.fence_until
        real(self, turn, member, event)
        member.fence_until = before

    return seat


def restart_forgets_leases(real):
    def of(cls, seat, *, now, lease_bound):
        member = real.__func__(cls, seat, now=now, lease_bound=lease_bound)
        member.last_report_at = now - lease_bound
        return member

    return classmethod(of)


def offer_tells_all(real):
    def offer(self, member):
        view = real(self, member)
        view.state, view.epoch = self.state, self.epoch
        return view

    return offer


PLANTED = {  # the bug, where it shows, the law that it breaks, and in how many steps
    "M1": (Peer, "_halt", nobody_raises_the_epoch, "relayed", Fault.STALL, True, "I5a", 15),
    "M2": (Control, "heard", lease_from_receipt, "relayed", Fault.SLOW, True, "L", 30),
    "M3": (Peer, "_check_lease", lease_is_not_checked, "relayed", Fault.STALL, True, "time", 16),
    "M4": (Session, "_heed", any_epoch_promises, "relayed", Fault.STALL, False, "I2", 36),
    "M6": (Outlook, "ready", links_are_not_asked, "mesh", Fault.LINK_BREAK, True, "I5a", 5),
    "M9": (Session, "_seat", no_fence, "relayed", Fault.DUPLICATE, True, "L", 12),
    "M11": (Member, "of", restart_forgets_leases, "relayed", Fault.CRASH, True, "L", 5),
    "M18": (Standing, "offer", offer_tells_all, "relayed", Fault.DUPLICATE, False, "I7", 30),
}


@pytest.mark.parametrize("bug", PLANTED)
def test_a_planted_bug_is_found(bug):
    """A rule is taken out of the real functions: a law breaks, or there is no way out any more."""
    owner, name, make, topology, fault, playing, law, steps_max = PLANTED[bug]
    with instead(owner, name, make):
        explored = search(tiny_policy(topology), faults=[fault], playing=playing, findings_max=1)
    first = explored.findings[0]
    print(first)
    assert not explored.clean
    assert first.law.startswith(law)
    assert len(first.path) <= steps_max
    assert any(line.startswith(f"FAULT {fault}") for line in first.path)


# -- what a search says ----------------------------------------------------------------------------


def test_a_search_that_is_cut_short_says_so():
    """With more states than allowed nothing is complete, and no dead end is claimed."""
    explored = search(tiny_policy(), states_max=50)
    assert (explored.complete, explored.clean, explored.dead_ends) == (False, False, 0)
    assert "CUT SHORT" in str(explored)


def test_a_search_is_the_same_each_time():
    """The same states and edges; only how long it took may differ."""
    one, other = (search(tiny_policy(), faults=["finish"], playing=True) for _ in range(2))
    counts = [(it.states, it.edges, it.good, it.strikes, it.handled) for it in (one, other)]
    assert counts[0] == counts[1]


def test_a_path_is_readable():
    """Each line says what happened and what it led to."""
    with instead(Member, "of", restart_forgets_leases):
        explored = search(tiny_policy(), faults=["crash"], playing=True)
    text = str(explored.findings[0])
    assert text.startswith(
        "L: a lease is valid, and its bound has run out\neverybody plays  ->  K "
    )
    assert "K is started again  ->  K connected 1, a playing 1, b playing 1" in text


def test_a_case_says_what_it_is():
    """Where it begins, and what goes wrong."""
    assert str(Case("server")) == "server none"
    assert str(Case("mesh", (Fault.DROP, Fault.CRASH), playing=True)) == "mesh drop+crash playing"


def test_a_policy_is_of_whole_seconds():
    """What cannot be searched is refused before anything is done."""
    with pytest.raises(PolicyError, match=r"lease_bound is 5\.5"):
        search(tiny_policy(lease_bound=5.5, give_up_timeout=20))


def test_three_players_and_longer_queues():
    """Two players and a queue of one are what it takes, not what it can."""
    small = search(tiny_policy("server", players_min=1), players=["a"], queue=2)
    large = search(tiny_policy("server"), players=["a", "b", "c"], playing=True)
    assert small.clean
    assert large.clean
    assert small.good < large.good
