"""Links of aiortc over loopback, through a path that can be cut."""

import asyncio
import re
from typing import Any

import pytest

from reconnect.core.messages import AttemptKind
from reconnect.links.aiortc import AiortcLink, AiortcLinks
from reconnect.testing.check_link import check_link
from reconnect.testing.path import UdpPath
from tests.links.pair import LOOPBACK, Pair, living_paths, until


@pytest.mark.parametrize("negotiated", [True, False])
def test_it_keeps_every_promise(negotiated: bool) -> None:
    """As every link does, whether both ends open the channel or one announces it."""

    def links() -> AiortcLinks:
        return AiortcLinks(addresses=LOOPBACK, negotiated=negotiated)

    check_link(lambda: (links(), links()), quiet=0.1)


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


@pytest.mark.parametrize("channel_id", [-1, 65534, 1.0, True, "0"])
def test_channel_id_is_checked(channel_id: Any) -> None:
    """A number that is no channel's is refused where it is given."""
    with pytest.raises(ValueError, match="channel_id"):
        AiortcLinks(channel_id=channel_id)


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
    assert living_paths() == 4
    await until(lambda: all(end.channels == [True, True] for end in pair.ends))
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


async def test_doubled_signals(pair: Pair) -> None:
    """Signals that come twice, or that are not this end's to hear, change nothing."""
    await pair.connects("1")
    for end in pair.ends:
        for said in (*pair.alice.signals, *pair.bob.signals, ("1", "abort", ""), ("1", "", "")):
            end.link.signal(*said)
    await pair.round_trip()
    assert [end.failures for end in pair.ends] == [[], []]


# -- sending and ending ----------------------------------------------------------------------------


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


async def test_exception_in_the_hearer(pair: Pair) -> None:
    """An exception in who hears ends at the event loop; the link works on."""

    class Full(list[bytes]):
        def append(self, frame: bytes) -> None:
            raise ZeroDivisionError

    unheard: list[object] = []
    loop = asyncio.get_running_loop()
    handler = loop.get_exception_handler()
    await pair.connects("1")
    loop.set_exception_handler(lambda _, context: unheard.append(context.get("exception")))
    pair.bob.frames = Full()
    pair.alice.link.send(b"x")
    await until(lambda: unheard)
    assert [type(one) for one in unheard] == [ZeroDivisionError]
    pair.bob.frames = []
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
