"""The JSON form of the messages: objects, lists, strings, whole numbers, true, false, null.

Every message is an object with `v`, `session` and `type`. A short view is a `view` without
`state`. Durations are whole milliseconds, packets of game data base64. Where a field may be
left out, `null` means the same; unknown fields mean nothing. `decode` reads what is written here.
"""

from __future__ import annotations

from binascii import b2a_base64
from typing import assert_never

from reconnect.core.checks import Json
from reconnect.core.messages import (
    PROTOCOL_VERSION,
    Bye,
    Claim,
    Data,
    Error,
    Fact,
    FromClient,
    FromCoordinator,
    Kind,
    LinkReport,
    PlayerView,
    Report,
    ShortView,
    Signal,
    SignalAck,
    View,
)
from reconnect.core.policy_wire import policy_to_wire


def encode(
    message: FromClient | FromCoordinator, *, session: str, claim: Claim | None = None
) -> Json:
    """The JSON form of a message; `claim` goes with the first report of a connection only."""
    match message:
        case ShortView():
            return _short_view_to_wire(message, session)
        case Report():
            form = _report_to_wire(message, session)
            if claim is not None:
                form["player"] = claim.player
                form["token"] = claim.token
            return form
        case View():
            return _view_to_wire(message, session)
        case Signal():
            return _signal_to_wire(message, session)
        case SignalAck():
            return _pair_to_wire(message, session, "signal_ack")
        case Data():
            return _data_to_wire(message, session)
        case Bye():
            return {"v": PROTOCOL_VERSION, "session": session, "type": "bye"}
        case Error():
            return _error_to_wire(message, session)
        case _:
            assert_never(message)


def _short_view_to_wire(view: ShortView, session: str) -> Json:
    return {
        "v": PROTOCOL_VERSION,
        "session": session,
        "type": "view",
        "version": view.version,
        "gen": view.gen,
        "ack": view.ack,
        "held_ms": round(view.held * 1000),
    }


def _report_to_wire(report: Report, session: str) -> Json:
    form: Json = {
        "v": PROTOCOL_VERSION,
        "session": session,
        "type": "report",
        "gen": report.gen,
        "seq": report.seq,
        "epoch": report.epoch,
        "phase": str(report.phase),
        "version": report.version,
        "frame": report.frame,
    }
    if report.rtt is not None:
        form["rtt_ms"] = round(report.rtt * 1000)
    if report.cause is not None:
        form["cause"] = str(report.cause)
    if report.links is not None:
        form["links"] = {peer: _link_to_wire(link) for peer, link in report.links.items()}
    if report.facts:
        form["facts"] = [_fact_to_wire(fact) for fact in report.facts]
    if report.kind is not Kind.PYTHON:
        form["kind"] = str(report.kind)
    return form


def _link_to_wire(link: LinkReport) -> Json:
    form: Json = {"up": link.up}
    if link.cause is not None:
        form["cause"] = str(link.cause)
    if link.attempt:
        form["attempt"] = link.attempt
    if link.kind is not None:
        form["kind"] = str(link.kind)
    return form


def _fact_to_wire(fact: Fact) -> Json:
    form: Json = {"n": fact.n, "kind": str(fact.kind), "ago_ms": round(fact.ago * 1000)}
    if fact.data:
        # a word of an enum goes out as a plain string
        form["data"] = {
            name: str(value) if isinstance(value, str) else value
            for name, value in fact.data.items()
        }
    return form


def _view_to_wire(view: View, session: str) -> Json:
    form: Json = {
        "v": PROTOCOL_VERSION,
        "session": session,
        "type": "view",
        "version": view.version,
        "epoch": view.epoch,
        "state": str(view.state),
        "players": [_player_to_wire(player) for player in view.players],
        "gen": view.gen,
        "ack": view.ack,
        "held_ms": round(view.held * 1000),
    }
    if view.resume is not None:
        start_in_ms = round(view.resume.start_in * 1000)
        form["resume"] = {"frame": view.resume.frame, "start_in_ms": start_in_ms}
    if view.remaining is not None:
        form["remaining_ms"] = round(view.remaining * 1000)
    if view.cause is not None:
        form["cause"] = str(view.cause)
    if view.reason is not None:
        form["reason"] = str(view.reason)
    if view.policy is not None:
        form["policy"] = policy_to_wire(view.policy)
    if view.outages:
        form["outages"] = view.outages
    if view.paused:
        form["paused_ms"] = round(view.paused * 1000)
    return form


def _player_to_wire(player: PlayerView) -> Json:
    return {
        "id": player.id,
        "gen": player.gen,
        "kind": str(player.kind),
        "attached": player.attached,
        "phase": str(player.phase),
        "links": dict(player.links),
    }


def _signal_to_wire(signal: Signal, session: str) -> Json:
    form = _pair_to_wire(signal, session, "signal")
    form["attempt_id"] = signal.attempt_id
    form["attempt"] = str(signal.attempt)
    form["kind"] = str(signal.kind)
    form["payload"] = signal.payload
    return form


def _pair_to_wire(message: Signal | SignalAck, session: str, kind: str) -> Json:
    form: Json = {
        "v": PROTOCOL_VERSION,
        "session": session,
        "type": kind,
        "to": message.to,
        "gen_from": message.gen_from,
        "gen_to": message.gen_to,
        "n": message.n,
    }
    if message.sender is not None:
        form["from"] = message.sender
    return form


def _data_to_wire(data: Data, session: str) -> Json:
    form: Json = {
        "v": PROTOCOL_VERSION,
        "session": session,
        "type": "data",
        "to": data.to,
        "payload": b2a_base64(data.payload, newline=False).decode(),
    }
    if data.sender is not None:
        form["from"] = data.sender
    return form


def _error_to_wire(error: Error, session: str) -> Json:
    form: Json = {
        "v": PROTOCOL_VERSION,
        "session": session,
        "type": "error",
        "code": str(error.code),
        "detail": error.detail,
    }
    if error.speaks:
        form["speaks"] = list(error.speaks)
    return form
