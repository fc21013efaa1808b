"""Client: the shell around a `Peer`; one object for one life of a player's program.

It works from construction: it dials, attaches, keeps links and says by itself what there is to
say. The game loop polls it: `notices()`, `receive()`, and `playing` in front of every step.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

from reconnect import tokens
from reconnect.core.checks import is_count, is_id
from reconnect.core.events import (
    ApplicationClosing,
    ApplicationLeft,
    BusyDeclared,
    Consulted,
    ConsultFailed,
    DataOffered,
    FrameReached,
    HiddenChanged,
    NetworkChanged,
    PeerEvent,
    TimePassed,
)
from reconnect.core.explain import explain_peer
from reconnect.core.messages import Claim, Kind
from reconnect.core.notices import (
    ClientNotice,
    Connected,
    Ended,
    Paused,
    Reconnecting,
    Resumed,
)
from reconnect.core.outlook import Play
from reconnect.core.peer import Peer
from reconnect.core.table import State
from reconnect.errors import LocalProtocolError
from reconnect.log import facts_of, quiet
from reconnect.policy import LONGEST
from reconnect.ports import ClientSignaling, Closing, Links, Marks, Snapshots
from reconnect.resync import ask
from reconnect.unread import Unread
from reconnect.wiring import Wiring

MOVES = (Paused, Reconnecting, Resumed, Connected, Ended)
"""Notices of a change of state: while one is unread no step is taken."""


class Client:
    """One player's end of one session.

    Everything but `closed()` is synchronous and returns at once. Made and used where the signaling
    adapter's runtime lives: on the running event loop for asyncio, in any thread for threads.

    `links` may be left out where the session has none (topologies `relayed` and `server`).
    `resync` is a game that can be handed over to a player's next program (`ports.Snapshots`), or
    that has a netcode of its own and must be brought together after an outage (`ports.Marks`), or
    both. It is asked in `receive()`, when everything that came has been taken, and so never in
    the middle of a step.
    `on_notice` hears what `notices()` would give, for programs without a loop of their own.

    Raises `LocalProtocolError` where `session`, `player` or `token` cannot be one.
    """

    def __init__(
        self,
        *,
        signaling: ClientSignaling,
        session: str,
        player: str,
        token: str,
        links: Links | None = None,
        resync: Snapshots | Marks | None = None,
        on_notice: Callable[[ClientNotice], None] | None = None,
        logger: Any = None,
        seed: int | None = None,
    ) -> None:
        _check_claim(session, player, token)
        self._runtime = signaling.runtime
        self._resync = resync
        self._adapters: tuple[object, ...] = (links, signaling)
        self._on_notice = on_notice
        self._telling = 0
        self._log = quiet(logger).bind(session=session, player=player)
        self.unread: Unread[ClientNotice] = Unread(self._runtime.lock)
        self._peer = Peer.beginning(
            session,
            player,
            now=self._runtime.now(),
            seed=secrets.randbits(64) if seed is None else seed,
            kind=Kind.VIEW if links is None else Kind(links.kind),
            mends=frozenset() if links is None else links.mends,
            marks=isinstance(resync, Marks),
            snapshots=isinstance(resync, Snapshots),
        )
        claim = Claim(player, token)
        self._wiring = Wiring(self._peer, signaling, links, claim, self._log, self._inform)
        self._tell(TimePassed())

    # -- in the game loop -------------------------------------------------------------------------

    def notices(self) -> list[ClientNotice]:
        """What has happened since the last call. Read them before you ask `playing`."""
        return self.unread.drain()

    def receive(self) -> list[tuple[str, bytes]]:
        """The messages of the other players since the last call: (player, data), each in order.

        Call it while paused too: players are held back by what you do not take, and nobody can
        resume before everything sent before the pause has arrived.
        """
        with self._runtime.lock:
            taken = self._peer.take()
            if taken:
                self._wiring.arm()
            else:
                self._bring_together()
            return taken

    @property
    def playing(self) -> bool:
        """Whether the game may take its next step now; ask in front of every step."""
        with self._runtime.lock:
            self._wiring.catch_up()
            return (
                self._peer.play is Play.PLAYING and not self._telling and not self.unread.has(MOVES)
            )

    @property
    def play_until(self) -> float:
        """Until which instant of the runtime's clock steps are allowed; 0.0 where none is.

        For loops that cannot call into Python for every step.
        """
        return self._peer.control.lease_until if self.playing else 0.0

    def send(self, data: bytes, *, to: str | None = None) -> None:
        """Send to every other player, or to one: exactly once and in order, across outages.

        Raises `StreamFull` where a player is too far behind: then nobody has been sent anything.
        Raises `SessionEnded`, `NoSuchPlayer`, or `LocalProtocolError` for a message that is too
        long, or that comes before there is anybody to send to.
        """
        self._tell(DataOffered(_bytes(data), to))

    def send_latest(self, data: bytes, *, to: str | None = None) -> None:
        """Send what only matters until there is something newer; it may be lost.

        Raises as `send` does, but never `StreamFull`; it has to fit one packet.
        """
        self._tell(DataOffered(_bytes(data), to, latest=True))

    @property
    def frame(self) -> int:
        """How far the game has got; set it after each step.

        Whole numbers from 0 to 2**53 - 1; raises `LocalProtocolError` for anything else.
        """
        return self._peer.frame

    @frame.setter
    def frame(self, frame: int) -> None:
        if not is_count(frame):
            raise LocalProtocolError(f"frame is {frame!r}, not a whole number from 0 to 2**53 - 1")
        self._tell(FrameReached(frame))

    # -- how things stand --------------------------------------------------------------------------

    @property
    def ended(self) -> bool:
        """Whether the game is over for this player, and every notice of it has been read."""
        return self._peer.ended and not self.unread.has((Ended,))

    @property
    def state(self) -> State:
        """Which of the five states this client is in."""
        return self._peer.public

    @property
    def reason(self) -> str | None:
        """Why the game is over; None while it is not."""
        return self._peer.reason

    @property
    def epoch(self) -> int:
        """The epoch this client plays in or waits for."""
        return self._peer.epoch

    @property
    def resume_frame(self) -> int:
        """From which frame everybody plays on, as of the last resume."""
        return self._peer.resume_frame

    @property
    def players(self) -> tuple[str, ...]:
        """The members of the session in join order; empty before the coordinator's first word."""
        view = self._peer.view
        return () if view is None else tuple(one.id for one in view.players)

    @property
    def remaining(self) -> float | None:
        """Seconds until the outage ends the game, as of the coordinator's last word."""
        view = self._peer.view
        return None if view is None else view.remaining

    def explain(self) -> str:
        """One sentence on why this client is where it is."""
        return explain_peer(self._peer, self._runtime.now())

    def stats(self) -> dict[str, int]:
        """Counters of what was dropped, since the client was made."""
        links = self._peer.links.values()
        return {
            "malformed": self._wiring.malformed + self._peer.malformed,
            "foreign": sum(link.foreign for link in links),
            "resent": sum(link.stream.counters.resent for link in links),
            "duplicates": sum(link.stream.counters.duplicates for link in links),
            "notices_lost": self.unread.lost,
            "facts_lost": self._peer.facts.lost,
            "superseded": self._peer.superseded,
        }

    # -- what the application knows better ---------------------------------------------------------

    def network_changed(self) -> None:
        """The operating system says that the network is back, or another: try again at once."""
        self._tell(NetworkChanged())

    def busy(self, seconds: float) -> None:
        """This program is about to hold its loop for so many seconds: do not take it for lost.

        At most 3 s of silence are excused. Raises `LocalProtocolError` for what is no duration.
        """
        if not (isinstance(seconds, int | float) and 0 <= seconds <= LONGEST):
            raise LocalProtocolError(f"busy for {seconds!r}; say a number of seconds, 0 or more")
        self._tell(BusyDeclared(seconds))

    def hidden(self, hidden: bool) -> None:
        """The page went to the background, where timers are slow, or came back."""
        self._tell(HiddenChanged(hidden))

    def leave(self) -> None:
        """The player leaves for good; the others are told.

        It is said until the coordinator has heard it, for 2 s at most, and on a new connection
        where the present one is down. A coordinator that cannot be reached by then finds out by
        the silence, as with a program that is gone.
        """
        self._tell(ApplicationLeft())

    def close(self) -> None:
        """This program goes away, and its player may come back with another. Idempotent."""
        with self._runtime.lock:
            self._wiring.handle(ApplicationClosing())
            if not self._peer.leaving:
                self._wiring.rest()
                self.unread.finish()

    async def closed(self) -> None:
        """Return when the adapters have ended all their tasks; call `close()` first."""
        for adapter in self._adapters:
            if isinstance(adapter, Closing):
                await adapter.closed()

    def _tell(self, event: PeerEvent) -> None:
        with self._runtime.lock:
            self._wiring.handle(event)

    def _bring_together(self) -> None:
        """Ask the application what the resync wants to know of its game."""
        while (asked := self._wiring.next_consult()) is not None:
            which = asked.ask, asked.peer, asked.round
            try:
                answer = ask(self._resync, asked)
            except Exception as error:
                self._log.error("reconnect.resync_failed", ask=asked.ask, **facts_of(error))
                self._wiring.handle(ConsultFailed(*which))
            else:
                self._wiring.handle(Consulted(*which, answer))

    def _inform(self, notice: ClientNotice) -> None:
        self._log.info(f"reconnect.{type(notice).__name__.lower()}", epoch=self._peer.epoch)
        if self._on_notice is None:
            self.unread.put(notice)
            return
        self._telling += 1
        try:
            self._on_notice(notice)
        except Exception as error:
            self._log.error("reconnect.on_notice_failed", **facts_of(error))
        finally:
            self._telling -= 1


def _check_claim(session: object, player: object, token: object) -> None:
    for what, name in (("session", session), ("player", player)):
        if not is_id(name):
            raise LocalProtocolError(
                f"{what} is {name!r}, which is no id: 1 to 128 characters, none of control"
            )
    if not tokens.is_token(token):
        # it is not quoted: it may be a good one with a line break behind it
        raise LocalProtocolError("token is none that `invite` has given")


def _bytes(data: bytes) -> bytes:
    if not isinstance(data, (bytes, bytearray, memoryview)):
        raise TypeError(f"messages are bytes, not {type(data).__name__}: encode it first")
    return bytes(data)
