"""Links behind a path injector are led through it, and are themselves in all else."""

from collections.abc import AsyncIterator

import pytest

from reconnect.core.messages import AttemptKind
from reconnect.ports import LinkHears
from reconnect.testing.path import UdpPath
from reconnect.testing.path_links import PathLinks

CANDIDATE = "candidate:1 1 udp 2130706431 192.0.2.1 40000 typ host"


@pytest.fixture
async def path() -> AsyncIterator[UdpPath]:
    path = UdpPath()
    yield path
    path.close()


class Hears:
    """Somebody who is told nothing here."""

    def signal(self, attempt_id: str, kind: str, payload: str) -> None: ...
    def received(self, frame: bytes) -> None: ...
    def channel(self, is_open: bool) -> None: ...
    def ice(self, state: str) -> None: ...
    def succeeded(self, attempt_id: str) -> None: ...
    def failed(self, attempt_id: str, cause: str) -> None: ...


class Inner:
    """Links that only write down what they are asked."""

    kind = "python"
    mends = frozenset({AttemptKind.REBUILD})

    def __init__(self) -> None:
        self.asked: list[object] = []

    def open(self, peer: str, generation: int, hears: LinkHears) -> "Inner":
        self.asked.append(("open", peer, generation))
        return self

    def attempt(
        self, attempt_id: str, *, kind: AttemptKind, offers: bool, ice_servers: object
    ) -> None:
        self.asked.append(("attempt", attempt_id, kind, offers))

    def abandon(self, attempt_id: str) -> None:
        self.asked.append(("abandon", attempt_id))

    def signal(self, attempt_id: str, kind: str, payload: str) -> None:
        self.asked.append(("signal", attempt_id, kind, payload))

    def send(self, frame: bytes) -> bool:
        self.asked.append(("send", frame))
        return True

    def close(self) -> None:
        self.asked.append("close")


async def test_path_links(path: UdpPath) -> None:
    """Links behind a path hear rewritten signals, and all else as it was said."""
    inner = Inner()
    links = PathLinks(inner, path, player="alice")
    assert (links.kind, links.mends) == (inner.kind, inner.mends)
    link = links.open("bob", 3, Hears())
    link.attempt("1:1", kind=AttemptKind.REBUILD, offers=False, ice_servers=())
    link.signal("1:1", "candidate", CANDIDATE)
    assert link.send(b"x")
    link.abandon("1:1")
    link.close()
    rewritten = path.rewrite(CANDIDATE, sender="bob", receiver="alice")
    assert inner.asked == [
        ("open", "bob", 3),
        ("attempt", "1:1", AttemptKind.REBUILD, False),
        ("signal", "1:1", "candidate", rewritten),
        ("send", b"x"),
        ("abandon", "1:1"),
        "close",
    ]


async def test_closed(path: UdpPath) -> None:
    """Closed are the inner links when they say so, or at once where they have no tasks."""

    class Slow(Inner):
        async def closed(self) -> None:
            self.asked.append("closed")

    for inner, asked in (Inner(), []), (Slow(), ["closed"]):
        await PathLinks(inner, path, player="alice").closed()
        assert inner.asked == asked
