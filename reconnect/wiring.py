"""Wiring: a `Peer` between its adapters: what they say becomes events, what it orders is done."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from math import inf
from typing import Any

from attrs import define, field, frozen

from reconnect.core.decode import decode_from_coordinator, session_of
from reconnect.core.effects import (
    AbandonAttempt,
    CloseLink,
    Dial,
    HangUp,
    Inform,
    OpenLink,
    PassSignal,
    PeerEffect,
    SendData,
    SendFrame,
    SendReport,
    SendSignal,
    StartAttempt,
)
from reconnect.core.events import (
    AttemptFailed,
    AttemptSucceeded,
    ChannelChanged,
    ControlClosed,
    ControlOpened,
    DataArrived,
    ErrorArrived,
    FrameArrived,
    IceChanged,
    PeerEvent,
    SignalAcked,
    SignalArrived,
    SignalMade,
    TimePassed,
    ViewArrived,
)
from reconnect.core.messages import (
    Bye,
    Claim,
    Data,
    Error,
    ShortView,
    Signal,
    SignalAck,
    SignalKind,
    View,
)
from reconnect.core.notices import (
    ClientNotice,
)
from reconnect.core.peer import Peer
from reconnect.core.resync import Ask, Consult
from reconnect.core.wire import encode
from reconnect.errors import RemoteProtocolError
from reconnect.ports import Cancel, ClientSignaling, Link, Links


@define(eq=False)
class Wiring:
    """Everything between one peer and the world; call it under the runtime's lock."""

    peer: Peer
    signaling: ClientSignaling
    links: Links | None
    claim: Claim
    log: Any
    inform: Callable[[ClientNotice], None]
    consults: deque[Consult] = field(factory=deque)
    """What the application is to be asked."""
    malformed: int = 0
    """Messages of the coordinator that are not as the protocol says, dropped."""
    _open: dict[str, Link] = field(factory=dict)
    _dial: _Dial | None = None
    _effects: deque[PeerEffect] = field(factory=deque)
    _performing: bool = False
    _due: float = -inf
    """The peer's deadline; what may change it is followed by `arm`."""
    _armed: tuple[float, Cancel] | None = None

    def now(self) -> float:
        """The clock of everything."""
        return self.signaling.runtime.now()

    def handle(self, event: PeerEvent) -> None:
        """Let the peer handle it; raises what the peer raises.

        Effects are carried out in the order they were given, also those of events that come of
        carrying out others.
        """
        try:
            self._effects += self.peer.handle(event, now=self.now())
            if self._performing:
                return
            self._performing = True
            try:
                while self._effects:
                    self._perform(self._effects.popleft())
            finally:
                self._performing = False
        finally:
            self.arm()

    def arm(self) -> None:
        """One timer, at the peer's deadline or before it; call it when that may have changed."""
        self._due = self.peer.deadline
        if self._armed is not None and self._due < self._armed[0]:
            self.rest()
        if self._armed is None:
            self._set_timer()

    def catch_up(self) -> None:
        """Handle what is due, without waiting for the timer."""
        if self.now() >= self._due:
            self.handle(TimePassed())

    def next_consult(self) -> Consult | None:
        """What the application is to be asked as soon as it has taken everything that came.

        What was asked or answered in an older round says nothing in this one. Only a snapshot is a
        whole game, whoever made it.
        """
        while self.consults:
            asked = self.consults.popleft()
            if asked.round == self.peer.resync.round or asked.ask is Ask.RESTORE:
                return asked
        return None

    def rest(self) -> None:
        """Nothing is due any more; what the peer has ordered is still carried out."""
        if self._armed is not None:
            self._armed[1]()
            self._armed = None

    def _set_timer(self) -> None:
        if self._due != inf:
            self._armed = self._due, self.signaling.runtime.call_at(self._due, self._rang)

    def _rang(self) -> None:
        self._armed = None
        if self.now() >= self._due:
            self.handle(TimePassed())
        else:
            self._set_timer()

    def _perform(self, effect: PeerEffect) -> None:
        match effect:
            case SendFrame(peer, frame):
                if link := self._open.get(peer):
                    link.send(frame)
            case SendReport(report, attach):
                claim = self.claim if attach else None
                self._send(encode(report, session=self.peer.session, claim=claim))
            case SendSignal(signal):
                self._send(encode(signal, session=self.peer.session))
            case SendData(peer, frame):
                self._send(encode(Data(peer, frame), session=self.peer.session))
            case Dial():
                self._dial = _Dial(self)
                self.signaling.open(self._dial)
            case HangUp():
                self._hang_up()
            case Consult():
                self.consults.append(effect)
            case Inform(notice):
                self.inform(notice)
            case _:
                self._perform_link(effect)

    def _perform_link(
        self, effect: OpenLink | CloseLink | StartAttempt | AbandonAttempt | PassSignal
    ) -> None:
        if isinstance(effect, OpenLink):
            if self.links is None:
                self.log.error("reconnect.no_links", peer=effect.peer)
                return
            hears = _LinkEar(self, effect.peer, effect.generation)
            self._open[effect.peer] = self.links.open(effect.peer, effect.generation, hears)
            return
        link = self._open.get(effect.peer)
        if link is None:
            return
        match effect:
            case CloseLink(peer):
                del self._open[peer]
                link.close()
            case StartAttempt(_, attempt_id, kind, offers, ice_servers):
                link.attempt(attempt_id, kind=kind, offers=offers, ice_servers=ice_servers)
            case AbandonAttempt(_, attempt_id):
                link.abandon(attempt_id)
            case PassSignal(_, attempt_id, signal_kind, payload):
                link.signal(attempt_id, signal_kind, payload)

    def _send(self, message: dict[str, Any]) -> None:
        if self._dial is not None:
            self.signaling.send(message)

    def _hang_up(self) -> None:
        if self._dial is not None:
            self._send(encode(Bye(), session=self.peer.session))
            self._dial = None
            self.signaling.close()

    def _heard(self, raw: Any) -> None:
        try:
            if session_of(raw) != self.peer.session:
                raise RemoteProtocolError("a message of another session")
            message = decode_from_coordinator(raw)
        except RemoteProtocolError as error:
            self.malformed += 1
            self.log.warning("reconnect.malformed", detail=error.detail)
            return
        match message:
            case View() | ShortView():
                self.handle(ViewArrived(message))
            case Signal():
                self.handle(SignalArrived(message))
            case SignalAck():
                self.handle(SignalAcked(message))
            case Data(_, payload, sender):
                self.handle(DataArrived(sender or "", payload))
            case Error(code, detail):
                self.handle(ErrorArrived(code, detail))
            case Bye():
                self._dial = None
                self.signaling.close()
                self.handle(ControlClosed("bye"))


@define(eq=False)
class _Dial:
    """What one dial says; nothing, once there is a newer one."""

    wiring: Wiring

    @property
    def current(self) -> bool:
        return self.wiring._dial is self

    def opened(self) -> None:
        if self.current:
            self.wiring.handle(ControlOpened())

    def received(self, message: Any) -> None:
        if self.current:
            self.wiring._heard(message)

    def closed(self, cause: str) -> None:
        if self.current:
            self.wiring._dial = None
            self.wiring.handle(ControlClosed(cause))


@frozen(eq=False)
class _LinkEar:
    """What a link to one generation of a peer says."""

    wiring: Wiring
    peer: str
    generation: int

    def _tell(self, event: PeerEvent) -> None:
        link = self.wiring.peer.links.get(self.peer)
        if link is not None and link.generation == self.generation:
            self.wiring.handle(event)

    def signal(self, attempt_id: str, kind: str, payload: str) -> None:
        self._tell(SignalMade(self.peer, attempt_id, SignalKind(kind), payload))

    def received(self, frame: bytes) -> None:
        self._tell(FrameArrived(self.peer, frame))

    def channel(self, is_open: bool) -> None:
        self._tell(ChannelChanged(self.peer, is_open))

    def ice(self, state: str) -> None:
        self._tell(IceChanged(self.peer, state))

    def succeeded(self, attempt_id: str) -> None:
        self._tell(AttemptSucceeded(self.peer, attempt_id))

    def failed(self, attempt_id: str, cause: str) -> None:
        self._tell(AttemptFailed(self.peer, attempt_id, cause))
