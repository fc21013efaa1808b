"""Exchange: who hears what, and what becomes of what is said.

At most `queue` views wait on a line. Where the reader can read, the session's next step waits for
it; where it may not, what would be too much is lost with everything behind it, as on a connection
that has died without anybody noticing. A client's reports are not held back: how many can wait is
bounded by what makes it report.
"""

from __future__ import annotations

from collections.abc import Iterator

from attrs import define

from reconnect.core.messages import Reason
from reconnect.testing.abstract.bank import Id
from reconnect.testing.abstract.folds import LawBroken, Told
from reconnect.testing.abstract.scene import NOBODY, Label, Line, Scene, State
from reconnect.testing.abstract.scribe import Scribe

REPORTS_MAX = 8  # on a line that works; more would be a loop


@define(eq=False)
class Exchange(Scribe):
    """Hands events to the folds, and what they order to the lines."""

    queue: int = 1

    def client_hears(self, scene: Scene, at: int, told: Told) -> None:
        """A client handles an event, and what it orders is done."""
        client, stalled = scene.clients[at]
        after, orders = self.folds.to_client(client, told)
        scene.clients[at] = after, stalled
        peer = self.folds.peer(after)
        if peer.reason == Reason.SUPERSEDED and peer.player not in scene.several:
            raise LawBroken("M10: a client is superseded by nobody")
        for order in orders:
            line = scene.line_of(at)
            if line is None:
                continue
            if order[0] == "hang up":
                scene.closed_by_client(line)
            elif not line.up_cut and line.server_open:
                waits = line.loose or scene.hung
                if waits and len(line.up) >= self.queue:
                    line.up_cut = True
                elif len(line.up) >= REPORTS_MAX:
                    raise LawBroken("a client reports without end")
                else:
                    line.up += (order[1],)

    def session_hears(
        self, scene: Scene, told: Told, what: str, message: Id = NOBODY
    ) -> Iterator[tuple[Label, State]]:
        """The session handles an event, and what it orders is done; nothing if it has to wait."""
        after, orders = self.folds.to_session(scene.session, told)
        if any(order[0] == "send" and self._must_wait(scene, order[1]) for order in orders):
            return
        scene.session = after
        for order in orders:
            match order:
                case ("save", record):
                    scene.record = record
                case ("send", conn, view):
                    self._send(scene.lines[conn - 1], view)
                case ("close", conn):
                    scene.closed_by_server(scene.lines[conn - 1])
        yield (what, message), self.written(scene)

    def _must_wait(self, scene: Scene, conn: int) -> bool:
        line = scene.lines[conn - 1]
        full = len(line.down) >= self.queue
        return full and line.client_open and not line.down_cut and self._reads(scene, line)

    def _reads(self, scene: Scene, line: Line) -> bool:
        """Whether what is sent to this client is read in this second."""
        return not line.loose and not scene.clients[line.client][1]

    def _send(self, line: Line, view: Id) -> None:
        if not line.client_open or line.down_cut:
            return
        if len(line.down) < self.queue:
            line.down += (view,)
        else:
            line.down_cut = True

    def name(self, scene: Scene, at: int) -> str:
        """A client's name in a path: its player, and its generation from 2 on."""
        peer = self.folds.peer(scene.clients[at][0])
        return peer.player if peer.gen == 1 else f"{peer.player}[{peer.gen or 'new'}]"
