"""The JSON form of what a peer is told, what it orders, and how it stands.

What goes over the control link has the form that it has there; bytes are base64; instants and
durations are milliseconds in fields whose names end in `_ms`, with null for never.
"""

from __future__ import annotations

from binascii import a2b_base64, b2a_base64
from math import isfinite
from typing import assert_never

from reconnect.core import effects as fx
from reconnect.core import events as ev
from reconnect.core import notices as nt
from reconnect.core.checks import Json, block, flag, identity, one_of, seconds, whole, word
from reconnect.core.decode import SIGNAL_KINDS, decode_from_coordinator
from reconnect.core.link import PeerLink
from reconnect.core.messages import (
    Bye,
    Claim,
    Data,
    Error,
    ShortView,
    Signal,
    SignalAck,
    View,
)
from reconnect.core.peer import Peer
from reconnect.core.resync import Ask, Consult
from reconnect.core.wire import encode

ASKS = {str(one): one for one in Ask}
BYTES_MAX = 1 << 22  # of what an application offers or answers, in base64
MESSAGE = "message"


def base64(data: bytes) -> str:
    """Bytes as text."""
    return b2a_base64(data, newline=False).decode()


def milliseconds(value: float) -> int | None:
    """Seconds as whole milliseconds; None for infinity of either sign."""
    return round(value * 1000) if isfinite(value) else None


# -- events ----------------------------------------------------------------------------------------


def event_to_json(event: ev.PeerEvent, *, session: str, player: str) -> Json:
    """The form of an event that `player`, a client of `session`, is told."""
    message = _message_of(event, player)
    if message is not None:
        return {"is": MESSAGE, MESSAGE: encode(message, session=session)}
    match event:
        case ev.ControlClosed(cause):
            return {"is": "closed", "cause": cause}
        case ev.FrameArrived(peer, packet):
            return {"is": "packet", "peer": peer, "packet": base64(packet)}
        case ev.FrameReached(frame):
            return {"is": "frame", "frame": frame}
        case ev.DataOffered(data, to, latest):
            return {"is": "offered", "data": base64(data), "to": to, "latest": latest}
        case ev.Consulted():
            return {"is": "consulted", **_asked_to_json(event), "answer": base64(event.answer)}
        case ev.ConsultFailed():
            return {"is": "consult_failed", **_asked_to_json(event)}
        case ev.BusyDeclared(duration):
            return {"is": "busy", "busy_ms": round(duration * 1000)}
        case ev.HiddenChanged(hidden):
            return {"is": "hidden", "hidden": hidden}
        case _:
            return _plain_to_json(event) or _link_event_to_json(event)


def _message_of(
    event: ev.PeerEvent, player: str
) -> View | ShortView | Error | Signal | SignalAck | Data | None:
    """What came over the control link, where something did."""
    match event:
        case ev.ViewArrived(view):
            return view
        case ev.ErrorArrived(code, detail):
            return Error(code, detail)
        case ev.SignalArrived(signal):
            return signal
        case ev.SignalAcked(ack):
            return ack
        case ev.DataArrived(peer, packet):
            return Data(player, packet, peer)
        case _:
            return None


PLAIN: dict[str, ev.PeerEvent] = {
    "opened": ev.ControlOpened(),
    "time": ev.TimePassed(),
    "network_changed": ev.NetworkChanged(),
    "closing": ev.ApplicationClosing(),
    "leaving": ev.ApplicationLeft(),
}
"""Events that consist of their name alone."""


def _plain_to_json(event: ev.PeerEvent) -> Json | None:
    return next(({"is": name} for name, plain in PLAIN.items() if plain == event), None)


def _link_event_to_json(event: ev.PeerEvent) -> Json:
    match event:
        case ev.SignalMade(peer, attempt_id, kind, payload):
            what: Json = {"attempt_id": attempt_id, "kind": str(kind), "payload": payload}
            return {"is": "signal_made", "peer": peer, **what}
        case ev.ChannelChanged(peer, is_open):
            return {"is": "channel", "peer": peer, "open": is_open}
        case ev.IceChanged(peer, state):
            return {"is": "ice", "peer": peer, "ice": state}
        case ev.AttemptSucceeded(peer, attempt_id):
            return {"is": "attempt_succeeded", "peer": peer, "attempt_id": attempt_id}
        case ev.AttemptFailed(peer, attempt_id, cause):
            what = {"peer": peer, "attempt_id": attempt_id, "cause": cause}
            return {"is": "attempt_failed", **what}
        case _:
            raise AssertionError(f"an event without a form: {event}")


def event_from_json(form: Json) -> ev.PeerEvent:
    """The event of this form; raises `RemoteProtocolError` or `ValueError` for what is none."""
    name = form.get("is")
    if name in PLAIN:
        return PLAIN[name]
    match name:
        case "message":
            return _arrived(decode_from_coordinator(form.get(MESSAGE)))
        case "closed":
            return ev.ControlClosed(word(form.get("cause"), "cause"))
        case "packet":
            return ev.FrameArrived(_peer(form), _bytes(form, "packet"))
        case "frame":
            return ev.FrameReached(whole(form.get("frame"), "frame"))
        case "offered":
            to = None if form.get("to") is None else identity(form.get("to"), "to")
            return ev.DataOffered(_bytes(form, "data"), to, flag(form.get("latest"), "latest"))
        case "consulted":
            return ev.Consulted(*_asked(form), answer=_bytes(form, "answer"))
        case "consult_failed":
            return ev.ConsultFailed(*_asked(form))
        case "busy":
            return ev.BusyDeclared(seconds(form.get("busy_ms"), "busy_ms"))
        case "hidden":
            return ev.HiddenChanged(flag(form.get("hidden"), "hidden"))
        case _:
            return _link_event_from_json(form)


def _link_event_from_json(form: Json) -> ev.PeerEvent:
    match form.get("is"):
        case "signal_made":
            kind = one_of(form.get("kind"), "kind", SIGNAL_KINDS)
            payload = block(form.get("payload"), "payload", BYTES_MAX)
            return ev.SignalMade(_peer(form), _attempt_id(form), kind, payload)
        case "channel":
            return ev.ChannelChanged(_peer(form), flag(form.get("open"), "open"))
        case "ice":
            return ev.IceChanged(_peer(form), word(form.get("ice"), "ice"))
        case "attempt_succeeded":
            return ev.AttemptSucceeded(_peer(form), _attempt_id(form))
        case "attempt_failed":
            return ev.AttemptFailed(_peer(form), _attempt_id(form), word(form.get("cause"), "c"))
        case other:
            raise ValueError(f"no event is called {other!r}")


def _arrived(message: object) -> ev.PeerEvent:
    match message:
        case View() | ShortView():
            return ev.ViewArrived(message)
        case Error(code, detail):
            return ev.ErrorArrived(code, detail)
        case Signal():
            return ev.SignalArrived(message)
        case SignalAck():
            return ev.SignalAcked(message)
        case Data(_, payload, sender):
            return ev.DataArrived(sender or "", payload)
        case Bye():
            return ev.ControlClosed("bye")
        case _:
            raise AssertionError(f"a coordinator does not send {message}")


def _peer(form: Json) -> str:
    return identity(form.get("peer"), "peer")


def _attempt_id(form: Json) -> str:
    return word(form.get("attempt_id"), "attempt_id")


def _asked(form: Json) -> tuple[Ask, str, int]:
    asked_in = whole(form.get("round"), "round")
    return one_of(form.get("ask"), "ask", ASKS), _peer(form), asked_in


def _asked_to_json(asked: Consult | ev.Consulted | ev.ConsultFailed) -> Json:
    return {"ask": str(asked.ask), "peer": asked.peer, "round": asked.round}


def _bytes(form: Json, name: str) -> bytes:
    return a2b_base64(block(form.get(name), name, BYTES_MAX), strict_mode=True)


# -- effects ---------------------------------------------------------------------------------------


def effect_to_json(effect: fx.PeerEffect, *, session: str, claim: Claim) -> Json:
    """The form of what a client orders; the claim goes with an attach, and nothing else."""
    match effect:
        case fx.Dial():
            return {"do": "dial"}
        case fx.HangUp():
            return {"do": "hang_up"}
        case fx.SendReport(report, attach):
            form = encode(report, session=session, claim=claim if attach else None)
            return {"do": "send", MESSAGE: form}
        case fx.SendSignal(signal):
            return {"do": "send", MESSAGE: encode(signal, session=session)}
        case fx.SendData(peer, packet):
            return {"do": "send", MESSAGE: encode(Data(peer, packet), session=session)}
        case Consult():
            return {"do": "consult", **_asked_to_json(effect), "data": base64(effect.data)}
        case fx.Inform(notice):
            return {"do": "inform", **_notice_to_json(notice)}
        case _:
            return _link_effect_to_json(effect)


def _link_effect_to_json(
    effect: fx.OpenLink
    | fx.CloseLink
    | fx.StartAttempt
    | fx.AbandonAttempt
    | fx.PassSignal
    | fx.SendFrame,
) -> Json:
    match effect:
        case fx.OpenLink(peer, generation):
            return {"do": "open_link", "peer": peer, "gen": generation}
        case fx.CloseLink(peer):
            return {"do": "close_link", "peer": peer}
        case fx.StartAttempt(peer, attempt_id, kind, offers):
            what: Json = {"attempt_id": attempt_id, "attempt": str(kind), "offers": offers}
            return {"do": "start_attempt", "peer": peer, **what}
        case fx.AbandonAttempt(peer, attempt_id):
            return {"do": "abandon_attempt", "peer": peer, "attempt_id": attempt_id}
        case fx.PassSignal(peer, attempt_id, signal_kind, payload):
            what = {"attempt_id": attempt_id, "kind": str(signal_kind), "payload": payload}
            return {"do": "pass_signal", "peer": peer, **what}
        case fx.SendFrame(peer, packet):
            return {"do": "send_packet", "peer": peer, "packet": base64(packet)}
        case _:
            assert_never(effect)


def _notice_to_json(notice: nt.ClientNotice) -> Json:
    match notice:
        case nt.Paused(cause, missing, outage):
            who = sorted(missing)
            return {"notice": "paused", "cause": str(cause), "missing": who, "outage": outage}
        case nt.Reconnecting(missing):
            return {"notice": "reconnecting", "missing": sorted(missing)}
        case nt.Resumed(frame, starts_in):
            return {"notice": "resumed", "frame": frame, "starts_in_ms": milliseconds(starts_in)}
        case nt.Connected(paused):
            return {"notice": "connected", "paused_ms": milliseconds(paused)}
        case nt.Ended(reason):
            return {"notice": "ended", "reason": str(reason)}
        case nt.LinkSuspect(peer):
            return {"notice": "link_suspect", "peer": peer}
        case nt.Gap(peer):
            return {"notice": "gap", "peer": peer}
        case _:
            assert_never(notice)


# -- state -----------------------------------------------------------------------------------------


def state_to_json(peer: Peer) -> Json:
    """How a client stands, as far as any implementation of the protocol has to stand so."""
    idle = peer.ended and not peer.links and not peer.leaving
    return {
        "state": str(peer.state),
        "play": str(peer.play),
        "epoch": peer.epoch,
        "gen": peer.gen,
        "version": peer.version,
        "attached": peer.control.attached,
        "cause": None if peer.cause is None else str(peer.cause),
        "reason": None if peer.reason is None else str(peer.reason),
        "lease_until_ms": milliseconds(peer.control.lease_until),
        "start_at_ms": milliseconds(peer.start_at),
        "resume_frame": peer.resume_frame,
        "due_ms": None if idle else milliseconds(peer.deadline),
        "links": {name: _link_word(link) for name, link in peer.links.items()},
    }


def _link_word(link: PeerLink) -> str:
    if link.ready:
        return "ready"
    return "up" if link.up else "down"
