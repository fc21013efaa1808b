"""Network: all that can happen next to one session, its clients, and what is between.

Time is whole seconds. On a line (a control connection) that works, whatever is sent is read in
the same second, in any order with what happens elsewhere; so is everything that is due. On a line
that is `loose`, what is sent may be read at any time or never, and each end may notice that it is
broken at any time or never.
"""

from __future__ import annotations

from collections.abc import Iterator

from attrs import define

from reconnect.core.control import Dialled
from reconnect.testing.abstract.folds import LawBroken
from reconnect.testing.abstract.scene import DOWN, NOBODY, Fault, Label, Line, Scene, State
from reconnect.testing.abstract.wires import Wires


@define(eq=False)
class Network(Wires):
    """What can happen without any fault."""

    def beginning(self, faults: tuple[Fault, ...]) -> State:
        """A new session, and a client of each player that has not dialled yet."""
        session, record = self.folds.born()
        clients = [(self.folds.begun(player), False) for player in self.folds.players]
        return self.written(Scene(tuple(sorted(faults)), session, record, False, clients, []))

    def steps(self, state: State) -> Iterator[tuple[Label, State]]:
        """Everything that can happen next; that a second passes comes last."""
        self.urgent = False
        for at in range(len(state[5])):
            yield from self._line_steps(state, at)
        for at in range(len(state[4])):
            yield from self._client_steps(state, at)
        yield from self._coordinator_steps(state)
        scene = Scene.of(state)
        for player in scene.successors:
            scene = Scene.of(state)
            self.starts(scene, player)
            left = [*scene.successors]
            left.remove(player)
            scene.successors = tuple(left)
            yield (f"{player}'s program is started again", NOBODY), self.written(scene)
        if self.policy.topology.peer_to_peer:
            yield from self.link_steps(state)
        if not self.urgent:
            scene = Scene.of(state)
            self._second_passes(scene)
            yield ("a second passes", NOBODY), self.written(scene)

    def starts(self, scene: Scene, player: str) -> None:
        """A new program of this player."""
        scene.clients.append((self.folds.begun(player), False))
        scene.several |= {player}

    def _second_passes(self, scene: Scene) -> None:
        folds = self.folds
        scene.session = scene.session if scene.session < 0 else folds.older(scene.session)
        scene.record = scene.record if scene.record < 0 else folds.older(scene.record)
        scene.clients = [(folds.older(client), stalled) for client, stalled in scene.clients]

    def _line_steps(self, state: State, at: int) -> Iterator[tuple[Label, State]]:
        line = Line(*state[5][at])
        acts = line.client >= 0 and not state[4][line.client][1]
        hears = line.server_open and state[1] != DOWN and not state[3]
        reads = line.client_open and acts
        if hears and (line.up or not line.client_open):
            self.urgent |= not line.loose
            if line.up:
                scene = Scene.of(state)
                scene.lines[at].up = line.up[1:]
                told = ("report", at + 1, line.player, line.up[0])
                yield from self.session_hears(scene, told, f"K reads of {line.player}", line.up[0])
            else:
                yield from self._server_sees_end(Scene.of(state), at)
        if reads and (line.down or not line.server_open):
            self.urgent |= not line.loose
            if line.down:
                scene = Scene.of(state)
                scene.lines[at].down = line.down[1:]
                name = self.name(scene, line.client)
                self.client_hears(scene, line.client, ("view", line.down[0]))
                yield (f"{name} reads", line.down[0]), self.written(scene)
            else:
                yield self._client_sees_end(Scene.of(state), at)
        if line.broken and reads and (line.server_open or line.down):
            yield self._client_sees_end(Scene.of(state), at)
        if line.broken and hears and (line.client_open or line.up):
            yield from self._server_sees_end(Scene.of(state), at)

    def _client_sees_end(self, scene: Scene, at: int) -> tuple[Label, State]:
        line = scene.lines[at]
        name = self.name(scene, line.client)
        scene.closed_by_client(line)
        self.client_hears(scene, line.client, ("closed",))
        return (f"{name} sees that its connection is gone", NOBODY), self.written(scene)

    def _server_sees_end(self, scene: Scene, at: int) -> Iterator[tuple[Label, State]]:
        line = scene.lines[at]
        scene.closed_by_server(line)
        what = f"K sees that a connection of {line.player} is gone"
        return self.session_hears(scene, ("closed", at + 1), what)

    def _client_steps(self, state: State, at: int) -> Iterator[tuple[Label, State]]:
        client, stalled = state[4][at]
        scene = Scene.of(state)
        name = self.name(scene, at)
        if stalled:
            scene.clients[at] = client, False
            yield (f"{name} goes on", NOBODY), self.written(scene)
            return
        dialled = self.folds.peer(client).control.dialled
        if dialled is Dialled.DIALLING and scene.up and not scene.hung:
            self.urgent = True
            player = self.folds.peer(client).player
            scene.lines.append(Line(at, player))
            self.client_hears(scene, at, ("opened",))
            yield (f"{name} is connected", NOBODY), self.written(scene)
        if self.folds.due(client):
            self.urgent = True
            scene = Scene.of(state)
            self.client_hears(scene, at, ("time",))
            if scene.clients[at][0] == client:
                raise LawBroken("time stands still for a client")
            yield (f"{name} looks at the clock", NOBODY), self.written(scene)

    def _coordinator_steps(self, state: State) -> Iterator[tuple[Label, State]]:
        scene = Scene.of(state)
        if not scene.up:
            scene.session = self.folds.loaded(scene.record)
            yield ("K is started again", NOBODY), self.written(scene)
            return
        if scene.hung:
            scene.hung = False
            yield ("K goes on", NOBODY), self.written(scene)
        elif self.folds.due(scene.session):
            self.urgent = True
            before = scene.session
            for label, after in self.session_hears(scene, ("time",), "K looks at the clock"):
                if scene.session == before:
                    raise LawBroken("time stands still for the session")
                yield label, after
        if scene.copy is not None:
            yield from self._once_more(Scene.of(state))

    def _once_more(self, scene: Scene) -> Iterator[tuple[Label, State]]:
        assert scene.copy is not None
        what, at, message = scene.copy
        scene.copy = None
        line = scene.lines[at]
        if what == "report" and line.server_open and not scene.hung:
            told = ("report", at + 1, line.player, message)
            yield from self.session_hears(
                scene, told, f"K reads once more of {line.player}", message
            )
        elif what == "view" and line.client_open and not scene.clients[line.client][1]:
            name = self.name(scene, line.client)
            self.client_hears(scene, line.client, ("view", message))
            yield (f"{name} reads once more", message), self.written(scene)
