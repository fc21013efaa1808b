"""Three servers that take reports: the pure core, the coordinator around it, and one by hand."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Hashable, Iterator
from random import Random
from typing import Any, Protocol

from reconnect import Coordinator, Policy
from reconnect.core.decode import decode_from_client
from reconnect.core.effects import Send
from reconnect.core.events import ReportArrived
from reconnect.core.messages import Report
from reconnect.core.session import Session
from reconnect.core.table import State
from reconnect.core.wire import encode
from reconnect.ports import ServerHears
from reconnect.testing.virtual import VirtualRuntime

SEATS = 4
NAMES = tuple(f"player-{seat}" for seat in range(SEATS))
FULL_EVERY = 20  # one answer of so many is a full view, the others say that there is no news
POLICY = Policy()

Json = dict[str, Any]
Answer = Callable[[Json], object]
Reports = list[tuple[int, Json]]


class Server(Protocol):
    """Players are numbered through; four in a row are a session."""

    answer: Answer
    """What is done with each answer."""

    def open(self, sessions: int) -> int:
        """Let so many sessions be played; the version that everybody has of them."""
        ...

    def receive(self, player: int, message: Json) -> None: ...

    def pass_time(self, seconds: float) -> None: ...


def report(player: int, /, *, seq: int, version: int, **fields: Any) -> Json:
    """A heartbeat, as it comes over the wire."""
    return {
        "v": 1,
        "session": f"session-{player // SEATS}",
        "type": "report",
        "gen": 1,
        "seq": seq,
        "epoch": 1,
        "phase": "playing",
        "version": version,
        "frame": seq * 50,
        "rtt_ms": 31,
        **fields,
    }


def opening(session: int, tokens: list[str]) -> Iterator[tuple[int, Json]]:
    """What the players of a session say until they play: a claim, a promise, a start."""
    players = range(session * SEATS, (session + 1) * SEATS)
    for player, name, token in zip(players, NAMES, tokens, strict=True):
        claim = {"player": name, "token": token}
        yield player, report(player, seq=1, version=0, gen=0, epoch=0, phase="halted", **claim)
        yield player, report(player, seq=1, version=0, phase="ready", **claim)
    for player in players:
        yield player, report(player, seq=2, version=0)


def heartbeats(sessions: int, version: int, chunk: int) -> Iterator[tuple[float, Reports]]:
    """What comes in, a piece at a time, and how many seconds after the last piece.

    Each player reports once in a round, and the order is another one each time.
    """
    random = Random(1)
    order = list(range(sessions * SEATS))
    for seq in itertools.count(3):
        random.shuffle(order)
        for start in range(0, len(order), chunk):
            yield (
                0.0 if start else POLICY.heartbeat_interval,
                [
                    (player, report(player, seq=seq, version=version if place else 0))
                    for player, place in zip(
                        order[start : start + chunk],
                        itertools.cycle(range(FULL_EVERY)),
                        strict=False,
                    )
                ],
            )


def nowhere(answer: Json) -> None:
    """Throw an answer away."""


class Core:
    """`Session` alone, between decoding and encoding."""

    def __init__(self) -> None:
        self.answer: Answer = nowhere
        self._now = 0.0
        self._sessions: list[Session] = []

    def open(self, sessions: int) -> int:
        for number in range(sessions):
            session = Session.born(f"session-{number}", NAMES, POLICY, now=0.0, wall=0.0)
            self._sessions.append(session)
            for player, message in opening(number, [""] * SEATS):
                self.receive(player, message)
            assert session.state is State.CONNECTED
        return self._sessions[0].version

    def receive(self, player: int, message: Json) -> None:
        session = self._sessions[player // SEATS]
        heard = decode_from_client(message)
        assert isinstance(heard, Report)
        event = ReportArrived(player, NAMES[player % SEATS], heard)
        for effect in session.handle(event, now=self._now):
            if isinstance(effect, Send):
                self.answer(encode(effect.message, session=session.id))

    def pass_time(self, seconds: float) -> None:
        self._now += seconds


class Whole:
    """A `Coordinator` with everything but a network."""

    def __init__(self) -> None:
        self.answer: Answer = nowhere
        self.runtime = VirtualRuntime()
        self._coordinator = Coordinator(signaling=self, policy=POLICY)

    def open(self, sessions: int) -> int:
        handle = None
        for number in range(sessions):
            handle = self._coordinator.open(NAMES, id=f"session-{number}")
            tokens = [handle.invite(name) for name in NAMES]
            for player in range(number * SEATS, (number + 1) * SEATS):
                self._hears.opened(player)
            for player, message in opening(number, tokens):
                self._hears.received(player, message)
            handle.notices()
        assert handle is not None
        assert handle.state is State.CONNECTED
        self._version = -1
        self.answer = self._read
        self._hears.received(0, report(0, seq=3, version=0))
        self.answer = nowhere
        return self._version

    def receive(self, player: int, message: Json) -> None:
        self._hears.received(player, message)

    def pass_time(self, seconds: float) -> None:
        self.runtime.run(seconds)

    def _read(self, answer: Json) -> None:
        self._version = answer["version"]

    # -- a server's signaling ----------------------------------------------------------------------

    def start(self, hears: ServerHears) -> None:
        self._hears = hears

    def send(self, conn: Hashable, message: Json) -> None:  # noqa: ARG002 - it is one of ours
        self.answer(message)

    def close(self, conn: Hashable) -> None:
        raise AssertionError(f"player {conn} was sent away")


class ByHand:
    """What one writes first: a dict for each player, and a timer that each heartbeat puts off.

    It checks nothing, stores nothing and agrees on nothing.
    """

    def __init__(self) -> None:
        self.answer: Answer = nowhere
        self._loop = asyncio.new_event_loop()
        self._players: dict[int, Json] = {}

    def open(self, sessions: int) -> int:
        for number in range(sessions):
            session: Json = {"id": f"session-{number}", "version": 1, "players": []}
            for seat, name in enumerate(NAMES):
                player = number * SEATS + seat
                self._players[player] = {"name": name, "session": session, "seq": 0, "frame": 0}
                self._players[player]["timer"] = self._timer(player)
                session["players"].append(player)
        return 1

    def receive(self, player: int, message: Json) -> None:
        known = self._players[player]
        known["timer"].cancel()
        known["timer"] = self._timer(player)
        known["seq"], known["frame"] = message["seq"], message["frame"]
        session = known["session"]
        answer = {"type": "view", "ack": known["seq"], "version": session["version"]}
        if message["version"] != session["version"]:
            answer["players"] = [
                {"id": one["name"], "frame": one["frame"], "lost": one.get("lost", False)}
                for one in map(self._players.__getitem__, session["players"])
            ]
        self.answer(answer)

    def pass_time(self, seconds: float) -> None:  # noqa: ARG002 - its clock is the loop's own
        self._loop.run_until_complete(asyncio.sleep(0))

    def _timer(self, player: int) -> asyncio.TimerHandle:
        return self._loop.call_later(POLICY.silence_timeout, self._lost, player)

    def _lost(self, player: int) -> None:
        self._players[player]["lost"] = True
