"""A table at which everything can go wrong: what lasts is mended by itself, `seconds` later."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable
from contextlib import suppress
from functools import partial
from typing import Any

import attrs

from reconnect import tokens
from reconnect.client import Client
from reconnect.core.messages import ErrorCode
from reconnect.core.table import State
from reconnect.errors import LocalProtocolError
from reconnect.links.memory import MemoryLink
from reconnect.ports import Cancel, Recorder
from reconnect.testing.network import ANYBODY
from reconnect.testing.program import Program
from reconnect.testing.server_process import ServerProcess
from reconnect.testing.simulation.intruder import Forger, Intruder
from reconnect.testing.simulation.setting import STEP, Setting
from reconnect.testing.simulation.unreliable import Trouble, UnreliableServer, UnreliableStore
from reconnect.testing.table import SESSION, Table


class GameFails(Exception):
    """The application's own code raises."""


class FailsOnce:
    """In place of a client's game: raises the next time that the resync asks it for anything.

    The game is as it was afterwards, and hears nothing of it.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self.game = client._resync
        client._resync = self

    def _fail(self, *_: object) -> bytes:
        self._client._resync = self.game
        raise GameFails

    snapshot = mark = since = _fail

    def restore(self, _snapshot: bytes) -> None:
        self._fail()

    def merge(self, _peer: str, _data: bytes) -> None:
        self._fail()


class FaultyTable(Table):
    """What a simulation plays at; all of its randomness comes from the setting's seed."""

    store: UnreliableStore

    def __init__(
        self,
        setting: Setting,
        *,
        game: Callable[[str], Any] | None = None,
        recorder: Recorder | None = None,
        step: float = STEP,
    ) -> None:
        self.setting = setting
        self.intruders: list[Intruder] = []
        self.intruded: set[str] = set()
        """Players for whom somebody else may have spoken."""
        self._to_come: list[Cancel] = []
        self._lasting: defaultdict[Hashable, set[object]] = defaultdict(set)
        """The faults that last, by what they trouble: it is well again when the last is over."""
        self._lives = 0
        """How many servers there have been."""
        self._issued: dict[str, int] = {}
        """By which of them the last token of a player was made, where not by the first."""
        self._void_tokens: dict[str, str] = {}
        self._weather = setting.weather
        super().__init__(
            game,
            players=setting.players,
            policy=setting.policy,
            seed=setting.seed,
            weather=setting.weather,
            store=UnreliableStore(),
            recorder=recorder,
            step=step,
            start=False,
        )

    def _server_process(self) -> ServerProcess:
        self._lives += 1
        process = super()._server_process()
        return UnreliableServer(process, self.store, save_timeout=self.policy.save_timeout)

    # -- what cooperates ---------------------------------------------------------------------------

    def vacant(self) -> list[str]:
        """The members for whom nobody plays."""
        living = {one.player for one in self.living()}
        return [player for player in self.session.players if player not in living]

    def living(self) -> list[Program]:
        """The programs that still take part."""
        return [one for one in self.programs if one.alive and not one.client._peer.ended]

    @property
    def awake_at(self) -> float:
        """When the last of those who hang or sleep goes on."""
        processes = [self.server, *(one.process for one in self.programs if one.alive)]
        return max(process.stalled_until for process in processes)

    def heal(self) -> None:
        """Nothing is broken any more, nor will be; the seats without a program are filled."""
        for cancel in self._to_come:
            cancel()
        self._to_come.clear()
        for intruder in self.intruders:
            intruder.stop()
        self.intruders.clear()
        self.mend()
        self.fair_weather()
        self.store.trouble = None
        self._restart_server()
        self.fill()
        if self.setting.doomed:
            self.cut(*self.setting.doomed)

    def mend(self, one: str = ANYBODY, other: str = ANYBODY) -> None:
        super().mend(one, other)
        if one == ANYBODY:
            self._lasting.clear()

    def fill(self) -> None:
        """Start a program for each member who has none.

        A token that was not saved when the server died is none: who held it is given another.
        """
        for player in self.vacant():
            before = [one.client.reason for one in self.programs if one.player == player]
            outlived = self._lives > self._issued.get(player, 1)
            void = outlived and ErrorCode.BAD_TOKEN in before[-1:]
            if not (void and self.state is State.ENDED):  # whose seats are given to nobody
                self.start(player, new_token=void)

    def start(self, player: str, *, new_token: bool = False) -> Program:
        """As any table does; the token that becomes void is kept for who might try it."""
        if new_token:
            self._void_tokens[player] = self._tokens[player]
            self._issued[player] = self._lives
        return super().start(player, new_token=new_token)

    def fair_weather(self) -> None:
        """As it was in the beginning."""
        self._weather = self.setting.weather
        self.network.peer_weather(self._weather)

    def later(self, seconds: float, then: Callable[[], None]) -> None:
        """When a fault ends, or goes on; never after `heal`."""
        self._to_come.append(self.runtime.call_at(self.runtime.now() + seconds, then))

    def _lasts(self, trouble: Hashable, seconds: float, end: Callable[[], None]) -> None:
        """`end` it after so long, unless another fault of the same kind still lasts then."""
        fault = object()
        self._lasting[trouble].add(fault)

        def over() -> None:
            lasting = self._lasting[trouble]
            if fault in lasting:
                lasting.remove(fault)
                if not lasting:
                    end()

        self.later(seconds, over)

    # -- the control link --------------------------------------------------------------------------

    def control_drop(self, player: str, *, client: bool, server: bool) -> None:
        """The connection breaks; those who are not told find out by silence."""
        self.network.drop_control(player, tell_client=client, tell_server=server)

    def control_refused(self, player: str, *, seconds: float) -> None:
        """The connection breaks, and no dial succeeds."""
        self.network.cut_control(player)
        self._mend_control(player, seconds)

    def control_half_open(self, player: str, *, seconds: float) -> None:
        """Nothing arrives, and nobody is told."""
        self.network.cut_control(player, half_open=True)
        self._mend_control(player, seconds)

    def control_clog(
        self, player: str, *, up: bool, down: bool, seconds: float, fresh: bool = True
    ) -> None:
        """What is sent waits, in one direction or both; without `fresh`, a new dial helps."""
        self.network.clog_control(player, up=up, down=down, fresh=fresh)
        self._mend_control(player, seconds)

    def _mend_control(self, player: str, seconds: float) -> None:
        self._lasts(player, seconds, partial(self.network.mend_control, player))

    # -- the links between the players -------------------------------------------------------------

    def link_cut(self, one: str, other: str, *, seconds: float, fresh: bool) -> None:
        """Both directions are dead; with `fresh`, the old flows stay so."""
        self.cut(one, other, fresh=fresh)
        self._mend_link(one, other, seconds)

    def link_one_way(self, one: str, other: str, *, seconds: float) -> None:
        """What one sends to the other is lost; the other way is well."""
        self.cut(one, other, one_way=True)
        self._mend_link(one, other, seconds)

    def _mend_link(self, one: str, other: str, seconds: float) -> None:
        mend = partial(self.network.mend, one, other)
        self._lasts(frozenset((one, other)), seconds, mend)

    def link_flap(self, one: str, other: str, *, times: int, off: float, on: float) -> None:
        """It goes and comes."""
        cut = partial(self.link_cut, one, other, seconds=off, fresh=False)
        for beat in range(times):
            self.later(beat * (off + on), cut)

    def link_channel(self, one: str, other: str, *, lag: float) -> None:
        """The channel is closed, which one end sees first; its path is well."""
        for link in dict.fromkeys(self.network.space._links.values()):
            if {link.player, link.peer} == {one, other}:
                self.later(0.0 if link.player == one else lag, partial(_lose_channel, link))

    def link_weather(
        self,
        *,
        seconds: float,
        loss: float = 0.0,
        duplication: float = 0.0,
        reordering: float = 0.0,
    ) -> None:
        """Packets are lost, doubled, or overtaken, everywhere."""
        now = self._weather
        self._weather = attrs.evolve(
            now,
            loss=max(loss, now.loss),
            duplication=max(duplication, now.duplication),
            reordering=max(reordering, now.reordering),
        )
        self.network.peer_weather(self._weather)
        self._lasts("weather", seconds, self.fair_weather)

    # -- players -----------------------------------------------------------------------------------

    def player_reload(
        self, player: str, *, gone: bool, after: float | None, new_token: bool
    ) -> None:
        """The program is closed or killed; the next one comes after a while, or not yet."""
        if gone:
            self.kill(player)
        else:
            self.close(player)
        if after is not None:
            self.later(after, partial(self._start_if_vacant, player, new_token))

    def _start_if_vacant(self, player: str, new_token: bool) -> None:
        if player in self.vacant():
            server_lives = self.coordinator is not None and self.state is not State.ENDED
            self.start(player, new_token=new_token and server_lives)

    def player_duplicate(self, player: str, *, stuck: float) -> None:
        """A second tab; what it says may be stuck for a while once it has been offered the seat."""
        self.duplicate(player)
        if stuck:
            clog = partial(self.control_clog, player, up=True, down=False, seconds=stuck)
            self.later(0.05, clog)

    def player_sleep(self, player: str, *, seconds: float) -> None:
        """The machine sleeps: nothing runs, and nothing gets through."""
        for program in self.programs:
            if program.player == player and program.alive:
                program.process.stall(seconds)
        if self.policy.topology.peer_to_peer:
            for other in self.players:
                if other != player:
                    self.link_cut(player, other, seconds=seconds, fresh=False)
        self.control_clog(player, up=True, down=True, seconds=seconds)

    def player_clock_jump(self, player: str, *, seconds: float) -> None:
        """The clock of the player's machine is set forward."""
        self.present(player).process.jump(seconds)

    def player_intruder(self, player: str, *, seconds: float) -> None:
        """Somebody with the player's token takes the seat, and lies."""
        self.intruded.add(player)
        intruder = Intruder(
            self.network.client(player, runtime=self.runtime.process()),
            session=SESSION,
            player=player,
            token=self._tokens[player],
            others=[one for one in self.players if one != player],
            seed=f"{self.seed}/intruder/{self.runtime.now()}",
        )
        self.intruders.append(intruder)
        self.later(seconds, intruder.stop)

    def player_forger(self, player: str, *, what: str, seconds: float) -> None:
        """Somebody without a good token tries to take the seat."""
        forger = Forger(
            self.network.client(player, runtime=self.runtime.process()),
            session=SESSION,
            player=player,
            token=self._wrong_token(player, what),
            others=[one for one in self.players if one != player],
            seed=f"{self.seed}/forger/{self.runtime.now()}",
        )
        self.intruders.append(forger)
        self.later(seconds, forger.stop)

    def _wrong_token(self, player: str, what: str) -> str:
        void = self._void_tokens.get(player)
        if what == "void" and void is not None and not self.opens(player, void):
            return void
        if what == "another's":
            return next(self._tokens[one] for one in self.players if one != player)
        return "not-a-token-of-anybody"

    def opens(self, player: str, token: str) -> bool:
        """Whether this token opens the player's seat, by what is stored."""
        record = self.store.load(SESSION)
        seats = () if record is None else record.seats
        digest = tokens.digest(token)
        return any(one.player == player and one.token_digest == digest for one in seats)

    def player_game_fails(self, player: str) -> None:
        """The game raises the next time that it is asked for its state."""
        FailsOnce(self.present(player).client)

    def player_quirk(self, player: str, *, what: str) -> None:
        """The program tells what it knows of its surroundings."""
        client = self.present(player).client
        match what:
            case "hidden":
                client.hidden(True)
            case "shown":
                client.hidden(False)
            case "busy":
                client.busy(1.0)
            case _:
                client.network_changed()

    # -- the server and its store ------------------------------------------------------------------

    def server_crash(self, *, down: float, wall_jump: float) -> None:
        """The process is killed in the middle of whatever it does."""
        if self.coordinator is not None:
            self.wall_jump += wall_jump
            self.kill_server(down=down)

    def server_restart(self, *, down: float) -> None:
        """The process is ended in order, and another one is started."""
        if self.coordinator is not None:
            self.stop_server(down=down)

    def server_stall(self, *, seconds: float) -> None:
        """The process hangs."""
        self.server.stall(seconds)

    def server_ends_game(self) -> None:
        """The server's application ends the game."""
        with suppress(LocalProtocolError):  # it is over already, or there is no server
            self.session.end("completed")

    def store_trouble(self, *, what: str, seconds: float) -> None:
        """The store fails in one of its ways."""
        self.store.trouble = Trouble(what)
        self._lasts("store", seconds, self._store_is_well)

    def _store_is_well(self) -> None:
        self.store.trouble = None


def _lose_channel(link: MemoryLink) -> None:
    link.lose_channel()
