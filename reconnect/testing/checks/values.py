"""Anything that an adapter may be given to carry or to keep: JSON, messages, records."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

from reconnect.core.record import Record, Seat
from reconnect.core.table import State
from reconnect.policy import OnShortage, Policy, Topology

EXACT_MAX = (1 << 53) - 1  # up to which JavaScript counts exactly

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
names = st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), min_size=1, max_size=12)
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-EXACT_MAX, EXACT_MAX)
    | st.floats(allow_nan=False, allow_infinity=False).map(lambda one: one + 0.0)  # JSON has no -0
    | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
messages: st.SearchStrategy[dict[str, Any]] = st.dictionaries(texts, json_values, max_size=3)
"""What may go over a control link, as far as a signaling adapter is concerned."""

instants = st.none() | st.floats(0, 1e11)
counts = st.integers(0, EXACT_MAX)
seats = st.builds(
    Seat,
    names,
    counts,
    counts,
    st.booleans(),
    st.none() | st.text("0123456789abcdef", min_size=64, max_size=64),
)
policies = st.builds(
    Policy,
    topology=st.sampled_from([Topology.MESH, Topology.RELAYED]),
    outage_timeout=st.floats(10, 3600),
    countdown=st.floats(0, 60),
    on_deadline=st.sampled_from(OnShortage),
)


@st.composite
def records(draw: st.DrawFn) -> Record:
    """A record of session `s` as a coordinator may write it, of any version, not yet ended."""
    sitting = draw(st.lists(seats, max_size=3, unique_by=lambda seat: seat.player))
    return Record(
        session="s",
        version=draw(st.integers(1, EXACT_MAX)),
        state=draw(st.sampled_from([State.CONNECTED, State.PAUSED, State.RECONNECTING])),
        epoch=draw(counts),
        policy=draw(policies),
        seats=tuple(sitting),
        players=tuple(seat.player for seat in sitting if draw(st.booleans())),
        cause=draw(st.none() | names),
        deadline=draw(instants),
        outage_started_at=draw(instants),
        outages=draw(counts),
        paused_total=draw(st.floats(0, 1e9)),
        resume_frame=draw(counts),
        resume_at=draw(instants),
        data=draw(messages),
    )


def same(one: object, other: object) -> bool:
    """Whether both are the same JSON; True, 1 and 1.0 are three things, and what is none is not."""
    try:
        return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    except (TypeError, ValueError):
        return False
