"""Links of aiortc over loopback, through a path that can be cut."""

import asyncio
import gc
import json
import random
import re
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any

import aioice.ice
import aioice.stun
import pytest

from reconnect.core.messages import AttemptKind
from reconnect.links.aiortc import AiortcLink, AiortcLinks
from reconnect.links.aiortc_path import BUFFERED_MAX
from reconnect.policy import IceServer
from reconnect.testing.path import UdpPath
from reconnect.testing.path_links import PathLink, PathLinks

SOON = 20.0  # s; the most that anything here may take on a busy machine
QUIET = 0.3  # s in which nothing comes
LOOPBACK = ["127.0.0.1"]

Signal = tuple[str, str, str]


async def until(condition: Callable[[], object], *, within: float = SOON) -> None:
    async with asyncio.timeout(within):
        while not condition():
            await asyncio.sleep(0.005)


def living_paths() -> int:
    coroutines = [task.get_coro() for task in asyncio.all_tasks()]
    return sum(getattr(one, "__qualname__", "") == "Path.live" for one in coroutines)


class End:
    """One player: writes down what its link says, and hands signals to the far end."""

    def __init__(self, player: str, path: UdpPath, **options: Any) -> None:
        self.player = player
        self.links = AiortcLinks(addresses=LOOPBACK, **options)
        self.through = PathLinks(self.links, path, player=player)
        self.far: End | None = None
        self.signals: list[Signal] = []
        self.frames: list[bytes] = []
        self.channels: list[bool] = []
        self.states: list[str] = []
        self.failures: list[tuple[str, str]] = []
        self.successes: list[str] = []

    def opens(self, far: "End") -> None:
        self.far = far
        self.link: PathLink = self.through.open(far.player, 1, self)

    def attempts(
        self, attempt_id: str, *, offers: bool, servers: tuple[IceServer, ...] = ()
    ) -> None:
        self.link.attempt(attempt_id, kind=AttemptKind.REBUILD, offers=offers, ice_servers=servers)

    async def says(self, kind: str) -> Signal:
        """The signal of this kind, when it has been said."""
        await until(lambda: any(kind == said[1] for said in self.signals))
        return next(said for said in self.signals if kind == said[1])

    def signal(self, attempt_id: str, kind: str, payload: str) -> None:
        self.signals.append((attempt_id, kind, payload))
        if self.far is not None:
            self.far.link.signal(attempt_id, kind, payload)

    def received(self, frame: bytes) -> None:
        self.frames.append(frame)

    def channel(self, is_open: bool) -> None:
        self.channels.append(is_open)

    def ice(self, state: str) -> None:
        self.states.append(state)

    def succeeded(self, attempt_id: str) -> None:
        self.successes.append(attempt_id)

    def failed(self, attempt_id: str, cause: str) -> None:
        self.failures.append((attempt_id, cause))


class Pair:
    """Alice, who offers, and Bob."""

    def __init__(self, path: UdpPath, **options: Any) -> None:
        self.path = path
        self.alice = End("alice", path, **options)
        self.bob = End("bob", path, **options)
        self.alice.opens(self.bob)
        self.bob.opens(self.alice)
        self.number = 0

    @property
    def ends(self) -> tuple[End, End]:
        return self.alice, self.bob

    def attempts(self, attempt_id: str, **options: Any) -> None:
        self.bob.attempts(attempt_id, offers=False, **options)
        self.alice.attempts(attempt_id, offers=True, **options)

    async def connects(self, attempt_id: str = "1", **options: Any) -> float:
        """How long it took from the attempt to data both ways."""
        opened = [end.channels.count(True) for end in self.ends]
        began = asyncio.get_running_loop().time()
        self.attempts(attempt_id, **options)
        for end, before in zip(self.ends, opened, strict=True):
            await until(lambda: end.channels.count(True) > before)  # noqa: B023 (awaited here)
        await self.round_trip()
        return asyncio.get_running_loop().time() - began

    async def round_trip(self, *, within: float = SOON, every: float = 0.01) -> float:
        """How long it takes until a new frame of each end has arrived; repeated until it has."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        self.number += 1
        frames = [b"%d of %d" % (self.number, id(end)) for end in self.ends]
        async with asyncio.timeout(within):
            while frames[0] not in self.bob.frames or frames[1] not in self.alice.frames:
                for end, frame in zip(self.ends, frames, strict=True):
                    end.link.send(frame)
                await asyncio.sleep(every)
        return loop.time() - began

    async def is_dead(self) -> bool:
        try:
            await self.round_trip(within=QUIET)
        except TimeoutError:
            return True
        return False

    async def ends_all(self) -> None:
        for end in self.ends:
            end.link.close()
        for end in self.ends:
            async with asyncio.timeout(SOON):
                await end.links.closed()


@pytest.fixture
async def path() -> AsyncIterator[UdpPath]:
    """And no test may leave a task, a socket, or an exception that nobody heard of."""
    unheard: list[dict[str, Any]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: unheard.append(context))
    path = UdpPath(seed=1)
    yield path
    path.close()
    await until(lambda: len(asyncio.all_tasks()) == 1)
    gc.collect()
    await asyncio.sleep(0)
    assert not unheard


@pytest.fixture
async def pair(path: UdpPath) -> AsyncIterator[Pair]:
    pair = Pair(path)
    yield pair
    await pair.ends_all()


# -- connecting ------------------------------------------------------------------------------------


async def test_connects(pair: Pair) -> None:
    """One attempt, and frames go both ways, through the path only; each end hears of it once."""
    took = await pair.connects()
    print(f"\nconnect: {took * 1000:.0f} ms")
    for end in pair.ends:
        assert end.channels == [True]
        assert end.successes == ["1"]
        assert end.states == ["connected"]
        assert end.failures == []
        assert end.link.send(bytes(1150))
    await until(lambda: all(bytes(1150) in end.frames for end in pair.ends))
    assert pair.path.counts("alice", "bob").passed > 5
    assert pair.path.counts("bob", "alice").passed > 5


@pytest.mark.parametrize("options", [{"negotiated": False}, {"label": "x", "channel_id": 7}])
async def test_channels_of_another_kind(path: UdpPath, options: dict[str, Any]) -> None:
    """The channel can be announced, or agreed on with another label and number."""
    pair = Pair(path, **options)
    await pair.connects()
    assert [end.channels for end in pair.ends] == [[True], [True]]
    await pair.ends_all()


async def test_announced_channel_of_another_label(path: UdpPath) -> None:
    """An announced channel that is not the one agreed on is closed, and carries nothing."""
    pair = Pair(path, negotiated=False)
    pair.bob.links.label = "another"
    pair.attempts("1")
    await until(lambda: pair.alice.channels == [True, False])
    assert pair.bob.channels == []
    await pair.ends_all()


@pytest.mark.parametrize("channel_id", [-1, 65534, 1.0, True, "0"])
def test_channel_id_is_checked(channel_id: Any) -> None:
    """A number that is no channel's is refused where it is given."""
    with pytest.raises(ValueError, match="channel_id"):
        AiortcLinks(channel_id=channel_id)


async def test_trickled_candidates(pair: Pair) -> None:
    """A far end may send its candidates one by one, even before its description."""
    pair.alice.far = None
    pair.bob.far = None
    pair.attempts("1")
    for end, far, kind in (pair.alice, pair.bob, "offer"), (pair.bob, pair.alice, "answer"):
        _, _, payload = await end.says(kind)
        sdp = json.loads(payload)["sdp"]
        candidates = re.findall(r"a=(candidate:.*)\r\n", sdp)
        bare = re.sub(r"a=(candidate:.*|end-of-candidates)\r\n", "", sdp)
        signals = [
            ("candidate", {"candidate": one, "sdpMid": "0", "sdpMLineIndex": 0})
            for one in (*candidates, "candidate:1 1 tcp 1 127.0.0.1 9 typ host tcptype active")
        ]
        signals.insert(1, (kind, {"type": kind, "sdp": bare}))
        signals.append(("candidate", {"candidate": "", "sdpMid": "0", "sdpMLineIndex": 0}))
        signals.append(("candidate", {"candidate": 5}))
        for name, raw in signals:
            far.link.signal("1", name, json.dumps(raw))
    await pair.round_trip()


async def test_silent_server(pair: Pair) -> None:
    """A STUN server that does not answer costs each end one second, not five."""
    servers = (IceServer(["stun:127.0.0.1:9"]),)
    took = await pair.connects(servers=servers)
    print(f"\nconnect with a silent STUN server: {took * 1000:.0f} ms")
    assert took < 5


async def test_no_address(path: UdpPath) -> None:
    """Where there is nothing to offer the attempt fails, instead of waiting for ever."""
    pair = Pair(path)
    pair.alice.links.addresses = []
    pair.attempts("1")
    await until(lambda: pair.alice.failures == [("1", "no_address")])
    await pair.ends_all()


async def test_bad_server(pair: Pair) -> None:
    """A server that aiortc cannot make sense of fails the attempt."""
    pair.alice.attempts("1", offers=True, servers=(IceServer(["ftp://example.org"]),))
    await until(lambda: pair.alice.failures == [("1", "ValueError")])


# -- rebuilding ------------------------------------------------------------------------------------


async def test_rebuild_beside_the_old(pair: Pair) -> None:
    """While a new peer connection is built, and when it takes over, every frame arrives."""
    await pair.connects("1")
    sent: list[bytes] = []
    over = asyncio.Event()

    async def play() -> None:
        while not over.is_set():
            sent.append(b"step %d" % len(sent))
            assert all(end.link.send(sent[-1]) for end in pair.ends)
            await asyncio.sleep(0.005)

    game = asyncio.create_task(play())
    await until(lambda: len(sent) > 10)
    pair.attempts("2")
    await until(lambda: all(end.channels == [True, True] for end in pair.ends))
    assert living_paths() == 4
    await until(lambda: living_paths() == 2)  # the old ones have been retired
    before = len(sent)
    await until(lambda: len(sent) > before + 20)
    over.set()
    await game
    for end in pair.ends:
        await until(lambda: set(sent) <= set(end.frames))  # noqa: B023 (awaited here)
        assert end.channels == [True, True]
        assert end.successes == ["1", "2"]
        assert end.failures == []
    assert sum(end.frames.count(sent[0]) for end in pair.ends) == 2


async def test_rebuild_after_a_fresh_cut(pair: Pair) -> None:
    """Where the old flows stay dead, a new peer connection brings the link back."""
    await pair.connects("1")
    pair.path.cut("alice", mode="fresh")
    assert await pair.is_dead()
    pair.path.mend("alice")
    assert await pair.is_dead()
    took = await pair.connects("2")
    trips = sorted([await pair.round_trip(every=0.001) for _ in range(10)])
    print(f"\nrebuild after a fresh cut: {took * 1000:.0f} ms; then {trips[5] * 1000:.1f} ms RTT")
    assert trips[5] < 0.5
    await until(lambda: living_paths() == 2)


async def test_attempt_during_a_cut(pair: Pair) -> None:
    """An attempt begun while the path is cut succeeds when it is mended, by itself."""
    await pair.connects("1")
    pair.path.cut("alice", "bob", mode="fresh")
    pair.attempts("2")
    assert await pair.is_dead()
    pair.path.mend("alice", "bob")
    await pair.round_trip()
    assert [end.channels for end in pair.ends] == [[True, True], [True, True]]


async def test_heals_itself(pair: Pair) -> None:
    """Three seconds without a path, no attempt, and the old channel carries frames again."""
    await pair.connects("1")
    pair.path.cut("alice", "bob")
    for _ in range(30):
        assert all(end.link.send(b"heartbeat") for end in pair.ends)
        await asyncio.sleep(0.1)
    assert not any(end.frames.count(b"heartbeat") for end in pair.ends)
    pair.path.mend("alice", "bob")
    took = await pair.round_trip(every=0.002)
    print(f"\nself-heal after 3 s: {took * 1000:.0f} ms")
    for end in pair.ends:
        assert end.channels == [True]
        assert end.states == ["connected"]


async def test_one_way_cut(pair: Pair) -> None:
    """A path that is cut in one direction still carries frames in the other."""
    await pair.connects("1")
    pair.path.cut("alice", "bob", one_way=True)
    assert pair.alice.link.send(b"to bob")
    assert pair.bob.link.send(b"to alice")
    await until(lambda: b"to alice" in pair.alice.frames)
    assert b"to bob" not in pair.bob.frames
    pair.path.mend("alice", "bob")
    await pair.round_trip()


async def test_newer_channel_lost(pair: Pair) -> None:
    """When the newest channel closes while an older one is still open, the older one stays."""
    await pair.connects("1")
    await pair.connects("2")
    newest = pair.bob.link.inner
    assert isinstance(newest, AiortcLink)
    newest._open[-1]._end("test")
    await until(lambda: living_paths() == 2)
    await asyncio.sleep(2.2)  # past the time of its retirement
    assert pair.alice.link.send(b"still here")
    await until(lambda: b"still here" in pair.bob.frames)
    assert pair.alice.channels == [True, True]


# -- attempts that come to nothing -----------------------------------------------------------------


@pytest.mark.parametrize("kind", [AttemptKind.RESTART, AttemptKind.RELAY])
async def test_unsupported(pair: Pair, kind: AttemptKind) -> None:
    """What stock aiortc cannot do fails once the call has returned, and costs nothing."""
    await pair.connects("1")
    pair.alice.link.attempt("2", kind=kind, offers=True, ice_servers=())
    assert pair.alice.failures == []
    await until(lambda: pair.alice.failures == [("2", "unsupported")])
    await pair.round_trip()


async def test_abandon(pair: Pair) -> None:
    """An abandoned attempt is closed, its late answer unheard, and the old channel works on."""
    await pair.connects("1")
    pair.bob.far = None
    pair.attempts("2")
    answer = await pair.bob.says("answer")
    while answer[0] != "2":
        pair.bob.signals.remove(answer)
        answer = await pair.bob.says("answer")
    for end in pair.ends:
        end.link.abandon("none")
        end.link.abandon("2")
    await until(lambda: living_paths() == 2)
    pair.alice.link.signal(*answer)
    await pair.round_trip()
    for end in pair.ends:
        assert end.channels == [True]
        assert end.successes == ["1"]
        assert end.failures == []


async def test_abandon_what_has_opened(pair: Pair) -> None:
    """An attempt that has opened is the link now, and cannot be abandoned."""
    await pair.connects("1")
    for end in pair.ends:
        end.link.abandon("1")
    await pair.round_trip()
    assert living_paths() == 2


async def test_stale_signals(pair: Pair) -> None:
    """A newer attempt voids the older; what is said of any other attempt is not heard."""
    pair.bob.attempts("1", offers=False)
    pair.alice.attempts("1", offers=True)
    pair.attempts("2")
    pair.bob.link.signal("0", "offer", "{}")
    pair.bob.link.signal("1", "offer", "{}")
    await until(lambda: all(end.channels == [True] for end in pair.ends))
    await pair.round_trip()
    assert {said[0] for end in pair.ends for said in end.signals} == {"2"}
    assert [end.failures for end in pair.ends] == [[], []]
    assert living_paths() == 2


async def test_doubled_signals(pair: Pair) -> None:
    """Signals that come twice, or that are not this end's to hear, change nothing."""
    await pair.connects("1")
    for end in pair.ends:
        for said in (*pair.alice.signals, *pair.bob.signals, ("1", "abort", ""), ("1", "", "")):
            end.link.signal(*said)
    await pair.round_trip()
    assert [end.failures for end in pair.ends] == [[], []]


async def test_no_way_is_found(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """When ICE finds no way the attempt fails by itself, and the link is as it was before."""
    monkeypatch.setattr(aioice.stun, "RETRY_MAX", 2)
    monkeypatch.setattr(aioice.stun, "RETRY_RTO", 0.1)
    await pair.connects("1")
    pair.path.cut("alice", "bob")
    pair.attempts("2")
    for end in pair.ends:
        await until(lambda: end.failures == [("2", "connection_failed")])  # noqa: B023
    pair.path.mend("alice", "bob")
    await pair.round_trip()
    assert [end.channels for end in pair.ends] == [[True], [True]]


# -- a far end that means no good ------------------------------------------------------------------

FINGERPRINT = "sha-256 " + ":".join(["AB"] * 32)
GOOD = [
    "v=0",
    "o=- 1 1 IN IP4 0.0.0.0",
    "s=-",
    "t=0 0",
    "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
    "c=IN IP4 0.0.0.0",
    "a=mid:0",
    "a=ice-ufrag:abcd",
    "a=ice-pwd:abcdefghijklmnopqrstuv",
    f"a=fingerprint:{FINGERPRINT}",
    "a=setup:active",
    "a=sctp-port:5000",
    "a=end-of-candidates",
]


def description(kind: str, lines: list[str]) -> str:
    return json.dumps({"type": kind, "sdp": "\r\n".join(lines) + "\r\n"})


BAD = {
    "nothing": ("", "malformed"),
    "not JSON": ("v=0\r\n", "malformed"),
    "deep": ("[" * 10_000, "malformed"),
    "long": (" " * 20_000, "too_large"),
    "a list": ("[]", "malformed"),
    "no SDP": ('{"type": "KIND"}', "malformed"),
    "a number": ('{"type": "KIND", "sdp": 5}', "malformed"),
    "another kind": (description("pranswer", GOOD), "malformed"),
    "empty": (description("KIND", []), "malformed"),
    "video": (description("KIND", [*GOOD, "m=video 9 UDP/TLS/RTP/SAVPF 96"]), "malformed"),
    "two channels": (description("KIND", GOOD + GOOD), "malformed"),
} | {
    f"no {line}": (description("KIND", [one for one in GOOD if one != line]), "malformed")
    for line in GOOD
    if line.startswith(("m=", "a=")) and line != "a=end-of-candidates"
}


@pytest.mark.parametrize("name", BAD)
async def test_bad_description(pair: Pair, name: str) -> None:
    """A description that is none fails the attempt at either end, and nothing else."""
    payload, cause = BAD[name]
    pair.alice.far = None
    pair.attempts("1")
    await pair.alice.says("offer")
    pair.bob.link.signal("1", "offer", payload.replace("KIND", "offer"))
    pair.alice.link.signal("1", "answer", payload.replace("KIND", "answer"))
    await until(lambda: all(end.failures == [("1", cause)] for end in pair.ends))
    assert living_paths() <= 2
    pair.alice.far = pair.bob


async def test_mangled_descriptions(pair: Pair) -> None:
    """However a good offer is mangled, nothing but the attempt can fail, and the link works on."""
    await pair.connects("1")
    offer = pair.alice.signals[0][2]
    chance = random.Random(5)
    pair.bob.far = None
    for number in range(40):
        text = list(offer)
        for _ in range(chance.choice([1, 1, 2, 20])):
            where = chance.randrange(len(text))
            match chance.randrange(3):
                case 0:
                    text[where] = chr(chance.choice([0, 32, 48, 57, 58, 92, 255, 8232, 55296]))
                case 1:
                    del text[where : where + chance.choice([1, 10, 100])]
                case _:
                    text[where:where] = text[where : where + chance.choice([1, 10, 100])]
        pair.bob.attempts(f"bad {number}", offers=False)
        pair.bob.link.signal(f"bad {number}", "offer", "".join(text))
        said = len(pair.bob.signals)
        await until(lambda: pair.bob.failures or len(pair.bob.signals) > said)  # noqa: B023
        pair.bob.failures.clear()
    pair.bob.link.abandon("bad 39")
    await pair.round_trip()
    assert pair.bob.channels == [True]


async def test_flood_of_signals(pair: Pair) -> None:
    """An attempt listens to so many signals and no more."""
    pair.bob.attempts("1", offers=False)
    for _ in range(10_000):
        pair.bob.link.signal("1", "candidate", "{}")
    inner = pair.bob.link.inner
    assert isinstance(inner, AiortcLink)
    assert inner._attempted is not None
    assert inner._attempted._inbox.qsize() < 100


async def test_stray_packets(pair: Pair) -> None:
    """Packets of a stranger, even an empty one, do a link no harm."""
    await pair.connects("1")
    stranger = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    for end in pair.ends:
        ports = [re.search(r"127\.0\.0\.1 (\d+) typ", payload) for _, _, payload in end.signals]
        for port in (int(found[1]) for found in ports if found):
            for data in (b"", b"\x00", b"\x14", b"\x80", bytes(2000), b"\x16\xfe\xfd" + bytes(99)):
                stranger.sendto(data, ("127.0.0.1", port))
    stranger.close()
    await pair.round_trip()
    await asyncio.sleep(QUIET)
    await pair.round_trip()
    assert [end.channels for end in pair.ends] == [[True], [True]]


async def test_far_end_breaks_the_rules(pair: Pair) -> None:
    """What SCTP of a far end may not do costs the channel, and is heard as that."""
    await pair.connects("1")
    mallory = pair.alice.link.inner
    assert isinstance(mallory, AiortcLink)
    assert mallory._current is not None
    assert mallory._current._pc is not None
    sctp = mallory._current._pc.sctp
    assert sctp is not None
    channel_open_again = b"\x03" + bytes(11)
    await sctp._send(0, 50, channel_open_again)
    await until(lambda: pair.bob.channels == [True, False])
    assert not pair.bob.link.send(b"x")
    await pair.connects("2")


async def test_text_is_not_a_frame(pair: Pair) -> None:
    """A far end that sends text is not heard; what it sends next is."""
    await pair.connects("1")
    inner = pair.alice.link.inner
    assert isinstance(inner, AiortcLink)
    assert inner._current is not None
    assert inner._current._channel is not None
    inner._current._channel.send("text")
    await pair.round_trip()
    assert all(isinstance(frame, bytes) for frame in pair.bob.frames)
    assert b"text" not in pair.bob.frames


# -- sending and ending ----------------------------------------------------------------------------


async def test_send_without_channel(pair: Pair) -> None:
    """Before the channel opens and after it has closed nothing is sent, and send says so."""
    assert not pair.alice.link.send(b"x")
    pair.attempts("1")
    assert not pair.alice.link.send(b"x")
    await until(lambda: pair.alice.channels == [True])
    assert pair.alice.link.send(b"x")
    pair.alice.link.close()
    assert not pair.alice.link.send(b"x")


async def test_send_says_when_too_much_waits(pair: Pair) -> None:
    """On a dead path send takes about 64 KiB and no more; back again, it takes frames."""
    await pair.connects("1")
    pair.path.cut("alice", "bob")
    taken = 0
    while pair.alice.link.send(bytes(1000)):
        taken += 1000
        assert taken < 3 * BUFFERED_MAX
        await asyncio.sleep(0)
    assert taken > BUFFERED_MAX
    pair.path.mend("alice", "bob")
    await pair.round_trip()


async def test_close_is_heard(pair: Pair) -> None:
    """When one end closes, the other hears that its channel is gone, at once."""
    await pair.connects("1")
    pair.alice.link.close()
    pair.alice.link.close()
    await until(lambda: pair.bob.channels == [True, False])
    assert pair.bob.states[-1] == "closed"
    assert not pair.bob.link.send(b"x")
    assert pair.alice.channels == [True]
    pair.alice.attempts("2", offers=True)
    pair.alice.link.abandon("1")
    await until(lambda: living_paths() == 0)


async def test_dead_path_is_given_up_by_aiortc(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a path that stays dead aiortc closes by itself, and that is heard."""
    monkeypatch.setattr(aioice.ice, "CONSENT_INTERVAL", 0.1)
    await pair.connects("1")
    pair.path.cut("alice", "bob")
    await until(lambda: all(end.channels == [True, False] for end in pair.ends))
    for end in pair.ends:
        assert end.states[-1] == "closed"
        assert not end.link.send(b"x")
    pair.path.mend("alice", "bob")
    await pair.connects("2")


async def test_ends_at_any_time(path: UdpPath) -> None:
    """Whenever links are closed, nothing is left, and nothing more is heard."""
    chance = random.Random(11)
    for _ in range(25):
        pair = Pair(path)
        pair.attempts("1")
        if chance.random() < 0.3:
            path.cut("alice", "bob", one_way=chance.random() < 0.5)
        await asyncio.sleep(chance.random() * 0.06)
        if chance.random() < 0.3:
            pair.attempts("2")
            await asyncio.sleep(chance.random() * 0.03)
        first, second = chance.sample(pair.ends, 2)
        first.link.close()
        heard = [list(one) for one in (first.signals, first.channels, first.failures)]
        await asyncio.sleep(chance.random() * 0.01)
        second.link.close()
        await pair.ends_all()
        assert living_paths() == 0
        assert heard == [first.signals, first.channels, first.failures]
        path.mend("alice", "bob")


async def test_exception_in_the_hearer(pair: Pair) -> None:
    """An exception in who hears ends at the event loop; the link works on."""
    unheard: list[object] = []
    loop = asyncio.get_running_loop()
    handler = loop.get_exception_handler()
    await pair.connects("1")
    loop.set_exception_handler(lambda _, context: unheard.append(context.get("exception")))
    received, pair.bob.received = pair.bob.received, lambda frame: 1 / 0  # type: ignore[method-assign]
    pair.alice.link.send(b"x")
    await until(lambda: unheard)
    assert [type(one) for one in unheard] == [ZeroDivisionError]
    pair.bob.received = received  # type: ignore[method-assign]
    loop.set_exception_handler(handler)
    await pair.round_trip()


async def test_logs_no_secrets(path: UdpPath) -> None:
    """What is logged names the peer, the attempt and the cause; never an address or a password."""

    class Log:
        def __init__(self, lines: list[str], **values: object) -> None:
            self.lines, self.values = lines, values

        def bind(self, **values: object) -> "Log":
            return Log(self.lines, **self.values, **values)

        def _log(self, event: str, **values: object) -> None:
            self.lines.append(f"{event} {self.values} {values}")

        debug = info = warning = error = _log

    lines: list[str] = []
    pair = Pair(path, logger=Log(lines))
    await pair.connects("1")
    pair.bob.attempts("2", offers=False)
    offer = pair.alice.signals[0][2]
    pair.bob.link.signal("2", "offer", offer.replace("a=setup", "a=nothing"))
    await until(lambda: pair.bob.failures)
    await pair.ends_all()
    assert any("reconnect.path_opened" in line and "alice" in line for line in lines)
    assert any("reconnect.signal_refused" in line for line in lines)
    password = re.search(r"ice-pwd:(\w+)", offer)
    assert password is not None
    assert not any("127.0.0.1" in line or password[1] in line for line in lines)
