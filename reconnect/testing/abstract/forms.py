"""Forms: how sessions, clients, records and messages are written down under one policy."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import attrs
from attrs import define

from reconnect.core.control import DIAL_TIMEOUT, Control
from reconnect.core.facts import Facts
from reconnect.core.member import Member
from reconnect.core.messages import Kind, Phase, PlayerView, Report, Resume, ShortView, View
from reconnect.core.record import Record, Seat
from reconnect.core.session import Session
from reconnect.errors import PolicyError
from reconnect.policy import OnShortage, Policy
from reconnect.testing.abstract.client import AbstractLink, AbstractPeer, beginning
from reconnect.testing.abstract.values import (
    CONN,
    EPOCH,
    GEN,
    SEQ,
    VERSION,
    Each,
    Form,
    Given,
    Instant,
    Items,
    Names,
    Number,
    Sent,
    Told,
)

WHOLE = (
    *("lease", "lease_bound", "heartbeat_interval", "silence_timeout", "control_grace_period"),
    *("outage_timeout", "start_timeout", "resume_timeout", "countdown"),
)
"""Durations that have to be whole seconds, as time is."""


def _is(value: object) -> Callable[[], object]:
    return lambda: value


def check(policy: Policy) -> None:
    """Raises `PolicyError` for a policy that cannot be searched."""
    broken = [
        f"{name} is {value:g}; it must be whole seconds"
        for name in WHOLE
        if (value := getattr(policy, name)) is not None and value != int(value)
    ]
    if policy.link_grace_period:
        broken.append("link_grace_period must be 0; an abstract link is down at once")
    if policy.topology.peer_to_peer and policy.on_deadline is OnShortage.GO_ON:
        broken.append("on_deadline must be end; nobody is told of abstract links")
    if broken:
        raise PolicyError(broken)


@define(eq=False)
class Forms:
    """The forms of everything that there is under one policy."""

    session: Form
    record: Form
    peer: Form
    report: Form
    view: Form
    short: Form

    @classmethod
    def of(cls, policy: Policy) -> Forms:
        """Raises `PolicyError` for a policy that cannot be searched.

        Raises `LookupError` if a field that has a form of its own is gone.
        """
        check(policy)
        return cls(
            _session(policy),
            _record(policy),
            _peer(policy),
            _report(),
            _view(policy),
            Form.of(ShortView, version=Number(VERSION), gen=Number(GEN), ack=Number(SEQ)),
        )


def _session(policy: Policy) -> Form:
    member = Form.of(
        Member,
        owner="player",
        gen=Number(GEN),
        gen_next=Number(GEN),
        fence_until=Instant(),
        conn=Number(CONN),
        informed_conn=Number(CONN),
        detached_at=Instant(-policy.control_grace_period),
        seq=Number(SEQ),
        last_report_at=Instant(-max(policy.lease_bound, policy.silence_timeout)),
        first={
            "received_at": _is(0.0),
            "kind": _is(Kind.PYTHON),
            "frame": _is(0),
            "rtt": _is(0.0),
            "links": dict,
            "token_digest": _is(None),
        },
    )
    return Form.of(
        Session,
        members=Each(member, "player"),
        players=Names(list),
        epoch=Number(EPOCH),
        version=Number(VERSION),
        ends_at=Instant(),
        outage_started_at=Instant(),
        resumed_at=Instant(-policy.resume_timeout),
        resume_at=Instant(),
        first={
            "id": _is("game"),
            "policy": _is(policy),
            "wall_offset": _is(0.0),
            "data": dict,
            "cause": _is(None),
            "outages": _is(0),
            "last_outage": _is(0.0),
            "paused_total": _is(0.0),
            "resume_frame": _is(0),
            "ended_at": _is(None),
            "frame": _is(0),
            "stale": _is(0),
        },
    )


def _record(policy: Policy) -> Form:
    seat = Form.of(Seat, owner="player", gen=Number(GEN), gen_next=Number(GEN))
    return Form.of(
        Record,
        version=Number(VERSION),
        epoch=Number(EPOCH),
        seats=Each(seat),
        players=Names(tuple),
        deadline=Instant(),
        outage_started_at=Instant(),
        resume_at=Instant(),
        first={
            "session": _is("game"),
            "policy": _is(policy),
            "cause": _is(None),
            "outages": _is(0),
            "paused_total": _is(0.0),
            "resume_frame": _is(0),
            "ended_at": _is(None),
            "data": dict,
        },
    )


def _peer(policy: Policy) -> Form:
    example = beginning("nobody")
    control = Form.of(
        Control,
        heard_at=Instant(-max(DIAL_TIMEOUT, policy.silence_timeout)),
        redial_at=Instant(),
        policy=Given(policy),
        seq=Number(SEQ),
        ack=Number(SEQ),
        report_at=Instant(),
        _sent_at=Sent(-policy.lease),
        _acked_sent_at=Instant(-policy.lease),
        # giving up is said by the network, which may do so at any time
        first={
            "random": _is(example.random),
            "acked_at": _is(0.0),
            "_tries": _is(0),
            "_rtts": _no_round_trips,
        },
    )
    return Form.of(
        AbstractPeer,
        owner="player",
        control=control,
        epoch=Number(EPOCH),
        version=Number(VERSION),
        gen=Number(GEN),
        view=_view_kept(),
        links=Each(_link(policy), "peer"),
        start_at=Instant(),
        _told=Told(),
        _told_links=Items(),
        _links_until=Instant(),
        _leaving_until=Instant(),
        _left_seq=Number(SEQ),
        first={
            "session": _is("game"),
            "kind": _is(Kind.PYTHON),
            "mends": _is(example.mends),
            "random": _is(example.random),
            "facts": Facts,
            "resync": _is(example.resync),
            "todo": list,
            "left_over": list,
            "superseded": _is(0),
            "frame": _is(0),
            "resume_frame": _is(0),
            "cause": _is(None),
            "malformed": _is(0),
            "_handled_at": _is(0.0),
        },
    )


def _no_round_trips() -> deque[float]:
    return deque(maxlen=0)  # so that none is ever known


def _link(policy: Policy) -> Form:
    example = beginning("nobody")
    example.control.policy = policy
    link = example._new_link(PlayerView("nobody", 1, Kind.PYTHON, True, Phase.HALTED), 0.0)
    kept = {"peer", "generation", "channel", "carried", "probed"}
    rest = [field.name for field in attrs.fields(AbstractLink) if field.name not in kept]
    first = {name: _is(getattr(link, name)) for name in rest}
    return Form.of(AbstractLink, owner="peer", generation=Number(GEN), first=first)


def _player_view() -> Form:
    return Form.of(
        PlayerView,
        owner="id",
        gen=Number(GEN),
        first={"kind": _is(Kind.PYTHON)},
        missing=("phase", "links"),
    )


def _view(policy: Policy) -> Form:
    resume = Form.of(Resume, start_in=Instant(), first={"frame": _is(0)})
    return Form.of(
        View,
        version=Number(VERSION),
        epoch=Number(EPOCH),
        players=Each(_player_view()),
        gen=Number(GEN),
        ack=Number(SEQ),
        resume=resume,
        policy=Given(policy),
        first={"held": _is(0.0), "cause": _is(None), "outages": _is(0), "paused": _is(0.0)},
        missing=("remaining",),
    )


def _view_kept() -> Form:
    """What a client still asks of the last view."""
    return Form.of(
        View,
        epoch=Number(EPOCH),
        players=Each(_player_view()),
        first={"outages": _is(0), "paused": _is(0.0)},
        missing=(
            *("version", "gen", "ack", "held", "resume"),
            *("remaining", "cause", "reason", "policy"),
        ),
    )


def _report() -> Form:
    return Form.of(
        Report,
        gen=Number(GEN),
        seq=Number(SEQ),
        epoch=Number(EPOCH),
        version=Number(VERSION),
        first={
            "cause": _is(None),
            "frame": _is(0),
            "rtt": _is(None),
            "links": _is(None),
            "facts": tuple,
            "kind": _is(Kind.PYTHON),
        },
    )
