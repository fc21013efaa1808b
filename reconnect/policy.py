"""Policy: every duration, limit and back-off of a session, derived and held against each other.

A server's author gives a topology and an `outage_timeout`; everything else has a default that
follows from them, so that every constraint holds. Clients have no policy of their own: they get
this one over the wire, and it is pinned in the session's record when the session opens.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import StrEnum
from typing import Any, TypeVar

from attrs import Factory, field, fields, frozen

from reconnect.errors import PolicyError

E = TypeVar("E", bound=StrEnum)

CLOCK_RATE_ERROR = 0.02  # two clocks that run 2 % apart are broken ones
HEARTBEATS_IN_SILENCE = 2.4  # one may be lost and the next be late
ROUNDING = 0.002  # durations are whole milliseconds, so derived ones may be off by that
LONGEST = 1e8  # three years: beyond it a duration is a mistake
ICE_SERVERS_MAX = 16  # browsers warn from 5 on
ICE_URLS_MAX = 8
ICE_TEXT_MAX = 1024  # some services hand out signed tokens as credentials
CONTROL = frozenset({"Cc", "Cs", "Zl", "Zp"})  # what no client accepts in a text


class Topology(StrEnum):
    """Who needs a link to whom."""

    MESH = "mesh"
    """Every pair of players."""
    STAR = "star"
    """The hub and every other player."""
    RELAYED = "relayed"
    """Nobody: game data goes through the coordinator."""
    SERVER = "server"
    """Nobody: the server's own loop is the game, clients are views."""

    @property
    def peer_to_peer(self) -> bool:
        """Whether players hold links to each other."""
        return self in (Topology.MESH, Topology.STAR)


class OnShortage(StrEnum):
    """What becomes of a session when a player is lost or leaves."""

    END = "end"
    GO_ON = "go_on"


def _urls(value: str | Iterable[str]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


@frozen
class IceServer:
    """A STUN or TURN server, as WebRTC's `RTCIceServer` describes it; one URL may be a string."""

    urls: tuple[str, ...] = field(converter=_urls)
    username: str | None = None
    credential: str | None = field(default=None, repr=False)


def _milliseconds(value: float) -> float:
    try:
        return round(float(value), 3)
    except (TypeError, ValueError, OverflowError):
        return math.nan  # which is refused together with all else that is wrong


def _milliseconds_or_none(value: float | None) -> float | None:
    return None if value is None else _milliseconds(value)


def _one_of(kind: type[E], value: E | str) -> E:
    try:
        return kind(value)
    except ValueError:
        allowed = ", ".join(repr(str(one)) for one in kind)
        raise PolicyError([f"{value!r} is not one of {allowed}"]) from None


def _topology(value: Topology | str) -> Topology:
    return _one_of(Topology, value)


def _shortage(value: OnShortage | str) -> OnShortage:
    return _one_of(OnShortage, value)


def _ice_servers(value: Iterable[IceServer]) -> tuple[IceServer, ...]:
    return tuple(value)


def _duration(default: float) -> Any:
    return field(default=default, converter=_milliseconds)


def _derived(rule: Callable[[Policy], float]) -> Any:
    return field(default=Factory(rule, takes_self=True), converter=_milliseconds)


@frozen(kw_only=True)
class Policy:
    """How a session deals with lost connections. All durations are seconds, to the millisecond.

    Raises `PolicyError`, which names every broken constraint and by how much, when values given
    by hand contradict each other.
    """

    topology: Topology = field(default=Topology.MESH, converter=_topology)
    hub: str | None = None
    """The centre of a star; None means the first player in join order."""

    outage_timeout: float = _duration(30.0)
    """How long an outage may last before the session ends for all; at least 1 s."""
    start_timeout: float | None = field(default=120.0, converter=_milliseconds_or_none)
    """How long the first start may take; None waits for ever."""

    step_max: float = _duration(0.25)
    """The longest step of the game's own loop."""
    lease: float = _derived(
        lambda self: min(10.0 if self.topology.peer_to_peer else 5.0, self.outage_timeout / 3)
    )
    """For how long a client may play on the coordinator's last word."""
    lease_bound: float = _derived(lambda self: self.lease * (1 + CLOCK_RATE_ERROR) + self.step_max)
    """After what silence the coordinator knows that a client has stopped."""
    heartbeat_interval: float = _derived(lambda self: min(2.0, self.lease / 6))
    silence_timeout: float = _derived(
        lambda self: self.lease * 0.4 if self.topology.peer_to_peer else min(2.0, self.lease * 0.4)
    )
    """After what silence a control link counts as lost."""
    control_grace_period: float = _derived(
        lambda self: self.lease * 0.5 if self.topology.peer_to_peer else min(0.3, self.lease * 0.5)
    )
    """How long a player may be without a control link before all are paused."""
    redial_max: float = _derived(lambda self: max(0.25, min(2.0, self.control_grace_period / 2)))
    """The ceiling of the delay between two dials."""

    link_heartbeat: float = _duration(0.25)
    link_suspect: float = _duration(0.5)
    """Silence after which a link is suspect: heartbeats quicken, nobody is paused."""
    link_lost: float = _duration(1.0)
    """Silence after which a link is lost."""
    link_grace_period: float = _duration(0.0)
    """How long a link may be lost before all are paused."""
    probe_interval: float = _duration(0.1)
    attempt_timeout: float = _duration(3.0)
    attempt_delay_min: float = _duration(0.2)
    attempt_delay_max: float = _duration(2.0)
    restarts: int = 2
    """How many ICE restarts are tried before a new peer connection."""

    countdown: float = _duration(0.0)
    """The lead-in that players see before they resume."""
    resume_timeout: float = _derived(lambda self: self.countdown + 5.0)
    """How long resuming may take before all are paused again."""
    give_up_timeout: float = _derived(
        lambda self: (
            self.outage_timeout
            + self.lease_bound
            + self.silence_timeout
            + self.control_grace_period
            + 10.0
        )
    )
    """After how long without a word from the coordinator a client gives up."""

    pause_budget: float = _duration(600.0)
    """The most that the outages of one session may last together."""
    pauses_max: int = 100
    players_min: int = 2
    on_deadline: OnShortage = field(default=OnShortage.END, converter=_shortage)
    """Whether the survivors go on when an outage reaches its deadline."""
    on_leave: OnShortage = field(default=OnShortage.END, converter=_shortage)
    """Whether the others go on when a player leaves on purpose."""

    save_timeout: float = _duration(2.0)
    retention: float = _duration(120.0)
    """How long an ended session still answers."""
    stream_bytes_max: int = 1 << 20
    stream_messages_max: int = 4096
    message_max: int = 1 << 20
    """The longest message in bytes; longer ones are refused."""
    ice_servers: tuple[IceServer, ...] = field(default=(), converter=_ice_servers)

    def __attrs_post_init__(self) -> None:
        if broken := [*_out_of_range(self)] or [*_contradictions(self)]:
            raise PolicyError(broken)


MAY_BE_ZERO = frozenset({"countdown", "link_grace_period", "pause_budget"})
DURATIONS = tuple(one.name for one in fields(Policy) if str(one.type).startswith("float"))
COUNTS = {
    "restarts": 0,
    "pauses_max": 0,
    "players_min": 1,
    "stream_bytes_max": 1,
    "stream_messages_max": 1,
    "message_max": 1,
}
"""The whole numbers of a policy, each with its least value."""


def _out_of_range(policy: Policy) -> Iterator[str]:
    for name in DURATIONS:
        value = getattr(policy, name)
        if value is None:
            continue
        least = 0.0 if name in MAY_BE_ZERO else 0.001
        if not (math.isfinite(value) and least <= value <= LONGEST):
            yield f"{name} is {value}; it must be from {least:g} to {LONGEST:g} s"
    for name, floor in COUNTS.items():
        count = getattr(policy, name)
        if type(count) is not int or not floor <= count < 1 << 31:
            yield f"{name} is {count!r}; it must be a whole number of at least {floor}"
    yield from _ice_faults(policy.ice_servers)


def _ice_faults(servers: Sequence[object]) -> Iterator[str]:
    if len(servers) > ICE_SERVERS_MAX:
        yield f"ice_servers has {len(servers)} servers; it may have {ICE_SERVERS_MAX}"
    for place, server in enumerate(servers):
        if not isinstance(server, IceServer):
            yield f"ice_servers[{place}] is a {type(server).__name__}; it must be an IceServer"
        elif len(server.urls) > ICE_URLS_MAX:
            yield f"ice_servers[{place}] has {len(server.urls)} URLs; it may have {ICE_URLS_MAX}"
        elif not all(map(_is_line, (*server.urls, server.username or "", server.credential or ""))):
            yield (
                f"ice_servers[{place}] has what is no text of at most {ICE_TEXT_MAX} "
                "characters, none of control"
            )


def _is_line(text: object) -> bool:
    return (
        type(text) is str
        and len(text) <= ICE_TEXT_MAX
        and CONTROL.isdisjoint(map(unicodedata.category, text))
    )


def _contradictions(policy: Policy) -> Iterator[str]:
    p = policy
    at_least = [
        ("outage_timeout", p.outage_timeout, "1 s", 1.0),
        (
            "lease_bound",
            p.lease_bound,
            "lease x 1.02 + step_max",
            p.lease * (1 + CLOCK_RATE_ERROR) + p.step_max,
        ),
        ("outage_timeout", p.outage_timeout, "lease_bound", p.lease_bound),
        (
            "silence_timeout",
            p.silence_timeout,
            "2.4 x heartbeat_interval",
            HEARTBEATS_IN_SILENCE * p.heartbeat_interval,
        ),
        (
            "lease",
            p.lease,
            "silence_timeout + control_grace_period",
            p.silence_timeout + p.control_grace_period,
        ),
        ("link_suspect", p.link_suspect, "link_heartbeat", p.link_heartbeat),
        ("link_lost", p.link_lost, "link_suspect", p.link_suspect),
        ("attempt_delay_max", p.attempt_delay_max, "attempt_delay_min", p.attempt_delay_min),
        (
            "resume_timeout",
            p.resume_timeout,
            "countdown + heartbeat_interval + 1 s",
            p.countdown + p.heartbeat_interval + 1.0,
        ),
        (
            "give_up_timeout",
            p.give_up_timeout,
            "outage_timeout + lease_bound + silence_timeout + control_grace_period",
            p.outage_timeout + p.lease_bound + p.silence_timeout + p.control_grace_period,
        ),
    ]
    for name, value, rule, least in at_least:
        if value < least - ROUNDING:
            yield f"{name} is {value:g} s, {least - value:g} s less than {rule} ({least:g} s)"
    if p.message_max > p.stream_bytes_max:
        yield (
            f"message_max is {p.message_max}, {p.message_max - p.stream_bytes_max} more than "
            f"stream_bytes_max ({p.stream_bytes_max}): no such message could ever be accepted"
        )
    if p.hub is not None and p.topology is not Topology.STAR:
        yield f"hub is {p.hub!r}, but only a star has a hub and the topology is {p.topology}"
