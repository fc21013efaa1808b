"""Everything that a coordinator ever promised, to be held against what its store has.

A view that a client got, a token that opened a seat, a notice that the application heard: each is
a promise, and has to be kept whatever became of the process that gave it.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from attrs import Factory, define, field

from reconnect import tokens
from reconnect.core.record import Record

PERSONAL = ("superseded", "dropped")
"""Reasons for which one client ends while the session goes on."""


@define
class Promises:
    """What was said of one session."""

    version: int = 0
    """The highest that was shown to anybody; 0 while nobody has heard of the session."""
    epoch: int = 0
    outages: int = 0
    ended: str | None = None
    views: dict[int, dict[str, Any]] = field(factory=dict)
    """A whole view of each version."""
    gens: Counter[str] = Factory(Counter)
    """The generation that has each player's seat."""
    offered: Counter[str] = Factory(Counter)
    issued: dict[str, list[str]] = field(factory=dict)
    """Tokens of which any may be the one that is stored, oldest first."""
    asked: Counter[str] = Factory(Counter)
    """How many tokens have been asked for, and have not come: they may be stored all the same."""
    seated: set[str] = field(factory=set)
    """Players whose seat has been opened by a token, which has not knowingly been voided."""

    def ask(self, player: str) -> None:
        """The application asked for a token."""
        self.asked[player] += 1

    def issue(self, player: str, token: str) -> None:
        """The application got a token; it is good as soon as it is stored."""
        self.asked[player] -= 1
        self.issued.setdefault(player, []).append(token)

    def died(self) -> None:
        """What was asked for will not come any more; it may have voided what is known."""
        self.seated -= {player for player, count in self.asked.items() if count}
        self.asked.clear()

    def accepted(self, player: str, token: str) -> None:
        """A token opened the seat: all older ones are void for good."""
        issued = self.issued[player]
        self.issued[player] = issued[issued.index(token) :]
        self.seated.add(player)

    def refused(self, player: str, token: str) -> None:
        """A token is void: it was lost before it was stored, or a newer one is stored."""
        if token in self.issued.get(player, []):
            self.issued[player].remove(token)

    def viewed(self, player: str, view: dict[str, Any]) -> None:
        """A client was shown a view, or got a short answer."""
        if view["version"] == 0:
            self.offered[player] = max(self.offered[player], view["gen"])
            return
        self.version = max(self.version, view["version"])
        if view.get("reason") in PERSONAL:
            return
        if "state" not in view:
            self.gens[player] = max(self.gens[player], view["gen"])
            return
        self.views[view["version"]] = view
        self.epoch = max(self.epoch, view["epoch"])
        for one in view["players"]:
            self.gens[one["id"]] = max(self.gens[one["id"]], one["gen"])
        if view["state"] == "ended":
            self.ended = view["reason"]

    def told(self, what: str, fact: Any) -> None:
        """The application heard a notice."""
        self.version = max(self.version, 1)
        if what == "ended":
            self.ended = fact
        else:
            self.outages = max(self.outages, fact)

    # -- kept or not -------------------------------------------------------------------------------

    def broken(self, record: Record | None) -> list[str]:
        """One sentence for each promise that the stored record does not keep."""
        if record is None:
            return [f"version {self.version} is lost"] if self.version else []
        lost = {
            f"version {record.version}, not {self.version}": record.version < self.version,
            f"epoch {record.epoch}, not {self.epoch}": record.epoch < self.epoch,
            f"{record.outages} outages, not {self.outages}": record.outages < self.outages,
            f"{record.reason}, not {self.ended}": self.ended not in (None, record.reason),
            "not what was shown": self._differs(record),
        }
        return [sentence for sentence, is_lost in lost.items() if is_lost]

    def wrong_seats(self, record: Record | None) -> list[str]:
        """One sentence for each seat that is not as it was given away."""
        wrong: list[str] = []
        for seat in [] if record is None else record.seats:
            one = seat.player
            if seat.gen < self.gens[one]:
                wrong.append(f"{one} has generation {seat.gen}, not {self.gens[one]}")
            if seat.gen_next < max(self.offered[one], self.gens[one]):
                wrong.append(f"{one} was offered {self.offered[one]}, not {seat.gen_next}")
            digests = [tokens.digest(token) for token in self.issued.get(one, [])]
            if one in self.seated and seat.token_digest not in digests:
                wrong.append(f"{one} has a token that is not stored")
        return wrong

    def _differs(self, record: Record) -> bool:
        view = self.views.get(record.version)
        return view is not None and (
            view["epoch"],
            view["state"],
            view.get("reason"),
            view.get("outages", record.outages),
            [one["id"] for one in view["players"]],
        ) != (record.epoch, record.state, record.reason, record.outages, list(record.players))


@define
class Book:
    """The promises of all sessions."""

    sessions: dict[str, Promises] = field(factory=dict)
    wronged: list[str] = field(factory=list)
    """Players who were not let in, or were sent away, against a promise."""
    views: int = 0
    """How many views and answers were heard."""

    def of(self, session: str) -> Promises:
        return self.sessions.setdefault(session, Promises())

    def lost(self, records: dict[str, Record]) -> list[str]:
        """What of the promised states is not in the store."""
        return [
            f"{name}: {sentence}"
            for name, promises in self.sessions.items()
            for sentence in promises.broken(records.get(name))
        ]

    def wrong_seats(self, records: dict[str, Record]) -> list[str]:
        """Seats that are not as they were given away."""
        return self.wronged + [
            f"{name}: {sentence}"
            for name, promises in self.sessions.items()
            for sentence in promises.wrong_seats(records.get(name))
        ]
