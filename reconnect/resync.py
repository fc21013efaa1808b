"""Asking an application about its game, while the states of all players are brought together."""

from __future__ import annotations

from typing import assert_never

from reconnect.core.resync import Ask, Consult
from reconnect.ports import Marks, Snapshots


def ask(game: Snapshots | Marks | None, asked: Consult) -> bytes:
    """What the game says, or b"" for what it only had to do.

    Raises whatever the game raises, and `TypeError` where it answers anything but bytes.
    """
    match asked.ask:
        case Ask.SNAPSHOT:
            answer = _snapshots(game).snapshot()
        case Ask.RESTORE:
            _snapshots(game).restore(asked.data)
            return b""
        case Ask.MARK:
            answer = _marks(game).mark(asked.peer)
        case Ask.SINCE:
            answer = _marks(game).since(asked.peer, asked.data)
        case Ask.MERGE:
            _marks(game).merge(asked.peer, asked.data)
            return b""
        case _:
            assert_never(asked.ask)
    if not isinstance(answer, bytes):
        raise TypeError(f"{asked.ask}() gave {type(answer).__name__}, not bytes")
    return answer


def _snapshots(game: Snapshots | Marks | None) -> Snapshots:
    if not isinstance(game, Snapshots):
        raise TypeError("the others sent a snapshot, and this game has no restore()")
    return game


def _marks(game: Snapshots | Marks | None) -> Marks:
    assert isinstance(game, Marks)  # else nothing but a snapshot is ever asked for
    return game
