"""Record: what of a session outlives the coordinator's process.

One record a session, compared and set on `version`, written before anything is sent. Instants in
it are wall-clock seconds since the epoch; everything is JSON.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import field, frozen

from reconnect.core.checks import (
    PLAYERS_MAX,
    Json,
    flag,
    identity,
    items,
    line,
    mapping,
    one_of,
    real,
    whole,
    word_or_none,
)
from reconnect.core.policy_wire import policy_from_wire, policy_to_wire
from reconnect.core.table import State
from reconnect.errors import RemoteProtocolError, StoreError
from reconnect.policy import Policy

RECORD_FORMAT = 1
DIGEST_MAX = 64  # SHA-256 in hex
STATES = {str(one): one for one in State}


@frozen
class Seat:
    """A player's part of the record."""

    player: str
    gen: int = 0
    """The generation of the client that holds the seat; 0 before the first."""
    gen_next: int = 0
    """The highest generation offered."""
    fenced: bool = False
    """Whether an older client may still play until its lease bound has run out."""
    token_digest: str | None = field(default=None, repr=False)
    """SHA-256 of the token that opens the seat, in hex; the token itself is kept nowhere."""


@frozen(kw_only=True)
class Record:
    """The persisted state of one session."""

    session: str
    version: int
    state: State
    epoch: int
    policy: Policy
    seats: tuple[Seat, ...]
    """Every player there ever was, in join order."""
    players: tuple[str, ...]
    """The members; who is not among them is out."""
    reason: str | None = None
    cause: str | None = None
    """Why the session is paused, reconnecting or resumed rather than connected."""
    deadline: float | None = None
    outage_started_at: float | None = None
    outages: int = 0
    paused_total: float = 0.0
    """Seconds spent in closed outages."""
    resume_frame: int = 0
    resume_at: float | None = None
    """The agreed start instant, while the state is resumed."""
    ended_at: float | None = None
    data: Mapping[str, Any] = field(factory=dict)
    """The application's own; never read by us."""


def record_to_json(record: Record) -> Json:
    """The JSON form of a record. What is in `data` has to be JSON already."""
    return {
        "format": RECORD_FORMAT,
        "session": record.session,
        "version": record.version,
        "state": str(record.state),
        "epoch": record.epoch,
        "policy": policy_to_wire(record.policy),
        "seats": [_seat_to_json(seat) for seat in record.seats],
        "players": list(record.players),
        "reason": None if record.reason is None else str(record.reason),
        "cause": None if record.cause is None else str(record.cause),
        "deadline": record.deadline,
        "outage_started_at": record.outage_started_at,
        "outages": record.outages,
        "paused_total": record.paused_total,
        "resume_frame": record.resume_frame,
        "resume_at": record.resume_at,
        "ended_at": record.ended_at,
        "data": dict(record.data),
    }


def record_from_json(raw: object) -> Record:
    """The record of which this is the JSON form.

    Raises `StoreError` where it is none, or one of another release's format.
    """
    try:
        form = mapping(raw, "record")
        found = whole(form.get("format"), "format")
        if found != RECORD_FORMAT:
            raise StoreError(f"a record has format {found}; this release reads {RECORD_FORMAT}")
        return _record(form)
    except RemoteProtocolError as error:
        raise StoreError(f"a record cannot be read: {error.detail}") from error


def _record(form: Json) -> Record:
    get = form.get
    seats = tuple([_seat(seat) for seat in items(get("seats"), "seats", PLAYERS_MAX)])
    players = [
        identity(player, "player") for player in items(get("players"), "players", len(seats))
    ]
    if not {seat.player for seat in seats}.issuperset(players):
        raise RemoteProtocolError("players has one without a seat")
    return Record(
        session=identity(get("session"), "session"),
        version=whole(get("version"), "version"),
        state=one_of(get("state"), "state", STATES),
        epoch=whole(get("epoch"), "epoch"),
        policy=policy_from_wire(get("policy")),
        seats=seats,
        players=tuple(players),
        reason=word_or_none(get("reason"), "reason"),
        cause=word_or_none(get("cause"), "cause"),
        deadline=_real_or_none(get("deadline"), "deadline"),
        outage_started_at=_real_or_none(get("outage_started_at"), "outage_started_at"),
        outages=whole(get("outages"), "outages"),
        paused_total=real(get("paused_total"), "paused_total"),
        resume_frame=whole(get("resume_frame"), "resume_frame"),
        resume_at=_real_or_none(get("resume_at"), "resume_at"),
        ended_at=_real_or_none(get("ended_at"), "ended_at"),
        data=mapping(get("data"), "data"),
    )


def _seat_to_json(seat: Seat) -> Json:
    return {
        "player": seat.player,
        "gen": seat.gen,
        "gen_next": seat.gen_next,
        "fenced": seat.fenced,
        "token_digest": seat.token_digest,
    }


def _seat(value: object) -> Seat:
    get = mapping(value, "seat").get
    digest = get("token_digest")
    return Seat(
        identity(get("player"), "player"),
        whole(get("gen"), "gen"),
        whole(get("gen_next"), "gen_next"),
        flag(get("fenced"), "fenced"),
        None if digest is None else line(digest, "token_digest", DIGEST_MAX),
    )


def _real_or_none(value: object, what: str) -> float | None:
    return None if value is None else real(value, what)
