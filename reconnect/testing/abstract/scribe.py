"""Scribe: writes a scene down so that two scenes with the same future are the same value."""

from __future__ import annotations

from attrs import define

from reconnect.policy import Policy
from reconnect.testing.abstract.bank import Id
from reconnect.testing.abstract.client import AbstractPeer
from reconnect.testing.abstract.folds import Folds
from reconnect.testing.abstract.scene import NO_RECORD, NOBODY, Fault, Scene, State
from reconnect.testing.abstract.values import CONN, SEQ


@define(eq=False)
class Scribe:
    """Knows what in a scene can have no effect any more, and which numbers are the least."""

    folds: Folds

    @property
    def policy(self) -> Policy:
        """What the session and the clients go by."""
        return self.folds.policy

    def written(self, scene: Scene) -> State:
        """The scene without what can have no effect any more, and with the least numbers."""
        if Fault.CRASH not in scene.faults and scene.up:
            scene.record = NO_RECORD
        if scene.copy is not None:
            what, at, _ = scene.copy
            line = scene.lines[at]
            if not (line.server_open if what == "report" else line.client_open):
                scene.copy = None
        self._sort_clients(scene)
        self._sort_lines(scene)
        if self.policy.topology.peer_to_peer:
            scene.works = frozenset([pair for pair in scene.works if self.mutual(scene, *pair)])
        self._renumber(scene)
        return (
            scene.faults,
            scene.session,
            scene.record,
            scene.hung,
            tuple(scene.clients),
            tuple([line.written() for line in scene.lines]),
            scene.successors,
            scene.copy,
            scene.works,
            scene.dead,
            scene.several,
        )

    def _sort_clients(self, scene: Scene) -> None:
        """By player, the older ones first; without those that are over."""
        order = [
            at
            for player in self.folds.players
            for at, (client, _) in enumerate(scene.clients)
            if self.folds.peer(client).player == player and not self.folds.over(client)
        ]
        if order == [*range(len(scene.clients))]:
            return
        place = {old: new for new, old in enumerate(order)}
        scene.clients = [scene.clients[old] for old in order]
        for line in scene.lines:
            line.client = place.get(line.client, NOBODY)
        scene.works = frozenset(
            (place[one], place[other])
            for one, other in scene.works
            if one in place and other in place
        )

    def _sort_lines(self, scene: Scene) -> None:
        """By client, the older ones first; without those of which nothing can be heard."""
        known = self._conns(scene)
        order = [
            at
            for at, line in enumerate(scene.lines)
            if line.client_open or (line.server_open and (line.up or at + 1 in known))
        ]
        order.sort(key=lambda at: (scene.lines[at].client, scene.lines[at].player))
        if order == [*range(len(scene.lines))]:
            return
        place = {old: new for new, old in enumerate(order)}
        scene.lines = [scene.lines[old] for old in order]
        if scene.copy is not None:
            what, line, message = scene.copy
            scene.copy = (what, place[line], message) if line in place else None
        if scene.up:
            named = self.folds.numbers(scene.session)[self.folds.places[CONN, ""]]
            new = [(name, place[name - 1] + 1 if name - 1 in place else None) for name in named]
            if any(old != now for old, now in new):
                scene.session = self.folds.reconnect(scene.session, tuple(sorted(new)))

    def _conns(self, scene: Scene) -> set[int | None]:
        if not scene.up:
            return set()
        return {one.conn for one in self.folds.session(scene.session).members.values()}

    def _renumber(self, scene: Scene) -> None:
        folds = self.folds
        others = [one for one in (scene.session, scene.record) if one >= 0]
        for line in scene.lines:
            others += line.up
            others += line.down
        if scene.copy is not None:
            others.append(scene.copy[2])
        numbers = [
            set[int]().union(*some) for some in zip(*map(folds.numbers, others), strict=True)
        ]
        for at, (client, stalled) in enumerate(scene.clients):
            waited = frozenset(numbers[folds.places[SEQ, folds.peer(client).player]])
            scene.clients[at] = folds.forget(client, waited), stalled
        for client, _ in scene.clients:
            for some, more in zip(numbers, folds.numbers(client), strict=True):
                some |= more
        changes = folds.maps(tuple(map(frozenset, numbers)))
        if not changes:
            return

        def new(at: Id) -> Id:
            return at if at < 0 else folds.renumber(at, changes)

        scene.session, scene.record = new(scene.session), new(scene.record)
        scene.clients = [(new(client), stalled) for client, stalled in scene.clients]
        for line in scene.lines:
            if line.up or line.down:
                line.up, line.down = tuple(map(new, line.up)), tuple(map(new, line.down))
        if scene.copy is not None:
            scene.copy = (*scene.copy[:2], new(scene.copy[2]))

    def mutual(self, scene: Scene, one: int, other: int) -> bool:
        """Whether each of two clients has a link to the other."""
        a, b = self.folds.peer(scene.clients[one][0]), self.folds.peer(scene.clients[other][0])
        return _links_to(a, b) and _links_to(b, a)


def _links_to(one: AbstractPeer, other: AbstractPeer) -> bool:
    link = one.links.get(other.player)
    return link is not None and 0 < link.generation == other.gen
