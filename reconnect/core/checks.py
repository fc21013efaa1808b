"""What is looked at before it is believed: exact types, and a bound on everything.

Each function gives back the value that came from outside, as the type it has to be, or raises
`RemoteProtocolError`. A bool is no number, a float is no whole number, and "5" is neither. The
sentence consists of `what`, which is ours, and of the rule; never of what was received.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sized
from math import isfinite
from typing import Any, TypeAlias, TypeGuard, TypeVar

from reconnect.errors import RemoteProtocolError

T = TypeVar("T")
Json: TypeAlias = dict[str, Any]

COUNT_MAX = (1 << 53) - 1  # the last number up to which JavaScript counts exactly
MS_MAX = 1 << 50  # 35,000 years; up to here milliseconds survive the way to seconds and back
ID_MAX = 128  # a UUID, a hash in hex, an e-mail address
WORD_MAX = 64  # causes, reasons, codes, kinds, attempt ids: a word, never a story
DETAIL_MAX = 200  # one sentence for a log
TOKEN_MAX = 128  # a minted one has 43 characters
PLAYERS_MAX = 64  # each of them would hold 63 links; beyond it this is no game for a mesh
FACTS_MAX = 16  # what a report may bear; the rest waits for the next one
FACT_FIELDS_MAX = 16  # a fact is a line of a log, not a document
SIGNAL_MAX = 64 * 1024  # an SDP with all its candidates has 2 to 10 KiB
PACKET_MAX = 1150  # one frame, one packet: fits in UDP over every path, with its wrapping
SPEAKS_MAX = 16  # versions of the protocol

# control characters, line separators and lone surrogates: they forge lines in a log, or have no
# UTF-8 form and break whoever prints them
UNCLEAN = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def is_id(value: object) -> TypeGuard[str]:
    """Whether this can name a session or a player: 1 to 128 characters, none of control."""
    return type(value) is str and 0 < len(value) <= ID_MAX and _is_clean(value)


def is_word(value: object) -> TypeGuard[str]:
    """Whether this can be a reason or a cause: at most 64 characters, none of control."""
    return type(value) is str and len(value) <= WORD_MAX and _is_clean(value)


def is_count(value: object) -> TypeGuard[int]:
    """Whether this is a whole number from 0 to 2**53 - 1."""
    return type(value) is int and 0 <= value <= COUNT_MAX


def mapping(value: object, what: str, most: int = COUNT_MAX) -> Json:
    """An object of at most `most` entries; of its keys nothing is known."""
    if type(value) is not dict:
        raise RemoteProtocolError(f"{what} is not an object")
    _refuse_longer(value, what, most)
    return value


def items(value: object, what: str, most: int) -> list[Any]:
    """A list of at most `most` items."""
    if type(value) is not list:
        raise RemoteProtocolError(f"{what} is not a list")
    _refuse_longer(value, what, most)
    return value


def whole(value: object, what: str, *, least: int = 0, most: int = COUNT_MAX) -> int:
    """A whole number."""
    if type(value) is int and least <= value <= most:
        return value
    raise RemoteProtocolError(f"{what} is not a whole number from {least} to {most}")


def seconds(value: object, what: str) -> float:
    """A duration, from whole milliseconds."""
    return whole(value, what, most=MS_MAX) / 1000


def real(value: object, what: str) -> float:
    """A finite number."""
    if type(value) is float and isfinite(value):
        return value
    if type(value) is int and -COUNT_MAX <= value <= COUNT_MAX:
        return float(value)
    raise RemoteProtocolError(f"{what} is not a finite number")


def flag(value: object, what: str) -> bool:
    """True or False, nothing like it."""
    if type(value) is bool:
        return value
    raise RemoteProtocolError(f"{what} is not true or false")


def line(value: object, what: str, most: int) -> str:
    """A text of at most `most` characters, none of them a control character."""
    if type(value) is not str:
        raise RemoteProtocolError(f"{what} is not a string")
    _refuse_longer(value, what, most)
    if not _is_clean(value):
        raise RemoteProtocolError(f"{what} has control characters in it")
    return value


def identity(value: object, what: str) -> str:
    """The id of a session or a player."""
    name = line(value, what, ID_MAX)
    if not name:
        raise RemoteProtocolError(f"{what} is empty")
    return name


def word(value: object, what: str) -> str:
    """A cause, a reason, a code, a kind."""
    return line(value, what, WORD_MAX)


def word_or_none(value: object, what: str) -> str | None:
    """A word, or None where there is none."""
    return None if value is None else line(value, what, WORD_MAX)


def block(value: object, what: str, most: int) -> str:
    """A text of any lines, of at most `most` characters, that has a UTF-8 form."""
    if type(value) is not str:
        raise RemoteProtocolError(f"{what} is not a string")
    _refuse_longer(value, what, most)
    if not value.isascii() and LONE_SURROGATE.search(value):
        raise RemoteProtocolError(f"{what} is not Unicode")
    return value


def one_of(value: object, what: str, choices: Mapping[str, T]) -> T:
    """What one of a few words stands for."""
    if type(value) is str and value in choices:
        return choices[value]
    raise RemoteProtocolError(f"{what} is not one of {', '.join(choices)}")


def _refuse_longer(value: Sized, what: str, most: int) -> None:
    if len(value) > most:
        raise RemoteProtocolError(f"{what} is longer than {most}", code="too_large")


def _is_clean(value: str) -> bool:
    return value.isprintable() or UNCLEAN.search(value) is None
