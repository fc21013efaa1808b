"""Member: what a coordinator knows of one player, and which members can go on without the rest."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import assert_never

from attrs import define, field

from reconnect.core.messages import Kind, LinkReport, Phase, PlayerView
from reconnect.core.record import Seat
from reconnect.policy import Policy, Topology


@define(eq=False)
class Member:
    """One player's seat. What is volatile is gone after a restart of the coordinator."""

    player: str
    gen: int = 0
    gen_next: int = 0
    token_digest: str | None = field(default=None, repr=False)
    fence_until: float = -inf
    """Until when an older client of this player may still be playing."""

    conn: int | None = None
    informed_conn: int | None = None
    """The connection that has been told the policy."""
    detached_at: float = -inf
    seq: int = 0
    last_report_at: float = -inf
    received_at: float = -inf
    """When the last report came in; it may have waited before it was handled."""
    kind: Kind = Kind.PYTHON
    phase: Phase = Phase.HALTED
    frame: int = 0
    rtt: float = 0.0
    links: dict[str, LinkReport] = field(factory=dict)

    promised: bool = False
    """Has stopped, in this epoch, until it is told to go on."""
    ready: bool = False
    started: bool = False

    @classmethod
    def of(cls, seat: Seat, *, now: float, lease_bound: float) -> Member:
        """The member of a stored seat: without a connection, and possibly still playing."""
        return cls(
            seat.player,
            gen=seat.gen,
            gen_next=seat.gen_next,
            token_digest=seat.token_digest,
            fence_until=now + lease_bound if seat.fenced else -inf,
            detached_at=now,
            last_report_at=now,
        )

    def seat(self, now: float) -> Seat:
        """What of this member is stored."""
        return Seat(self.player, self.gen, self.gen_next, now < self.fence_until, self.token_digest)

    def view(self) -> PlayerView:
        """What of this member everybody is told."""
        return PlayerView(
            self.player,
            self.gen,
            self.kind,
            self.conn is not None,
            self.phase,
            {peer: link.up for peer, link in self.links.items()},
        )

    def halted_at(self, policy: Policy) -> float:
        """From when on no client of this player can be playing."""
        if policy.topology is Topology.SERVER:
            return -inf
        bound = -inf if self.promised else self.last_report_at + policy.lease_bound
        return max(bound, self.fence_until)

    def has_up(self, peer: str) -> bool:
        """Whether this member has said, in this epoch, that its end of the link is up."""
        link = self.links.get(peer)
        return self.promised and link is not None and link.up

    def forget_epoch(self) -> None:
        """Nothing has been said yet of the epoch that begins."""
        self.promised = self.ready = self.started = False


def survivors(members: Sequence[Member], policy: Policy, hub: str) -> list[str]:
    """The members, in join order, who could go on without the others.

    Mesh: the largest set of attached members whose links are up by both ends; of several, the
    one with the earliest members. Star: the hub and those linked with it. Otherwise: the attached.
    """
    attached = [member for member in members if member.conn is not None]
    match policy.topology:
        case Topology.MESH:
            clique = _largest_clique([], attached)
        case Topology.STAR:
            hubs = [member for member in attached if member.player == hub]
            clique = [
                member
                for member in attached
                if hubs and (member is hubs[0] or _linked(member, hubs[0]))
            ]
        case Topology.RELAYED | Topology.SERVER:
            clique = attached
        case _:
            assert_never(policy.topology)
    return [member.player for member in clique]


def _linked(one: Member, other: Member) -> bool:
    return one.has_up(other.player) and other.has_up(one.player)


def _largest_clique(chosen: list[Member], candidates: list[Member]) -> list[Member]:
    """Depth first in join order, so that the first largest set found is the earliest one."""
    best = chosen
    for place, member in enumerate(candidates):
        if len(chosen) + len(candidates) - place <= len(best):
            break
        rest = [other for other in candidates[place + 1 :] if _linked(member, other)]
        found = _largest_clique([*chosen, member], rest)
        if len(found) > len(best):
            best = found
    return best
