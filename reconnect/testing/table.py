"""Table: a whole session in virtual time, with the real coordinator, the real clients, your game.

    def test_my_game_survives_a_cut():
        table = Table(MyGame, players=["alice", "bob"])
        table.until_playing()
        table.cut("alice", "bob")
        table.run(3)
        assert table.paused
        table.mend()
        table.until_playing()
        table.assert_nothing_lost()

The same seed and the same calls give the same game; a second of it takes milliseconds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from random import Random
from typing import Any

from reconnect.coordinator import Coordinator
from reconnect.core.messages import Reason
from reconnect.core.notices import SessionNotice
from reconnect.core.table import State
from reconnect.handle import SessionHandle
from reconnect.policy import Policy, Topology
from reconnect.ports import Marks, Recorder, Snapshots, Store
from reconnect.stores.memory import MemoryStore
from reconnect.testing.lockstep import Lockstep, Spectator, differing
from reconnect.testing.network import ANYBODY, Network, Weather
from reconnect.testing.options import (
    check_game,
    check_players,
    check_seconds,
    check_step,
    names_of,
    policy_of,
)
from reconnect.testing.program import Program
from reconnect.testing.server_process import ServerProcess
from reconnect.testing.virtual import VirtualProcess, VirtualRuntime
from reconnect.testing.witness import Witness, said_so_far, what_is_wrong

SESSION = "game"
STEP = 1 / 30
CLOCK_ERROR = 0.008  # two clocks differ by less than twice this, which a lease allows for
CLOCKS_APART = 500.0  # s; no two programs agree on what time it is
BIRTH = 1_700_000_000.0  # the wall clock at the beginning
PATIENCE = 60.0  # s
SETTLED = 0.1  # s between two looks at whether everything has arrived
WEATHER = Weather(latency=0.02, jitter=0.01)


class LastingStore(MemoryStore):
    """Outlives the servers of a table, and is used as a disk is."""

    blocking = True


class Table:
    """A session, its server, and the programs of its players; `run` lets time pass.

    `game(player)` makes a program's game; without one, that of `reconnect.testing.lockstep` is
    played. `players` are names, or how many there are. The policy is given whole, or by what
    matters of it: `Table(MyGame, outage_timeout=10.0)`. `weather` is that of the paths between
    the players, `step` the time between two turns of a program.

    What a game raises in its `turn` leaves `run`. Raises `TypeError` for what is no game,
    `ValueError` for a `step` that is no duration, `LookupError` for a player who is not at the
    table, and what `Policy` and `Coordinator.open` raise.
    """

    def __init__(
        self,
        game: Callable[[str], Any] | None = None,
        *,
        players: Sequence[str] | int = 2,
        policy: Policy | None = None,
        seed: int = 0,
        weather: Weather = WEATHER,
        store: Store | None = None,
        recorder: Recorder | None = None,
        step: float = STEP,
        start: bool = True,
        **rules: Any,
    ) -> None:
        __tracebackhide__ = True
        if not (game is None or callable(game)):
            raise TypeError(f"game is a {type(game).__name__}; it must be a class or a function")
        check_step(step)
        self.seed = seed
        self.policy = policy_of(policy, rules)
        self.players = names_of(players)
        self.runtime = VirtualRuntime(seed)
        self.network = Network(self.runtime, seed, control=WEATHER, peers=weather)
        self.weather = weather
        self.store: Store = LastingStore() if store is None else store
        self.save_delay = 0.0
        """By how many seconds each save takes longer; only stores that block take any time."""
        self.wall_jump = 0.0
        """By how much the server's wall clock has been set forward."""
        self.told: list[SessionNotice] = []
        """What the server's application has heard."""
        self.programs: list[Program] = []
        """All there ever were."""
        self.step = step
        self.coordinator: Coordinator | None = None
        self._game = game or self._default_game
        self._recorder = recorder
        self._chance = Random(f"{seed}/table")
        self.session: SessionHandle = self.start_server().open(self.players, id=SESSION)
        self._tokens = {player: self.session.invite(player) for player in self.players}
        if start:
            for player in self.players:
                self.start(player)

    def __repr__(self) -> str:
        return f"<Table of {', '.join(self.players)} at {self.runtime.now():.2f} s: {self.state}>"

    # -- programs ----------------------------------------------------------------------------------

    def start(self, player: str, *, new_token: bool = False) -> Program:
        """Start a program of this player; nothing of an older one's is left to it.

        With `new_token`, older programs of the player cannot come back.
        """
        self._check_player(player)
        if new_token:
            self._tokens[player] = self.session.invite(player)
        token, process = self._tokens[player], self._new_process()
        game = self._game(player)
        check_game(game)
        client = game.client = Witness(
            signaling=self.network.client(player, runtime=process),
            links=self._links(player, process),
            session=SESSION,
            player=player,
            token=token,
            seed=self._chance.getrandbits(32),
            resync=game if isinstance(game, Snapshots | Marks) else None,
        )
        program = Program(player, self._started(player) + 1, token, game, process, client)
        self.programs.append(program)
        self._loop(program, after=self.step * self._chance.random())
        return program

    def present(self, player: str) -> Program:
        """The newest program of this player."""
        self._check_player(player)
        if not self._started(player):
            raise LookupError(f"{player!r} has no program yet: start({player!r})")
        return [program for program in self.programs if program.player == player][-1]

    def games(self) -> dict[str, Any]:
        """The present game of each player who has one."""
        return {player: program.game for player, program in self._present().items()}

    def close(self, player: str) -> None:
        """The player's program is closed in order."""
        self.present(player).client.close()

    def kill(self, player: str) -> None:
        """The player's program is gone without a word; its system closes its connections."""
        self.present(player).process.kill()
        self.network.drop_control(player, tell_client=False)

    def reload(self, player: str, *, gone: bool = False) -> Program:
        """Close the player's program, or kill it if it is to be `gone`, and start another."""
        if gone:
            self.kill(player)
        else:
            self.close(player)
        return self.start(player)

    def duplicate(self, player: str) -> Program:
        """A second tab: another program of the player, while the first one lives on."""
        return self.start(player)

    def leave(self, player: str) -> None:
        """The player leaves for good."""
        self.present(player).client.leave()

    def stall(self, player: str, seconds: float) -> None:
        """The player's program hangs for so long; the system still accepts what arrives."""
        __tracebackhide__ = True
        check_seconds(seconds, "the time to stall")
        self.present(player).process.stall(seconds)

    def sleep(self, player: str, seconds: float) -> None:
        """The player's machine sleeps for so long: nothing runs, and nothing gets through."""
        __tracebackhide__ = True
        self._check_player(player)
        check_seconds(seconds, "the time to sleep")
        for program in self.programs:
            if program.player == player and program.alive:
                program.process.stall(seconds)
        self.network.suspend(player)
        self.runtime.call_at(self.runtime.now() + seconds, partial(self.network.wake, player))

    # -- the network -------------------------------------------------------------------------------

    def cut(
        self, one: str, other: str = ANYBODY, *, one_way: bool = False, fresh: bool = False
    ) -> None:
        """Let nothing pass between two players, or between one and all others.

        With `one_way`, only what `one` sends is lost. With `fresh`, the paths that are in use
        stay dead after `mend`, as behind a router that forgets them. The way to the server is as
        it was: see `unplug`.
        """
        self._check_player(one, other)
        if not self.policy.topology.peer_to_peer:
            raise ValueError(
                f"topology {str(self.policy.topology)!r} has no links between players: "
                "unplug(player) cuts the way to the server"
            )
        self.network.cut(one, other, one_way=one_way, fresh=fresh)

    def unplug(self, player: str) -> None:
        """Everything this player has is cut: the links, and the way to the server."""
        self._check_player(player)
        self.network.unplug(player)

    def mend(self, one: str = ANYBODY, other: str = ANYBODY) -> None:
        """Mend what was cut, refused or held back: of everybody, of one, or between two."""
        self._check_player(one, other)
        self.network.mend(one, other)
        if other == ANYBODY:
            self.network.mend_control(None if one == ANYBODY else one)

    def switch_network(self, player: str) -> None:
        """The player's machine is in another network: old connections are dead, new ones work.

        Nobody is told; `client.network_changed()` is how a program tells.
        """
        self._check_player(player)
        self.network.switch(player)

    # -- the server --------------------------------------------------------------------------------

    def start_server(self) -> Coordinator:
        """The server's next process finds its sessions in the store."""
        self.server = self.network.signaling.runtime = self._server_process()
        self.coordinator = coordinator = Coordinator(
            signaling=self.network.signaling,
            store=self.store,
            policy=self.policy,
            recorder=self._recorder,
            on_notice=self._hear,
            id="server",
            wall=self.wall,
        )
        if (found := coordinator.get(SESSION)) is not None:
            self.session = found
        return coordinator

    def wall(self) -> float:
        """What the server's wall clock says, in seconds since the epoch."""
        return BIRTH + self.runtime.now() + self.wall_jump

    def kill_server(self, *, down: float | None = None) -> None:
        """The server's process is killed: connections break, dials are refused.

        After `down` seconds it is started again; None leaves that to `start_server`.
        """
        self.server.kill()
        self._server_is_gone(down)

    def stop_server(self, *, down: float | None = None) -> None:
        """The same in order: what is being saved is, and the store is closed."""
        assert self.coordinator is not None
        self.coordinator.close()
        self._server_is_gone(down)

    def _server_is_gone(self, down: float | None) -> None:
        __tracebackhide__ = True
        if down is not None:
            check_seconds(down, "down")
        self.coordinator = None
        self.network.signaling.stop()
        self.network.signaling.runtime = self.runtime  # the system refuses dials by itself
        if down is not None:
            self.runtime.call_at(self.runtime.now() + down, self._restart_server)

    def _restart_server(self) -> None:
        """Whatever the process before is still doing, it does no more."""
        if self.coordinator is None:
            self.server.kill()
            self.start_server()

    # -- time --------------------------------------------------------------------------------------

    def run(self, seconds: float) -> None:
        """Let that much time pass."""
        __tracebackhide__ = True
        check_seconds(seconds, "the time to run")
        self.runtime.run(seconds)

    def until(self, condition: Callable[[], object], *, within: float = PATIENCE) -> None:
        """Let time pass until it holds; `AssertionError` says what everybody waits for."""
        if not self.runtime.run_until(condition, within):
            raise AssertionError(f"not within {within:g} s:\n{self.explain()}")

    def until_playing(self, *, within: float = PATIENCE) -> None:
        """Let time pass until everybody plays."""
        self.until(lambda: self.playing, within=within)

    # -- how things stand --------------------------------------------------------------------------

    @property
    def state(self) -> State:
        """That of the session, as it is stored."""
        return self.session.state

    @property
    def playing(self) -> bool:
        """Whether every member plays."""
        present = self._present()
        return all(one in present and present[one].playing for one in self.session.players)

    @property
    def paused(self) -> bool:
        """Whether everybody has stopped, and the game is not over."""
        if self.ended or self.state is State.ENDED:
            return False
        return not any(
            one.playing or (one.alive and not one.hangs and one.client.state is State.CONNECTED)
            for one in self.programs
        )

    @property
    def ended(self) -> bool:
        """Whether the game is over for every player who has a program, and each has heard so."""
        present = [one for one in self._present().values() if one.alive]
        return bool(present) and all(one.client.ended for one in present)

    def explain(self) -> str:
        """Why everybody is where they are, a line for each."""
        lines = [f"session: {self.session.explain()}"]
        for program in self.programs:
            if program.alive and program.client.reason != Reason.SUPERSEDED:
                how = "hangs; " * program.hangs + program.client.explain()
                lines.append(f"{program.name}: {how}")
            lines += [f"{program.name}: {mistake}" for mistake in program.client.mistakes]
        return "\n".join(lines)

    def assert_nothing_lost(self, *, within: float = PATIENCE) -> None:
        """Everything sent by now with `send` arrives: once, in order, without a hole.

        Lets time pass until it has. While somebody does not play, only what has arrived is looked
        at; of players who had several programs, what can be known. The built-in game is compared
        frame by frame.
        """
        lives: dict[str, list[Witness]] = {}
        for program in self.programs:
            lives.setdefault(program.player, []).append(program.client)
        members = self.session.players if self.playing else ()
        due = said_so_far(lives, among=members)
        end = self.runtime.now() + within
        while (wrong := what_is_wrong(lives, due)) is not None and self.runtime.now() < end:
            self.run(SETTLED)
        built_in = [one for one in self.games().values() if isinstance(one, Lockstep)]
        if wrong := wrong or differing(built_in):
            raise AssertionError(f"{wrong}\n{self.explain()}")

    # -- inside ------------------------------------------------------------------------------------

    def _default_game(self, player: str) -> Lockstep | Spectator:
        topology, program = self.policy.topology, f"{player}.{self._started(player) + 1}"
        if topology is Topology.SERVER:
            return Spectator(player)
        star = topology is Topology.STAR
        hub = (self.policy.hub or self.session.players[0]) if star else None
        return Lockstep(player, program=program, seed=self.seed, hub=hub)

    def _check_player(self, *players: str) -> None:
        __tracebackhide__ = True
        check_players(players, among=self.players)

    def _present(self) -> dict[str, Program]:
        return {program.player: program for program in self.programs}

    def _started(self, player: str) -> int:
        return sum(program.player == player for program in self.programs)

    def _new_process(self) -> VirtualProcess:
        """Has a clock that is nobody else's."""
        rate = 1.0 + self._chance.uniform(-CLOCK_ERROR, CLOCK_ERROR)
        return self.runtime.process(rate=rate, offset=self._chance.uniform(0.0, CLOCKS_APART))

    def _server_process(self) -> ServerProcess:
        return ServerProcess(self._new_process(), delay=lambda: self.save_delay)

    def _links(self, player: str, process: VirtualProcess) -> Any:
        if not self.policy.topology.peer_to_peer:
            return None
        return self.network.links(player, runtime=process)

    def _loop(self, program: Program, *, after: float) -> None:
        process = program.process
        process.call_at(process.now() + after, partial(self._turn, program))

    def _turn(self, program: Program) -> None:
        ended = program.client.ended
        try:
            program.game.turn()
        except Exception as error:
            error.add_note(f"in a turn of {program.name}")
            raise
        if not ended:
            self._loop(program, after=self.step)

    def _hear(self, _session: SessionHandle, notice: SessionNotice) -> None:
        self.told.append(notice)
