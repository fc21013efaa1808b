"""Tokens: what opens a seat.

A token is 256 random bits and opens one seat, that of one player in one session. It is kept
nowhere; only its digest is. It travels in the first report of a connection, and goes into no
URL, log, trace or exception.
"""

from __future__ import annotations

import hashlib
import secrets
from typing import TypeGuard

from reconnect.core.checks import TOKEN_MAX

TOKEN_BYTES = 32


def mint() -> str:
    """A new token: 43 characters that need no quoting anywhere."""
    return secrets.token_urlsafe(TOKEN_BYTES)


def digest(token: str) -> str:
    """The SHA-256 of a token, in hex: what is kept of it."""
    return hashlib.sha256(token.encode()).hexdigest()


def matches(token: object, digest: str | None) -> bool:
    """Whether this is the token with this digest; compared in constant time.

    Without a digest, and for anything but a string of a token's size, it is not. Never raises.
    """
    if digest is None or not is_token(token):
        return False
    found = hashlib.sha256(token.encode()).hexdigest()
    return secrets.compare_digest(found.encode(), digest.encode(errors="replace"))


def is_token(value: object) -> TypeGuard[str]:
    """Whether this can be a token: 1 to 128 characters, ASCII, none of control."""
    return (
        type(value) is str
        and 0 < len(value) <= TOKEN_MAX
        and value.isascii()
        and value.isprintable()
    )
