"""Verdict: what was measured, and whether it is what the fault should have led to."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from attrs import asdict, define, field, frozen

from reconnect.core.messages import Reason
from reconnect.demo.timeline import SERVER, Timeline
from reconnect.policy import Policy

END_SKEW_MAX = 1.0  # s between the first and the last player's end
EITHER_WAY = 2.0  # s around a deadline within which both outcomes are right
LINK_FAULTS = ("link", "both")
CONTROL_FAULTS = ("control", "both")


@frozen
class Plan:
    """What is to be done to the players."""

    players: int = 2
    outage: float = 3.0
    """Seconds; infinity for one that lasts for ever."""
    timeout: float = 30.0
    path: str = "same"
    fault: str = "link"
    seed: int = 1

    @property
    def policy(self) -> Policy:
        """The policy that the server gives to all."""
        return Policy(topology="mesh", outage_timeout=self.timeout)

    @property
    def ends_after(self) -> float:
        """How long the outage may last before the game ends."""
        if self.fault in LINK_FAULTS:
            return self.policy.link_lost + self.timeout
        return self.pauses_after + self.timeout

    @property
    def pauses_after(self) -> float:
        """How long the fault may last before everybody is paused."""
        policy = self.policy
        if self.fault in LINK_FAULTS:
            return policy.link_lost
        return policy.silence_timeout + policy.control_grace_period


@define
class Verdict:
    """What one run showed; durations are seconds unless a name says milliseconds."""

    outcome: str = "ended"
    reason: str | None = None
    detected_s: float | None = None
    paused_s: dict[str, float] = field(factory=dict)
    pause_skew_ms: float | None = None
    recovered_s: float | None = None
    resume_skew_ms: float | None = None
    method: str = "none"
    sent: int = 0
    delivered: int = 0
    lost: int = 0
    duplicated: int = 0
    reordered: int = 0
    state_equal: bool = False
    frames: int = 0
    outages: list[dict[str, Any]] = field(factory=list)
    total_pause_ms: int = 0
    ended_skew_ms: float | None = None
    trace: str = ""
    problems: list[str] = field(factory=list)
    """Why this is not what should have come of the fault; empty if it is."""

    @property
    def right(self) -> bool:
        """Whether the outcome is right for the fault, and nothing was lost."""
        return not self.problems

    def to_json(self) -> dict[str, Any]:
        """All of it, as JSON."""
        return asdict(self)


def judge(plan: Plan, timeline: Timeline, *, trace: str) -> Verdict:
    """Measure a run by what its processes said."""
    verdict = Verdict(trace=trace)
    players = timeline.players
    finals = [timeline.finals[player] for player in players if player in timeline.finals]
    server = timeline.finals.get(SERVER, {})
    verdict.outages = server.get("outages", [])
    verdict.total_pause_ms = server.get("total_pause_ms", 0)
    completed = server.get("reason") == Reason.COMPLETED
    verdict.outcome = "connected" if completed else "ended"
    verdict.reason = server.get("reason")
    for name in ("sent", "delivered", "lost", "duplicated", "reordered"):
        setattr(verdict, name, sum(final[name] for final in finals))
    if completed:
        verdict.lost = max(verdict.lost, verdict.sent - verdict.delivered + verdict.duplicated)
    verdict.frames = min((len(final["hashes"]) for final in finals), default=0)
    verdict.state_equal = _equal([final["hashes"] for final in finals]) and verdict.frames > 0
    if timeline.cut_at is not None:
        _measure(verdict, timeline, timeline.cut_at)
    ends = [timeline.first(player, "Ended", after=0.0) for player in players]
    verdict.ended_skew_ms = _skew(ends)
    verdict.problems = [*_problems(plan, verdict, timeline, server)]
    return verdict


def _measure(verdict: Verdict, timeline: Timeline, cut_at: float) -> None:
    players = timeline.players
    paused = {player: timeline.first(player, "Paused", after=cut_at) for player in players}
    verdict.paused_s = {
        player: round(at - cut_at, 3) for player, at in paused.items() if at is not None
    }
    verdict.pause_skew_ms = _skew(paused.values())
    if verdict.paused_s:
        verdict.detected_s = min(verdict.paused_s.values())
    if timeline.mended_at is not None and verdict.paused_s:
        last_pause = max(at for at in paused.values() if at is not None)
        back = [timeline.plays_after(player, last_pause) for player in players]
        known = [at for at in back if at is not None]
        if len(known) == len(players):
            verdict.recovered_s = round(max(known) - timeline.mended_at, 3)
            verdict.resume_skew_ms = _skew(back)
    methods = [seen["data"]["method"] for seen in _seen(verdict, "link_mended")]
    if methods:
        verdict.method = next((one for one in methods if one != "self"), "self")


def _seen(verdict: Verdict, kind: str) -> list[dict[str, Any]]:
    return [seen for outage in verdict.outages for seen in outage["seen"] if seen["kind"] == kind]


def _skew(instants: Iterable[float | None]) -> float | None:
    known = [at for at in instants if at is not None]
    return round((max(known) - min(known)) * 1000, 1) if known else None


def _equal(hashes: list[list[str]]) -> bool:
    return all(len(set(frame)) == 1 for frame in zip(*hashes, strict=False))


def _problems(
    plan: Plan, verdict: Verdict, timeline: Timeline, server: dict[str, Any]
) -> Iterable[str]:
    players = timeline.players
    silent = [player for player in players if player not in timeline.finals]
    if silent or not server:
        yield f"no last word from {', '.join(silent) or SERVER}"
        return
    for name in ("lost", "duplicated", "reordered"):
        if count := getattr(verdict, name):
            yield f"{count} messages {name}"
    if not verdict.state_equal:
        yield "the players' states differ"
    ends = plan.outage > plan.ends_after
    if abs(plan.outage - plan.ends_after) > EITHER_WAY and ends != (verdict.outcome == "ended"):
        yield f"the game {'went on' if ends else 'ended'} ({verdict.reason})"
    if verdict.outcome == "ended":
        yield from _bad_end(verdict, timeline)
    elif abs(plan.outage - plan.pauses_after) > EITHER_WAY / 2:
        yield from _bad_pause(plan, verdict, players)


def _bad_end(verdict: Verdict, timeline: Timeline) -> Iterable[str]:
    reasons = {timeline.finals[player]["reason"] for player in timeline.players}
    if reasons != {Reason.TIMEOUT} or verdict.reason != Reason.TIMEOUT:
        yield f"ended by {sorted(reasons)}, not by {Reason.TIMEOUT}"
    if (verdict.ended_skew_ms or 0.0) > END_SKEW_MAX * 1000:
        yield f"the ends are {verdict.ended_skew_ms} ms apart"


def _bad_pause(plan: Plan, verdict: Verdict, players: list[str]) -> Iterable[str]:
    if plan.outage < plan.pauses_after:
        if verdict.paused_s:
            yield f"{', '.join(verdict.paused_s)} paused without need"
        return
    if missing := [player for player in players if player not in verdict.paused_s]:
        yield f"{', '.join(missing)} did not pause"
    if verdict.recovered_s is None:
        yield "not everybody played on"
