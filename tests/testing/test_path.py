"""The path injector does to UDP packets what networks do to the link of two players."""

import asyncio
import json
import re
import socket
from collections.abc import AsyncIterator

import pytest

from reconnect.testing.path import FLOWS_MAX, PROXIES_MAX, CutMode, Shape, UdpPath

SOON = 5.0  # s; what comes at all comes in milliseconds
QUIET = 0.1  # s without a packet


class End:
    """A socket of one player."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.sock = socket.socket(family, socket.SOCK_DGRAM)
        self.sock.setblocking(False)
        self.sock.bind((host, 0))
        self.host, self.port = self.sock.getsockname()[:2]

    @property
    def candidate(self) -> str:
        return f"candidate:1 1 udp 2130706431 {self.host} {self.port} typ host"

    def sends(self, data: bytes, port: int) -> None:
        self.sock.sendto(data, ("127.0.0.1", port))

    async def hears(self) -> tuple[bytes, int]:
        """A packet, and the port to answer to."""
        loop = asyncio.get_running_loop()
        data, address = await asyncio.wait_for(loop.sock_recvfrom(self.sock, 2048), SOON)
        return data, address[1]

    async def hears_nothing(self) -> bool:
        loop = asyncio.get_running_loop()
        try:
            await asyncio.wait_for(loop.sock_recvfrom(self.sock, 2048), QUIET)
        except TimeoutError:
            return True
        return False

    def close(self) -> None:
        self.sock.close()


def port_in(payload: str) -> int:
    found = re.search(r"127\.0\.0\.1 (\d+) typ", payload)
    assert found is not None
    return int(found[1])


class Table:
    """Alice, Bob, and a path between them that Bob's candidate made."""

    def __init__(self, path: UdpPath) -> None:
        self.path = path
        self.ends: list[End] = []
        self.bob = self.end()
        self.port = self.leads_to(self.bob, "bob", "alice")

    def end(self, host: str = "127.0.0.1") -> End:
        self.ends.append(End(host))
        return self.ends[-1]

    def leads_to(self, end: End, sender: str, receiver: str) -> int:
        return port_in(self.path.rewrite(end.candidate, sender=sender, receiver=receiver))

    async def works(self, alice: End) -> bool:
        """Whether a packet goes from this socket of Alice's to Bob and one comes back."""
        alice.sends(b"ping", self.port)
        try:
            data, back = await asyncio.wait_for(self.bob.hears(), QUIET)
        except TimeoutError:
            return False
        assert data == b"ping"
        self.bob.sends(b"pong", back)
        try:
            data, back = await asyncio.wait_for(alice.hears(), QUIET)
        except TimeoutError:
            return False
        assert (data, back) == (b"pong", self.port)
        return True


@pytest.fixture
async def table() -> AsyncIterator[Table]:
    path = UdpPath(seed=7)
    table = Table(path)
    yield table
    path.close()
    for end in table.ends:
        end.close()


# -- what is rewritten -----------------------------------------------------------------------------


async def test_rewrites_every_candidate(table: Table) -> None:
    """Each UDP candidate of an SDP leads to a proxy of its own; everything else is left alone."""
    sdp = (
        "v=0\r\nm=application 5 UDP/DTLS/SCTP webrtc-datachannel\r\na=ice-ufrag:abcd\r\n"
        "a=candidate:1 1 udp 2130706431 192.0.2.7 40000 typ host\r\n"
        "a=candidate:2 1 UDP 1694498815 2001:db8::7 40001 typ srflx raddr 192.0.2.7 rport 4\r\n"
        "a=candidate:3 1 tcp 1518280447 192.0.2.7 9 typ host tcptype active\r\n"
    )
    said = table.path.rewrite(sdp, sender="carol", receiver="dave")
    ports = re.findall(r"127\.0\.0\.1 (\d+) typ (?:host|srflx)", said)
    assert len(set(ports)) == 2
    expected = sdp.replace("192.0.2.7 40000", f"127.0.0.1 {ports[0]}")
    assert said == expected.replace("2001:db8::7 40001", f"127.0.0.1 {ports[1]}")


async def test_rewrites_json(table: Table) -> None:
    """Descriptions and trickled candidates in JSON stay JSON; a browser's hidden name is led on."""
    name = "candidate:1 1 udp 1 0e4c-af.local 40000 typ host generation 0"
    for raw in (
        {"type": "offer", "sdp": f"v=0\r\na={name}\r\n"},
        {"candidate": name, "sdpMid": "0", "sdpMLineIndex": 0},
    ):
        said = json.loads(table.path.rewrite(json.dumps(raw), sender="carol", receiver="dave"))
        assert said.keys() == raw.keys()
        assert ".local" not in str(said)
        assert "127.0.0.1" in str(said)


@pytest.mark.parametrize(
    "payload",
    [
        "",
        "{}",
        "\x00candidate:",
        '{"candidate": "", "sdpMid": "0"}',
        "candidate:1 1 udp 1 example.org 40000 typ host",
        "candidate:1 1 udp 1 127.0.0.1 0 typ host",
        "candidate:1 1 udp 1 127.0.0.1 65536 typ host",
    ],
)
async def test_leaves_the_rest(table: Table, payload: str) -> None:
    """What has no address in it is passed on as it is."""
    assert table.path.rewrite(payload, sender="carol", receiver="dave") == payload


async def test_same_candidate_same_proxy(table: Table) -> None:
    """A signal that is repeated leads to the same proxy; another receiver gets one of its own."""
    again = table.leads_to(table.bob, "bob", "alice")
    other = table.leads_to(table.bob, "bob", "carol")
    assert again == table.port
    assert other != table.port


# -- packets ---------------------------------------------------------------------------------------


async def test_both_ways(table: Table) -> None:
    """Packets go through, and the answers come back to the socket that began; both are counted."""
    assert await table.works(table.end())
    assert await table.works(table.end())
    assert table.path.counts("alice", "bob").passed == 2
    assert table.path.counts("bob", "alice").passed == 2


async def test_ipv6(table: Table) -> None:
    """A candidate of the other address family is led through, too."""
    bob = table.end("::1")
    alice = table.end()
    alice.sends(b"six", table.leads_to(bob, "bob", "alice"))
    assert (await bob.hears())[0] == b"six"


async def test_same_cut(table: Table) -> None:
    """A cut loses everything both ways; mended, the same sockets work again."""
    alice = table.end()
    assert await table.works(alice)
    table.path.cut("alice", "bob")
    assert not await table.works(alice)
    assert table.path.counts("alice", "bob").cut == 1
    table.path.mend("alice", "bob")
    assert await table.works(alice)


async def test_fresh_cut(table: Table) -> None:
    """After a fresh cut old sockets stay dead; those first seen during it, or later, work."""
    alice, during = table.end(), table.end()
    assert await table.works(alice)
    table.path.cut("alice", "bob", mode="fresh")
    assert not await table.works(alice)
    assert not await table.works(during)
    table.path.mend("alice", "bob")
    assert not await table.works(alice)
    assert await table.works(during)
    assert await table.works(table.end())


async def test_one_way(table: Table) -> None:
    """A one-way cut loses what one sends and lets through what it is sent."""
    alice = table.end()
    assert await table.works(alice)
    table.path.cut("bob", "alice", one_way=True)
    alice.sends(b"ping", table.port)
    _, back = await table.bob.hears()
    table.bob.sends(b"pong", back)
    assert await alice.hears_nothing()
    table.path.mend("alice", "bob")
    assert await table.works(alice)


async def test_one_way_fresh(table: Table) -> None:
    """A fresh one-way cut kills the old flows in that direction only."""
    alice = table.end()
    assert await table.works(alice)
    table.path.cut("bob", "alice", mode=CutMode.FRESH, one_way=True)
    table.path.mend("bob", "alice")
    alice.sends(b"ping", table.port)
    _, back = await table.bob.hears()
    table.bob.sends(b"pong", back)
    assert await alice.hears_nothing()


async def test_cut_of_one_player(table: Table) -> None:
    """A cut without a far end is for all paths of that player, and for no other path."""
    alice, carol = table.end(), table.end()
    assert await table.works(alice)
    to_carol = table.leads_to(carol, "carol", "dave")
    table.path.cut("alice")
    assert not await table.works(alice)
    alice.sends(b"not cut", to_carol)
    assert (await carol.hears())[0] == b"not cut"
    table.path.mend("alice")
    assert await table.works(alice)


async def test_delay(table: Table) -> None:
    """Packets of the shaped direction arrive later, those of the other at once."""
    alice = table.end()
    table.path.shape("alice", "bob", Shape(delay=0.08, jitter=0.01), one_way=True)
    loop = asyncio.get_running_loop()
    began = loop.time()
    alice.sends(b"ping", table.port)
    _, back = await table.bob.hears()
    assert loop.time() - began >= 0.08
    table.bob.sends(b"pong", back)
    await alice.hears()
    assert table.path.counts("alice", "bob").passed == 1


async def test_loss(table: Table) -> None:
    """The share of packets that is lost is the one asked for, and what is not lost arrives."""
    alice = table.end()
    table.path.shape("alice", "bob", Shape(loss=0.5))
    heard = 0
    for _ in range(50):
        for _ in range(4):
            alice.sends(b"x", table.port)
        counts = table.path.counts("alice", "bob")
        before = counts.passed + counts.lost
        async with asyncio.timeout(SOON):
            while counts.passed + counts.lost < before + 4:
                await asyncio.sleep(0)
        while heard < counts.passed:
            await table.bob.hears()
            heard += 1
    assert counts.lost + counts.passed == 200
    assert 60 <= counts.lost <= 140
    assert await table.bob.hears_nothing()


async def test_seed_decides() -> None:
    """The same seed loses the same packets."""
    lost = []
    for _ in range(2):
        path = UdpPath(seed=3)
        table = Table(path)
        alice = table.end()
        path.shape("alice", "bob", Shape(loss=0.5))
        counts = path.counts("alice", "bob")
        pattern = []
        for _ in range(32):
            alice.sends(b"x", table.port)
            before = counts.lost + counts.passed
            async with asyncio.timeout(SOON):
                while counts.lost + counts.passed == before:
                    await asyncio.sleep(0)
            pattern.append(counts.lost)
        lost.append(pattern)
        path.close()
        for end in table.ends:
            end.close()
    assert lost[0] == lost[1]


async def test_nobody_there(table: Table) -> None:
    """A player whose socket is gone costs nobody else anything."""
    gone = table.end()
    port = table.leads_to(gone, "carol", "alice")
    gone.close()
    alice = table.end()
    for _ in range(3):
        alice.sends(b"x", port)
        assert await table.works(alice)


async def test_bounds(table: Table) -> None:
    """However many candidates and sockets there are, open sockets are bounded; the idle ones go."""
    alice = table.end()
    for port in range(10_000, 10_000 + PROXIES_MAX + 20):
        table.path.rewrite(
            f"candidate:1 1 udp 1 192.0.2.1 {port} typ host", sender="carol", receiver="dave"
        )
        if port % 20 == 0:
            assert await table.works(alice)
    for _ in range(FLOWS_MAX - 1):
        assert await table.works(table.end())
    assert not await table.works(table.end())
    assert await table.works(alice)


async def test_closed(table: Table) -> None:
    """Closed, nothing is passed on, also nothing that was on its way."""
    alice = table.end()
    assert await table.works(alice)
    table.path.shape("alice", "bob", Shape(delay=0.02))
    alice.sends(b"late", table.port)
    counts = table.path.counts("alice", "bob")
    async with asyncio.timeout(SOON):
        while counts.passed < 2:
            await asyncio.sleep(0)
    table.path.close()
    assert await table.bob.hears_nothing()
