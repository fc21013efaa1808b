"""What a person sees of the demo."""

from io import StringIO

from rich.console import Console

from reconnect.demo.game import Game
from reconnect.demo.stage import Stage
from reconnect.demo.timeline import SERVER, Timeline
from reconnect.demo.verdict import Plan, Verdict

PLAYERS = ["alice", "bob"]


def console(*, terminal: bool) -> Console:
    return Console(file=StringIO(), force_terminal=terminal, width=110, height=50)


def said(stage_console: Console) -> str:
    assert isinstance(stage_console.file, StringIO)
    return stage_console.file.getvalue()


def timeline(stage: Stage) -> Timeline:
    told = Timeline(PLAYERS, stage.line)
    stage.watch(told)
    told.hear(SERVER, {"event": "shows", "state": "paused", "explain": "waits for bob"})
    for player in PLAYERS:
        board = Game(PLAYERS, 1).board()
        told.hear(player, {"event": "shows", "state": "paused", "frame": 7, "board": board})
    notice = {"event": "notice", "t": 1.0, "notice": "Paused", "cause": "link_lost", "missing": []}
    told.hear("alice", notice)
    return told


def test_without_a_terminal_the_timeline_is_printed_line_by_line():
    """A log file gets one line for each thing that happened, and no picture."""
    lines = console(terminal=False)
    with Stage(Plan(), PLAYERS, console=lines) as stage:
        timeline(stage)
    assert said(lines).strip().endswith("alice   paused: link_lost")
    assert "╭" not in said(lines)


def test_in_a_terminal_the_players_are_seen():
    """Each player's world, the session's state with its reason, and the timeline."""
    live = console(terminal=True)
    with Stage(Plan(), PLAYERS, console=live) as stage:
        timeline(stage)
    picture = said(live)
    for part in ("alice", "bob", "frame 7", "waits for bob", "paused: link_lost"):
        assert part in picture


def test_the_verdict_says_everything_that_was_measured():
    """Right or wrong, the table has all figures; what is wrong stands above it."""
    right, wrong = console(terminal=False), console(terminal=False)
    Stage(Plan(), PLAYERS, console=right).verdict(
        Verdict(outcome="connected", reason="completed", paused_s={"alice": 1.0}, recovered_s=0.1)
    )
    assert "as it should be" in said(right)
    assert "1.000 s after the cut" in said(right)
    assert "0.100 s after the path was back" in said(right)
    Stage(Plan(), PLAYERS, console=wrong).verdict(Verdict(problems=["3 messages lost"]))
    assert "3 messages lost" in said(wrong)
