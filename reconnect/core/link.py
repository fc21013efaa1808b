"""PeerLink: one link from this client's side: alive or not, proven or not, synced or not.

It joins a detector, a stream and the attempts at mending for one generation of one peer. Where a
session has no peer links (topology `relayed`) it is only the stream's place, and the coordinator
carries its frames.
"""

from __future__ import annotations

from functools import lru_cache
from math import inf
from random import Random
from typing import assert_never

from attrs import define, field

from reconnect.core.detector import Detector, Liveness
from reconnect.core.effects import CloseLink, OpenLink, PeerEffect, SendData, SendFrame
from reconnect.core.frames import (
    Ack,
    Busy,
    Frame,
    Latest,
    Piece,
    Ping,
    Pong,
    Probe,
    ProbeAnswer,
    Record,
    decode,
    encode,
    pack,
)
from reconnect.core.ladder import Ladder
from reconnect.core.mending import Condition, Mending
from reconnect.core.messages import AttemptKind, FactValue, LinkReport, Signal
from reconnect.core.signals import Signals
from reconnect.core.stream import Stream
from reconnect.policy import Policy

BUSY_SAID_MAX = 60.0  # a frame holds a little more, and no end excuses nearly as much
LOST = Liveness.LOST  # asked for several times a packet, and an enum finds its members slowly


@lru_cache
def _link_report(up: bool, cause: str | None, attempt: int, kind: AttemptKind | None) -> LinkReport:
    """Asked for after every event, and nearly always the same."""
    return LinkReport(up, cause, attempt, kind)


@define(eq=False)
class PeerLink:
    """This client's end of the link to `generation` of `peer`."""

    peer: str
    generation: int
    mine: int
    """This client's own generation."""
    tag: int
    """Tells packets of one session from those of another."""
    policy: Policy
    direct: bool
    """Whether there is a link at all, or the coordinator carries the frames."""
    detector: Detector
    stream: Stream
    mending: Mending
    epoch: int
    channel: bool = False
    carried: bool = False
    """Not direct: whether the coordinator can carry frames to the peer now."""
    probed: bool = False
    """Whether a probe has made the round trip in this epoch."""
    alive: bool = False
    """What `up` was when it was last looked at."""
    down_since: float = -inf
    up_since: float = -inf
    down_cause: str | None = None
    ice: str | None = None
    unproven_since: float = -inf
    stop_mark: int = 0
    """How far the stream had got when play stopped; all of it must arrive before it goes on."""
    foreign: int = 0
    """Packets of other generations, dropped."""
    _suspect: bool = False
    _replies: list[Record] = field(factory=list)
    _nonce: int = 0
    _nonce_floor: int = 0
    _probe_at: float = -inf

    @classmethod
    def make(
        cls,
        peer: str,
        generation: int,
        mine: int,
        *,
        tag: int,
        policy: Policy,
        mends: frozenset[AttemptKind],
        random: Random,
        epoch: int,
        now: float,
    ) -> PeerLink:
        """A link that has never been up; whose part it is to mend it is said later."""
        ladder = Ladder(policy, False, str(mine), random, mends)
        ladder.lost(now, at_once=True, restartable=False)
        return cls(
            peer,
            generation,
            mine,
            tag,
            policy,
            policy.topology.peer_to_peer,
            Detector(policy, now=now),
            Stream(
                peer=peer,
                bytes_max=policy.stream_bytes_max,
                messages_max=policy.stream_messages_max,
                message_max=policy.message_max,
            ),
            Mending(peer, policy, ladder, Signals(peer, mine, generation)),
            epoch,
            down_since=now,
            unproven_since=now,
        )

    # -- asked ------------------------------------------------------------------------------------

    @property
    def up(self) -> bool:
        """Whether packets get through, as far as this end can tell."""
        if not self.direct:
            return self.carried
        return self.channel and self.detector.liveness is not LOST

    @property
    def ready(self) -> bool:
        """Whether the game could go on over this link."""
        return self.proven and self.synced

    @property
    def proven(self) -> bool:
        """Up, and application data has made the round trip in this epoch.

        Where the coordinator carries the frames there is no link that could fail to.
        """
        return not self.direct or (self.up and self.probed)

    @property
    def endured_until(self) -> float:
        """Until when play may go on although the link is down; infinity while it is not."""
        if self.up or not self.direct:
            return inf
        return self.down_since + self.policy.link_grace_period

    @property
    def synced(self) -> bool:
        """Whether the peer holds everything that was sent before play stopped."""
        return self.stream.acknowledged(self.stop_mark)

    @property
    def condition(self) -> Condition:
        """What decides whether and how the link is to be mended."""
        return Condition(self.proven, self.channel, self.unproven_since + self.policy.link_lost)

    def report(self) -> LinkReport:
        """What the coordinator is told of this end."""
        up, ladder = self.up, self.mending.ladder
        kind = None if ladder.attempt is None else ladder.attempt.kind
        return _link_report(up, None if up else self.down_cause, ladder.tried, kind)

    def deadline(self, *, halted: bool, attached: bool, recovering: bool) -> float:
        """When this link has something to do by itself."""
        due = self.stream.deadline
        soonest = inf if due is None else due
        if attached:
            soonest = min(soonest, self.mending.signals.resend_at)
        if not self.direct:
            return soonest
        if self.channel:
            soonest = min(soonest, self.detector.deadline)
            if halted and not self.probed:
                soonest = min(soonest, self._probe_at)
        ladder = self.mending.ladder
        if ladder.attempt is not None or recovering:
            soonest = min(soonest, ladder.deadline)
        if recovering and not self.proven and ladder.next_at == inf:
            soonest = min(soonest, self.condition.patience_until)
        return soonest

    # -- told -------------------------------------------------------------------------------------

    def open(self, effects: list[PeerEffect]) -> None:
        """Order the link; it is silent before the first attempt."""
        if self.direct:
            effects.append(OpenLink(self.peer, self.generation))

    def close(self, effects: list[PeerEffect], now: float) -> None:
        """The link is of no use any more."""
        self.mending.void(now)
        if self.direct:
            effects.append(CloseLink(self.peer))

    def stopped(self, epoch: int, now: float) -> None:
        """Play has stopped, or waits for another epoch: nothing is proven any more."""
        self.epoch = epoch
        if self.alive and self.direct and self.mending.ladder.next_at != inf:
            self._mended(now)  # a loss that healed before anybody had to stop
        self._unprove(now)
        self.stop_mark = self.stream.mark()

    def _unprove(self, now: float) -> None:
        self.probed = False
        self._nonce_floor = self._nonce + 1
        self._probe_at = now
        self.unproven_since = now

    def channel_changed(self, is_open: bool, now: float) -> None:
        """The adapter can carry packets now, or not."""
        if is_open:
            self.detector.opened(now)
            self._probe_at = now
        else:
            self.detector.closed()
        self.channel = is_open
        self.look(now)

    def received(self, packet: bytes, now: float) -> None:
        """A packet came; raises `RemoteProtocolError` for one that no peer of ours would send."""
        frame = decode(packet, self.tag)
        if (frame.mine, frame.theirs) != (self.generation, self.mine):
            self.foreign += 1
            return
        self.detector.heard(now)
        for record in frame.records:
            self._record(record, now)
        self.look(now)

    def _record(self, record: Record, now: float) -> None:
        match record:
            case Ping(nonce):
                self._replies.append(Pong(nonce))
            case Pong(nonce):
                self.detector.answered(nonce, now)
                self.stream.rtt = self.detector.rtt
            case Probe(epoch, nonce):
                self._replies.append(ProbeAnswer(epoch, nonce))
            case ProbeAnswer(epoch, nonce):
                if epoch == self.epoch and self._nonce_floor <= nonce <= self._nonce:
                    self.probed = True
            case Busy(ms):
                self.detector.busy(now, seconds=ms / 1000)
            case Piece() | Ack() | Latest():
                self.stream.receive(record, now)
            case _:
                assert_never(record)

    def busy(self, now: float, seconds: float) -> None:
        """This program is about to be silent, and says so while it can."""
        self.detector.busy(now, seconds=seconds)
        self._replies.append(Busy(round(1000 * min(max(seconds, 0.0), BUSY_SAID_MAX))))

    def hidden(self, now: float, *, hidden: bool) -> None:
        """This page went to the background, or came back."""
        if hidden:
            self.detector.hidden(now)
        else:
            self.detector.shown(now)

    def newly_suspect(self) -> bool:
        """Whether the link has become suspect since this was last asked."""
        was, self._suspect = self._suspect, self.detector.liveness is Liveness.SUSPECT
        return self._suspect and not was

    def look(self, now: float) -> None:
        """Notice whether the link has gone down, come up, or been proven."""
        up = self.up
        if self.alive and not up:
            self.alive = False
            self.down_since = now
            self._unprove(now)
            if self.direct:
                self._lost(now)
        elif up and not self.alive:
            self.alive = True
            self.up_since = now
            self.stream.restored()
        if self.mending.ladder.next_at != inf and self.direct and self.proven:
            self._mended(now)

    def _lost(self, now: float) -> None:
        evidence = self.detector.evidence(now)
        self.down_cause = "silent" if self.channel else "channel_closed"
        self.mending.ladder.lost(now, at_once=not self.channel, restartable=self.channel)
        self.mending.facts.append(
            (
                "link_lost",
                {
                    "peer": self.peer,
                    "cause": self.down_cause,
                    "silent_ms": round(evidence.silent_for * 1000),
                    "unanswered": evidence.unanswered,
                    "stalled_ms": round(evidence.stall * 1000),
                    "hidden": evidence.hidden,
                    "ice": self.ice,
                    "channel": self.channel,
                },
            )
        )

    def _mended(self, now: float) -> None:
        fact: dict[str, FactValue] = {
            "peer": self.peer,
            "method": self.mending.mended(now),
            "down_ms": round((self.up_since - self.down_since) * 1000),
            "attempts": self.mending.ladder.tried,
        }
        self.down_cause = None
        self.mending.facts.append(("link_mended", fact))

    # -- frames -----------------------------------------------------------------------------------

    def flush(self, effects: list[PeerEffect], now: float, *, halted: bool) -> None:
        """Send what there is to send now."""
        records, self._replies = self._replies, []
        if self.direct and not self.channel:
            self.stream.due(now, up=False)
            return
        if self.direct:
            nonce = self.detector.due(now)
            if nonce is not None:
                records.append(Ping(nonce))
            stood_still = self.detector.stood_still()
            if stood_still >= self.policy.link_suspect:  # long enough for the far end to notice
                fact: dict[str, FactValue] = {"stalled_ms": round(stood_still * 1000)}
                self.mending.facts.append(("stalled", fact))
            self.look(now)
            if halted and not self.probed and now >= self._probe_at:
                self._nonce += 1
                self._probe_at = now + self.policy.probe_interval
                records.append(Probe(self.epoch, self._nonce))
        records += self.stream.due(now, up=self.up)
        if not records:
            return
        for some in pack(records):
            packet = encode(Frame(self.mine, self.generation, some), self.tag)
            if self.direct:
                effects.append(SendFrame(self.peer, packet))
            else:
                effects.append(SendData(self.peer, packet))

    def mend(self, effects: list[PeerEffect], now: float, *, allowed: bool) -> None:
        """Take the next step of the ladder, where the session allows one now."""
        if self.direct and (allowed or self.mending.ladder.attempt is not None):
            self.mending.step(effects, now, self.condition, allowed=allowed)

    def signal_arrived(self, effects: list[PeerEffect], signal: Signal, now: float) -> None:
        """The far end said something about an attempt."""
        if self.direct:
            self.mending.arrived(effects, signal, now, self.condition)
