"""Verdicts: what becomes of a text that comes over the control link."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import NoReturn, TypeAlias

from reconnect.core.checks import Json
from reconnect.core.decode import (
    claim_of,
    decode_from_client,
    decode_from_coordinator,
    session_of,
)
from reconnect.core.messages import ErrorCode, Report
from reconnect.core.wire import encode
from reconnect.errors import RemoteProtocolError

Text: TypeAlias = str | Sequence[str | Sequence[str | int]]
"""A text, or its pieces: each a string, or a string and how often it stands there."""
CLIENT = "client"
COORDINATOR = "coordinator"


def verdict(text: Text, sender: str) -> Json:
    """What the real decoder makes of a text that `client` or `coordinator` sent.

    Either `rejected` with a code, or `accepted` with the message in its shortest form.
    """
    try:
        raw = json.loads(whole_text(text), parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return {"verdict": "rejected", "code": str(ErrorCode.MALFORMED)}
    try:
        return {"verdict": "accepted", "message": _read(raw, sender)}
    except RemoteProtocolError as error:
        return {"verdict": "rejected", "code": str(error.code)}


def whole_text(text: Text) -> str:
    """The pieces of a text, put together."""
    if isinstance(text, str):
        return text
    return "".join(piece if isinstance(piece, str) else _times(*piece) for piece in text)


def _times(piece: object, times: object) -> str:
    if isinstance(piece, str) and isinstance(times, int):
        return piece * times
    raise ValueError("a piece that is neither a string nor a string and a number")


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _read(raw: object, sender: str) -> Json:
    session = session_of(raw)
    if sender == COORDINATOR:
        return encode(decode_from_coordinator(raw), session=session)
    message = decode_from_client(raw)
    claim = claim_of(raw) if isinstance(message, Report) else None
    return encode(message, session=session, claim=claim)
