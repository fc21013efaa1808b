"""Players at several tables, who play through all the lives of their coordinator.

They do what clients do: attach, promise, get ready, play, ask for pauses, hang up, load their
page again, leave; in an order that a seed draws. Time plays no part: nothing times out so soon.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Any

from attrs import define

from reconnect.core.messages import FINAL_ERRORS
from tests.stores.lives import PATIENCE, Life
from tests.stores.promises import Book, Promises

LISTEN = 0.003  # s; what a round trip takes
POLICY = {"topology": "relayed", "outage_timeout": 3600, "retention": 3600}


@define(eq=False)
class Pen:
    """One client of a player; it writes what it likes, within the rules."""

    session: str
    player: str
    token: str | None = None
    conn: int | None = None
    claim: str | None = None
    """The token that is being looked at."""
    answered: bool = True
    gen: int = 0
    seq: int = 0
    epoch: int = 0
    version: int = 0
    phase: str = "halted"
    state: str | None = None
    """Of the last view; None where it has not been heeded yet."""
    over: str | None = None

    def report(self, **claim: Any) -> dict[str, Any]:
        self.seq += 1
        self.answered = False
        return {
            "v": 1,
            "session": self.session,
            "type": "report",
            "gen": self.gen,
            "seq": self.seq,
            "epoch": self.epoch,
            "phase": self.phase,
            "version": self.version,
            "frame": 0,
        } | claim

    def hung_up(self) -> None:
        self.conn, self.answered, self.claim = None, True, None

    def heed(self, view: dict[str, Any]) -> None:
        """The client's table."""
        self.gen = view["gen"]
        self.answered = True
        if view["version"] < max(self.version, 1):
            return
        self.version = view["version"]
        if "state" not in view:
            return
        self.state = view["state"]
        halts = self.state in ("paused", "reconnecting")
        if self.state == "ended":
            self.over = view["reason"]
        elif view["epoch"] > self.epoch:
            self.epoch = view["epoch"] + (not halts)
            self.phase = "halted"
        elif view["epoch"] == self.epoch and not halts and self.phase != "playing":
            armed = self.state == "resumed" and self.phase == "ready"
            self.epoch += not armed
            self.phase = "playing" if armed else "halted"

    def stop(self) -> None:
        """Ask for a pause."""
        self.epoch += 1
        self.phase = "halted"


class Table:
    """The players of one session."""

    def __init__(self, session: str, players: list[str], chance: random.Random, book: Book) -> None:
        self.session = session
        self.opened = False
        self.pens = {player: Pen(session, player) for player in players}
        self._chance = chance
        self._book = book
        self._promises: Promises = book.of(session)

    @property
    def over(self) -> bool:
        """Everybody knows that the game has ended."""
        return all(pen.over for pen in self.pens.values())

    def die(self) -> None:
        """The coordinator is gone; the next one knows what is stored."""
        self.opened = False
        self._promises.died()
        for pen in self.pens.values():
            pen.hung_up()
            pen.token = None

    def act(self, life: Life, conns: dict[int, Pen]) -> None:
        """Somebody does something."""
        if not self.opened:
            self.opened = True
            if not self._promises.version:
                life.tell(open=self.session, players=list(self.pens))
        if self._chance.random() < 0.001:
            life.tell(end=[self.session, "won"])
        pen = self._chance.choice([pen for pen in self.pens.values() if not pen.over])
        if pen.conn is None:
            self._attach(pen, life, conns)
        elif pen.answered:
            self._say(pen, life)

    def _attach(self, pen: Pen, life: Life, conns: dict[int, Pen]) -> None:
        issued = self._promises.issued.get(pen.player)
        if pen.token is None and issued and self._chance.random() < 0.8:
            pen.token = issued[-1]
        if pen.token is None:
            self._promises.ask(pen.player)
            life.tell(invite=[self.session, pen.player])
            return
        pen.conn = max(conns, default=0) + 1
        pen.claim = pen.token
        conns[pen.conn] = pen
        life.tell(opened=pen.conn)
        life.tell(conn=pen.conn, says=pen.report(player=pen.player, token=pen.token))

    def _say(self, pen: Pen, life: Life) -> None:
        luck = self._chance.random()
        if luck < 0.06:
            life.tell(closed=pen.conn)
            pen.hung_up()
            if luck < 0.03:  # its page is loaded again; the application may mint a new token
                token = pen.token if luck < 0.02 else None
                self.pens[pen.player] = Pen(pen.session, pen.player, token)
            return
        if pen.phase == "playing" and luck < 0.25:
            pen.stop()
        elif pen.state in ("paused", "reconnecting") and luck < 0.9:
            pen.phase = "ready"
        elif luck > 0.998:
            pen.phase = "left"
        life.tell(conn=pen.conn, says=pen.report())

    # -- what they hear ----------------------------------------------------------------------------

    def hear(self, pen: Pen, message: dict[str, Any] | None) -> None:
        """What came on the connection of this client."""
        if message is None or message["type"] == "bye":
            pen.hung_up()
        elif message["type"] == "view":
            self._book.views += 1
            if pen.claim is not None:
                self._promises.accepted(pen.player, pen.claim)
                pen.claim = None
            self._promises.viewed(pen.player, message)
            pen.heed(message)
            if pen.over in ("superseded", "state_lost") and self.pens[pen.player] is pen:
                self._book.wronged.append(f"{self.session}: {pen.player} is {pen.over}")
        elif message["code"] in FINAL_ERRORS:
            self._refused(pen, message["code"])

    def _refused(self, pen: Pen, code: str) -> None:
        promises, token = self._promises, pen.claim
        pen.hung_up()
        if pen.token == token:
            pen.token = None
        if code == "bad_token" and token is not None:
            promises.refused(pen.player, token)
            if promises.issued.get(pen.player) or pen.player not in promises.seated:
                return
        elif code == "unknown_session" and not promises.version:
            self.opened = False
            return
        pen.over = code
        self._book.wronged.append(f"{self.session}: {pen.player} was refused: {code}")


class Steady(random.Random):
    """No chance: everybody has a turn, attaches, gets ready, plays on, and does nothing else."""

    def random(self) -> float:
        return 0.5

    def choice(self, seq: Any) -> Any:
        self._turn = getattr(self, "_turn", -1) + 1
        return seq[self._turn % len(seq)]


class Evening:
    """Tables, of which so many are always busy."""

    def __init__(self, chance: random.Random, *, busy: int = 3) -> None:
        self.book = Book()
        self.tables: dict[str, Table] = {}
        self._chance = chance
        self._busy = busy
        self._conns: dict[int, Pen] = {}

    def end(self, life: Life) -> None:
        """The process has ended; write down its last words."""
        self.listen(life)
        self._conns = {}
        for table in self.tables.values():
            table.die()

    def play(self, life: Life, *, turns: int) -> None:
        """Until the process is dead, or everybody has had so many turns."""
        for _ in range(turns):
            for table in self._playing():
                table.act(life, self._conns)
            self.listen(life, LISTEN)
            if life.over:
                return

    def play_until(self, life: Life, predicate: Callable[[], object]) -> bool:
        """False if it does not come to that."""
        ends_at = time.monotonic() + PATIENCE
        while not life.over and time.monotonic() < ends_at and not predicate():
            self.play(life, turns=1)
        return bool(predicate())

    def listen(self, life: Life, wait: float = 0.0) -> None:
        """Write down what the process has said."""
        for line in life.read(wait):
            match line:
                case {"conn": conn, "hears": message}:
                    pen = self._conns[conn]
                    if pen.conn == conn:
                        self.tables[pen.session].hear(pen, message)
                case {"token": [session, player, token]}:
                    self.book.of(session).issue(player, token)
                    self.tables[session].pens[player].token = token
                case {"told": [session, what, fact]}:
                    self.book.of(session).told(what, fact)
                case _:
                    pass

    def _playing(self) -> list[Table]:
        busy = [table for table in self.tables.values() if not table.over]
        while len(busy) < self._busy:
            name = f"game {len(self.tables) + 1}"
            players = ["alice", "bob", "carol"][: self._chance.choice([2, 2, 3])]
            self.tables[name] = Table(name, players, self._chance, self.book)
            busy.append(self.tables[name])
        return busy
