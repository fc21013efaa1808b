"""A client played by hand: what the coordinator says, what the far ends answer, what time brings.

The clock starts anywhere and moves only when told. Far ends are honest and quick: while a link is
connected and not cut, every packet is answered at once.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import inf
from typing import Any, TypeVar

from attrs import define, field

from reconnect.core.effects import Inform, PeerEffect, SendData, SendFrame, SendReport, SendSignal
from reconnect.core.events import (
    AttemptSucceeded,
    ChannelChanged,
    ControlClosed,
    ControlOpened,
    DataArrived,
    FrameArrived,
    PeerEvent,
    SignalArrived,
    TimePassed,
    ViewArrived,
)
from reconnect.core.frames import (
    Ack,
    Frame,
    Piece,
    PieceKind,
    Ping,
    Pong,
    Probe,
    ProbeAnswer,
    Record,
    decode,
    encode,
    session_tag,
)
from reconnect.core.messages import (
    AttemptKind,
    Kind,
    Phase,
    PlayerView,
    Report,
    Resume,
    ShortView,
    Signal,
    SignalKind,
    View,
)
from reconnect.core.notices import ClientNotice
from reconnect.core.outlook import Play
from reconnect.core.peer import Peer
from reconnect.core.table import State
from reconnect.policy import Policy

T = TypeVar("T")

HALTED, ARMED, PLAYING, ENDED = Play.HALTED, Play.ARMED, Play.PLAYING, Play.ENDED
GAME = "game"
TAG = session_tag(GAME)
AT_ONCE_MAX = 3  # one thing that is due may make another due


@define
class Far:
    """The far end of a link, and what the coordinator knows of its player."""

    gen: int = 1
    kind: Kind = Kind.PYTHON
    attached: bool = True
    phase: Phase = Phase.HALTED
    cut: bool = False
    """Packets are lost, both ways."""
    mute: bool = False
    """Packets arrive and are not answered."""
    got: list[bytes] = field(factory=list)
    expected: int = 0
    sent: int = 0
    signals: int = 0

    def reply(self, records: Iterable[Record]) -> list[Record]:
        replies: list[Record] = []
        for record in records:
            match record:
                case Ping(nonce):
                    replies.append(Pong(nonce))
                case Probe(epoch, nonce):
                    replies.append(ProbeAnswer(epoch, nonce))
                case Piece(seq, _, _, data):
                    if seq == self.expected:
                        self.expected += 1
                        self.got.append(data)
                    replies.append(Ack(self.expected, 0, 256))
                case _:
                    pass
        return replies


class PeerDrama:
    """One peer, alone; everything else of a policy is a keyword."""

    def __init__(
        self,
        player: str = "ann",
        *others: str,
        kind: Kind = Kind.PYTHON,
        mends: frozenset[AttemptKind] = frozenset(AttemptKind),
        seed: int = 1,
        **policy: Any,
    ) -> None:
        self.policy = Policy(**policy)
        self.now = 50.0
        self.peer = Peer.beginning(GAME, player, now=self.now, seed=seed, kind=kind, mends=mends)
        self.peer.resync.has_state = True  # far ends are played by hand, and hand nothing over
        self.player = player
        self.order = sorted([player, *(others or ("ben",))])
        self.far = {name: Far() for name in self.order if name != player}
        self.effects: list[PeerEffect] = []
        self.version = 0
        self.gen = 0
        self.answering = True

    # -- what happens ------------------------------------------------------------------------------

    def hear(self, event: PeerEvent) -> list[PeerEffect]:
        """The peer handles `event`; then the far ends answer, until nobody has more to say."""
        self.effects = self.peer.handle(event, now=self.now)
        pending = list(self.effects)
        while pending:
            effect = pending.pop(0)
            if isinstance(effect, SendFrame | SendData):
                answered = self._answer(effect)
                self.effects += answered
                pending += answered
        return self.effects

    def _answer(self, effect: SendFrame | SendData) -> list[PeerEffect]:
        far = self.far[effect.peer]
        if far.cut or far.mute:
            return []
        frame = decode(effect.frame, TAG)
        if frame.theirs != far.gen:
            return []
        replies = far.reply(frame.records)
        if not replies:
            return []
        packet = encode(Frame(far.gen, frame.mine, replies), TAG)
        event = (FrameArrived if isinstance(effect, SendFrame) else DataArrived)(
            effect.peer, packet
        )
        return self.peer.handle(event, now=self.now)

    def due(self) -> list[PeerEffect]:
        """`TimePassed`, now, until nothing is due any more."""
        effects = list(self.hear(TimePassed()))
        for _ in range(AT_ONCE_MAX):
            if self.peer.deadline > self.now:
                self.effects = effects
                return effects
            effects += self.hear(TimePassed())
        raise AssertionError("time stands still")

    def wait(self, seconds: float, *, answered: bool = True) -> list[PeerEffect]:
        """Time passes; the coordinator answers each report unless it is not `answered`."""
        until = self.now + seconds
        happened: list[PeerEffect] = []
        while True:
            self.now = max(self.now, min(until, self.peer.deadline))
            if self.peer.deadline > self.now or self.peer.deadline == inf:
                break
            happened += self.due()
            if answered and self.reports and not self.peer.ended:
                happened += self.answers()
        self.effects = happened
        return happened

    def sleep(self, seconds: float) -> list[PeerEffect]:
        """Nothing at all is handled for so long; then what is due."""
        self.now += seconds
        return self.due()

    def opens(self) -> Report:
        """The dial that is under way succeeds; the report that attaches."""
        self.hear(ControlOpened())
        (send,) = self.of_kind(SendReport)
        assert send.attach
        return send.report

    def loses_control(self, cause: str = "gone") -> list[PeerEffect]:
        return self.hear(ControlClosed(cause))

    def answers(self, *, held: float = 0.0) -> list[PeerEffect]:
        """The coordinator's short answer to everything reported so far."""
        answer = ShortView(self.version, self.gen, self.peer.control.seq, held)
        return self.hear(ViewArrived(answer))

    def views(
        self,
        state: State | str,
        epoch: int,
        *,
        ack: int | None = None,
        version: int | None = None,
        gen: int | None = None,
        start_in: float | None = None,
        frame: int = 0,
        players: Iterable[PlayerView] | None = None,
        **more: Any,
    ) -> list[PeerEffect]:
        """A whole view: it acknowledges all reports, and is the next version, unless said."""
        self.version = self.version + 1 if version is None else max(version, self.version)
        resume = None if start_in is None else Resume(frame, start_in)
        view = View(
            version=self.version if version is None else version,
            epoch=epoch,
            state=State(state),
            players=self.players() if players is None else tuple(players),
            gen=self.gen if gen is None else gen,
            ack=self.peer.control.seq if ack is None else ack,
            held=0.0,
            resume=resume,
            policy=self.policy,
            **more,
        )
        return self.hear(ViewArrived(view))

    def players(self) -> tuple[PlayerView, ...]:
        """The members as the coordinator knows them."""
        peer = self.peer
        views = []
        for name in self.order:
            if name == self.player:
                views.append(PlayerView(name, self.gen, peer.kind, True, Phase.HALTED))
            elif far := self.far.get(name):
                views.append(PlayerView(name, far.gen, far.kind, far.attached, far.phase))
        return tuple(views)

    def signals(
        self,
        peer: str,
        kind: SignalKind,
        attempt_id: str = "1.1",
        *,
        attempt: AttemptKind = AttemptKind.REBUILD,
        payload: str = "",
        n: int | None = None,
        gen_to: int | None = None,
    ) -> list[PeerEffect]:
        """The far end says the next thing about an attempt."""
        far = self.far[peer]
        far.signals = far.signals + 1 if n is None else n
        return self.hear(
            SignalArrived(
                Signal(
                    self.player,
                    far.gen,
                    self.gen if gen_to is None else gen_to,
                    far.signals,
                    attempt_id,
                    attempt,
                    kind,
                    payload,
                    peer,
                )
            )
        )

    def gives(self, peer: str, *messages: bytes, kind: PieceKind = PieceKind.GAME) -> None:
        """The far end sends messages that are whole and arrive."""
        far = self.far[peer]
        pieces: list[Record] = [
            Piece(far.sent + place, kind, True, data) for place, data in enumerate(messages)
        ]
        far.sent += len(messages)
        packet = encode(Frame(far.gen, self.gen, pieces), TAG)
        direct = self.policy.topology.peer_to_peer
        self.hear((FrameArrived if direct else DataArrived)(peer, packet))

    # -- where things commonly stand ---------------------------------------------------------------

    def attach(self) -> PeerDrama:
        """From the birth: dialled, offered a generation, and seated; the session is paused in 1."""
        self.due()
        self.opens()
        self.hear(
            ViewArrived(
                View(0, 0, State.PAUSED, self.players(), 1, 0, 0.0, policy=self.policy),
            )
        )
        self.gen = 1
        self.views("paused", 1, cause="start")
        return self

    def reattach(self) -> Report:
        """Dialled again and opened; nothing has been read yet. The report that attaches."""
        while not self.peer.control.redial_at <= self.now:
            self.now = self.peer.deadline
            self.due()
        if self.peer.control.dialled == "closed":
            self.due()
        return self.opens()

    def connect(self, *peers: str) -> PeerDrama:
        """The channels to these peers, or to all, are there: by an attempt if one is under way."""
        for peer in peers or list(self.peer.links):
            attempt = self.peer.links[peer].mending.ladder.attempt
            if attempt is not None:
                self.hear(AttemptSucceeded(peer, attempt.id))
            self.hear(ChannelChanged(peer, True))
        return self

    def heal(self, peer: str) -> None:
        """The channel to this peer comes back by itself."""
        self.hear(ChannelChanged(peer, True))

    def reattach_after_loss(self) -> Report:
        """The connection breaks and is dialled again; the report that attaches."""
        self.loses_control()
        return self.reattach()

    def recover(self) -> PeerDrama:
        """Everybody has stopped in the client's epoch."""
        self.views("reconnecting", self.peer.epoch, cause=self.peer.cause)
        return self

    def ready(self) -> PeerDrama:
        """From the birth: attached, everybody stopped, all links proven."""
        self.attach().recover()
        if self.policy.topology.peer_to_peer:
            self.connect()
        assert self.peer.ready(self.now)
        return self

    def resume(self, start_in: float = 0.0, frame: int = 0) -> PeerDrama:
        self.views("resumed", self.peer.epoch, start_in=start_in, frame=frame)
        return self

    def play(self) -> PeerDrama:
        """From the birth: all play."""
        self.ready().resume()
        assert self.play_now is PLAYING
        self.views("connected", self.peer.epoch)
        assert self.peer.state is State.CONNECTED
        return self

    # -- what is asked of it -----------------------------------------------------------------------

    @property
    def play_now(self) -> Play:
        return self.peer.play

    @property
    def at(self) -> tuple[Play, int]:
        return self.peer.play, self.peer.epoch

    @property
    def state(self) -> State:
        return self.peer.state

    def of_kind(self, kind: type[T]) -> list[T]:
        """The effects of the last happening that are of this kind."""
        return [effect for effect in self.effects if isinstance(effect, kind)]

    @property
    def reports(self) -> list[Report]:
        return [send.report for send in self.of_kind(SendReport)]

    @property
    def report(self) -> Report:
        (report,) = self.reports
        return report

    def report_of_phase(self) -> Phase:
        """What a report would say now."""
        return self.peer.phase(self.now)

    @property
    def notices(self) -> list[ClientNotice]:
        return [inform.notice for inform in self.of_kind(Inform)]

    @property
    def said(self) -> list[Signal]:
        """The signals sent, but for acknowledgements."""
        return [one.signal for one in self.of_kind(SendSignal) if isinstance(one.signal, Signal)]

    def cut(self, *peers: str) -> None:
        """Packets to and from these peers, or all, are lost from now on."""
        for peer in peers or self.far:
            self.far[peer].cut = True

    def mend(self, *peers: str) -> None:
        for peer in peers or self.far:
            self.far[peer].cut = False


# -- what several tests ask ---------------------------------------------------------------------


def records(drama: PeerDrama) -> list[object]:
    """What the packets of the last happening say."""
    packets = drama.of_kind(SendFrame) + drama.of_kind(SendData)
    return [record for one in packets for record in decode(one.frame, TAG).records]


def broken(**policy: Any) -> PeerDrama:
    """A game in which the link to ben has gone silent; everybody has stopped, in epoch 2."""
    drama = PeerDrama(**policy).play()
    drama.cut()
    drama.hear(ChannelChanged("ben", False))
    return drama.recover()


def answers(drama: PeerDrama, *said: Record) -> None:
    """A packet from ben with these records."""
    drama.hear(FrameArrived("ben", encode(Frame(1, drama.gen, list(said)), TAG)))


def facts(drama: PeerDrama, kind: str) -> list[dict[str, object]]:
    return [
        dict(fact.data) for report in drama.reports for fact in report.facts if fact.kind == kind
    ]
