"""Witness: a client that remembers what its game has sent, taken, and got wrong."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from reconnect.client import Client
from reconnect.log import quiet

QUOTED_MAX = 40  # bytes of a message that a sentence quotes


class Witness(Client):
    """Does what every client does; a `Table` gives one to each program."""

    def __init__(self, *, player: str, logger: Any = None, **options: Any) -> None:
        self.said: defaultdict[str, list[bytes]] = defaultdict(list)
        """What each other player was sent with `send`."""
        self.taken: defaultdict[str, list[bytes]] = defaultdict(list)
        """What the game has received of each other player, by either way of sending."""
        self.hinted: set[str] = set()
        """Who was sent anything with `send_latest`, which may be lost."""
        self.mistakes: list[str] = []
        """What the game raised where the resync asked it for something; players never see it."""
        super().__init__(player=player, logger=_Overhearing(quiet(logger), self), **options)

    def send(self, data: bytes, *, to: str | None = None) -> None:
        receivers = self._receivers(to)
        super().send(data, to=to)
        for one in receivers:
            self.said[one].append(bytes(data))

    def send_latest(self, data: bytes, *, to: str | None = None) -> None:
        receivers = self._receivers(to)
        super().send_latest(data, to=to)
        self.hinted.update(receivers)

    def receive(self) -> list[tuple[str, bytes]]:
        taken = super().receive()
        for player, data in taken:
            self.taken[player].append(data)
        return taken

    def _receivers(self, to: str | None) -> list[str]:
        return list(self._peer.links) if to is None else [to]


class _Overhearing:
    """A logger that lets a witness hear what the game is to blame for."""

    def __init__(self, log: Any, witness: Witness) -> None:
        self._log = log
        self._witness = witness

    def bind(self, **facts: Any) -> _Overhearing:
        return _Overhearing(self._log.bind(**facts), self._witness)

    def error(self, event: str, **facts: Any) -> None:
        if event == "reconnect.resync_failed":
            what = f"{facts['ask']}() raised {facts['error']}"
            self._witness.mistakes.append(f"{what} at {facts.get('where', 'an unknown place')}")
        self._log.error(event, **facts)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)


Lives = Mapping[str, Sequence[Witness]]
"""The clients of each player, in the order in which they were started."""


def said_so_far(lives: Lives, *, among: Sequence[str]) -> dict[tuple[str, str], int]:
    """How many messages each player has sent to each other, by a program that is the only one.

    What a program that is gone had sent, nobody can ask for. Nothing has to arrive but `among`
    these players.
    """
    return {
        (sender, receiver): len(messages) if {sender, receiver} <= {*among} else 0
        for sender, clients in lives.items()
        if len(clients) == 1
        for receiver, messages in clients[0].said.items()
        if receiver in lives
    }


def what_is_wrong(lives: Lives, due: Mapping[tuple[str, str], int]) -> str | None:
    """What was lost, doubled or swapped, in a sentence; None if nothing was.

    `due` says how many messages of each sender have to have arrived at each receiver.
    """
    for (sender, receiver), count in due.items():
        said = lives[sender][0].said[receiver]
        taken = [client.taken[sender] for client in lives[receiver]]
        if receiver in lives[sender][0].hinted:
            wrong = _is_among(said[:count], taken[0]) if len(taken) == 1 else None
        elif len(taken) == 1:
            wrong = _is_beginning(said, taken[0], count)
        else:
            wrong = _are_pieces(said, taken, count)
        if wrong:
            return f"{receiver}, of {sender}'s messages: {wrong}"
    return None


def _is_beginning(said: list[bytes], taken: list[bytes], count: int) -> str | None:
    for number, (one, other) in enumerate(zip(said, taken, strict=False), start=1):
        if one != other:
            return f"number {number} is {_quoted(one)}, and was taken as {_quoted(other)}"
    if len(taken) > len(said):
        return f"{len(taken)} were taken, and only {len(said)} sent"
    return None if len(taken) >= count else f"{len(taken)} of {count} were taken"


def _is_among(said: list[bytes], taken: list[bytes]) -> str | None:
    """What may be lost was taken, too, at any place between the others."""
    rest = iter(taken)
    for number, one in enumerate(said, start=1):
        if one not in rest:
            return f"number {number}, {_quoted(one)}, was not taken where it should have been"
    return None


def _are_pieces(said: list[bytes], lives: list[list[bytes]], count: int) -> str | None:
    """Each program takes a piece without a hole; what fell between two of them is in the state."""
    begin = 0
    *older, last = lives
    for piece in older:
        place = _first_place(said, piece, range(begin, len(said) - len(piece) + 1))
        if place is None:
            return f"a program took {len(piece)} that were not sent in this order"
        begin = place + len(piece)
    place = _first_place(said, last, range(len(said) - len(last), begin - 1, -1))
    if place is None:
        return f"the present program took {len(last)} that were not sent in this order"
    missing = count - place - len(last)
    return f"the last {missing} were not taken" if last and missing > 0 else None


def _first_place(said: list[bytes], piece: list[bytes], places: range) -> int | None:
    return next((at for at in places if said[at : at + len(piece)] == piece), None)


def _quoted(message: bytes) -> str:
    return repr(message if len(message) <= QUOTED_MAX else message[:QUOTED_MAX] + b"...")
