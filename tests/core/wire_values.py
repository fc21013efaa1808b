"""Hypothesis strategies for everything that goes over the wire or into a store."""

from hypothesis import strategies as st

from reconnect.core.checks import COUNT_MAX, PACKET_MAX
from reconnect.core.messages import (
    AttemptKind,
    Bye,
    Cause,
    Claim,
    Data,
    Error,
    ErrorCode,
    Fact,
    Kind,
    LinkReport,
    Phase,
    PlayerView,
    Report,
    Resume,
    ShortView,
    Signal,
    SignalAck,
    SignalKind,
    View,
)
from reconnect.core.record import Record, Seat
from reconnect.core.table import State
from reconnect.policy import IceServer, OnShortage, Policy, Topology

clean_characters = st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp"))
ids = st.text(clean_characters, min_size=1, max_size=128)
words = st.text(clean_characters, max_size=64)
counts = st.integers(0, COUNT_MAX)
durations = st.integers(0, 10**13).map(lambda ms: ms / 1000)
instants = st.none() | st.floats(allow_nan=False, allow_infinity=False)
causes = st.none() | words | st.sampled_from(Cause)

facts = st.builds(
    Fact,
    counts,
    words,
    durations,
    st.dictionaries(
        words,
        st.none()
        | st.booleans()
        | st.integers(-COUNT_MAX, COUNT_MAX)
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(clean_characters, max_size=200),
        max_size=4,
    ),
)
link_reports = st.builds(
    LinkReport, st.booleans(), causes, counts, st.none() | st.sampled_from(AttemptKind)
)
reports = st.builds(
    Report,
    counts,
    counts,
    counts,
    st.sampled_from(Phase),
    counts,
    causes,
    counts,
    st.none() | durations,
    st.none() | st.dictionaries(ids, link_reports, max_size=3),
    st.lists(facts, max_size=3).map(tuple),
    st.sampled_from(Kind),
)
claims = st.none() | st.builds(Claim, ids, st.text(clean_characters, max_size=128))

ice_lines = st.text(clean_characters, max_size=80)
ice_servers = st.builds(
    IceServer, st.lists(ice_lines, max_size=3), st.none() | ice_lines, st.none() | ice_lines
)
policies = st.builds(
    Policy,
    topology=st.sampled_from(Topology),
    outage_timeout=st.floats(1, 3600),
    start_timeout=st.none() | st.floats(1, 1e6),
    countdown=st.floats(0, 60),
    pause_budget=st.floats(0, 1e8),
    on_deadline=st.sampled_from(OnShortage),
    on_leave=st.sampled_from(OnShortage),
    restarts=st.integers(0, 9),
    ice_servers=st.lists(ice_servers, max_size=2),
) | st.builds(Policy, topology=st.just(Topology.STAR), hub=ids)

players = st.builds(
    PlayerView,
    ids,
    counts,
    st.sampled_from(Kind),
    st.booleans(),
    st.sampled_from(Phase),
    st.dictionaries(ids, st.booleans(), max_size=3),
)
views = st.builds(
    View,
    counts,
    counts,
    st.sampled_from(State),
    st.lists(players, max_size=3).map(tuple),
    counts,
    counts,
    durations,
    resume=st.none() | st.builds(Resume, counts, durations),
    remaining=st.none() | durations,
    cause=causes,
    reason=st.none() | words,
    policy=st.none() | policies,
    outages=counts,
    paused=durations,
)
short_views = st.builds(ShortView, counts, counts, counts, durations)


def between_clients(sender):
    """What one client sends to another; the sender is known to the coordinator alone."""
    pair = {"to": ids, "gen_from": counts, "gen_to": counts, "n": counts, "sender": sender}
    return (
        st.builds(
            Signal,
            attempt_id=words,
            attempt=st.sampled_from(AttemptKind),
            kind=st.sampled_from(SignalKind),
            payload=st.text(st.characters(exclude_categories=("Cs",)), max_size=300),
            **pair,
        )
        | st.builds(SignalAck, **pair)
        | st.builds(Data, ids, st.binary(max_size=PACKET_MAX), sender)
    )


from_client = reports | between_clients(st.none()) | st.just(Bye())
from_coordinator = (
    views
    | short_views
    | between_clients(ids)
    | st.just(Bye())
    | st.builds(
        Error,
        st.sampled_from(ErrorCode) | words,
        st.text(clean_characters, max_size=200),
        st.lists(counts, max_size=3).map(tuple),
    )
)

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=6,
)


@st.composite
def records(draw):
    """A record as a session may write it."""
    seats = draw(
        st.lists(
            st.builds(
                Seat,
                ids,
                counts,
                counts,
                st.booleans(),
                st.none() | st.text("0123456789abcdef", min_size=64, max_size=64),
            ),
            max_size=3,
            unique_by=lambda seat: seat.player,
        )
    )
    return Record(
        session=draw(ids),
        version=draw(counts),
        state=draw(st.sampled_from(State)),
        epoch=draw(counts),
        policy=draw(policies),
        seats=tuple(seats),
        players=tuple(seat.player for seat in seats if draw(st.booleans())),
        reason=draw(st.none() | words),
        cause=draw(causes),
        deadline=draw(instants),
        outage_started_at=draw(instants),
        outages=draw(counts),
        paused_total=draw(st.floats(0, 1e9)),
        resume_frame=draw(counts),
        resume_at=draw(instants),
        ended_at=draw(instants),
        data=draw(st.dictionaries(st.text(max_size=9), json_values, max_size=3)),
    )
