"""Bugs in the protocol itself: the ballot, the leases, the fence, the barrier, the deadline."""

from __future__ import annotations

from math import inf
from typing import Any

from attrs import evolve

from reconnect.core import session as rules
from reconnect.core.control import Control
from reconnect.core.events import ReportArrived
from reconnect.core.link import PeerLink
from reconnect.core.member import Member, survivors
from reconnect.core.messages import Cause, Phase, Reason, Report, View
from reconnect.core.outlook import Play
from reconnect.core.peer import Peer
from reconnect.core.session import GOING, HALTING, Session
from reconnect.core.table import State
from reconnect.policy import OnShortage
from reconnect.testing.simulation.bug import Bug, Swap, peer_to_peer
from reconnect.testing.simulation.setting import Setting

STOPS = (Cause.LEASE_EXPIRED, Cause.LINK_LOST, Cause.PEER_RELOADED, Cause.CLOSING)
WAITS = (Phase.HALTED, Phase.READY)


# -- where it can show -----------------------------------------------------------------------------


def _some_may_go_on(setting: Setting) -> bool:
    policy = setting.policy
    return policy.on_deadline is OnShortage.GO_ON and len(setting.players) > policy.players_min


# -- a client --------------------------------------------------------------------------------------


def _stop_keeps_the_epoch(real: Any, self: Peer, epoch: int, cause: str | None, now: float) -> None:
    stops = self.play in (Play.ARMED, Play.PLAYING) and cause in STOPS
    real(self, self.epoch if stops else epoch, cause, now)


def _refuses_nothing(real: Any, self: Peer, view: View, now: float) -> None:
    refused = view.resume is None or not self.ready(now)
    if view.state in GOING and self.halted and view.epoch == self.epoch and refused:
        return
    real(self, view, now)


def _lease_from_receipt(real: Any, self: Control, ack: int, held: float, now: float) -> None:
    real(self, ack, held, now)
    self._acked_sent_at = now


def _no_lease_ends(_real: Any, _self: Control) -> float:
    return inf


def _without_a_lease(real: Any, *args: Any) -> Any:
    with Swap(Control, "lease_until", _no_lease_ends).made():
        return real(*args)


def _starts_without_being_ready(real: Any, self: Peer, view: View, now: float) -> None:
    with Swap(Peer, "ready", lambda _real, _self, _now: True).made():
        real(self, view, now)


def _joins_at_once(real: Any, self: Peer, view: View, now: float) -> None:
    if self.halted and view.state is State.CONNECTED and view.epoch > self.epoch:
        self.epoch = view.epoch
        self.play, self.start_at = Play.ARMED, now + 0.01
        return
    real(self, view, now)


def _resumes_by_itself(real: Any, self: Peer, effects: Any, now: float) -> None:
    real(self, effects, now)
    if self.halted and self.resync.has_state and self.ready(now):
        self.play = Play.PLAYING


def _decides_the_timeout(real: Any, self: Peer, effects: Any, now: float) -> None:
    view = self.view
    left = None if view is None or not self.halted else view.remaining
    if left is not None and now >= self.control.heard_at + left:
        self._end(effects, Reason.TIMEOUT, now)
        return
    real(self, effects, now)


def _takes_any_view(real: Any, self: Peer, effects: Any, view: Any, now: float) -> None:
    self.version = min(self.version, view.version)
    real(self, effects, view, now)


def _needs_no_probe(_real: Any, self: PeerLink) -> bool:
    return not self.direct or self.up


# -- the session: reports --------------------------------------------------------------------------


def _any_promise_counts(real: Any, self: Session, turn: Any, member: Member, said: Report) -> None:
    real(self, turn, member, said)
    if self.state in HALTING and said.phase in WAITS:
        member.promised = True


def _any_ready_counts(real: Any, self: Session, turn: Any, member: Member, said: Report) -> None:
    real(self, turn, member, said)
    if self.state in HALTING and said.phase is Phase.READY:
        member.ready = True


def _no_fence(real: Any, self: Session, turn: Any, member: Member, event: ReportArrived) -> None:
    fence = member.fence_until
    real(self, turn, member, event)
    member.fence_until = fence


def _promise_of_play_counts(
    real: Any, self: Session, turn: Any, member: Member, event: ReportArrived
) -> None:
    with Swap(rules, "HALTING", lambda _real: frozenset(State)).made():
        real(self, turn, member, event)


def _promise_drops_the_fence(
    real: Any, self: Session, turn: Any, member: Member, event: ReportArrived
) -> None:
    real(self, turn, member, event)
    if member.promised:
        member.fence_until = -inf


def _old_client_takes_the_seat(real: Any, self: Session, turn: Any, event: ReportArrived) -> None:
    member, said = self.member(event.player), event.report
    if 0 < said.gen < member.gen:
        member.gen, member.seq = said.gen, said.seq - 1
    real(self, turn, event)


def _takes_the_seat_at_once(real: Any, self: Session, turn: Any, event: ReportArrived) -> None:
    member = self.member(event.player)
    if event.report.gen == 0 and self.state is not State.ENDED:
        member.gen_next += 1
        event = evolve(event, report=evolve(event.report, gen=member.gen_next))
    real(self, turn, event)


def _offers_the_real_state(real: Any, self: Session, member: Member) -> View:
    offer: View = real(self, member)
    return evolve(offer, version=self.version, epoch=self.epoch, state=self.state)


def _takes_any_number(real: Any, self: Session, turn: Any, event: ReportArrived) -> None:
    member, said = self.member(event.player), event.report
    if said.gen == member.gen > 0:
        member.seq = min(member.seq, said.seq - 1)
    real(self, turn, event)


def _resumes_who_is_away(real: Any, self: Session, turn: Any) -> None:
    if self.state is State.RECONNECTING and all(member.ready for member in self.in_game):
        self._resume(turn)
    real(self, turn)


# -- the session: time -----------------------------------------------------------------------------


def _restart_forgets_leases(real: Any, seat: Any, *, now: float, lease_bound: float) -> Member:
    member: Member = real(seat, now=now, lease_bound=lease_bound)
    member.last_report_at, member.fence_until = now - lease_bound, -inf
    return member


def _pause_renews_the_deadline(real: Any, self: Session, turn: Any, cause: str) -> None:
    real(self, turn, cause)
    self.ends_at = turn.now + self.policy.outage_timeout


def _drops_while_paused(real: Any, self: Session, turn: Any, ends_at: float) -> None:
    remaining = survivors(self.in_game, self.policy, self.hub)
    few = self.policy.players_min <= len(remaining) < len(self.players)
    if self.state is State.PAUSED and self.policy.on_deadline is OnShortage.GO_ON and few:
        self._go_on_with(turn, remaining)
    else:
        real(self, turn, ends_at)


def _waits_for_the_start(real: Any, self: Session, turn: Any) -> None:
    real(self, turn)
    self.resumed_at = inf


def _counts_a_pause_as_an_outage(real: Any, self: Session, turn: Any, cause: str) -> None:
    self.outages += self.state is State.RESUMED
    real(self, turn, cause)


def _pauses_do_not_add_up(real: Any, self: Session, now: float) -> float:
    before, length = self.paused_total, float(real(self, now))
    self.paused_total = max(before, length)
    return length


def _bound_does_not_matter(_real: Any, self: Member, _policy: Any) -> float:
    return self.fence_until


HALT = Swap(Peer, "_halt", _stop_keeps_the_epoch)
REFUSE = Swap(Peer, "_obey", _refuses_nothing)
RESUME_TIMEOUT = Swap(Session, "_resume", _waits_for_the_start)
READY = Swap(Peer, "ready", _without_a_lease)
CHECKED = Swap(Peer, "_check_lease", _without_a_lease), Swap(Peer, "deadline", _without_a_lease)

PROTOCOL_BUGS = (
    Bug(
        "M1",
        "Stopping raises the epoch.",
        "Nobody asks for a pause.",
        (HALT,),
        survives="The next view finds it stopped, and what it refuses raises the epoch.",
    ),
    Bug(
        "M1-refusal",
        "Stopping raises the epoch, and a view that goes on without this client is refused.",
        "A client has stopped, the session goes on, and nobody does anything about it.",
        (HALT, REFUSE),
    ),
    Bug(
        "M2",
        "A lease counts from when the acknowledged report was sent.",
        "A client plays on when the coordinator takes it for stopped.",
        (Swap(Control, "heard", _lease_from_receipt),),
    ),
    Bug(
        "M3",
        "Only who has a lease is ready, and plays.",
        "A client plays on when the coordinator takes it for stopped.",
        (READY, *CHECKED),
    ),
    Bug(
        "lease",
        "A lease runs out.",
        "A client takes steps for as long as nobody stops it.",
        (Swap(Control, "lease_until", _no_lease_ends),),
    ),
    Bug(
        "M3-ready",
        "Only who has a lease is ready.",
        "It arms without one.",
        (READY,),
        survives="The lease is looked at again before every step.",
    ),
    Bug(
        "M4",
        "Only a report of this epoch is a promise.",
        "The session reconnects while a client is armed for the epoch before.",
        (Swap(Session, "_heed", _any_promise_counts),),
        rare=True,
    ),
    Bug(
        "M5",
        "Only a report of this epoch makes a member ready.",
        "The session resumes, and a member has never promised.",
        (Swap(Session, "_heed", _any_ready_counts),),
    ),
    Bug(
        "M6",
        "Only a client that is ready arms.",
        "It starts over a dead link.",
        (Swap(Peer, "_obey", _starts_without_being_ready),),
    ),
    Bug(
        "M7",
        "A client that finds the game going on asks for a pause.",
        "It plays without links or state.",
        (Swap(Peer, "_obey", _joins_at_once),),
    ),
    Bug(
        "M8",
        "Nothing but a view starts a client.",
        "It plays while the session reconnects.",
        (Swap(Peer, "_settle", _resumes_by_itself),),
    ),
    Bug(
        "M9",
        "Who takes a seat puts up a fence against the older client.",
        "The older one still plays when all count as stopped.",
        (Swap(Session, "_seat", _no_fence),),
    ),
    Bug(
        "M10",
        "An older client is turned away.",
        "Two clients of one player take turns in its seat.",
        (Swap(Session, "_reported", _old_client_takes_the_seat),),
    ),
    Bug(
        "M11",
        "A coordinator that starts waits for the leases that its predecessor gave.",
        "It reconnects while everybody plays.",
        (Swap(Member, "of", _restart_forgets_leases),),
    ),
    Bug(
        "M13",
        "Only the coordinator ends the game.",
        "A client is gone, and the session goes on.",
        (Swap(Peer, "_settle", _decides_the_timeout),),
    ),
    Bug(
        "M14",
        "An outage keeps its deadline.",
        "It can be put off for ever.",
        (Swap(Session, "_pause", _pause_renews_the_deadline),),
    ),
    Bug(
        "M15",
        "Players are dropped only when all are known to have stopped.",
        "The one who is dropped plays on.",
        (Swap(Session, "_deadline_reached", _drops_while_paused),),
        shows=_some_may_go_on,
    ),
    Bug(
        "M16",
        "A resume that does not come off is taken back.",
        "The session waits for ever for a client that hangs.",
        (RESUME_TIMEOUT,),
        survives="A client that is not ready refuses, and the lease of one that hangs runs out.",
    ),
    Bug(
        "M16-refusal",
        "A resume that does not come off is refused, and taken back.",
        "The session waits for ever for a client that is not ready any more.",
        (RESUME_TIMEOUT, REFUSE),
        rare=True,
    ),
    Bug(
        "M17",
        "A new client is offered a generation before it takes the seat.",
        "A late attach of a dead connection takes the seat from the living client.",
        (Swap(Session, "_reported", _takes_the_seat_at_once),),
    ),
    Bug(
        "M18",
        "An offer tells nothing of the session.",
        "A client waits in an epoch that belongs to the one before it.",
        (Swap(Session, "offer", _offers_the_real_state),),
        survives="Who takes a seat reads a view of its own at once, and has proven no link before.",
    ),
    Bug(
        "refusal",
        "A client that is not ready refuses to resume.",
        "The session waits for it.",
        (REFUSE,),
        survives="The resume times out, and that is a pause as well.",
    ),
    Bug(
        "version",
        "A view that is older than the last one is ignored.",
        "A client goes back to what was.",
        (Swap(Peer, "_viewed", _takes_any_view),),
        survives="A connection keeps its order, and nothing of an older one is heard.",
    ),
    Bug(
        "seq",
        "A report that is older than the last one is ignored.",
        "A member takes back what it has said.",
        (Swap(Session, "_reported", _takes_any_number),),
    ),
    Bug(
        "probe",
        "A link is proven only by data that made the round trip.",
        "The game resumes over a link that carries one way.",
        (Swap(PeerLink, "proven", _needs_no_probe),),
        shows=peer_to_peer,
        survives="Each end has to hear the other for its link to be up.",
    ),
    Bug(
        "bound",
        "Who is silent counts as stopped only when the lease has run out.",
        "The session reconnects while a silent client plays.",
        (Swap(Member, "halted_at", _bound_does_not_matter),),
    ),
    Bug(
        "stale-promise",
        "Only a promise of this outage spares the next client the fence.",
        "A promise from before the resume lets an older client play on.",
        (Swap(Session, "_seat", _promise_of_play_counts),),
    ),
    Bug(
        "dropped-fence",
        "A fence that is up stays up, whatever the next client promises.",
        "The oldest of three clients plays on.",
        (Swap(Session, "_seat", _promise_drops_the_fence),),
        rare=True,
    ),
    Bug(
        "away",
        "Nobody is resumed without a connection.",
        "The game starts without a player.",
        (Swap(Session, "_evaluate", _resumes_who_is_away),),
    ),
    Bug(
        "two-outages",
        "A pause in the middle of an outage is the same outage.",
        "It is counted twice.",
        (Swap(Session, "_pause", _counts_a_pause_as_an_outage),),
    ),
    Bug(
        "sum",
        "Pauses add up.",
        "The budget for pauses is never spent.",
        (Swap(Session, "_close_outage", _pauses_do_not_add_up),),
    ),
)
