"""Faults: everything that can go wrong next in an abstract network, each once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TypeAlias

from attrs import define

from reconnect.core.outlook import Play
from reconnect.core.table import State as SessionState
from reconnect.testing.abstract.folds import Told
from reconnect.testing.abstract.network import Network
from reconnect.testing.abstract.scene import DOWN, NOBODY, Fault, Label, Line, Scene, State

Harm: TypeAlias = Iterator[tuple[str, Scene]]
"""What goes wrong, and the scene after it."""


@define(eq=False)
class Faults:
    """What can go wrong in a network."""

    network: Network

    def steps(self, state: State) -> Iterator[tuple[Label, State]]:
        """Every fault that may still come, wherever it can strike."""
        left = state[0]
        for fault in dict.fromkeys(left):
            rest = list(left)
            rest.remove(fault)
            for what, scene in self._how[fault](self, state):
                scene.faults = tuple(rest)
                yield (f"FAULT {fault}: {what}", NOBODY), self.network.written(scene)

    # -- control connections -----------------------------------------------------------------------

    def _drop(self, state: State) -> Harm:
        for scene, line in self._lines(state):
            if line.server_open and not line.broken:
                scene.cut(line)
                yield f"the connection of {line.player} breaks", scene

    def _slow(self, state: State) -> Harm:
        for scene, line in self._lines(state):
            if not line.loose:
                line.loose = True
                yield f"the connection of {line.player} becomes slow", scene

    def _lines(self, state: State) -> Iterator[tuple[Scene, Line]]:
        for at in range(len(state[5])):
            scene = Scene.of(state)
            if scene.lines[at].client_open:
                yield scene, scene.lines[at]

    # -- the coordinator ---------------------------------------------------------------------------

    def _crash(self, state: State) -> Harm:
        scene = Scene.of(state)
        if not scene.up:
            return
        self._dies(scene)
        yield "the coordinator's process dies", scene
        for what, told in self._told(Scene.of(state)):
            scene = Scene.of(state)
            _, orders = self.network.folds.to_session(scene.session, told)
            for order in orders:
                if order[0] == "save":
                    scene.record = order[1]
                    self._dies(scene)
                    yield f"{what}, saves, and dies before it says so", scene

    def _told(self, scene: Scene) -> Iterator[tuple[str, Told]]:
        """What the session might handle next."""
        if scene.hung:
            return
        for at, line in enumerate(scene.lines):
            if line.server_open and line.up:
                yield f"K reads of {line.player}", ("report", at + 1, line.player, line.up[0])
        if self.network.folds.due(scene.session):
            yield "K looks at the clock", ("time",)

    def _dies(self, scene: Scene) -> None:
        scene.session, scene.hung = DOWN, False
        for line in scene.lines:
            line.loose = line.broken = line.up_cut = True
            scene.closed_by_server(line)

    def _hang(self, state: State) -> Harm:
        scene = Scene.of(state)
        if scene.up and not scene.hung:
            scene.hung = True
            yield "the coordinator's process stands still", scene

    def _finish(self, state: State) -> Harm:
        scene = Scene.of(state)
        folds = self.network.folds
        if scene.up and folds.session(scene.session).state is not SessionState.ENDED:
            for _, after in self.network.session_hears(scene, ("finished",), ""):
                yield "the host ends the game", Scene.of(after)

    # -- programs ----------------------------------------------------------------------------------

    def _reload(self, state: State) -> Harm:
        for scene, at, name in self._awake(state):
            self.network.client_hears(scene, at, ("closing",))
            self._succeeded(scene, at)
            yield f"{name} is closed in order, to be started again", scene

    def _vanish(self, state: State) -> Harm:
        for what, scene, at in self._gone(state):
            self._succeeded(scene, at)
            del scene.clients[at]
            yield f"{what}, to be started again", scene

    def _die(self, state: State) -> Harm:
        for what, scene, at in self._gone(state):
            del scene.clients[at]
            yield f"{what}, for ever", scene

    def _succeeded(self, scene: Scene, at: int) -> None:
        player = self.network.folds.peer(scene.clients[at][0]).player
        scene.successors = tuple(sorted((*scene.successors, player)))

    def _gone(self, state: State) -> Iterator[tuple[str, Scene, int]]:
        """Each program without its connections; it has yet to be taken out."""
        for scene, at, name in self._living(state):
            for line in scene.lines:
                if line.client == at:
                    scene.closed_by_client(line)
                    scene.cut(line)
                    line.client = NOBODY
                elif line.client > at:
                    line.client -= 1
            scene.works = frozenset(
                (one - (one > at), other - (other > at))
                for one, other in scene.works
                if at not in (one, other)
            )
            yield f"{name} is gone without a word", scene, at

    def _duplicate(self, state: State) -> Harm:
        for scene, at, name in self._living(state):
            player = self.network.folds.peer(scene.clients[at][0]).player
            self.network.starts(scene, player)
            yield f"beside {name} another program of {player} is started", scene

    def _stall(self, state: State) -> Harm:
        for scene, at, name in self._awake(state):
            scene.clients[at] = scene.clients[at][0], True
            yield f"{name} stands still", scene

    def _leave(self, state: State) -> Harm:
        for scene, at, name in self._awake(state):
            self.network.client_hears(scene, at, ("leaves",))
            yield f"{name} leaves", scene

    def _give_up(self, state: State) -> Harm:
        for scene, at, name in self._awake(state):
            if not self.network.folds.peer(scene.clients[at][0]).control.attached:
                self.network.client_hears(scene, at, ("gives up",))
                yield f"{name} gives up", scene

    def _living(self, state: State) -> Iterator[tuple[Scene, int, str]]:
        for at, (client, _) in enumerate(state[4]):
            if not self.network.folds.peer(client).ended:
                scene = Scene.of(state)
                yield scene, at, self.network.name(scene, at)

    def _awake(self, state: State) -> Iterator[tuple[Scene, int, str]]:
        for scene, at, name in self._living(state):
            if not scene.clients[at][1]:
                yield scene, at, name

    # -- what arrives twice ------------------------------------------------------------------------

    def _stale_report(self, state: State) -> Harm:
        for at, line in enumerate(Scene.of(state).lines):
            for message in line.up[:1]:
                scene = Scene.of(state)
                scene.copy = "report", at, message
                yield f"what {line.player} says next will arrive once more", scene

    def _stale_view(self, state: State) -> Harm:
        for at, line in enumerate(Scene.of(state).lines):
            for message in line.down[:1]:
                scene = Scene.of(state)
                scene.copy = "view", at, message
                yield f"what {line.player} is told next will arrive once more", scene

    # -- links -------------------------------------------------------------------------------------

    def _link_break(self, state: State) -> Harm:
        for pair in sorted(state[8]):
            scene = Scene.of(state)
            scene.works -= {pair}
            yield "the link breaks", scene

    def _link_death(self, state: State) -> Harm:
        scene = Scene.of(state)
        scene.works, scene.dead = frozenset(), True
        yield "the link breaks, for ever", scene

    def _false_alarm(self, state: State) -> Harm:
        for scene, at, name in self._awake(state):
            peer = self.network.folds.peer(scene.clients[at][0])
            for far in [far for far, link in peer.links.items() if link.channel]:
                after = Scene.of(state)
                if peer.play in (Play.ARMED, Play.PLAYING, Play.HALTED):
                    self.network.client_hears(after, at, ("channel", far, False))
                    yield f"{name} takes its link for broken", after

    _how: Mapping[Fault, Callable[[Faults, State], Harm]] = {
        Fault.DROP: _drop,
        Fault.SLOW: _slow,
        Fault.CRASH: _crash,
        Fault.HANG: _hang,
        Fault.RELOAD: _reload,
        Fault.VANISH: _vanish,
        Fault.DIE: _die,
        Fault.DUPLICATE: _duplicate,
        Fault.STALL: _stall,
        Fault.LEAVE: _leave,
        Fault.FINISH: _finish,
        Fault.GIVE_UP: _give_up,
        Fault.STALE_REPORT: _stale_report,
        Fault.STALE_VIEW: _stale_view,
        Fault.LINK_BREAK: _link_break,
        Fault.LINK_DEATH: _link_death,
        Fault.FALSE_ALARM: _false_alarm,
    }
