"""Links whose far ends are reached through a path injector."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import define, field

from reconnect.core.messages import AttemptKind
from reconnect.policy import IceServer
from reconnect.ports import Closing, Link, LinkHears, Links
from reconnect.testing.remote import Rewrites


@define(eq=False)
class PathLinks:
    """`inner`, the links of `player`, with every address that a far end signals led through `path`.

    Both ends of a link need one, or only one direction of finding each other is led through.
    """

    inner: Links
    path: Rewrites
    player: str = field(kw_only=True)
    kind: str = field(init=False)
    mends: frozenset[AttemptKind] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.kind = self.inner.kind
        self.mends = self.inner.mends

    def open(self, peer: str, generation: int, hears: LinkHears) -> PathLink:
        """The inner link to `peer`, led through the path."""
        return PathLink(self.inner.open(peer, generation, hears), self.path, peer, self.player)

    async def closed(self) -> None:
        """Return when the inner links have ended all their tasks, where they have any."""
        if isinstance(self.inner, Closing):
            await self.inner.closed()


@define(eq=False)
class PathLink:
    """A link that rewrites what its far end signals, and is the inner one in all else."""

    inner: Link
    _path: Rewrites
    _peer: str
    _player: str

    def attempt(
        self,
        attempt_id: str,
        *,
        kind: AttemptKind,
        offers: bool,
        ice_servers: Sequence[IceServer],
    ) -> None:
        self.inner.attempt(attempt_id, kind=kind, offers=offers, ice_servers=ice_servers)

    def abandon(self, attempt_id: str) -> None:
        self.inner.abandon(attempt_id)

    def signal(self, attempt_id: str, kind: str, payload: str) -> None:
        payload = self._path.rewrite(payload, sender=self._peer, receiver=self._player)
        self.inner.signal(attempt_id, kind, payload)

    def send(self, frame: bytes) -> bool:
        return self.inner.send(frame)

    def close(self) -> None:
        self.inner.close()
