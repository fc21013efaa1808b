"""Client: a real `Peer` whose chance is constant and whose links are just up or down.

Everything that decides about epochs, leases and phases is the peer's own. Replaced is what only
multiplies the states of a search: when a dial is repeated, and how a link is mended and watched
over. Every program begins with its game, so that none has to be handed over.
"""

from __future__ import annotations

from math import inf
from random import Random
from typing import ClassVar

from attrs import define

from reconnect.core.effects import PeerEffect
from reconnect.core.link import PeerLink
from reconnect.core.messages import LinkReport
from reconnect.core.peer import Peer


class NoChance(Random):
    """Every delay that may be anything up to a limit is the shortest one."""

    def uniform(self, a: float, b: float) -> float:
        """The shortest."""
        return min(a, b)


@define(eq=False)
class AbstractLink(PeerLink):
    """A link that is up when it is said to be, and proven once any packet has come."""

    @property
    def up(self) -> bool:
        """As the network said last."""
        return self.channel if self.direct else self.carried

    @property
    def synced(self) -> bool:
        """Always: nothing is ever sent."""
        return True

    @property
    def endured_until(self) -> float:
        """Nobody plays on over a link that is down."""
        return inf if self.up or not self.direct else -inf

    def report(self) -> LinkReport:
        """Up or down, and no attempts."""
        return LinkReport(self.up)

    def deadline(self, *, halted: bool, attached: bool, recovering: bool) -> float:  # noqa: ARG002 - the network says it
        """Whatever happens to the link is said by the network."""
        return inf

    def stopped(self, epoch: int, now: float) -> None:  # noqa: ARG002 - the network says it
        """Nothing is proven any more."""
        self.probed = False

    def channel_changed(self, is_open: bool, now: float) -> None:  # noqa: ARG002 - the network says it
        """The network says that the link is up, or down."""
        self.channel = is_open
        self.probed = False

    def received(self, packet: bytes, now: float) -> None:  # noqa: ARG002 - the network says it
        """A probe of this epoch has been answered; the network sends no other packet."""
        self.probed = True

    def look(self, now: float) -> None:
        """There is nothing to notice that the network does not say."""

    def flush(self, effects: list[PeerEffect], now: float, *, halted: bool) -> None:
        """Nothing is ever sent."""

    def mend(self, effects: list[PeerEffect], now: float, *, allowed: bool) -> None:
        """The network mends links, where the peer would allow it."""

    def newly_suspect(self) -> bool:
        """Links are up or down."""
        return False


@define(eq=False)
class AbstractPeer(Peer):
    """A real peer; its links are abstract."""

    link_type: ClassVar[type[PeerLink]] = AbstractLink

    def mends_now(self, peer: str) -> bool:
        """Whether this client may try to mend its link to `peer` now."""
        return peer in self.links and self._may_mend(self.links[peer])


def beginning(player: str) -> AbstractPeer:
    """A client that has its game and has not dialled yet, at the instant 0."""
    peer = AbstractPeer.beginning("game", player, now=0.0, seed=0)
    peer.random = peer.control.random = NoChance()
    peer.resync.has_state = True
    return peer
