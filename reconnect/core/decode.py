"""What came over the control link, made a message of.

Whatever it is, the answer is a message or `RemoteProtocolError`, whose `code` is `version` for
another version of the protocol, `too_large` for what is too long, and `malformed` for the rest.
"""

from __future__ import annotations

from binascii import a2b_base64

from reconnect.core.checks import (
    COUNT_MAX,
    DETAIL_MAX,
    FACT_FIELDS_MAX,
    FACTS_MAX,
    PACKET_MAX,
    PLAYERS_MAX,
    SIGNAL_MAX,
    SPEAKS_MAX,
    TOKEN_MAX,
    Json,
    block,
    flag,
    identity,
    items,
    line,
    mapping,
    one_of,
    real,
    seconds,
    whole,
    word,
    word_or_none,
)
from reconnect.core.messages import (
    PROTOCOL_VERSION,
    AttemptKind,
    Bye,
    Claim,
    Data,
    Error,
    Fact,
    FactValue,
    FromClient,
    FromCoordinator,
    Kind,
    LinkReport,
    Phase,
    PlayerView,
    Report,
    Resume,
    ShortView,
    Signal,
    SignalAck,
    SignalKind,
    View,
)
from reconnect.core.policy_wire import policy_from_wire
from reconnect.core.table import State
from reconnect.errors import RemoteProtocolError

# calling an enum costs five times as much as a look into a dict
PHASES = {str(one): one for one in Phase}
KINDS = {str(one): one for one in Kind}
STATES = {str(one): one for one in State}
ATTEMPT_KINDS = {str(one): one for one in AttemptKind}
SIGNAL_KINDS = {str(one): one for one in SignalKind}
PAYLOAD_MAX = (PACKET_MAX + 2) // 3 * 4  # a packet's length in base64


def session_of(raw: object) -> str:
    """The session that a message names, whatever else is in it."""
    return identity(_opened(raw).get("session"), "session")


def claim_of(raw: object) -> Claim | None:
    """The seat that a report claims, or None where it claims none."""
    get = _opened(raw).get
    player, token = get("player"), get("token")
    if player is None and token is None:
        return None
    return Claim(identity(player, "player"), line(token, "token", TOKEN_MAX))


def decode_from_client(raw: object) -> FromClient:
    """The message a client sent. It has no sender: who that is, the connection alone says."""
    message = _opened(raw)
    match word(message.get("type"), "type"):
        case "report":
            return _report(message)
        case "signal":
            return _signal(message, sender=None)
        case "signal_ack":
            return _signal_ack(message, sender=None)
        case "data":
            return _data(message, sender=None)
        case "bye":
            return Bye()
        case _:
            raise RemoteProtocolError("type is none that a client sends")


def decode_from_coordinator(raw: object) -> FromCoordinator:
    """The message the coordinator sent, or passed on from another client."""
    message = _opened(raw)
    match word(message.get("type"), "type"):
        case "view":
            return _short_view(message) if message.get("state") is None else _view(message)
        case "signal":
            return _signal(message, sender=identity(message.get("from"), "from"))
        case "signal_ack":
            return _signal_ack(message, sender=identity(message.get("from"), "from"))
        case "data":
            return _data(message, sender=identity(message.get("from"), "from"))
        case "bye":
            return Bye()
        case "error":
            return _error(message)
        case _:
            raise RemoteProtocolError("type is none that a coordinator sends")


def _opened(raw: object) -> Json:
    message = mapping(raw, "message")
    version = message.get("v")
    if type(version) is not int:
        raise RemoteProtocolError("v is not a whole number")
    if version != PROTOCOL_VERSION:
        raise RemoteProtocolError(f"this end speaks {PROTOCOL_VERSION}", code="version")
    return message


def _report(message: Json) -> Report:
    get = message.get
    return Report(
        whole(get("gen"), "gen"),
        whole(get("seq"), "seq"),
        whole(get("epoch"), "epoch"),
        one_of(get("phase"), "phase", PHASES),
        whole(get("version"), "version"),
        word_or_none(get("cause"), "cause"),
        0 if get("frame") is None else whole(get("frame"), "frame"),
        None if get("rtt_ms") is None else seconds(get("rtt_ms"), "rtt_ms"),
        None if get("links") is None else _link_reports(get("links")),
        () if get("facts") is None else _facts(get("facts")),
        Kind.PYTHON if get("kind") is None else one_of(get("kind"), "kind", KINDS),
    )


def _link_reports(value: object) -> dict[str, LinkReport]:
    links = mapping(value, "links", PLAYERS_MAX)
    return {identity(peer, "peer of a link"): _link_report(links[peer]) for peer in links}


def _link_report(value: object) -> LinkReport:
    get = mapping(value, "link").get
    return LinkReport(
        flag(get("up"), "up"),
        word_or_none(get("cause"), "cause of a link"),
        0 if get("attempt") is None else whole(get("attempt"), "attempt"),
        None if get("kind") is None else one_of(get("kind"), "kind of attempt", ATTEMPT_KINDS),
    )


def _facts(value: object) -> tuple[Fact, ...]:
    return tuple([_fact(fact) for fact in items(value, "facts", FACTS_MAX)])


def _fact(value: object) -> Fact:
    get = mapping(value, "fact").get
    return Fact(
        whole(get("n"), "n"),
        word(get("kind"), "kind of fact"),
        seconds(get("ago_ms"), "ago_ms"),
        {} if get("data") is None else _fact_data(get("data")),
    )


def _fact_data(value: object) -> dict[str, FactValue]:
    data = mapping(value, "data of a fact", FACT_FIELDS_MAX)
    return {word(name, "name in a fact"): _fact_value(data[name]) for name in data}


def _fact_value(value: object) -> FactValue:
    if value is None or type(value) is bool:
        return value
    if type(value) is str:
        return line(value, "value in a fact", DETAIL_MAX)
    if type(value) is int:
        return whole(value, "value in a fact", least=-COUNT_MAX)
    return real(value, "value in a fact")


def _short_view(message: Json) -> ShortView:
    get = message.get
    return ShortView(
        whole(get("version"), "version"),
        whole(get("gen"), "gen"),
        whole(get("ack"), "ack"),
        seconds(get("held_ms"), "held_ms"),
    )


def _view(message: Json) -> View:
    get = message.get
    return View(
        whole(get("version"), "version"),
        whole(get("epoch"), "epoch"),
        one_of(get("state"), "state", STATES),
        tuple([_player(player) for player in items(get("players"), "players", PLAYERS_MAX)]),
        whole(get("gen"), "gen"),
        whole(get("ack"), "ack"),
        seconds(get("held_ms"), "held_ms"),
        None if get("resume") is None else _resume(get("resume")),
        None if get("remaining_ms") is None else seconds(get("remaining_ms"), "remaining_ms"),
        word_or_none(get("cause"), "cause"),
        word_or_none(get("reason"), "reason"),
        None if get("policy") is None else policy_from_wire(get("policy")),
        0 if get("outages") is None else whole(get("outages"), "outages"),
        0.0 if get("paused_ms") is None else seconds(get("paused_ms"), "paused_ms"),
    )


def _player(value: object) -> PlayerView:
    get = mapping(value, "player").get
    links = mapping(get("links"), "links", PLAYERS_MAX)
    return PlayerView(
        identity(get("id"), "id"),
        whole(get("gen"), "gen"),
        one_of(get("kind"), "kind", KINDS),
        flag(get("attached"), "attached"),
        one_of(get("phase"), "phase", PHASES),
        {identity(peer, "peer of a link"): flag(links[peer], "link") for peer in links},
    )


def _resume(value: object) -> Resume:
    get = mapping(value, "resume").get
    return Resume(whole(get("frame"), "frame"), seconds(get("start_in_ms"), "start_in_ms"))


def _signal(message: Json, *, sender: str | None) -> Signal:
    get = message.get
    return Signal(
        to=identity(get("to"), "to"),
        gen_from=whole(get("gen_from"), "gen_from"),
        gen_to=whole(get("gen_to"), "gen_to"),
        n=whole(get("n"), "n"),
        attempt_id=word(get("attempt_id"), "attempt_id"),
        attempt=one_of(get("attempt"), "attempt", ATTEMPT_KINDS),
        kind=one_of(get("kind"), "kind", SIGNAL_KINDS),
        payload=block(get("payload"), "payload", SIGNAL_MAX),
        sender=sender,
    )


def _signal_ack(message: Json, *, sender: str | None) -> SignalAck:
    get = message.get
    return SignalAck(
        to=identity(get("to"), "to"),
        gen_from=whole(get("gen_from"), "gen_from"),
        gen_to=whole(get("gen_to"), "gen_to"),
        n=whole(get("n"), "n"),
        sender=sender,
    )


def _data(message: Json, *, sender: str | None) -> Data:
    packed = block(message.get("payload"), "payload", PAYLOAD_MAX)
    try:
        payload = a2b_base64(packed, strict_mode=True)
    except ValueError:
        raise RemoteProtocolError("payload is not base64") from None
    if len(payload) > PACKET_MAX:
        raise RemoteProtocolError(f"payload is longer than {PACKET_MAX}", code="too_large")
    return Data(identity(message.get("to"), "to"), payload, sender)


def _error(message: Json) -> Error:
    get = message.get
    return Error(
        word(get("code"), "code"),
        "" if get("detail") is None else line(get("detail"), "detail", DETAIL_MAX),
        () if get("speaks") is None else _speaks(get("speaks")),
    )


def _speaks(value: object) -> tuple[int, ...]:
    return tuple([whole(version, "version") for version in items(value, "speaks", SPEAKS_MAX)])
