"""One peer connection: how it is made, what it bears from its far end, and how it ends."""

import asyncio
import json
import random
import re
import socket
from typing import Any

import aioice.ice
import aioice.stun
import pytest

from reconnect.links.aiortc import AiortcLink
from reconnect.links.aiortc_path import BUFFERED_MAX
from reconnect.policy import IceServer
from reconnect.testing.path import UdpPath
from tests.links.pair import QUIET, Pair, living_paths, until

# -- making it


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


# -- sending and ending


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
