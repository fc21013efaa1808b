"""Outlook: how a session looks from one client; what of it is asked, reported and told.

Nothing here decides anything; `peer` has the rules that change it.
"""

from __future__ import annotations

from enum import StrEnum
from math import inf
from random import Random
from typing import Self, assert_never
from zlib import crc32

from attrs import Factory, define, field

from reconnect.core.control import Control
from reconnect.core.facts import Facts
from reconnect.core.link import PeerLink
from reconnect.core.messages import (
    AttemptKind,
    Cause,
    Kind,
    LinkReport,
    Phase,
    PlayerView,
    Reason,
    View,
)
from reconnect.core.notices import (
    ClientNotice,
    Connected,
    Ended,
    Paused,
    Reconnecting,
    Resumed,
)
from reconnect.core.resync import Circle, Resync, Step
from reconnect.core.table import INITIAL, State
from reconnect.policy import Policy, Topology


class Play(StrEnum):
    """What this client does."""

    HALTED = "halted"
    ARMED = "armed"
    """About to play: the start instant is agreed."""
    PLAYING = "playing"
    ENDED = "ended"


HALTED, ENDED = Play.HALTED, Play.ENDED
"""Asked for several times a packet, and an enum finds its members slowly."""


@define(eq=False)
class Outlook:
    """What one client of `player` knows of `session`; make one with `beginning`."""

    session: str
    player: str
    kind: Kind
    mends: frozenset[AttemptKind]
    """What the adapter of its links can do."""
    random: Random
    control: Control
    play: Play = Play.HALTED
    state: State = INITIAL
    """What the application was last told."""
    epoch: int = 0
    version: int = 0
    gen: int = 0
    view: View | None = None
    """The coordinator's last whole word."""
    links: dict[str, PeerLink] = field(factory=dict)
    facts: Facts = field(factory=Facts)
    resync: Resync = Factory(lambda: Resync(marks=False, snapshots=False))
    todo: list[Step] = field(factory=list)
    """Steps of the resync that have to be taken."""
    stranded: Reason | None = None
    """Why this client must not play on."""
    left_over: list[tuple[str, bytes]] = field(factory=list)
    """What came over links that are gone, and has not been taken yet."""
    superseded: int = 0
    """Messages to older clients of others that these had not acknowledged."""
    frame: int = 0
    resume_frame: int = 0
    start_at: float = inf
    """The agreed start instant, while armed."""
    cause: str | None = Cause.START
    reason: str | None = None
    malformed: int = 0
    """Packets and signals that no peer of ours would send, dropped."""
    _told: tuple[int, Phase, int] | None = None
    _told_links: dict[str, LinkReport] = field(factory=dict)
    _handled_at: float = inf
    _links_until: float = inf
    """When the links are let go of, after the end."""
    _leaving_until: float = -inf
    _left_seq: int | None = None

    @classmethod
    def beginning(
        cls,
        session: str,
        player: str,
        *,
        now: float,
        seed: int,
        kind: Kind = Kind.PYTHON,
        mends: frozenset[AttemptKind] = frozenset({AttemptKind.REBUILD}),
        marks: bool = False,
        snapshots: bool = False,
    ) -> Self:
        """A client that has not dialled yet; its first `deadline` is now."""
        random = Random(seed)
        control = Control.beginning(random, now)
        resync = Resync(marks=marks, snapshots=snapshots)
        return cls(session, player, kind, mends, random, control, resync=resync)

    # -- asked ------------------------------------------------------------------------------------

    @property
    def policy(self) -> Policy | None:
        """What the coordinator has said the rules are; None before its first word."""
        return self.control.policy

    @property
    def ended(self) -> bool:
        """Whether the game is over for this client."""
        return self.play is ENDED

    @property
    def halted(self) -> bool:
        """Whether play has stopped, in an epoch that may be resumed."""
        return self.play is HALTED

    def ready(self, now: float) -> bool:
        """Whether this client could go on: its lease is valid and every link proven and synced."""
        return (
            self.halted
            and self.view is not None
            and now < self.control.lease_until
            and len(self.links) == len(self.needed(self.view))
            and all(link.ready for link in self.links.values())
            and self.resync.done(self.circle(self.view))
        )

    def needed(self, view: View) -> list[PlayerView]:
        """The other members with whom this client exchanges game data directly or by relay."""
        assert self.policy is not None
        others = [one for one in view.players if one.id != self.player]
        match self.policy.topology:
            case Topology.MESH | Topology.RELAYED:
                return others
            case Topology.STAR:
                if self.player == (hub := self._hub(view)):
                    return others
                return [one for one in others if one.id == hub]
            case Topology.SERVER:
                return []
            case _:
                assert_never(self.policy.topology)

    def circle(self, view: View) -> Circle:
        """With whom this client brings the games together."""
        assert self.policy is not None
        needed = [one.id for one in self.needed(view)]
        is_star = self.policy.topology is Topology.STAR
        return Circle(needed, is_hub=is_star and self.player == self._hub(view))

    def roster(self, view: View) -> int:
        """A name for who the members are, and which of their clients; the same for everybody.

        Who comes for the first time makes no difference: nobody has heard anything before.
        """
        members = "".join(f"{one.id}:{one.gen or 1}\n" for one in view.players)
        return crc32(members.encode())

    def _hub(self, view: View) -> str:
        assert self.policy is not None
        return self.policy.hub or view.players[0].id

    @property
    def missing(self) -> frozenset[str]:
        """Members who are not there: without a control link, or beyond a link that is down."""
        view = self.view
        away = {one.id for one in view.players if not one.attached} if view else set()
        down = {peer for peer, link in self.links.items() if not link.up}
        return frozenset((away | down) - {self.player})

    def take(self) -> list[tuple[str, bytes]]:
        """The messages that have arrived since the last call, each peer's in order."""
        taken, self.left_over = self.left_over, []
        for link in self.links.values():
            taken += self.taken_from(link)
        return taken

    def taken_from(self, link: PeerLink) -> list[tuple[str, bytes]]:
        """The messages that have arrived over one link."""
        taken = [(link.peer, data) for data in link.stream.take()]
        latest = link.stream.take_latest()
        return taken if latest is None else [*taken, (link.peer, latest)]

    # -- reported ----------------------------------------------------------------------------------

    def is_attached(self, player: str) -> bool:
        if self.view is not None:
            for one in self.view.players:
                if one.id == player:
                    return one.attached
        return False

    def phase(self, now: float) -> Phase:
        match self.play:
            case Play.PLAYING:
                return Phase.PLAYING
            case Play.ARMED:
                return Phase.READY
            case Play.HALTED:
                return Phase.READY if self.ready(now) else Phase.HALTED
            case Play.ENDED:
                return Phase.LEFT
            case _:
                assert_never(self.play)

    def link_reports(self) -> dict[str, LinkReport]:
        return {peer: link.report() for peer, link in self.links.items() if link.direct}

    # -- told --------------------------------------------------------------------------------------

    @property
    def public(self) -> State:
        """Which of the five states this client is in."""
        match self.play:
            case Play.PLAYING:
                assert self.view is not None
                return State.CONNECTED if self.view.state is State.CONNECTED else State.RESUMED
            case Play.ARMED:
                return State.RESUMED
            case Play.ENDED:
                return State.ENDED
            case Play.HALTED:
                recovering = (
                    self.view is not None
                    and self.view.state is State.RECONNECTING
                    and self.view.epoch >= self.epoch
                )
                return State.RECONNECTING if recovering else State.PAUSED
            case _:
                assert_never(self.play)

    @property
    def outage(self) -> int:
        """The number of the outage, once the coordinator has said it; 0 before that."""
        view = self.view
        if view is None or not view.in_outage or view.epoch < self.epoch:
            return 0
        return view.outages

    def notice_now(self, now: float) -> ClientNotice:
        match self.state:
            case State.PAUSED:
                return Paused(self.cause or Cause.LATE, self.missing, self.outage)
            case State.RECONNECTING:
                return Reconnecting(self.missing)
            case State.RESUMED:
                starts_in = 0.0 if self.start_at == inf else max(0.0, self.start_at - now)
                return Resumed(self.resume_frame, starts_in)
            case State.CONNECTED:
                return Connected(0.0 if self.view is None else self.view.paused)
            case State.ENDED:
                return Ended(self.reason or Reason.COMPLETED)
            case _:
                assert_never(self.state)
