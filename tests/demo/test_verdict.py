"""The verdict is right only where the outcome fits the fault and nothing was lost."""

from math import inf
from typing import Any

import pytest

from reconnect.demo.timeline import SERVER, Timeline
from reconnect.demo.verdict import Plan, Verdict, judge
from reconnect.telemetry.trace import TraceWriter
from tests.games import Game

PLAYERS = ["alice", "bob"]
PAUSED: dict[str, Any] = {}
"""A trace with one outage, and how long it was."""


def final(**changed: Any) -> dict[str, Any]:
    books = {"sent": 10, "delivered": 10, "lost": 0, "duplicated": 0, "reordered": 0}
    stats = {"superseded": 0}
    return {
        "reason": "completed",
        "first": 0,
        "hashes": ["a", "b"],
        "stats": stats,
        **books,
        **changed,
    }


@pytest.fixture(scope="module", autouse=True)
def trace(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The trace of one outage, and what it amounts to."""
    path = tmp_path_factory.mktemp("verdict") / "trace.jsonl"
    game = Game(recorder=TraceWriter(path))
    game.run(2)
    game.network.cut("alice", "bob")
    game.run(3)
    game.network.mend("alice", "bob")
    game.run(2)
    game.coordinator.close()
    PAUSED.update(trace=path, ms=round(game.session.paused_total * 1000))


def run(
    plan: Plan,
    *,
    alice: dict[str, Any] | None = None,
    reason: str = "completed",
    paused: bool = True,
    back: bool = True,
    ended_at: float = 20.0,
    late: int = 0,
) -> Verdict:
    timeline = Timeline(PLAYERS, lambda *_: None)
    timeline.cut_at, timeline.mended_at = 10.0, None if plan.outage == inf else 13.0
    for n, player in enumerate(PLAYERS):
        notices = timeline.notices.setdefault(player, [])
        if paused:
            notices.append({"notice": "Paused", "t": 11.0 + n / 100})
        notices.append({"notice": "Ended", "t": ended_at + n * (ended_at - 20.0)})
        timeline.plays[player] = [5.0, *([13.1 + n / 1000] if back else [])]
        timeline.finals[player] = final(reason=reason)
    timeline.finals["alice"] = timeline.finals["alice"] if alice is None else alice
    timeline.finals[SERVER] = {
        "reason": reason,
        "outages": [{"method": "rebuild"}] if paused else [],
        "total_pause_ms": PAUSED["ms"] + late,
    }
    return judge(plan, timeline, trace=str(PAUSED["trace"]))


def test_what_is_measured():
    """Times are from the cut, or from the path's return; skews are between the players."""
    verdict = run(Plan())
    assert verdict.right, verdict.problems
    assert (verdict.outcome, verdict.reason) == ("connected", "completed")
    assert verdict.detected_s == 1.0
    assert verdict.paused_s == {"alice": 1.0, "bob": 1.01}
    assert verdict.pause_skew_ms == 10.0
    assert verdict.recovered_s == 0.101
    assert verdict.resume_skew_ms == 1.0
    assert verdict.method == "rebuild"
    assert (verdict.sent, verdict.delivered, verdict.total_pause_ms) == (20, 20, PAUSED["ms"])
    assert verdict.state_equal


def test_no_pause_is_measured_where_there_was_none():
    """A control link that is back in time pauses nobody, and that is right."""
    verdict = run(Plan(fault="control"), paused=False)
    assert verdict.right, verdict.problems
    assert (verdict.detected_s, verdict.recovered_s, verdict.method) == (None, None, "none")


def test_an_end_by_timeout_is_right_after_an_outage_that_lasts():
    """With `forever`, the right outcome is that all end with `timeout`."""
    plan = Plan(outage=inf, timeout=5.0)
    verdict = run(plan, reason="timeout", alice=final(reason="timeout", delivered=7), back=False)
    assert verdict.right, verdict.problems
    assert verdict.outcome == "ended"


@pytest.mark.parametrize(
    ("plan", "changes", "problem"),
    [
        (Plan(), {"alice": final(lost=1)}, "messages lost"),
        (Plan(), {"alice": final(delivered=9)}, "1 messages lost"),
        (Plan(), {"alice": final(duplicated=1)}, "duplicated"),
        (Plan(), {"alice": final(reordered=2)}, "2 messages reordered"),
        (Plan(), {"alice": final(hashes=["a", "c"])}, "states differ"),
        (Plan(), {"alice": final(hashes=[])}, "states differ"),
        (Plan(), {"paused": False}, "alice, bob did not pause"),
        (Plan(), {"back": False}, "not everybody played on"),
        (Plan(), {"reason": "timeout"}, "the game ended (timeout)"),
        (Plan(outage=inf), {}, "the game went on"),
        (Plan(outage=inf), {"reason": "state_lost"}, "not by timeout"),
        (Plan(outage=inf), {"reason": "timeout", "ended_at": 22.0}, "apart"),
        (Plan(fault="control"), {}, "paused without need"),
        (Plan(fault="server-kill"), {}, "paused without need"),
        (Plan(), {"late": 6}, "ms by the clock"),
    ],
)
def test_what_is_wrong_is_said(plan: Plan, changes: dict[str, Any], problem: str):
    """Every way in which a run can fail is a problem in words."""
    verdict = run(plan, **changes)
    assert not verdict.right
    assert any(problem in said for said in verdict.problems), verdict.problems


def test_a_process_without_a_last_word_is_a_failure():
    """A player that died takes the verdict with it."""
    timeline = Timeline(PLAYERS, lambda *_: None)
    timeline.finals["alice"] = final()
    verdict = judge(Plan(), timeline, trace=str(PAUSED["trace"]))
    assert verdict.problems == ["no last word from bob"]


def test_how_long_a_fault_may_last():
    """A cut control link, or a dead server, is borne far longer than a cut link."""
    assert Plan(fault="link").pauses_after == 1.0
    assert Plan(fault="control").pauses_after == 9.0
    assert Plan(fault="server-kill").pauses_after == pytest.approx(8.333)
    assert not Plan(fault="server-kill", down=2.0).pauses
    assert Plan(fault="server-kill", down=15.0).pauses
    assert Plan(fault="reload").pauses
    assert Plan(fault="both", outage=7.5, timeout=5.0).ends
    assert not Plan(fault="both", outage=5.0, timeout=5.0).ends


def test_a_program_that_was_replaced_is_judged_by_its_frames():
    """What an older program of a player played is compared as well; its lost messages are not."""
    timeline = Timeline(PLAYERS, lambda *_: None)
    timeline.cut_at, timeline.mended_at = 10.0, 11.0
    for player in PLAYERS:
        timeline.notices[player] = [{"notice": "Paused", "t": 10.1}, {"notice": "Ended", "t": 20.0}]
        timeline.plays[player] = [13.0]
        timeline.finals[player] = final()
    timeline.finals[SERVER] = {"reason": "completed", "outages": [], "total_pause_ms": PAUSED["ms"]}
    timeline.older.append(final(sent=20, hashes=["a"], stats={"superseded": 1}))
    timeline.began_at["alice"] = 11.0
    plan = Plan(fault="reload")
    verdict = judge(plan, timeline, trace=str(PAUSED["trace"]))
    assert verdict.right, verdict.problems
    assert (verdict.lost, verdict.superseded) == (0, 1)
    timeline.older.append(final(hashes=["x"]))
    assert not judge(plan, timeline, trace=str(PAUSED["trace"])).state_equal
