"""Verdict: what was measured, and whether it is what the fault should have led to."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from attrs import asdict, define, field, frozen

from reconnect.core.messages import Reason
from reconnect.core.table import State
from reconnect.demo.timeline import SERVER, Timeline
from reconnect.policy import Policy
from reconnect.telemetry.trace import Step, read_trace

END_SKEW_MAX = 1.0  # s between the first and the last player's end
EITHER_WAY = 1.0  # s around a deadline within which both outcomes are right
LINK_FAULTS = ("link", "both")
CONTROL_FAULTS = ("control", "both")
SERVER_FAULTS = ("reload", "server-kill")
FAULTS = ("link", "control", "both", "reload", "server-kill")
CLOCK_SKEW_MAX = 5.0  # ms between the record's sum of pauses and the instants of the trace


@frozen
class Plan:
    """What is to be done to the players."""

    players: int = 2
    outage: float = 3.0
    """Seconds; infinity for one that lasts for ever."""
    timeout: float = 30.0
    path: str = "same"
    fault: str = "link"
    down: float = 2.0
    """With the fault `server-kill`: seconds until the server is started again."""
    seed: int = 1

    @property
    def policy(self) -> Policy:
        """The policy that the server gives to all."""
        return Policy(topology="mesh", outage_timeout=self.timeout)

    @property
    def lasts(self) -> float:
        """How long the fault lasts."""
        return {"reload": 0.0, "server-kill": self.down}.get(self.fault, self.outage)

    @property
    def pauses_after(self) -> float:
        """How long the fault may last before everybody is paused."""
        policy = self.policy
        match self.fault:
            case "reload":
                return 0.0
            case "server-kill":  # nobody is left to say anything: leases run out
                return policy.lease - policy.heartbeat_interval
            case "control":
                return policy.silence_timeout + policy.control_grace_period
            case _:
                return policy.link_lost

    @property
    def pauses(self) -> bool:
        """Whether everybody is to be paused; False where that is a matter of luck."""
        return self.lasts >= self.pauses_after and not self.near(self.pauses_after)

    @property
    def ends(self) -> bool:
        """Whether the game is to end before the fault does."""
        return self.fault not in SERVER_FAULTS and self.lasts > self.pauses_after + self.timeout

    def near(self, instant: float) -> bool:
        """Whether the fault lasts so nearly that long that either outcome is right."""
        return self.lasts > 0 and abs(self.lasts - instant) < EITHER_WAY


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
    clock_pause_ms: float = 0.0
    """The same, counted by the parent from the instants in the trace."""
    superseded: int = 0
    """Messages to a program that another has taken the place of before it had them."""
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
    lives = [*finals, *timeline.older]
    for name in ("sent", "delivered", "lost", "duplicated", "reordered"):
        setattr(verdict, name, sum(life[name] for life in lives))
    verdict.superseded = sum(life["stats"]["superseded"] for life in lives)
    if completed and not timeline.older:  # what a program that is gone had sent may be anywhere
        verdict.lost = max(verdict.lost, verdict.sent - verdict.delivered + verdict.duplicated)
    verdict.frames = min((life["first"] + len(life["hashes"]) for life in finals), default=0)
    verdict.state_equal = verdict.frames > 0 and _equal(lives)
    verdict.clock_pause_ms = _paused_by_the_clock(trace)
    if timeline.cut_at is not None:
        _measure(verdict, timeline, timeline.cut_at)
    ends = [
        timeline.first(player, "Ended", after=timeline.began_at.get(player, 0.0))
        for player in players
    ]
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
        last_pause = max(last_pause, *timeline.began_at.values(), 0.0)
        back = [timeline.plays_after(player, last_pause) for player in players]
        known = [at for at in back if at is not None]
        if len(known) == len(players):
            verdict.recovered_s = round(max(known) - timeline.mended_at, 3)
            verdict.resume_skew_ms = _skew(back)
    methods = [outage["method"] for outage in verdict.outages if outage["method"]]
    verdict.method = methods[0] if methods else "none"


def _skew(instants: Iterable[float | None]) -> float | None:
    known = [at for at in instants if at is not None]
    return round((max(known) - min(known)) * 1000, 1) if known else None


def _equal(lives: list[dict[str, Any]]) -> bool:
    """Whether all that had a frame had the same one, and each game met another somewhere."""
    frames: dict[int, set[str]] = {}
    for life in lives:
        for frame, digest in enumerate(life["hashes"], life["first"]):
            frames.setdefault(frame, set()).add(digest)
    return all(life["hashes"] for life in lives) and all(len(one) == 1 for one in frames.values())


def _paused_by_the_clock(trace: str) -> float:
    """The milliseconds from each move away from `connected` to the next end of an outage."""
    total, paused_at, last = 0.0, None, None
    for _, line in read_trace(trace):
        if not isinstance(line, Step):
            continue
        if last is State.CONNECTED and line.state in (State.PAUSED, State.RECONNECTING):
            paused_at = line.at
        elif line.state in (State.CONNECTED, State.ENDED) and paused_at is not None:
            total, paused_at = total + line.at - paused_at, None
        last = line.state
    return round(total * 1000, 1)


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
    if abs(verdict.clock_pause_ms - verdict.total_pause_ms) > CLOCK_SKEW_MAX:
        yield f"paused for {verdict.clock_pause_ms} ms by the clock, not {verdict.total_pause_ms}"
    ended = verdict.outcome == "ended"
    if ended != plan.ends and not plan.near(plan.pauses_after + plan.timeout):
        yield f"the game {'ended' if ended else 'went on'} ({verdict.reason})"
    if ended:
        yield from _bad_end(verdict, timeline)
    elif not plan.near(plan.pauses_after):
        yield from _bad_pause(plan, verdict, timeline)


def _bad_end(verdict: Verdict, timeline: Timeline) -> Iterable[str]:
    reasons = {timeline.finals[player]["reason"] for player in timeline.players}
    if reasons != {Reason.TIMEOUT} or verdict.reason != Reason.TIMEOUT:
        yield f"ended by {sorted(reasons)}, not by {Reason.TIMEOUT}"
    if (verdict.ended_skew_ms or 0.0) > END_SKEW_MAX * 1000:
        yield f"the ends are {verdict.ended_skew_ms} ms apart"


def _bad_pause(plan: Plan, verdict: Verdict, timeline: Timeline) -> Iterable[str]:
    if not plan.pauses:
        if verdict.paused_s:
            yield f"{', '.join(verdict.paused_s)} paused without need"
        return
    stayed = [player for player in timeline.players if player not in timeline.began_at]
    if unpaused := [player for player in stayed if player not in verdict.paused_s]:
        yield f"{', '.join(unpaused)} did not pause"
    if verdict.recovered_s is None:
        yield "not everybody played on"
