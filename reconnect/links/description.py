"""What the two ends of a WebRTC link tell each other, and what of it is believed.

The payload of an offer or answer is `{"type": "offer", "sdp": "v=0..."}`, that of a candidate
`{"candidate": "candidate:...", "sdpMid": "0", "sdpMLineIndex": 0}`: exactly what `JSON.stringify`
makes of a browser's `RTCSessionDescription` and `RTCIceCandidate`. A candidate with an empty text
says that no more will come.

Far ends are untrusted. So what comes is never handed on: a description is read into what a data
channel needs, each value held to a pattern, and written anew. What was not understood (audio,
extensions, odd candidates) is gone by then, and what is missing is a `RemoteProtocolError`.
"""

from __future__ import annotations

import json
import re
from ipaddress import ip_address
from typing import Any, NoReturn

from reconnect.errors import RemoteProtocolError

PAYLOAD_MAX = 16 * 1024  # browsers with many interfaces send 3 to 6 KiB
CANDIDATES_MAX = 32  # each one has us knock at an address that the far end has chosen
MESSAGE_SIZE = 65536  # what RFC 8841 assumes where nothing is said; our packets are far smaller

# the second form is that of aiortc before 1.14 and of very old browsers
MEDIA = re.compile(
    r"m=application \d{1,5} ((UDP|TCP)/DTLS/SCTP webrtc-datachannel|DTLS/SCTP (?P<port>\d{1,5}))",
    re.ASCII,
)
ATTRIBUTES = {
    "mid": re.compile(r"[A-Za-z0-9_-]{1,16}"),
    "ice-ufrag": re.compile(r"[A-Za-z0-9+/]{4,256}"),
    "ice-pwd": re.compile(r"[A-Za-z0-9+/]{22,256}"),
    # every WebRTC library gives this one, whatever others it gives besides
    "fingerprint": re.compile(r"sha-256 [0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){31}", re.IGNORECASE),
    "setup": re.compile(r"actpass|active|passive"),
    "sctp-port": re.compile(r"[1-9][0-9]{0,3}|[1-5][0-9]{4}"),  # all use 5000
}
CANDIDATE = re.compile(
    r"candidate:(?P<foundation>[A-Za-z0-9+/]{1,32}) 1 udp (?P<priority>\d{1,10})"
    r" (?P<host>\S{1,255}) (?P<port>\d{1,5}) typ (?P<type>host|srflx|prflx|relay)( .*)?",
    re.IGNORECASE | re.ASCII,
)
HIDDEN_HOST = re.compile(r"[A-Za-z0-9-]{1,63}\.local")  # a browser's name for its own address
PLAIN_ADDRESS = re.compile(r"[0-9A-Fa-f:.]{2,45}")  # without the name of an interface


def write_description(kind: str, sdp: str) -> str:
    """The payload of an offer or an answer."""
    return json.dumps({"type": kind, "sdp": sdp})


def read_description(payload: str, *, kind: str) -> str:
    """The SDP of a far end's offer or answer, written anew from what was understood of it.

    Raises `RemoteProtocolError` where it does not describe one data channel section.
    """
    raw = _object(payload)
    sdp = raw.get("sdp")
    if raw.get("type") != kind or type(sdp) is not str:
        _malformed(f"this is no {kind}")
    found: dict[str, str] = {}
    candidates: list[str] = []
    complete = False
    lines = sdp.splitlines()
    for line in (line[2:] for line in lines if line.startswith("a=")):
        name, _, value = line.partition(":")
        if name == "candidate":
            candidates += filter(None, [_candidate(line)])
        elif name == "end-of-candidates":
            complete = True
        elif name in ATTRIBUTES and ATTRIBUTES[name].fullmatch(value):
            found.setdefault(name, value)
    media = [MEDIA.fullmatch(line) for line in lines if line.startswith("m=")]
    if len(media) != 1 or media[0] is None:
        _malformed(f"the {kind} is not for one data channel section alone")
    if ATTRIBUTES["sctp-port"].fullmatch(media[0]["port"] or ""):
        found.setdefault("sctp-port", media[0]["port"])
    if missing := ATTRIBUTES.keys() - found.keys():
        _malformed(f"the {kind} has no valid {', '.join(sorted(missing))}")
    if kind == "answer" and found["setup"] == "actpass":
        _malformed("an answer has to choose its part in the handshake")
    return _written(found, candidates[:CANDIDATES_MAX], complete=complete)


def read_candidate(payload: str) -> str | None:
    """One trickled candidate, written anew; empty for the end of them, None for one of no use.

    Raises `RemoteProtocolError` where it is no candidate at all.
    """
    text = _object(payload).get("candidate")
    if type(text) is not str:
        _malformed("this is no candidate")
    return _candidate(text.removeprefix("a=")) if text else ""


def _object(payload: str) -> dict[str, Any]:
    if len(payload) > PAYLOAD_MAX:
        raise RemoteProtocolError(f"a signal is longer than {PAYLOAD_MAX}", code="too_large")
    try:
        raw = json.loads(payload)
    except (ValueError, RecursionError):  # the latter for "[[[[..."
        _malformed("a signal is not JSON")
    if type(raw) is not dict:
        _malformed("a signal is not an object")
    return raw


def _candidate(text: str) -> str | None:
    """UDP and component 1 is all that a data channel uses; others are legal, and left out."""
    if not (seen := CANDIDATE.fullmatch(text)):
        return None
    host, port = seen["host"], int(seen["port"])
    if not (0 < port < 65536 and (HIDDEN_HOST.fullmatch(host) or _is_reachable(host))):
        return None
    foundation, priority, kind = seen["foundation"], seen["priority"], seen["type"].lower()
    return f"candidate:{foundation} 1 udp {priority} {host} {port} typ {kind}"


def _is_reachable(host: str) -> bool:
    if not PLAIN_ADDRESS.fullmatch(host):
        return False
    try:
        address = ip_address(host)
    except ValueError:
        return False
    return not (address.is_multicast or address.is_unspecified)


def _written(found: dict[str, str], candidates: list[str], *, complete: bool) -> str:
    lines = [
        "v=0",
        "o=- 0 0 IN IP4 0.0.0.0",
        "s=-",
        "t=0 0",
        f"a=group:BUNDLE {found['mid']}",
        "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
        "c=IN IP4 0.0.0.0",
        *(f"a={name}:{found[name]}" for name in ATTRIBUTES),
        f"a=max-message-size:{MESSAGE_SIZE}",
        *(f"a={candidate}" for candidate in candidates),
        *(["a=end-of-candidates"] if complete else []),
    ]
    return "\r\n".join(lines) + "\r\n"


def _malformed(detail: str) -> NoReturn:
    raise RemoteProtocolError(detail)
