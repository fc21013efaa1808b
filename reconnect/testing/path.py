"""Cut, delay and lose what two players send to each other, without root and on any machine.

The signaling of a test hands every signal through `rewrite`, which puts the address of a UDP proxy
on 127.0.0.1 in the place of each ICE candidate. So all traffic of the link flows through the
proxies, and is treated as the test wishes.

A *flow* is what one socket of one player sends through one proxy, with what comes back. When a
cut is mended, the flows that were there before the cut come back with mode `same`; with mode
`fresh` they stay dead, as after a change of network, and only an attempt that makes new sockets
helps.
"""

from __future__ import annotations

import asyncio
import random
import re
import socket
from collections.abc import Callable
from enum import StrEnum
from ipaddress import ip_address
from typing import TypeAlias

from attrs import define, field, frozen

LOOPBACK = "127.0.0.1"
PROXIES_MAX = 200  # with two sockets of flows each, below the 1,024 open files of most systems
FLOWS_MAX = 16  # of one proxy; a far end that behaves uses one or two
BURST = 32  # packets taken from one socket before others have their turn

Address: TypeAlias = tuple[str, int]
Direction: TypeAlias = tuple[str, str]
"""Who sends, and who is to receive."""
Wildcard: TypeAlias = tuple[str | None, str | None]

CANDIDATE = re.compile(r"(candidate:\S+ \d+ udp \d+ )(\S+) (\d+)( typ )", re.IGNORECASE)


class CutMode(StrEnum):
    """What a cut does to the flows that are there."""

    SAME = "same"
    """They come back when the cut is mended."""
    FRESH = "fresh"
    """They stay dead."""


@frozen(kw_only=True)
class Shape:
    """How packets of one direction travel; times in seconds, `loss` from 0 to 1."""

    delay: float = 0.0
    jitter: float = 0.0
    """The most that is added to the delay of a packet; packets overtake each other."""
    loss: float = 0.0


@define
class Counts:
    """What became of the packets of one direction."""

    passed: int = 0
    cut: int = 0
    lost: int = 0


@define(eq=False)
class _Flow:
    sock: socket.socket
    """Connected to the sender of the candidate."""
    dead: set[Direction] = field(factory=set)


@define(eq=False)
class _Proxy:
    """Stands in for one candidate of `sender` in the eyes of `receiver`."""

    sender: str
    receiver: str
    target: Address
    sock: socket.socket
    used_at: float
    flows: dict[Address, _Flow] = field(factory=dict)

    @property
    def port(self) -> int:
        port: int = self.sock.getsockname()[1]
        return port


class UdpPath:
    """The paths between any number of players; to be made and used on a running event loop.

    It needs a loop that can watch sockets, as all but the Proactor of Windows can. What `seed`
    decides is which packets are lost and how long each one takes.
    """

    def __init__(self, *, seed: int = 0) -> None:
        self._loop = asyncio.get_running_loop()
        self._random = random.Random(seed)
        self._proxies: dict[tuple[str, str, Address], _Proxy] = {}
        self._cuts: set[Wildcard] = set()
        self._shapes: dict[Direction, Shape] = {}
        self._counts: dict[Direction, Counts] = {}

    def rewrite(self, payload: str, *, sender: str, receiver: str) -> str:
        """What `receiver` is to hear of a signal of `sender`: the same, leading through here.

        `payload` may be SDP, a candidate, or JSON with one of them in it. A candidate that is no
        UDP, or has no address, is left as it is.
        """

        def through(found: re.Match[str]) -> str:
            before, host, port, behind = found.groups()
            target = _target(host, int(port))
            if target is None:
                return found[0]
            proxy = self._proxy(sender, receiver, target)
            return f"{before}{LOOPBACK} {proxy.port}{behind}"

        return CANDIDATE.sub(through, payload)

    def cut(
        self,
        a: str,
        b: str | None = None,
        *,
        mode: CutMode | str = CutMode.SAME,
        one_way: bool = False,
    ) -> None:
        """Lose everything between `a` and `b`, or between `a` and everybody; until `mend`.

        `one_way` loses what `a` sends and lets through what it is sent.
        """
        mode = CutMode(mode)
        cuts: set[Wildcard] = {(a, b)} if one_way else {(a, b), (b, a)}
        self._cuts |= cuts
        if mode is CutMode.FRESH:
            for proxy in self._proxies.values():
                for direction in (proxy.sender, proxy.receiver), (proxy.receiver, proxy.sender):
                    if any(_covers(cut, direction) for cut in cuts):
                        for flow in proxy.flows.values():
                            flow.dead.add(direction)

    def mend(self, a: str, b: str | None = None) -> None:
        """Take back what `cut` did with the same players; without `b`, all cuts of `a`."""
        if b is None:
            self._cuts = {cut for cut in self._cuts if a not in cut}
        else:
            self._cuts -= {(a, b), (b, a)}

    def shape(self, a: str, b: str, shape: Shape, *, one_way: bool = False) -> None:
        """From now on packets between `a` and `b`, or from `a` to `b` only, travel like this."""
        self._shapes[a, b] = shape
        if not one_way:
            self._shapes[b, a] = shape

    def counts(self, sender: str, receiver: str) -> Counts:
        """What became of the packets from `sender` to `receiver` so far."""
        return self._counts.setdefault((sender, receiver), Counts())

    def close(self) -> None:
        """Close all proxies; what is still delayed is lost."""
        for proxy in self._proxies.values():
            self._shut(proxy)
        self._proxies.clear()

    # -- proxies ---------------------------------------------------------------------------------

    def _proxy(self, sender: str, receiver: str, target: Address) -> _Proxy:
        key = (sender, receiver, target)
        proxy = self._proxies.get(key)
        if proxy is None:
            if len(self._proxies) >= PROXIES_MAX:
                oldest = min(self._proxies, key=lambda one: self._proxies[one].used_at)
                self._shut(self._proxies.pop(oldest))
            sock = _udp_socket(socket.AF_INET)
            sock.bind((LOOPBACK, 0))
            proxy = _Proxy(sender, receiver, target, sock, self._loop.time())
            self._proxies[key] = proxy
            self._loop.add_reader(sock, self._from_receiver, proxy)
        return proxy

    def _flow(self, proxy: _Proxy, back: Address) -> _Flow | None:
        flow = proxy.flows.get(back)
        if flow is None and len(proxy.flows) < FLOWS_MAX:
            sock = _udp_socket(socket.AF_INET6 if ":" in proxy.target[0] else socket.AF_INET)
            sock.connect(proxy.target)
            flow = proxy.flows[back] = _Flow(sock)
            self._loop.add_reader(sock, self._from_sender, proxy, flow, back)
        return flow

    def _shut(self, proxy: _Proxy) -> None:
        for sock in (proxy.sock, *(flow.sock for flow in proxy.flows.values())):
            self._loop.remove_reader(sock)
            sock.close()

    # -- packets ---------------------------------------------------------------------------------

    def _from_receiver(self, proxy: _Proxy) -> None:
        proxy.used_at = self._loop.time()
        for data, back in _packets(proxy.sock):
            if flow := self._flow(proxy, back):
                direction = (proxy.receiver, proxy.sender)
                self._pass(direction, flow, data, flow.sock.send)

    def _from_sender(self, proxy: _Proxy, flow: _Flow, back: Address) -> None:
        proxy.used_at = self._loop.time()
        for data, _ in _packets(flow.sock):
            direction = (proxy.sender, proxy.receiver)
            self._pass(direction, flow, data, lambda data: proxy.sock.sendto(data, back))

    def _pass(
        self, direction: Direction, flow: _Flow, data: bytes, send: Callable[[bytes], object]
    ) -> None:
        counts = self.counts(*direction)
        shape = self._shapes.get(direction, Shape())
        if direction in flow.dead or any(_covers(cut, direction) for cut in self._cuts):
            counts.cut += 1
        elif shape.loss and self._random.random() < shape.loss:
            counts.lost += 1
        else:
            counts.passed += 1
            delay = shape.delay + shape.jitter * self._random.random()
            if delay:
                self._loop.call_later(delay, _send, send, data)
            else:
                _send(send, data)


def _covers(cut: Wildcard, direction: Direction) -> bool:
    return all(one is None or one == other for one, other in zip(cut, direction, strict=True))


def _target(host: str, port: int) -> Address | None:
    if not 0 < port < 65536:
        return None
    if host.endswith(".local"):  # a browser hides its own address behind such a name
        return (LOOPBACK, port)
    try:
        ip_address(host)
    except ValueError:
        return None
    return (host, port)


def _udp_socket(family: socket.AddressFamily) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_DGRAM)
    sock.setblocking(False)
    return sock


def _packets(sock: socket.socket) -> list[tuple[bytes, Address]]:
    packets: list[tuple[bytes, Address]] = []
    for _ in range(BURST):
        try:
            packets.append(sock.recvfrom(65535))
        except BlockingIOError:
            break
        except OSError:  # nobody listens at the other end; that is its business
            continue
    return packets


def _send(send: Callable[[bytes], object], data: bytes) -> None:
    try:
        send(data)
    except OSError:  # a full buffer, nobody there, or closed while the packet was delayed
        return
