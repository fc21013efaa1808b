"""Wires: the links between clients, which work or do not, and what their ends notice.

A link is mended where both ends may mend it. An end notices in the same second what has become of
its link; that the program at the far end stands still, it may notice at any time.
"""

from __future__ import annotations

from collections.abc import Iterator

from attrs import define, field

from reconnect.core.outlook import Play
from reconnect.testing.abstract.exchange import Exchange
from reconnect.testing.abstract.folds import Told
from reconnect.testing.abstract.scene import NOBODY, Label, Scene, State


@define(eq=False)
class Wires(Exchange):
    """What happens on links."""

    urgent: bool = field(default=False, init=False)
    """Whether something has to happen in this second, in the scene that is being looked at."""

    def link_steps(self, state: State) -> Iterator[tuple[Label, State]]:
        """A link is mended, or one end of one notices how it is."""
        scene = Scene.of(state)
        for one in range(len(scene.clients)):
            for other in range(one + 1, len(scene.clients)):
                if self._mendable(scene, one, other):
                    mended = Scene.of(state)
                    mended.works |= {(one, other)}
                    yield ("a link is mended", NOBODY), self.written(mended)
        for at, (client, stalled) in enumerate(scene.clients):
            if not stalled and not self.folds.peer(client).ended:
                for far in self.folds.peer(client).links:
                    yield from self._end_steps(state, at, far)

    def _end_steps(self, state: State, at: int, far: str) -> Iterator[tuple[Label, State]]:
        scene = Scene.of(state)
        peer = self.folds.peer(scene.clients[at][0])
        link = peer.links[far]
        other = self.far_end(scene, at, far)
        works = other is not None and (min(at, other), max(at, other)) in scene.works
        answers = other is not None and not scene.clients[other][1]
        name = self.name(scene, at)
        told: Told
        if link.channel and not (works and answers):
            self.urgent |= not works
            told, what = ("channel", far, False), f"{name} notices that its link is down"
        elif not link.channel and works and answers:
            self.urgent = True
            told, what = ("channel", far, True), f"{name} notices that its link is up"
        elif (
            link.channel
            and peer.play is Play.HALTED
            and not link.probed
            and self.hears(scene, other, peer.player)
        ):
            self.urgent = True
            told, what = ("probed", far), f"{name}'s probe is answered"
        else:
            return
        self.client_hears(scene, at, told)
        yield (what, NOBODY), self.written(scene)

    def hears(self, scene: Scene, at: int | None, far: str) -> bool:
        """Whether this client's end of the link to `far` is up."""
        return at is not None and self.folds.peer(scene.clients[at][0]).links[far].channel

    def far_end(self, scene: Scene, at: int, far: str) -> int | None:
        """The client at the other end of a client's link to `far`."""
        for other, (client, _) in enumerate(scene.clients):
            if self.folds.peer(client).player == far and self.mutual(scene, at, other):
                return other
        return None

    def _mendable(self, scene: Scene, one: int, other: int) -> bool:
        (a, a_stalled), (b, b_stalled) = scene.clients[one], scene.clients[other]
        if scene.dead or a_stalled or b_stalled or (one, other) in scene.works:
            return False
        near, far = self.folds.peer(a), self.folds.peer(b)
        return (
            self.mutual(scene, one, other)
            and near.mends_now(far.player)
            and far.mends_now(near.player)
        )
