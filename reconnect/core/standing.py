"""Standing: everything the coordinator knows of one session; what of it is asked, stored and told.

Nothing here decides anything; `session` has the rules that change it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf
from typing import Any, Self

from attrs import define, field

from reconnect.core.effects import Save
from reconnect.core.member import Member
from reconnect.core.messages import Cause, PlayerView, Report, Resume, ShortView, View
from reconnect.core.record import Record
from reconnect.core.table import INITIAL, State
from reconnect.errors import LocalProtocolError, NoSuchPlayer
from reconnect.policy import Policy, Topology

PLAYERS_MAX = 64  # every view lists them all
MESH_MAX = 16  # 120 links; beyond it the search for survivors grows without measure


@define(eq=False)
class Standing:
    """How one session stands. Make one with `born` or `loaded`."""

    id: str
    policy: Policy
    members: dict[str, Member]
    """Every player there ever was, in join order."""
    players: list[str]
    """Those who are in the game, in join order."""
    wall_offset: float
    """What is added to an instant of this process to get wall-clock time."""
    data: Mapping[str, Any] = field(factory=dict)
    state: State = INITIAL
    epoch: int = 1
    version: int = 0
    reason: str | None = None
    cause: str | None = Cause.START
    ends_at: float | None = None
    """When the outage that is open, or the first start, ends the session."""
    outage_started_at: float | None = None
    outages: int = 0
    last_outage: float = 0.0
    """How long the last closed outage took; not stored, so 0.0 after a restart."""
    paused_total: float = 0.0
    resumed_at: float = -inf
    """When the state became `resumed`."""
    resume_frame: int = 0
    resume_at: float | None = None
    ended_at: float | None = None
    frame: int = 0
    """With topology `server`: the server's own frame."""
    stale: int = 0
    """How many reports of older clients, or older than the last, have been ignored."""

    @classmethod
    def born(
        cls,
        session: str,
        players: Sequence[str],
        policy: Policy,
        *,
        now: float,
        wall: float,
        data: Mapping[str, Any] | None = None,
    ) -> Self:
        """A new session, paused until everybody has come; raises `LocalProtocolError`."""
        _check_players(players, policy)
        return cls(
            session,
            policy,
            {player: Member(player) for player in players},
            list(players),
            wall - now,
            data={} if data is None else data,
            ends_at=None if policy.start_timeout is None else now + policy.start_timeout,
        )

    @classmethod
    def loaded(cls, record: Record, *, now: float, wall: float) -> Self:
        """The session of a stored record, as after a start of the process.

        Nobody is connected and anybody may be playing. A clock that jumped meanwhile can at most
        end the outage now, or give it its whole time again.
        """
        policy = record.policy
        offset = wall - now
        starting = record.outage_started_at is None
        # some may go on from a first start, and they have the time of an outage for it
        longest = max(policy.outage_timeout, (policy.start_timeout or inf) if starting else 0.0)
        return cls(
            record.session,
            policy,
            {
                seat.player: Member.of(seat, now=now, lease_bound=policy.lease_bound)
                for seat in record.seats
            },
            list(record.players),
            offset,
            data=record.data,
            state=record.state,
            epoch=record.epoch,
            version=record.version,
            reason=record.reason,
            cause=record.cause,
            ends_at=_clamped(record.deadline, offset, now, longest),
            outage_started_at=(
                None
                if record.outage_started_at is None
                else min(now, record.outage_started_at - offset)
            ),
            outages=record.outages,
            paused_total=record.paused_total,
            resumed_at=now,
            resume_frame=record.resume_frame,
            resume_at=_clamped(record.resume_at, offset, now, cls.longest_lead(policy)),
            ended_at=None if record.ended_at is None else min(now, record.ended_at - offset),
        )

    @staticmethod
    def longest_lead(policy: Policy) -> float:
        """How far ahead a start may be agreed: as much time is left to hear that all have begun."""
        return (policy.countdown + policy.resume_timeout) / 2

    def first_save(self, *, now: float) -> Save:
        """The save that must be durable before anybody is answered."""
        self.version += 1
        return Save(self.record(now), expected=0)

    # -- asked -------------------------------------------------------------------------------------

    @property
    def hub(self) -> str:
        """The centre of a star."""
        return self.policy.hub or next(iter(self.members))

    @property
    def in_game(self) -> list[Member]:
        """The members, in join order."""
        return [self.members[player] for player in self.players]

    @property
    def missing(self) -> frozenset[str]:
        """Members without a connection."""
        return frozenset(member.player for member in self.in_game if member.conn is None)

    def outage_length(self, now: float) -> float:
        """How long the outage that is open has lasted; if none is, how long the last one took."""
        if self.outage_started_at is None:
            return self.last_outage
        return max(0.0, now - self.outage_started_at)

    def playing(self, now: float) -> bool:
        """Whether the game goes on: connected, or resumed and the start instant has passed."""
        return self.state is State.CONNECTED or (
            self.state is State.RESUMED and self.resume_at is not None and now >= self.resume_at
        )

    def member(self, player: str) -> Member:
        """Raises `NoSuchPlayer`."""
        try:
            return self.members[player]
        except KeyError:
            raise NoSuchPlayer(self.id, player) from None

    def route(self, sender: str, conn: int, to: str) -> Member | None:
        """The member to whom `sender` may have game data relayed, if both are there."""
        if sender == to or sender not in self.players or to not in self.players:
            return None
        receiver = self.members[to]
        if self.members[sender].conn != conn or receiver.conn is None:
            return None
        return receiver

    # -- stored ------------------------------------------------------------------------------------

    def record(self, now: float) -> Record:
        """What of this session is stored."""
        offset = self.wall_offset
        return Record(
            session=self.id,
            version=self.version,
            state=self.state,
            epoch=self.epoch,
            policy=self.policy,
            seats=tuple(member.seat(now) for member in self.members.values()),
            players=tuple(self.players),
            reason=self.reason,
            cause=self.cause,
            deadline=_shifted(self.ends_at, offset),
            outage_started_at=_shifted(self.outage_started_at, offset),
            outages=self.outages,
            paused_total=self.paused_total,
            resume_frame=self.resume_frame,
            resume_at=_shifted(self.resume_at, offset),
            ended_at=_shifted(self.ended_at, offset),
            data=self.data,
        )

    # -- told --------------------------------------------------------------------------------------

    def player_views(self) -> tuple[PlayerView, ...]:
        """What everybody is told of the members."""
        return tuple([member.view() for member in self.in_game])

    def view(self, member: Member, now: float, players: tuple[PlayerView, ...]) -> View:
        """What `member` is told on its connection; with the policy where it has none yet."""
        policy = None if member.informed_conn == member.conn else self.policy
        member.informed_conn = member.conn
        resume = None
        if self.state is State.RESUMED and self.resume_at is not None:
            resume = Resume(self.resume_frame, max(0.0, self.resume_at - now))
        return View(
            version=self.version,
            epoch=self.epoch,
            state=self.state,
            players=players,
            gen=member.gen,
            ack=member.seq,
            held=max(0.0, now - member.received_at),
            resume=resume,
            remaining=None if self.ends_at is None else max(0.0, self.ends_at - now),
            cause=self.cause,
            reason=self.reason,
            policy=policy,
            outages=self.outages,
            paused=self.outage_length(now),
        )

    def short_view(self, member: Member, now: float) -> ShortView:
        """What `member` is told when there is no news."""
        return ShortView(self.version, member.gen, member.seq, now - member.received_at)

    def offer(self, member: Member) -> View:
        """A generation for a new client, and nothing that it could take for a view."""
        return View(
            version=0,
            epoch=0,
            state=State.PAUSED,
            players=self.player_views(),
            gen=member.gen_next,
            ack=0,
            held=0.0,
            policy=self.policy,
        )

    def final_view(self, report: Report, reason: str | None = None) -> View:
        """The end, for one client alone or, without a reason of its own, for all."""
        return View(
            version=self.version,
            epoch=self.epoch,
            state=State.ENDED,
            players=self.player_views(),
            gen=report.gen,
            ack=report.seq,
            held=0.0,
            reason=reason or self.reason,
            outages=self.outages,
        )


def _check_players(players: Sequence[str], policy: Policy) -> None:
    most = MESH_MAX if policy.topology is Topology.MESH else PLAYERS_MAX
    if len(set(players)) != len(players):
        raise LocalProtocolError(f"a player can have one seat only: {list(players)}")
    if not policy.players_min <= len(players) <= most:
        raise LocalProtocolError(
            f"{len(players)} players; this policy ({policy.topology}, players_min "
            f"{policy.players_min}) allows {policy.players_min} to {most}"
        )
    if policy.hub is not None and policy.hub not in players:
        raise LocalProtocolError(f"the hub {policy.hub!r} is not among the players")


def _shifted(instant: float | None, by: float) -> float | None:
    return None if instant is None else instant + by


def _clamped(wall: float | None, offset: float, now: float, longest: float) -> float | None:
    return None if wall is None else min(max(wall - offset, now), now + longest)
