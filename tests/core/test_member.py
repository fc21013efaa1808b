"""What is known of one player, and who can go on without the rest."""

from itertools import combinations
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconnect.core.member import Member, survivors
from reconnect.core.messages import Kind, LinkReport, Phase
from reconnect.core.record import Seat
from reconnect.policy import Policy
from tests.core.drama import DOWN, UP

MESH = Policy()
BOUND = MESH.lease_bound


def crowd(names: str, linked: str = "", *, promised: bool = True) -> list[Member]:
    """Attached members with one-letter names; `linked` lists pairs with both ends up."""
    members = [Member(name, conn=place, promised=promised) for place, name in enumerate(names)]
    by_name = {member.player: member for member in members}
    for one, other in linked.split():
        by_name[one].links[other] = UP
        by_name[other].links[one] = UP
    return members


def who(members: list[Member], topology: str = "mesh", hub: str = "a") -> str:
    return "".join(survivors(members, Policy(topology=topology), hub))


def test_a_player_who_never_came_is_halted():
    """No client of a seat that nobody ever took can be playing."""
    assert Member("ann").halted_at(MESH) == -inf


def test_a_member_is_halted_once_its_lease_bound_has_run_out():
    """Without a promise, halted(p) begins lease_bound after the last report."""
    assert Member("ann", last_report_at=5.0).halted_at(MESH) == 5.0 + BOUND


def test_a_promise_is_as_good_as_the_bound():
    """halted(p) holds at once where p has promised and no fence runs."""
    assert Member("ann", last_report_at=5.0, promised=True).halted_at(MESH) == -inf


@pytest.mark.parametrize("promised", [True, False])
def test_a_fence_holds_whatever_is_promised(promised):
    """halted(p) = not fence(p) and (promised(p) or not bound(p))."""
    member = Member("ann", last_report_at=5.0, promised=promised, fence_until=99.0)
    assert member.halted_at(MESH) == 99.0


def test_with_topology_server_everybody_is_always_halted():
    """Where the server's own loop is the game, nothing a client does can harm it."""
    member = Member("ann", last_report_at=5.0, fence_until=99.0)
    assert member.halted_at(Policy(topology="server")) == -inf


def test_what_is_volatile_is_gone_after_a_restart():
    """A stored seat comes back without connection, number or promise, and heard of just now."""
    seat = Seat("ann", gen=3, gen_next=4, token_digest="d")
    member = Member.of(seat, now=7.0, lease_bound=BOUND)
    assert (member.gen, member.gen_next, member.token_digest) == (3, 4, "d")
    assert (member.conn, member.seq, member.promised) == (None, 0, False)
    assert (member.last_report_at, member.detached_at) == (7.0, 7.0)
    assert member.fence_until == -inf


def test_a_stored_fence_runs_a_full_lease_bound_again():
    """A set fence bit keeps the seat fenced for lease_bound after the restart."""
    member = Member.of(Seat("ann", gen=2, fenced=True), now=7.0, lease_bound=BOUND)
    assert member.fence_until == 7.0 + BOUND


def test_the_fence_bit_is_stored_while_the_fence_runs():
    """The seat is stored as fenced up to the instant at which the fence ends, and no longer."""
    member = Member("ann", gen=2, gen_next=3, token_digest="d", fence_until=9.0)
    assert member.seat(8.999) == Seat("ann", 2, 3, True, "d")
    assert member.seat(9.0) == Seat("ann", 2, 3, False, "d")


def test_a_member_is_shown_as_it_last_reported():
    """A view lists id, generation, kind, attachment, phase, and which links are up."""
    member = Member("ann", gen=2, kind=Kind.BROWSER, phase=Phase.READY)
    member.links = {"ben": LinkReport(True), "cas": LinkReport(False, cause="silence")}
    shown = member.view()
    assert (shown.id, shown.gen, shown.kind, shown.phase) == ("ann", 2, "browser", "ready")
    assert shown.links == {"ben": True, "cas": False}
    assert not shown.attached
    member.conn = 0
    assert member.view().attached


def test_the_token_digest_is_never_printed():
    """A member's repr keeps the digest to itself."""
    assert "s3cret" not in repr(Member("ann", token_digest="s3cret"))


def test_a_link_counts_only_when_reported_up_in_this_epoch():
    """What was said before the epoch, of a link that is down, or not at all, is no link."""
    member = Member("a", promised=True, links={"b": UP, "c": DOWN})
    assert [member.has_up(peer) for peer in "bcd"] == [True, False, False]
    member.forget_epoch()
    assert not member.has_up("b")


def test_a_new_epoch_forgets_what_was_said_of_the_old():
    """A pause clears promised, ready and started."""
    member = Member("a", promised=True, ready=True, started=True)
    member.forget_epoch()
    assert (member.promised, member.ready, member.started) == (False, False, False)


@pytest.mark.parametrize(
    ("linked", "expected"),
    [
        ("", "a"),
        ("ab ac bc", "abc"),
        ("bc", "bc"),
        ("ab cd", "ab"),
        ("ad bc", "ad"),
        ("ab bc cd", "ab"),
        ("ab bc bd cd", "bcd"),
        ("ab ac ad bc bd cd", "abcd"),
    ],
)
def test_mesh_survivors_are_the_largest_set_that_is_linked_pairwise(linked, expected):
    """Of the sets whose members are all linked with each other the largest survives; of several
    of one size that with the earliest members.
    """
    assert who(crowd("abcd", linked)) == expected


def test_a_link_that_only_one_end_calls_up_is_down():
    """Both ends have to say that their link is up."""
    members = crowd("abc", "bc")
    members[0].links["b"] = UP
    assert who(members) == "bc"


def test_only_the_attached_survive():
    """However good the links: who has no connection is not among the survivors."""
    members = crowd("abc", "ab ac bc")
    members[0].conn = None
    assert who(members) == "bc"
    for member in members:
        member.conn = None
    assert [who(members, topology) for topology in ("mesh", "star", "relayed", "server")] == [
        ""
    ] * 4


def test_links_of_an_older_epoch_make_no_survivors():
    """A mesh whose members have said nothing of this epoch is no mesh."""
    assert who(crowd("ab", "ab", promised=False)) == "a"


@pytest.mark.parametrize(
    ("hub", "linked", "expected"), [("b", "ab bc", "abc"), ("b", "ab cd", "ab"), ("c", "ab", "c")]
)
def test_star_survivors_are_the_hub_and_those_linked_with_it(hub, linked, expected):
    """Links between others than the hub do not count."""
    assert who(crowd("abcd", linked), "star", hub) == expected


def test_a_star_without_its_hub_has_no_survivors():
    """The hub absent: none."""
    members = crowd("abc", "ab ac bc")
    members[0].conn = None
    assert who(members, "star", "a") == ""


@pytest.mark.parametrize("topology", ["relayed", "server"])
def test_without_peer_links_the_attached_survive(topology):
    """Where game data takes no peer link, links are not asked for."""
    members = crowd("abc", promised=False)
    members[1].conn = None
    assert who(members, topology) == "ac"


@given(st.sets(st.sampled_from(list(combinations("abcdef", 2)))))
def test_the_mesh_survivors_are_those_that_trying_every_set_finds(pairs):
    """The search finds the first set, by size and then by join order, of all that are linked."""
    expected = next(
        group
        for size in range(6, 0, -1)
        for group in combinations("abcdef", size)
        if all(pair in pairs for pair in combinations(group, 2))
    )
    members = crowd("abcdef", " ".join(one + other for one, other in pairs))
    assert who(members) == "".join(expected)
