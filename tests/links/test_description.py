"""What far ends say is read into what a data channel needs, or refused."""

import json
import re

import pytest
from aiortc.sdp import SessionDescription
from hypothesis import given
from hypothesis import strategies as st

from reconnect.errors import RemoteProtocolError
from reconnect.links.description import (
    CANDIDATES_MAX,
    PAYLOAD_MAX,
    read_candidate,
    read_description,
    write_description,
)

FINGERPRINT = ":".join(["0F"] * 32)
CHROMIUM = f"""\
v=0
o=- 4611731400430051336 2 IN IP4 127.0.0.1
s=-
t=0 0
a=group:BUNDLE 0
a=extmap-allow-mixed
a=msid-semantic: WMS
m=application 9 UDP/DTLS/SCTP webrtc-datachannel
c=IN IP4 0.0.0.0
a=candidate:387 1 udp 2113937151 5e5c2d7a-5b7c-4d1e-8a53-0f2d8e1f6a11.local 53811 typ host \
generation 0 network-cost 999
a=candidate:842 1 udp 1677729535 192.0.2.9 53811 typ srflx raddr 0.0.0.0 rport 0 generation 0
a=candidate:159 1 tcp 1518280447 192.0.2.9 9 typ host tcptype active generation 0
a=ice-ufrag:EsAw
a=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1
a=ice-options:trickle
a=fingerprint:sha-256 {FINGERPRINT}
a=setup:actpass
a=mid:0
a=sctp-port:5000
a=max-message-size:262144
"""
FIREFOX = f"""\
v=0
o=mozilla...THIS_IS_SDPARTA-99.0 3478273455 0 IN IP4 0.0.0.0
s=-
t=0 0
a=sendrecv
a=fingerprint:sha-256 {FINGERPRINT}
a=group:BUNDLE 0
a=ice-options:trickle
a=msid-semantic:WMS *
m=application 9 UDP/DTLS/SCTP webrtc-datachannel
c=IN IP4 0.0.0.0
a=sendrecv
a=ice-pwd:0f0e0d0c0b0a09080706050403020100
a=ice-ufrag:0a1b2c3d
a=mid:0
a=setup:actpass
a=sctp-port:5000
a=max-message-size:1073741823
"""
OLD_AIORTC = f"""\
v=0
o=- 1 1 IN IP4 0.0.0.0
s=-
t=0 0
a=group:BUNDLE 0
m=application 40000 DTLS/SCTP 5000
c=IN IP4 192.0.2.9
a=mid:0
a=sctpmap:5000 webrtc-datachannel 65535
a=max-message-size:65536
a=candidate:0 1 udp 2130706431 192.0.2.9 40000 typ host
a=end-of-candidates
a=ice-ufrag:abcd
a=ice-pwd:abcdefghijklmnopqrstuv
a=fingerprint:sha-256 {FINGERPRINT}
a=setup:actpass
"""


def read(sdp: str, *, kind: str = "offer") -> str:
    return read_description(write_description(kind, sdp.replace("\n", "\r\n")), kind=kind)


@pytest.mark.parametrize("sdp", [CHROMIUM, FIREFOX, OLD_AIORTC])
def test_reads_what_others_write(sdp: str) -> None:
    """The descriptions of browsers, and of older aiortc, are understood, with all that matters."""
    media = SessionDescription.parse(read(sdp)).media[0]
    ufrag = re.search(r"a=ice-ufrag:(.*)", sdp)
    password = re.search(r"a=ice-pwd:(.*)", sdp)
    assert ufrag is not None
    assert password is not None
    assert media.kind == "application"
    assert media.sctp_port == 5000
    assert media.rtp.muxId == "0"
    assert (media.ice.usernameFragment, media.ice.password) == (ufrag[1], password[1])
    assert [one.value for one in media.dtls.fingerprints] == [FINGERPRINT]
    assert media.dtls.role == "auto"
    assert media.ice_candidates_complete == ("end-of-candidates" in sdp)


def test_keeps_useful_candidates() -> None:
    """Hidden and public UDP candidates are kept, without what says more about the far end."""
    media = SessionDescription.parse(read(CHROMIUM)).media[0]
    assert [(one.ip, one.port, one.type, one.relatedAddress) for one in media.ice_candidates] == [
        ("5e5c2d7a-5b7c-4d1e-8a53-0f2d8e1f6a11.local", 53811, "host", None),
        ("192.0.2.9", 53811, "srflx", None),
    ]


def test_reading_twice_changes_nothing() -> None:
    """What was written anew reads as itself."""
    once = read(CHROMIUM)
    assert read_description(write_description("offer", once), kind="offer") == once


def test_candidates_are_bounded() -> None:
    """However many addresses a far end names, few are knocked at."""
    lines = "".join(
        f"a=candidate:1 1 udp 1 192.0.2.1 {port} typ host\n" for port in range(1000, 1100)
    )
    media = SessionDescription.parse(read(FIREFOX + lines)).media[0]
    assert len(media.ice_candidates) == CANDIDATES_MAX


def test_an_answer_has_chosen() -> None:
    """An answer that leaves the roles of the handshake open is refused, an offer is not."""
    with pytest.raises(RemoteProtocolError):
        read(FIREFOX, kind="answer")
    assert "a=setup:active" in read(FIREFOX.replace("actpass", "active"), kind="answer")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("a=sctp-port:5000", "a=sctp-port:0"),
        ("a=sctp-port:5000", "a=sctp-port:99999"),
        ("a=sctp-port:5000", "a=sctp-port:\uff15000"),
        ("a=mid:0", "a=mid:0 1"),
        ("a=mid:0", "a=mid:" + "0" * 17),
        ("a=ice-ufrag:", "a=ice-ufrag: "),
        ("a=ice-pwd:0f0e0d0c0b0a09080706050403020100", "a=ice-pwd:short"),
        ("a=setup:actpass", "a=setup:holdconn"),
        ("sha-256", "sha-1"),
        ("0F:0F", "0F0F"),
        ("m=application", "m=audio"),
        ("m=application", "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\nm=application"),
    ],
)
def test_refuses(old: str, new: str) -> None:
    """A value that is none, or a section too many, is refused."""
    assert old in FIREFOX
    with pytest.raises(RemoteProtocolError) as caught:
        read(FIREFOX.replace(old, new))
    assert caught.value.code == "malformed"


def test_refuses_an_old_form_without_a_port() -> None:
    """The older form has its port in the section's first line, held to the same rule."""
    with pytest.raises(RemoteProtocolError):
        read(OLD_AIORTC.replace("DTLS/SCTP 5000", "DTLS/SCTP 99999"))


def test_refuses_what_is_too_large() -> None:
    """A payload that is too long is refused before it is looked at."""
    with pytest.raises(RemoteProtocolError) as caught:
        read_description(" " * (PAYLOAD_MAX + 1), kind="offer")
    assert caught.value.code == "too_large"


@pytest.mark.parametrize(
    "text",
    [
        "candidate:1 1 udp 1 192.0.2.1 40000 typ host",
        "candidate:1 1 UDP 1 2001:db8::1 40000 typ relay raddr :: rport 9 generation 0 ufrag ab",
        "candidate:1 1 udp 1 abc-1.local 40000 typ host",
    ],
)
def test_useful_candidates(text: str) -> None:
    """A UDP candidate with an address or a hidden name is read, also with a leading `a=`."""
    said = read_candidate(json.dumps({"candidate": text, "sdpMid": "0", "sdpMLineIndex": 0}))
    assert said is not None
    assert said.split(" typ ")[0] == text.split(" typ ")[0].replace("UDP", "udp")
    assert read_candidate(json.dumps({"candidate": f"a={text}"})) == said


@pytest.mark.parametrize(
    "text",
    [
        "candidate:1 2 udp 1 192.0.2.1 40000 typ host",  # RTCP
        "candidate:1 1 tcp 1 192.0.2.1 9 typ host tcptype active",
        "candidate:1 1 udp 1 192.0.2.1 0 typ host",
        "candidate:1 1 udp 1 192.0.2.1 65536 typ host",
        "candidate:1 1 udp 1 224.0.0.251 5353 typ host",
        "candidate:1 1 udp 1 0.0.0.0 40000 typ host",
        "candidate:1 1 udp 1 fe80::1%eth0 40000 typ host",
        "candidate:1 1 udp 1 999.0.2.1 40000 typ host",
        "candidate:1 1 udp 1 example.org 40000 typ host",
        "candidate:1 1 udp 1 a.b.local 40000 typ host",
        "candidate:1 1 udp 1 192.0.2.1 40000 typ other",
        "candidate:1 1 udp 99999999999 192.0.2.1 40000 typ host",
        "candidate:é 1 udp 1 192.0.2.1 40000 typ host",
        "not a candidate",
    ],
)
def test_useless_candidates(text: str) -> None:
    """Legal candidates of no use, and odd ones, are left out without a word."""
    assert read_candidate(json.dumps({"candidate": text})) is None


def test_end_of_candidates() -> None:
    """An empty text says that no more will come."""
    assert read_candidate('{"candidate": ""}') == ""


@pytest.mark.parametrize("payload", ["", "null", "[]", "{}", '{"candidate": null}', "[" * 9999])
def test_no_candidates(payload: str) -> None:
    """What is no candidate at all is refused."""
    with pytest.raises(RemoteProtocolError):
        read_candidate(payload)


@given(
    st.text() | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(json.dumps),
)
def test_anything_but_descriptions(payload: str) -> None:
    """Anything that comes is refused in order, at worst."""
    for read_it in (read_candidate, lambda text: read_description(text, kind="offer")):
        with pytest.raises(RemoteProtocolError):
            read_it(payload)


@given(st.data())
def test_mangled_descriptions(data: st.DataObject) -> None:
    """A description with lines lost, doubled, moved and mangled is refused, or aiortc reads it."""
    lines = CHROMIUM.splitlines()
    chosen = data.draw(st.lists(st.sampled_from(lines), min_size=5))
    where = data.draw(st.integers(0, len(chosen)))
    sdp = "\n".join([*chosen[:where], data.draw(st.text()), *lines, *chosen[where:]])
    sdp = data.draw(st.sampled_from([sdp, "\n".join(chosen), "\n".join([*lines, chosen[0]])]))
    try:
        clean = read(sdp)
    except RemoteProtocolError:
        return
    assert SessionDescription.parse(clean).media[0].sctp_port == 5000
